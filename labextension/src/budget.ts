/** What the wire says of budgets, as docs/wire.md has it: verdicts, notices, forecasts and what spent it. */
import { Check, fields, flag, list, number, object, oneOf, orElse, orNull, text } from './shape.js';
import type { TimelineAnswer } from './timeline.js';
import { total, type Total } from './total.js';

export const MEASURES = [
  'gpu_hours',
  'gpu_busy_hours',
  'flops',
  'kwh',
  'kgco2e',
  'amount'
] as const;
export type Measure = (typeof MEASURES)[number];

export const BUDGET_SCOPES = ['session', 'notebook', 'project', 'user'] as const;
export type BudgetScope = (typeof BUDGET_SCOPES)[number];

/** Of a lab's budget, which is in the lab's ledger and can only be changed there by a head. */
export interface OfLab {
  set_by: string;
  whose: 'pool' | 'each' | 'person';
  /** When the lab's database said it last, seconds since 1970. */
  as_of: number | null;
  /** That it is away, and since when; empty where it is not. */
  away: string;
  /** Whether who insists may go on although it is spent: the database is away. */
  goes_on: boolean;
}

/** What happens at the limit: a warning only; no cell starts; the running cell is interrupted. */
export const HOLDS = ['warn', 'ask', 'stop'] as const;
export type Hold = (typeof HOLDS)[number];

export const PERIODS = ['day', 'week', 'month', 'session', 'total', 'rolling', 'span'] as const;
export type PeriodKind = (typeof PERIODS)[number];

export const STATES = ['ok', 'near', 'over', 'unknown', 'paused'] as const;
export type State = (typeof STATES)[number];

/** From when to when the period of now goes, in seconds since 1970; null has no such end. */
export interface Period {
  kind: PeriodKind;
  /** `week`, `7d`. */
  text: string;
  start: number | null;
  end: number | null;
  zone: string;
}

export interface Burn {
  per_day: number;
  /** When it is spent at this pace, if before the period's end. */
  ends_at: number | null;
  text: string;
}

/** Where a budget stands. */
export interface Verdict {
  id: string;
  name: string;
  title: string;
  measure: Measure;
  unit: string;
  currency: string | null;
  /** As it was set; `granted` is what "go on" added to it in this period. */
  limit: number;
  granted: number;
  scope: BudgetScope | 'lab';
  key: string | null;
  period: Period;
  from: string | null;
  until: string | null;
  hold: Hold;
  /** Parts of the limit, ascending. */
  warn: number[];
  paused: boolean;
  /** Set by the administrator: it cannot be changed here. */
  cap: boolean;
  shared: boolean;
  /** File and line. */
  origin: string;
  spent: Total;
  left: number | null;
  share: number | null;
  state: State;
  /** Whether now lies in it: a span may be over, or not have begun. */
  current: boolean;
  crossed: number | null;
  text: string;
  burn: Burn | null;
  lab: OfLab | null;
}

export type NoticeKind = 'warned' | 'refused' | 'stopped' | 'extended';

export interface Notice {
  id: string;
  kind: NoticeKind;
  budget_id: string;
  title: string;
  threshold: number | null;
  state: State;
  text: string;
  /** What is offered: `dearest`, `raise`, `hold`, `extend`; others are of a newer kernel. */
  deeds: string[];
}

/** How far a running cell says it is. */
export interface Progress {
  fraction: number;
  label: string;
  source: string;
}

/** What a forecast leaves of one budget. */
export interface Leaves {
  id: string;
  title: string;
  left_after: number | null;
  share_after: number | null;
  text: string;
}

export interface Forecast {
  source: 'history' | 'progress';
  runs: number;
  device: string;
  /** Of one run; null where nothing is known of it, or an older kernel says it. */
  wall_s: Total | null;
  energy_j: Total | null;
  budgets: Leaves[];
  text: string;
}

export interface BudgetList {
  notebook: string;
  project: string | null;
  project_name: string | null;
  budgets: Verdict[];
  /** Mistakes in the files, each with its line. */
  problems: string[];
  /** Of which those are told that each session has; an older server does not say it. */
  session: string | null;
}

