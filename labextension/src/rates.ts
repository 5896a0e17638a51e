/** How fast a cell computed, on the wire. */
import { flag, number, object, oneOf, orNull, text, type Check } from './shape.js';
import { method, type Method } from './total.js';

/** `≥` is a lower bound, `≤` an upper one. */
export type Bound = '' | '≥' | '≤';

/** How fast a cell computed; null is not known. MFU is the share of the devices' peak, 0 to 1. */
export interface Rates {
  flops_per_s_wall: number | null;
  /** Per second in which a GPU was busy. */
  flops_per_s_busy: number | null;
  flops_per_j: number | null;
  mfu_wall: number | null;
  mfu_busy: number | null;
  /** Why the MFU is not known. */
  why: string | null;
  /** Whose peak it is against. */
  source: string | null;
  method: Method | null;
  busy_method: Method | null;
  /** Of FLOP/s, which no peak is needed for. */
  wall_method: Method | null;
  busy_speed_method: Method | null;
  per_j_method: Method | null;
  /** More was done than was counted: all are lower bounds, unless their own bound says otherwise. */
  incomplete: boolean;
  mfu_bound: Bound;
  per_j_bound: Bound;
}

const bound = oneOf('', '≥', '≤');

export const rates: Check<Rates> = object<Rates>({
  flops_per_s_wall: orNull(number),
  flops_per_s_busy: orNull(number),
  flops_per_j: orNull(number),
  mfu_wall: orNull(number),
  mfu_busy: orNull(number),
  why: orNull(text),
  source: orNull(text),
  method,
  busy_method: method,
  wall_method: method,
  busy_speed_method: method,
  per_j_method: method,
  incomplete: flag,
  mfu_bound: bound,
  per_j_bound: bound
});
