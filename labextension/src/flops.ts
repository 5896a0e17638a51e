/** What the panel says of FLOPs: which precision, how fast, how near to the peak. Pure. */
import { PRECISIONS, totalOf, type Bound, type Method, type Rates, type Total } from './api.js';
import { DASH, explain, percent, plain, show, si } from './format.js';
import { hundredths } from './locale.js';
import type { Words } from './words.js';

type Totals = { totals: readonly Total[] };

const UNIT = 'FLOP';
const NAME = new RegExp(`^flops_(${PRECISIONS.join('|')})(_leading)?$`);

interface Part {
  precision: string;
  /** Counted by the leading order of a formula. */
  leading: boolean;
  total: Total;
  value: number;
}

const total = (parts: readonly Part[]): number => parts.reduce((sum, { value }) => sum + value, 0);

/** FLOPs by precision, most first. */
function parts({ totals }: Totals): Part[] {
  const found = totals.flatMap(one => {
    const [, precision, leading] = NAME.exec(one.name) ?? [];
    return precision !== undefined && one.value !== null && one.value > 0
      ? [{ precision, leading: leading !== undefined, total: one, value: one.value }]
      : [];
  });
  return found.sort((a, b) => b.value - a.value);
}

/** From this share of the FLOPs on one precision is that of all, and one is that of most. */
const ALL = 0.995;
const MOST = 0.5;

/** `bf16`, `mostly bf16`, `mixed precision`; nothing where no FLOPs have one. */
export function precision(holder: Totals, words: Words): string {
  const found = parts(holder);
  const sums = PRECISIONS.map(name => ({
    name,
    value: total(found.filter(one => one.precision === name))
  }));
  const first = sums.reduce((most, one) => (one.value > most.value ? one : most));
  if (first.value === 0) {
    return '';
  }
  const share = first.value / total(found);
  if (share > MOST) {
    return share >= ALL ? first.name : words.__('mostly %1', first.name);
  }
  return words.__('mixed precision');
}

/** A line for each precision, for a hover. */
export function byPrecision(holder: Totals, words: Words): string[] {
  return parts(holder).map(one => {
    const figure = plain(show(one.total, 'J'));
    return one.leading
      ? words.__('%1, by leading order: %2', one.precision, figure)
      : words.__('%1: %2', one.precision, figure);
  });
}

/** A bound of a share; one of less than a hundredth, or of nearly all, cannot be said as both. */
function bounded(bound: Bound, share: number): string {
  if (bound !== '≥') {
    return bound === '' ? percent(share) : `${bound} ${percent(share)}`;
  }
  const shown = percent(share);
  return shown.startsWith('<')
    ? `> ${hundredths('0')}`
    : `≥ ${shown.startsWith('>') ? hundredths('99') : shown}`;
}

function ofPeak(share: number, { mfu_bound }: Rates, method: Method | null): string {
  const shown = bounded(mfu_bound, share);
  return method === 'measured' ? shown : shown.replace(/(?=[\d%])/, '~');
}

function speed(value: number, unit: string, bound: Bound, method: Method | null): string {
  const mark = method === 'measured' ? '' : '~';
  return plain({ figure: si(value, unit), mark: bound + mark });
}

/** The same of the whole time, and of the time in which a GPU was busy. */
function both(title: string, whole: string, busy: string | null, words: Words): string {
  const said = words.__('%1: %2', title, whole);
  return busy === null ? said : words.__('%1 (%2 while the GPU was busy)', said, busy);
}

function perSecond(rates: Rates, words: Words): string[] {
  const { flops_per_s_wall: wall, flops_per_s_busy: busy, wall_method, busy_speed_method } = rates;
  const said = (value: number, how: Method | null): string =>
    speed(value, 'FLOP/s', rates.incomplete ? '≥' : '', how);
  if (wall === null) {
    return [];
  }
  const shown = busy === null ? null : said(busy, busy_speed_method);
  return [both(words.__('Per second'), said(wall, wall_method), shown, words)];
}

/** Of the peak, and whose figure that is; or why it is not known. */
export function peakSaid(rates: Rates, words: Words): string[] {
  const { mfu_wall: wall, mfu_busy: busy, method, busy_method, why, source } = rates;
  if (wall === null) {
    const reason = why ?? words.__('no reason is known');
    return [words.__('Of peak (MFU): not known: %1', reason)];
  }
  const shown = busy === null ? null : ofPeak(busy, rates, busy_method);
  return [
    both(words.__('Of peak (MFU)'), ofPeak(wall, rates, method), shown, words),
    ...(source === null ? [] : [words.__('Peak: %1', source)])
  ];
}

function perJoule({ flops_per_j, per_j_bound, per_j_method }: Rates, words: Words): string[] {
  return flops_per_j === null
    ? []
    : [words.__('Per joule: %1', speed(flops_per_j, 'FLOP/J', per_j_bound, per_j_method))];
}

/** What the GPU's own counters say stands beside what was counted. */
function hardware(holder: Totals, words: Words): string[] {
  const found = totalOf(holder, 'flops_hardware');
  return found === undefined || found.value === null
    ? []
    : [words.__("By the GPU's own counters, to compare: %1", plain(show(found, 'J')))];
}

/** A cell's line, in parts that stay together, and what it says on hover. */
export interface Work {
  parts: string[];
  hover: string;
  flops: Total;
}

/** `1.25 PFLOP bf16`, `32 % of peak`; `— FLOP` where none could be counted; null where there is nothing to count. */
export function work(cell: Totals & { rates: Rates | null }, words: Words): Work | null {
  const flops = totalOf(cell, 'flops');
  if (flops === undefined || (flops.value === 0 && flops.missing === 0)) {
    return null;
  }
  const { rates } = cell;
  const more = [
    ...byPrecision(cell, words),
    ...(rates === null ? [] : [...perSecond(rates, words), ...peakSaid(rates, words)]),
    ...(rates === null ? [] : perJoule(rates, words)),
    ...hardware(cell, words)
  ];
  const hover = explain(words.__('FLOPs'), flops, 'J', words, more);
  return { parts: headline(flops, cell, words), hover, flops };
}

function headline(flops: Total, cell: Totals & { rates: Rates | null }, words: Words): string[] {
  if (flops.value === null) {
    return [`${DASH} ${UNIT}`];
  }
  const { rates } = cell;
  const amount = `${plain(show(flops, 'J'))} ${precision(cell, words)}`.trim();
  return rates === null || rates.mfu_wall === null
    ? [amount]
    : [amount, words.__('%1 of peak', ofPeak(rates.mfu_wall, rates, rates.method))];
}
