/** The line below a cell that has run, or runs: what stands in it, and what it says on hover; pure. */
import { totalOf, type Cell, type Running, type Total } from './api.js';
import { billHover, billParts } from './carbon.js';
import { figureOf, marksSaid } from './carried.js';
import { duration, explain, plain, show, ticking, type EnergyUnit } from './format.js';
import { peakSaid, work } from './flops.js';
import type { Line, State } from './lines.js';
import { moment } from './locale.js';
import { MARKS } from './outcome.js';
import type { Words } from './words.js';

export const FIGURES = [
  'time',
  'flops',
  'peak',
  'energy',
  'emissions',
  'gpu',
  'memory',
  'money'
] as const;
export type FigureName = (typeof FIGURES)[number];
/** What a new user sees. */
export const USUAL: readonly FigureName[] = ['time', 'flops', 'peak', 'energy', 'emissions'];
/** A line below each `import` would be noise. */
export const FROM_S = 0.5;
/** So many runs of a cell are told of. */
export const RUNS = 5;

/** What of a line the user decides. */
export interface Wanted {
  cellLineFrom: number;
  cellLineFigures: readonly FigureName[];
  energyUnit: EnergyUnit;
  showMoney: boolean;
}

type Run = Cell | Running;

/** What a setting lists of the figures, each once. */
export function figuresIn(value: unknown): readonly FigureName[] {
  const said: readonly unknown[] = Array.isArray(value) ? value : USUAL;
  return [...new Set(said)].filter((one): one is FigureName =>
    (FIGURES as readonly unknown[]).includes(one)
  );
}

// What stands in it

/** What a line says of a run that did not end well, before its figures. */
function ended({ outcome, error_type }: Cell, words: Words): string {
  const failed = error_type === null ? words.__('failed') : words.__('failed with %1', error_type);
  const how = {
    ok: '',
    error: failed,
    interrupted: words.__('interrupted'),
    killed: words.__('the kernel was killed')
  };
  return `${MARKS[outcome]} ${how[outcome]}`.trim();
}

/** The figures of a kind as they stand in the line; none where the machine has no such device. */
function figures(name: FigureName, run: Run, time: string, wanted: Wanted, words: Words): string[] {
  if (name === 'time') {
    return [time];
  }
  if (name === 'flops' || name === 'peak') {
    const [flops, ...peak] = work(run, words)?.parts ?? [];
    return name === 'peak' ? peak : flops === undefined ? [] : [flops];
  }
  if (name === 'money') {
    const bills = wanted.showMoney ? (run.costs?.bills ?? []) : [];
    return bills.map(({ text }) => billParts(text)[0] ?? '');
  }
  return totalsOf(name, run).map(one => {
    const shown = figureOf(one, wanted.energyUnit);
    const where = MEMORY[one.name];
    return where === undefined ? shown : `${shown} ${where}`;
  });
}

const MEMORY: Readonly<Record<string, string>> = { peak_rss_bytes: 'RAM', peak_gpu_bytes: 'VRAM' };

/** The totals that a figure is of, as far as they are there. */
function totalsOf(name: FigureName, run: Run): Total[] {
  const there = (...names: string[]): Total[] => names.flatMap(one => totalOf(run, one) ?? []);
  switch (name) {
    case 'flops':
      return there('flops');
    case 'energy':
      return there('energy_j');
    case 'gpu':
      return there('gpu_reserved_s');
    case 'memory':
      return there('peak_rss_bytes', 'peak_gpu_bytes');
    case 'emissions': {
      const found = run.costs && totalOf(run.costs, 'emissions_g');
      return found?.value == null ? [] : [found]; // why not, its energy says
    }
    default:
      return [];
  }
}

function textOf(run: Run, time: string, wanted: Wanted, words: Words): string {
  return wanted.cellLineFigures
    .flatMap(name => figures(name, run, time, wanted, words))
    .join(' · ');
}

// What it says on hover

function titleOf({ name }: Total, words: Words): string {
  const titles: Record<string, string> = {
    energy_j: words.__('Energy'),
    flops: words.__('FLOPs'),
    gpu_reserved_s: words.__('GPU time held'),
    peak_rss_bytes: words.__('Memory'),
    peak_gpu_bytes: words.__('GPU memory')
  };
  return titles[name] ?? words.__('Emissions');
}

