// Carbon and money as the panel reads and says them: the golden examples that pytest makes, and by hand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import {
  parseMessage,
  parsePlace,
  parseRegions,
  parseReply,
  parseTotals,
  parseWhatIf,
  totalOf
} from '../labextension/lib/api.js';
import {
  billHover,
  billParts,
  cloudName,
  embodiedHover,
  emissionsHover,
  gridText,
  rangeText
} from '../labextension/lib/carbon.js';
import { grams, plain, roughly, show } from '../labextension/lib/format.js';
import { compare, ratioOf, timesText } from '../labextension/lib/supposing.js';
import { ENGLISH } from '../labextension/lib/words.js';

const golden = name =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8'));
const places = () => golden('places');
const costsOf = () => parseReply(golden('reply')).summary.costs;
const unknown = more => ({
  ...costsOf(),
  range_g: [8.04, 321],
  range_of: ['Bhutan', 'Brunei'],
  ...more
});

test('the golden costs of cells and summaries are read', () => {
  const reply = parseReply(golden('reply'));
  const { costs } = reply.summary;
  assert.deepEqual(
    costs.totals.map(({ name, unit }) => `${name} ${unit}`),
    ['electricity_wh Wh', 'emissions_g gCO2e', 'embodied_g gCO2e']
  );
  const wh = totalOf(costs, 'electricity_wh').value;
  assert.ok(Math.abs(totalOf(costs, 'emissions_g').value - (wh / 1000) * 56.039) < 1e-12);
  assert.equal(costs.range_g, null);
  assert.equal(costs.bills[0].currency, 'EUR');
  assert.equal(costs.clouds[0].provider, 'aws');
  assert.deepEqual(
    reply.cells[0].costs.applied.map(({ name }) => name),
    ['intensity']
  );
  const { notebook } = parseTotals(golden('totals')).scopes;
  assert.equal(notebook.costs.range_g.length, 2);
  assert.equal(notebook.costs.range_of.length, 2);
});

test('an older kernel that sends no costs is understood, and so is null', () => {
  const message = golden('message');
  message.running.forEach(cell => delete cell.costs);
  message.closed.forEach(cell => (cell.costs = null));
  delete message.summary.costs;
  const read = parseMessage(message);
  assert.deepEqual(
    [...read.running, ...read.closed, read.summary].map(({ costs }) => costs),
    [null, null, null, null]
  );
});

test('malformed costs are refused with the place', () => {
  const broken = [
    [costs => (costs.range_g = [1]), 'costs.range_g: expected a list of two, got a list'],
    [costs => (costs.range_g = [1, 2, 3]), 'costs.range_g: expected a list of two, got a list'],
    [
      costs => (costs.bills[0].amount = 3.12),
      'costs.bills[0].amount: expected a string, got a number'
    ],
    [costs => delete costs.applied, 'costs.applied: expected a list, got nothing']
  ];
  for (const [breakIt, complaint] of broken) {
    const message = golden('reply');
    breakIt(message.summary.costs);
    assert.throws(() => parseReply(message), {
      name: 'WireError',
      message: `reply.summary.${complaint}`
    });
  }
});

test('places, regions and what if are read', () => {
  const { placed, unplaced, regions, what_if } = places();
  assert.equal(parsePlace(placed).name, 'France');
  const place = parsePlace(unplaced);
  assert.equal(place.region, null);
  assert.equal(place.hint.kind, 'cloud');
  assert.equal(place.problems.length, 1);
  const [france, , , refused] = parseRegions({ schema: 1, regions });
  assert.equal(france.g_per_kwh, 56.039);
  assert.equal(refused.g_per_kwh, null);
  assert.match(refused.note, /^refused/);
  assert.equal(parseWhatIf(what_if).title, 'notebook train.ipynb');
  assert.throws(() => parseRegions({ schema: 1 }), /regions.regions: expected a list/);
  assert.throws(() => parsePlace({ ...placed, schema: 2 }), { who: 'server', newer: true });
});

test('a hint that says the kind of place only has no region', () => {
  const hint = { region: '', name: '', kind: 'lab', why: 'SLURM_CLUSTER_NAME is x' };
  assert.equal(parsePlace({ ...places().unplaced, hint }).hint.region, null);
});

test('grams, kilograms and tonnes, never Mg', () => {
  const cases = [
    [0, '0 g'],
    [0.4, '400 mg'],
    [190, '190 g'],
    [999.7, '1.00 kg'],
    [12_345, '12.3 kg'],
    [999_400, '999 kg'],
    [999_700, '1.00 t'],
    [1e6, '1.00 t'],
    [3.2e9, '3.20 kt'],
    [2.5e-5, '25.0 µg']
  ];
  cases.forEach(([value, text]) => assert.equal(grams(value), text));
  const emissions = {
    ...totalOf(costsOf(), 'emissions_g'),
    value: 1.2e6,
    method: 'assumed',
    missing: 0
  };
  assert.equal(plain(show(emissions, 'J')), '~1.20 t CO₂e');
});

test('what is known roughly has two digits', () => {
  const cases = [
    [8.04, '8 g'],
    [8.15, '8.2 g'],
    [321, '320 g'],
    [99.6, '100 g'],
    [1000, '1 kg'],
    [1234, '1.2 kg'],
    [105_000, '110 kg'],
    [0.0123, '12 mg'],
    [0.1, '100 mg'],
    [0, '0 g']
  ];
  cases.forEach(([value, text]) => assert.equal(roughly(value), text));
});

