/** All that is known and open of one notebook's budgets: pure. */
import type { Verdict } from './budget.js';
import { BudgetFeed, merge } from './budgets.js';
import { BudgetDesk } from './desk.js';
import type { SessionModel } from './model.js';
import type { Get } from './rest.js';
import { SpentView } from './spent.js';
import { titleOf } from './telling.js';
import type { Words } from './words.js';

export class NotebookBudgets {
  readonly feed: BudgetFeed;
  readonly desk: BudgetDesk;
  readonly spent: SpentView;
  /** How much was spent when it was last asked what spent it. */
  private spentThen: number | null = null;
  /** Somebody has just asked for all of them. */
  private listed = false;
  /** Which thresholds the kernel has been asked to look at. */
  private readonly passed = new Set<string>();
  /** Of the last answer. */
  private ids: ReadonlySet<string> = new Set();

  constructor(
    get: Get,
    path: () => string,
    private readonly model: SessionModel,
    wanted: () => boolean,
    private readonly words: Words,
    private readonly changed: () => void,
    private readonly made: (id: string | null) => void,
    ink: () => string
  ) {
    this.feed = new BudgetFeed(get, path, wanted, () => this.onAnswer(), made);
    this.desk = new BudgetDesk(this.feed, words, changed);
    this.spent = new SpentView(get, path, changed, ink);
  }

  /** Where each budget stands by now. */
  verdicts(): Verdict[] {
    const { feed, model } = this;
    const server = { budgets: feed.answer?.budgets ?? null, at: feed.answeredAt };
    const gone = this.words.__('the session of now has told nothing yet');
    const same = model.sessionId !== null && feed.answer?.session === model.sessionId;
    const all = merge(server, { budgets: model.budgets, at: model.toldAt }, gone, same);
    return all.map(one => ({ ...one, title: titleOf(one, this.words) }));
  }

  /** What somebody has opened of them; empty where nothing is. */
  get asked(): string {
    const { desk, spent } = this;
    const opened = spent.budget === null ? '' : `spent ${spent.opened}`;
    const form = desk.draft === null ? '' : `form ${desk.draft.id ?? ''}`;
    const list = this.listed ? 'list' : '';
    return [opened, form, list].filter(one => one !== '').join(' ');
  }

  /** All of them are to be seen: what that opens can be closed again, once there is something new. */
  list(): void {
    this.listed = true;
    this.changed();
  }

  find(id: string): Verdict | null {
    return this.verdicts().find(one => one.id === id) ?? null;
  }

  /** Ask the server now, whoever looks. */
  async look(id: string): Promise<Verdict | null> {
    await this.feed.look();
    return this.find(id);
  }

  moved(): void {
    this.spent.close();
    this.ids = new Set(); // others may apply
    this.feed.moved();
  }

  stop(): void {
    this.spent.close();
    this.feed.stop();
  }

  /**
   * Of a threshold that is reached while a GPU is held idle the server is the first to know: the
   * kernel, which sleeps, shall look and tell of it; once, as it may know better.
   */
  private passOn(): void {
    const told = this.model.budgets ?? [];
    for (const { id, crossed, limit, granted, period } of this.feed.answer?.budgets ?? []) {
      const live = told.find(one => one.id === id);
      const begun = period.kind === 'rolling' ? '' : period.start; // another week has its own
      const fresh = [id, crossed, limit + granted, begun].join(' ');
      if (live && (crossed ?? 0) > (live.crossed ?? 0) && !this.passed.has(fresh)) {
        this.passed.add(fresh);
        this.made(null);
      }
    }
  }

  /** What has been deleted by other means needs no notification any more. */
  private forgetDeleted(): void {
    const ids = new Set(this.feed.answer?.budgets.map(({ id }) => id) ?? this.ids);
    [...this.ids].filter(id => !ids.has(id)).forEach(id => this.made(id));
    this.ids = ids;
  }

  /** What spent the opened budget is asked again where there is more. */
  private onAnswer(): void {
    this.listed = false;
    this.passOn();
    this.forgetDeleted();
    const { budget } = this.spent;
    const found = budget === null ? null : this.find(budget);
    if (budget !== null && found === null && this.feed.answer !== null) {
      this.spent.close(); // it was deleted
    }
    const now = found?.spent.value ?? null;
    if (now !== this.spentThen) {
      this.spentThen = now;
      this.spent.refresh();
    }
    this.changed();
  }
}
