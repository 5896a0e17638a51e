// Where a machine stands: searching the regions, asking and telling the server, and supposing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Places } from '../labextension/lib/places.js';
import { canChoose, fold, perKwh, searchRegions } from '../labextension/lib/regions.js';
import { isBlank, pueIsValid, Supposing } from '../labextension/lib/supposing.js';

const golden = JSON.parse(readFileSync(new URL('data/places.json', import.meta.url), 'utf8'));
const region = (id, name, aliases = [], g_per_kwh = 100) => ({
  id,
  name,
  g_per_kwh,
  year: 2023,
  basis: 'lifecycle',
  note: null,
  aliases
});
const REGIONS = [
  region('gcp/europe-west9', 'Paris, France', ['Google Cloud europe-west9']),
  region('PF', 'French Polynesia', ['PYF', 'Polynésie française']),
  region('FR', 'France', ['FRA']),
  region('GB', 'United Kingdom', ['GBR', 'UK', 'Great Britain']),
  region('US', 'United States', ['USA', 'America']),
  region('US-CA', 'California'),
  region('CI', "Côte d'Ivoire", ['CIV', 'Ivory Coast']),
  region('CF', 'Central African Republic', ['CAF'], null)
];
const found = text => searchRegions(REGIONS, text).map(({ id }) => id);
const pause = ms => new Promise(done => setTimeout(done, ms));
const answer = (body, status = 200) => new Response(JSON.stringify(body), { status });

test('case, accents and punctuation do not matter', () => {
  assert.equal(fold("  Côte d'Ivoire "), 'cote d ivoire');
  assert.equal(fold('gcp:us-central1'), 'gcp us central1');
  assert.deepEqual(found('COTE'), ['CI']);
  assert.deepEqual(found('polynesie'), ['PF']);
  assert.deepEqual(found('gcp europe-west9'), ['gcp/europe-west9']);
});

test('the best comes first: the id, a whole name, beginnings, then aliases and what is anywhere', () => {
  assert.deepEqual(found('fra'), ['FR', 'gcp/europe-west9', 'PF']);
  assert.deepEqual(found('us'), ['US', 'US-CA']);
  assert.equal(found('uk')[0], 'GB');
  assert.deepEqual(found('britain'), ['GB']);
  assert.deepEqual(found('france paris'), ['gcp/europe-west9']);
  assert.deepEqual(found('nowhere'), []);
});

test('without words there are all, by name', () => {
  assert.equal(found(' ')[0], 'US-CA');
  assert.equal(found('').length, REGIONS.length);
});

test('a refused region is found and cannot be chosen', () => {
  const [refused] = searchRegions(REGIONS, 'central african');
  assert.equal(refused.id, 'CF');
  assert.equal(canChoose(refused), false);
  assert.equal(canChoose(REGIONS[0]), true);
  assert.deepEqual([56.039, 4.24, 9.96].map(perKwh), ['56 g/kWh', '4.2 g/kWh', '10 g/kWh']);
});

/** A server that notes what it is asked, with places that may be changed. */
function server(answers = {}) {
  const asked = [];
  const get = async (path, init) => {
    asked.push(init === undefined ? path : `${init.method} ${path} ${init.body}`);
    const name = path.replace(/\?.*/, '').split('/').pop();
    return answers[name]?.(path, init) ?? answer(golden.unplaced);
  };
  return { get, asked };
}

const HERE = { host: 'node 7', path: 'a/b.ipynb' };

test('a machine is asked for once in a while, the regions once', async () => {
  const { get, asked } = server({ regions: () => answer({ schema: 1, regions: golden.regions }) });
  let now = 0;
  const places = new Places(
    get,
    () => assert.fail(),
    () => now
  );
  await places.want(HERE);
  await places.want(HERE);
  assert.deepEqual(asked, ['jupyter_costmeter/api/place?host=node+7&path=a%2Fb.ipynb']);
  assert.equal(places.placeOf(HERE).region, null);
  assert.equal(places.placeOf({ host: null, path: null }), null);
  now = 60_000;
  await places.want(HERE);
  assert.equal(asked.length, 2);
  await Promise.all([places.wantRegions(), places.wantRegions()]);
  await places.wantRegions();
  assert.equal(asked.length, 3);
  assert.equal(places.regions.length, golden.regions.length);
});

test('what the user says is told to the server, and all is asked for again', async () => {
  let placed = 0;
  const { get, asked } = server({
    place: (_, init) => answer(init === undefined ? golden.unplaced : golden.placed)
  });
  const places = new Places(get, () => (placed += 1));
  let changes = 0;
  const stop = places.listen(() => (changes += 1));
  await places.want(HERE);
  await places.want({ host: null, path: null });
  await places.say(HERE, { region: 'FR', kind: 'lab' });
  assert.equal(
    asked.at(-1),
    'PUT jupyter_costmeter/api/place?path=a%2Fb.ipynb {"host":"node 7","region":"FR","kind":"lab"}'
  );
  assert.equal(places.placeOf(HERE).name, 'France');
  assert.equal(places.placeOf({ host: null, path: null }), null); // it may be the same machine
  assert.equal(placed, 1);
  assert.equal(changes, 3);
  stop();
});

