// Budgets as the wire tells them: whose word holds, how they read, and what the server is asked.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseBudgets } from '../labextension/lib/api.js';
import {
  amountText,
  BudgetFeed,
  digits,
  hoverText,
  labText,
  merge,
  shortText,
  spokenOf,
  standing,
  tightest
} from '../labextension/lib/budgets.js';
import { NotebookBudgets } from '../labextension/lib/notebook-budgets.js';
import { ENGLISH } from '../labextension/lib/words.js';
import { list, pause, server, total, verdict } from './verdicts.mjs';

const spent = (value, limit = 20) => ({
  spent: total(value),
  limit,
  share: value / limit,
  state: value >= limit ? 'over' : value >= 0.8 * limit ? 'near' : 'ok'
});
const told = (at, ...budgets) => ({ budgets, at });
const NEVER = { budgets: null, at: -Infinity };

test('of each session by itself, without a session nothing is told', () => {
  const over = verdict({ scope: 'session', spent: total(30), share: 1.5, state: 'over', left: 0 });
  const [one] = merge(told(1, over), NEVER, 'no session');
  assert.deepEqual([one.state, one.spent.value, one.share], ['unknown', null, null]);
  assert.deepEqual(one.spent.reasons, ['no session']);
  assert.equal(tightest([one]), null);
  const [mine] = merge(told(1, over), told(2, { ...over, spent: total(0), share: 0, state: 'ok' }));
  assert.equal(mine.state, 'ok');
});

test('a list is read, and a mistake in it is told with its place', () => {
  const [one] = parseBudgets(list([verdict()])).budgets;
  assert.equal(one.period.end, 1e9 + 604800);
  assert.equal(one.spent.value, 12.4);
  assert.throws(() => parseBudgets(list([verdict({ hold: 'beg' })])), {
    message: 'budgets.budgets[0].hold: expected warn | ask | stop, got a string'
  });
});

test('the kernel alone, or the server alone, is believed', () => {
  const one = verdict();
  assert.deepEqual(merge(NEVER, NEVER), []);
  assert.deepEqual(merge(told(0, one), NEVER), [one]);
  assert.deepEqual(merge(NEVER, told(0, one)), [one]);
});

test('in one period the greater use is the newer, whoever spoke last', () => {
  const [less, more] = [verdict(spent(12)), verdict(spent(13))];
  assert.equal(merge(told(0, less), told(1, more))[0].spent.value, 13);
  assert.equal(merge(told(1, less), told(0, more))[0].spent.value, 13);
  assert.equal(merge(told(0, more), told(1, less))[0].spent.value, 13);
});

test('a period that has begun anew is not overruled by the last one', () => {
  const next = { ...verdict().period, start: 1e9 + 604800, end: 1e9 + 2 * 604800 };
  const [old] = merge(told(1, verdict({ ...spent(0), period: next })), told(0, verdict()));
  assert.equal(old.spent.value, 0);
});

test('under a raised limit the kernel keeps what it knows of the use', () => {
  const raised = verdict({ ...spent(16, 40), title: '40 GPU-h' });
  const [one] = merge(told(1, raised), told(2, verdict(spent(19))));
  assert.deepEqual(
    [one.limit, one.spent.value, one.left, one.share, one.state],
    [40, 19, 21, 0.475, 'ok']
  );
  const [paused] = merge(
    told(1, verdict({ paused: true, state: 'paused' })),
    told(2, verdict(spent(19)))
  );
  assert.equal(paused.state, 'paused');
});

test("a session's own use only its kernel knows", () => {
  const ours = { scope: 'session', key: null };
  const unknown = verdict({
    ...ours,
    spent: total(null),
    share: null,
    left: null,
    state: 'unknown'
  });
  assert.equal(merge(told(1, unknown), told(0, verdict(ours)))[0].spent.value, 12.4);
  const all = verdict({ ...ours, ...spent(15) }); // of each session, or of none
  const mine = told(0, verdict({ ...ours, ...spent(3) }));
  assert.equal(merge(told(1, all), mine)[0].spent.value, 3);
  assert.equal(merge(told(1, all), mine, '', true)[0].spent.value, 15); // held idle since, in the same session
});

test('the server says which budgets there are, unless nobody has asked it for long', () => {
  const ids = (server, live) => merge(server, live).map(({ id }) => id);
  const other = verdict({ id: 'b2' });
  assert.deepEqual(ids(told(0), told(5000, verdict())), []);
  assert.deepEqual(ids(told(0, other), told(31_000, verdict())), ['b1']);
});

