/** The form of a budget: what is typed, and what is wrong with it; pure. */
import type { BudgetScope, Hold, Measure, PeriodKind, Verdict } from './budget.js';
import { hasComma, typed } from './locale.js';
import type { BudgetRow } from './rest.js';
import type { Words } from './words.js';

export const LENGTHS = ['h', 'd', 'w'] as const;
export type Length = (typeof LENGTHS)[number] | 'min';

/** As it is typed. */
export interface Draft {
  /** Of the budget that is changed; null of a new one. */
  id: string | null;
  measure: Measure;
  limit: string;
  currency: string;
  scope: BudgetScope;
  per: PeriodKind;
  /** Of a rolling window. */
  length: string;
  lengthUnit: Length;
  from: string;
  until: string;
  hold: Hold;
  warn: string;
  name: string;
  shared: boolean;
  zone: string;
  paused: boolean;
}

export type Mistakes = Partial<Record<keyof Draft, string>>;

/** Where a comma is a decimal's sign, it does not stand between two numbers. */
const warnText = (parts: readonly string[]): string =>
  parts.map(typed).join(hasComma() ? '; ' : ', ');

/** A budget as most begin: so many GPU-hours a week for the project. */
export function blank(inProject: boolean): Draft {
  return {
    id: null,
    measure: 'gpu_hours',
    limit: '',
    currency: '',
    scope: inProject ? 'project' : 'user',
    per: 'week',
    length: '7',
    lengthUnit: 'd',
    from: '',
    until: '',
    hold: 'warn',
    warn: warnText(['50', '80', '100']),
    name: '',
    shared: false,
    zone: '',
    paused: false
  };
}

/**
 * What is typed is put into it. A budget of each session begins as one that lasts as long, and a period that only that
 * has is not kept for others.
 */
export function withPart(draft: Draft, part: Partial<Draft>): Draft {
  const { scope = draft.scope } = part;
  if (scope === draft.scope) {
    return { ...draft, ...part };
  }
  const fresh = scope === 'session' ? 'session' : draft.per === 'session' ? 'week' : draft.per;
  return { ...draft, per: fresh, ...part };
}

const ROLLING = /^(\d+)\s*(min|h|d|w)$/;

