// The last runs of cells, and which were asked for.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Asked } from '../labextension/lib/last-runs.js';

test('what had no answer is asked for again, and not what is under way or had one', async () => {
  const asked = new Asked();
  const seen = [];
  const failed = await asked.of(['a', 'b'], async () => {
    seen.push(asked.has('a'));
    return false;
  });
  assert.deepEqual([failed, ...seen, asked.has('a'), asked.has('b')], [false, true, false, false]);
  assert.equal(await asked.of(['a'], async () => true), true);
  assert.deepEqual([asked.has('a'), asked.has('b')], [true, false]);
});
