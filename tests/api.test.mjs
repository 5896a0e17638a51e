// The wire as the panel reads it: the golden examples that pytest makes, and what must be refused.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import {
  exportUrl,
  fetchExport,
  fetchTotals,
  hasMeter,
  isOurs,
  parseMessage,
  parseReply,
  parseTotals,
  totalOf,
  totalsUrl
} from '../labextension/lib/api.js';

const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const answer = (body, init) => async () => new Response(body, init);

test('the golden message, reply and totals are read', () => {
  const message = parseMessage(golden('message'));
  assert.equal(message.seq, 7);
  assert.equal(message.closed[1].outcome, 'error');
  assert.equal(message.running[0].power.unit, 'W');
  assert.deepEqual(message.held, []);
  const reply = parseReply(golden('reply'));
  assert.equal(reply.session.notebook, '/home/ada/paper/train.ipynb');
  assert.equal(reply.sensors.find(one => one.name === 'nvml').ok, false);
  assert.deepEqual(reply.held, [
    {
      device: 'GPU-1',
      name: 'NVIDIA A100-SXM4-40GB',
      used_bytes: 15e9,
      idle_s: 90,
      busy_share: 0
    }
  ]);
  assert.deepEqual(
    reply.summary.buckets.map(one => one.bucket),
    ['cell', 'held_idle', 'background']
  );
  const totals = parseTotals(golden('totals'));
  assert.equal(totals.project_name, 'paper');
  assert.equal(totalOf(totals.scopes.project, 'energy_j').missing, 1);
});

test('null stays null: it is not measured, not zero', () => {
  const [, lost] = parseMessage(golden('message')).closed;
  const gpu = totalOf(lost, 'gpu_energy_j');
  assert.equal(gpu.value, null);
  assert.deepEqual(gpu.reasons, ['the GPU is lost']);
  assert.equal(totalOf(lost, 'peak_gpu_bytes'), undefined);
});

test('fields that a newer kernel adds are no error', () => {
  const message = { ...golden('message'), forecast: 3 };
  assert.equal(parseMessage(message).forecast, undefined);
});

test('an older kernel that knows no buckets is understood', () => {
  const message = golden('message');
  delete message.held;
  delete message.summary.buckets;
  const read = parseMessage(message);
  assert.deepEqual(read.held, []);
  assert.deepEqual(read.summary.buckets, []);
});

test('a malformed message is refused with the place and what was expected', () => {
  const broken = [
    [message => delete message.running, 'message.running: expected a list, got nothing'],
    [message => (message.held = null), 'message.held: expected a list, got null'],
    [message => (message.seq = '7'), 'message.seq: expected a number, got a string'],
    [
      message => (message.closed[0].totals[0].value = 'much'),
      'message.closed[0].totals[0].value: expected a number, got a string'
    ],
    [
      message => (message.closed[1].outcome = null),
      'message.closed[1].outcome: expected ok | error | interrupted | killed, got null'
    ]
  ];
  for (const [breakIt, complaint] of broken) {
    const message = golden('message');
    breakIt(message);
    assert.throws(() => parseMessage(message), { name: 'WireError', message: complaint });
  }
  for (const nonsense of [undefined, null, 7, 'x', []]) {
    assert.throws(() => parseMessage(nonsense), { name: 'WireError' });
  }
});

test('another schema is refused with what to do about it', () => {
  const later = { ...golden('totals'), schema: 2 };
  assert.throws(() => parseTotals(later), /schema 2.*reads 1.*one version/);
});

test("a kernel's refusal is told in its own words", () => {
  assert.throws(
    () => parseReply({ status: 'error', evalue: 'no such notebook' }),
    /no such notebook/
  );
});

test('only our own comm is ours', () => {
  const content = { comm_id: 'jupyter-costmeter', data: {} };
  assert.equal(isOurs('comm_msg', content), true);
  assert.equal(isOurs('comm_open', content), false);
  assert.equal(isOurs('comm_msg', { comm_id: 'a-widget', data: {} }), false);
  assert.equal(isOurs('comm_msg', null), false);
  assert.equal(hasMeter({ comms: { 'jupyter-costmeter': { target_name: 'x' } } }), true);
  assert.equal(hasMeter({ comms: {} }), false);
});

test('paths with anything in them arrive as they are', () => {
  const path = 'a b/ü & 100%?.ipynb';
  assert.equal(new URL(`http://h/${totalsUrl(path)}`).searchParams.get('path'), path);
  const url = new URL(
    `http://h/${exportUrl({ path, scope: 'session', format: 'csv', session: 's1' })}`
  );
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    path,
    scope: 'session',
    format: 'csv',
    session: 's1'
  });
});

test("the server's own words are shown when it refuses", async () => {
  const said = answer('{"message": "ledger.sqlite is of a newer version"}', { status: 503 });
  await assert.rejects(fetchTotals(said, 'x.ipynb'), {
    name: 'ServerError',
    message: 'ledger.sqlite is of a newer version',
    status: 503
  });
  const proxy = answer('<html>Bad gateway</html>', { status: 502, statusText: 'Bad Gateway' });
  await assert.rejects(fetchTotals(proxy, 'x.ipynb'), { message: '502 Bad Gateway', status: 502 });
});

test('an export has the name that the server gives it, or one that tells what it is', async () => {
  const selection = { path: 'x.ipynb', scope: 'notebook', format: 'md', session: null };
  const named = { headers: { 'Content-Disposition': 'attachment; filename="train cost.md"' } };
  const file = await fetchExport(answer('# Cost', named), selection);
  assert.equal(file.name, 'train cost.md');
  assert.equal(await file.blob.text(), '# Cost');
  const encoded = {
    headers: { 'Content-Disposition': "attachment; filename*=UTF-8''%C3%BCbung.md" }
  };
  assert.equal((await fetchExport(answer('', encoded), selection)).name, 'übung.md');
  assert.equal((await fetchExport(answer(''), selection)).name, 'cost-notebook.md');
});
