/** The same ledger under other assumptions: what is supposed, and what the server answers. Pure. */
import { totalOf, type Costs, type Region, type Total, type WhatIf } from './api.js';
import { cloudName } from './carbon.js';
import { reason } from './feed.js';
import { CO2E, plain, show, type EnergyUnit } from './format.js';
import { written } from './locale.js';
import { fetchWhatIf, type Get, type Scope, type Supposed } from './rest.js';
import type { Words } from './words.js';

/** The user may still be typing. */
const DEBOUNCE_MS = 400;

/** What the form says; what is empty stays as it is. */
export interface Form {
  scope: Scope;
  region: Region | null;
  pue: string;
  gpu: string;
}

/** Whose records. */
export type Source = Pick<Supposed, 'path' | 'session'>;

export function isBlank({ region, pue, gpu }: Form): boolean {
  return region === null && pue.trim() === '' && gpu.trim() === '';
}

/** PUE is all of a site's electricity over that of its computers, so never below 1. */
export function pueIsValid(text: string): boolean {
  const value = Number(text.replace(',', '.'));
  return text.trim() === '' || (value >= 1 && value <= 10);
}

function supposed({ scope, region, pue, gpu }: Form, { path, session }: Source): Supposed {
  const said = (text: string): string | null => text.trim() || null;
  return {
    path,
    scope,
    session: scope === 'session' ? session : null,
    region: region?.id ?? null,
    kind: region?.id.includes('/') ? 'cloud' : null,
    pue: said(pue.replace(',', '.')),
    gpu: said(gpu)
  };
}

/** The form and its answer; kept while the panel lives. */
export class Supposing {
  open = false;
  form: Form = { scope: 'notebook', region: null, pue: '', gpu: '' };
  answer: WhatIf | null = null;
  /** What the server says against it. */
  problem: string | null = null;
  busy = false;
  private source: Source | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private life = 0;

  constructor(
    private readonly get: Get,
    private readonly changed: () => void
  ) {}

  show(open: boolean): void {
    this.open = open;
    this.ask();
  }

  suppose(part: Partial<Form>): void {
    this.form = { ...this.form, ...part };
    this.ask(DEBOUNCE_MS);
  }

  /** Another notebook or session is meant, or there are new records. */
  about(source: Source): void {
    if (this.source?.path !== source.path) {
      this.answer = null;
    }
    this.source = source;
    this.ask();
  }

  private ask(after_ms = 0): void {
    clearTimeout(this.timer);
    this.life += 1; // an answer that is under way is to another question
    const { form } = this;
    const asks = this.open && !isBlank(form) && pueIsValid(form.pue);
    this.busy = asks;
    if (asks) {
      this.timer = setTimeout(() => void this.fetch(), after_ms);
    } else if (isBlank(form)) {
      this.answer = this.problem = null;
    }
    this.changed();
  }

  private async fetch(): Promise<void> {
    const { life, source, form } = this;
    if (source === null) {
      return;
    }
    try {
      this.settle(life, await fetchWhatIf(this.get, supposed(form, source)), null);
    } catch (error) {
      this.settle(life, null, reason(error));
    }
  }

  private settle(life: number, answer: WhatIf | null, problem: string | null): void {
    if (life === this.life) {
      Object.assign(this, { answer, problem, busy: false });
      this.changed();
    }
  }
}

/** A line of the comparison; `ratio` is null where it cannot be told. */
export interface Compared {
  name: string;
  label: string;
  now: string;
  then: string;
  ratio: number | null;
  /** The figures themselves. */
  values: readonly [number | null, number | null];
}

interface Side {
  text: string;
  value: number | null;
  missing: number;
}

const NONE: Side = { text: '—', value: null, missing: 0 };

/** How many times as much; only where both are of the same parts. */
export function ratioOf(now: Side, then: Side): number | null {
  return now.value && then.value !== null && now.missing === then.missing
    ? then.value / now.value
    : null;
}

/** `×0.1`, `×0.083`, `×12`: two digits that matter. */
export function timesText(ratio: number): string {
  return `×${written(String(Number(ratio.toPrecision(2))))}`;
}

function ofTotal(one: Total | undefined, unit: EnergyUnit): Side {
  if (one === undefined) {
    return NONE;
  }
  const { value, missing } = one;
  return { text: plain(show(one, unit)).replace(` ${CO2E}`, ''), value, missing }; // the label says it
}

interface Line {
  label: string;
  side: Side;
}

/** All that there is to compare of one side, by name. */
function sides(costs: Costs, unit: EnergyUnit, money: boolean, words: Words): Map<string, Line> {
  const named: [string, string][] = [
    ['electricity_wh', words.__('Electricity')],
    ['emissions_g', words.__('Emissions, CO₂e')],
    ['embodied_g', words.__('Embodied, CO₂e')],
    ['water_l', words.__('Water')]
  ];
  const found = new Map<string, Line>();
  for (const [name, label] of named) {
    const one = totalOf(costs, name);
    if (one !== undefined) {
      found.set(name, { label, side: ofTotal(one, unit) });
    }
  }
  for (const bill of money ? [...costs.bills, ...costs.clouds] : []) {
    const cloud = bill.kind === 'cloud';
    const { text, amount, missing, provider, as_of, currency } = bill;
    const value = amount === null ? null : Number(amount);
    found.set([bill.kind, provider, as_of, currency].join('.'), {
      label: cloud ? cloudName(bill, words) : words.__('Money'),
      side: { text, value, missing }
    });
  }
  return found;
}

export function compare(
  answer: WhatIf,
  unit: EnergyUnit,
  money: boolean,
  words: Words
): Compared[] {
  const now = sides(answer.now, unit, money, words);
  const then = sides(answer.then, unit, money, words);
  const names = [...new Set([...now.keys(), ...then.keys()])];
  return names.map(name => {
    const [one, other] = [now.get(name), then.get(name)];
    const [a, b] = [one?.side ?? NONE, other?.side ?? NONE];
    const label = one?.label ?? other?.label ?? name;
    return {
      name,
      label,
      now: a.text,
      then: b.text,
      ratio: ratioOf(a, b),
      values: [a.value, b.value]
    };
  });
}
