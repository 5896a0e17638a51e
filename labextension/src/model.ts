/** What the panel knows of one notebook's kernel: pure state, no Jupyter, an injected clock. */
import type { Cell, Ledger, Message, Reply, Running, Session, Status, Summary } from './api.js';
import { totalOf } from './api.js';

/** How far we have come with this kernel. */
export type Phase =
  | 'no-kernel'
  | 'looking' // it starts, or was asked and has not answered yet
  | 'silent' // it was asked and does not answer
  | 'dead'
  | 'foreign' // not IPython
  | 'unmetered'
  | 'metered';

/** What a message did: `gap` means that some before it were missed, so ask for the history. */
export type Heard = 'applied' | 'stale' | 'gap';

/** Milliseconds that only go forward, such as performance.now. */
export type Clock = () => number;

/** A row of the dearest cells; `share` is of the dearest, for its bar. */
export interface Ranked {
  cell: Cell;
  share: number;
}

/** So many cells are kept at most: the newest, and the dearest of all. */
const NEWEST = 200;
const DEAREST = 100;
const TOO_MANY = 600;

/** Dearest first: by energy; where there is none by time, after those that have one. */
function byCost(a: Cell, b: Cell): number {
  return (joules(b) ?? -1) - (joules(a) ?? -1) || b.wall_s - a.wall_s || a.seq - b.seq;
}

function joules(cell: Cell): number | null {
  return totalOf(cell, 'energy_j')?.value ?? null;
}

/** The dearest cells with their bars; a cell run inside another is already in that one's cost. */
export function rank(cells: Iterable<Cell>, count: number): Ranked[] {
  const sorted = [...cells].filter(cell => cell.parent_id === null).sort(byCost);
  const [first] = sorted;
  const measure = first && joules(first) !== null ? joules : (cell: Cell) => cell.wall_s;
  const most = first ? (measure(first) ?? 0) : 0;
  return sorted
    .slice(0, Math.max(0, count))
    .map(cell => ({ cell, share: most > 0 ? (measure(cell) ?? 0) / most : 0 }));
}

export class SessionModel {
  phase: Phase = 'looking';
  running: readonly Running[] = [];
  summary: Summary | null = null;
  ledger: Ledger | null = null;
  sensors: readonly Status[] = [];
  /** Known once the kernel has answered; a message alone gives only `sessionId`. */
  session: Session | null = null;
  sessionId: string | null = null;
  /** What of the kernel's words could not be understood. */
  problem: string | null = null;

  private cells = new Map<string, Cell>();
  private seq = -1;
  private heardAt = 0;

  constructor(
    private readonly changed: () => void = () => undefined,
    private readonly clock: Clock = () => performance.now()
  ) {}

  /** Forget all: another kernel, or the same one anew. */
  reset(phase: Phase): void {
    this.forget();
    this.phase = phase;
    this.changed();
  }

  /** Another phase, with what is known so far kept. */
  enter(phase: Phase): void {
    if (phase !== this.phase) {
      this.phase = phase;
      this.changed();
    }
  }

  fail(problem: string): void {
    this.problem = problem;
    this.changed();
  }

  /** A message of the kernel. It comes at most each second, and may be late, early or of another life. */
  hear(message: Message): Heard {
    const heard = this.place(message);
    if (heard === 'stale') {
      return heard;
    }
    if (message.session_id !== this.sessionId) {
      this.forget();
    }
    this.take(message.session_id, message.seq, message);
    message.closed.forEach(cell => this.cells.set(cell.id, cell));
    this.prune();
    this.phase = message.event === 'unloaded' ? 'unmetered' : 'metered';
    this.changed();
    return heard;
  }

  /** The kernel's answer: all that it remembers. */
  learn(reply: Reply): void {
    const known = reply.session.id === this.sessionId ? this.cells : new Map<string, Cell>();
    const newer = known === this.cells && this.seq > reply.seq; // a message has overtaken the answer
    this.cells = new Map([...reply.cells.map(cell => [cell.id, cell] as const), ...known]);
    this.prune();
    if (!newer) {
      this.take(reply.session.id, reply.seq, reply);
    }
    this.session = reply.session;
    this.sensors = reply.sensors;
    this.phase = 'metered';
    this.changed();
  }

  /** Seconds that a cell has run by now: what the kernel last said, and the time since then. */
  elapsed(cell: Running): number {
    return cell.wall_s + Math.max(0, this.clock() - this.heardAt) / 1000;
  }

  dearest(count: number): Ranked[] {
    return rank(this.cells.values(), count);
  }

  private place({ event, session_id, seq }: Message): Heard {
    if (event === 'loaded' || session_id !== this.sessionId) {
      return 'gap'; // it may have a history that we do not know
    }
    if (seq <= this.seq) {
      return 'stale';
    }
    return seq === this.seq + 1 ? 'applied' : 'gap';
  }

  private take(
    sessionId: string,
    seq: number,
    { running, summary, ledger }: Pick<Reply, 'running' | 'summary' | 'ledger'>
  ): void {
    Object.assign(this, { sessionId, seq, running, summary, ledger, problem: null });
    this.heardAt = this.clock();
  }

  private forget(): void {
    Object.assign(this, { running: [], summary: null, ledger: null, sensors: [], problem: null });
    Object.assign(this, { session: null, sessionId: null, seq: -1 });
    this.cells = new Map();
  }

  /** A session of days must not fill the page's memory. */
  private prune(): void {
    if (this.cells.size <= TOO_MANY) {
      return;
    }
    const all = [...this.cells.values()];
    const newest = [...all].sort((a, b) => b.seq - a.seq).slice(0, NEWEST);
    const dearest = rank(all, DEAREST).map(({ cell }) => cell);
    this.cells = new Map([...dearest, ...newest].map(cell => [cell.id, cell]));
  }
}
