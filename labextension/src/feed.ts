/** When to read the ledger again, and what it last said: pure, with the browser's timers. */
import type { Totals } from './api.js';
import { fetchTotals, type Get } from './rest.js';
import { VersionError, type Problem } from './versions.js';

/** A record reaches the ledger some 100 ms after its cell has ended. */
const SETTLE_MS = 300;
/** However fast cells end, the server is asked no more often than this. */
const REST_MS = 2000;
/** So long after the kernel's last news the ledger is read once more (milliseconds). */
const AFTER_MS = 5000;
/** On a busy machine a record may come later: so often it is looked for again, */
const TRIES = 8;
/** the last times after longer and longer rests, as it seems not to come. */
const LATE = 3;
const LATE_MS = 4000;

/**
 * Calls `work` soon after `request`, at most once in a while, never two at a time, and not while
 * `wanted` says no: then the next `resume` does it.
 */
export class Refresher {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private due = false;
  private busy = false;
  private last = -Infinity;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly wanted: () => boolean,
    private readonly clock: () => number = () => performance.now()
  ) {}

  request(): void {
    this.due = true;
    this.resume();
  }

  /** Somebody looks again: do what has been waiting. */
  resume(): void {
    if (!this.due || this.busy || this.timer !== null || !this.wanted()) {
      return;
    }
    const rest = this.last + REST_MS - this.clock();
    this.timer = setTimeout(() => void this.fire(), Math.max(SETTLE_MS, rest));
  }

  stop(): void {
    this.due = false;
    if (this.timer !== null) {
      clearTimeout(this.timer);
      this.timer = null;
    }
  }

  private async fire(): Promise<void> {
    this.timer = null;
    if (!this.wanted()) {
      return; // still due
    }
    this.due = false;
    this.busy = true;
    this.last = this.clock();
    try {
      await this.work();
    } finally {
      this.busy = false;
      this.resume();
    }
  }
}

/** The ledger's totals for one notebook, as the server last told them. */
export class LedgerFeed {
  totals: Totals | null = null;
  /** Why there are none, or why they are old. */
  problem: Problem | null = null;
  private readonly refresher: Refresher;
  private life = 0;
  private tries = 0;
  private later: ReturnType<typeof setTimeout> | undefined;
  /** A last look, for what was written when all was told: what lay behind the last cell, too. */
  private after: ReturnType<typeof setTimeout> | undefined;
  /** The session that was last asked about with patience. */
  private about: string | null = null;
  /** What was lacking when that was last told. */
  private told: string | null = null;
  /** Whether it was looked for all that is known to have ended, in vain. */
  short = false;

  constructor(
    private readonly get: Get,
    private readonly path: () => string,
    wanted: () => boolean,
    private readonly changed: () => void,
    /** Whether the totals have all that is known to have ended. */
    private readonly complete: (totals: Totals) => boolean = () => true,
    /** The kernel's session, of which the ledger says how much it has. */
    private readonly session: () => string | null = () => null,
    /** It was looked for all that is known to have ended, in vain. */
    private readonly lacks: () => void = () => undefined
  ) {
    this.refresher = new Refresher(() => this.fetch(), wanted);
  }

  request(): void {
    this.refill();
    this.refresher.request();
  }

  /**
   * The kernel has told more, and so many cells have ended. Where none has, it is looked once: what
   * is lacking makes us ask the kernel, whose answer would else make us look for ever.
   */
  hear(ended: number): void {
    const session = this.session();
    if (ended > 0 || session !== this.about) {
      this.about = session;
      this.refill();
      clearTimeout(this.after);
      this.after = setTimeout(() => this.refresher.request(), AFTER_MS);
    }
    this.refresher.request();
  }

  resume(): void {
    this.refresher.resume();
  }

  /** The notebook has another name: what is known is of the old one. */
  moved(): void {
    this.life += 1;
    this.totals = null;
    this.problem = null;
    this.told = null;
    this.short = false;
    this.request();
  }

  stop(): void {
    this.life += 1;
    this.refresher.stop();
    this.wake();
    clearTimeout(this.after);
  }

  private refill(): void {
    this.tries = TRIES;
    this.wake();
  }

  private wake(): void {
    clearTimeout(this.later);
    this.later = undefined;
  }

  private async fetch(): Promise<void> {
    const { life } = this;
    const session = this.session();
    try {
      const totals = await fetchTotals(this.get, this.path(), session);
      if (life === this.life) {
        this.take(totals, session);
      }
    } catch (error) {
      this.settle(life, this.totals, problemOf(error));
    }
  }

  /** An answer about the session before (a kernel was restarted meanwhile) says nothing of that of now. */
  private take(totals: Totals, session: string | null): void {
    const lacks = session !== this.session() || !this.complete(totals);
    this.short = lacks && (this.short || this.tries <= LATE);
    this.settle(this.life, totals, null);
    if (lacks) {
      this.again(totals);
    }
  }

  private again({ session_cells }: Totals): void {
    if (this.tries > LATE) {
      this.tries -= 1;
      this.refresher.request();
      return;
    }
    this.lookLater();
    const lacking = `${this.session()} ${session_cells}`;
    if (lacking !== this.told) {
      this.told = lacking; // once, or who never has them all would be asked for ever
      this.lacks();
    }
  }

  private lookLater(): void {
    if (this.tries === 0 || this.later !== undefined) {
      return;
    }
    const rest = LATE_MS * 2 ** (LATE - this.tries);
    this.tries -= 1;
    this.later = setTimeout(() => {
      this.later = undefined;
      this.refresher.request();
    }, rest);
  }

  private settle(life: number, totals: Totals | null, problem: Problem | null): void {
    if (life === this.life) {
      this.totals = totals;
      this.problem = problem;
      this.changed();
    }
  }
}

/** What to tell the user of an error, whoever threw it. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same, where the page has words of its own for some. */
export function problemOf(error: unknown): Problem {
  return error instanceof VersionError ? error : reason(error);
}
