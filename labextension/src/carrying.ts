/** Costs in notebooks: written when a cell has ended, where that is wanted, and shown wherever they are. */
import type { INotebookTracker, Notebook, NotebookPanel } from '@jupyterlab/notebook';
import type { Cell as Run } from './api.js';
import { carriedHover, carriedText, KEY, metadataOf, parseCarried } from './carried.js';
import { findCell } from './cells.js';
import type { Follower, NotebookMeter } from './follow.js';
import type { Settings } from './settings.js';
import type { Words } from './words.js';

type Cell = Notebook['widgets'][number];

/** What derives emissions is loaded in a kernel that rests: of the first cells they are told later. */
const LATER_MS = 3000;

export class Carrying {
  /** The line below each cell that has one, or had. */
  private readonly badges = new WeakMap<Cell, HTMLElement>();
  private readonly watched = new WeakSet<Cell>();

  constructor(
    tracker: INotebookTracker,
    follower: Follower,
    private readonly settings: Settings,
    private readonly words: Words
  ) {
    tracker.forEach(panel => this.watch(panel));
    tracker.widgetAdded.connect((_, panel) => this.watch(panel));
    settings.changed.connect(() => tracker.forEach(({ content }) => this.drawAll(content)));
    follower.ended.connect((_, { meter, cells }) => this.onEnd(meter, cells));
  }

  private watch({ content }: NotebookPanel): void {
    const soon = (): void => void setTimeout(() => this.drawAll(content), 0);
    const follow = (): void => {
      content.model?.cells.changed.connect(soon);
      soon();
    };
    content.modelChanged.connect(follow);
    follow();
  }

  private drawAll(notebook: Notebook): void {
    if (!notebook.isDisposed) {
      notebook.widgets.filter(cell => cell.model.type === 'code').forEach(cell => this.draw(cell));
    }
  }

  private draw(cell: Cell): void {
    if (!this.watched.has(cell)) {
      this.watched.add(cell);
      cell.model.metadataChanged.connect(() => this.draw(cell));
    }
    const carried = parseCarried(cell.model.getMetadata(KEY));
    const badge = this.badges.get(cell) ?? (carried === null ? null : this.add(cell));
    if (badge !== null) {
      const { settings, words } = this;
      badge.hidden = carried === null;
      // a text, never HTML: a notebook may come from anybody
      badge.textContent = carried && carriedText(carried, settings.energyUnit, words);
      badge.title = carried === null ? '' : carriedHover(carried, words);
    }
  }

  /** Behind all that the cell's own layout knows, which finds its places by counting from the start. */
  private add(cell: Cell): HTMLElement {
    const badge = document.createElement('div');
    badge.className = 'jp-Costmeter-carried';
    badge.setAttribute('role', 'note');
    cell.node.append(badge);
    this.badges.set(cell, badge);
    return badge;
  }

  private onEnd(meter: NotebookMeter, runs: readonly Run[]): void {
    if (!this.settings.notebookCosts) {
      return;
    }
    runs.forEach(run => this.write(meter, run));
    const early = runs.filter(run => run.costs === null);
    if (early.length > 0) {
      setTimeout(() => void this.rewrite(meter, early), LATER_MS);
    }
  }

  /** The same with what could not be derived when they ended. */
  private async rewrite(meter: NotebookMeter, runs: readonly Run[]): Promise<void> {
    if (!meter.isDisposed) {
      await meter.link.introduce();
      const now = runs.flatMap(({ id }) => meter.model.cell(id) ?? []);
      now.filter(run => run.costs !== null).forEach(run => this.write(meter, run));
    }
  }

  /** Not what ran inside another cell's run, nor a run that a newer one has followed. */
  private write(meter: NotebookMeter, run: Run): void {
    const cell = findCell(meter.panel, run.cell_id);
    if (run.parent_id !== null || cell?.model.type !== 'code' || meter.panel.isDisposed) {
      return;
    }
    const metadata = metadataOf(run, meter.said(run).category);
    const before = parseCarried(cell.model.getMetadata(KEY));
    if (before === null || before.at <= String(metadata.at)) {
      cell.model.setMetadata(KEY, metadata);
    }
  }
}
