// The panel's state of one kernel: what messages do to it, in order, late, or lost.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { parseMessage, parseReply } from '../labextension/lib/api.js';
import { verdict } from './verdicts.mjs';
import { lookOf, parts, rank, SessionModel, utilisation } from '../labextension/lib/model.js';
import { failedOf } from '../labextension/lib/wasted.js';

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
  model.learn(reply({ running: golden('message').running }));
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

test('under other assumptions the kernel tells the costs again, and what it does not tell is not known', () => {
  const { model } = setup();
  const known = id => model.dearest(10).find(({ cell }) => cell.id === id).cell.costs;
  model.learn(reply());
  model.hear(message({ seq: 8, running: [], closed: [cell('r9', 5, 1)] }));
  assert.notEqual(known('r9'), null);
  model.outdate();
  assert.notEqual(known('r9'), null); // until there is an answer
  const told = golden('reply').cells[0];
  const [wh, grams] = told.costs.totals;
  const elsewhere = { ...told.costs, totals: [wh, { ...grams, value: 42 }] };
  model.learn(reply({ seq: 8, cells: [{ ...told, costs: elsewhere }] }));
  assert.equal(known('r1').totals[1].value, 42);
  assert.equal(known('r9'), null);
  model.hear(message({ seq: 9, running: [], closed: [cell('r10', 5, 1)] }));
  model.learn(reply({ seq: 9 }));
  assert.notEqual(known('r10'), null); // only once
});

test('elapsed time goes on between messages, and each message sets it right', () => {
  const { clock, model } = setup();
  model.learn(reply({ running: golden('message').running }));
  const [running] = model.running;
  assert.equal(model.elapsed(running), 4);
  assert.equal(model.nextTick(running), 1.25); // with the next message, unless it is late
  clock.now += 2500;
  assert.equal(model.elapsed(running), 6.5);
  assert.equal(model.nextTick(running), 0.5); // not heard of for long: by itself, at whole seconds
  model.hear(message({ seq: 8, running: [{ ...golden('message').running[0], wall_s: 7 }] }));
  assert.equal(model.elapsed(model.running[0]), 7);
});

test('the last words of a kernel that was restarted come late, and are not heard', () => {
  const { model } = setup();
  model.learn(reply());
  model.reset('looking');
  model.enter('unmetered');
  assert.equal(model.hear(message({ seq: 99, event: 'unloaded' })), 'stale');
  assert.deepEqual([model.phase, model.summary, model.sessionId], ['unmetered', null, null]);
  model.learn(reply()); // it is the same kernel after all
  assert.equal(model.phase, 'metered');
  assert.notEqual(model.hear(message({ seq: 99 })), 'stale');
});

