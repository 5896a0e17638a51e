// What cells are said to be: on the wire, as a mark, and in the form.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { parseMessage, parseTags, parseTotals } from '../labextension/lib/api.js';
import { TagDesk } from '../labextension/lib/tag-desk.js';
import { chosenOf, draftOf, mistakes, saidOf, SEVERAL } from '../labextension/lib/tag-form.js';
import { tagged } from '../labextension/lib/tags.js';
import { ENGLISH } from '../labextension/lib/words.js';

const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const NOTHING = { category: null, method: null, run: null, in_paper: null };
const known = (cells = golden('tags').cells) => parseTags({ ...golden('tags'), cells });
const cell = (said, more = {}) => ({
  runs: 1,
  failed: 0,
  said: { ...NOTHING, ...said },
  several: [],
  ...more
});

test('what cells are said to be comes with them, and later from the ledger', () => {
  const { closed, running } = parseMessage(golden('message'));
  assert.deepEqual(
    closed.map(one => one.category),
    ['hpo', 'failed']
  );
  assert.equal(closed[0].in_paper, true);
  assert.equal(running[0].category, 'ablation');
  assert.deepEqual(parseTotals(golden('totals')).tagged.get('r1'), {
    category: 'train',
    method: 'ours',
    run: 'seed-3',
    in_paper: true
  });
});

test('an older kernel says nothing, and a category that there is none of is refused', () => {
  const message = golden('message');
  const [{ category, method, run, in_paper, ...older }] = message.closed;
  assert.deepEqual([category, method, run, in_paper], ['hpo', 'ours', null, true]);
  assert.equal(parseMessage({ ...message, closed: [older] }).closed[0].category, null);
  const totals = golden('totals');
  delete totals.tagged;
  assert.equal(parseTotals(totals).tagged.size, 0);
  const wrong = [{ ...message.closed[0], category: 'hop' }];
  assert.throws(() => parseMessage({ ...message, closed: wrong }), /category: expected train/);
});

test('a mark of what is said, and the rest on hover', () => {
  for (const [said, mark] of [
    [{}, null],
    [{ category: 'failed' }, null], // the mark of its outcome says it
    [{ category: 'failed', method: 'ours' }, 'failed'],
    [{ category: 'hpo', method: 'ours' }, 'hpo'],
    [{ method: 'ours', run: 'seed 1' }, 'ours'],
    [{ run: 'seed 1' }, 'seed 1'],
    [{ in_paper: false }, 'tagged']
  ]) {
    assert.equal(tagged({ ...NOTHING, ...said }, ENGLISH)?.mark ?? null, mark);
  }
  const all = { category: 'hpo', method: 'ours', run: 'seed 1', in_paper: true };
  assert.equal(
    tagged(all, ENGLISH).hover,
    'Category: hyper-parameter search\nMethod: ours\nRun: seed 1\nIn the paper'
  );
});

test('the form begins with what is said of all runs', () => {
  const chosen = chosenOf(['cell-1', 'cell-2', 'unheard of'], known());
  assert.deepEqual([chosen.runs, chosen.failed], [3, 1]);
  assert.deepEqual([...chosen.several], ['category', 'method', 'run', 'in_paper']);
  assert.equal(draftOf(chosen).category, SEVERAL);
  assert.equal(draftOf(chosen).method, '');
  const alike = { a: cell({ category: 'hpo', in_paper: false }), b: cell({ category: 'hpo' }) };
  const two = chosenOf(['a', 'b'], known(alike));
  assert.deepEqual([...two.several], ['in_paper']);
  assert.deepEqual(draftOf(two), {
    category: 'hpo',
    method: '',
    run: '',
    in_paper: SEVERAL,
    which: 'all',
    failed: false
  });
  assert.equal(chosenOf(['unheard of'], known()).runs, 0);
});

test('only what is other than it was is said', () => {
  const chosen = chosenOf(['a'], known({ a: cell({ category: 'hpo', method: 'ours' }) }));
  const draft = draftOf(chosen);
  const cases = [
    [{}, {}],
    [{ category: 'train' }, { category: 'train' }],
    [{ category: '' }, { category: null }],
    [{ method: ' ours ' }, {}],
    [{ method: '' }, { method: null }],
    [{ run: ' seed  1 ' }, { run: 'seed 1' }],
    [{ in_paper: 'yes' }, { in_paper: true }],
    [{ in_paper: 'no' }, { in_paper: false }],
    [{ which: 'newest', failed: true }, {}]
  ];
  for (const [part, said] of cases) {
    assert.deepEqual(saidOf({ ...draft, ...part }, chosen), said);
  }
});

