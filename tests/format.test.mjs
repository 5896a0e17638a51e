// Numbers as the user reads them.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  about,
  duration,
  energy,
  explain,
  gpuTime,
  percent,
  plain,
  show,
  si,
  ticking
} from '../labextension/lib/format.js';
import { ENGLISH } from '../labextension/lib/words.js';

const total = (value, more = {}) => ({
  name: 'energy_j',
  unit: 'J',
  value,
  method: value === null ? null : 'measured',
  measured_share: value === null ? null : 1,
  missing: 0,
  uncertainty: null,
  sources: [],
  reasons: [],
  ...more
});
const shown = one => plain(show(one, 'J'));

test('the prefix leaves three digits that matter', () => {
  const cases = [
    [0, '0 J'],
    [0.05, '50.0 mJ'],
    [1, '1.00 J'],
    [999, '999 J'],
    [999.4, '999 J'],
    [999.7, '1.00 kJ'],
    [3418, '3.42 kJ'],
    [34_180, '34.2 kJ'],
    [99_960, '100 kJ'],
    [1.2e9, '1.20 GJ']
  ];
  for (const [value, text] of cases) {
    assert.equal(si(value, 'J'), text);
  }
  assert.equal(si(1.5e9, 'B'), '1.50 GB');
});

test('FLOPs go on to where there is no larger prefix', () => {
  const cases = [
    [2, '2.00 FLOP'],
    [6_553_600_000, '6.55 GFLOP'],
    [999.4e12, '999 TFLOP'],
    [999.7e12, '1.00 PFLOP'],
    [999.7e15, '1.00 EFLOP'],
    [1.234e18, '1.23 EFLOP'],
    [99.97e18, '100 EFLOP'],
    [2.5e21, '2500 EFLOP']
  ];
  for (const [value, text] of cases) {
    assert.equal(si(value, 'FLOP'), text);
  }
});

test('energy in the unit of the settings', () => {
  assert.equal(energy(3600, 'J'), '3.60 kJ');
  assert.equal(energy(3600, 'Wh'), '1.00 Wh');
  assert.equal(energy(1, 'Wh'), '278 µWh');
});

test('durations round over their borders', () => {
  const cases = [
    [0, '0 s'],
    [0.00002, '20.0 µs'],
    [0.0012, '1.20 ms'],
    [0.085, '85.0 ms'],
    [0.9999, '1.00 s'],
    [12.44, '12.4 s'],
    [59.97, '1 min 00 s'],
    [185, '3 min 05 s'],
    [3599.7, '1 h 00 min'],
    [3780, '1 h 03 min'],
    [3839, '1 h 03 min'],
    [360_000, '100 h']
  ];
  for (const [seconds, text] of cases) {
    assert.equal(duration(seconds), text);
  }
});

test('a time that ticks never says too much, and ticks no faster than it is worth', () => {
  assert.equal(ticking(0), '0 s');
  assert.equal(ticking(-0.3), '0 s');
  assert.equal(ticking(9.96), '9 s');
  assert.equal(ticking(59.99), '59 s');
  assert.equal(ticking(61.9), '1 min 01 s');
});

test('what is not measured is a dash, and never zero', () => {
  assert.equal(shown(total(null)), '—');
  assert.equal(shown(undefined), '');
  assert.equal(shown(total(0)), '0 J');
});

test('the marks say what a figure is worth', () => {
  assert.equal(shown(total(1200)), '1.20 kJ');
  assert.equal(shown(total(1200, { missing: 1 })), '≥ 1.20 kJ');
  assert.equal(shown(total(1200, { method: 'modelled' })), '~1.20 kJ');
  assert.equal(shown(total(1200, { method: 'declared', missing: 2 })), '≥ ~1.20 kJ');
});

