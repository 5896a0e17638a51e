/** What the panel knows of one notebook's kernel: pure state, no Jupyter, an injected clock. */
import type {
  Bound,
  Bucket,
  BucketTotal,
  Cell,
  Held,
  Ledger,
  Message,
  Method,
  Reply,
  Running,
  Session,
  Status,
  Summary,
  Total,
  Verdict
} from './api.js';
import { totalOf } from './api.js';
import { weaker } from './total.js';
import { failedOf, type Failed } from './wasted.js';
import { Sparks } from './sparks.js';
import type { Problem } from './versions.js';

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

/** A kernel that says nothing for so long (seconds) is not waited for: it speaks each second. */
const SPEAKS_S = 1.25;
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

/** Cells that are not told of: they only ask us something. */
export type Skip = (cell: Cell) => boolean;
const nobody: Skip = () => false;

/** The dearest cells with their bars; a cell run inside another is already in that one's cost. */
export function rank(cells: Iterable<Cell>, count: number, skip = nobody): Ranked[] {
  const sorted = [...cells].filter(cell => cell.parent_id === null && !skip(cell)).sort(byCost);
  const [first] = sorted;
  const measure = first && joules(first) !== null ? joules : (cell: Cell) => cell.wall_s;
  const most = first ? (measure(first) ?? 0) : 0;
  return sorted
    .slice(0, Math.max(0, count))
    .map(cell => ({ cell, share: most > 0 ? (measure(cell) ?? 0) / most : 0 }));
}

/** A part of a total, and which share of all parts it is (0 where it is not known). */
export interface Part {
  bucket: Bucket;
  total: Total;
  share: number;
}

/** What was used outside of cells is worth a word from this share of the total on. */
const WORTH = 0.01;

/** Where a total lies; nothing where (nearly) all of it was used in cells. */
export function parts({ buckets }: Summary, name: string): Part[] {
  const found = buckets.flatMap(({ bucket, totals }) => {
    const total = totalOf({ totals }, name);
    return total === undefined || total.value === 0 ? [] : [{ bucket, total }];
  });
  const sum = (some: typeof found): number =>
    some.reduce((n, one) => n + (one.total.value ?? 0), 0);
  const others = found.filter(({ bucket }) => bucket !== 'cell');
  const all = sum(found);
  return others.some(({ total }) => total.value === null) || sum(others) > WORTH * all
    ? found.map(one => ({ ...one, share: all > 0 ? (one.total.value ?? 0) / all : 0 }))
    : [];
}

/** GPU time held and the share of it that the GPUs were busy; `bound` where a part is not known. */
export interface Utilisation {
  held: Total;
  busy: Total | null;
  share: number | null;
  bound: Bound;
  method: Method | null;
}

/** Whether the cells, or what lies between them (both its buckets together), say no busy time. */
function isSilent(buckets: readonly BucketTotal[]): boolean {
  return [true, false].some(ofCells => {
    const there = buckets.filter(({ bucket }) => (bucket === 'cell') === ofCells);
    const has = (name: string): boolean => there.some(one => totalOf(one, name) !== undefined);
    return has('gpu_reserved_s') && !has('gpu_busy_s');
  });
}

/** How much of the GPU time that was held was used; null where none was held. A running cell has no buckets. */
export function utilisation(
  summary: Pick<Summary, 'totals'> & Partial<Pick<Summary, 'buckets'>>
): Utilisation | null {
  const held = totalOf(summary, 'gpu_reserved_s');
  const busy = totalOf(summary, 'gpu_busy_s') ?? null;
  if (!held?.value) {
    return null;
  }
  const lacks = busy === null || busy.missing > 0 || isSilent(summary.buckets ?? []);
  if (busy === null || busy.value === null || (lacks && held.missing > 0)) {
    return { held, busy, share: null, bound: '', method: null };
  }
  const share = Math.min(1, busy.value / held.value);
  const bound = lacks ? '≥' : held.missing > 0 ? '≤' : '';
  return { held, busy, share, bound, method: weaker(held.method, busy.method) };
}

/** A GPU that was held idle for less is between two cells, not forgotten. */
export const FORGOTTEN_S = 60;
/** Seconds between two changes of the time that a GPU is held idle. */
export const HELD_STEP_S = 10;

/** Which look at a GPU held idle is due: the kernel is asked again each time its idleness has doubled. */
export function lookOf(idle_s: number): number {
  return idle_s < FORGOTTEN_S ? 0 : 1 + Math.floor(Math.log2(idle_s / FORGOTTEN_S));
}

/** Something is known now; `ticked`: only of the cells that run, which are the same as before. */
type Changed = (ticked: boolean) => void;

export class SessionModel {
  phase: Phase = 'looking';
  running: readonly Running[] = [];
  summary: Summary | null = null;
  ledger: Ledger | null = null;
  held: readonly Held[] = [];
  sensors: readonly Status[] = [];
  /** As the kernel last looked at them; null before that, and of an older kernel. */
  budgets: readonly Verdict[] | null = null;
  /** Known once the kernel has answered; a message alone gives only `sessionId`. */
  session: Session | null = null;
  sessionId: string | null = null;
  /** What of the kernel's words could not be understood. */
  problem: Problem | null = null;
  /** The connection is gone: nothing is known of the time since the kernel last spoke. */
  lost = false;
  /** What the running cells drew in their last minute. */
  readonly sparks = new Sparks();

