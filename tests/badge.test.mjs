// The line below a cell: what it says of the last run, of one that goes on, and of the five last on hover.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import test from 'node:test';
import { parseMessage, parseRuns } from '../labextension/lib/api.js';
import { badgeOf, changesIn, figuresIn, liveBadge, USUAL } from '../labextension/lib/badge.js';
import { LastRuns } from '../labextension/lib/last-runs.js';
import { ENGLISH } from '../labextension/lib/words.js';

process.env.TZ = 'UTC';
const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const message = parseMessage(golden('message'));
const [FIRST, LOST] = message.closed;
const [RUNNING] = message.running;
const [NEWEST, EARLIER] = parseRuns(golden('runs')).get('cell-1');
const WANTED = {
  cellLineFrom: 0.5,
  cellLineFigures: USUAL,
  energyUnit: 'Wh',
  showMoney: true
};
const badge = (runs, more = {}) => badgeOf(runs, { ...WANTED, ...more }, ENGLISH);
const text = (run, ...figures) => badge([run], { cellLineFigures: figures }).text;
const without = (run, name) => ({ ...run, totals: run.totals.filter(one => one.name !== name) });
const unmeasured = (run, name) => ({
  ...run,
  totals: run.totals.map(one =>
    one.name === name ? { ...one, value: null, missing: 1, reasons: ['it fell off'] } : one
  )
});

test('the last run in one line, with the marks that figures have elsewhere', () => {
  const { text, mark, state } = badge([NEWEST]);
  assert.match(text, /^12\.5 s · 1\.25 PFLOP bf16 · 32 % of peak · 1\.01 Wh · ~[\d.]+ mg CO₂e$/);
  assert.deepEqual([mark, state], ['', 'ok']);
  assert.match(badge([LOST]).text, /≥ 200 TFLOP/);
});

test('the figures that are wanted, in that order', () => {
  assert.equal(text(NEWEST, 'energy', 'time'), '1.01 Wh · 12.5 s');
  assert.equal(text(NEWEST, 'gpu', 'memory'), '12.5 GPU-s · 1.50 GB RAM');
  assert.match(text(NEWEST, 'money'), /^~?[\d.]+ EUR$/);
  assert.equal(badge([NEWEST], { cellLineFigures: ['money'], showMoney: false }), null);
  assert.equal(badge([NEWEST], { cellLineFigures: [] }), null);
  assert.deepEqual(figuresIn(['peak', 'time', 'peak', 'pints']), ['peak', 'time']);
  assert.deepEqual(figuresIn(undefined), USUAL);
});

test('no device, nothing to say; not measured, a dash with its reason', () => {
  assert.equal(text(without(NEWEST, 'gpu_reserved_s'), 'time', 'gpu'), '12.5 s');
  assert.equal(text(unmeasured(NEWEST, 'energy_j'), 'time', 'energy'), '12.5 s · — Wh');
  const { hover } = badge([unmeasured(NEWEST, 'energy_j')]);
  assert.match(hover, /^Energy: not measured: it fell off$/m);
  assert.match(badge([unmeasured(NEWEST, 'flops')]).hover, /^FLOPs: not counted: it fell off$/m);
  assert.equal(text({ ...NEWEST, costs: null }, 'time', 'emissions'), '12.5 s');
  const [emissions] = NEWEST.costs.totals.filter(one => one.name === 'emissions_g');
  const costs = { ...NEWEST.costs, totals: [{ ...emissions, value: null, method: null }] };
  assert.equal(text({ ...NEWEST, costs }, 'time', 'emissions'), '12.5 s'); // its energy says why
  assert.match(badge([LOST]).hover, /^≥ A part is missing\.$/m);
  assert.match(badge([NEWEST]).hover, /^Of peak \(MFU\): 32 %/m);
});

