/** What the next run of the selected cell will cost, as the server foretells it: pure. */
import type { Forecast } from './budget.js';
import { fetchForecast, type Get } from './rest.js';

/** The user may still be typing, or on the way to another cell. */
const DEBOUNCE_MS = 400;

/** A code cell by its id, with what stands in it. */
export interface Selected {
  cell_id: string;
  source: string;
}

const same = (one: Selected | null, other: Selected | null): boolean =>
  one?.cell_id === other?.cell_id && one?.source === other?.source;

/** Of one notebook's selected cell. */
export class CellForecast {
  /** Of the selected cell; an older answer goes with its cell. */
  forecast: Forecast | null = null;
  private selected: Selected | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due = false;
  /** An answer that is under way is to another question after a change. */
  private life = 0;

  constructor(
    private readonly get: Get,
    private readonly path: () => string,
    private readonly wanted: () => boolean,
    private readonly changed: () => void
  ) {}

  /** The selected cell's id. */
  get cellId(): string | null {
    return this.selected?.cell_id ?? null;
  }

  /** Another cell is selected, or what stands in it has changed. */
  about(selected: Selected | null): void {
    if (same(selected, this.selected)) {
      return;
    }
    const moved = selected?.cell_id !== this.selected?.cell_id;
    this.selected = selected;
    if (moved && this.forecast !== null) {
      this.forecast = null;
      this.changed();
    }
    this.request();
  }

  /** There is more to foretell from. */
  request(): void {
    this.due = true;
    this.life += 1;
    this.resume();
  }

  /** Somebody looks again: ask what has been waiting. */
  resume(): void {
    clearTimeout(this.timer);
    if (this.due && this.wanted()) {
      this.timer = setTimeout(() => void this.fetch(), DEBOUNCE_MS);
    }
  }

  stop(): void {
    this.due = false;
    this.life += 1;
    clearTimeout(this.timer);
  }

  private async fetch(): Promise<void> {
    const { selected, life } = this;
    if (!this.wanted()) {
      return; // still due
    }
    this.due = false;
    // no forecast is worth a warning: an older server has none, and the panel says what is wrong with a newer one
    const found =
      selected === null || selected.source.trim() === ''
        ? null
        : await fetchForecast(this.get, this.path(), selected).catch(() => null);
    if (life === this.life) {
      this.forecast = found;
      this.changed();
    }
  }
}