test('what differs stays unless something is said', () => {
  const chosen = chosenOf(['a', 'b'], known({ a: cell({ method: 'ours' }), b: cell({}) }));
  const draft = draftOf(chosen);
  assert.deepEqual(saidOf(draft, chosen), {});
  assert.deepEqual(saidOf({ ...draft, method: 'theirs' }, chosen), { method: 'theirs' });
  const several = chosenOf(['a', 'b'], known({ a: cell({ category: 'hpo' }), b: cell({}) }));
  const taken = { ...draftOf(several), category: '' };
  assert.deepEqual(saidOf(taken, several), { category: null });
});

test('what is wrong is said at its field', () => {
  const chosen = chosenOf(['a'], known({ a: cell({}) }));
  const draft = draftOf(chosen);
  assert.match(mistakes(draft, chosen, ENGLISH).form, /Nothing is said/);
  const long = { ...draft, method: 'x'.repeat(201) };
  assert.match(mistakes(long, chosen, ENGLISH).method, /up to 200/);
  assert.deepEqual(mistakes({ ...draft, run: 'seed 1' }, chosen, ENGLISH), {});
});

/** A server that answers in turn, and what it was asked. */
function desk(...answers) {
  const asked = [];
  const get = async (url, init) => {
    asked.push({ url, body: init === undefined ? null : JSON.parse(init.body) });
    const { status = 200, ...body } = answers.shift();
    return new Response(JSON.stringify({ schema: 1, ...body }), { status });
  };
  const made = { count: 0 };
  const found = new TagDesk(
    get,
    () => 'a b.ipynb',
    ENGLISH,
    () => undefined,
    () => (made.count += 1)
  );
  return { desk: found, asked, made };
}

const FORM = golden('tags');

test('an open form is about the cells that are selected, until something is typed', async () => {
  const { desk: one, asked } = desk(FORM, FORM);
  await one.follow({ ids: ['cell-1'], title: '' });
  assert.equal(asked.length, 0); // no form is open
  await one.open({ ids: ['cell-1'], title: '' });
  one.takeFocus();
  await one.follow({ ids: ['cell-1'], title: '' });
  assert.equal(asked.length, 1);
  await one.follow({ ids: ['cell-2'], title: '' });
  assert.deepEqual(
    [one.cells.ids, one.chosen.cells, one.takeFocus()],
    [['cell-2'], ['cell-2'], false]
  );
  one.type({ method: 'mine' });
  await one.follow({ ids: ['cell-1'], title: '' });
  assert.deepEqual([one.cells.ids, one.draft.method], [['cell-2'], 'mine']);
});

test('a tag is asked for, typed and sent', async () => {
  const { desk: one, asked, made } = desk(FORM, { tagged: 3 });
  await one.open({ ids: ['cell-1', 'cell-2'], title: '' });
  assert.equal(asked[0].url, 'jupyter_costmeter/api/tags?path=a+b.ipynb&cell=cell-1&cell=cell-2');
  assert.deepEqual([one.methods, one.runs], [['ours', 'baseline'], ['seed-3']]);
  assert.deepEqual([one.takeFocus(), one.takeFocus()], [true, false]);
  await one.save();
  assert.match(one.mistakes.form, /Nothing is said/);
  assert.equal(asked.length, 1);
  one.type({ category: 'prep', which: 'newest' });
  assert.deepEqual(one.mistakes, {});
  await one.save();
  assert.deepEqual(asked[1].body, {
    cells: ['cell-1', 'cell-2'],
    which: 'newest',
    said: { category: 'prep' },
    failed: false
  });
  assert.deepEqual([one.done, one.draft, one.cells, made.count], [3, null, null, 1]);
});

test('what the server says against it is shown, and nothing typed is lost', async () => {
  const { desk: one, made } = desk(FORM, { status: 503, message: 'it is locked' }, { tagged: 1 });
  await one.open({ ids: ['cell-1'], title: 'fit()' });
  one.type({ method: 'theirs' });
  await one.save();
  assert.deepEqual(
    [one.refused, one.draft.method, one.busy, made.count],
    ['it is locked', 'theirs', false, 0]
  );
  await one.save();
  assert.equal(one.done, 1);
});

test('a form that was closed or opened anew is not filled by an older answer', async () => {
  const { desk: one } = desk(FORM, FORM);
  const older = one.open({ ids: ['cell-2'], title: '' });
  one.cancel();
  await older;
  assert.equal(one.draft, null);
  const first = one.open({ ids: ['cell-2'], title: '' });
  void first;
  assert.equal(one.cells.ids[0], 'cell-2');
});

test('a server that knows no tags is said so', async () => {
  const { desk: one } = desk({ status: 404, message: 'no such thing' });
  await one.open({ ids: ['cell-1'], title: '' });
  assert.deepEqual([one.refused, one.draft], ['no such thing', null]);
});
