/** The last runs of a notebook's cells, as the kernel and the server tell them; pure. */
import { RUNS } from './badge.js';
import type { Cell } from './api.js';

export class LastRuns {
  private readonly cells = new Map<string, Cell[]>();

  /** One more, or more of one that is known. What ran inside another cell's run is no run of a cell. */
  put(run: Cell): void {
    const { cell_id, parent_id, id } = run;
    if (cell_id === null || parent_id !== null) {
      return;
    }
    const known = this.of(cell_id);
    const before = known.find(one => one.id === id);
    if (before !== undefined && before.costs !== null && run.costs === null) {
      return; // less is told of it than is known
    }
    const others = known.filter(one => one.id !== id);
    this.cells.set(cell_id, [...others, run].sort(newestFirst).slice(0, RUNS));
  }

  /** Those of a cell, the newest first. */
  of(cellId: string): readonly Cell[] {
    return this.cells.get(cellId) ?? [];
  }

  clear(): void {
    this.cells.clear();
  }
}

const newestFirst = (one: Cell, other: Cell): number =>
  other.started_at - one.started_at || other.seq - one.seq;
