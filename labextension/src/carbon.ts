/** What the panel says of emissions and money: pure. */
import { totalOf, type Bill, type Costs, type Place, type Total } from './api.js';
import { explain, plain, roughly, show, type EnergyUnit } from './format.js';
import { day, rewritten } from './locale.js';
import { perKwh } from './regions.js';
import type { Words } from './words.js';

/** The factor of embodied emissions. */
const MAKING = 'embodied';

const NBSP = '\u00a0';

/** `8 g to 320 g`, which breaks only before its end; nothing where it is known where the machine stands. */
export function rangeText({ range_g }: Costs, words: Words): string {
  if (range_g === null) {
    return '';
  }
  const [low, high] = range_g.map(one => roughly(one).replace(' ', NBSP)) as [string, string];
  return words.__('%1 to %2', low, high).replace(' ', NBSP);
}

function rangeSaid(costs: Costs, words: Words): string[] {
  const { range_g, range_of } = costs;
  if (range_g === null) {
    return [];
  }
  const span = rangeText(costs, words);
  return range_of === null
    ? [words.__('It is not known where it ran: %1.', span)]
    : [words.__('It is not known where it ran: %1, from %2 to %3.', span, ...range_of)];
}

/** What the hover says of emissions: how they were got, each factor, and sentences to picture them by. */
export function emissionsHover(costs: Costs, total: Total, unit: EnergyUnit, words: Words): string {
  const electricity = totalOf(costs, 'electricity_wh');
  const more = [
    ...rangeSaid(costs, words),
    ...(electricity?.value == null
      ? []
      : [words.__('Electricity, with PUE: %1', plain(show(electricity, unit)))]),
    ...costs.applied.filter(({ name }) => name !== MAKING).map(one => one.text),
    ...costs.equivalents
  ];
  return explain(words.__('Emissions'), sourced(total, costs, 'pue'), unit, words, more);
}

/** What the hover says of what the making of the GPUs emitted. */
export function embodiedHover(costs: Costs, total: Total, unit: EnergyUnit, words: Words): string {
  const more = costs.applied.filter(({ name }) => name === MAKING).map(one => one.text);
  return explain(
    words.__('Embodied in the GPUs'),
    sourced(total, costs, MAKING),
    unit,
    words,
    more
  );
}

/** Where all of its factors have their own sentences (a cell has not), these say where it is from, too. */
function sourced(total: Total, { applied }: Costs, last: string): Total {
  return applied.some(({ name }) => name === last) ? { ...total, sources: [] } : total;
}

/** A figure and its uncertainty, which may go to the next line. */
export const billParts = (text: string): string[] => rewritten(text).split(/ (?=±|×\/÷)/);

/** What the hover says of a bill. */
export function billHover(bill: Bill, words: Words): string {
  const lines = [
    rewritten(bill.text),
    bill.kind === 'cloud'
      ? words.__('What the same GPU-hours would cost there: no money that was spent.')
      : words.__('By your own tariffs.'),
    ...(bill.missing > 0 ? [words.__('≥ Not in it: %1', bill.reasons.join('; '))] : []),
    ...(bill.sources.length > 0 ? [words.__('From: %1', bill.sources.join('; '))] : [])
  ];
  return lines.join('\n');
}

/** `the same on aws, 2023-11-16`: no price without its provider and date. */
export function cloudName({ provider, as_of }: Bill, words: Words): string {
  return words.__('the same on %1', [provider, as_of && day(as_of)].filter(Boolean).join(', '));
}

/** The one intensity that was applied, in g/kWh; null where there were several, or none. */
function intensityOf(costs: Costs | null): number | null {
  const [first, ...more] = (costs?.applied ?? []).filter(({ name }) => name === 'intensity');
  return first === undefined || more.length > 0 ? null : first.value;
}

/** `Grid: France, 56 g/kWh`; while that is not known the average that is assumed. */
export function gridText({ region, name }: Place, costs: Costs | null, words: Words): string {
  const intensity = intensityOf(costs);
  const known = intensity === null ? '' : perKwh(intensity);
  if (region === null) {
    return known === ''
      ? words.__('Grid: not known')
      : words.__('Grid: not known, %1 assumed', known);
  }
  const where = name ?? region;
  return known === '' ? words.__('Grid: %1', where) : words.__('Grid: %1, %2', where, known);
}
