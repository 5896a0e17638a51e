// The user at a notebook's budgets: the form keeps what is typed, and buttons tell what went wrong.
import assert from 'node:assert/strict';
import test from 'node:test';
import { BudgetFeed } from '../labextension/lib/budgets.js';
import { BudgetDesk } from '../labextension/lib/desk.js';
import { ENGLISH } from '../labextension/lib/words.js';
import { list, server, verdict } from './verdicts.mjs';

const NO = { status: 400, message: 'there is no such time zone' };

function setup(...answers) {
  const { get, asked } = server(...answers);
  const feed = new BudgetFeed(
    get,
    () => 'x.ipynb',
    () => true,
    () => undefined
  );
  return { feed, asked, desk: new BudgetDesk(feed, ENGLISH, () => undefined) };
}

test('a mistake keeps the form open at its field and asks nobody', async () => {
  const { desk, asked } = setup(list([]));
  desk.add();
  assert.equal(desk.takeFocus(), 'limit');
  desk.type({ limit: 'much' });
  assert.deepEqual(desk.mistakes, {}); // the user is still typing
  await desk.save();
  assert.match(desk.mistakes.limit, /number/);
  assert.equal(desk.takeFocus(), 'limit');
  assert.equal(desk.takeFocus(), null);
  assert.equal(asked.length, 0);
  desk.type({ limit: '20' });
  assert.deepEqual(desk.mistakes, {});
});

test('the first budget of a notebook in a project is the project’s', async () => {
  const { desk, feed } = setup(list([]));
  await feed.look();
  desk.add();
  assert.equal(desk.draft.scope, 'project');
});

test('what the server says against it is shown, and nothing typed is lost', async () => {
  const { desk } = setup(NO, list([verdict()]));
  desk.add();
  desk.type({ limit: '20', name: 'thesis' });
  await desk.save();
  assert.equal(desk.refused, NO.message);
  assert.equal(desk.draft.name, 'thesis');
  await desk.save();
  assert.equal(desk.draft, null);
  assert.equal(desk.refused, null);
});

test('another press on edit does not take back what is typed, another budget does', () => {
  const { desk } = setup(list([]));
  desk.edit(verdict());
  desk.type({ limit: '40' });
  desk.edit(verdict());
  assert.equal(desk.draft.limit, '40');
  desk.edit(verdict({ id: 'b2' }));
  assert.equal(desk.draft.limit, '20');
  desk.cancel();
  assert.equal(desk.draft, null);
});

test('buttons send the whole budget with one thing changed, and tell what went wrong at it', async () => {
  const { desk, asked } = setup(list([verdict()]), list([verdict()]), NO);
  await desk.pause(verdict());
  await desk.hold(verdict());
  assert.deepEqual(
    asked.map(({ body }) => [body.id, body.paused, body.hold, body.limit]),
    [
      ['b1', true, 'warn', 20],
      ['b1', false, 'ask', 20]
    ]
  );
  await desk.extend('b1');
  assert.equal(desk.failed.get('b1'), NO.message);
});
