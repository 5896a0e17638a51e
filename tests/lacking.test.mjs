// Totals of a ledger that lacks a session's cells.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import React from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { parseTotals, totalOf } from '../labextension/lib/api.js';
import { plain, show } from '../labextension/lib/format.js';
import { withoutSome } from '../labextension/lib/lacking.js';
import { Duration } from '../labextension/lib/parts/figure.js';
import { text, viewed } from './drawn.mjs';

const golden = JSON.parse(readFileSync(new URL('data/totals.json', import.meta.url), 'utf8'));
const { notebook } = parseTotals(golden).scopes;

test('no cell there says nothing of those that ran: no zero', () => {
  assert.equal(withoutSome({ ...notebook, cells: 0 }, 'elsewhere'), null);
});

test('what other sessions have used is a lower bound, with the reason', () => {
  const part = withoutSome(notebook, 'elsewhere');
  const all = [part.totals, part.costs.totals, ...part.buckets.map(one => one.totals)].flat();
  for (const one of all.filter(({ value }) => value !== null)) {
    assert.match(plain(show(one, 'J')), /^≥ /, one.name);
    assert.ok(one.reasons.includes('elsewhere'));
  }
  assert.ok([...part.costs.bills, ...part.costs.clouds].every(one => /^≥ [^≥]/.test(one.text)));
  assert.equal(part.costs.range_g, null);
  assert.equal(totalOf(part, 'energy_j').value, totalOf(notebook, 'energy_j').value);
});

test('a time that is not known is no zero, and says why on hover', () => {
  const drawn = props =>
    renderToStaticMarkup(viewed(React.createElement(Duration, { name: 'wall_s', ...props })));
  const unknown = drawn({ seconds: null, why: 'No cell has run.' });
  assert.equal(text(unknown), '—');
  assert.match(unknown, /data-value="".*title="No cell has run\."/);
  assert.equal(text(drawn({ seconds: 12.4, why: 'elsewhere', least: true })), '≥12.4 s');
});
