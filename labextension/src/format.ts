/** Numbers as people read them: pure, and never a silent zero. */
import type { Method, Total } from './api.js';
import { fixed, hundredths, written } from './locale.js';
import type { Words } from './words.js';

export const DASH = '—';
/** The unit's end: what the grams are of, all greenhouse gases as if they were CO₂. */
export const CO2E = 'CO₂e';
export type EnergyUnit = 'J' | 'Wh';

const JOULES_PER_WH = 3600;
const PREFIXES: readonly (readonly [number, string])[] = [
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
  [1, ''],
  [1e-3, 'm'],
  [1e-6, 'µ'],
  [1e-9, 'n']
];
const LEAST = 1e-9;

/** Three digits that matter, as decimals where there is room: 3.42, 34.2, 342. */
function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** How a rounded decimal is written. */
type Write = (decimal: string) => string;

/** The prefix that leaves one to three digits before the point, and what it stands for. */
export function prefixOf(value: number): readonly [number, string] {
  // 0.9995 of the next prefix rounds up to it: 999.7 J is 1.00 kJ, not 1000 J
  return PREFIXES.find(([f]) => Math.abs(value) >= f * 0.9995) ?? [LEAST, 'n'];
}

/** `3.42 kJ`: the prefix is chosen so that one to three digits stand before the point. */
export function si(value: number, unit: string, write: Write = written): string {
  if (value === 0) {
    return `${write('0')} ${unit}`;
  }
  const [factor, prefix] = prefixOf(value);
  if (Math.abs(value) < LEAST * 0.9995) {
    return `< ${write('1')} ${prefix}${unit}`; // and not 0.00
  }
  return `${write(threeDigits(value / factor))} ${prefix}${unit}`;
}

export function energy(joules: number, unit: EnergyUnit): string {
  return unit === 'Wh' ? si(joules / JOULES_PER_WH, 'Wh') : si(joules, 'J');
}

const G_PER_T = 1e6;
/** From here on the next prefix is rounded up to, as in `si`. */
const NEARLY = 0.9995;

/** `190 g`, `1.20 kg`, `1.20 t`: nobody says Mg. */
export function grams(value: number, write: Write = written): string {
  return Math.abs(value) >= NEARLY * G_PER_T
    ? si(value / G_PER_T, 't', write)
    : si(value, 'g', write);
}

/** Without the noughts at a decimal's end. */
const short: Write = decimal => written(decimal.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''));

/** Two digits, for what is known roughly: `8 g`, `320 g`, `1.2 kg`. */
export function roughly(value: number): string {
  return grams(Number(value.toPrecision(2)), short);
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `85.0 ms`, `12.4 s`, `3 min 05 s`, `1 h 03 min`, `204 h`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) {
    return si(seconds, 's');
  }
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) {
    return `${minutes} min ${two(whole % 60)} s`;
  }
  return hours < 100 ? `${hours} h ${two(minutes % 60)} min` : `${hours} h`;
}

