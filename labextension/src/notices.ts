/** Which notices are shown, and what they offer: pure, over JupyterLab's notifications. */
import type { Notice } from './budget.js';
import type { Words } from './words.js';

export const DEEDS = ['dearest', 'raise', 'hold', 'extend'] as const;
export type Deed = (typeof DEEDS)[number];

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
  }
}

/** `T` is the notebook that a notice is of. */
export class Notices<T> {
  private readonly seen = new Set<string>();
  /** The one notification of each budget. */
  private readonly shown = new Map<string, string>();

  constructor(
    private readonly board: Board,
    private readonly wanted: () => boolean,
    private readonly act: (deed: Deed, budget: string, of: T) => void,
    private readonly words: Words
  ) {}

  /** Each notice once; of one budget only the newest stays in view. */
  hear(notices: readonly Notice[], of: T): void {
    const fresh = notices.filter(({ id }) => !this.seen.has(id));
    fresh.forEach(({ id }) => this.seen.add(id));
    if (this.wanted()) {
      const newest = new Map(fresh.map(one => [one.budget_id, one]));
      newest.forEach(one => this.show(one, of));
    }
  }

  private show(notice: Notice, of: T): void {
    const { budget_id, text, deeds } = notice;
    const before = this.shown.get(budget_id);
    if (before !== undefined) {
      this.board.dismiss(before);
    }
    const severity = severityOf(notice);
    const known = deeds.flatMap(deed => DEEDS.filter(one => one === deed));
    const actions = known.map(deed => this.action(deed, budget_id, of));
    const closes = severity === 'info' ? NEWS_MS : false;
    this.shown.set(budget_id, this.board.show(text, severity, actions, closes));
  }

  private action(deed: Deed, budget: string, of: T): Action {
    const [name, caption] = label(deed, this.words);
    return { label: name, caption, act: () => this.act(deed, budget, of) };
  }
}
