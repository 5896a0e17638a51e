// What spent a budget: rows by one thing or another, and a chart that is made anew only for something new.
import assert from 'node:assert/strict';
import test from 'node:test';
import { BYS } from '../labextension/lib/budget.js';
import { runsText, SpentView } from '../labextension/lib/spent.js';
import { ENGLISH } from '../labextension/lib/words.js';
import { pause, total, until } from './verdicts.mjs';

const rows = (by, value) => ({
  schema: 1,
  title: 'What spent 20 GPU-h per week',
  by,
  unit: 'GPU-h',
  rows: [
    {
      name: '[3] train',
      detail: '',
      runs: 2,
      amount: total(value),
      share: 1,
      outcome: 'error',
      superseded: true,
      cell_id: 'c1',
      notebook: null,
      id: null
    }
  ],
  total: total(value)
});

function setup() {
  const state = { value: 5, asked: [], fails: false, chart_ms: 0 };
  const get = async path => {
    const url = new URL(`http://h/${path}`);
    const name = url.pathname.split('/').pop();
    state.asked.push([name, url.searchParams.get('by') ?? url.searchParams.get('ink')]);
    if (state.fails) {
      return new Response('{"message": "the ledger is away"}', { status: 503 });
    }
    await pause(name === 'chart' ? state.chart_ms : 0);
    const chart = { schema: 1, item: { version: '3.9.2', doc: {} } };
    return Response.json(
      name === 'chart' ? (state.chart ?? chart) : rows(url.searchParams.get('by'), state.value)
    );
  };
  const view = new SpentView(
    get,
    () => 'x.ipynb',
    () => undefined,
    () => '#dddddd'
  );
  return Object.assign(state, { view });
}

test('opened it asks for cells and the chart; another tab asks for rows alone', async () => {
  const state = setup();
  const { view } = state;
  view.open('b1');
  await until(() => view.chart !== null);
  assert.equal(view.answer.rows[0].superseded, true);
  assert.equal(view.chart.version, '3.9.2');
  view.choose('day');
  await until(() => !view.busy);
  assert.equal(view.answer.by, 'day');
  state.value = 6;
  view.refresh();
  await until(() => state.asked.length === 5);
  await pause(50);
  assert.deepEqual(state.asked, [
    ['spent', 'cell'],
    ['chart', '#dddddd'],
    ['spent', 'day'],
    ['spent', 'day'],
    ['chart', '#dddddd']
  ]);
});

test('closed it forgets, and an answer that comes too late is dropped', async () => {
  const state = setup();
  const { view, asked } = state;
  state.chart_ms = 200;
  view.open('b1');
  view.close();
  await pause(50);
  assert.equal(view.answer, null);
  view.refresh();
  await pause(50);
  assert.equal(asked.length, 1);
  view.open('b1');
  await until(() => asked.length === 3);
  view.close(); // while its chart is being made
  await pause(400);
  assert.equal(view.chart, null);
});

test('what went wrong is told, and what was known stays', async () => {
  const state = setup();
  const { view } = state;
  view.open('b1');
  await until(() => view.chart !== null);
  state.fails = true;
  view.choose('label');
  await until(() => view.problem !== null);
  assert.equal(view.problem, 'the ledger is away');
  assert.equal(view.answer.by, 'cell');
  assert.equal(view.busy, false);
});

test('where there is nothing to draw the reason is told', async () => {
  const state = setup();
  state.chart = { schema: 1, item: null, reason: 'nothing was spent' };
  state.view.open('b1');
  await until(() => state.view.undrawn !== null);
  assert.equal(state.view.chart, null);
  assert.equal(state.view.undrawn, 'nothing was spent');
});

test('what was tagged is a way to look at it, too, and asked for by its name', async () => {
  assert.equal(new Set(BYS).size, BYS.length);
  for (const by of ['category', 'method', 'run']) {
    assert.ok(BYS.includes(by), by);
    const state = setup();
    state.view.open('b1');
    await until(() => state.view.answer !== null);
    state.view.choose(by);
    await until(() => state.view.answer.by === by);
    assert.ok(state.asked.some(([name, asked]) => name === 'spent' && asked === by));
  }
});

test('nothing is run between cells: such a row has its share alone', () => {
  const said = (runs, share) => runsText({ runs, share }, ENGLISH);
  assert.deepEqual(
    [said(2, 1), said(1, null), said(0, 0.25), said(0, null)],
    ['100 % · 2 runs', '1 run', '25 %', '']
  );
});
