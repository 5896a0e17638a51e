/** Whether the reader wants little to move. */
let asked: MediaQueryList | undefined;

/** The query is made once: making it anew at each tick of a clock costs as much as the tick. */
export const isCalm = (): boolean =>
  (asked ??= window.matchMedia('(prefers-reduced-motion: reduce)')).matches;
