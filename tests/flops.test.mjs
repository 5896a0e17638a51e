// What the panel says of a cell's FLOPs, by hand from golden.py's round numbers and by itself.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { parseMessage } from '../labextension/lib/api.js';
import { byPrecision, precision, work } from '../labextension/lib/flops.js';
import { ENGLISH } from '../labextension/lib/words.js';

const golden = new URL('data/message.json', import.meta.url);
const { running, closed, summary } = parseMessage(JSON.parse(readFileSync(golden, 'utf8')));

const total = ([name, value], more = {}) => ({
  name,
  unit: 'FLOP',
  value,
  method: value === null ? null : name.endsWith('_leading') ? 'modelled' : 'measured',
  measured_share: null,
  missing: 0,
  uncertainty: 0,
  sources: [],
  reasons: [],
  ...more
});
/** A cell of these FLOPs by precision; `more` is of their sum. */
function cell(found, rates = null, more = {}) {
  const totals = Object.entries(found).map(one => total(one));
  const sum = totals.reduce((n, one) => n + (one.name === 'flops_hardware' ? 0 : one.value), 0);
  return { rates, totals: [total(['flops', totals.length > 0 ? sum : null], more), ...totals] };
}
const line = one => work(one, ENGLISH)?.parts.join(' · ');
const hover = one => work(one, ENGLISH).hover.split('\n');
const NUMPY = { missing: 1, reasons: ['numpy: its arithmetic leaves no trace to count by'] };

test('a cell says its FLOPs, their precision and their share of the peak', () => {
  assert.deepEqual([...running, ...closed].map(line), [
    '400 TFLOP bf16 · 32 % of peak', // 4 s × (1e14 + 1e11); 1e14 of 312e12 a second
    '1.25 PFLOP bf16 · 32 % of peak', // 12.5 s
    '≥ 200 TFLOP bf16 · ≥ 32 % of peak' // 2 s, and numpy
  ]);
});

test('its hover has the rates, whose peak it is, and what was not counted', () => {
  assert.deepEqual(hover(closed[0]), [
    'FLOPs: 1.25 PFLOP, exact',
    'Measured.',
    'bf16: 1.25 PFLOP',
    'fp32: 1.25 TFLOP',
    'Per second: 100 TFLOP/s (~125 TFLOP/s while the GPU was busy)',
    'Of peak (MFU): 32 % (~40 % while the GPU was busy)',
    'Peak: NVIDIA A100 data sheet (2021)',
    'Per joule: 343 GFLOP/J', // 1.25125e15 / 3650 J
    'From: torch operators that ran, counted by their shapes'
  ]);
  assert.deepEqual(hover(closed[1]).slice(4, 8), [
    'Per second: ≥ 100 TFLOP/s (≥ ~125 TFLOP/s while the GPU was busy)',
    'Of peak (MFU): ≥ 32 % (≥ ~40 % while the GPU was busy)',
    'Peak: NVIDIA A100 data sheet (2021)',
    '≥ Not counted: numpy: its arithmetic leaves no trace to count by'
  ]);
});

test("a scope's precisions, most first", () => {
  assert.deepEqual(byPrecision(summary, ENGLISH), ['bf16: 1.45 PFLOP', 'fp32: 1.45 TFLOP']);
  const found = cell({ flops_fp64_leading: 2e9, flops_int8: 3e9, flops_hardware: 9e9 });
  assert.deepEqual(byPrecision(found, ENGLISH), [
    'int8: 3.00 GFLOP',
    'fp64, by leading order: ~2.00 GFLOP'
  ]);
});

test('where only what cannot be counted ran there is a dash, with its reason', () => {
  const one = cell({}, null, NUMPY);
  assert.equal(line(one), '— FLOP');
  assert.deepEqual(hover(one), [
    'FLOPs: not counted: numpy: its arithmetic leaves no trace to count by'
  ]);
});

test('where nothing computed nothing is said', () => {
  assert.equal(line({ rates: null, totals: [] }), undefined);
  assert.equal(line(cell({ flops_fp32: 0 })), undefined);
  assert.equal(line(cell({ flops_fp32: 0 }, null, NUMPY)), '≥ 0 FLOP');
});

test('one precision, most, or mixed', () => {
  const said = (...flops) =>
    precision(
      cell({ flops_fp32: flops[0], flops_bf16: flops[1], flops_fp32_leading: flops[2] }),
      ENGLISH
    );
  assert.equal(said(0, 1000, 0), 'bf16');
  assert.equal(said(5, 995, 0), 'bf16');
  assert.equal(said(6, 994, 0), 'mostly bf16');
  assert.equal(said(490, 510, 0), 'mostly bf16');
  assert.equal(said(500, 500, 0), 'mixed precision');
  assert.equal(said(300, 500, 300), 'mostly fp32'); // exact and by leading order together
  assert.equal(said(0, 0, 7), 'fp32');
  assert.equal(precision(cell({ flops_hardware: 5 }), ENGLISH), '');
});

test('a peak that nobody knows is said, with what to do', () => {
  const why = 'no peak is known of Xeon at fp32; declare it: c.CostMeter.peak_flops = …';
  const one = cell({ flops_fp32: 2e9 }, { ...closed[0].rates, source: null, mfu_wall: null, why });
  assert.equal(line(one), '2.00 GFLOP fp32');
  assert.ok(hover(one).includes(`Of peak (MFU): not known: ${why}`));
});

test('a share of the peak has its marks, and a bound of next to nothing makes sense', () => {
  const said = (mfu_wall, more = {}) =>
    line(cell({ flops_fp32: 2e9 }, { ...closed[0].rates, mfu_wall, ...more })).split(' · ')[1];
  assert.equal(said(0.41), '41 % of peak');
  assert.equal(said(0.41, { method: 'declared' }), '~41 % of peak');
  assert.equal(said(0.41, { method: 'declared', mfu_bound: '≥' }), '≥ ~41 % of peak');
  assert.equal(said(0.004), '< 1 % of peak');
  assert.equal(said(0.004, { mfu_bound: '≥' }), '> 0 % of peak');
  assert.equal(said(0.996, { mfu_bound: '≥' }), '≥ 99 % of peak');
});

test('FLOPs per joule may be an upper bound', () => {
  const rates = { ...closed[0].rates, per_j_bound: '≤', per_j_method: 'modelled' };
  assert.ok(hover(cell({ flops_fp32: 2e9 }, rates)).includes('Per joule: ≤ ~343 GFLOP/J'));
});

test('what the hardware counted stands beside, never in the sum', () => {
  const one = cell({ flops_fp32: 2e9, flops_hardware: 5e9 });
  assert.equal(line(one), '2.00 GFLOP fp32');
  assert.ok(hover(one).includes("By the GPU's own counters, to compare: 5.00 GFLOP"));
});
