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
  /** @param closes_ms - when it goes by itself; false where it stays; answers its id */
  show: (text: string, severity: Severity, actions: Action[], closes_ms: number | false) => string;
  dismiss: (id: string) => void;
}

/** Half a budget is news, not a worry: it goes by itself. */
const NEWS_MS = 15_000;
/** Warnings below this part of the limit are news. */
const WORRY = 0.8;
/** Of the notices that come at once so many are shown one by one, and the others as one. */
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

/** The worst first, and of those the highest threshold. */
function ranked(notices: readonly Notice[]): Notice[] {
  const rank = (one: Notice): number => SEVERITIES.indexOf(severityOf(one));
  return [...notices].sort(
    (one, other) => rank(one) - rank(other) || (other.threshold ?? 1) - (one.threshold ?? 1)
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

/** `T` is the notebook that a notice is of. */
export class Notices<T> {
  private readonly seen = new Set<string>();
  /** The one notification of each budget. */
  private readonly shown = new Map<string, string>();
  /** The one of those that were too many, and which budgets they are. */
  private rest: { id: string; budgets: Set<string> } | null = null;

  constructor(
    private readonly board: Board,
    private readonly wanted: () => boolean,
    private readonly act: (deed: Deed, budget: string, of: T) => void,
    private readonly words: Words
  ) {}

  /** Each notice once; of one budget only the newest stays in view, and of many at once only the worst. */
  hear(notices: readonly Notice[], of: T): void {
    const fresh = notices.filter(({ id }) => !this.seen.has(id));
    fresh.forEach(({ id }) => this.seen.add(id));
    if (this.wanted()) {
      const newest = new Map(fresh.map(one => [one.budget_id, one]));
      newest.forEach((_, budget) => this.dismiss(budget));
      const worst = ranked([...newest.values()]);
      worst.slice(0, MOST).forEach(one => this.show(one, of));
      this.showRest(worst.slice(MOST), of);
    }
  }

  /** What was shown of a budget is no longer the newest, or the user has seen to it. */
  dismiss(budget: string): void {
    const before = this.shown.get(budget);
    if (before !== undefined) {
      this.board.dismiss(before);
      this.shown.delete(budget);
    }
    if (this.rest?.budgets.delete(budget) && this.rest.budgets.size === 0) {
      this.dismissRest();
    }
  }

  private dismissRest(): void {
    if (this.rest !== null) {
      this.board.dismiss(this.rest.id);
      this.rest = null;
    }
  }

  private show(notice: Notice, of: T): void {
    const { budget_id, text, deeds } = notice;
    const known = deeds.flatMap(deed => DEEDS.filter(one => one === deed));
    const actions = known.map(deed => this.action(deed, budget_id, of));
    this.shown.set(budget_id, this.put(text, severityOf(notice), actions));
  }

  private showRest(rest: readonly Notice[], of: T): void {
    const [worst] = rest;
    if (worst !== undefined) {
      this.dismissRest();
      const actions = [this.action('list', worst.budget_id, of)];
      const id = this.put(restText(rest, this.words), severityOf(worst), actions);
      this.rest = { id, budgets: new Set(rest.map(one => one.budget_id)) };
    }
  }

  private put(text: string, severity: Severity, actions: Action[]): string {
    return this.board.show(text, severity, actions, severity === 'info' ? NEWS_MS : false);
  }

  private action(deed: Deed, budget: string, of: T): Action {
    const [name, caption] = label(deed, this.words);
    return { label: name, caption, act: () => this.act(deed, budget, of) };
  }
}
