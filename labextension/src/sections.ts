/** The panel's sections: which there are, in which order, and which are open; pure. */

export const SECTIONS = ['now', 'budgets', 'totals', 'spent', 'paper'] as const;
export type Section = (typeof SECTIONS)[number];
/** What a new user sees: is all well, at one look. */
export const FIRST: readonly Section[] = ['now', 'budgets', 'totals'];

/** What a setting lists of them, each once; `otherwise` where it is no list. */
export function sectionsIn(value: unknown, otherwise: readonly Section[]): Section[] {
  const said: readonly unknown[] = Array.isArray(value) ? value : otherwise;
  return [...new Set(said)].filter((one): one is Section =>
    (SECTIONS as readonly unknown[]).includes(one)
  );
}

/** Those that are always there, in their order, and the rest, which "More" brings. */
export interface Arranged {
  always: readonly Section[];
  more: readonly Section[];
}

export function arranged(always: readonly Section[]): Arranged {
  return { always, more: SECTIONS.filter(one => !always.includes(one)) };
}

/** With one of them opened or closed. */
export function toggled(open: readonly Section[], one: Section): Section[] {
  return open.includes(one) ? open.filter(other => other !== one) : [...open, one];
}
