/** What came to nothing in a session: of the cells that failed, as far as they are remembered; pure. */
import type { Cell, Summary } from './api.js';
import { totalOf, weaker, type Method, type Total } from './total.js';

/** How a cell ended that a budget kept from starting: it failed in nothing. */
export const HELD = 'BudgetHold';

export interface Failed {
  count: number;
  energy: Total;
}

/**
 * The cells of a session that ended with an error, were interrupted or killed, and their energy; null where none did.
 *
 * Those to `skip` only ask us something, and a cell that a budget held has not run. The panel forgets old cheap cells, and not each has a figure: the sum is then a lower bound.
 */
export function failedOf(
  summary: Summary,
  cells: Iterable<Cell>,
  skip: (cell: Cell) => boolean = () => false
): Failed | null {
  const all = [...cells].filter(one => one.parent_id === null && one.outcome !== 'ok');
  const found = all.filter(one => !skip(one) && one.error_type !== HELD);
  const count = summary.failed - (all.length - found.length);
  if (count <= 0) {
    return null;
  }
  const totals = found.flatMap(one => totalOf(one, 'energy_j') ?? []);
  const known = totals.filter(({ value }) => value !== null);
  const missing =
    count - known.length + totals.filter(one => one.missing > 0 && one.value !== null).length;
  const method = known.reduce<Method | null>((worst, one) => weaker(worst, one.method), null);
  const value = known.length > 0 ? known.reduce((sum, one) => sum + (one.value ?? 0), 0) : null;
  const energy: Total = {
    name: 'energy_j',
    unit: 'J',
    value,
    method,
    measured_share: null,
    missing: Math.max(0, missing),
    uncertainty: null,
    sources: [...new Set(known.flatMap(one => one.sources))],
    reasons: value === null ? [...new Set(totals.flatMap(one => one.reasons))] : []
  };
  return { count, energy };
}
