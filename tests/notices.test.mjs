// Notifications of budgets: each once, one for a budget at a time, with what can be done.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Notices, severityOf } from '../labextension/lib/notices.js';
import { ENGLISH } from '../labextension/lib/words.js';

const notice = (id, more = {}) => ({
  id,
  kind: 'warned',
  budget_id: 'b1',
  title: '20 GPU-h per week',
  threshold: 0.8,
  state: 'near',
  text: `said ${id}`,
  deeds: ['dearest', 'raise', 'hold'],
  ...more
});

function setup(wanted = true) {
  const shown = new Map();
  const done = [];
  let ids = 0;
  const board = {
    show: (text, severity, actions, closes_ms, instead) => {
      const id = instead ?? `t${(ids += 1)}`;
      shown.delete(id); // JupyterLab moves it to the others' end
      shown.set(id, { text, severity, actions, closes_ms });
      return id;
    },
    dismiss: id => shown.delete(id),
    has: id => shown.has(id)
  };
  const act = (...what) => done.push(what);
  const notices = new Notices(board, () => wanted, act, ENGLISH);
  const close = begins =>
    shown.forEach(({ text }, id) => text.startsWith(begins) && shown.delete(id));
  return { notices, done, shown: () => [...shown.values()], made: () => ids, close };
}

test('a notice is shown once, with its deeds, which know their budget and notebook', () => {
  const { notices, shown, done, made } = setup();
  notices.hear([notice('n1')], 'a notebook');
  notices.hear([notice('n1')], 'a notebook');
  assert.equal(made(), 1);
  const [one, ...more] = shown();
  assert.deepEqual(more, []);
  assert.deepEqual(
    one.actions.map(({ label }) => label),
    ['Dearest cells', 'Raise', 'Hold']
  );
  one.actions[1].act();
  assert.deepEqual(done, [['raise', 'b1', 'a notebook']]);
});

test('never a storm: of one budget the newest only, also of one message', () => {
  const { notices, shown } = setup();
  notices.hear([notice('n1', { threshold: 0.5 }), notice('n2')], 0);
  assert.deepEqual(
    shown().map(({ text }) => text),
    ['said n2']
  );
  notices.hear([notice('n3', { kind: 'refused' }), notice('m1', { budget_id: 'b2' })], 0);
  assert.deepEqual(
    shown().map(({ text }) => text),
    ['said n3', 'said m1']
  );
});

test('half a budget is news and goes by itself; what keeps a cell from running stays', () => {
  const of = more => severityOf(notice('n', more));
  assert.equal(of({ threshold: 0.5, state: 'ok' }), 'info');
  assert.equal(of({}), 'warning');
  assert.equal(of({ threshold: 0.5, state: 'over' }), 'warning');
  assert.equal(of({ kind: 'refused' }), 'error');
  assert.equal(of({ kind: 'stopped' }), 'error');
  const { notices, shown } = setup();
  notices.hear([notice('n1', { threshold: 0.5, state: 'ok' })], 0);
  assert.ok(shown()[0].closes_ms > 0);
  notices.hear([notice('n2', { kind: 'refused' })], 0);
  assert.equal(shown()[0].closes_ms, false);
});

test('who does not want them gets none, and no old ones later; deeds of a newer kernel are left out', () => {
  const off = setup(false);
  off.notices.hear([notice('n1')], 0);
  assert.deepEqual(off.shown(), []);
  const { notices, shown } = setup();
  notices.hear([notice('n1', { deeds: ['pray', 'extend'] })], 0);
  assert.deepEqual(
    shown()[0].actions.map(({ label }) => label),
    ['Go on']
  );
});

/** One budget each, as they come at once. */
const many = (count, more = {}) =>
  Array.from({ length: count }, (_, i) => notice(`n${i}`, { budget_id: `b${i}`, ...more }));

test('of many at once the three worst are shown, and of the others how many they are', () => {
  const { notices, shown, done, made } = setup();
  const all = many(12);
  all[5] = { ...all[5], kind: 'refused' };
  all[7] = { ...all[7], threshold: 1 };
  all[0] = { ...all[0], threshold: 0.5, state: 'ok' };
  notices.hear(all, 'a notebook');
  assert.deepEqual(
    shown().map(({ text }) => text),
    ['said n5', 'said n7', 'said n1', '… and 9 more budgets have reached a threshold']
  );
  const rest = shown()[3];
  assert.deepEqual([rest.severity, rest.closes_ms], ['warning', false]);
  assert.deepEqual(
    rest.actions.map(({ label }) => label),
    ['All budgets']
  );
  rest.actions[0].act();
  assert.deepEqual([done[0][0], done[0][2]], ['list', 'a notebook']);
  notices.hear(all, 'a notebook');
  assert.equal(made(), 4);
});

test('three at once are shown one by one, one more is not', () => {
  const [three, four] = [setup(), setup()];
  three.notices.hear(many(3), 0);
  assert.equal(three.shown().length, 3);
  four.notices.hear(many(4), 0);
  assert.equal(four.shown()[3].text, '… and one more budget has reached a threshold');
});

test('news of many goes by itself; another storm takes the place of the one before', () => {
  const { notices, shown } = setup();
  notices.hear(many(6, { threshold: 0.5, state: 'ok' }), 0);
  assert.ok(shown().every(({ closes_ms }) => closes_ms > 0));
  const later = (more, count = 6) =>
    many(count, more).map(one => ({ ...one, id: `${one.kind} ${one.id}` }));
  notices.hear(later({ kind: 'refused' }), 0);
  assert.deepEqual(
    shown().map(({ severity }) => severity),
    ['error', 'error', 'error', 'error']
  );
  notices.hear(later({ kind: 'extended' }, 5), 0);
  assert.equal(shown().at(-1).text, '… and 3 more budgets were extended');
  assert.equal(shown()[0].severity, 'error'); // the one that was not extended
  assert.equal(shown().length, 4);
});

test('nor is it a storm where they come one after the other; the worst stand alone', () => {
  const { notices, shown } = setup();
  const texts = () => shown().map(({ text }) => text);
  many(5).forEach(one => notices.hear([one], 0));
  const rest = count => `… and ${count} more budgets have reached a threshold`;
  assert.deepEqual(texts(), ['said n0', 'said n1', 'said n2', rest(2)]);
  notices.hear([notice('m4', { budget_id: 'b4', kind: 'refused' })], 0);
  assert.deepEqual(texts(), ['said n0', 'said n1', 'said m4', rest(2)]);
  notices.dismiss('b3');
  notices.dismiss('b2');
  assert.deepEqual(texts(), ['said n0', 'said n1', 'said m4']);
});

test('what the user has closed makes room, and is not counted any more', () => {
  const { notices, shown, close } = setup();
  const texts = () => shown().map(({ text }) => text);
  notices.hear(many(5), 0);
  close('said n0');
  close('…');
  notices.hear([notice('m5', { budget_id: 'b5' })], 0);
  assert.deepEqual(texts(), ['said n1', 'said n2', 'said m5']);
});

test('what the user has seen to is shown no more, nor its button that would grant it twice', () => {
  const { notices, shown } = setup();
  notices.hear([notice('n1', { kind: 'refused', deeds: ['extend'] })], 0);
  notices.hear([notice('m1', { budget_id: 'b2' })], 0);
  notices.dismiss('b1'); // Go on, in the panel
  assert.deepEqual(
    shown().map(({ text }) => text),
    ['said m1']
  );
});
