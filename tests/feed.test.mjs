// When the ledger is read again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { LedgerFeed, reason, Refresher } from '../labextension/lib/feed.js';

const totals = readFileSync(new URL('data/totals.json', import.meta.url), 'utf8');
const settled = () => new Promise(done => setImmediate(done));

/** A Refresher on made-up time; `run(ms)` lets it pass. */
function setup(t, wanted = () => true) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const calls = [];
  const work = async () => void calls.push(Date.now());
  const refresher = new Refresher(work, wanted, () => Date.now());
  const run = async ms => {
    for (let i = 0; i < ms; i += 100) {
      t.mock.timers.tick(100);
      await settled();
    }
  };
  return { calls, refresher, run };
}

test('many requests are one call, soon', async t => {
  const { calls, refresher, run } = setup(t);
  for (let i = 0; i < 5; i++) {
    refresher.request();
  }
  await run(200);
  assert.equal(calls.length, 0);
  await run(5000);
  assert.deepEqual(calls, [300]);
});

test('cells that end fast make one call in two seconds, and the last is not lost', async t => {
  const { calls, refresher, run } = setup(t);
  for (let i = 0; i < 40; i++) {
    refresher.request();
    await run(100);
  }
  await run(5000);
  assert.deepEqual(calls, [300, 2300, 4300]);
});

test('nobody looks, nobody asks; who looks again gets what is new', async t => {
  let visible = false;
  const { calls, refresher, run } = setup(t, () => visible);
  refresher.request();
  await run(5000);
  assert.equal(calls.length, 0);
  visible = true;
  refresher.resume();
  await run(5000);
  assert.equal(calls.length, 1);
});

function feed(t, get) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let path = 'train.ipynb';
  const one = new LedgerFeed(
    get,
    () => path,
    () => true,
    () => undefined
  );
  const run = async () => {
    t.mock.timers.tick(3000);
    for (let i = 0; i < 5; i++) {
      await settled();
    }
  };
  return { one, run, move: to => (path = to) };
}

test('the totals come, and stay when the ledger later cannot be read', async t => {
  let response = () => new Response(totals);
  const { one, run } = feed(t, async () => response());
  one.request();
  await run();
  assert.equal(one.totals.project_name, 'paper');
  assert.equal(one.problem, null);
  response = () => new Response('{"message": "the ledger is locked"}', { status: 503 });
  one.request();
  await run();
  assert.equal(one.totals.project_name, 'paper');
  assert.equal(one.problem, 'the ledger is locked');
});

test('totals that lack a cell which has ended are asked for again, and not for ever', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let asked = 0;
  let known = 2;
  let lacked = 0;
  const get = async () => {
    asked += 1;
    return new Response(totals);
  };
  const complete = ({ scopes }) => scopes.notebook.cells >= known;
  const one = new LedgerFeed(
    get,
    () => 'train.ipynb',
    () => true,
    () => undefined,
    complete,
    () => null,
    () => (lacked += 1)
  );
  const run = async () => {
    for (let i = 0; i < 20; i++) {
      t.mock.timers.tick(3000);
      for (let j = 0; j < 5; j++) {
        await settled();
      }
    }
  };
  one.request();
  await run();
  assert.equal(asked, 1); // the two cells of the golden totals
  assert.equal(lacked, 0);
  known = 3;
  one.request();
  await run();
  assert.equal(asked, 1 + 9);
  assert.equal(lacked, 1); // the kernel may know why
  one.request();
  await run();
  assert.equal(asked, 1 + 9 + 9);
});

test('an answer about the old name of a moved notebook is dropped', async t => {
  let respond;
  const { one, run, move } = feed(t, () => new Promise(done => (respond = done)));
  one.request();
  await run();
  move('other.ipynb');
  one.moved();
  respond(new Response(totals));
  await settled();
  await settled();
  assert.equal(one.totals, null);
});

test('a missing server extension is named, with what to do', async t => {
  const { one, run } = feed(
    t,
    async () => new Response('<!DOCTYPE HTML>', { status: 404, statusText: 'Not Found' })
  );
  one.request();
  await run();
  assert.match(one.problem, /jupyter server extension enable jupyter_costmeter/);
  assert.equal(reason(new Error('x')), 'x');
});

test("the kernel's session is named, so that the ledger says how much of it is there", async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = [];
  const get = async path => {
    asked.push(path);
    return new Response(totals);
  };
  const one = new LedgerFeed(
    get,
    () => 'train.ipynb',
    () => true,
    () => undefined,
    () => true,
    () => 's1'
  );
  one.request();
  t.mock.timers.tick(3000);
  await settled();
  assert.equal(new URL(`http://h/${asked[0]}`).searchParams.get('session'), 's1');
});

test('an answer about the session before a restart is not the last word', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let session = 's1';
  const asked = [];
  const get = async path => {
    asked.push(new URL(`http://h/${path}`).searchParams.get('session'));
    session = 's2'; // the kernel is restarted meanwhile
    return new Response(totals);
  };
  const one = new LedgerFeed(
    get,
    () => 'train.ipynb',
    () => true,
    () => undefined,
    () => true,
    () => session
  );
  one.request();
  for (let i = 0; i < 3; i += 1) {
    t.mock.timers.tick(3000);
    await settled();
  }
  assert.deepEqual(asked, ['s1', 's2']);
});
