/**
 * Cells that ended before it could be said what they cost: what derives that is loaded in a kernel that rests; pure.
 */
import type { Cell } from './api.js';

/** What is known of a session, as far as it matters here. */
interface Known {
  cell(id: string): Cell | null;
  summary: { costs: unknown } | null;
}

export class Latecomers {
  /** Those that are waited for, and which of them were asked for: once, or who never knows would be asked for ever. */
  private readonly ids = new Set<string>();
  private readonly asked = new Set<string>();

  /**
   * @param introduce - hear all that the kernel remembers
   * @param told - what these cost is known now
   */
  constructor(
    private readonly known: Known,
    private readonly introduce: () => unknown,
    private readonly told: (cells: readonly Cell[]) => void
  ) {}

  /** They have ended. */
  add(cells: readonly Cell[]): void {
    cells.filter(one => one.costs === null).forEach(({ id }) => this.ids.add(id));
  }

  /** The kernel has told more: where it can say what cells cost by now, ask what those did. */
  check(): void {
    this.tell();
    const others = [...this.ids].filter(id => !this.asked.has(id));
    if (others.length > 0 && this.known.summary?.costs) {
      others.forEach(id => this.asked.add(id));
      this.introduce();
    }
  }

  private tell(): void {
    const found = [...this.ids].map(id => ({ id, cell: this.known.cell(id) }));
    const known = found.flatMap(({ cell }) => (cell?.costs ? [cell] : []));
    const done = found.filter(({ cell }) => cell === null || cell.costs !== null); // or forgotten
    done.forEach(({ id }) => {
      this.ids.delete(id);
      this.asked.delete(id);
    });
    if (known.length > 0) {
      this.told(known);
    }
  }
}
