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

/** What the ledger was asked for, but for what it had no answer to. */
export class Asked {
  private readonly ids = new Set<string>();

  has(id: string): boolean {
    return this.ids.has(id);
  }

  /** Ask for these: who asks meanwhile leaves them out; they are asked for again where there is no answer. */
  async of(ids: readonly string[], answered: () => Promise<boolean>): Promise<boolean> {
    ids.forEach(id => this.ids.add(id));
    const done = await answered();
    if (!done) {
      ids.forEach(id => this.ids.delete(id));
    }
    return done;
  }

  clear(): void {
    this.ids.clear();
  }
}

const newestFirst = (one: Cell, other: Cell): number =>
  other.started_at - one.started_at || other.seq - one.seq;
