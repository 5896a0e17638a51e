/**
 * The wire, as docs/wire.md has it: the only file with message names; what is derived of the joules
 * is in costs.ts.
 *
 * Everything is checked where it comes in, so that the rest may trust its types. What the panel
 * does not use (a cell's single figures, the session's environment) is not read at all.
 */
import {
  Fields,
  WireError,
  fields,
  flag,
  list,
  map,
  number,
  object,
  oneOf,
  orElse,
  orNull,
  text
} from './shape.js';
import {
  costs,
  place,
  regions,
  whatIf,
  type Costs,
  type Place,
  type Region,
  type WhatIf
} from './costs.js';
import {
  budgetList,
  chart,
  forecast,
  notices,
  progress,
  spent,
  timeline,
  verdicts,
  type BudgetList,
  type ChartAnswer,
  type Forecast,
  type Notice,
  type Progress,
  type Spent,
  type Verdict
} from './budget.js';
import { rates, type Bound, type Rates } from './rates.js';
import { saids, tagKnown, type Said, type TagKnown } from './tags.js';
import type { TimelineAnswer } from './timeline.js';
import { total, totalOf, type Method, type Total } from './total.js';
import { share, type Share } from './share.js';
import { VersionError } from './versions.js';

export { WireError, totalOf };
export type { Bill, Costs, Kind, Place, Region, WhatIf } from './costs.js';
export type { Bound, Method, Notice, Rates, Said, Share, Total, Verdict };

export const SCHEMA = 1;
/** One well-known comm, so that no handshake is needed and any number of front ends may listen. */
export const COMM_ID = 'jupyter-costmeter';
export const REQUEST = 'costmeter_request';
/** What the panel's button runs in the kernel: the very words of its sentence. */
export const LOAD = '%load_ext jupyter_costmeter';

export type Outcome = 'ok' | 'error' | 'interrupted' | 'killed';

/**
 * Where what is used belongs: to a cell, to a GPU held while none runs, to threads and children that go on, to others
 * (a cluster's workers) that do a cell's tasks.
 */
export const BUCKETS = ['cell', 'held_idle', 'background', 'remote'] as const;
export type Bucket = (typeof BUCKETS)[number];

/** Of the operands that are multiplied: totals are named `flops_bf16`, and `flops_fp32_leading`. */
export const PRECISIONS = [
  'fp64',
  'fp32',
  'tf32',
  'bf16',
  'fp16',
  'fp8',
  'fp4',
  'int8',
  'int'
] as const;

/** What a cell is said to be: of the running one as of its start; that it failed comes by itself. */
interface Run extends Said {
  id: string;
  seq: number;
  parent_id: string | null;
  cell_id: string | null;
  execution_count: number | null;
  label: string | null;
  code_hash: string | null;
  /** Seconds since 1970. */
  started_at: number;
  wall_s: number;
  totals: Total[];
  /** Where FLOPs were counted. */
  rates: Rates | null;
  costs: Costs | null;
}

export interface Cell extends Run {
  outcome: Outcome;
  error_type: string | null;
}

export interface Running extends Run {
  power: Total | null;
  progress: Progress | null;
  forecast: Forecast | null;
}

export interface BucketTotal {
  bucket: Bucket;
  totals: Total[];
}

/** The totals are of all buckets; cells and their time are of the cells. */
export interface Summary {
  cells: number;
  failed: number;
  sessions: number;
  wall_s: number;
  totals: Total[];
  buckets: BucketTotal[];
  costs: Costs | null;
}

/** A GPU that the kernel holds while no cell runs, as of the message's time. */
export interface Held {
  device: string;
  name: string | null;
  used_bytes: number | null;
  idle_s: number;
  busy_share: number | null;
}

export interface Session {
  id: string;
  host: string;
  notebook: string | null;
  project: string | null;
}

export interface Status {
  name: string;
  ok: boolean;
  message: string;
  remedy: string | null;
}

export interface Ledger {
  ok: boolean;
  message: string | null;
  waiting: number;
  /** Of its file; '' from an older kernel. */
  path: string;
}

export interface Message {
  event: 'loaded' | 'running' | 'closed' | 'unloaded';
  session_id: string;
  seq: number;
  running: Running[];
  closed: Cell[];
  summary: Summary;
  held: Held[];
  ledger: Ledger;
  /** Null: the kernel has not looked at them yet, or is an older one. */
  budgets: Verdict[] | null;
  /** Those since the last message. */
  notices: Notice[];
}

export interface Reply {
  seq: number;
  session: Session;
  running: Running[];
  cells: Cell[];
  summary: Summary;
  held: Held[];
  sensors: Status[];
  ledger: Ledger;
  budgets: Verdict[] | null;
}

export interface Totals {
  notebook: string;
  project: string | null;
  project_name: string | null;
  scopes: { notebook: Summary; project: Summary | null };
  /** How many cells of the session that was named are in the ledger. */
  session_cells: number | null;
  /** What is said of that session's records by now. */
  tagged: ReadonlyMap<string, Said>;
  ledger: Ledger;
  /** Null where nothing is shared. */
  share: Share | null;
}

