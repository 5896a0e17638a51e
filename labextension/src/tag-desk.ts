/** The user who tags cells of one notebook: the form, what goes wrong, and what came of it; pure. */
import { reason } from './feed.js';
import { fetchTags, postTags, type Get } from './rest.js';
import { chosenOf, draftOf, isTouched, mistakes, saidOf } from './tag-form.js';
import type { Chosen, Draft, Mistakes } from './tag-form.js';
import type { Words } from './words.js';

/** Cells with how they are called. */
export interface Cells {
  ids: readonly string[];
  /** Of a single one its first line, of several their numbers. */
  title: string;
}

export class TagDesk {
  /** Null while the form is closed, and while it is asked what is known. */
  draft: Draft | null = null;
  chosen: Chosen | null = null;
  cells: Cells | null = null;
  /** Names to choose from. */
  methods: readonly string[] = [];
  runs: readonly string[] = [];
  mistakes: Mistakes = {};
  /** What the server says against it. */
  refused: string | null = null;
  busy = false;
  /** How many runs were tagged last. */
  done: number | null = null;
  private focus = false;
  /** An answer that is under way is to an older question. */
  private life = 0;

  constructor(
    private readonly get: Get,
    private readonly path: () => string,
    private readonly words: Words,
    private readonly redraw: () => void,
    private readonly made: () => void
  ) {}

  /** Other cells are selected: an open form is about those, unless something was typed for the ones before. */
  async follow(cells: Cells): Promise<void> {
    const open = this.cells !== null && cells.ids.length > 0 && !this.busy;
    const same = cells.ids.join(' ') === this.cells?.ids.join(' ');
    const typed = this.draft !== null && this.chosen !== null && isTouched(this.draft, this.chosen);
    if (open && !same && !typed) {
      await this.open(cells, false);
    }
  }

  /** Open the form for these cells. */
  async open(cells: Cells, focus = true): Promise<void> {
    const life = (this.life += 1);
    Object.assign(this, { cells, draft: null, chosen: null, mistakes: {}, refused: null });
    this.done = null;
    this.redraw();
    try {
      const known = await fetchTags(this.get, this.path(), cells.ids);
      if (life === this.life) {
        const { methods, runs } = known;
        const chosen = chosenOf(cells.ids, known);
        Object.assign(this, { methods, runs, chosen, draft: draftOf(chosen), focus });
      }
    } catch (error) {
      if (life === this.life) {
        this.refused = reason(error);
      }
    }
    this.redraw();
  }

  /** Once, so that a redraw does not take the focus from where the user went. */
  takeFocus(): boolean {
    const { focus } = this;
    this.focus = false;
    return focus;
  }

  type(part: Partial<Draft>): void {
    if (this.draft !== null) {
      this.draft = { ...this.draft, ...part };
      this.mistakes = {};
      this.redraw();
    }
  }

  cancel(): void {
    this.close();
    this.done = null;
    this.redraw();
  }

  async save(): Promise<void> {
    const { draft, chosen } = this;
    if (draft === null || chosen === null || this.busy) {
      return;
    }
    this.mistakes = mistakes(draft, chosen, this.words);
    if (Object.keys(this.mistakes).length > 0) {
      this.redraw();
      return;
    }
    await this.send(draft, chosen);
  }

  private async send(draft: Draft, chosen: Chosen): Promise<void> {
    const { which, failed } = draft;
    const said = saidOf(draft, chosen);
    const { life } = this;
    this.busy = true;
    this.redraw();
    try {
      const done = await postTags(this.get, this.path(), {
        cells: chosen.cells,
        which,
        said,
        failed
      });
      if (life === this.life) {
        this.close();
        this.done = done;
      }
      this.made();
    } catch (error) {
      this.refused = reason(error);
    }
    this.busy = false;
    this.redraw();
  }

  private close(): void {
    this.life += 1;
    Object.assign(this, { draft: null, chosen: null, cells: null, mistakes: {}, refused: null });
  }
}
