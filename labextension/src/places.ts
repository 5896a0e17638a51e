/** Where machines stand, as the server knows it and the user says it: pure. */
import type { Place, Region } from './api.js';
import { reason } from './feed.js';
import { fetchPlace, fetchRegions, putPlace, type Get, type Saying, type Where } from './rest.js';

/** The file may be changed by hand, too, and is looked at again after this time. */
const OLD_MS = 20_000;

const keyOf = ({ host, path }: Where): string => JSON.stringify([host, path]);

const isElsewhere = (one: Place, other: Place): boolean =>
  [one.region, one.kind, one.text].join('\n') !== [other.region, other.kind, other.text].join('\n');

/** What is known of one machine. */
interface Known {
  place: Place | null;
  /** Why there is none, or why it is old. */
  problem: string | null;
  askedAt: number;
}

export class Places {
  regions: readonly Region[] | null = null;
  /** Why there are no regions. */
  problem: string | null = null;
  private readonly known = new Map<string, Known>();
  private readonly factors = new Map<string, string>();
  private life = 0;
  private asking = false;
  private readonly listeners = new Set<() => void>();

  /** @param placed - the user has said where a machine stands, so all figures change */
  constructor(
    private readonly get: Get,
    private readonly placed: () => void,
    private readonly clock: () => number = () => performance.now()
  ) {}

  /** Call it after each change; answers how to stop that. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  placeOf(where: Where): Place | null {
    return this.known.get(keyOf(where))?.place ?? null;
  }

  problemOf(where: Where): string | null {
    return this.known.get(keyOf(where))?.problem ?? null;
  }

  /**
   * Somebody looks: ask the server, unless it was asked a moment ago.
   *
   * @param factors - by which figures are derived now: others than before come of another place, or of another file
   */
  async want(where: Where, factors = ''): Promise<void> {
    const key = keyOf(where);
    const before = this.known.get(key);
    const others = (this.factors.get(key) ?? factors) !== factors;
    this.factors.set(key, factors);
    if (before !== undefined && !others && this.clock() - before.askedAt < OLD_MS) {
      return;
    }
    this.known.set(key, { place: null, problem: null, ...before, askedAt: this.clock() });
    const { life } = this;
    try {
      const place = await fetchPlace(this.get, where);
      this.settle(life, key, place, null);
      if (life === this.life && before?.place && isElsewhere(place, before.place)) {
        this.placed(); // somebody has said so by other means: what was derived is of the place before
      }
    } catch (error) {
      this.settle(life, key, before?.place ?? null, reason(error));
    }
  }

  /** The regions, asked for once. */
  async wantRegions(): Promise<void> {
    if (this.regions !== null || this.asking) {
      return;
    }
    this.asking = true;
    try {
      this.regions = await fetchRegions(this.get);
      this.problem = null;
    } catch (error) {
      this.problem = reason(error);
    }
    this.asking = false;
    this.changed();
  }

  /** Say where a machine stands; throws what the server says against it. */
  async say(where: Where, saying: Saying): Promise<void> {
    const place = await putPlace(this.get, where, saying);
    this.life += 1;
    this.known.clear(); // the same machine may be known under another name
    this.settle(this.life, keyOf(where), place, null);
    this.placed();
  }

  private settle(life: number, key: string, place: Place | null, problem: string | null): void {
    if (life === this.life) {
      this.known.set(key, { place, problem, askedAt: this.clock() });
      this.changed();
    }
  }

  private changed(): void {
    this.listeners.forEach(listener => listener());
  }
}