test('how a run ended is said in words', () => {
  const ended = (outcome, error_type = null) => badge([{ ...NEWEST, outcome, error_type }]);
  assert.equal(ended('error', 'ValueError').mark, '✗ failed with ValueError');
  assert.equal(ended('error').mark, '✗ failed');
  assert.equal(ended('interrupted').mark, '■ interrupted');
  assert.equal(ended('killed').mark, '† the kernel was killed');
  assert.equal(ended('error').state, 'error');
  const nothing = badge([{ ...NEWEST, outcome: 'error' }], { cellLineFigures: [] });
  assert.equal(nothing.mark, '✗ failed');
});

test('a run that was too short has no line, whatever was before', () => {
  const short = { ...NEWEST, wall_s: 0.4 };
  assert.equal(badge([short, EARLIER]), null);
  assert.equal(badge([]), null);
  assert.match(badge([short], { cellLineFrom: 0 }).text, /^400 ms/);
});

test('a cell that runs: rounded down, once it has run for long enough', () => {
  const live = seconds => liveBadge(RUNNING, seconds, [NEWEST], WANTED, ENGLISH);
  assert.equal(live(0.4), null);
  assert.match(live(4.07).text, /^4 s · 400 TFLOP bf16 · /);
  assert.deepEqual([live(4).mark, live(4).state], ['Running', 'running']);
  assert.match(live(4).hover, /^The last run:\n.*12\.5 s · 1\.01 Wh$/m);
  assert.equal(live(4.1).hover, live(5.9).hover);
});

test('it changes as rarely as will do, and not at all without a time', () => {
  assert.ok(Math.abs(changesIn(0.1, 1.25, WANTED) - 0.4) < 1e-9);
  assert.equal(changesIn(4.1, 1.25, WANTED), 1.25);
  assert.equal(changesIn(4.1, 1.25, { ...WANTED, cellLineFigures: ['energy'] }), null);
});

test('the last runs and their spread, of complete ones of the same code', () => {
  const at = (n, more) => ({
    ...EARLIER,
    id: `e${n}`,
    started_at: EARLIER.started_at - n,
    ...more
  });
  const { hover } = badge([
    NEWEST,
    EARLIER,
    at(1, { outcome: 'error', error_type: 'OSError', wall_s: 1 }),
    at(2, { code_hash: 'ab', wall_s: 99 }),
    unmeasured(at(3, { wall_s: 14 }), 'energy_j')
  ]);
  assert.deepEqual(hover.split('\n').slice(0, 7), [
    'The last 5 runs:',
    '2026-09-21 14:14:20: 12.5 s · 1.01 Wh',
    '2026-09-21 14:04:20: 11.0 s · 873 mWh',
    '2026-09-21 14:04:19: 1.00 s · 873 mWh · ✗ failed with OSError',
    '2026-09-21 14:04:18: 1 min 39 s · 873 mWh · other code',
    '2026-09-21 14:04:17: 14.0 s · — Wh',
    'The 3 complete ones of this code: 11.0 s to 14.0 s · 873 mWh to 1.01 Wh'
  ]);
  assert.match(badge([NEWEST]).hover, /^Ran 2026-09-21 14:14:20\.$/m);
  assert.match(badge([NEWEST, { ...NEWEST, id: 'x' }]).hover, /each 12\.5 s · each 1\.01 Wh/);
});

test('the last five runs of each cell, from whoever tells of them', () => {
  const runs = new LastRuns();
  for (let n = 0; n < 7; n++) {
    runs.put({ ...FIRST, id: `r${n}`, started_at: 1000 + ((n * 3) % 7) });
  }
  assert.deepEqual(
    runs.of('cell-1').map(one => one.started_at),
    [1006, 1005, 1004, 1003, 1002]
  );
  const [newest] = runs.of('cell-1');
  runs.put({ ...newest, costs: null, totals: [] });
  assert.equal(runs.of('cell-1')[0], newest); // what is known stays known
  runs.put({ ...newest, wall_s: 3 });
  assert.equal(runs.of('cell-1')[0].wall_s, 3);
  runs.put({ ...FIRST, id: 'inner', parent_id: 'r0', started_at: 2000 });
  runs.put({ ...FIRST, id: 'block', cell_id: null, started_at: 2000 });
  assert.equal(runs.of('cell-1').length, 5);
  assert.deepEqual(runs.of('cell-2'), []);
});
