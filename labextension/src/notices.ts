/** Which notices are shown, and what they offer: pure, over JupyterLab's notifications. */
import type { Notice } from './budget.js';
import type { Words } from './words.js';

/** What a kernel may offer. */
export const DEEDS = ['dearest', 'raise', 'hold', 'extend'] as const;
/** `list`, our own: show all budgets. */
export type Deed = (typeof DEEDS)[number] | 'list';

/** A button of a notification. */
export interface Action {
  label: string;
  caption: string;
  act: () => void;
}

export type Severity = 'info' | 'warning' | 'error';

/** Where notifications are shown. */
export interface Board {
  /**
   * @param closes_ms - when it goes by itself; false where it stays
   * @param instead - the one that has these words from now on
   * @returns its id
   */
  show: (
    text: string,
    severity: Severity,
    actions: Action[],
    closes_ms: number | false,
    instead: string | null
  ) => string;
  dismiss: (id: string) => void;
  /** Whether it is still there. */
  has: (id: string) => boolean;
}

/** Half a budget is news, not a worry: it goes by itself. */
const NEWS_MS = 15_000;
/** Warnings below this part of the limit are news. */
const WORRY = 0.8;
/** So many are shown one by one at a time, and the others as one. */
const MOST = 3;
const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

export function severityOf({ kind, threshold, state }: Notice): Severity {
  switch (kind) {
    case 'refused':
    case 'stopped':
      return 'error';
    case 'extended':
      return 'info';
    default:
      return (threshold ?? 1) < WORRY && state !== 'over' ? 'info' : 'warning';
  }
}

/** The worst first, of those the highest threshold, and of those what stands alone already. */
function ranked<T>(all: readonly Standing<T>[]): Standing<T>[] {
  const rank = ({ notice }: Standing<T>): number => SEVERITIES.indexOf(severityOf(notice));
  const threshold = ({ notice }: Standing<T>): number => notice.threshold ?? 1;
  return [...all].sort(
    (one, other) =>
      rank(one) - rank(other) ||
      threshold(other) - threshold(one) ||
      Number(one.id === null) - Number(other.id === null)
  );
}

function restText(rest: readonly Notice[], words: Words): string {
  return rest.every(({ kind }) => kind === 'extended')
    ? words._n(
        '… and one more budget was extended',
        '… and %1 more budgets were extended',
        rest.length
      )
    : words._n(
        '… and one more budget has reached a threshold',
        '… and %1 more budgets have reached a threshold',
        rest.length
      );
}

function label(deed: Deed, words: Words): readonly [label: string, caption: string] {
  switch (deed) {
    case 'dearest':
      return [words.__('Dearest cells'), words.__('See in the panel what spent it')];
    case 'raise':
      return [words.__('Raise'), words.__('Open the budget with its limit to be changed')];
    case 'hold':
      return [words.__('Hold'), words.__('At the limit let no cell start until you say so')];
    case 'extend':
      return [words.__('Go on'), words.__('A tenth of the limit more, until the period ends')];
    case 'list':
      return [words.__('All budgets'), words.__('See in the panel where each budget stands')];
  }
}

/** A notice on the board, alone or among those that are too many; `T` is the notebook that it is of. */
interface Standing<T> {
  notice: Notice;
  of: T;
  /** Of its own notification; null among the rest. */
  id: string | null;
}

export class Notices<T> {
  private readonly seen = new Set<string>();
  /** The one notice of each budget, as far as its notification has not gone. */
  private standing = new Map<string, Standing<T>>();
  /** The one notification of those that are too many. */
  private rest: string | null = null;

  constructor(
    private readonly board: Board,
    private readonly wanted: () => boolean,
    private readonly act: (deed: Deed, budget: string, of: T) => void,
    private readonly words: Words
  ) {}

  /** Each notice once; of one budget only the newest stays in view, and of all only the worst stand alone. */
  hear(notices: readonly Notice[], of: T): void {
    const fresh = notices.filter(({ id }) => !this.seen.has(id));
    fresh.forEach(({ id }) => this.seen.add(id));
    if (fresh.length > 0 && this.wanted()) {
      this.forgetClosed();
      const newest = new Map(fresh.map(one => [one.budget_id, one]));
      newest.forEach((_, budget) => this.takeDown(budget));
      newest.forEach((notice, budget) => this.standing.set(budget, { notice, of, id: null }));
      this.arrange();
    }
  }

  /** The user has seen to that budget. */
  dismiss(budget: string): void {
    this.takeDown(budget);
    if (this.rest !== null && this.amongRest().length === 0) {
      this.takeDownRest();
    }
  }

  /** What the user has closed, or has gone by itself. */
  private forgetClosed(): void {
    if (this.rest !== null && !this.board.has(this.rest)) {
      this.rest = null;
      this.amongRest().forEach(({ notice }) => this.standing.delete(notice.budget_id));
    }
    for (const [budget, { id }] of [...this.standing]) {
      if (id !== null && !this.board.has(id)) {
        this.standing.delete(budget);
      }
    }
  }

  private amongRest(): Standing<T>[] {
    return [...this.standing.values()].filter(({ id }) => id === null);
  }

  /** The worst alone, the others as one; what stands already stays where it can. */
  private arrange(): void {
    const ordered = ranked([...this.standing.values()]);
    ordered.slice(MOST).forEach(one => this.takeIn(one));
    ordered.slice(0, MOST).forEach(one => this.show(one));
    const [worst] = ordered.slice(MOST);
    if (worst === undefined) {
      return this.takeDownRest();
    }
    const rest = ordered.slice(MOST).map(({ notice }) => notice);
    const actions = [this.action('list', worst.notice.budget_id, worst.of)];
    this.rest = this.put(restText(rest, this.words), severityOf(worst.notice), actions, this.rest);
  }

  private takeDown(budget: string): void {
    const before = this.standing.get(budget);
    if (before !== undefined) {
      this.takeIn(before);
      this.standing.delete(budget);
    }
  }

  private takeIn(one: Standing<T>): void {
    if (one.id !== null) {
      this.board.dismiss(one.id);
      one.id = null;
    }
  }

  private takeDownRest(): void {
    if (this.rest !== null) {
      this.board.dismiss(this.rest);
      this.rest = null;
    }
  }

  private show(one: Standing<T>): void {
    const { notice, of } = one;
    const known = notice.deeds.flatMap(deed => DEEDS.filter(other => other === deed));
    const actions = known.map(deed => this.action(deed, notice.budget_id, of));
    one.id ??= this.put(notice.text, severityOf(notice), actions);
  }

  private put(
    text: string,
    severity: Severity,
    actions: Action[],
    instead: string | null = null
  ): string {
    const closes_ms = severity === 'info' ? NEWS_MS : false;
    return this.board.show(text, severity, actions, closes_ms, instead);
  }

  private action(deed: Deed, budget: string, of: T): Action {
    const [name, caption] = label(deed, this.words);
    return { label: name, caption, act: () => this.act(deed, budget, of) };
  }
}