test('the tightest is that of the greatest known share', () => {
  const near = verdict({ id: 'near', share: 0.9, state: 'near' });
  const paused = verdict({ id: 'paused', share: 2, state: 'paused' });
  const unknown = verdict({ id: 'unknown', share: null, state: 'unknown' });
  assert.equal(tightest([verdict(), paused, near, unknown]).id, 'near');
  assert.equal(tightest([paused, unknown]), null);
});

test('what is spent and left reads as people say it', () => {
  const of = more => Object.values(standing(verdict(more), ENGLISH)).join(' | ');
  assert.equal(of(), '12.4 of 20 GPU-h | 7.6 left |  | 62 %');
  assert.equal(of({ spent: total(22.4), share: 1.12 }), '22.4 of 20 GPU-h | 2.4 over |  | 112 %');
  assert.equal(of({ spent: total(20), share: 1 }), '20 of 20 GPU-h | nothing left |  | 100 %');
  assert.equal(of({ spent: total(null), share: null }), '— of 20 GPU-h |  |  | ');
  const partly = total(12.4, { missing: 1, method: 'modelled' });
  assert.equal(of({ spent: partly }), '12.4 of 20 GPU-h | 7.6 left | ≥~ | 62 %');
});

test('what a go-on has granted is in the limit', () => {
  const { spent, left } = standing(verdict({ granted: 2, spent: total(21) }), ENGLISH);
  assert.equal(`${spent}, ${left}`, '21 of 22 GPU-h, 1 left');
});

test('a little is never nothing', () => {
  const little = verdict({ spent: total(0.0000002), share: 1e-8 });
  const { spent, share } = standing(little, ENGLISH);
  assert.equal(spent, '< 0.001 of 20 GPU-h');
  assert.equal(share, '< 1 %');
  assert.equal(standing(verdict({ spent: total(0), share: 0 }), ENGLISH).spent, '0 of 20 GPU-h');
});

test('each measure has its way of writing', () => {
  const of = (measure, unit, value, limit) => amountText({ measure, unit }, value, limit);
  assert.equal(of('flops', 'FLOP', 1.24e18, 2e18), '1.24 EFLOP');
  assert.equal(of('flops', 'FLOP', 3e15, 2e18), '0.003 EFLOP');
  assert.equal(of('amount', 'EUR', 3.1, 50), '3.10 EUR');
  assert.equal(of('amount', 'EUR', 50, 50), '50 EUR');
  assert.equal(of('amount', 'EUR', 0.004, 50), '< 0.01 EUR');
  assert.equal(of('kgco2e', 'kgCO2e', 1.5, 3), '1.5 kg CO₂e');
  assert.equal(of('kwh', 'kWh', 2.4e-5, 1e-3), '0.024 Wh'); // a small limit, and what is spent of it
  assert.equal(of('kwh', 'kWh', 2.4e-10, 1e-3), '< 0.0001 Wh');
  assert.equal(of('gpu_hours', 'GPU-h', 6 / 3600, 0.01), '6 GPU-s');
  assert.deepEqual([1243.4, 99.94, 0.00012, 7, 1e-7].map(digits), [
    '1243',
    '99.9',
    '0.00012',
    '7',
    '0.0000001'
  ]);
});

test('who does not see the bar hears the state, and the status bar has few words', () => {
  const over = verdict(spent(22.4));
  assert.equal(spokenOf(over, ENGLISH), 'spent, 112 %, 22.4 of 20 GPU-h, 2.4 over');
  assert.equal(shortText(over, ENGLISH), "112 % of the week's budget");
  const rolling = { ...over.period, kind: 'rolling', text: '7d' };
  assert.equal(shortText({ ...over, period: rolling }, ENGLISH), '112 % of the budget of 7d');
});

test('the hover tells how it is known, until when, what happens then, and from where', () => {
  const hover = hoverText(verdict({ hold: 'ask', granted: 2, cap: true }), ENGLISH);
  for (const said of [
    '12.4 of 20 GPU-h this week',
    'Measured.',
    'From: NVML',
    'At the limit no cell starts',
    '2 GPU-h of it were granted',
    'Set by the administrator',
    'jupyter_costmeter.toml:3'
  ]) {
    assert.ok(hover.includes(said), said);
  }
  const lost = verdict({ spent: total(null, { reasons: ['the GPU is lost'] }) });
  assert.match(hoverText(lost, ENGLISH), /Not measured: the GPU is lost/);
});

const feed = (get, wanted = () => true) => {
  const state = { changes: 0 };
  const made = new BudgetFeed(
    get,
    () => 'paper/train.ipynb',
    wanted,
    () => (state.changes += 1)
  );
  return Object.assign(state, { feed: made });
};

