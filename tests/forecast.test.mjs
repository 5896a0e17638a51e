// What the selected cell will cost: asked when the user stays with it, and of nobody else's cell.
import assert from 'node:assert/strict';
import test from 'node:test';
import { CellForecast } from '../labextension/lib/forecast.js';
import { pause, server, until } from './verdicts.mjs';

const foretold = text => ({
  schema: 1,
  forecast: { source: 'history', runs: 3, device: 'A100', budgets: [], text }
});

function setup(get, looks = { now: true }) {
  return new CellForecast(
    get,
    () => 'x.ipynb',
    () => looks.now,
    () => undefined
  );
}

test('only the cell at which the user stays is asked for', async () => {
  const { get, asked } = server(foretold('41 kJ'));
  const one = setup(get);
  one.about({ cell_id: 'a', source: 'train()' });
  one.about({ cell_id: 'b', source: 'test()' });
  one.about({ cell_id: 'b', source: 'test()' });
  await until(() => one.forecast !== null);
  assert.deepEqual(
    asked.map(({ method, body }) => [method, body]),
    [['POST', { cell_id: 'b', source: 'test()' }]]
  );
  assert.equal(one.forecast.text, '41 kJ');
  one.about({ cell_id: 'c', source: '' });
  assert.equal(one.forecast, null);
  await pause(500);
  assert.equal(asked.length, 1); // an empty cell costs nothing to foretell
});

test('a hidden panel asks nobody; when it is seen the cell of then is asked for', async () => {
  const { get, asked } = server(foretold('41 kJ'));
  const looks = { now: false };
  const one = setup(get, looks);
  one.about({ cell_id: 'a', source: 'train()' });
  await pause(500);
  assert.equal(asked.length, 0);
  looks.now = true;
  one.resume();
  await until(() => asked.length > 0);
  assert.equal(asked.length, 1);
});

test('an older server that foretells nothing is no error', async () => {
  const { get } = server({ status: 404, message: 'no' });
  const one = setup(get);
  one.about({ cell_id: 'a', source: 'train()' });
  await pause(500);
  assert.equal(one.forecast, null);
});
