/** Where budgets stand, in words and as the server and the kernel last told it: pure. */
import type { BudgetList, Hold, OfLab, Period, Verdict } from './budget.js';
import { reason, Refresher } from './feed.js';
import { CO2E, DASH, howKnown, percent, prefixOf } from './format.js';
import { fixed, weekdayMoment, written as localised } from './locale.js';
import {
  deleteBudget,
  extendBudget,
  fetchBudgets,
  putBudget,
  type BudgetRow,
  type Get
} from './rest.js';
import type { Words } from './words.js';

/** The server's list for one notebook, and the changes that it is asked for. */
export class BudgetFeed {
  answer: BudgetList | null = null;
  /** Of the clock, when it came. */
  answeredAt = -Infinity;
  /** Why there is none, or why it is old. */
  problem: string | null = null;
  private readonly refresher: Refresher;
  /** A change makes each look that is under way an old one. */
  private life = 0;

  /** @param made - a change of ours is made to that budget: who holds to it must know at once */
  constructor(
    private readonly get: Get,
    private readonly path: () => string,
    wanted: () => boolean,
    private readonly changed: () => void,
    private readonly made: (id: string | null) => void = () => undefined,
    private readonly clock: () => number = () => performance.now()
  ) {
    this.refresher = new Refresher(() => this.fetch(), wanted);
  }

  request(): void {
    this.refresher.request();
  }

  /** The notebook has another name, and other budgets may apply. */
  moved(): void {
    this.life += 1;
    this.answer = this.problem = null;
    this.request();
  }

  stop(): void {
    this.life += 1;
    this.refresher.stop();
  }

  /** Ask now, whoever looks. */
  look(): Promise<void> {
    return this.fetch();
  }

  /** Each change answers with all budgets, and throws what the server says against it. */
  put(row: BudgetRow): Promise<void> {
    return this.change(putBudget(this.get, this.path(), row), row.id ?? null);
  }

  remove(id: string): Promise<void> {
    return this.change(deleteBudget(this.get, this.path(), id), id);
  }

  extend(id: string): Promise<void> {
    return this.change(extendBudget(this.get, this.path(), id), id);
  }

  private async change(answer: Promise<BudgetList>, id: string | null): Promise<void> {
    const life = (this.life += 1);
    const list = await answer;
    this.settle(life, list, null);
    this.made(id);
  }

  private async fetch(): Promise<void> {
    const { life } = this;
    try {
      this.settle(life, await fetchBudgets(this.get, this.path()), null);
    } catch (error) {
      this.settle(life, this.answer, reason(error));
    }
  }

  private settle(life: number, answer: BudgetList | null, problem: string | null): void {
    if (life !== this.life) {
      return;
    }
    if (problem === null) {
      this.answeredAt = this.clock();
    }
    Object.assign(this, { answer, problem });
    this.changed();
  }
}

/** Verdicts, and when they came. */
export interface Told {
  budgets: readonly Verdict[] | null;
  at: number;
}

/** The panel asks the server more often than that while somebody looks; a hidden one's list grows old. */
const OLD_MS = 30_000;

/**
 * The best word on each budget. The server reads the files each time that it is asked, so it says
 * which budgets there are and their terms, unless its answer is old. The kernel, which looks each
 * second while a cell runs, may know of more use. A session's own it knows best, unless the server
 * tells of the `same` session; of one that is `gone` (why, in words) nothing is told.
 */
export function merge(server: Told, live: Told, gone = '', same = false): Verdict[] {
  const told = live.budgets ?? [];
  if (live.budgets === null) {
    return (server.budgets ?? []).map(one => (isOfSession(one) ? ofNobody(one, gone) : one));
  }
  if (server.budgets === null || live.at - server.at > OLD_MS) {
    return [...live.budgets];
  }
  return server.budgets.map(one =>
    better(
      one,
      told.find(({ id }) => id === one.id),
      same
    )
  );
}

/** In one period use only grows, so more is newer. */
function better(server: Verdict, live: Verdict | undefined, same: boolean): Verdict {
  const [known, told] = [server.spent.value, live?.spent.value ?? null];
  if (live === undefined || told === null || isOlder(live, server)) {
    return server;
  }
  return known === null || (isOfSession(server) && !same) || told > known
    ? sameTerms(live, server)
      ? live
      : restated(server, live)
    : server;
}

/** The server tells of the notebook's newest session, which has gone where no kernel tells of its own. */
const ofNobody = (one: Verdict, why: string): Verdict => ({
  ...one,
  spent: { ...one.spent, value: null, missing: 1, method: null, sources: [], reasons: [why] },
  left: null,
  share: null,
  state: one.paused ? 'paused' : 'unknown',
  crossed: null,
  text: '',
  burn: null
});

