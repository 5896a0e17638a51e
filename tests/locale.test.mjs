// Numbers and moments in the language that JupyterLab speaks; English stays as commands and exports write it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { badgeOf } from '../labextension/lib/badge.js';
import {
  blank,
  draftOf,
  limitOf,
  mistakes,
  rowOf,
  warnOf
} from '../labextension/lib/budget-form.js';
import { amountText } from '../labextension/lib/budgets.js';
import { billParts } from '../labextension/lib/carbon.js';
import { carriedHover } from '../labextension/lib/carried.js';
import { duration, energy, percent, roughly, si, ticking } from '../labextension/lib/format.js';
import {
  day,
  moment,
  plainly,
  rewritten,
  speak,
  weekdayMoment,
  written
} from '../labextension/lib/locale.js';
import { perKwh } from '../labextension/lib/regions.js';
import { pueIsValid, timesText } from '../labextension/lib/supposing.js';
import { ENGLISH } from '../labextension/lib/words.js';
import { verdict } from './verdicts.mjs';

const NARROW = /[\u00a0\u202f]/g;
/** Without the spaces that do not break. */
const plain = text => text.replace(NARROW, ' ');

function in_(language, look) {
  speak(language);
  try {
    look();
  } finally {
    speak('en');
  }
}

const SAMPLES = () => [
  si(12.4, 's'),
  si(3.1e12, 'FLOP'),
  energy(0, 'J'),
  energy(4321, 'Wh'),
  duration(185),
  ticking(3.97),
  percent(0.62),
  percent(0.004),
  percent(0.996),
  roughly(1234),
  roughly(8),
  perKwh(7.43),
  timesText(0.083),
  amountText({ measure: 'gpu_hours', unit: 'GPU-h' }, 12.4, 20),
  amountText({ measure: 'amount', unit: 'EUR' }, 1234.5, 5000),
  ...billParts('≥ ~1234.56 EUR ±5.0 %')
];
const PLAIN = [
  '12.4 s',
  '3.10 TFLOP',
  '0 J',
  '1.20 Wh',
  '3 min 05 s',
  '3 s',
  '62 %',
  '< 1 %',
  '> 99 %',
  '1.2 kg',
  '8 g',
  '7.4 g/kWh',
  '×0.083',
  '12.4 GPU-h',
  '1234.50 EUR',
  '≥ ~1234.56 EUR',
  '±5.0 %'
];

test('English is the plain form, also of a language that is none', () => {
  assert.deepEqual(SAMPLES(), PLAIN);
  for (const code of ['en', 'en-GB', 'xx', 'no such', '']) {
    in_(code, () => assert.deepEqual(SAMPLES(), PLAIN, code));
  }
});

test('German has a comma, no sign between thousands, and the same prefixes', () => {
  const german = PLAIN.map(one => one.replace('.', ','));
  for (const code of ['de-DE', 'de_DE', 'de']) {
    in_(code, () => assert.deepEqual(SAMPLES().map(plain), german, code));
  }
});

test('in a text of the server’s decimals alone are written anew', () => {
  const text = '26 Nov 2026 13:00 to 13:40; NVIDIA 560.35.03: 3.42 kJ, 0.5 of 12.0 W.';
  in_('de-DE', () =>
    assert.equal(
      rewritten(text),
      '26 Nov 2026 13:00 to 13:40; NVIDIA 560.35.03: 3,42 kJ, 0,5 of 12,0 W.'
    )
  );
  assert.equal(rewritten(text), text);
});

test('where the percent sign stands is the language’s', () => {
  in_('tr-TR', () => assert.equal(percent(0.62), '%62'));
  in_('fr-FR', () => assert.equal(plain(percent(0.004)), '< 1 %'));
});

test('digits are those of the counts beside them', () => {
  in_('ar-EG', () => assert.match(si(12.4, 's'), /^12[.,٫]4 s$/));
});

test('what is copied is plain, whatever the page speaks', () => {
  in_('de-DE', () => {
    assert.deepEqual(plainly(SAMPLES), PLAIN);
    assert.throws(() => plainly(() => assert.fail('broken')));
    assert.equal(written('1.5'), '1,5'); // and the page goes on as it was
  });
});

