/** BokehJS, from the server's own Bokeh package: loaded when a chart is first shown, beside any of the user's own. */
import { URLExt } from '@jupyterlab/coreutils';
import type { ChartItem } from './budget.js';
import { BOKEH } from './rest.js';
import type { Words } from './words.js';

/** What we use of it. */
interface Bokeh {
  version: string;
  embed: { embed_item: (item: object, target: HTMLElement) => Promise<Views> };
}

interface Views extends Iterable<{ model: Model }> {
  clear: () => void;
}

/** What we use of a Bokeh model. */
interface Model {
  document: { get_model_by_name: (name: string) => Model | null };
  change: { connect: (slot: () => void) => void };
  selected: Model & { indices: number[] };
  get: (column: string) => ArrayLike<string | number> | null;
  setv: (values: object) => void;
  start: number;
  end: number;
  reset_start: number;
  reset_end: number;
  tags: readonly number[];
  visible: boolean;
  desired_num_ticks: number;
}

/** A timeline that is drawn; instants are the chart's own milliseconds. */
export interface Drawn {
  clear: () => void;
  /** What is zoomed into; null where it is all. */
  range: () => Range | null;
  /** Zoom into a part; null shows all. */
  zoom: (range: Range | null) => void;
  /** All that there is to be seen. */
  whole: Range;
  /** The cells in the order of their start. */
  bands: readonly ShownBand[];
  /** Draw a frame around one; null takes it away. */
  mark: (band: ShownBand | null) => void;
  onZoom: (zoomed: () => void) => void;
  /** Told of the cell whose band is clicked. */
  onPick: (picked: (cellId: string) => void) => void;
  /** It is so wide (pixels): a legend that would be cut off is left out, and times that would overlap. */
  fit: (width: number) => void;
}

export interface Range {
  start: number;
  end: number;
}

/** A run of a cell, or several that a screen could not tell apart: as its hover tells it. */
export interface ShownBand extends Range {
  cellId: string;
  told: string;
}

type Page = Window & { Bokeh?: Bokeh & Record<string, Bokeh | undefined> };

export class Charts {
  private loading: Promise<Bokeh> | null = null;

  constructor(
    private readonly baseUrl: string,
    private readonly words: Words
  ) {}

  /** Draw it into the node; answers how to take it away. */
  async draw(item: ChartItem, node: HTMLElement): Promise<() => void> {
    const views = await this.views(item, node);
    return () => views.clear();
  }

  /** Draw a timeline into the node. */
  async embed(item: ChartItem, node: HTMLElement): Promise<Drawn> {
    return drawn(await this.views(item, node));
  }

  private async views(item: ChartItem, node: HTMLElement): Promise<Views> {
    this.loading ??= this.load();
    try {
      const bokeh = await this.loading;
      return await bokeh.embed.embed_item(item, node);
    } catch (error) {
      this.loading = null; // the next chart tries again
      throw error;
    }
  }

  /** A Bokeh that a notebook has loaded stays where it is: a second one registers under its version. */
  private async load(): Promise<Bokeh> {
    const page = window as Page;
    const theirs = page.Bokeh;
    const known = new Set(Object.keys(theirs ?? {}));
    await loadScript(URLExt.join(this.baseUrl, BOKEH), this.words);
    const now = page.Bokeh;
    if (theirs === undefined) {
      delete page.Bokeh; // a notebook's own must not be taken for a plugin of ours
    }
    const added = Object.keys(now ?? {}).find(name => !known.has(name) && now?.[name]?.embed);
    const found = theirs === undefined ? now : theirs[added ?? theirs.version];
    if (found === undefined) {
      throw new Error(this.words.__('BokehJS was loaded and is not there.'));
    }
    return found;
  }
}

/** The server says with each how wide it is. */
const LEGENDS = ['power-legend', 'energy-legend'];
/** A time with its date below it takes so much (pixels). */
const TICK = 110;

function show(legend: Model | null, width: number): void {
  const visible = legend !== null && width >= (legend.tags[0] ?? 0);
  if (legend !== null && legend.visible !== visible) {
    legend.visible = visible;
  }
}

/** What of a band is told, and how it begins. */
const TOLD: readonly (readonly [column: string, before: string])[] = [
  ['name', ''],
  ['outcome', ', '],
  ['power', ': '],
  ['energy', ', '],
  ['took', ', '],
  ['when', ', ']
];

function bandsOf(cells: Model | null): ShownBand[] {
  const starts = cells?.get('start') ?? [];
  const at = (column: string, i: number): string | number => cells?.get(column)?.[i] ?? '';
  return Array.from(starts, (start, i) => ({
    start: Number(start),
    end: Number(at('end', i)),
    cellId: String(at('cell_id', i)),
    told: TOLD.map(([column, before]) => `${before}${String(at(column, i))}`).join('')
  }));
}

/** The frames around a band. */
const MARKS = ['power-mark', 'lanes-mark'];

/** As many times as there is room for. */
function thin(ticks: Model | null, width: number): void {
  const many = Math.min(6, Math.max(2, Math.floor(width / TICK)));
  if (ticks !== null && ticks.desired_num_ticks !== many) {
    ticks.desired_num_ticks = many;
  }
}

function drawn(views: Views): Drawn {
  const [root] = views;
  const named = (name: string): Model | null =>
    root?.model.document.get_model_by_name(name) ?? null;
  const [time, cells] = [named('time'), named('cell-bands')];
  const whole = { start: time?.reset_start ?? 0, end: time?.reset_end ?? 0 };
  return {
    clear: () => views.clear(),
    fit: width => {
      LEGENDS.forEach(name => show(named(name), width));
      thin(named('time-ticks'), width);
    },
    range: () =>
      time === null || (time.start <= time.reset_start && time.end >= time.reset_end)
        ? null
        : { start: time.start, end: time.end },
    zoom: range => time?.setv(range ?? whole),
    whole,
    bands: bandsOf(cells),
    mark: band => {
      const shown =
        band === null ? { visible: false } : { left: band.start, right: band.end, visible: true };
      MARKS.forEach(name => named(name)?.setv(shown));
    },
    onZoom: zoomed => time?.change.connect(zoomed),
    onPick: picked =>
      cells?.selected.change.connect(() => {
        const [first] = cells.selected.indices;
        const cellId = first === undefined ? '' : String(cells.get('cell_id')?.[first] ?? '');
        if (cellId !== '') {
          picked(cellId);
        }
      })
  };
}

/** With the page's own cookie, as all of the server's scripts. */
function loadScript(url: string, words: Words): Promise<void> {
  return new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = url;
    script.async = true;
    script.onload = () => done();
    script.onerror = () => {
      script.remove();
      failed(new Error(words.__('The chart cannot be drawn: the server has no BokehJS.')));
    };
    document.head.appendChild(script);
  });
}

/** The colour of the panel's text (or of another node's), as `#rrggbb`: that of the theme. */
export function ink(node: Element | null = document.querySelector('.jp-Costmeter')): string {
  const panel = node ?? document.body;
  const parts = getComputedStyle(panel).color.match(/[\d.]+/g) ?? [];
  const two = (part: string): string => Math.round(Number(part)).toString(16).padStart(2, '0');
  return parts.length < 3 ? '#808080' : `#${parts.slice(0, 3).map(two).join('')}`;
}