const isOfSession = ({ scope, period }: Verdict): boolean =>
  scope === 'session' || period.kind === 'session';

/** A rolling window has no time of which it begins anew: there less may be newer. */
const isOlder = ({ period }: Verdict, server: Verdict): boolean =>
  (period.start ?? 0) < (server.period.start ?? 0);

function sameTerms(one: Verdict, other: Verdict): boolean {
  const of = (v: Verdict): unknown[] => [v.title, v.limit, v.granted, v.hold, v.paused, v.warn];
  return JSON.stringify(of(one)) === JSON.stringify(of(other));
}

/** What is used, under terms that have changed since. */
function restated(terms: Verdict, { spent }: Verdict): Verdict {
  const limit = limitOf(terms);
  const value = spent.value ?? 0;
  const share = limit > 0 ? value / limit : 1;
  const near = terms.warn.find(part => part >= 0.8) ?? 0.8;
  const state = terms.paused ? 'paused' : share >= 1 ? 'over' : share >= near ? 'near' : 'ok';
  return { ...terms, spent, left: Math.max(0, limit - value), share, state, text: '', burn: null };
}

const COUNTED = ['ok', 'near', 'over'];

/** The one that is spent furthest; null where none is known. */
export function tightest(verdicts: readonly Verdict[]): Verdict | null {
  const known = verdicts.filter(
    ({ state, share, current }) => current && COUNTED.includes(state) && share !== null
  );
  const sorted = known.sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
  return sorted[0] ?? null;
}

/** With what "go on" added. */
export const limitOf = ({ limit, granted }: Verdict): number => limit + granted;

const decimal = (value: number): string =>
  /e/.test(String(value)) ? value.toFixed(12).replace(/\.?0+$/, '') : String(value);

/** Three digits that matter, and whole ones above: `12.4`, `1243`. */
export function digits(value: number): string {
  return Math.abs(value) >= 99.95
    ? fixed(value, 0)
    : localised(decimal(Number(value.toPrecision(3))));
}

/** `3.10`, `50`. */
const money = (value: number): string => localised(value.toFixed(2).replace(/\.00$/, ''));

/** Nobody reads less than this of a limit: a power of ten, a ten-thousandth of it or less. */
const leastOf = (limit: number): number =>
  limit > 0 ? 10 ** Math.floor(Math.log10(limit / 10_000)) : 0;

/** How the amounts of one budget are written: all with the limit's prefix, and cents as money is. */
interface Writing {
  unit: string;
  write: (value: number) => string;
}

/** A limit up to this is told in a smaller unit, as the kernel's sentences do. */
const LITTLE = 0.01;
const SMALLER: Partial<Record<Verdict['measure'], readonly [number, string]>> = {
  gpu_hours: [1 / 3600, 'GPU-s'],
  gpu_busy_hours: [1 / 3600, 'busy GPU-s'],
  kwh: [1 / 1000, 'Wh'],
  kgco2e: [1 / 1000, `g ${CO2E}`]
};

/** Less than the least is told as such. */
const written = (
  value: number,
  least: number,
  factor: number,
  plain: (value: number) => string
): string => (value > 0 && value < least ? `< ${digits(least / factor)}` : plain(value / factor));

function writing({ measure, unit }: Pick<Verdict, 'measure' | 'unit'>, limit: number): Writing {
  const smaller = limit > 0 && limit <= LITTLE ? SMALLER[measure] : undefined;
  if (smaller !== undefined) {
    const [factor, unit] = smaller;
    return { unit, write: value => written(value, leastOf(limit), factor, digits) };
  }
  const [factor, prefix] = measure === 'flops' && limit > 0 ? prefixOf(limit) : [1, ''];
  const cents = measure === 'amount' && !(limit > 0 && limit < 1);
  const least = cents ? 0.01 : leastOf(limit);
  const plain = cents ? money : digits;
  const write = (value: number): string => written(value, least, factor, plain);
  return { unit: `${prefix}${unit === 'kgCO2e' ? `kg ${CO2E}` : unit}`, write };
}

/** An amount of this budget with its unit: `7.6 GPU-h`. */
export function amountText(
  verdict: Pick<Verdict, 'measure' | 'unit'>,
  value: number,
  limit: number
): string {
  const { unit, write } = writing(verdict, limit);
  return `${write(value)} ${unit}`;
}

