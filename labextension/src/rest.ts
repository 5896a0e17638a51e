/** The server's REST API, as docs/wire.md has it: the only file with URLs. */
import {
  parseBudgets,
  parseChart,
  parseForecast,
  parsePlace,
  parseRegions,
  parseRuns,
  parseSpent,
  parseTagged,
  parseTags,
  parseTimeline,
  parseTotals,
  parseWhatIf,
  type Cell,
  type Kind,
  type Place,
  type Region,
  type Totals,
  type WhatIf
} from './api.js';
import type {
  BudgetList,
  BudgetScope,
  By,
  ChartAnswer,
  Forecast,
  Hold,
  Measure,
  Spent
} from './budget.js';
import type { Fields } from './shape.js';
import type { Said, TagKnown } from './tags.js';
import type { Stretch, TimelineAnswer } from './timeline.js';

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

/** A machine by its name (`null` is the server's own), and the notebook whose project may say where it stands. */
export interface Where {
  host: string | null;
  path: string | null;
}

/** Where a machine stands, as it is to be said; `region: null` forgets it. */
export interface Saying {
  region: string | null;
  kind: Kind | null;
}

/** What is other than it is; `null` stays as it is. */
export interface Supposed {
  path: string;
  scope: Scope;
  session: string | null;
  region: string | null;
  kind: Kind | null;
  pue: string | null;
  gpu: string | null;
}

/** A budget as it is to be; `id` is that of the one which is changed. */
export interface BudgetRow {
  id: string | null;
  measure: Measure;
  limit: number;
  currency: string | null;
  scope: BudgetScope;
  per: string | null;
  from: string | null;
  until: string | null;
  zone: string | null;
  hold: Hold;
  warn: number[];
  name: string;
  paused: boolean;
  shared: boolean;
}

/** An authenticated request below the server's base URL: a GET unless `init` says otherwise. */
export type Get = (path: string, init?: RequestInit) => Promise<Response>;

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

export function totalsUrl(path: string, session: string | null = null): string {
  const query = new URLSearchParams(session === null ? { path } : { path, session });
  return `${ROOT}/totals?${query.toString()}`;
}

export function exportUrl({ session, ...selection }: Selection): string {
  const query = new URLSearchParams(selection);
  if (session !== null) {
    query.set('session', session);
  }
  return `${ROOT}/export?${query.toString()}`;
}

/** A query of what is there. */
function query(named: object): string {
  const there = Object.entries(named).filter(([, value]) => value !== null);
  return there.length === 0
    ? ''
    : `?${new URLSearchParams(there as [string, string][]).toString()}`;
}

export function placeUrl({ host, path }: Where): string {
  return `${ROOT}/place${query({ host, path })}`;
}

