// What is told from values rather than by the kernel's sentences: in the reader's numbers and unit.
import assert from 'node:assert/strict';
import test from 'node:test';
import { speak } from '../labextension/lib/locale.js';
import { forecastText, titleOf } from '../labextension/lib/telling.js';
import { ENGLISH } from '../labextension/lib/words.js';
import { total, verdict } from './verdicts.mjs';

const energy = value => ({ ...total(value, { method: 'modelled' }), name: 'energy_j', unit: 'J' });
const wall = value => ({ ...total(value), name: 'wall_s', unit: 's' });
const forecast = more => ({
  source: 'history',
  runs: 3,
  device: 'AMD EPYC',
  wall_s: wall(1.5),
  energy_j: energy(4.07),
  budgets: [],
  text: 'The last runs took 4.07 J.',
  ...more
});

function inGerman(what) {
  speak('de_DE', ['de-DE']);
  try {
    return what();
  } finally {
    speak('en', ['en']);
  }
}

test('in English a title is the one of the kernel', () => {
  assert.equal(titleOf(verdict({ title: 'as it says' }), ENGLISH), 'as it says');
});

test('in German a budget without a name has German numbers; a name is a name', () => {
  const half = verdict({ limit: 0.5, measure: 'kwh', unit: 'kWh', title: '0.5 kWh per week' });
  const told = more => inGerman(() => titleOf({ ...half, ...more }, ENGLISH));
  assert.equal(told({}), '0,5 kWh per week, project paper');
  assert.equal(told({ scope: 'user', key: null }), '0,5 kWh per week, all of mine');
  assert.equal(told({ name: 'v1.5', title: 'v1.5' }), 'v1.5');
  const days = { period: { ...half.period, kind: 'rolling', text: '7d' } };
  assert.equal(told(days), '0.5 kWh per week'); // only the sentence says it
});

test('a forecast follows the unit and the language', () => {
  const told = unit => forecastText(forecast(), unit, ENGLISH);
  assert.equal(told('J'), 'The last runs took 4.07 J.');
  assert.equal(told('Wh'), '~1.13 mWh, 1.50 s, as its last 3 runs, on AMD EPYC');
  assert.equal(
    inGerman(() => told('J')),
    '~4,07 J, 1,50 s, as its last 3 runs, on AMD EPYC'
  );
  const bare = forecast({ wall_s: null, energy_j: null });
  assert.equal(forecastText(bare, 'Wh', ENGLISH), 'The last runs took 4.07 J.'); // of an older kernel
});

test('what it leaves of the tightest budget is said, too', () => {
  const budgets = [
    { id: 'a', title: 'quota', left_after: 1, share_after: 0.2, text: '' },
    { id: 'b', title: 'power', left_after: 1, share_after: 0.9, text: '' },
    { id: 'c', title: 'other', left_after: null, share_after: null, text: '' }
  ];
  const [one, two] = [forecast({ budgets }), forecast({ source: 'progress' })];
  assert.match(forecastText(one, 'Wh', ENGLISH), /90 % of power is spent then$/);
  assert.match(forecastText(two, 'Wh', ENGLISH), /by its progress, on AMD EPYC$/);
});