const run = {
  id: text,
  seq: number,
  parent_id: orNull(text),
  cell_id: orNull(text),
  execution_count: orNull(number),
  label: orNull(text),
  code_hash: orElse(orNull(text), null),
  started_at: number,
  wall_s: number,
  totals: list(total),
  ...saids,
  rates: orElse(orNull(rates), null),
  costs
};

const cell = object<Cell>({
  ...run,
  outcome: oneOf('ok', 'error', 'interrupted', 'killed'),
  error_type: orNull(text)
});

const running = object<Running>({ ...run, power: orNull(total), progress, forecast });

const bucket = object<BucketTotal>({ bucket: oneOf(...BUCKETS), totals: list(total) });

const summary = object<Summary>({
  cells: number,
  failed: number,
  sessions: number,
  wall_s: number,
  totals: list(total),
  buckets: orElse(list(bucket), []),
  costs
});

const held = orElse(
  list(
    object<Held>({
      device: text,
      name: orNull(text),
      used_bytes: orNull(number),
      idle_s: number,
      busy_share: orNull(number)
    })
  ),
  []
);

const ledger = object<Ledger>({
  ok: flag,
  message: orNull(text),
  waiting: number,
  path: orElse(text, '')
});

const status = object<Status>({ name: text, ok: flag, message: text, remedy: orNull(text) });

const session = object<Session>({
  id: text,
  host: text,
  notebook: orNull(text),
  project: orNull(text)
});

const message = object<Message>({
  event: oneOf('loaded', 'running', 'closed', 'unloaded'),
  session_id: text,
  seq: number,
  running: list(running),
  closed: list(cell),
  summary,
  held,
  ledger,
  budgets: verdicts,
  notices
});

const reply = object<Reply>({
  seq: number,
  session,
  running: list(running),
  cells: list(cell),
  summary,
  held,
  sensors: list(status),
  ledger,
  budgets: verdicts
});

const totals = object<Totals>({
  notebook: text,
  project: orNull(text),
  project_name: orNull(text),
  scopes: object<Totals['scopes']>({ notebook: summary, project: orNull(summary) }),
  session_cells: orElse(orNull(number), null),
  tagged: orElse<ReadonlyMap<string, Said>>(map(object<Said>(saids)), new Map()),
  ledger,
  share: orElse(orNull(share), null)
});

/** What kernels say; the rest is the server's. */
const KERNELS = ['message', 'reply'];

/** The kernel may be newer or older than this page: say so rather than show half of it. */
function sameSchema(value: unknown, path: string): Fields {
  const found = fields(value, path);
  if (found.schema !== SCHEMA) {
    const who = KERNELS.includes(path) ? 'kernel' : 'server';
    throw new VersionError(who, path, found.schema, SCHEMA);
  }
  return found;
}

export function parseMessage(value: unknown): Message {
  return message(sameSchema(value, 'message'), 'message');
}

export function parseReply(value: unknown): Reply {
  const found = fields(value, 'reply');
  if (found.status === 'error') {
    throw new WireError(`reply: ${text(found.evalue, 'reply.evalue')}`);
  }
  return reply(sameSchema(found, 'reply'), 'reply');
}

export function parseTotals(value: unknown): Totals {
  return totals(sameSchema(value, 'totals'), 'totals');
}

export function parseTags(value: unknown): TagKnown {
  return tagKnown(sameSchema(value, 'tags'), 'tags');
}

export function parseTagged(value: unknown): number {
  return number(sameSchema(value, 'tagged').tagged, 'tagged.tagged');
}

/** The last runs of cells by their ids, the newest first; of those behind it the energy alone is told. */
export function parseRuns(value: unknown): ReadonlyMap<string, Cell[]> {
  return map(list(cell))(sameSchema(value, 'runs').cells, 'runs.cells');
}

export function parsePlace(value: unknown): Place {
  return place(sameSchema(value, 'place'), 'place');
}

export function parseRegions(value: unknown): Region[] {
  return regions(sameSchema(value, 'regions'), 'regions');
}

export function parseWhatIf(value: unknown): WhatIf {
  return whatIf(sameSchema(value, 'what_if'), 'what_if');
}

export function parseBudgets(value: unknown): BudgetList {
  return budgetList(sameSchema(value, 'budgets'), 'budgets');
}

export function parseForecast(value: unknown): Forecast | null {
  return forecast(sameSchema(value, 'forecast').forecast, 'forecast.forecast');
}

export function parseSpent(value: unknown): Spent {
  return spent(sameSchema(value, 'spent'), 'spent');
}

export function parseChart(value: unknown): ChartAnswer {
  return chart(sameSchema(value, 'chart'), 'chart');
}

export function parseTimeline(value: unknown): TimelineAnswer {
  return timeline(sameSchema(value, 'timeline'), 'timeline');
}

/** Is it ours? A comm message of somebody else is none of our business, not an error. */
export function isOurs(msgType: string, content: unknown): content is { data: unknown } {
  return (
    msgType === 'comm_msg' &&
    typeof content === 'object' &&
    content !== null &&
    (content as Fields).comm_id === COMM_ID
  );
}

/** Does a `comm_info_reply` say that the meter is loaded? */
export function hasMeter(content: unknown): boolean {
  const { comms } = fields(content, 'comm_info_reply');
  return typeof comms === 'object' && comms !== null && COMM_ID in comms;
}
