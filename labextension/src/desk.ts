/** What the user does with one notebook's budgets: the form, the buttons, and what goes wrong; pure. */
import type { Verdict } from './budget.js';
import {
  blank,
  changed,
  draftOf,
  mistakes,
  rowOf,
  withPart,
  type Draft,
  type Mistakes
} from './budget-form.js';
import type { BudgetFeed } from './budgets.js';
import { reason } from './feed.js';
import type { BudgetRow } from './rest.js';
import type { Words } from './words.js';

export class BudgetDesk {
  /** The form's, kept while it is open whatever else is looked at. */
  draft: Draft | null = null;
  mistakes: Mistakes = {};
  /** What the server says against what was typed. */
  refused: string | null = null;
  busy = false;
  /** Which field is to be focused, once. */
  focus: keyof Draft | null = null;
  /** Why a button did nothing, by budget. */
  readonly failed = new Map<string, string>();

  constructor(
    private readonly feed: BudgetFeed,
    private readonly words: Words,
    private readonly redraw: () => void
  ) {}

  add(): void {
    const begun = this.draft?.id === null ? this.draft : null;
    this.open(begun ?? blank(this.feed.answer?.project != null), 'limit');
  }

  edit(verdict: Verdict, focus: keyof Draft = 'limit'): void {
    // another look at the same budget must not lose what is typed
    this.open(this.draft?.id === verdict.id ? this.draft : draftOf(verdict), focus);
  }

  /** Once, so that a redraw does not take the focus from where the user went. */
  takeFocus(): keyof Draft | null {
    const { focus } = this;
    this.focus = null;
    return focus;
  }

  type(part: Partial<Draft>): void {
    if (this.draft === null) {
      return;
    }
    this.draft = withPart(this.draft, part);
    const now = mistakes(this.draft, this.words);
    const stay = Object.keys(this.mistakes).filter(field => field in now);
    // a mistake goes as soon as it is mended; a new one is told when the form is saved
    this.mistakes = Object.fromEntries(stay.map(field => [field, now[field as keyof Draft]]));
    this.redraw();
  }

  cancel(): void {
    Object.assign(this, { draft: null, mistakes: {}, refused: null, focus: null });
    this.redraw();
  }

  async save(): Promise<void> {
    const { draft } = this;
    if (draft === null || this.busy) {
      return;
    }
    this.mistakes = mistakes(draft, this.words);
    const [first] = Object.keys(this.mistakes) as (keyof Draft)[];
    if (first !== undefined) {
      this.focus = first;
      this.redraw();
      return;
    }
    await this.send(rowOf(draft));
  }

  pause(verdict: Verdict): Promise<void> {
    return this.put(verdict, { paused: !verdict.paused });
  }

  /** Let it hold from now on; throws what the server says against it. */
  hold(verdict: Verdict): Promise<void> {
    return this.feed.put(changed(verdict, { hold: 'ask' }));
  }

  remove({ id }: Verdict): Promise<void> {
    return this.act(id, this.feed.remove(id));
  }

  /** A tenth of the limit more. */
  extend(id: string): Promise<void> {
    return this.act(id, this.feed.extend(id));
  }

  private open(draft: Draft, focus: keyof Draft): void {
    const same = this.draft === draft;
    Object.assign(this, { draft, focus }, same ? {} : { mistakes: {}, refused: null });
    this.redraw();
  }

  private put(verdict: Verdict, part: Partial<BudgetRow>): Promise<void> {
    return this.act(verdict.id, this.feed.put(changed(verdict, part)));
  }

  private async send(row: BudgetRow): Promise<void> {
    this.busy = true;
    this.redraw();
    try {
      await this.feed.put(row);
      Object.assign(this, { draft: null, mistakes: {}, refused: null });
    } catch (error) {
      this.refused = reason(error);
    }
    this.busy = false;
    this.redraw();
  }

  /** Throws nothing: what goes wrong is shown at the budget. */
  private async act(id: string, done: Promise<void>): Promise<void> {
    this.failed.delete(id);
    try {
      await done;
    } catch (error) {
      this.failed.set(id, reason(error));
    }
    this.redraw();
  }
}
