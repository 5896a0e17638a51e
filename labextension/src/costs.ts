/** What is derived of the joules when they are read, as docs/wire.md has it: carbon, water, money, and where. */
import { Check, Fields, list, number, object, oneOf, orElse, orNull, pair, text } from './shape.js';
import { method, total, type Method, type Total } from './total.js';

export const KINDS = ['laptop', 'lab', 'cloud'] as const;
/** What kind of place a machine stands in: it decides the PUE. */
export type Kind = (typeof KINDS)[number];

/** A factor as it was applied; `text` is the sentence for the hover. */
export interface Applied {
  name: string;
  value: number;
  unit: string;
  text: string;
}

/** By the lab's own tariffs, or the same GPU-hours on a cloud; `amount: null` has no price. */
export interface Bill {
  kind: 'own' | 'cloud';
  /** The amount with its bound, mark and uncertainty. */
  text: string;
  /** Decimal. */
  amount: string | null;
  currency: string;
  method: Method | null;
  missing: number;
  reasons: string[];
  provider: string | null;
  as_of: string | null;
  sources: string[];
}

export interface Costs {
  totals: Total[];
  /** The least and the most that the emissions may be, while nobody said where the machine stands. */
  range_g: [number, number] | null;
  range_of: [string, string] | null;
  applied: Applied[];
  /** One a currency, never to be added. */
  bills: Bill[];
  clouds: Bill[];
  equivalents: string[];
}

/** What the machine's environment suggests; `region: null` where it says the kind of place only. */
export interface Hint {
  region: string | null;
  name: string;
  kind: Kind | null;
  why: string;
}

/** Where a machine stands, as the user has said; `region: null` while nobody did. */
export interface Place {
  host: string;
  region: string | null;
  name: string | null;
  kind: Kind | null;
  /** File and line. */
  origin: string | null;
  /** Its intensity, as a sentence. */
  text: string | null;
  hint: Hint | null;
  problems: string[];
}

/** A place with a grid; `g_per_kwh: null` was refused, and `note` says why. */
export interface Region {
  id: string;
  name: string;
  g_per_kwh: number | null;
  year: number | null;
  basis: string | null;
  note: string | null;
  aliases: string[];
}

/** The same records as they are and under other assumptions. */
export interface WhatIf {
  title: string;
  now: Costs;
  then: Costs;
  notes: string[];
}

const applied = object<Applied>({ name: text, value: number, unit: text, text });

const bill = object<Bill>({
  kind: oneOf('own', 'cloud'),
  text,
  amount: orNull(text),
  currency: text,
  method,
  missing: number,
  reasons: list(text),
  provider: orNull(text),
  as_of: orNull(text),
  sources: list(text)
});

const some: Check<Costs> = object<Costs>({
  totals: list(total),
  range_g: orNull(pair(number)),
  range_of: orNull(pair(text)),
  applied: list(applied),
  bills: list(bill),
  clouds: list(bill),
  equivalents: list(text)
});

/** An older kernel sends none. */
export const costs: Check<Costs | null> = orElse(orNull(some), null);

const kind = orNull(oneOf(...KINDS));

/** A hint without a region is one of the kind of place. */
const regionOrNone: Check<string | null> = (value, path) => orNull(text)(value, path) || null;

const hint = object<Hint>({ region: regionOrNone, name: text, kind, why: text });

export const place = object<Place>({
  host: text,
  region: orNull(text),
  name: orNull(text),
  kind,
  origin: orNull(text),
  text: orNull(text),
  hint: orNull(hint),
  problems: list(text)
});

const region = object<Region>({
  id: text,
  name: text,
  g_per_kwh: orNull(number),
  year: orNull(number),
  basis: orNull(text),
  note: orNull(text),
  aliases: list(text)
});

export const regions: Check<Region[]> = (value, path) =>
  list(region)((value as Fields).regions, `${path}.regions`);

export const whatIf = object<WhatIf>({ title: text, now: some, then: some, notes: list(text) });
