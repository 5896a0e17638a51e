// The form of a budget: what is typed becomes a row, or is told what is wrong with it.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  blank,
  changed,
  draftOf,
  withPart,
  limitOf,
  mistakes,
  rowOf,
  warnOf
} from '../labextension/lib/budget-form.js';
import { ENGLISH } from '../labextension/lib/words.js';
import { verdict } from './verdicts.mjs';

const draft = more => ({ ...blank(true), limit: '20', ...more });
const wrong = more => mistakes(draft(more), ENGLISH);

test('a limit is a number as people type it, and never guessed', () => {
  const of = text => limitOf(text, 'kwh');
  assert.deepEqual(['20', ' 0.5 ', '12,5', '1e3'].map(of), [20, 0.5, 12.5, 1000]);
  assert.deepEqual(
    ['', 'much', '1,000', '1.000.000', '20 kWh', '-3', '2 k'].map(of),
    Array(7).fill(null)
  );
  const flops = text => limitOf(text, 'flops');
  assert.deepEqual(['1.5e18', '1.5 E', '2PFLOP', '3 k'].map(flops), [1.5e18, 1.5e18, 2e15, 3000]);
});

test('thresholds are shares in percent', () => {
  assert.deepEqual(warnOf('100, 50 %; 80'), [0.5, 0.8, 1]);
  assert.deepEqual(warnOf('80 80'), [0.8]);
  assert.equal(limitOf(String(5e-7), 'kwh'), 5e-7); // as a small limit is shown again
  const third = draftOf(verdict({ warn: [0.3333, 1] }));
  assert.deepEqual(warnOf(third.warn), [0.3333, 1]);
  assert.deepEqual(warnOf(''), []);
  assert.equal(warnOf('half'), null);
  assert.equal(warnOf('0'), null);
});

test('a mistake is told at its field, and only where the field is there', () => {
  assert.deepEqual(wrong({}), {});
  assert.match(wrong({ limit: '' }).limit, /how much/);
  assert.match(wrong({ limit: '1,000' }).limit, /without separators/);
  assert.match(wrong({ limit: '0' }).limit, /more than nothing/);
  assert.match(wrong({ limit: 'x', measure: 'flops' }).limit, /1.5 E/);
  assert.match(wrong({ measure: 'amount', currency: 'Euro' }).currency, /three letters/);
  assert.deepEqual(wrong({ measure: 'kwh', currency: 'Euro' }), {});
  assert.match(wrong({ per: 'rolling', length: '1.5' }).length, /whole number/);
  assert.match(wrong({ per: 'span' }).from, /which day/);
  assert.match(wrong({ per: 'span', from: '2026-10-02', until: '2026-10-02' }).until, /after/);
  assert.deepEqual(wrong({ per: 'week', length: 'x', until: '2026-10-02' }), {});
  assert.match(wrong({ warn: '50; all' }).warn, /50, 80, 100/);
});

test('a row is what the server reads', () => {
  assert.deepEqual(rowOf(draft({ name: ' thesis ' })), {
    id: null,
    measure: 'gpu_hours',
    limit: 20,
    currency: null,
    scope: 'project',
    per: 'week',
    from: null,
    until: null,
    zone: null,
    hold: 'warn',
    warn: [0.5, 0.8, 1],
    name: 'thesis',
    paused: false,
    shared: false
  });
  const span = rowOf(draft({ per: 'span', from: '2026-10-01' }));
  assert.deepEqual([span.per, span.from, span.until], [null, '2026-10-01', null]);
  assert.equal(rowOf(draft({ per: 'rolling', length: '24', lengthUnit: 'h' })).per, '24h');
  const money = rowOf(draft({ measure: 'amount', currency: 'eur' }));
  assert.equal(money.currency, 'EUR');
});

test('a budget goes into the form and comes out of it as it was', () => {
  const period = { ...verdict().period, kind: 'rolling', text: '36h' };
  const one = verdict({
    period,
    hold: 'ask',
    warn: [0.125, 1],
    name: 'thesis',
    paused: true,
    shared: true
  });
  const row = rowOf(draftOf(one));
  assert.deepEqual(
    [row.id, row.limit, row.per, row.zone, row.hold, row.warn, row.name, row.paused, row.shared],
    ['b1', 20, '36h', 'Europe/Berlin', 'ask', [0.125, 1], 'thesis', true, true]
  );
});

test('a button changes one thing and nothing else, to the last digit', () => {
  const one = verdict({ limit: 0.1 + 0.2, warn: [1 / 3, 1] });
  assert.deepEqual(changed(one, { paused: true }), { ...changed(one, {}), paused: true });
  assert.deepEqual([changed(one, {}).limit, changed(one, {}).warn], [0.1 + 0.2, [1 / 3, 1]]);
});

test('a budget of each session begins as one that lasts a session, and others are not kept so short', () => {
  const session = withPart(draft({}), { scope: 'session' });
  assert.equal(session.per, 'session');
  assert.equal(withPart(session, { limit: '5' }).per, 'session');
  assert.equal(withPart(session, { scope: 'user' }).per, 'week');
  assert.equal(withPart(draft({ per: 'month' }), { scope: 'user' }).per, 'month');
  assert.equal(withPart(session, { per: 'day' }).per, 'day');
});
