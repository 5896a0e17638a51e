/** The server's REST API, as docs/wire.md has it: the only file with URLs. */
import { parseTotals, type Totals } from './api.js';
import type { Fields } from './shape.js';

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
