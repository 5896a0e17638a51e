/** A statement for a paper: of which norms, in which format, with or without names; pure. */
import { reason } from './feed.js';
import type { Scope } from './rest.js';
import type { Words } from './words.js';

/** As `norms.NAMES` has them: a test compares the two. */
export const NORMS = [
  'neurips',
  'arr',
  'cvpr',
  'reproducibility',
  'aaai',
  'model-card',
  'sci',
  'boamps'
] as const;
export type Norm = (typeof NORMS)[number];

export const FORMS = ['md', 'tex', 'html', 'json', 'csv', 'yaml'] as const;
export type Form = (typeof FORMS)[number];

export function normName(norm: Norm, words: Words): string {
  return {
    neurips: words.__('NeurIPS checklist'),
    arr: words.__('ARR checklist'),
    cvpr: words.__('CVPR compute form'),
    reproducibility: words.__('ML Reproducibility'),
    aaai: words.__('AAAI checklist'),
    'model-card': words.__('Model card (Hugging Face)'),
    sci: words.__('SCI score'),
    boamps: words.__('BoAmps')
  }[norm];
}

export function formName(form: Form, words: Words): string {
  return {
    md: 'Markdown',
    tex: 'LaTeX',
    html: words.__('HTML, with charts'),
    json: words.__('JSON, to be verified'),
    csv: 'CSV',
    yaml: 'YAML'
  }[form];
}

/** Norms with a file of their own, as `stating.NATIVE` has them: a test compares the two. */
export const NATIVE: Partial<Record<Norm, Form>> = { boamps: 'json', 'model-card': 'yaml' };

/** What is written where one norm alone is chosen, and its own file has this format; else null. */
export function ownFile({ norms, format }: Order, words: Words): string | null {
  const [norm] = norms;
  if (norm === undefined || norms.length > 1 || NATIVE[norm] !== format) {
    return null;
  }
  return words.__(
    "This writes the norm's own file: %1. Export has the one to be verified.",
    normName(norm, words)
  );
}

/** None of the norms is all of them. */
export interface Order {
  scope: Scope;
  norms: readonly Norm[];
  format: Form;
  anonymous: boolean;
}

/** The form, kept while it is open whatever else is looked at. */
export class StatementDesk {
  opened = false;
  busy = false;
  /** What went wrong. */
  refused: string | null = null;
  order: Order = { scope: 'project', norms: ['neurips'], format: 'md', anonymous: false };

  constructor(private readonly redraw: () => void) {}

  open(): void {
    Object.assign(this, { opened: true, refused: null });
    this.redraw();
  }

  close(): void {
    this.opened = false;
    this.redraw();
  }

  type(part: Partial<Order>): void {
    Object.assign(this, { order: { ...this.order, ...part }, refused: null });
    this.redraw();
  }

  toggle(norm: Norm): void {
    const { norms } = this.order;
    const chosen = NORMS.filter(one => (one === norm) !== norms.includes(one));
    this.type({ norms: chosen });
  }

  /** Throws nothing: what goes wrong is shown in the form, which stays open for the next file. */
  async save(download: (order: Order) => Promise<void>): Promise<void> {
    if (this.busy) {
      return;
    }
    Object.assign(this, { busy: true, refused: null });
    this.redraw();
    try {
      await download(this.order);
    } catch (error) {
      this.refused = reason(error);
    }
    this.busy = false;
    this.redraw();
  }
}
