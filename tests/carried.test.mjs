// The costs that a notebook carries: small, exact about what is known, and harmless whoever wrote them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { parseMessage } from '../labextension/lib/api.js';
import {
  carriedHover,
  carriedText,
  metadataOf,
  parseCarried
} from '../labextension/lib/carried.js';
import { ENGLISH } from '../labextension/lib/words.js';

const golden = JSON.parse(readFileSync(new URL('data/message.json', import.meta.url), 'utf8'));
const [FIRST, LOST] = parseMessage(golden).closed;
const GOOD = metadataOf(FIRST, 'hpo');
const told = value => carriedText(parseCarried(value), 'J', ENGLISH);

test('a cell becomes a few figures, with how each was got', () => {
  assert.deepEqual(GOOD, {
    schema: 1,
    at: '2026-09-21T14:14:33Z',
    category: 'hpo',
    seconds: 12.5,
    joules: 3650,
    joules_method: 'measured',
    gpu_seconds: 12.5,
    gpu_seconds_method: 'measured',
    flops: 1.251e15,
    flops_method: 'measured',
    gco2e: GOOD.gco2e,
    gco2e_method: 'declared'
  });
  assert.ok(GOOD.gco2e > 0);
});

test('what was not measured is null, and a lower bound is said to be one', () => {
  const lost = metadataOf(LOST, null);
  assert.equal('category' in lost, false);
  assert.deepEqual(lost.at_least, ['joules', 'flops', 'gco2e']);
  const none = { ...FIRST, totals: FIRST.totals.map(one => ({ ...one, value: null })) };
  const found = metadataOf(none, null);
  assert.deepEqual([found.joules, 'joules_method' in found], [null, false]);
  assert.match(told(found), /12\.5 s · — J · — GPU-s · — FLOP/);
  const bare = metadataOf({ ...FIRST, totals: [], costs: null }, null);
  assert.deepEqual(Object.keys(bare), ['schema', 'at', 'seconds']); // no such device: nothing to say
});

test('it is small, whatever the figures', () => {
  const huge = FIRST.totals.map(one => ({
    ...one,
    value: 1.23456789e-7,
    missing: 9,
    method: 'modelled'
  }));
  const costs = { ...FIRST.costs, totals: FIRST.costs.totals.map(one => ({ ...one, missing: 3 })) };
  const made = metadataOf({ ...FIRST, wall_s: 123456.789, totals: huge, costs }, 'inference');
  assert.equal(made.at_least.length, 4);
  assert.ok(JSON.stringify(made).length < 400, String(JSON.stringify(made).length));
  const words = Object.values(made)
    .filter(one => typeof one === 'string')
    .join(' ');
  assert.doesNotMatch(words, /ada|host|home|train\.ipynb/);
});

test('what is written is read again', () => {
  assert.equal(
    told(GOOD).replace(/[\d.]+ mg/, 'x mg'),
    'From the notebook, 2026-09-21: 12.5 s · 3.65 kJ · 12.5 GPU-s · 1.25 PFLOP · ~x mg CO₂e · hyper-parameter search'
  );
  assert.match(told(metadataOf(LOST, 'failed')), /≥ ~8\.00 J .* failed$/);
  const hover = carriedHover(parseCarried(metadataOf(LOST, null)), ENGLISH);
  assert.match(hover, /2026-09-21 14:15 UTC/);
  assert.match(hover, /≥ A part is missing/);
});

test('what is malformed is ignored, and throws nothing', () => {
  const wrong = [
    undefined,
    null,
    3,
    'costs',
    [],
    {},
    { ...GOOD, schema: 2 },
    { ...GOOD, schema: '1' },
    { ...GOOD, at: '<img src=x onerror=alert(1)>' },
    { ...GOOD, at: '2026-99-99T00:00:00Z' },
    { ...GOOD, at: 1790000000 },
    { ...GOOD, category: '<b>hpo</b>' },
    { ...GOOD, category: 'toString' },
    { ...GOOD, seconds: '12.5' },
    { ...GOOD, seconds: -1 },
    { ...GOOD, seconds: null },
    { ...GOOD, joules: 1e31 },
    { ...GOOD, joules: NaN },
    { ...GOOD, joules: { valueOf: 3 } },
    { ...GOOD, joules_method: undefined },
    { ...GOOD, joules_method: '<script>' },
    { ...GOOD, at_least: 'joules' },
    { ...GOOD, at_least: ['__proto__'] },
    { __proto__: null, schema: 1 }
  ];
  for (const value of wrong) {
    assert.equal(parseCarried(value), null, JSON.stringify(value));
  }
});

test('what else stands in it is not told', () => {
  const text = told({ ...GOOD, note: '<b>bold</b>', host: 'secret' });
  assert.doesNotMatch(text, /bold|secret/);
});
