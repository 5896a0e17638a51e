// What is wrong, in one sentence, and the button that helps.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import React from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { parseMessage, parseTotals } from '../labextension/lib/api.js';
import { problemOf } from '../labextension/lib/feed.js';
import { Warnings } from '../labextension/lib/parts/notices.js';
import { text, viewed } from './drawn.mjs';

const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const WELL = {
  problem: null,
  lost: false,
  ledger: null,
  server: null,
  lacking: null,
  mistakes: [],
  act: () => undefined
};

/** What is said, and which button does what. */
function said(more) {
  const html = renderToStaticMarkup(viewed(React.createElement(Warnings, { ...WELL, ...more })));
  return [text(html), ...[...html.matchAll(/data-deed="(\w+)"/g)].map(([, deed]) => deed)];
}

function problem(parse, name, more) {
  try {
    parse({ ...golden(name), ...more });
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('it was understood');
}

test('all is well, nothing is said', () => {
  assert.deepEqual(said({}), ['']);
});

test('of another version it is said which to upgrade, with the button that helps', () => {
  const server = schema => said({ server: problem(parseTotals, 'totals', { schema }) });
  const kernel = schema => said({ problem: problem(parseMessage, 'message', { schema }) });
  assert.deepEqual(server(2), [
    "This page is older than the server's jupyter_costmeter: reload it. Reload the page",
    'reload'
  ]);
  assert.deepEqual(server(0), [
    "The server's jupyter_costmeter is older than this page: upgrade it where JupyterLab runs. Reload the page",
    'reload'
  ]);
  assert.deepEqual(kernel(2), [
    "The kernel's jupyter_costmeter is newer than JupyterLab's: upgrade it where JupyterLab runs. Reload the page",
    'reload'
  ]);
  assert.deepEqual(kernel(0), [
    "The kernel's jupyter_costmeter is older than JupyterLab's: upgrade it in the kernel's environment. Restart the kernel…",
    'restart'
  ]);
});

test("what a kernel says that is not understood is told without a class's name", () => {
  const [one, deed] = said({ problem: problem(parseMessage, 'message', { seq: 'x' }) });
  assert.match(one, /^The kernel is not understood: message\.seq: expected a number/);
  assert.doesNotMatch(one, /WireError/);
  assert.equal(deed, 'ask');
});

test('without a connection it is said once that the server does not answer', () => {
  const offline = [
    'Offline: the server does not answer, so totals are as they last were. Try again',
    'retry'
  ];
  assert.deepEqual(said({ lost: true }), offline);
  assert.deepEqual(said({ lost: true, server: 'Failed to fetch', lacking: 'node7' }), offline);
});

test("records that are not in the server's ledger are said once, with the machine", () => {
  assert.deepEqual(said({ lacking: 'node7' }), [
    "This kernel's records are not in the server's ledger (it runs on node7). Ask again",
    'askBoth'
  ]);
  const ledger = { ok: false, message: 'it is full', waiting: 2, path: '' };
  assert.deepEqual(said({ lacking: 'node7', ledger }), ['It is full Try again', 'save']);
});
