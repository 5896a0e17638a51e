/**
 * The wire, as docs/wire.md has it: the only file with message names, URLs and wire types.
 *
 * Everything is checked where it comes in, so that the rest may trust its types. What the panel
 * does not use (a cell's single figures, the session's environment) is not read at all.
 */
import {
  Check,
  Fields,
  WireError,
  fields,
  flag,
  list,
  number,
  object,
  oneOf,
  orElse,
  orNull,
  text
} from './shape.js';

export { WireError };

export const SCHEMA = 1;
/** One well-known comm, so that no handshake is needed and any number of front ends may listen. */
export const COMM_ID = 'jupyter-costmeter';
export const REQUEST = 'costmeter_request';
/** What the panel's button runs in the kernel: the very words of its sentence. */
export const LOAD = '%load_ext jupyter_costmeter';

export type Method = 'measured' | 'modelled' | 'assumed' | 'declared';
export type Outcome = 'ok' | 'error' | 'interrupted' | 'killed';

/** Where what is used belongs: to a cell, to a GPU held while none runs, to threads and children that go on. */
export const BUCKETS = ['cell', 'held_idle', 'background'] as const;
export type Bucket = (typeof BUCKETS)[number];

/** A sum of figures; `value: null` is "not measured", `missing` parts make it a lower bound. */
export interface Total {
  name: string;
  unit: string;
  value: number | null;
  method: Method | null;
  measured_share: number | null;
  missing: number;
  uncertainty: number | null;
  sources: string[];
  reasons: string[];
}

interface Run {
  id: string;
  seq: number;
  parent_id: string | null;
  cell_id: string | null;
  execution_count: number | null;
  label: string | null;
  wall_s: number;
  totals: Total[];
}

export interface Cell extends Run {
  outcome: Outcome;
  error_type: string | null;
}

export interface Running extends Run {
  power: Total | null;
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
}

export interface Totals {
  notebook: string;
  project: string | null;
  project_name: string | null;
  scopes: { notebook: Summary; project: Summary | null };
  ledger: Ledger;
}

const total: Check<Total> = object<Total>({
  name: text,
  unit: text,
  value: orNull(number),
  method: orNull(oneOf('measured', 'modelled', 'assumed', 'declared')),
  measured_share: orNull(number),
  missing: number,
  uncertainty: orNull(number),
  sources: list(text),
  reasons: list(text)
});

const run = {
  id: text,
  seq: number,
  parent_id: orNull(text),
  cell_id: orNull(text),
  execution_count: orNull(number),
  label: orNull(text),
  wall_s: number,
  totals: list(total)
};

const cell = object<Cell>({
  ...run,
  outcome: oneOf('ok', 'error', 'interrupted', 'killed'),
  error_type: orNull(text)
});

const running = object<Running>({ ...run, power: orNull(total) });

const bucket = object<BucketTotal>({ bucket: oneOf(...BUCKETS), totals: list(total) });

const summary = object<Summary>({
  cells: number,
  failed: number,
  sessions: number,
  wall_s: number,
  totals: list(total),
  buckets: orElse(list(bucket), [])
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

const ledger = object<Ledger>({ ok: flag, message: orNull(text), waiting: number });

const status = object<Status>({ name: text, ok: flag, message: text, remedy: orNull(text) });

const session = object<Session>({ id: text, notebook: orNull(text), project: orNull(text) });

const message = object<Message>({
  event: oneOf('loaded', 'running', 'closed', 'unloaded'),
  session_id: text,
  seq: number,
  running: list(running),
  closed: list(cell),
  summary,
  held,
  ledger
});

const reply = object<Reply>({
  seq: number,
  session,
  running: list(running),
  cells: list(cell),
  summary,
  held,
  sensors: list(status),
  ledger
});

const totals = object<Totals>({
  notebook: text,
  project: orNull(text),
  project_name: orNull(text),
  scopes: object<Totals['scopes']>({ notebook: summary, project: orNull(summary) }),
  ledger
});

/** The kernel may be newer or older than this page: say so rather than show half of it. */
function sameSchema(value: unknown, path: string): Fields {
  const found = fields(value, path);
  if (found.schema !== SCHEMA) {
    throw new WireError(
      `${path}: speaks schema ${String(found.schema)}, this panel reads ${SCHEMA}; ` +
        'bring jupyter_costmeter to one version in the kernel and in JupyterLab, then reload the page'
    );
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

export function totalOf(holder: { totals: readonly Total[] }, name: string): Total | undefined {
  return holder.totals.find(one => one.name === name);
}

// --- REST

export const SCOPES = ['session', 'notebook', 'project'] as const;
export const FORMATS = ['json', 'csv', 'md'] as const;
export type Scope = (typeof SCOPES)[number];
export type Format = (typeof FORMATS)[number];

export interface Selection {
  path: string;
  scope: Scope;
  format: Format;
  session: string | null;
}

/** An authenticated GET below the server's base URL. */
export type Get = (path: string) => Promise<Response>;

/** The server said no; the message is fit to be shown. */
export class ServerError extends Error {
  override name = 'ServerError';
  constructor(
    message: string,
    readonly status: number
  ) {
    super(message);
  }
}

const ROOT = 'jupyter_costmeter/api';

export function totalsUrl(path: string): string {
  return `${ROOT}/totals?${new URLSearchParams({ path }).toString()}`;
}

export function exportUrl({ session, ...selection }: Selection): string {
  const query = new URLSearchParams(selection);
  if (session !== null) {
    query.set('session', session);
  }
  return `${ROOT}/export?${query.toString()}`;
}

/** A page that is not ours: there is nobody who answers for us. */
const NOBODY =
  "the server's part of jupyter_costmeter is not there; to enable it run " +
  'jupyter server extension enable jupyter_costmeter, and start the server anew';

/** What went wrong: in the server's own words, where it has some. */
async function complaint(response: Response): Promise<ServerError> {
  const { status, statusText } = response;
  const body = await response.text();
  let said: unknown;
  try {
    said = (JSON.parse(body) as Fields | null)?.message;
  } catch {
    said = status === 404 ? NOBODY : undefined; // an HTML page, of Jupyter or of a proxy
  }
  const words = typeof said === 'string' && said !== '' ? said : `${status} ${statusText}`.trim();
  return new ServerError(words, status);
}

async function ask(get: Get, path: string): Promise<Response> {
  const response = await get(path);
  if (!response.ok) {
    throw await complaint(response);
  }
  return response;
}

export async function fetchTotals(get: Get, path: string): Promise<Totals> {
  const response = await ask(get, totalsUrl(path));
  return parseTotals(await response.json());
}

/** The name that the server gives the file, or one made of the selection. */
function fileName(response: Response, { scope, format }: Selection): string {
  const header = response.headers.get('Content-Disposition') ?? '';
  const encoded = /filename\*=(?:UTF-8'')?([^;]+)/i.exec(header)?.[1];
  const plain = /filename="?([^";]+)"?/i.exec(header)?.[1];
  return encoded ? decodeURIComponent(encoded) : (plain ?? `cost-${scope}.${format}`);
}

export async function fetchExport(
  get: Get,
  selection: Selection
): Promise<{ name: string; blob: Blob }> {
  const response = await ask(get, exportUrl(selection));
  return { name: fileName(response, selection), blob: await response.blob() };
}
