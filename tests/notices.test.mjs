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
    show: (text, severity, actions, closes_ms) => {
      shown.set(`t${(ids += 1)}`, { text, severity, actions, closes_ms });
      return `t${ids}`;
    },
    dismiss: id => shown.delete(id)
  };
  const act = (...what) => done.push(what);
  const notices = new Notices(board, () => wanted, act, ENGLISH);
  return { notices, done, shown: () => [...shown.values()], made: () => ids };
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