test('where somebody else says that it stands, all is asked for again', async () => {
  let [now, placed, there] = [0, 0, golden.unplaced];
  const { get } = server({ place: () => answer(there) });
  const places = new Places(
    get,
    () => (placed += 1),
    () => now
  );
  await places.want(HERE);
  now = 30_000;
  await places.want(HERE);
  assert.equal(placed, 0);
  [now, there] = [60_000, golden.placed]; // %cost where FR, in a shell
  await places.want(HERE);
  assert.equal(placed, 1);
  assert.equal(places.placeOf(HERE).name, 'France');
});

test('other factors than before come of another place: it is asked for at once', async () => {
  let [placed, there] = [0, golden.unplaced];
  const { get, asked } = server({ place: () => answer(there) });
  const places = new Places(
    get,
    () => (placed += 1),
    () => 0
  );
  await places.want(HERE, 'world 475');
  await places.want(HERE, 'world 475');
  assert.equal(asked.length, 1);
  there = golden.placed; // %cost where FR, in a cell
  await places.want(HERE, 'FR 56');
  assert.equal(places.placeOf(HERE).name, 'France');
  assert.equal(placed, 1);
});

test('an answer that was under way when the user spoke is of no worth', async () => {
  let late;
  const { get } = server({
    place: (_, init) =>
      init === undefined ? new Promise(done => (late = done)) : answer(golden.placed)
  });
  const places = new Places(get, () => undefined);
  const asking = places.want(HERE);
  await places.say(HERE, { region: 'FR', kind: null });
  late(answer(golden.unplaced));
  await asking;
  assert.equal(places.placeOf(HERE).region, 'FR');
});

test('what the server says against it is thrown, and nothing changes', async () => {
  const { get } = server({
    place: (_, init) =>
      init === undefined ? answer(golden.unplaced) : answer({ message: 'cannot write' }, 500)
  });
  const places = new Places(get, () => assert.fail('nothing has changed'));
  await places.want(HERE);
  await assert.rejects(places.say(HERE, { region: 'FR', kind: null }), /cannot write/);
  assert.equal(places.placeOf(HERE).region, null);
});

test('a server that does not answer is said, and what was known stays', async () => {
  let broken = false;
  let now = 0;
  const get = async () => (broken ? answer({ message: 'gone' }, 503) : answer(golden.placed));
  const places = new Places(
    get,
    () => undefined,
    () => now
  );
  await places.want(HERE);
  broken = true;
  now = 60_000;
  await places.want(HERE);
  assert.equal(places.problemOf(HERE), 'gone');
  assert.equal(places.placeOf(HERE).region, 'FR');
  await places.wantRegions();
  assert.equal(places.problem, 'gone');
  broken = false;
  await assert.rejects(async () => {
    await places.wantRegions(); // asked again: it was no answer
    throw new Error(places.problem);
  }, /regions/);
});

test('a PUE is from 1 to 10', () => {
  assert.deepEqual(['', ' ', '1', '1.1', '1,1', '10', '0.9', '11', 'x', '-1'].map(pueIsValid), [
    true,
    true,
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    false
  ]);
  const form = { scope: 'notebook', region: null, pue: ' ', gpu: '' };
  assert.equal(isBlank(form), true);
  assert.equal(isBlank({ ...form, gpu: 'H100' }), false);
});

test('what is supposed is asked for once the user has stopped typing', async () => {
  const { get, asked } = server({ what_if: () => answer(golden.what_if) });
  const supposing = new Supposing(get, () => undefined);
  supposing.about({ path: 'a.ipynb', session: 's1' });
  supposing.show(true);
  supposing.suppose({ pue: '1' });
  supposing.suppose({ pue: '1,1' });
  supposing.suppose({ region: REGIONS[0], scope: 'session' });
  assert.equal(supposing.busy, true);
  await pause(500);
  assert.deepEqual(asked, [
    'jupyter_costmeter/api/what_if?path=a.ipynb&scope=session&session=s1&region=gcp%2Feurope-west9&kind=cloud&pue=1.1'
  ]);
  assert.equal(supposing.answer.title, 'notebook train.ipynb');
  assert.equal(supposing.busy, false);
  supposing.suppose({ pue: '0.5' }); // no PUE: nobody is asked
  await pause(500);
  assert.equal(asked.length, 1);
  supposing.suppose({ pue: '', region: null });
  assert.equal(supposing.answer, null);
});

test('a closed form asks nothing, another notebook forgets the answer, a refusal is kept', async () => {
  const { get, asked } = server({ what_if: () => answer({ message: 'no such GPU' }, 400) });
  const supposing = new Supposing(get, () => undefined);
  supposing.about({ path: 'a.ipynb', session: null });
  supposing.suppose({ gpu: 'X' });
  await pause(500);
  assert.deepEqual(asked, []);
  supposing.show(true);
  await pause(50);
  assert.equal(supposing.problem, 'no such GPU');
  assert.equal(asked[0], 'jupyter_costmeter/api/what_if?path=a.ipynb&scope=notebook&gpu=X');
  supposing.about({ path: 'b.ipynb', session: null });
  await pause(50);
  assert.match(asked[1], /path=b.ipynb/);
});