export const BYS = [
  'cell',
  'notebook',
  'day',
  'outcome',
  'device',
  'label',
  'category',
  'method',
  'run'
] as const;
export type By = (typeof BYS)[number];

export interface SpentRow {
  name: string;
  detail: string;
  runs: number;
  amount: Total;
  share: number | null;
  outcome: string | null;
  /** A later run of the same cell has taken its place. */
  superseded: boolean;
  cell_id: string | null;
  notebook: string | null;
}

export interface Spent {
  title: string;
  by: string;
  unit: string;
  rows: SpentRow[];
  total: Total;
}

/** What BokehJS embeds. */
export interface ChartItem {
  version: string;
  [more: string]: unknown;
}

const period = object<Period>({
  kind: oneOf(...PERIODS),
  text,
  start: orNull(number),
  end: orNull(number),
  zone: text
});

const burn = object<Burn>({ per_day: number, ends_at: orNull(number), text });

const state = oneOf(...STATES);

const verdict = object<Verdict>({
  id: text,
  name: text,
  title: text,
  measure: oneOf(...MEASURES),
  unit: text,
  currency: orNull(text),
  limit: number,
  granted: number,
  scope: oneOf(...BUDGET_SCOPES, 'lab' as const),
  key: orNull(text),
  period,
  from: orNull(text),
  until: orNull(text),
  hold: oneOf(...HOLDS),
  warn: list(number),
  paused: flag,
  cap: flag,
  shared: flag,
  origin: text,
  spent: total,
  left: orNull(number),
  share: orNull(number),
  state,
  current: orElse(flag, true),
  crossed: orNull(number),
  text,
  burn: orNull(burn),
  lab: orElse(
    orNull(
      object<OfLab>({
        set_by: text,
        whose: oneOf('pool', 'each', 'person'),
        as_of: orNull(number),
        away: text,
        goes_on: flag
      })
    ),
    null
  )
});

/** An older kernel sends none, and a newer one has not looked yet: null. */
export const verdicts: Check<Verdict[] | null> = orElse(orNull(list(verdict)), null);

const notice = object<Notice>({
  id: text,
  kind: oneOf('warned', 'refused', 'stopped', 'extended'),
  budget_id: text,
  title: text,
  threshold: orNull(number),
  state,
  text,
  deeds: list(text)
});

export const notices: Check<Notice[]> = orElse(list(notice), []);

export const progress: Check<Progress | null> = orElse(
  orNull(object<Progress>({ fraction: number, label: text, source: text })),
  null
);

const leaves = object<Leaves>({
  id: text,
  title: text,
  left_after: orNull(number),
  share_after: orNull(number),
  text
});

export const forecast: Check<Forecast | null> = orElse(
  orNull(
    object<Forecast>({
      source: oneOf('history', 'progress'),
      runs: number,
      device: text,
      wall_s: orElse(orNull(total), null),
      energy_j: orElse(orNull(total), null),
      budgets: list(leaves),
      text
    })
  ),
  null
);

export const budgetList = object<BudgetList>({
  notebook: text,
  project: orNull(text),
  project_name: orNull(text),
  budgets: list(verdict),
  problems: list(text),
  session: orElse(orNull(text), null)
});

const spentRow = object<SpentRow>({
  name: text,
  detail: text,
  runs: number,
  amount: total,
  share: orNull(number),
  outcome: orNull(text),
  superseded: flag,
  cell_id: orNull(text),
  notebook: orNull(text)
});

export const spent = object<Spent>({
  title: text,
  by: text,
  unit: text,
  rows: list(spentRow),
  total
});

/** What there is to draw, or why there is nothing. */
export interface ChartAnswer {
  item: ChartItem | null;
  reason: string | null;
}

/** Bokeh's own; only its version is our business. */
const chartItem: Check<ChartItem> = (value, path) => {
  const found = fields(value, path);
  return { ...found, version: text(found.version, `${path}.version`) };
};

export const chart = object<ChartAnswer>({
  item: orNull(chartItem),
  reason: orElse(orNull(text), null)
});

export const timeline = object<TimelineAnswer>({
  item: orNull(chartItem),
  reason: orNull(text),
  text,
  shift_s: number,
  limit: orElse(text, ''),
  more: flag
});
