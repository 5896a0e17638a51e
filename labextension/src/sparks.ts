/** The power of running cells over their last minute, for a small line; pure. */

/** So many are kept: one a second. */
const KEPT = 60;

/** What each running cell drew, oldest first; what has ended is forgotten. */
export class Sparks {
  private readonly known = new Map<string, number[]>();

  /** As the kernel just told it; null is not measured. */
  hear(running: readonly { id: string; power: { value: number | null } | null }[]): void {
    const ids = new Set(running.map(({ id }) => id));
    [...this.known.keys()].filter(id => !ids.has(id)).forEach(id => this.known.delete(id));
    for (const { id, power } of running) {
      if (power !== null && power.value !== null) {
        this.known.set(id, [...(this.known.get(id) ?? []), power.value].slice(-KEPT));
      }
    }
  }

  of(id: string): readonly number[] {
    return this.known.get(id) ?? [];
  }
}

/** Points of a line in a box, from its left edge on, 0 at its bottom; none of a single value. */
export function points(watts: readonly number[], width: number, height: number): string {
  const most = Math.max(...watts);
  if (watts.length < 2 || !(most > 0)) {
    return '';
  }
  const step = width / (KEPT - 1);
  return watts
    .map((one, i) => `${(i * step).toFixed(1)},${(height * (1 - one / most)).toFixed(1)}`)
    .join(' ');
}
