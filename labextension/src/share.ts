/** How sending to the lab's ledger goes, as the server tells it. */
import { number, object, orNull, text } from './shape.js';

/** Times in seconds since 1970. */
export interface Share {
  address: string;
  since: number;
  waiting: number;
  sent_at: number | null;
  problem: string | null;
}

export const share = object<Share>({
  address: text,
  since: number,
  waiting: number,
  sent_at: orNull(number),
  problem: orNull(text)
});