test('each change answers with all budgets, by the verbs that the server knows', async () => {
  const { get, asked } = server(list([verdict()]));
  const { feed: one } = feed(get);
  await one.put({ id: null, limit: 20 });
  await one.extend('b1');
  await one.remove('b1');
  assert.deepEqual(
    asked.map(({ method, url }) => `${method} ${url.pathname}`),
    [
      'PUT /jupyter_costmeter/api/budgets',
      'POST /jupyter_costmeter/api/extend',
      'DELETE /jupyter_costmeter/api/budgets'
    ]
  );
  assert.deepEqual(asked[1].body, { id: 'b1' });
  assert.equal(asked[2].url.searchParams.get('id'), 'b1');
  assert.equal(asked[2].url.searchParams.get('path'), 'paper/train.ipynb');
  assert.equal(one.answer.budgets.length, 1);
});

test('what the server says against a change is thrown, and what is known stays', async () => {
  const no = { status: 400, message: 'limit is to be a number above nothing' };
  const { get } = server(list([verdict()]), no);
  const { feed: one } = feed(get);
  await one.look();
  await assert.rejects(one.put({ limit: -1 }), { message: no.message });
  assert.equal(one.answer.budgets.length, 1);
});

test('a look that was under way when something was changed is an old one', async () => {
  let release;
  const late = new Promise(done => (release = done));
  const answers = [late, Promise.resolve(list([]))];
  const get = async () => new Response(JSON.stringify(await answers.shift()));
  const { feed: one } = feed(get);
  const looking = one.look();
  await one.remove('b1');
  release(list([verdict()]));
  await looking;
  assert.deepEqual(one.answer.budgets, []);
});

test('nobody is asked while nobody looks', async () => {
  const { get, asked } = server(list([]));
  const { feed: one } = feed(get, () => false);
  one.request();
  await pause(400);
  assert.equal(asked.length, 0);
  one.stop();
});

test("a lab's budget says who set it, for whom, and how old what is known of it is", () => {
  const lab = { set_by: 'cleo', whose: 'pool', as_of: 1e9, away: '', goes_on: false };
  const away = 'as of 3 h ago: the lab’s database is away';
  const [one] = parseBudgets(list([verdict({ cap: true, scope: 'lab', lab })])).budgets;
  assert.equal(labText(one.lab, ENGLISH), 'Lab budget for all together, set by cleo');
  assert.match(labText({ ...lab, away }, ENGLISH), /set by cleo; as of 3 h ago/);
  assert.match(
    hoverText(one, ENGLISH),
    /A lab budget, set by cleo: only the lab's heads change it/
  );
  const { lab: none, ...older } = verdict();
  assert.equal(parseBudgets(list([older])).budgets[0].lab, none);
});

test('all of them are asked for until there is news, and can be again', async () => {
  const { get } = server(list([verdict()]));
  const model = { budgets: null, toldAt: -Infinity };
  const nothing = () => undefined;
  const budgets = new NotebookBudgets(
    get,
    () => 'x.ipynb',
    model,
    () => true,
    ENGLISH,
    nothing,
    nothing,
    () => '#dddddd'
  );
  assert.equal(budgets.asked, '');
  for (let times = 0; times < 2; times += 1) {
    budgets.list();
    assert.equal(budgets.asked, 'list');
    await budgets.feed.look();
    assert.equal(budgets.asked, '');
  }
  budgets.stop();
});

/** Those of a notebook whose kernel told these, and what they have been asked to pass on. */
function ofNotebook(get, model) {
  const asked = [];
  const nothing = () => undefined;
  const made = id => asked.push(id);
  const parts = [() => 'x.ipynb', model, () => true, ENGLISH, nothing, made, () => '#dddddd'];
  return { budgets: new NotebookBudgets(get, ...parts), asked };
}

test('a threshold that the server saw first is passed on to the kernel, once', async () => {
  const period = { ...verdict().period, start: verdict().period.end };
  const next = list([verdict({ crossed: 1, period })]);
  const { get } = server(...[0.5, 1, 1].map(crossed => list([verdict({ crossed })])), next);
  const model = { budgets: [verdict({ crossed: 0.5 })], toldAt: 0, sessionId: 's' };
  const { budgets, asked } = ofNotebook(get, model);
  await budgets.feed.look();
  assert.deepEqual(asked, []);
  await budgets.feed.look();
  await budgets.feed.look();
  assert.deepEqual(asked, [null]);
  await budgets.feed.look(); // in the next week again
  assert.deepEqual(asked, [null, null]);
  budgets.stop();
});

test('what was deleted by other means needs no notification any more', async () => {
  const { get } = server(list([verdict()]), list([]));
  const { budgets, asked } = ofNotebook(get, { budgets: null, toldAt: 0, sessionId: null });
  await budgets.feed.look();
  await budgets.feed.look();
  assert.deepEqual(asked, [verdict().id]);
  budgets.stop();
});
