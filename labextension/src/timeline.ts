/** The timeline as the server makes it for the notebook of now: which scope, which stretch, when to ask again; pure. */
import type { ChartItem } from './budget.js';
import { reason, Refresher } from './feed.js';
import { fetchTimeline, type Get, type Scope } from './rest.js';

/** The command that opens it. */
export const TIMELINE = 'jupyter-costmeter:timeline';

/** Of which notebook and session. */
export interface About {
  path: string;
  session: string | null;
}

/** A stretch of time in seconds since 1970. */
export interface Stretch {
  start: number;
  end: number;
}

export interface TimelineAnswer {
  item: ChartItem | null;
  /** Why there is nothing to draw. */
  reason: string | null;
  /** The same in words. */
  text: string;
  /** How far the chart's clock is ahead of UTC. */
  shift_s: number;
  /** The budget that is drawn over it, in words; empty where there is none. */
  limit: string;
  /** There is more than is drawn: zooming in shows it. */
  more: boolean;
}

/** A record may reach the ledger some seconds after its cell has ended: then it is looked for again. */
const AGAIN_MS = 4000;

export class TimelineView {
  scope: Scope = 'session';
  answer: TimelineAnswer | null = null;
  problem: string | null = null;
  /** What is zoomed into; null is all of it. */
  looked: Stretch | null = null;
  private about: About | null = null;
  private seen = '';
  private drawn = '';
  private life = 0;
  private again: ReturnType<typeof setTimeout> | null = null;
  private readonly refresher: Refresher;

  constructor(
    private readonly get: Get,
    wanted: () => boolean,
    private readonly changed: () => void,
    /** The colour of the theme's text. */
    private readonly ink: () => string
  ) {
    this.refresher = new Refresher(() => this.fetch(), wanted);
  }

  /** What it is about; `figures` says whether there is something new of it. */
  follow(about: About | null, figures: string): void {
    const seen = JSON.stringify([about, figures]);
    if (about?.path !== this.about?.path) {
      this.forget();
    }
    this.about = about;
    if (seen !== this.seen) {
      this.seen = seen;
      this.ask();
    }
  }

  choose(scope: Scope): void {
    this.scope = scope;
    this.forget();
    this.ask();
  }

  /** Somebody has zoomed: more is told of that stretch where there is more. */
  look(looked: Stretch | null): void {
    this.looked = looked;
    if (this.answer?.more === true) {
      this.refresher.request();
    }
  }

  /** Somebody looks again, or the theme is another. */
  refresh(): void {
    this.refresher.request();
  }

  stop(): void {
    this.life += 1;
    this.refresher.stop();
    this.clearAgain();
  }

  /** The scope that can be asked for: of a notebook without a session there is none. */
  get asked(): Scope {
    return this.scope === 'session' && this.about?.session == null ? 'notebook' : this.scope;
  }

  private ask(): void {
    this.refresher.request();
    this.clearAgain();
    this.again = setTimeout(() => this.refresher.request(), AGAIN_MS);
  }

  private clearAgain(): void {
    if (this.again !== null) {
      clearTimeout(this.again);
      this.again = null;
    }
  }

  private forget(): void {
    this.life += 1;
    Object.assign(this, { answer: null, problem: null, looked: null, drawn: '' });
    this.changed();
  }

  private async fetch(): Promise<void> {
    const { life, about, looked } = this;
    if (about === null) {
      return;
    }
    const ink = this.ink();
    try {
      const answer = await fetchTimeline(this.get, { ...about, scope: this.asked, ink, looked });
      this.settle(
        life,
        answer,
        JSON.stringify([answer.text, answer.reason, answer.limit, ink, looked])
      );
    } catch (error) {
      if (life === this.life) {
        this.problem = reason(error);
        this.changed();
      }
    }
  }

  /** What says the same is not drawn again. */
  private settle(life: number, answer: TimelineAnswer, drawn: string): void {
    if (life !== this.life || (drawn === this.drawn && this.problem === null)) {
      return;
    }
    Object.assign(this, { answer, drawn, problem: null });
    this.changed();
  }
}
