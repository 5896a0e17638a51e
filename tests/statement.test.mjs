// The form of statements: what is asked of the server, and what goes wrong.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fetchStatement, statementUrl } from '../labextension/lib/rest.js';
import { StatementDesk, ownFile } from '../labextension/lib/statement.js';
import { ENGLISH } from '../labextension/lib/words.js';

const ORDER = {
  path: 'a b.ipynb',
  scope: 'project',
  session: null,
  norms: ['neurips', 'model-card'],
  format: 'tex',
  anonymous: true
};

test('a statement is asked for by its norms, format and scope', async () => {
  assert.equal(
    statementUrl(ORDER),
    'jupyter_costmeter/api/statement?path=a+b.ipynb&scope=project&format=tex&norm=neurips&norm=model-card&anonymous=1'
  );
  const plain = { ...ORDER, norms: [], anonymous: false, session: 's1', scope: 'session' };
  assert.equal(
    statementUrl(plain),
    'jupyter_costmeter/api/statement?path=a+b.ipynb&scope=session&format=tex&session=s1'
  );
  const headers = { 'Content-Disposition': 'attachment; filename="statement-project.tex"' };
  const get = async () => new Response('\\section', { headers });
  assert.equal((await fetchStatement(get, ORDER)).name, 'statement-project.tex');
});

test('norms are chosen in their own order, and none is all', () => {
  const desk = new StatementDesk(() => undefined);
  desk.toggle('sci');
  desk.toggle('arr');
  assert.deepEqual(desk.order.norms, ['neurips', 'arr', 'sci']);
  ['neurips', 'arr', 'sci'].forEach(norm => desk.toggle(norm));
  assert.deepEqual(desk.order.norms, []);
});

test('what goes wrong is shown in the form, which stays open', async () => {
  const desk = new StatementDesk(() => undefined);
  desk.open();
  await desk.save(() => Promise.reject(new Error('nothing was metered')));
  assert.deepEqual([desk.refused, desk.opened, desk.busy], ['nothing was metered', true, false]);
  desk.type({ format: 'html' });
  assert.equal(desk.refused, null);
  const orders = [];
  await desk.save(async order => void orders.push(order));
  assert.equal(orders[0].format, 'html');
  desk.close();
  assert.equal(desk.opened, false);
});

test('one norm alone in its own format is its own file, and the form says so', () => {
  const said = (norms, format) => ownFile({ ...ORDER, norms, format }, ENGLISH);
  assert.match(said(['boamps'], 'json'), /own file: BoAmps/);
  assert.match(said(['model-card'], 'yaml'), /own file: Model card/);
  for (const [norms, format] of [
    [['boamps'], 'yaml'],
    [['model-card'], 'json'],
    [['boamps', 'sci'], 'json'],
    [['sci'], 'json'],
    [[], 'json']
  ]) {
    assert.equal(said(norms, format), null);
  }
});