  private cells = new Map<string, Cell>();
  private seq = -1;
  /** The session of a kernel that is gone, whose last words may come late. */
  private gone: string | null = null;
  private heardAt = 0;
  private outdated = false;

  constructor(
    private readonly changed: Changed = () => undefined,
    private readonly clock: Clock = () => performance.now()
  ) {}

  /** Forget all: another kernel, or the same one anew. */
  reset(phase: Phase): void {
    this.gone = this.sessionId ?? this.gone;
    this.forget();
    this.phase = phase;
    this.changed(false);
  }

  /** Another phase, with what is known so far kept. */
  enter(phase: Phase): void {
    if (phase !== this.phase) {
      this.phase = phase;
      this.changed(false);
    }
  }

  fail(problem: Problem): void {
    this.problem = problem;
    this.changed(false);
  }

  /** The connection to the kernel is gone, or is back. */
  lose(lost: boolean): void {
    if (lost !== this.lost) {
      this.lost = lost;
      this.changed(false);
    }
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
    const before = this.said();
    this.take(message.session_id, message.seq, message);
    message.closed.forEach(cell => this.cells.set(cell.id, cell));
    this.prune();
    this.phase = message.event === 'unloaded' ? 'unmetered' : 'metered';
    this.changed(message.closed.length === 0 && this.said() === before);
    return heard;
  }

  /** All that is known but how far the running cells are. */
  private said(): string {
    const { phase, sessionId, running, summary, held, ledger, budgets, problem, lost } = this;
    const ids = running.map(({ id }) => id);
    return JSON.stringify([phase, sessionId, ids, summary, held, ledger, budgets, problem, lost]);
  }

  /** The kernel's answer: all that it remembers. Returns which of it has ended since we knew all of this session. */
  learn(reply: Reply): Cell[] {
    const same = reply.session.id === this.sessionId;
    const newer = same && this.seq > reply.seq; // a message has overtaken the answer
    const knew = this.session?.id === reply.session.id;
    const ended = knew ? reply.cells.filter(({ id }) => !this.cells.has(id)) : [];
    const known = same ? [...this.cells.values()].map(cell => this.upToDate(cell)) : [];
    this.cells = new Map([...known, ...reply.cells].map(cell => [cell.id, cell]));
    this.outdated = false;
    this.prune();
    if (!newer) {
      this.take(reply.session.id, reply.seq, reply);
    }
    this.session = reply.session;
    this.gone = null;
    this.sensors = reply.sensors;
    this.phase = 'metered';
    this.changed(false);
    return ended;
  }

  /** A cell's run that is known. */
  cell(id: string): Cell | null {
    return this.cells.get(id) ?? null;
  }

  /** All runs that are known, in no order. */
  known(): Iterable<Cell> {
    return this.cells.values();
  }

  /** Other assumptions hold from now on: the costs of cells that the kernel does not tell again are not known. */
  outdate(): void {
    this.outdated = true;
  }

  private upToDate(cell: Cell): Cell {
    return this.outdated ? { ...cell, costs: null } : cell;
  }

  /** Of the clock, when the kernel last spoke. */
  get toldAt(): number {
    return this.heardAt;
  }

  /** Seconds since the kernel last spoke, as far as it is known to have gone on. */
  private get since(): number {
    return this.lost ? 0 : Math.max(0, this.clock() - this.heardAt) / 1000;
  }

  /** Seconds until a cell's clock goes on by itself: it goes on with the kernel's words, unless they fail to come. */
  nextTick(cell: Running): number {
    return Math.max(SPEAKS_S - this.since, 1 - (this.elapsed(cell) % 1));
  }

  /** Seconds that a cell has run by now: what the kernel last said, and the time since then. */
  elapsed(cell: Running): number {
    return cell.wall_s + this.since;
  }

  /** The GPUs that the kernel holds idle, with the time since the last cell as it is by now. */
  heldNow(): Held[] {
    const { since } = this;
    const idle = this.phase === 'metered' && this.running.length === 0;
    return idle ? this.held.map(one => ({ ...one, idle_s: one.idle_s + since })) : [];
  }

  /**
   * Which look at the idle GPUs is due, 0 where what was told still holds: only the kernel knows
   * what has been used meanwhile.
   */
  lookDue(): number {
    const [told, now] = [this.held, this.heldNow()].map(all =>
      lookOf(Math.max(0, ...all.map(one => one.idle_s)))
    ) as [number, number];
    return now > told ? now : 0;
  }

  /** Of the cells that failed what is remembered; null where none has. */
  failed(skip = nobody): Failed | null {
    return this.summary && failedOf(this.summary, this.cells.values(), skip);
  }

  dearest(count: number, skip = nobody): Ranked[] {
    return rank(this.cells.values(), count, skip);
  }

  private place({ event, session_id, seq }: Message): Heard {
    if (session_id === this.gone) {
      return 'stale';
    }
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
    {
      running,
      summary,
      held,
      ledger,
      budgets
    }: Pick<Reply, 'running' | 'summary' | 'held' | 'ledger' | 'budgets'>
  ): void {
    Object.assign(this, { sessionId, seq, running, summary, held, ledger, problem: null });
    this.budgets = budgets ?? this.budgets;
    this.sparks.hear(running);
    this.heardAt = this.clock();
    this.lost = false;
  }

  private forget(): void {
    Object.assign(this, { running: [], summary: null, held: [], ledger: null, sensors: [] });
    Object.assign(this, { session: null, sessionId: null, seq: -1, problem: null, budgets: null });
    this.lost = false;
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
