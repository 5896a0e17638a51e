/** A timeline by the keyboard: from cell to cell, nearer and farther. Pure, over a drawn chart. */
import type { Drawn, Range, ShownBand } from './charts.js';

/** What the keys do with a timeline. */
export class Walk {
  /** The one that is marked. */
  band: ShownBand | null = null;
  private drawn: Drawn | null = null;

  constructor(
    private readonly changed: () => void,
    private readonly reveal: (cellId: string) => void
  ) {}

  /** Another drawing, of what may be more: the same one is marked there. */
  over(drawn: Drawn): void {
    this.drawn = drawn;
    const { band } = this;
    if (band !== null) {
      const middle = (band.start + band.end) / 2;
      this.mark(drawn.bands.find(one => one.start <= middle && middle <= one.end) ?? null);
    }
  }

  /** Whether the key does something here. */
  press(key: string): boolean {
    const deed = this.deedOf(key);
    deed?.();
    return deed !== null;
  }

  private deedOf(key: string): (() => void) | null {
    switch (key) {
      case 'ArrowRight':
        return () => this.step(1);
      case 'ArrowLeft':
        return () => this.step(-1);
      case 'Home':
        return () => this.step(-Infinity);
      case 'End':
        return () => this.step(Infinity);
      case 'Enter':
        return this.band === null ? null : () => this.reveal(this.band?.cellId ?? '');
      case 'Escape':
        return this.band === null ? null : () => this.mark(null);
      case '+':
      case '=':
        return () => this.scale(0.5);
      case '-':
        return () => this.scale(2);
      case '0':
        return () => this.drawn?.zoom(null);
      default:
        return null;
    }
  }

  /** To another cell; from none to the first or the last that is in view. */
  private step(by: number): void {
    const bands = this.drawn?.bands ?? [];
    const here = this.band === null ? -1 : bands.indexOf(this.band);
    const at = here < 0 ? this.entrance(bands, by) : here + by;
    const found = bands[Math.max(0, Math.min(bands.length - 1, at))] ?? null;
    this.mark(found);
    if (found !== null) {
      this.show(found);
    }
  }

  private entrance(bands: readonly ShownBand[], by: number): number {
    const { start, end } = this.range();
    const seen = (one: ShownBand): boolean => one.start < end && one.end > start;
    return Number.isFinite(by)
      ? by > 0
        ? bands.findIndex(seen)
        : bands.length - 1 - [...bands].reverse().findIndex(seen)
      : by;
  }

  private mark(band: ShownBand | null): void {
    this.band = band;
    this.drawn?.mark(band);
    this.changed();
  }

  private range(): Range {
    return this.drawn?.range() ?? this.drawn?.whole ?? { start: 0, end: 0 };
  }

  /** Move what is in view so that the band is in it. */
  private show(band: Range): void {
    const { start, end } = this.range();
    if (band.start < start || band.end > end) {
      this.look((band.start + band.end) / 2, end - start);
    }
  }

  /** Around what is marked, else around the middle. */
  private scale(factor: number): void {
    const { start, end } = this.range();
    const about = this.band ?? { start, end };
    this.look((about.start + about.end) / 2, factor * (end - start));
  }

  /** As much as that around an instant, and nothing beyond what there is. */
  private look(middle: number, length: number): void {
    const { drawn } = this;
    if (drawn === null) {
      return;
    }
    const { whole } = drawn;
    if (length >= whole.end - whole.start) {
      drawn.zoom(null);
      return;
    }
    const least = Math.max(length, LEAST_MS);
    const start = Math.max(whole.start, Math.min(whole.end - least, middle - least / 2));
    drawn.zoom({ start, end: start + least });
  }
}

/** Nobody sees less of it. */
const LEAST_MS = 10;
