/** A sum of figures, as docs/wire.md has it: what nearly all that comes over the wire is made of. */
import { Check, list, number, object, oneOf, orNull, text } from './shape.js';

export type Method = 'measured' | 'modelled' | 'assumed' | 'declared';

/** A sum of figures; `value: null` is "not measured", `missing` parts make it a lower bound. */
export interface Total {
  name: string;
  unit: string;
  value: number | null;
  method: Method | null;
  measured_share: number | null;
  missing: number;
  uncertainty: number | null;
  sources: string[];
  reasons: string[];
}

export const method = orNull(oneOf('measured', 'modelled', 'assumed', 'declared'));

export const total: Check<Total> = object<Total>({
  name: text,
  unit: text,
  value: orNull(number),
  method,
  measured_share: orNull(number),
  missing: number,
  uncertainty: orNull(number),
  sources: list(text),
  reasons: list(text)
});

export function totalOf(holder: { totals: readonly Total[] }, name: string): Total | undefined {
  return holder.totals.find(one => one.name === name);
}

const WEAKER: readonly (Method | null)[] = [null, 'measured', 'modelled', 'declared', 'assumed'];

/** What a sum of both is said to be. */
export function weaker(one: Method | null, other: Method | null): Method | null {
  return WEAKER.indexOf(one) > WEAKER.indexOf(other) ? one : other;
}
