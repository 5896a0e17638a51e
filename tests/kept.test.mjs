// A held cell keeps the outputs of its last run: what is remembered, put back and forgotten.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Kept, withoutHold } from '../labextension/lib/kept.js';

const HOLD = { output_type: 'error', ename: 'BudgetHold', evalue: 'spent', traceback: [] };
const TEXT = { output_type: 'stream', name: 'stdout', text: 'precious\n' };
const IMAGE = { output_type: 'display_data', data: { 'image/png': 'iVBORw0KGgo' }, metadata: {} };
const MINE = { ...HOLD, ename: 'ValueError' };

/** A code cell's model, with the outputs of a run. */
function cell(outputs, more = {}) {
  const list = [...outputs];
  const metadata = {};
  return {
    outputs: {
      get length() {
        return list.length;
      },
      toJSON: () => [...list],
      add: output => list.push(output)
    },
    executionCount: 3,
    trusted: true,
    isDirty: false,
    setMetadata: (key, value) => (metadata[key] = value),
    metadata,
    list,
    ...more
  };
}

/** JupyterLab clears a cell, and the kernel answers. */
function clear(one, ...outputs) {
  one.list.splice(0, one.list.length, ...outputs);
  Object.assign(one, { executionCount: null, trusted: true, isDirty: false });
}

const HELD = { success: false, error: 'BudgetHold' };
const CANCELLED = { success: false, error: null };
const DONE = { success: true, error: null };

/** It is run, and ends so. */
function run(kept, one, end, queue, ...outputs) {
  kept.scheduled(one);
  clear(one, ...outputs);
  one.executionCount = 7;
  kept.executed(one, end, queue);
}

test('below the message of a hold stands what was there, again and again, and the message once', () => {
  const [kept, one, queue] = [new Kept(), cell([TEXT, IMAGE]), {}];
  for (let times = 0; times < 3; times += 1) {
    run(kept, one, HELD, queue, HOLD);
    assert.deepEqual(one.list, [HOLD, TEXT, IMAGE]);
    assert.equal(one.executionCount, 3);
  }
  run(kept, one, DONE, queue, IMAGE);
  assert.deepEqual(one.list, [IMAGE]);
});

test('what ran has its own outputs alone, however it ended, and the old ones are forgotten', () => {
  for (const [end, output] of [
    [DONE, IMAGE],
    [{ success: false, error: 'ValueError' }, MINE]
  ]) {
    const [kept, one, queue] = [new Kept(), cell([TEXT]), {}];
    run(kept, one, end, queue, output);
    assert.deepEqual(one.list, [output]);
    assert.equal(one.executionCount, 7);
    clear(one);
    run(kept, one, HELD, queue, HOLD);
    assert.deepEqual(one.list, [HOLD]);
  }
});

test('cells of a "Run All" that are cancelled with the held one have theirs again; with another failure not', () => {
  for (const [end, output, after] of [
    [HELD, HOLD, [TEXT, IMAGE]],
    [{ success: false, error: 'ValueError' }, MINE, []]
  ]) {
    const [kept, queue] = [new Kept(), {}];
    const [first, second, other] = [cell([TEXT]), cell([TEXT, IMAGE]), cell([TEXT])];
    for (const one of [first, second, other]) {
      kept.scheduled(one);
      clear(one);
    }
    first.outputs.add(output);
    kept.executed(first, end, queue);
    kept.executed(second, CANCELLED, queue);
    kept.executed(other, CANCELLED, {}); // in another notebook nothing was held
    assert.deepEqual(second.list, after);
    assert.deepEqual(other.list, []);
  }
});

test('asked twice, while it waits, it still has its first outputs', () => {
  const [kept, one, queue] = [new Kept(), cell([TEXT]), {}];
  kept.scheduled(one);
  clear(one);
  run(kept, one, HELD, queue, HOLD);
  assert.deepEqual(one.list, [HOLD, TEXT]);
});

test('with its kernel they are forgotten', () => {
  const [kept, one] = [new Kept(), cell([TEXT])];
  kept.scheduled(one);
  clear(one);
  kept.forget(one);
  run(kept, one, HELD, {}, HOLD);
  assert.deepEqual(one.list, [HOLD]);
});

test("outputs that were not trusted are not afterwards, nor in the notebook's file; an edited cell is one", () => {
  const [kept, one] = [new Kept(), cell([TEXT], { trusted: false, isDirty: true })];
  run(kept, one, HELD, {}, HOLD);
  assert.deepEqual([one.trusted, one.isDirty, one.metadata], [false, true, { trusted: false }]);
  const trusted = cell([TEXT]);
  run(kept, trusted, HELD, {}, HOLD);
  assert.deepEqual([trusted.trusted, trusted.metadata], [true, {}]);
});

test('only the first of the kept ones is an older message', () => {
  assert.deepEqual(withoutHold([HOLD, TEXT]), [TEXT]);
  assert.deepEqual(withoutHold([TEXT, HOLD]), [TEXT, HOLD]);
  assert.deepEqual(withoutHold([]), []);
});
