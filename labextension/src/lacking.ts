/** Totals of a ledger that lacks cells which are known to have ended: no zeros, and no more than lower bounds. Pure. */
import type { Bill, Costs, Summary } from './api.js';
import type { Total } from './total.js';

const incomplete = (totals: readonly Total[], why: string): Total[] =>
  totals.map(one => ({ ...one, missing: one.missing + 1, reasons: [...one.reasons, why] }));

const least = (bill: Bill, why: string): Bill => ({
  ...bill,
  text: bill.text.startsWith('≥') ? bill.text : `≥ ${bill.text}`,
  missing: bill.missing + 1,
  reasons: [...bill.reasons, why]
});

/** The range of where it may stand is left out: its upper end is none. */
const lower = (costs: Costs, why: string): Costs => ({
  ...costs,
  totals: incomplete(costs.totals, why),
  range_g: null,
  bills: costs.bills.map(one => least(one, why)),
  clouds: costs.clouds.map(one => least(one, why))
});

/** What is there is a lower bound; nothing where nothing is there, which says nothing of what was used. */
export function withoutSome(summary: Summary, why: string): Summary | null {
  const { cells, totals, buckets, costs } = summary;
  if (cells === 0) {
    return null;
  }
  return {
    ...summary,
    totals: incomplete(totals, why),
    buckets: buckets.map(one => ({ ...one, totals: incomplete(one.totals, why) })),
    costs: costs && lower(costs, why)
  };
}