test('days and moments are the language’s, by the clock of the browser’s own variety', () => {
  const noon = new Date(2026, 10, 26, 13, 40, 12).getTime() / 1000;
  assert.equal(day('2026-09-22'), '2026-09-22');
  assert.equal(moment(noon), '2026-11-26 13:40:12');
  speak('en', ['en-GB', 'en']);
  assert.match(weekdayMoment(noon, ''), /^Thu 26 Nov, 13:40$/);
  speak('en', ['de-DE']);
  assert.match(weekdayMoment(noon, ''), /^Thu, Nov 26, 01:40\sPM$/);
  in_('de-DE', () => {
    assert.equal(day('2026-09-22'), '22.09.2026');
    assert.equal(day('soon'), 'soon');
    assert.equal(moment(noon), '26.11.2026, 13:40:12');
    assert.match(weekdayMoment(noon, 'nowhere'), /^Do\., 26\. Nov\.?,? 13:40$/);
    const carried = { at: '2026-09-22T10:00:00Z', category: null, seconds: 1, totals: [] };
    assert.match(carriedHover(carried, ENGLISH), /22\.09\.2026 10:00 UTC/);
  });
});

test('the line below a cell is in the language', () => {
  const total = (name, unit, value) => ({
    name,
    unit,
    value,
    method: 'measured',
    measured_share: 1,
    missing: 0,
    uncertainty: null,
    sources: [],
    reasons: []
  });
  const run = {
    wall_s: 12.4,
    outcome: 'ok',
    error_type: null,
    started_at: 0,
    code_hash: null,
    costs: null,
    rates: null,
    totals: [total('energy_j', 'J', 4321), total('peak_rss_bytes', 'B', 3.1e9)]
  };
  const wanted = {
    cellLineFrom: 0,
    cellLineFigures: ['time', 'energy', 'memory'],
    energyUnit: 'J',
    showMoney: true
  };
  const text = () => badgeOf([run], wanted, ENGLISH).text;
  assert.equal(text(), '12.4 s · 4.32 kJ · 3.10 GB RAM');
  in_('de-DE', () => assert.equal(text(), '12,4 s · 4,32 kJ · 3,10 GB RAM'));
});

test('a decimal comma is read right, and what could be thousands is refused', () => {
  const of = text => limitOf(text, 'kwh');
  in_('de-DE', () => {
    assert.deepEqual(
      ['12,5', '0,125', '1,250', '12.5', '20'].map(of),
      [12.5, 0.125, 1.25, 12.5, 20]
    );
    const thousands = ['1.250', '1.250,5', '12.000', '1.000.000', '1,000,000', '1 250', "1'250"];
    assert.deepEqual(thousands.map(of), Array(thousands.length).fill(null));
    assert.equal(limitOf('1,5 E', 'flops'), 1.5e18);
    const draft = { ...blank(true), limit: '1.250' };
    assert.match(
      mistakes(draft, ENGLISH).limit,
      /such as 20 or 0,5, without separators of thousands/
    );
    assert.ok(pueIsValid('1,2') && pueIsValid('1.2') && !pueIsValid('1,2,3'));
  });
  assert.deepEqual(['1,250', '1.250'].map(of), [null, 1.25]);
});

test('shares in percent are set apart by a semicolon where a comma is a decimal’s', () => {
  in_('de-DE', () => {
    assert.equal(blank(true).warn, '50; 80; 100');
    assert.deepEqual(warnOf('12,5; 80 %; 100'), [0.125, 0.8, 1]);
    assert.deepEqual(warnOf('50, 80, 100'), [0.5, 0.8, 1]);
    assert.deepEqual(['50,80', '50,80,100', '1.000'].map(warnOf), [null, null, null]);
    assert.match(mistakes({ ...blank(true), warn: '50,80' }, ENGLISH).warn, /such as 50; 80; 100/);
  });
});

test('a budget that is opened in a form and saved stays the same', () => {
  for (const code of ['en', 'de-DE', 'fr-FR', 'tr-TR', 'ar-EG', 'ja-JP']) {
    in_(code, () => {
      const known = verdict({ limit: 0.125, warn: [0.125, 0.5, 1] });
      const { limit, warn } = rowOf(draftOf(known));
      assert.deepEqual({ limit, warn }, { limit: 0.125, warn: [0.125, 0.5, 1] }, code);
      assert.deepEqual(mistakes(draftOf(known), ENGLISH), {}, code);
    });
  }
});