export function draftOf(verdict: Verdict): Draft {
  const { period, measure } = verdict;
  const [, length = '7', unit = 'd'] = ROLLING.exec(period.text) ?? [];
  return {
    ...blank(true),
    id: verdict.id,
    measure,
    limit: typed(String(verdict.limit)),
    currency: verdict.currency ?? '',
    scope: verdict.scope === 'lab' ? 'user' : verdict.scope, // which no form changes
    per: period.kind,
    length,
    lengthUnit: unit as Length,
    from: verdict.from ?? '',
    until: verdict.until ?? '',
    hold: verdict.hold,
    warn: warnText(verdict.warn.map(part => String(Number((100 * part).toPrecision(12))))),
    name: verdict.name,
    shared: verdict.shared,
    zone: period.zone,
    paused: verdict.paused
  };
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
const NUMBER = /^([\d.,]+(?:e[+-]?\d{1,3})?)\s*([kMGTPEZ]?)(?:FLOPs?)?$/i;
/** By points or commas between thousands, in either way of writing. */
const GROUPED = /^\d{1,3}([,.]\d{3}){2,}/;
const GROUPED_BY_COMMAS = /^\d{1,3},\d{3}(\.\d+)?$/;
const GROUPED_BY_POINTS = /^\d{1,3}\.\d{3}(,\d+)?$/;

/** `1.250` is read by some as 1250, by others as 1.25: such a one is refused, never guessed. */
const isGrouped = (figure: string): boolean =>
  GROUPED.test(figure) || (hasComma() ? GROUPED_BY_POINTS : GROUPED_BY_COMMAS).test(figure);

/** What a limit says; null is no number, and of FLOPs `1.5 P` is 1.5e15. */
export function limitOf(text: string, measure: Measure): number | null {
  const match = NUMBER.exec(text.trim());
  const [, figure = '', letter = ''] = match ?? [];
  if (match === null || isGrouped(figure) || (letter !== '' && measure !== 'flops')) {
    return null;
  }
  const power = PREFIXES.findIndex(one => one.toLowerCase() === letter.toLowerCase());
  const value = Number(figure.replace(',', '.')) * 1000 ** power;
  return Number.isFinite(value) ? value : null;
}

/** `50,80` may be two shares, or one: it is none. */
function shareOf(part: string): number {
  const figure = part.replace('%', '');
  const clear = hasComma() ? !/,\d\d|\.\d{3}$/.test(figure) : true;
  return clear ? Number(figure.replace(',', '.')) / 100 : NaN;
}

/** `50, 80, 100` as parts of the limit, ascending; null where one is not a share. */
export function warnOf(text: string): number[] | null {
  const between = hasComma() ? /;\s*|,?\s+|,$/ : /[,;\s]+/;
  const said = text.split(between).filter(part => part !== '' && part !== '%');
  const parts = said.map(shareOf);
  return parts.every(part => part > 0 && part <= 10)
    ? [...new Set(parts)].sort((a, b) => a - b)
    : null;
}

function limitMistake({ limit, measure }: Draft, words: Words): string {
  const value = limitOf(limit, measure);
  if (limit.trim() === '') {
    return words.__('Say how much there is.');
  }
  if (value === null) {
    return measure === 'flops'
      ? words.__('This wants a number, such as %1 or %2.', typed('1.5e18'), typed('1.5 E'))
      : words.__(
          'This wants a number, such as %1 or %2, without separators of thousands.',
          20,
          typed('0.5')
        );
  }
  return value > 0 ? '' : words.__('A limit is more than nothing.');
}

function lengthMistake({ per, length }: Draft, words: Words): string {
  return per !== 'rolling' || (/^\d{1,6}$/.test(length.trim()) && Number(length) > 0)
    ? ''
    : words.__('This wants a whole number, such as 7.');
}

function fromMistake({ per, from, until }: Draft, words: Words): string {
  return per !== 'span' || from !== '' || until !== ''
    ? ''
    : words.__('Say from which day, or until which.');
}

/** ISO days sort as text. */
function untilMistake({ per, from, until }: Draft, words: Words): string {
  return per !== 'span' || from === '' || until === '' || from < until
    ? ''
    : words.__('This day is to be after the first.');
}

function currencyMistake({ measure, currency }: Draft, words: Words): string {
  return measure !== 'amount' || /^([a-z]{3})?$/i.test(currency.trim())
    ? ''
    : words.__('This wants three letters, such as EUR.');
}

/** What is wrong, by field; nothing where it may be saved. */
export function mistakes(draft: Draft, words: Words): Mistakes {
  const found: Mistakes = {
    limit: limitMistake(draft, words),
    currency: currencyMistake(draft, words),
    length: lengthMistake(draft, words),
    from: fromMistake(draft, words),
    until: untilMistake(draft, words),
    warn:
      warnOf(draft.warn) === null
        ? words.__(
            'This wants shares of the limit in percent, such as %1.',
            warnText(['50', '80', '100'])
          )
        : ''
  };
  return Object.fromEntries(Object.entries(found).filter(([, said]) => said !== ''));
}

function perOf({ per, length, lengthUnit }: Draft): string | null {
  switch (per) {
    case 'span':
      return null;
    case 'rolling':
      return `${Number(length)}${lengthUnit}`;
    default:
      return per;
  }
}

/** What is sent of a draft without mistakes. */
export function rowOf(draft: Draft): BudgetRow {
  const { id, measure, scope, hold, paused, shared } = draft;
  const said = (text: string): string | null => text.trim() || null;
  const day = (text: string): string | null => (draft.per === 'span' ? said(text) : null);
  return {
    id,
    measure,
    limit: limitOf(draft.limit, measure) ?? 0,
    currency: measure === 'amount' ? (said(draft.currency)?.toUpperCase() ?? null) : null,
    scope,
    per: perOf(draft),
    from: day(draft.from),
    until: day(draft.until),
    zone: said(draft.zone),
    hold,
    warn: warnOf(draft.warn) ?? [],
    name: draft.name.trim(),
    paused,
    shared
  };
}

/** The same budget with something else about it. */
export function changed(verdict: Verdict, part: Partial<BudgetRow>): BudgetRow {
  const { limit, warn } = verdict;
  return { ...rowOf(draftOf(verdict)), limit, warn, ...part };
}
