/** Where kernel, server and page are of different versions: pure. */
import { WireError } from './shape.js';

/** Who speaks of another version than this page, and whether a newer one. */
export interface Mismatch {
  who: 'kernel' | 'server';
  newer: boolean;
}

/** What went wrong: in the words of whoever said it, or what the page has words for. */
export type Problem = string | Mismatch;

export class VersionError extends WireError implements Mismatch {
  readonly newer: boolean;

  constructor(
    readonly who: Mismatch['who'],
    path: string,
    schema: unknown,
    ours: number
  ) {
    super(`${path}: schema ${String(schema)}, not ${ours}`);
    this.newer = Number(schema) > ours;
  }
}