test('the hover tells method, uncertainty, source, and what is missing', () => {
  const one = total(3658, {
    measured_share: 0.984,
    missing: 1,
    uncertainty: 182,
    sources: ['NVML energy counter', 'TDP 120 W'],
    reasons: ['the GPU is lost']
  });
  assert.equal(
    explain('Energy', one, 'J', ENGLISH),
    [
      'Energy: ≥ 3.66 kJ ±5.0 %',
      'Measured. Measured share: 98 %.',
      '≥ One part is missing: the GPU is lost',
      'From: NVML energy counter; TDP 120 W'
    ].join('\n')
  );
});

test('the hover of a dash gives the reason', () => {
  const lost = total(null, { reasons: ['the GPU is lost'] });
  assert.equal(explain('Energy', lost, 'J', ENGLISH), 'Energy: not measured: the GPU is lost');
  assert.match(explain('Energy', total(null), 'J', ENGLISH), /no reason is known/);
});

test('FLOPs are counted, exactly unless some were not', () => {
  const flops = (value, more) => total(value, { name: 'flops', unit: 'FLOP', ...more });
  const hover = (...one) => explain('FLOPs', flops(...one), 'J', ENGLISH, ['fp32: 2.00 GFLOP']);
  const why = { missing: 2, reasons: ['numpy: no trace', 'scipy: no trace'] };
  assert.equal(
    hover(2e9, { uncertainty: 0 }),
    'FLOPs: 2.00 GFLOP, exact\nMeasured.\nfp32: 2.00 GFLOP'
  );
  assert.equal(
    hover(2e9, { uncertainty: 0, ...why }),
    'FLOPs: ≥ 2.00 GFLOP\nMeasured.\nfp32: 2.00 GFLOP\n≥ Not counted: numpy: no trace; scipy: no trace'
  );
  assert.equal(hover(null, why), 'FLOPs: not counted: numpy: no trace; scipy: no trace');
  assert.equal(plain({ figure: '3 FLOP/J', mark: '≤~' }), '≤ ~3 FLOP/J');
});

test('a share is never rounded to none or to all', () => {
  assert.equal(percent(0.001), '< 1 %');
  assert.equal(percent(0.9999), '> 99 %');
  assert.equal(percent(0.5), '50 %');
});

test('a time that goes on for long is said in tens of seconds, then in minutes, never too long', () => {
  const cases = [
    [60, '1 min 00 s'],
    [209.9, '3 min 20 s'],
    [599, '9 min 50 s'],
    [600, '10 min'],
    [3059, '50 min'],
    [3599, '59 min'],
    [3959, '1 h 05 min']
  ];
  for (const [seconds, text] of cases) {
    assert.equal(about(seconds), text);
  }
});

test('the least there is reads as no zero', () => {
  assert.deepEqual(
    [4e-9, 9.996e-7, 4e-7, 1e-9, 4e-12].map(value => si(value, 'g')),
    ['4.00 ng', '1.00 µg', '400 ng', '1.00 ng', '< 1 ng']
  );
  assert.equal(gpuTime(4e-12), '< 1 GPU-ns');
});

test('GPU time has one unit', () => {
  assert.deepEqual([0, 4e-6, 0.004, 0.0999, 0.5, 30, 90, 3600, 36_000].map(gpuTime), [
    '0.00 GPU-s',
    '4.00 GPU-µs',
    '4.00 GPU-ms',
    '0.10 GPU-s',
    '0.50 GPU-s',
    '30.0 GPU-s',
    '1.50 GPU-min',
    '1.00 GPU-h',
    '10.0 GPU-h'
  ]);
});

test('an uncertainty as large as the figure is a factor', () => {
  const hover = uncertainty => explain('Energy', total(10, { uncertainty }), 'J', ENGLISH);
  assert.match(hover(20), /^Energy: 10.0 J ×\/÷ 3\n/);
  assert.match(hover(2e5), /^Energy: 10.0 J ×\/÷ > 100\n/); // all noise
  assert.match(hover(15), /^Energy: 10.0 J ×\/÷ 2.5\n/);
  assert.match(hover(9), /^Energy: 10.0 J ±90 %\n/);
});