test('what only runs on is told apart from what is new', () => {
  const told = [];
  const model = new SessionModel(ticked => told.push(ticked));
  model.learn(reply({ running: golden('message').running }));
  const on = (seq, more = {}) =>
    model.hear(message({ seq, closed: [], running: golden('message').running, ...more }));
  const [first] = [model.summary];
  on(8, { summary: first, held: [], ledger: model.ledger, budgets: null });
  const ran = golden('message').running.map(one => ({ ...one, wall_s: 9 }));
  on(9, { summary: first, held: [], ledger: model.ledger, budgets: null, running: ran });
  assert.equal(model.running[0].wall_s, 9);
  on(10, { summary: first, held: [], ledger: model.ledger, budgets: null, running: [] });
  on(11, { summary: { ...first, cells: 7 }, held: [], ledger: model.ledger, running: [] });
  assert.deepEqual(told.slice(-3), [true, false, false]);
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

const { summary } = reply();
const totals = found =>
  Object.entries(found).map(([name, more]) => ({
    ...summary.totals[0],
    name,
    method: 'measured',
    missing: 0,
    ...more
  }));
const scope = (found, buckets = []) => ({ ...summary, totals: totals(found), buckets });

test('a total lies in buckets whose parts add up to it', () => {
  const found = parts(summary, 'energy_j');
  assert.deepEqual(
    found.map(({ bucket }) => bucket),
    ['cell', 'held_idle', 'background']
  );
  const cells = 12.5 * 4 + 3600 + 2 * 4; // golden.py by hand
  const all = cells + 2200 + 30;
  const shares = [cells / all, 2200 / all, 30 / all];
  found.forEach(({ share }, i) => assert.ok(Math.abs(share - shares[i]) < 1e-12));
  assert.equal(found[1].total.value, 2200);
});

test('where all was used in cells there is nothing to break down', () => {
  const [cells, ...others] = summary.buckets;
  assert.deepEqual(parts({ ...summary, buckets: [cells] }, 'energy_j'), []);
  assert.deepEqual(parts({ ...summary, buckets: [] }, 'energy_j'), []);
  assert.deepEqual(parts({ ...summary, buckets: [cells, others[0]] }, 'cpu_s'), []);
  const idle = { bucket: 'held_idle', totals: totals({ energy_j: { value: 0 } }) };
  assert.deepEqual(parts({ ...summary, buckets: [cells, idle] }, 'energy_j'), []);
});

test('less than a hundredth outside of cells is not worth a word', () => {
  const told = joules =>
    parts(
      {
        ...summary,
        buckets: [
          { bucket: 'cell', totals: totals({ energy_j: { value: 100 - joules } }) },
          { bucket: 'background', totals: totals({ energy_j: { value: joules } }) }
        ]
      },
      'energy_j'
    ).length;
  assert.deepEqual([0.9, 1.1].map(told), [0, 2]);
});

test('a bucket that could not be measured is there, without a share', () => {
  const idle = { bucket: 'held_idle', totals: totals({ energy_j: { value: null } }) };
  const [cells, lost] = parts({ ...summary, buckets: [summary.buckets[0], idle] }, 'energy_j');
  assert.equal(cells.share, 1);
  assert.equal(lost.share, 0);
  assert.equal(lost.total.value, null);
});

test('how much of the GPU time that was held was used', () => {
  const told = utilisation(summary);
  assert.ok(Math.abs(told.share - (0.8 * 14.5) / 54.5) < 1e-12);
  assert.equal(told.method, 'modelled');
  assert.equal(told.bound, '');
  assert.equal(utilisation(scope({})), null);
  assert.equal(utilisation(scope({ gpu_reserved_s: { value: 0 } })), null);
  assert.equal(utilisation(scope({ gpu_reserved_s: { value: 9 } })).share, null);
  const more = scope({ gpu_reserved_s: { value: 9 }, gpu_busy_s: { value: 10 } });
  assert.equal(utilisation(more).share, 1);
});

test('what nobody looked at makes the used share a bound, or unknown', () => {
  const told = (held, busy, buckets) =>
    utilisation(scope({ gpu_reserved_s: held, gpu_busy_s: busy }, buckets));
  assert.equal(told({ value: 8 }, { value: 2, missing: 1 }).bound, '≥');
  assert.equal(told({ value: 8, missing: 1 }, { value: 2 }).bound, '≤');
  assert.equal(told({ value: 8, missing: 1 }, { value: 2, missing: 1 }).share, null);
  assert.equal(told({ value: 8 }, { value: null }).share, null);
  const silent = [{ bucket: 'held_idle', totals: totals({ gpu_reserved_s: { value: 4 } }) }];
  assert.equal(told({ value: 8 }, { value: 2 }, silent).bound, '≥');
  const work = totals({ gpu_reserved_s: { value: 1 }, gpu_busy_s: { value: 1 } });
  const both = [...silent, { bucket: 'background', totals: work }];
  assert.equal(told({ value: 8 }, { value: 2 }, both).bound, '');
});

test('a running cell, which has no buckets, has the same rule', () => {
  const told = (held, busy) =>
    utilisation({ totals: totals({ gpu_reserved_s: held, gpu_busy_s: busy }) });
  assert.equal(told({ value: 8 }, { value: 2 }).bound, '');
  assert.equal(told({ value: 8 }, { value: 2, missing: 1 }).bound, '≥');
  assert.equal(told({ value: 8, method: 'assumed' }, { value: 2 }).method, 'assumed');
});

test('without a connection the clock stands at what was last heard, and goes on with it', () => {
  const { clock, model } = setup();
  model.hear(message());
  const [run] = model.running;
  clock.now += 4000;
  assert.equal(model.elapsed(run), run.wall_s + 4);
  model.lose(true);
  assert.equal(model.elapsed(run), run.wall_s);
  clock.now += 60_000;
  assert.equal(model.elapsed(run), run.wall_s);
  model.hear(message({ seq: golden('message').seq + 1 }));
  assert.equal(model.lost, false);
  clock.now += 1000;
  assert.equal(model.elapsed(model.running[0]), run.wall_s + 1);
});

test('the time of a GPU held idle goes on, and ends when a cell runs', () => {
  const { clock, model } = setup();
  model.learn(reply());
  assert.equal(model.heldNow()[0].idle_s, 90);
  clock.now += 50 * 60_000;
  const [held] = model.heldNow();
  assert.equal(held.idle_s, 90 + 3000);
  assert.equal(held.used_bytes, 15e9);
  model.hear(message({ seq: 8, held: [held] })); // a cell runs
  assert.deepEqual(model.heldNow(), []);
  model.hear(message({ seq: 9, running: [], held: [{ ...held, idle_s: 0.2 }] }));
  assert.equal(model.heldNow()[0].idle_s, 0.2);
  model.reset('dead');
  assert.deepEqual(model.heldNow(), []);
});

test('the kernel is asked again each time the idleness has doubled, and not otherwise', () => {
  assert.deepEqual([0, 59, 60, 119, 120, 240, 3600].map(lookOf), [0, 0, 1, 1, 2, 3, 6]);
  const { clock, model } = setup();
  assert.equal(model.lookDue(), 0);
  model.learn(reply()); // idle for 90 s
  assert.equal(model.lookDue(), 0);
  clock.now += 29_000;
  assert.equal(model.lookDue(), 0);
  clock.now += 2000;
  assert.equal(model.lookDue(), 2);
  model.learn(reply({ held: [{ ...reply().held[0], idle_s: 121 }] }));
  assert.equal(model.lookDue(), 0);
});

test('budgets stay as they were last told, and are forgotten with their kernel', () => {
  const { clock, model } = setup();
  model.learn(reply({ budgets: null }));
  assert.equal(model.budgets, null);
  clock.now = 2000;
  model.hear(message({ seq: 8, budgets: [verdict()] }));
  assert.equal(model.budgets[0].id, 'b1');
  assert.equal(model.toldAt, 2000);
  model.hear(message({ seq: 9, budgets: null })); // it has not looked
  assert.equal(model.budgets[0].id, 'b1');
  model.hear(message({ seq: 10, budgets: [] }));
  assert.deepEqual(model.budgets, []);
  model.hear(message({ seq: 11, budgets: [verdict()] }));
  model.reset('looking');
  assert.equal(model.budgets, null);
});

test('what has ended while messages were lost is told once, and an old history is not', () => {
  const { model } = setup();
  assert.deepEqual(model.learn(reply()), []); // it was there before us
  assert.equal(model.hear(message({ seq: 9, closed: [] })), 'gap');
  const missed = cell('r7', 5, 1);
  const ended = model.learn(reply({ seq: 9, cells: [...golden('reply').cells, missed] }));
  assert.deepEqual(
    ended.map(({ id }) => id),
    ['r7']
  );
  assert.deepEqual(model.learn(reply({ seq: 9, cells: [missed] })), []);
  assert.equal(model.cell('r7').wall_s, 1);
  assert.equal(model.cell('r99'), null);
});

test('a message before the first history makes no old cell new', () => {
  const { model } = setup();
  model.hear(message({ closed: [] }));
  assert.deepEqual(model.learn(reply({ seq: 8 })), []);
});

test('cells that only ask us something are neither dear nor failed', () => {
  const { cells, summary } = golden('reply');
  const failing = { ...cells[0], id: 'ask', parent_id: null, outcome: 'error' };
  const asks = ({ id }) => id === 'ask';
  assert.ok(rank([failing, ...cells], 9).some(one => one.cell.id === 'ask'));
  assert.ok(!rank([failing, ...cells], 9, asks).some(one => one.cell.id === 'ask'));
  assert.equal(failedOf({ ...summary, failed: 1 }, [failing]).count, 1);
  assert.equal(failedOf({ ...summary, failed: 1 }, [failing], asks), null);
});

test('a cell that a budget kept from starting failed in nothing', () => {
  const { summary } = message();
  const held = cell('c2', 0.1, 0.06, {
    outcome: 'error',
    error_type: 'BudgetHold',
    parent_id: null
  });
  const broke = cell('c3', 9, 1, { outcome: 'error', error_type: 'ValueError', parent_id: null });
  assert.equal(failedOf({ ...summary, failed: 1 }, [held]), null);
  assert.equal(failedOf({ ...summary, failed: 2 }, [held, broke]).count, 1);
});