/** What is spent, of what, and what is left. */
export interface Standing {
  /** `12.4 of 20 GPU-h`. */
  spent: string;
  /** `7.6 left`, `2.4 over`; empty where it is not known. */
  left: string;
  /** `≥` where a part is missing, `~` where it is not measured. */
  mark: string;
  /** `62 %`; empty where it is not known. */
  share: string;
}

export function standing(verdict: Verdict, words: Words): Standing {
  const { spent, share } = verdict;
  const limit = limitOf(verdict);
  const { unit, write } = writing(verdict, limit);
  const { value } = spent;
  if (value === null) {
    return {
      spent: words.__('%1 of %2', DASH, `${write(limit)} ${unit}`),
      left: '',
      mark: '',
      share: ''
    };
  }
  const known = spent.method === null || spent.method === 'measured';
  return {
    spent: words.__('%1 of %2', write(value), `${write(limit)} ${unit}`),
    left:
      value > limit
        ? words.__('%1 over', write(value - limit))
        : value === limit
          ? words.__('nothing left')
          : words.__('%1 left', write(limit - value)),
    mark: (spent.missing > 0 ? '≥' : '') + (known ? '' : '~'),
    share: share === null || share > 1000 ? '' : percent(share)
  };
}

/** Where it stands, for who does not see the bar. */
export function spokenOf(verdict: Verdict, words: Words): string {
  const { spent, left, share } = standing(verdict, words);
  return [stateText(verdict, words), share, spent, left].filter(Boolean).join(', ');
}

export function stateText({ state }: Verdict, words: Words): string {
  return {
    ok: '',
    near: words.__('nearly spent'),
    over: words.__('spent'),
    unknown: words.__('not known'),
    paused: words.__('paused')
  }[state];
}

/** A mark beside the colour, of glyphs that every font has. */
export const MARKS = { ok: '', near: '▲', over: '■', unknown: '?', paused: '' } as const;

/** `62 % of the week's budget`: what the status bar has room for. */
export function shortText(verdict: Verdict, words: Words): string {
  const share = standing(verdict, words).share || words.__('all');
  switch (verdict.period.kind) {
    case 'day':
      return words.__("%1 of the day's budget", share);
    case 'week':
      return words.__("%1 of the week's budget", share);
    case 'month':
      return words.__("%1 of the month's budget", share);
    case 'session':
      return words.__("%1 of the session's budget", share);
    case 'rolling':
      return words.__('%1 of the budget of %2', share, verdict.period.text);
    default:
      return words.__('%1 of the budget', share);
  }
}

function periodText({ kind, text, end, zone }: Period, words: Words): string {
  if (end !== null) {
    return words.__('Until %1', weekdayMoment(end, zone));
  }
  switch (kind) {
    case 'session':
      return words.__("Of each kernel's session");
    case 'rolling':
      return words.__('Of the last %1 at any time', text);
    default:
      return words.__('Without an end');
  }
}

export function holdText(hold: Hold, words: Words): string {
  return {
    warn: words.__('At the limit it only warns.'),
    ask: words.__('At the limit no cell starts until you say so.'),
    stop: words.__('At the limit the running cell is interrupted.')
  }[hold];
}

/** Why a budget cannot be changed here. */
export function fixedText(lab: OfLab | null, words: Words): string {
  return lab === null
    ? words.__('Set by the administrator: it cannot be changed here.')
    : words.__("A lab budget, set by %1: only the lab's heads change it.", lab.set_by);
}

/** Whose a lab's budget is, and that what is known of it is old. */
export function labText({ set_by, whose, away }: OfLab, words: Words): string {
  const said = {
    pool: words.__('Lab budget for all together, set by %1', set_by),
    each: words.__('Lab budget for each person, set by %1', set_by),
    person: words.__('Lab budget for you, set by %1', set_by)
  }[whose];
  return away ? `${said}; ${away}` : said;
}

/** What a budget's row says on hover. */
export function hoverText(verdict: Verdict, words: Words): string {
  const { text, spent, period, hold, cap, lab, origin, granted, limit } = verdict;
  const lines = [
    text,
    spent.value === null
      ? words.__('Not measured: %1', spent.reasons.join('; ') || words.__('no reason is known'))
      : '',
    ...(spent.value === null ? [] : howKnown(spent, words)),
    periodText(period, words),
    holdText(hold, words),
    granted > 0
      ? words.__('%1 of it were granted to go on.', amountText(verdict, granted, limit))
      : '',
    cap ? fixedText(lab, words) : '',
    origin && words.__('From %1', origin)
  ];
  return lines.filter(line => line !== '').join('\n');
}
