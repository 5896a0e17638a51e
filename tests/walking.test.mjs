// A timeline by the keyboard: where its keys lead, over what a chart shows.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Walk } from '../labextension/lib/walking.js';

const band = (start, end) => ({ start, end, cellId: `cell-${start}`, told: `run at ${start}` });

function setup(bands = [band(0, 10), band(20, 30), band(900, 990)]) {
  const state = { marked: null, range: null, said: 0, went: [] };
  const drawn = {
    whole: { start: 0, end: 1000 },
    bands,
    range: () => state.range,
    zoom: range => (state.range = range),
    mark: one => (state.marked = one)
  };
  const walk = new Walk(
    () => (state.said += 1),
    id => state.went.push(id)
  );
  walk.over(drawn);
  return { state, walk, drawn };
}

const press = (walk, ...keys) => keys.map(key => walk.press(key));

test('arrows go from cell to cell, and no further than the last', () => {
  const { state, walk } = setup();
  press(walk, 'ArrowRight');
  assert.equal(walk.band.start, 0);
  press(walk, 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight');
  assert.equal(state.marked.start, 900);
  press(walk, 'ArrowLeft');
  assert.equal(state.marked.start, 20);
  press(walk, 'Home');
  assert.equal(state.marked.start, 0);
  press(walk, 'End');
  assert.equal(state.marked.start, 900);
  assert.equal(state.said, 8);
});

test('from none a step goes to one that is in view', () => {
  const { state, walk } = setup();
  state.range = { start: 15, end: 500 };
  press(walk, 'ArrowRight');
  assert.equal(state.marked.start, 20);
  const other = setup();
  other.state.range = { start: 15, end: 500 };
  press(other.walk, 'ArrowLeft');
  assert.equal(other.state.marked.start, 20);
});

test('what is out of view is moved into it, as near as before', () => {
  const { state, walk } = setup();
  state.range = { start: 0, end: 100 };
  press(walk, 'End');
  assert.equal(state.range.end - state.range.start, 100);
  assert.ok(state.range.start <= 900 && state.range.end >= 990);
});

test('plus and minus zoom around what is marked, and never beyond what there is', () => {
  const { state, walk } = setup();
  press(walk, '+');
  assert.deepEqual(state.range, { start: 250, end: 750 });
  press(walk, '-');
  assert.equal(state.range, null);
  press(walk, 'End', '+', '+');
  assert.deepEqual(state.range, { start: 750, end: 1000 });
  press(walk, '0');
  assert.equal(state.range, null);
  Array.from({ length: 30 }, () => press(walk, '='));
  assert.ok(state.range.end - state.range.start >= 10);
});

test('Enter goes to the marked cell, Escape lets go of it; other keys are not taken', () => {
  const { state, walk } = setup();
  assert.deepEqual(press(walk, 'Enter', 'Escape', 'a', 'Tab'), [false, false, false, false]);
  press(walk, 'ArrowRight', 'Enter');
  assert.deepEqual(state.went, ['cell-0']);
  press(walk, 'Escape');
  assert.equal(state.marked, null);
});

test('another drawing has the same one marked, alone or with others', () => {
  const { state, walk, drawn } = setup();
  press(walk, 'End');
  walk.over({ ...drawn, bands: [band(0, 40), band(800, 1000)] });
  assert.equal(state.marked.start, 800);
  walk.over({ ...drawn, bands: [band(0, 40)] });
  assert.equal(state.marked, null);
});

test('of a chart without cells keys do nothing', () => {
  const { state, walk } = setup([]);
  press(walk, 'ArrowRight', 'ArrowLeft', 'End');
  assert.equal(state.marked, null);
});
