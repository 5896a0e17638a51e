/**
 * The costs that a notebook carries in its cells' metadata (docs/notebook-costs.md): made, read and told; pure.
 *
 * What is read may come from anybody: only numbers, words of our own and a time are taken, never a text.
 */
import type { Cell, Total } from './api.js';
import { CO2E, DASH, duration, gpuTime, plain, show, type EnergyUnit } from './format.js';
import { day } from './locale.js';
import {
  number,
  object,
  oneOf,
  orElse,
  orNull,
  list,
  text,
  type Check,
  type Fields
} from './shape.js';
import { CATEGORIES, categoryName, type Category } from './tags.js';
import { totalOf, type Method } from './total.js';
import type { Words } from './words.js';

/** The metadata's name; the only one that we ever write. */
export const KEY = 'costmeter';
export const SCHEMA = 1;

/** A figure's name in the metadata, and whose total it is. */
const FIGURES = [
  ['joules', 'energy_j', 'J'],
  ['gpu_seconds', 'gpu_reserved_s', 's'],
  ['flops', 'flops', 'FLOP'],
  ['gco2e', 'emissions_g', 'gCO2e']
] as const;
type Name = (typeof FIGURES)[number][0];
const NAMES = FIGURES.map(([name]) => name);
const METHODS = ['measured', 'modelled', 'declared', 'assumed'] as const;

/** So many digits are kept: they say enough, and a notebook's difference stays small. */
const DIGITS = 4;
/** Nobody used more of anything. */
const MOST = 1e30;

const round = (value: number): number => Number(value.toPrecision(DIGITS));

/** `2026-09-22T10:00:00Z`: to the second, UTC. */
const moment = (seconds: number): string =>
  new Date(Math.round(seconds) * 1000).toISOString().replace('.000Z', 'Z');

function found(cell: Cell, total: string): Total | undefined {
  return totalOf(cell, total) ?? (cell.costs === null ? undefined : totalOf(cell.costs, total));
}

/** What is written of a cell's run. Null is not measured; what is not there, there is no device for. */
export function metadataOf(cell: Cell, category: Category | null): Fields {
  const made: Fields = { schema: SCHEMA, at: moment(cell.started_at + cell.wall_s) };
  if (category !== null) {
    made.category = category;
  }
  made.seconds = round(cell.wall_s);
  const bounds: Name[] = [];
  for (const [name, of] of FIGURES) {
    const total = found(cell, of);
    if (total === undefined) {
      continue;
    }
    made[name] = total.value === null ? null : round(total.value);
    if (total.value !== null) {
      made[`${name}_method`] = total.method;
    }
    if (total.value !== null && total.missing > 0) {
      bounds.push(name);
    }
  }
  return bounds.length > 0 ? { ...made, at_least: bounds } : made;
}

/** What a notebook says of a cell. */
export interface Carried {
  at: string;
  category: Category | null;
  seconds: number;
  totals: Total[];
}

const amount: Check<number> = (value, path) => {
  const one = number(value, path);
  if (one < 0 || one > MOST) {
    throw new RangeError(path);
  }
  return one;
};

const time: Check<string> = (value, path) => {
  const one = text(value, path);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(one) || Number.isNaN(Date.parse(one))) {
    throw new RangeError(path);
  }
  return one;
};

const frame = object<{ at: string; category: Category | null; seconds: number; at_least: Name[] }>({
  at: time,
  category: orElse(orNull(oneOf(...CATEGORIES)), null),
  seconds: amount,
  at_least: orElse(list(oneOf(...NAMES)), [])
});

function totalIn(source: Fields, at_least: readonly Name[]): Total[] {
  return FIGURES.filter(([name]) => source[name] !== undefined).map(([name, of, unit]) => {
    const value = orNull(amount)(source[name], name);
    const how: Method | null =
      value === null ? null : oneOf(...METHODS)(source[`${name}_method`], name);
    const missing = value === null || at_least.includes(name) ? 1 : 0;
    const known = { measured_share: null, uncertainty: null, sources: [], reasons: [] };
    return { name: of, unit, value, method: how, missing, ...known };
  });
}

/** What a notebook's metadata says; null where it is nothing of ours, whatever it is. */
export function parseCarried(value: unknown): Carried | null {
  if (typeof value !== 'object' || value === null || (value as Fields).schema !== SCHEMA) {
    return null;
  }
  try {
    const { at_least, ...carried } = frame(value, KEY);
    return { ...carried, totals: totalIn(value as Fields, at_least) };
  } catch {
    return null; // malformed: somebody else's, or broken
  }
}

const UNITS: Record<string, string> = {
  gpu_reserved_s: 'GPU-s',
  flops: 'FLOP',
  emissions_g: CO2E,
  peak_rss_bytes: 'B',
  peak_gpu_bytes: 'B'
};

/** A figure in the line below a cell, which has no labels: `~3.65 kJ`, `— FLOP`. */
export function figureOf(total: Total, unit: EnergyUnit): string {
  if (total.value === null) {
    return `${DASH} ${UNITS[total.name] ?? unit}`;
  }
  const shown = show(total, unit);
  return plain(
    total.name === 'gpu_reserved_s' ? { ...shown, figure: gpuTime(total.value) } : shown
  );
}

/** The line below the cell: `From the notebook, 2026-09-22: 12.5 s · ~3.65 kJ · train`. */
export function carriedText(carried: Carried, unit: EnergyUnit, words: Words): string {
  const { at, category, seconds, totals } = carried;
  const told = [
    duration(seconds),
    ...totals.map(one => figureOf(one, unit)),
    ...(category === null ? [] : [categoryName(category, words)])
  ];
  return words.__('From the notebook, %1: %2', day(at.slice(0, 10)), told.join(' · '));
}

/** What the marks before these figures mean: the lines that there are. */
export function marksSaid(totals: readonly Total[], words: Words): string[] {
  const lines = [
    totals.some(one => one.value !== null && one.method !== 'measured')
      ? words.__('~ Modelled, assumed or declared, not measured.')
      : '',
    totals.some(one => one.value !== null && one.missing > 0)
      ? words.__('≥ A part is missing.')
      : ''
  ];
  return lines.filter(line => line !== '');
}

/** What its marks mean, and that nobody here has measured it. */
export function carriedHover({ at, totals }: Carried, words: Words): string {
  const time = `${day(at.slice(0, 10))} ${at.slice(11, 16)} UTC`;
  const lines = [
    words.__('What this cell cost when it ran, as the notebook says: %1.', time),
    ...marksSaid(totals, words),
    totals.some(one => one.value === null) ? words.__('%1 It could not be measured.', DASH) : ''
  ];
  return lines.filter(line => line !== '').join('\n');
}
