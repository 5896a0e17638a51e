/** The panel's sections: what settings say of them, and what a hand does to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arranged, FIRST, SECTIONS, sectionsIn, toggled } from '../labextension/lib/sections.js';
import { points, Sparks } from '../labextension/lib/sparks.js';
import { failedOf } from '../labextension/lib/wasted.js';

test('a new user sees three sections, and the others behind More', () => {
  assert.deepEqual(arranged(FIRST), {
    always: ['now', 'budgets', 'totals'],
    more: ['spent', 'paper']
  });
});

test('each section is somewhere, in whatever order the setting has', () => {
  const { always, more } = arranged(sectionsIn(['paper', 'now'], FIRST));
  assert.deepEqual(always, ['paper', 'now']);
  assert.deepEqual([...always, ...more].sort(), [...SECTIONS].sort());
});

test('a setting with mistakes is read as far as it can be', () => {
  assert.deepEqual(sectionsIn(['totals', 'nonsense', 'totals', 3], FIRST), ['totals']);
  assert.deepEqual(sectionsIn('now', FIRST), FIRST);
  assert.deepEqual(sectionsIn([], FIRST), []);
});

test('a section that is opened is closed again', () => {
  assert.deepEqual(toggled(['now'], 'totals'), ['now', 'totals']);
  assert.deepEqual(toggled(['now', 'totals'], 'now'), ['totals']);
});

const told = (id, value) => ({ id, power: value === undefined ? null : { value } });

test("a running cell's power is kept for a minute, and forgotten when it ends", () => {
  const sparks = new Sparks();
  for (let n = 0; n < 70; n++) {
    sparks.hear([told('a', n), told('b')]);
  }
  assert.equal(sparks.of('a').length, 60);
  assert.equal(sparks.of('a').at(-1), 69);
  assert.deepEqual(sparks.of('b'), []);
  sparks.hear([told('b', null)]);
  assert.deepEqual([sparks.of('a'), sparks.of('b')], [[], []]);
});

test('a line has its zero at the bottom, and none is drawn of a single value or of nothing', () => {
  assert.equal(points([0, 50, 100], 59, 10), '0.0,10.0 1.0,5.0 2.0,0.0');
  assert.equal(points([5], 59, 10), '');
  assert.equal(points([], 59, 10), '');
  assert.equal(points([0, 0], 59, 10), '');
});

const joules = (value, method = 'measured', missing = 0) => ({
  name: 'energy_j',
  unit: 'J',
  value,
  method: value === null ? null : method,
  measured_share: null,
  missing,
  uncertainty: null,
  sources: ['RAPL'],
  reasons: value === null ? ['lost'] : []
});
const cell = (outcome, total, parent_id = null) => ({ outcome, parent_id, totals: [total] });

test('failed cells add up, the weakest method counts', () => {
  const cells = [
    cell('error', joules(3)),
    cell('interrupted', joules(4, 'modelled')),
    cell('ok', joules(100)),
    cell('error', joules(50), 'another')
  ];
  const { count, energy } = failedOf({ failed: 2 }, cells);
  assert.deepEqual([count, energy.value, energy.method, energy.missing], [2, 7, 'modelled', 0]);
});

test('what is forgotten or was not measured makes it a lower bound, never a zero', () => {
  const some = failedOf({ failed: 5 }, [cell('error', joules(3)), cell('error', joules(null))]);
  assert.deepEqual([some.energy.value, some.energy.missing], [3, 4]);
  const none = failedOf({ failed: 1 }, [cell('error', joules(null))]);
  assert.deepEqual(
    [none.energy.value, none.energy.method, none.energy.reasons],
    [null, null, ['lost']]
  );
  assert.equal(failedOf({ failed: 0 }, []), null);
});