/** Why a figure is not known, whose peak it is, what the marks mean. */
function reasons(run: Run, wanted: Wanted, words: Words): string[] {
  const { cellLineFigures, energyUnit } = wanted;
  const totals = cellLineFigures.flatMap(name => totalsOf(name, run));
  const unknown = totals.filter(({ value }) => value === null);
  const bills = wanted.showMoney && cellLineFigures.includes('money') ? run.costs?.bills : [];
  return [
    ...unknown.map(one => explain(titleOf(one, words), one, energyUnit, words)),
    ...(cellLineFigures.includes('peak') && run.rates !== null ? peakSaid(run.rates, words) : []),
    ...(bills ?? []).map(bill => billHover(bill, words)),
    ...marksSaid(totals, words)
  ];
}

/** Whether both are known to be of other code. */
const differs = (one: Run, other: Run): boolean =>
  one.code_hash !== null && other.code_hash !== null && one.code_hash !== other.code_hash;

function lineOf(run: Cell, newest: Run, { energyUnit }: Wanted, words: Words): string {
  const energy = totalOf(run, 'energy_j');
  const said = [
    duration(run.wall_s),
    ...(energy === undefined ? [] : [figureOf(energy, energyUnit)]),
    ...(run.outcome === 'ok' ? [] : [ended(run, words)]),
    ...(differs(run, newest) ? [words.__('other code')] : [])
  ];
  return `${moment(run.started_at)}: ${said.join(' · ')}`;
}

/** The least and the most, in words; nothing where there are not two. */
function range(found: readonly string[], words: Words): string[] {
  const [low, high] = [found[0], found[found.length - 1]];
  return low === undefined || high === undefined || found.length < 2
    ? []
    : [low === high ? words.__('each %1', low) : words.__('%1 to %2', low, high)];
}

const ascending = (one: Total, other: Total): number => (one.value ?? 0) - (other.value ?? 0);

/** How far the complete runs of the same code lie apart. A part that is missing would make one look cheap. */
function spread(runs: readonly Cell[], newest: Run, unit: EnergyUnit, words: Words): string[] {
  const same = runs.filter(one => one.outcome === 'ok' && !differs(one, newest));
  const walls = same.map(one => one.wall_s).sort((a, b) => a - b);
  const joules = same
    .flatMap(one => totalOf(one, 'energy_j') ?? [])
    .filter(({ value, missing }) => value !== null && missing === 0)
    .sort(ascending);
  const said = [
    ...range(walls.map(duration), words),
    ...range(
      joules.map(one => plain(show(one, unit))),
      words
    )
  ];
  return said.length === 0
    ? []
    : [words.__('The %1 complete ones of this code: %2', same.length, said.join(' · '))];
}

/** The last runs, a line each, and how far they lie apart. */
function last(runs: readonly Cell[], newest: Run, wanted: Wanted, words: Words): string[] {
  const [only, ...more] = runs;
  if (only === undefined || (only === newest && more.length === 0)) {
    return only === undefined ? [] : [words.__('Ran %1.', moment(only.started_at))];
  }
  return [
    words._n('The last run:', 'The last %1 runs:', runs.length),
    ...runs.map(run => lineOf(run, newest, wanted, words)),
    ...spread(runs, newest, wanted.energyUnit, words)
  ];
}

function hoverOf(run: Run, runs: readonly Cell[], wanted: Wanted, words: Words): string {
  return [...last(runs, run, wanted, words), ...reasons(run, wanted, words)].join('\n');
}

// The lines

function line(state: State, mark: string, text: string, hover: string): Line | null {
  return mark === '' && text === '' ? null : { kind: 'badge', state, mark, text, hover };
}

/** The line of a cell whose last runs these are, the newest first; null where there is nothing to say. */
export function badgeOf(runs: readonly Cell[], wanted: Wanted, words: Words): Line | null {
  const [run] = runs;
  if (run === undefined || run.wall_s < wanted.cellLineFrom) {
    return null;
  }
  const text = textOf(run, duration(run.wall_s), wanted, words);
  return line(run.outcome, ended(run, words), text, hoverOf(run, runs, wanted, words));
}

/** The line of a cell that has run for so long; null while it has not run for long enough. */
export function liveBadge(
  run: Running,
  seconds: number,
  runs: readonly Cell[],
  wanted: Wanted,
  words: Words
): Line | null {
  if (seconds < wanted.cellLineFrom) {
    return null;
  }
  const text = textOf(run, ticking(seconds), wanted, words);
  return line('running', words.__('Running'), text, hoverOf(run, runs, wanted, words));
}

/** In how many seconds the line of a running cell changes next by itself; null: not before the kernel's next word. */
export function changesIn(seconds: number, nextTick: number, wanted: Wanted): number | null {
  const { cellLineFrom, cellLineFigures } = wanted;
  if (seconds < cellLineFrom) {
    return cellLineFrom - seconds;
  }
  return cellLineFigures.includes('time') ? nextTick : null;
}