test('while nobody said where, the emissions are a range', () => {
  assert.equal(rangeText(costsOf(), ENGLISH), '');
  assert.equal(rangeText(unknown(), ENGLISH), '8\u00a0g\u00a0to 320\u00a0g'); // breaks once at most
});

test("the emissions' hover says how they were got, and what they are as much as", () => {
  const costs = costsOf();
  const [intensity, pue, making] = costs.applied.map(one => one.text);
  const lines = emissionsHover(costs, totalOf(costs, 'emissions_g'), 'J', ENGLISH).split('\n');
  assert.match(lines[0], /^Emissions: ≥ ~110 mg CO₂e ±21 %$/);
  assert.equal(lines[1], '~ Declared, not measured. 99 % of its energy was measured.');
  assert.equal(lines[2], 'Electricity, with PUE: ≥ ~1.96 Wh');
  assert.deepEqual(lines.slice(3, 5), [intensity, pue]);
  assert.ok(lines.includes(costs.equivalents[0]));
  assert.ok(lines.includes('≥ One part is missing: the GPU is lost'));
  assert.ok(!lines.includes(making));
  assert.ok(embodiedHover(costs, totalOf(costs, 'embodied_g'), 'J', ENGLISH).includes(making));
  const asked = emissionsHover(unknown(), totalOf(costs, 'emissions_g'), 'J', ENGLISH);
  assert.match(asked, /not known where it ran: 8\sg\sto 320\sg, from Bhutan to Brunei\./);
});

test('a bill keeps its bound and its currency, and says what it lacks', () => {
  const { bills, clouds } = costsOf();
  assert.deepEqual(billParts(bills[0].text), ['≥ 0.0087 EUR', '±0.98 %']);
  assert.deepEqual(billParts('~3 EUR ×/÷ 2'), ['~3 EUR', '×/÷ 2']);
  assert.deepEqual(billParts('—'), ['—']);
  assert.match(billHover(bills[0], ENGLISH), /≥ Not in it: the GPU is lost/);
  assert.match(billHover(bills[0], ENGLISH), /^≥ 0.0087 EUR ±0.98 %\n/);
  assert.match(billHover(clouds[0], ENGLISH), /no money that was spent/);
  assert.equal(cloudName(clouds[0], ENGLISH), 'the same on aws, 2023-11-16');
});

test('the line of the grid has the intensity that was applied', () => {
  const { placed, unplaced } = places();
  const [france, nowhere] = [parsePlace(placed), parsePlace(unplaced)];
  assert.equal(gridText(france, costsOf(), ENGLISH), 'Grid: France, 56 g/kWh');
  assert.equal(gridText(nowhere, null, ENGLISH), 'Grid: not known');
  const world = [{ name: 'intensity', value: 475, unit: 'g/kWh', text: '' }];
  assert.equal(
    gridText(nowhere, unknown({ applied: world }), ENGLISH),
    'Grid: not known, 475 g/kWh assumed'
  );
  // two at once: neither is that of the place
  const both = { ...costsOf(), applied: [...costsOf().applied, ...world] };
  assert.equal(gridText(france, both, ENGLISH), 'Grid: France');
});

test('now and then are compared, bills by currency and cloud', () => {
  const answer = parseWhatIf(places().what_if);
  const lines = compare(answer, 'J', true, ENGLISH);
  const emissions = lines.find(({ name }) => name === 'emissions_g');
  assert.equal(emissions.now, '~109 mg');
  assert.equal(emissions.then, '~72.7 mg');
  assert.ok(Math.abs(emissions.ratio - 0.0727423125 / 0.10927605) < 1e-12);
  assert.equal(timesText(emissions.ratio), '×0.67');
  assert.ok(lines.some(({ label }) => label === 'the same on aws, 2023-11-16'));
  const names = compare(answer, 'J', false, ENGLISH).map(({ name }) => name);
  assert.deepEqual(names, ['electricity_wh', 'emissions_g', 'embodied_g']);
  // another currency is another line, and nothing times nothing
  answer.then.bills = [{ ...answer.now.bills[0], currency: 'CHF' }];
  const bills = compare(answer, 'J', true, ENGLISH).filter(({ label }) => label === 'Money');
  assert.deepEqual(
    bills.map(({ now, then, ratio }) => [now === '—', then === '—', ratio]),
    [
      [false, true, null],
      [true, false, null]
    ]
  );
});

test('a ratio is told only of the same parts, and of something', () => {
  const side = (value, missing = 0) => ({ text: '', value, missing });
  assert.equal(ratioOf(side(2), side(1)), 0.5);
  assert.equal(ratioOf(side(2, 1), side(1, 1)), 0.5);
  assert.equal(ratioOf(side(2), side(1, 1)), null);
  assert.equal(ratioOf(side(0), side(1)), null);
  assert.equal(ratioOf(side(null), side(1)), null);
  assert.equal(ratioOf(side(1), side(null)), null);
  assert.equal(ratioOf(side(1), side(0)), 0);
  assert.deepEqual([0.1, 0.083333, 12.34, 1, 0, 123].map(timesText), [
    '×0.1',
    '×0.083',
    '×12',
    '×1',
    '×0',
    '×120'
  ]);
});
