/** What spent a budget, as the server tells it for the one that is opened: pure. */
import type { By, ChartItem, Spent, SpentRow } from './budget.js';
import { reason } from './feed.js';
import { percent } from './format.js';
import { fetchChart, fetchSpent, type Get } from './rest.js';
import type { Words } from './words.js';

/** `14 % · 3 runs`, as a narrow panel cuts the end; between cells nothing is run, and the share stands alone. */
export function runsText({ runs, share }: Pick<SpentRow, 'runs' | 'share'>, words: Words): string {
  const said = [
    ...(share === null ? [] : [percent(share)]),
    ...(runs > 0 ? [words._n('%1 run', '%1 runs', runs)] : [])
  ];
  return said.join(' · ');
}

export class SpentView {
  /** The budget that is opened. */
  budget: string | null = null;
  /** How often one was opened. */
  opened = 0;
  by: By = 'cell';
  answer: Spent | null = null;
  chart: ChartItem | null = null;
  /** Why there is nothing to draw. */
  undrawn: string | null = null;
  problem: string | null = null;
  busy = false;
  private life = 0;
  /** What was spent when the chart was made. */
  charted: string | undefined;

  constructor(
    private readonly get: Get,
    private readonly path: () => string,
    private readonly changed: () => void,
    /** The colour of the theme's text. */
    private readonly ink: () => string
  ) {}

  open(budget: string): void {
    if (this.budget !== budget) {
      this.close();
      this.budget = budget;
    }
    this.opened += 1;
    this.ask();
  }

  close(): void {
    this.life += 1;
    Object.assign(this, { budget: null, answer: null, chart: null, undrawn: null });
    Object.assign(this, { problem: null, busy: false });
    this.charted = undefined;
    this.changed();
  }

  choose(by: By): void {
    this.by = by;
    this.ask();
  }

  /** There may be more by now. */
  refresh(): void {
    if (this.budget !== null && !this.busy) {
      this.ask();
    }
  }

  private ask(): void {
    this.busy = true;
    this.changed();
    void this.fetch();
  }

  /** An older answer stays until the next is there. */
  private async fetch(): Promise<void> {
    const { budget, by } = this;
    const life = (this.life += 1);
    if (budget === null) {
      return;
    }
    try {
      const answer = await fetchSpent(this.get, this.path(), budget, by);
      this.settle(life, { answer, problem: null });
      await this.draw(life, budget, answer.total.value);
    } catch (error) {
      this.settle(life, { problem: reason(error) });
    }
  }

  /** A chart is made anew only where there is something new on it, or another theme. */
  private async draw(life: number, budget: string, spent: number | null): Promise<void> {
    const ink = this.ink();
    const made = `${spent} ${ink}`;
    if (life !== this.life || this.charted === made) {
      return;
    }
    const { item, reason: undrawn } = await fetchChart(this.get, this.path(), budget, ink);
    if (life === this.life) {
      this.charted = made;
      this.settle(life, { chart: item, undrawn });
    }
  }

  private settle(life: number, part: Partial<SpentView>): void {
    if (life === this.life) {
      Object.assign(this, part, { busy: false });
      this.changed();
    }
  }
}
