/** Costs in notebooks: written when a cell has ended, where that is wanted, and shown wherever they are. */
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Cell as Run } from './api.js';
import { carriedHover, carriedText, KEY, metadataOf, parseCarried } from './carried.js';
import { findCell } from './cells.js';
import type { Follower, NotebookMeter } from './follow.js';
import { codeCells, onCells, type CellWidget, type Lines } from './lines.js';
import type { Settings } from './settings.js';
import type { Words } from './words.js';

export class Carrying {
  private readonly watched = new WeakSet<CellWidget>();

  constructor(
    tracker: INotebookTracker,
    follower: Follower,
    private readonly lines: Lines,
    private readonly settings: Settings,
    private readonly words: Words
  ) {
    onCells(tracker, panel => codeCells(panel).forEach(cell => this.draw(cell)));
    settings.changed.connect(() =>
      tracker.forEach(panel => codeCells(panel).forEach(cell => this.draw(cell)))
    );
    follower.ended.connect((_, { meter, cells }) => this.onEnd(meter, cells));
    follower.priced.connect((_, { meter, cells }) => this.onEnd(meter, cells));
  }

  private draw(cell: CellWidget): void {
    if (!this.watched.has(cell)) {
      this.watched.add(cell);
      cell.model.metadataChanged.connect(() => this.draw(cell));
    }
    const carried = parseCarried(cell.model.getMetadata(KEY));
    const { lines, settings, words } = this;
    const line = carried && {
      kind: 'carried' as const,
      state: 'ok' as const,
      mark: '',
      text: carriedText(carried, settings.energyUnit, words),
      hover: carriedHover(carried, words)
    };
    lines.put(cell, 'carried', line);
  }

  private onEnd(meter: NotebookMeter, runs: readonly Run[]): void {
    if (this.settings.notebookCosts) {
      runs.forEach(run => this.write(meter, run));
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
