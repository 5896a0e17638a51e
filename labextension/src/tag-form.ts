/** The form of tags: what is typed, what is wrong with it, and what of it is new; pure. */
import { CATEGORIES, KEYS, type Category, type Key, type Said, type TagKnown } from './tags.js';
import type { Words } from './words.js';

/** Of a field: the chosen cells' runs are said to be several things, which stay if nothing is typed. */
export const SEVERAL = '*';
/** No name is longer (tagging.py). */
const LONGEST = 200;

/** As it is typed: '' is not said. */
export interface Draft {
  category: Category | '' | typeof SEVERAL;
  method: string;
  run: string;
  in_paper: 'yes' | 'no' | '' | typeof SEVERAL;
  which: 'all' | 'newest';
  /** The category, too, of runs that failed. */
  failed: boolean;
}

/** Of which cells it is, and what the ledger says of them. */
export interface Chosen {
  cells: readonly string[];
  runs: number;
  failed: number;
  /** Those fields that are not the same of all runs. */
  several: ReadonlySet<Key>;
  /** What is said of all runs. */
  said: Said;
}

export type Field = Key | 'form';
export type Mistakes = Partial<Record<Field, string>>;

const NOTHING: Said = { category: null, method: null, run: null, in_paper: null };

export function chosenOf(cells: readonly string[], known: TagKnown): Chosen {
  const found = cells.flatMap(cell => known.cells.get(cell) ?? []);
  const [first] = found;
  const differ = KEYS.filter(key =>
    found.some(one => one.several.includes(key) || one.said[key] !== first?.said[key])
  );
  return {
    cells,
    runs: found.reduce((sum, one) => sum + one.runs, 0),
    failed: found.reduce((sum, one) => sum + one.failed, 0),
    several: new Set(differ),
    said: first?.said ?? NOTHING
  };
}

/** The form as it opens. */
export function draftOf({ said, several }: Chosen): Draft {
  const paper = said.in_paper === null ? '' : said.in_paper ? 'yes' : 'no';
  return {
    category: several.has('category') ? SEVERAL : (said.category ?? ''),
    method: several.has('method') ? '' : (said.method ?? ''),
    run: several.has('run') ? '' : (said.run ?? ''),
    in_paper: several.has('in_paper') ? SEVERAL : paper,
    which: 'all',
    failed: false
  };
}

/** A name as it is kept: without what stands around it. */
const name = (text: string): string | null => text.trim().replace(/\s+/g, ' ') || null;

/** A value as it is sent; undefined is not to be sent. */
function valueOf(key: Key, draft: Draft): Said[Key] | undefined {
  const { category, in_paper } = draft;
  switch (key) {
    case 'category':
      return category === SEVERAL ? undefined : (CATEGORIES.find(one => one === category) ?? null);
    case 'in_paper':
      return in_paper === SEVERAL ? undefined : in_paper === '' ? null : in_paper === 'yes';
    default:
      return name(draft[key]);
  }
}

/** What is to be said: what is other than it was. */
export function saidOf(draft: Draft, chosen: Chosen): Partial<Said> {
  const before = draftOf(chosen);
  const changed = KEYS.filter(key => valueOf(key, draft) !== valueOf(key, before));
  return Object.fromEntries(changed.map(key => [key, valueOf(key, draft)]));
}

/** Whether anything was typed or chosen since it opened. */
export function isTouched(draft: Draft, chosen: Chosen): boolean {
  const before = draftOf(chosen);
  return (Object.keys(before) as (keyof Draft)[]).some(key => draft[key] !== before[key]);
}

/** What is wrong, by field; nothing where it may be saved. */
export function mistakes(draft: Draft, chosen: Chosen, words: Words): Mistakes {
  const long = (['method', 'run'] as const).filter(key => draft[key].trim().length > LONGEST);
  if (long.length > 0) {
    const said = words.__('A name has up to %1 characters.', LONGEST);
    return Object.fromEntries(long.map(key => [key, said]));
  }
  return Object.keys(saidOf(draft, chosen)).length > 0
    ? {}
    : { form: words.__('Nothing is said that was not said before.') };
}
