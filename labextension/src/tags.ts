/** What cells are said to be: on the wire, and in words; pure. */
import { flag, list, map, number, object, oneOf, orElse, orNull, text } from './shape.js';
import type { Words } from './words.js';

/** Those of the CVPR Compute Reporting Form, and the preparing of data. */
export const CATEGORIES = [
  'train',
  'finetune',
  'distill',
  'hpo',
  'ablation',
  'inference',
  'prep',
  'failed',
  'other'
] as const;
export type Category = (typeof CATEGORIES)[number];

/** Null is not said, never "other". */
export interface Said {
  category: Category | null;
  method: string | null;
  run: string | null;
  in_paper: boolean | null;
}
export const KEYS = ['category', 'method', 'run', 'in_paper'] as const;
export type Key = (typeof KEYS)[number];

/** A cell's runs: what is said of the newest, and what is not the same of all. */
export interface TaggedCell {
  runs: number;
  failed: number;
  said: Said;
  several: Key[];
}

/** What the form of tags asks for. */
export interface TagKnown {
  methods: string[];
  runs: string[];
  cells: ReadonlyMap<string, TaggedCell>;
}

/** The fields of what is said, wherever they are; an older kernel says nothing. */
export const saids = {
  category: orElse(orNull(oneOf(...CATEGORIES)), null),
  method: orElse(orNull(text), null),
  run: orElse(orNull(text), null),
  in_paper: orElse(orNull(flag), null)
};

export const tagKnown = object<TagKnown>({
  methods: list(text),
  runs: list(text),
  cells: map(
    object<TaggedCell>({
      runs: number,
      failed: number,
      said: object<Said>(saids),
      several: list(oneOf(...KEYS))
    })
  )
});

/** A category in words. */
export function categoryName(category: Category, words: Words): string {
  return {
    train: words.__('training'),
    finetune: words.__('fine-tuning'),
    distill: words.__('distillation'),
    hpo: words.__('hyper-parameter search'),
    ablation: words.__('ablation'),
    inference: words.__('inference'),
    prep: words.__('data preparation'),
    failed: words.__('failed'),
    other: words.__('other')
  }[category];
}

/** A cell's mark, and what it says on hover: a line each. */
export interface Tagged {
  mark: string;
  hover: string;
}

/** Null where nothing is said. That a cell failed has its own mark, unless more is said of it. */
export function tagged(said: Said, words: Words): Tagged | null {
  const { category, method, run, in_paper } = said;
  const lines = [
    category === null ? '' : words.__('Category: %1', categoryName(category, words)),
    method === null ? '' : words.__('Method: %1', method),
    run === null ? '' : words.__('Run: %1', run),
    in_paper === null ? '' : in_paper ? words.__('In the paper') : words.__('Not in the paper')
  ].filter(line => line !== '');
  if (lines.length === 0 || (category === 'failed' && lines.length === 1)) {
    return null;
  }
  return { mark: category ?? method ?? run ?? words.__('tagged'), hover: lines.join('\n') };
}
