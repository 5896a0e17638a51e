// The panel's state of one kernel: what messages do to it, in order, late, or lost.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { parseMessage, parseReply } from '../labextension/lib/api.js';
import { SessionModel } from '../labextension/lib/model.js';

const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const message = (more = {}) => parseMessage({ ...golden('message'), ...more });
const reply = (more = {}) => parseReply({ ...golden('reply'), ...more });

function cell(id, energy, wall_s, more = {}) {
  const [first] = golden('message').closed;
  const totals = first.totals.map(one =>
    one.name === 'energy_j' ? { ...one, value: energy } : one
  );
  return { ...first, id, cell_id: id, seq: Number(id.slice(1)), wall_s, totals, ...more };
}

function setup() {
  const clock = { now: 1000, changes: 0 };
  const model = new SessionModel(
    () => (clock.changes += 1),
    () => clock.now
  );
  return { clock, model };
}

test('messages in order are applied, and a gap asks for the history', () => {
  const { model } = setup();
  model.learn(reply());
  assert.equal(model.phase, 'metered');
  assert.equal(model.hear(message({ seq: 8 })), 'applied');
  assert.equal(model.hear(message({ seq: 11 })), 'gap');
  model.learn(reply({ seq: 11 }));
  assert.equal(model.hear(message({ seq: 12 })), 'applied');
});

test('the first message of a kernel that we know nothing of shows at once, and asks for more', () => {
  const { model } = setup();
  assert.equal(model.hear(message()), 'gap');
  assert.equal(model.phase, 'metered');
  assert.equal(model.running.length, 1);
});

test('late messages change nothing', () => {
  const { clock, model } = setup();
  model.learn(reply());
  const { changes } = clock;
  assert.equal(model.hear(message({ seq: 7, running: [] })), 'stale');
  assert.equal(model.hear(message({ seq: 3, running: [] })), 'stale');
  assert.equal(model.running.length, 1);
  assert.equal(clock.changes, changes);
});

test('an answer that a message has overtaken adds its cells and takes nothing back', () => {
  const { model } = setup();
  model.learn(reply());
  model.hear(message({ seq: 8, running: [], closed: [cell('r9', 5, 1)] }));
  model.learn(reply({ seq: 7 }));
  assert.equal(model.running.length, 0);
  assert.deepEqual(
    model.dearest(10).map(({ cell }) => cell.id),
    ['r1', 'r2', 'r9']
  );
});

test('elapsed time goes on between messages, and each message sets it right', () => {
  const { clock, model } = setup();
  model.learn(reply());
  const [running] = model.running;
  assert.equal(model.elapsed(running), 4);
  clock.now += 2500;
  assert.equal(model.elapsed(running), 6.5);
  model.hear(message({ seq: 8, running: [{ ...golden('message').running[0], wall_s: 7 }] }));
  assert.equal(model.elapsed(model.running[0]), 7);
});

test('a restart forgets the session; the next kernel begins anew', () => {
  const { model } = setup();
  model.learn(reply());
  model.reset('looking');
  assert.equal(model.summary, null);
  assert.deepEqual(model.dearest(10), []);
  assert.equal(model.hear(message({ session_id: 's2', seq: 0, closed: [] })), 'gap');
  assert.equal(model.sessionId, 's2');
});

test('a message of another session drops the old one', () => {
  const { model } = setup();
  model.learn(reply());
  model.hear(message({ session_id: 's2', seq: 40, closed: [cell('r5', 1, 1)] }));
  assert.deepEqual(
    model.dearest(10).map(({ cell }) => cell.id),
    ['r5']
  );
});

test('%unload_ext and %load_ext again', () => {
  const { model } = setup();
  model.learn(reply());
  model.hear(message({ event: 'unloaded', seq: 8, running: [], closed: [] }));
  assert.equal(model.phase, 'unmetered');
  assert.equal(model.hear(message({ event: 'loaded', seq: 0, running: [], closed: [] })), 'gap');
  assert.equal(model.phase, 'metered');
  assert.equal(model.hear(message({ seq: 1 })), 'applied');
});

test('dearest first: by energy, those without by time after them, nested ones not at all', () => {
  const { model } = setup();
  const cells = [
    cell('r1', 10, 1),
    cell('r2', null, 50),
    cell('r3', 30, 2),
    cell('r4', null, 99),
    cell('r5', 500, 9, { parent_id: 'r1' })
  ];
  model.learn(reply({ cells }));
  const ranked = model.dearest(10);
  assert.deepEqual(
    ranked.map(({ cell }) => cell.id),
    ['r3', 'r1', 'r4', 'r2']
  );
  assert.deepEqual(
    ranked.map(({ share }) => share),
    [1, 1 / 3, 0, 0]
  );
  assert.equal(model.dearest(2).length, 2);
});

test('where no energy is known at all, time ranks', () => {
  const { model } = setup();
  model.learn(reply({ cells: [cell('r1', null, 5), cell('r2', null, 20)] }));
  const ranked = model.dearest(10);
  assert.deepEqual(
    ranked.map(({ cell, share }) => [cell.id, share]),
    [
      ['r2', 1],
      ['r1', 0.25]
    ]
  );
});

test('a session of days keeps the dearest and the newest', () => {
  const { model } = setup();
  model.learn(reply({ cells: [cell('r1', 1e9, 1)] }));
  for (let i = 0; i < 1000; i++) {
    model.hear(message({ seq: 8 + i, closed: [cell(`r${2 + i}`, i, 1)] }));
  }
  const ranked = model.dearest(10_000);
  assert.ok(ranked.length <= 600);
  assert.equal(ranked[0].cell.id, 'r1');
  assert.ok(ranked.some(({ cell }) => cell.id === 'r1001'));
});

test('a full disk shows, and goes when the next message says so', () => {
  const { model } = setup();
  const full = { ok: false, message: '12 records wait in memory', waiting: 12, path: '/x' };
  model.learn(reply({ ledger: full }));
  assert.equal(model.ledger.message, '12 records wait in memory');
  model.hear(message({ seq: 8 }));
  assert.equal(model.ledger.ok, true);
});
