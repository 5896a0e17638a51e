// The timeline's state: what it asks for, when again, and that what says the same is not drawn again.
import assert from 'node:assert/strict';
import test from 'node:test';
import { TimelineView } from '../labextension/lib/timeline.js';
import { pause, until } from './verdicts.mjs';

function setup(t) {
  const state = {
    asked: [],
    text: 'one',
    limit: '',
    more: false,
    fails: false,
    wanted: true,
    drawn: 0
  };
  const get = async path => {
    const { searchParams } = new URL(`http://h/${path}`);
    state.asked.push(Object.fromEntries(searchParams));
    if (state.fails) {
      return new Response('{"message": "the ledger is away"}', { status: 503 });
    }
    const item = { version: '3.9.2', doc: {} };
    const answer = {
      schema: 1,
      item,
      reason: null,
      text: state.text,
      shift_s: 0,
      limit: state.limit,
      more: state.more
    };
    return new Response(JSON.stringify(answer));
  };
  const view = new TimelineView(
    get,
    () => state.wanted,
    () => (state.drawn += 1),
    () => '#333333'
  );
  t.after(() => view.stop());
  return { state, view };
}

const ABOUT = { path: 'a.ipynb', session: 's1' };

test('it asks for the session of the notebook that is followed', async t => {
  const { state, view } = setup(t);
  view.follow(ABOUT, '1');
  await until(() => view.answer !== null);
  assert.deepEqual(state.asked[0], {
    path: 'a.ipynb',
    session: 's1',
    scope: 'session',
    ink: '#333333'
  });
});

test('without a session it is about the notebook', async t => {
  const { state, view } = setup(t);
  view.follow({ path: 'a.ipynb', session: null }, '1');
  await until(() => view.answer !== null);
  assert.equal(state.asked[0].scope, 'notebook');
});

test('it asks again for new figures only, and draws what is new only', async t => {
  const { state, view } = setup(t);
  view.follow(ABOUT, '1');
  await until(() => view.answer !== null);
  const first = view.answer;
  view.follow(ABOUT, '1');
  await pause(600);
  assert.equal(state.asked.length, 1);
  view.follow(ABOUT, '2');
  await until(() => state.asked.length === 2);
  await pause(50);
  assert.equal(view.answer, first);
  state.text = 'two';
  view.follow(ABOUT, '3');
  await until(() => view.answer !== first);
  assert.equal(view.answer.text, 'two');
  state.limit = 'paper: 1 of 2 kWh';
  view.follow(ABOUT, '4');
  await until(() => view.answer.limit !== '');
});

test('zooming asks where there is more', async t => {
  const { state, view } = setup(t);
  view.follow(ABOUT, '1');
  await until(() => view.answer !== null);
  view.look({ start: 1, end: 2 });
  await pause(600);
  assert.equal(state.asked.length, 1);
  state.more = true;
  view.answer = { ...view.answer, more: true };
  view.look({ start: 3, end: 4 });
  await until(() => state.asked.length === 2);
  assert.deepEqual([state.asked[1].from, state.asked[1].to], ['3', '4']);
});

test('another notebook or scope begins anew', async t => {
  const { state, view } = setup(t);
  view.follow(ABOUT, '1');
  await until(() => view.answer !== null);
  view.look({ start: 1, end: 2 });
  view.choose('project');
  assert.deepEqual([view.answer, view.looked], [null, null]);
  await until(() => view.answer !== null);
  assert.equal(state.asked.at(-1).scope, 'project');
  view.follow({ path: 'b.ipynb', session: null }, '1');
  assert.equal(view.answer, null);
});

test('an error is told, and a later answer takes its place', async t => {
  const { state, view } = setup(t);
  state.fails = true;
  view.follow(ABOUT, '1');
  await until(() => view.problem !== null);
  assert.equal(view.problem, 'the ledger is away');
  state.fails = false;
  view.refresh();
  await until(() => view.answer !== null);
  assert.equal(view.problem, null);
});

test('nobody looks: nothing is asked', async t => {
  const { state, view } = setup(t);
  state.wanted = false;
  view.follow(ABOUT, '1');
  await pause(600);
  assert.equal(state.asked.length, 0);
  state.wanted = true;
  view.refresh();
  await until(() => view.answer !== null);
});