/** Time that ticks before the reader's eyes, in whole seconds: rounded down, so that it never says too much. */
export function ticking(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${fixed(whole, 0)} s` : duration(whole);
}

/** A time that goes on for long, rounded down: `40 s`, `3 min 20 s`, `50 min`, `1 h 05 min`. */
export function about(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 600) {
    return ticking(Math.max(10, whole - (whole % 10)));
  }
  return whole < 3600 ? `${Math.floor(whole / 60)} min` : duration(whole - (whole % 60));
}

const GPU_TIMES: readonly (readonly [number, string])[] = [
  [3600, 'GPU-h'],
  [60, 'GPU-min'],
  [1, 'GPU-s']
];

/** `1.00 GPU-h`, `4.00 GPU-ms`: the time of all GPUs together. */
export function gpuTime(seconds: number): string {
  if (seconds > 0 && seconds < 0.0995) {
    return si(seconds, 's').replace(/\S+$/, 'GPU-$&');
  }
  const [scale, unit] = GPU_TIMES.find(([s]) => seconds >= s) ?? [1, 'GPU-s'];
  return `${written(threeDigits(seconds / scale))} ${unit}`;
}

export function quantity(value: number, unit: string, energyUnit: EnergyUnit): string {
  switch (unit) {
    case 'J':
      return energy(value, energyUnit);
    case 's':
      return duration(value);
    case 'gCO2e':
      return `${grams(value)} ${CO2E}`;
    default:
      return si(value, unit);
  }
}

export function percent(share: number): string {
  const value = share * 100;
  return value > 0 && value < 1
    ? `< ${hundredths('1')}`
    : value > 99 && value < 100
      ? `> ${hundredths('99')}`
      : hundredths(value.toFixed(0));
}

/** A total as shown: the figure, and the marks before it that keep it honest. */
export interface Shown {
  figure: string;
  /** `≥` where a part is missing, `~` where it is not measured; often empty. */
  mark: string;
}

export function show(one: Total | undefined, energyUnit: EnergyUnit): Shown {
  if (one === undefined) {
    return { figure: '', mark: '' }; // no such device: nothing to say
  }
  if (one.value === null) {
    return { figure: DASH, mark: '' };
  }
  const mark = (one.missing > 0 ? '≥' : '') + (one.method === 'measured' ? '' : '~');
  return { figure: quantity(one.value, one.unit, energyUnit), mark };
}

/** The same as one string: `≥ ~3.66 kJ`. */
export function plain({ figure, mark }: Shown): string {
  return mark.replace(/^[≥≤]/, '$& ') + figure;
}

function methodText(method: Method, words: Words): string {
  return {
    measured: words.__('Measured.'),
    modelled: words.__('~ Modelled, not measured.'),
    assumed: words.__('~ Assumed, not measured.'),
    declared: words.__('~ Declared, not measured.')
  }[method];
}

function provenance(one: Total, words: Words): string {
  const said = one.method === null ? '' : methodText(one.method, words);
  const share = one.measured_share;
  if (one.name === 'emissions_g' && share !== null) {
    return `${said} ${words.__('%1 of its energy was measured.', percent(share))}`;
  }
  return share !== null && share > 0 && share < 1
    ? `${said} ${words.__('Measured share: %1.', percent(share))}`
    : said;
}

/** FLOPs are counted, not measured; how many windows lack some says nothing. */
function incomplete({ name, missing, reasons }: Total, words: Words): string {
  const why = reasons.join('; ');
  if (missing === 0) {
    return '';
  }
  return name === 'flops'
    ? words.__('≥ Not counted: %1', why)
    : words._n('≥ One part is missing: %2', '≥ %1 parts are missing: %2', missing, why);
}

function nothing({ name, reasons }: Total, words: Words): string {
  const why = reasons.join('; ') || words.__('no reason is known');
  return name === 'flops' ? words.__('not counted: %1', why) : words.__('not measured: %1', why);
}

/** From this relative half-width on a figure is all noise. */
const NOISE = 100;

/** Two digits are all that an uncertainty has; one as large as the figure itself is a factor. */
function spread({ value, uncertainty, missing }: Total, words: Words): string {
  if (!value || uncertainty === null) {
    return '';
  }
  if (uncertainty === 0) {
    return missing > 0 ? '' : words.__(', exact'); // what is missing makes it inexact
  }
  const share = uncertainty / value;
  if (share >= 1) {
    return share >= NOISE
      ? ` ×/÷ > ${NOISE}`
      : ` ×/÷ ${short((1 + share).toFixed(share < 8.95 ? 1 : 0))}`;
  }
  return ` ±${hundredths((100 * share).toFixed(share < 0.0995 ? 1 : 0))}`;
}

/** How a figure was got, `more`, what is missing, and from where: the lines that there are. */
export function howKnown(one: Total, words: Words, more: readonly string[] = []): string[] {
  const lines = [
    provenance(one, words),
    ...more,
    incomplete(one, words),
    one.sources.length > 0 ? words.__('From: %1', one.sources.join('; ')) : ''
  ];
  return lines.filter(line => line !== '');
}

/** What a figure's hover says: how it was got, how sure it is, `more`, what is missing, and from where. */
export function explain(
  title: string,
  one: Total,
  energyUnit: EnergyUnit,
  words: Words,
  more: readonly string[] = []
): string {
  if (one.value === null) {
    return `${title}: ${nothing(one, words)}`;
  }
  const figure = `${title}: ${plain(show(one, energyUnit))}${spread(one, words)}`;
  return [figure, ...howKnown(one, words, more)].join('\n');
}
