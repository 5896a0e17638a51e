// A kernel's meter, as it is asked: over a connection that may go, about a ledger that may lack its cells.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Signal } from '@lumino/signaling';
import { LedgerFeed } from '../labextension/lib/feed.js';
import { KernelLink } from '../labextension/lib/kernel.js';
import { SessionModel } from '../labextension/lib/model.js';

const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const reply = golden('reply');
const message = more => ({
  header: { msg_type: 'comm_msg' },
  content: { comm_id: 'jupyter-costmeter', data: { ...golden('message'), ...more } }
});

/** A kernel that answers at once, and what it was asked. */
class Kernel {
  connectionStatus = 'connected';
  status = 'idle';
  isDisposed = false;
  asked = [];
  reconnected = 0;

  reconnect() {
    this.reconnected += 1;
  }

  sendControlMessage({ header }) {
    this.asked.push(header.msg_type);
    const future = { done: new Promise(() => undefined), dispose: () => undefined };
    setImmediate(() => future.onReply({ content: this.answer(header.msg_type) }));
    return future;
  }

  answer(type) {
    return {
      kernel_info_request: { implementation: 'ipython' },
      comm_info_request: {
        status: 'ok',
        comms: { 'jupyter-costmeter': { target_name: 'jupyter-costmeter' } }
      },
      costmeter_request: { status: 'ok', ...reply }
    }[type];
  }
}

const settle = async () => {
  for (let i = 0; i < 40; i++) {
    await new Promise(done => setImmediate(done));
  }
};

function setup(t, session_cells) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const kernel = new Kernel();
  const context = { session: { kernel }, ready: Promise.resolve() };
  for (const name of [
    'iopubMessage',
    'kernelChanged',
    'statusChanged',
    'connectionStatusChanged'
  ]) {
    context[name] = new Signal(context);
  }
  const known = { cells: session_cells, asked: 0 };
  const get = async () => {
    known.asked += 1;
    return new Response(JSON.stringify({ ...golden('totals'), session_cells: known.cells }));
  };
  const model = new SessionModel();
  const feed = new LedgerFeed(
    get,
    () => 'train.ipynb',
    () => true,
    () => undefined,
    totals => totals.session_cells >= (model.summary?.cells ?? 0),
    () => model.sessionId,
    () => void link.introduce()
  );
  const ended = [];
  const noticed = [];
  const link = new KernelLink(
    context,
    model,
    () => null,
    cells => {
      ended.push(...cells);
      feed.hear(cells.length);
    },
    told => noticed.push(...told)
  );
  const pass = async seconds => {
    await settle();
    for (let past = 0; past < seconds; past += 3) {
      t.mock.timers.tick(3000);
      await settle();
    }
  };
  const histories = () => kernel.asked.filter(type => type === 'costmeter_request').length;
  return { kernel, context, model, feed, link, known, pass, histories, noticed };
}

test("a ledger that never has the session's cells is asked for no more until some end", async t => {
  const { context, feed, known, pass, histories } = setup(t, 0);
  await pass(300);
  assert.equal(known.asked, 1 + 8 + 1); // with patience, and once with what the kernel says of it
  assert.equal(histories(), 1 + 1);
  assert.equal(feed.short, true);
  await pass(300);
  assert.equal(known.asked, 10);
  const [first] = reply.cells;
  const closed = [{ ...first, id: 'c9', seq: 9 }];
  context.iopubMessage.emit(message({ seq: reply.seq + 1, event: 'closed', closed }));
  await pass(300);
  assert.equal(known.asked, 10 + 9); // the kernel is asked nothing new about the same
  assert.equal(histories(), 2);
  known.cells = 100;
  feed.request();
  await pass(30);
  assert.deepEqual([known.asked, feed.short], [10 + 9 + 1, false]);
});

test('what came of a budget is told, also where an answer has overtaken its message', async t => {
  const { context, model, pass, noticed } = setup(t, 2);
  await pass(30);
  context.iopubMessage.emit(message({ seq: model.seq })); // an old one by now
  assert.deepEqual(
    noticed.map(({ kind }) => kind),
    ['warned']
  );
});

test('a connection that stays away is said, and so is that it is back', async t => {
  const { kernel, context, model, link, known, pass } = setup(t, 2);
  await pass(30);
  assert.deepEqual([model.phase, model.lost], ['metered', false]);
  const connect = status => {
    kernel.connectionStatus = status;
    context.connectionStatusChanged.emit(status);
  };
  connect('connecting');
  connect('connected');
  await pass(30);
  assert.equal(model.lost, false); // it was away for a moment
  connect('connecting');
  await settle();
  assert.equal(model.lost, false);
  await pass(9);
  assert.equal(model.lost, true);
  await link.reconnect();
  assert.equal(kernel.reconnected, 0); // JupyterLab still tries
  connect('disconnected');
  await link.reconnect();
  assert.equal(kernel.reconnected, 1);
  const before = known.asked;
  connect('connected');
  assert.equal(model.lost, false);
  await pass(30);
  assert.equal(known.asked, before + 1); // the totals may have changed meanwhile
});

test('a kernel that does not answer is asked again by itself, over a connection of our own', async t => {
  const { kernel, model, pass } = setup(t, 2);
  const lines = { own: 0 };
  kernel.sendControlMessage = () => ({
    done: new Promise(() => undefined),
    dispose: () => undefined
  });
  kernel.clone = () => {
    lines.own += 1;
    const own = Object.assign(new Kernel(), { dispose: () => undefined });
    if (lines.own < 4) {
      own.sendControlMessage = kernel.sendControlMessage; // it starts still
    }
    return own;
  };
  await pass(24);
  assert.equal(model.phase, 'silent');
  await pass(120);
  assert.equal(model.phase, 'metered');
  assert.equal(lines.own, 4);
});

test('a meter that is not understood is a meter, and which of the two is newer is said', async t => {
  const { kernel, context, model, pass } = setup(t, 2);
  kernel.answer = type =>
    type === 'kernel_info_request' ? { implementation: 'ipython' } : { status: 'ok', comms: {} };
  await pass(3);
  assert.equal(model.phase, 'unmetered');
  context.iopubMessage.emit(message({ schema: 2 }));
  assert.equal(model.phase, 'metered');
  assert.deepEqual([model.problem.who, model.problem.newer], ['kernel', true]);
});