export function whatIfUrl(supposed: Supposed): string {
  return `${ROOT}/what_if${query(supposed)}`;
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

async function ask(get: Get, path: string, init?: RequestInit): Promise<Response> {
  const response = await get(path, init);
  if (!response.ok) {
    throw await complaint(response);
  }
  return response;
}

export async function fetchTotals(
  get: Get,
  path: string,
  session: string | null = null
): Promise<Totals> {
  const response = await ask(get, totalsUrl(path, session));
  return parseTotals(await response.json());
}

export async function fetchPlace(get: Get, where: Where): Promise<Place> {
  const response = await ask(get, placeUrl(where));
  return parsePlace(await response.json());
}

export async function putPlace(get: Get, { host, path }: Where, saying: Saying): Promise<Place> {
  const init = { method: 'PUT', body: JSON.stringify({ host, ...saying }) };
  const response = await ask(get, placeUrl({ host: null, path }), init);
  return parsePlace(await response.json());
}

export async function fetchRegions(get: Get): Promise<Region[]> {
  const response = await ask(get, `${ROOT}/regions`);
  return parseRegions(await response.json());
}

export async function fetchWhatIf(get: Get, supposed: Supposed): Promise<WhatIf> {
  const response = await ask(get, whatIfUrl(supposed));
  return parseWhatIf(await response.json());
}

export function budgetsUrl(path: string, id: string | null = null): string {
  return `${ROOT}/budgets${query({ path, id })}`;
}

/** BokehJS, as the server's own Bokeh package has it. */
export const BOKEH = `${ROOT}/bokeh/bokeh.min.js`;

const sent = (method: string, body: object): RequestInit => ({
  method,
  body: JSON.stringify(body)
});

export async function fetchBudgets(get: Get, path: string): Promise<BudgetList> {
  return parseBudgets(await (await ask(get, budgetsUrl(path))).json());
}

export async function putBudget(get: Get, path: string, row: BudgetRow): Promise<BudgetList> {
  return parseBudgets(await (await ask(get, budgetsUrl(path), sent('PUT', row))).json());
}

export async function deleteBudget(get: Get, path: string, id: string): Promise<BudgetList> {
  const response = await ask(get, budgetsUrl(path, id), { method: 'DELETE' });
  return parseBudgets(await response.json());
}

/** Go on: a tenth of the limit more, until the period ends. */
export async function extendBudget(get: Get, path: string, id: string): Promise<BudgetList> {
  const response = await ask(get, `${ROOT}/extend${query({ path })}`, sent('POST', { id }));
  return parseBudgets(await response.json());
}

export async function fetchForecast(
  get: Get,
  path: string,
  cell: { cell_id: string; source: string }
): Promise<Forecast | null> {
  const response = await ask(get, `${ROOT}/forecast${query({ path })}`, sent('POST', cell));
  return parseForecast(await response.json());
}

export async function fetchRuns(
  get: Get,
  path: string,
  cells: readonly string[]
): Promise<ReadonlyMap<string, Cell[]>> {
  const response = await ask(get, `${ROOT}/runs${query({ path })}`, sent('POST', { cells }));
  return parseRuns(await response.json());
}

export async function fetchSpent(get: Get, path: string, budget: string, by: By): Promise<Spent> {
  const response = await ask(get, `${ROOT}/spent${query({ path, budget, by })}`);
  return parseSpent(await response.json());
}

/** @param ink - the colour of its text, which the page's theme says */
export async function fetchChart(
  get: Get,
  path: string,
  budget: string,
  ink: string
): Promise<ChartAnswer> {
  const response = await ask(get, `${ROOT}/chart${query({ path, budget, ink })}`);
  return parseChart(await response.json());
}

/** @param asked - `looked` is what is zoomed into, `ink` the colour of its text */
export async function fetchTimeline(
  get: Get,
  asked: {
    path: string;
    session: string | null;
    scope: Scope;
    ink: string;
    looked: Stretch | null;
  }
): Promise<TimelineAnswer> {
  const { looked, ...named } = asked;
  const zoom = { from: looked?.start ?? null, to: looked?.end ?? null };
  const response = await ask(get, `${ROOT}/timeline${query({ ...named, ...zoom })}`);
  return parseTimeline(await response.json());
}

export async function fetchTags(
  get: Get,
  path: string,
  cells: readonly string[]
): Promise<TagKnown> {
  const named = new URLSearchParams([['path', path], ...cells.map(cell => ['cell', cell])]);
  return parseTags(await (await ask(get, `${ROOT}/tags?${named.toString()}`)).json());
}

/** What is to be said of the runs of some cells; what is null is taken back, and what is not there stays. */
export interface Tagging {
  cells: readonly string[];
  which: 'all' | 'newest';
  said: Partial<Said>;
  /** The category, too, of runs that failed. */
  failed: boolean;
}

/** How many runs they were. */
export async function postTags(get: Get, path: string, tagging: Tagging): Promise<number> {
  const response = await ask(get, `${ROOT}/tags${query({ path })}`, sent('POST', tagging));
  return parseTagged(await response.json());
}

/** A statement for a paper: of which norms (none: of all), and with or without names. */
export interface Statement {
  path: string;
  scope: Scope;
  session: string | null;
  norms: readonly string[];
  format: string;
  anonymous: boolean;
}

export function statementUrl({ norms, anonymous, session, ...selection }: Statement): string {
  const named = new URLSearchParams(selection);
  norms.forEach(norm => named.append('norm', norm));
  if (session !== null) {
    named.set('session', session);
  }
  if (anonymous) {
    named.set('anonymous', '1');
  }
  return `${ROOT}/statement?${named.toString()}`;
}

/** A file that the server makes, and its name. */
export interface Made {
  name: string;
  blob: Blob;
}

export async function fetchStatement(get: Get, statement: Statement): Promise<Made> {
  const response = await ask(get, statementUrl(statement));
  return { name: fileName(response, statement), blob: await response.blob() };
}

/** The name that the server gives the file, or one made of the selection. */
function fileName(response: Response, { scope, format }: { scope: Scope; format: string }): string {
  const header = response.headers.get('Content-Disposition') ?? '';
  const encoded = /filename\*=(?:UTF-8'')?([^;]+)/i.exec(header)?.[1];
  const plain = /filename="?([^";]+)"?/i.exec(header)?.[1];
  return encoded ? decodeURIComponent(encoded) : (plain ?? `cost-${scope}.${format}`);
}

export async function fetchExport(get: Get, selection: Selection): Promise<Made> {
  const response = await ask(get, exportUrl(selection));
  return { name: fileName(response, selection), blob: await response.blob() };
}
