// The wire as the panel reads it: the golden examples that pytest makes, and what must be refused.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import {
  hasMeter,
  isOurs,
  parseBudgets,
  parseForecast,
  parseMessage,
  parseReply,
  parseSpent,
  parseTotals,
  totalOf
} from '../labextension/lib/api.js';
import { exportUrl, fetchExport, fetchTotals, totalsUrl } from '../labextension/lib/rest.js';

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

test('how fast a cell computed is read, as far as it is known', () => {
  const { running, closed } = parseMessage(golden('message'));
  assert.deepEqual(closed[1].rates, {
    flops_per_s_wall: 1.001e14, // golden.py by hand: 1e14 bf16 on the GPU and 1e11 fp32 on the CPU a second
    flops_per_s_busy: 1.25e14, // 0.8 of the time the GPU was busy
    flops_per_j: null, // the GPU's joules are lost, and numpy's FLOPs
    mfu_wall: 1e14 / 312e12,
    mfu_busy: 1.25e14 / 312e12,
    why: null,
    source: 'NVIDIA A100 data sheet (2021)',
    method: 'measured',
    busy_method: 'modelled',
    busy_speed_method: 'modelled',
    wall_method: 'measured',
    per_j_method: null,
    incomplete: true,
    mfu_bound: '≥',
    per_j_bound: ''
  });
  assert.equal(closed[0].rates.flops_per_j, 1.25125e15 / 3650);
  assert.equal(running[0].rates.incomplete, false);
  assert.deepEqual(parseReply(golden('reply')).cells[1].rates, closed[1].rates);
});

test('an older kernel that knows no FLOPs is understood', () => {
  const message = golden('message');
  [...message.running, ...message.closed].forEach(cell => delete cell.rates);
  message.closed[1].rates = null;
  const read = parseMessage(message);
  assert.deepEqual(
    [...read.running, ...read.closed].map(({ rates }) => rates),
    [null, null, null]
  );
});

test('an older kernel that knows no budgets is understood', () => {
  const message = golden('message');
  [message.budgets, message.notices] = [undefined, undefined];
  message.running.forEach(cell =>
    Object.assign(cell, { progress: undefined, forecast: undefined })
  );
  const read = parseMessage(message);
  assert.deepEqual([read.budgets, read.notices], [null, []]);
  assert.deepEqual([read.running[0].progress, read.running[0].forecast], [null, null]);
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
      message => (message.closed[0].rates.mfu_wall = '41 %'),
      'message.closed[0].rates.mfu_wall: expected a number, got a string'
    ],
    [
      message => (message.running[0].rates.mfu_bound = '<'),
      "message.running[0].rates.mfu_bound: expected '' | ≥ | ≤, got a string"
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

test('another schema is refused, and who speaks it is told', () => {
  const of = (name, schema) => ({ ...golden(name), schema });
  const cases = [
    [parseTotals, 'totals', 2, { who: 'server', newer: true }],
    [parseTotals, 'totals', 0, { who: 'server', newer: false }],
    [parseMessage, 'message', 2, { who: 'kernel', newer: true }],
    [parseReply, 'reply', 0, { who: 'kernel', newer: false }]
  ];
  for (const [parse, name, schema, told] of cases) {
    assert.throws(() => parse(of(name, schema)), { name: 'WireError', ...told });
  }
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

test('the golden budgets, and where one went, are read', () => {
  const { budgets } = parseBudgets(golden('budgets'));
  assert.deepEqual(
    budgets.map(({ state, cap, hold }) => [state, cap, hold]),
    [
      ['ok', false, 'ask'],
      ['unknown', true, 'stop'],
      ['paused', false, 'warn']
    ]
  );
  assert.equal(budgets[2].until, '2026-12-01');
  const { rows } = parseSpent(golden('spent'));
  assert.deepEqual(
    rows.map(({ name, amount }) => [name, amount.value]),
    [
      ['train', 10],
      ['In [2]', 5],
      ['held idle', 2.5]
    ]
  );
  const message = parseMessage(golden('message'));
  assert.deepEqual(message.notices[0].deeds, ['dearest', 'raise']);
  assert.equal(message.budgets[0].burn.text, "at this week's pace it is spent today at 18:44");
  assert.equal(message.running[0].progress.fraction, 0.34);
  assert.equal(message.running[0].forecast.runs, 3);
  assert.deepEqual(
    parseForecast(golden('forecast')).budgets.map(one => one.left_after),
    [4, null]
  );
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
