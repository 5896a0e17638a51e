// Cells that ended before it could be said what they cost.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Latecomers } from '../labextension/lib/latecomers.js';

function setup() {
  const one = { cells: new Map(), summary: null, asked: 0, told: [] };
  one.cell = id => one.cells.get(id) ?? null;
  one.late = new Latecomers(
    one,
    () => (one.asked += 1),
    cells => one.told.push(cells.map(({ id }) => id))
  );
  one.know = (id, costs) => one.cells.set(id, { id, costs });
  one.end = id => {
    one.know(id, null);
    one.late.add([one.cell(id)]);
    one.late.check();
  };
  return one;
}

test('they are asked for once, together, when the kernel can say it, and told when it has', () => {
  const one = setup();
  one.end('a');
  one.end('b');
  assert.equal(one.asked, 0);
  one.summary = { costs: {} };
  one.late.check();
  one.late.check();
  assert.deepEqual([one.asked, one.told], [1, []]); // an answer may be long in coming
  ['a', 'b'].forEach(id => one.know(id, {}));
  one.late.check();
  one.late.check();
  assert.deepEqual([one.asked, one.told], [1, [['a', 'b']]]);
});

test('who knows what it cost is not asked for, nor for ever', () => {
  const one = setup();
  one.summary = { costs: {} };
  one.know('a', {});
  one.late.add([one.cell('a')]);
  one.late.check();
  assert.equal(one.asked, 0);
  one.end('b');
  one.late.check();
  assert.deepEqual([one.asked, one.told], [1, []]);
  one.end('c');
  one.cells.delete('b'); // another kernel
  one.know('c', {});
  one.late.check();
  assert.deepEqual([one.asked, one.told], [2, [['c']]]);
});
