/** The lines below cells that have run here, or run: when which of them is drawn. */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { Cell, Running } from './api.js';
import { badgeOf, changesIn, FIGURES, liveBadge } from './badge.js';
import type { Follower, NotebookMeter } from './follow.js';
import { Asked, LastRuns } from './last-runs.js';
import { codeCells, onCells, type CellWidget, type Line, type Lines } from './lines.js';
import { fetchRuns, type Get } from './rest.js';
import type { Settings } from './settings.js';
import type { Words } from './words.js';

/** So many cells are asked for at a time, from the first in view on: those of a long notebook come soon. */
const AT_A_TIME = 100;
/** A cell so near to what is in view (pixels) has its line before it is seen. */
const NEAR = '800px 0px';
/** A kernel that is killed takes a moment to be gone. */
const GONE_MS = 3000;

/** What all notebooks share. */
interface Shared {
  lines: Lines;
  settings: Settings;
  get: Get;
  words: Words;
}

/** One notebook's lines: of the cells in view or near to it, since a notebook may have hundreds. */
class Board implements IDisposable {
  isDisposed = false;
  private readonly runs = new LastRuns();
  private readonly seen = new WeakSet<Cell>();
  private cells = new Map<string, CellWidget>();
  private running = new Map<string, Running>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly near = new Set<Element>();
  private readonly asked = new Asked();
  private readonly observer: IntersectionObserver;

  constructor(
    private readonly meter: NotebookMeter,
    private readonly shared: Shared
  ) {
    const { node } = meter.panel.content;
    const root = node.querySelector('.jp-WindowedPanel-outer') ?? node;
    const come = (seen: readonly IntersectionObserverEntry[]): void => this.come(seen);
    this.observer = new IntersectionObserver(come, { root, rootMargin: NEAR });
  }

  dispose(): void {
    this.isDisposed = true;
    this.observer.disconnect();
    clearTimeout(this.timer);
  }

  /** Other cells, or other settings. */
  drawAll(): void {
    this.cells = new Map(codeCells(this.meter.panel).map(cell => [cell.model.id, cell]));
    this.cells.forEach(({ node }) => this.observer.observe(node)); // known ones stay as they are
    this.draw(this.cells.keys());
    void this.ask();
    this.schedule();
  }

  /** The kernel has told more. */
  hear(): void {
    if (this.isDisposed) {
      return;
    }
    const { model } = this.meter;
    const ended = [...model.known()].filter(run => !this.seen.has(run));
    const ran = this.running;
    this.running = new Map(
      model.running.flatMap(run =>
        run.cell_id === null || run.parent_id !== null ? [] : [[run.cell_id, run] as const]
      )
    );
    this.take(ended, [...ran.keys(), ...this.running.keys()]);
    this.schedule();
    if (ended.length > 0) {
      void this.ask(); // for what was asked for in vain
    }
    if (ran.size > 0 && model.phase !== 'metered') {
      setTimeout(() => void this.fetch([...ran.keys()]), GONE_MS); // killed: the ledger has what was noted
    }
  }

  /** Other assumptions hold: what is known of earlier runs' costs is no longer so. */
  reprice(): void {
    this.runs.clear();
    this.asked.clear();
    void this.ask();
  }

  /** How to write all that is known of a cell's last runs, whatever its line shows; null where none is. */
  async said(id: string): Promise<() => Line | null> {
    const { settings, words } = this.shared;
    if (this.runs.of(id).length === 0) {
      await this.fetch([id], true);
    }
    const { energyUnit, showMoney } = settings;
    const all = { energyUnit, showMoney, cellLineFrom: 0, cellLineFigures: FIGURES };
    return () => badgeOf(this.runs.of(id), all, words);
  }

  /** Of the ledger, for runs of earlier sessions; an older server has no answer, and the panel says what is wrong. */
  private async ask(): Promise<void> {
    await this.meter.panel.context.ready;
    while (!this.isDisposed && this.shared.settings.cellLine) {
      const left = [...this.cells].filter(([id]) => !this.asked.has(id));
      const first = left.findIndex(([, { node }]) => this.near.has(node));
      if (first < 0) {
        return;
      }
      const ids = left.slice(first, first + AT_A_TIME).map(([id]) => id);
      if (!(await this.asked.of(ids, () => this.fetch(ids)))) {
        return; // again with the next news, or when others come into view
      }
    }
  }

  /** Cells have come into view, or have left it. */
  private come(seen: readonly IntersectionObserverEntry[]): void {
    const nodes = new Set(seen.filter(one => one.isIntersecting).map(({ target }) => target));
    seen.forEach(({ target }) => this.near.delete(target));
    nodes.forEach(node => this.near.add(node));
    this.draw([...this.cells].flatMap(([id, { node }]) => (nodes.has(node) ? [id] : [])));
    void this.ask();
  }

  /** Whether all that was wanted has been answered. */
  private async fetch(ids: readonly string[], anyway = false): Promise<boolean> {
    const { get, settings } = this.shared;
    const wanted = (): boolean => !this.isDisposed && (anyway || settings.cellLine);
    for (let i = 0; i < ids.length && wanted(); i += AT_A_TIME) {
      const some = ids.slice(i, i + AT_A_TIME);
      const found = await fetchRuns(get, this.meter.path(), some).catch(() => null);
      if (found === null) {
        return false;
      }
      this.take([...found.values()].flat(), []);
    }
    return wanted();
  }

  private take(runs: readonly Cell[], more: readonly string[]): void {
    runs.forEach(run => {
      this.seen.add(run);
      this.runs.put(run);
    });
    this.draw(new Set([...runs.flatMap(({ cell_id }) => cell_id ?? []), ...more]));
  }

  private draw(ids: Iterable<string>): void {
    for (const id of ids) {
      const cell = this.cells.get(id);
      if (cell !== undefined && !cell.isDisposed && this.near.has(cell.node)) {
        this.drawOne(id, cell);
      }
    }
  }

  /** A cell that has not run for long enough yet keeps the line of its last run. */
  private drawOne(id: string, cell: CellWidget): void {
    const { lines, settings, words } = this.shared;
    const run = this.running.get(id);
    const last = this.runs.of(id);
    const now = run && liveBadge(run, this.meter.model.elapsed(run), last, settings, words);
    lines.put(cell, 'badge', settings.cellLine ? (now ?? badgeOf(last, settings, words)) : null);
  }

  /** Tick while something runs and somebody looks; a hidden notebook is looked at with the kernel's next message. */
  private schedule(): void {
    clearTimeout(this.timer);
    if (!this.isLookedAt()) {
      return;
    }
    const { settings } = this.shared;
    const { model } = this.meter;
    const waits = [...this.running.values()].flatMap(
      run => changesIn(model.elapsed(run), model.nextTick(run), settings) ?? []
    );
    if (waits.length > 0 && !model.lost) {
      this.timer = setTimeout(() => this.tick(), 1000 * Math.min(...waits) + 1);
    }
  }

  private isLookedAt(): boolean {
    const { panel } = this.meter;
    return this.shared.settings.cellLine && panel.isVisible && !document.hidden;
  }

  private tick(): void {
    this.draw(this.running.keys());
    this.schedule();
  }
}

/** A board for each notebook. */
export class Badges {
  private readonly boards = new WeakMap<NotebookPanel, Board>();
  private readonly shared: Shared;

  constructor(
    tracker: INotebookTracker,
    private readonly follower: Follower,
    lines: Lines,
    settings: Settings,
    get: Get,
    words: Words
  ) {
    this.shared = { lines, settings, get, words };
    onCells(tracker, panel => this.of(panel)?.drawAll());
    settings.changed.connect(() => tracker.forEach(panel => this.of(panel)?.drawAll()));
    follower.repriced.connect(() => tracker.forEach(panel => this.of(panel)?.reprice()));
    follower.heard.connect((_, { panel }) => {
      const board = this.of(panel);
      setTimeout(() => board?.hear(), 0); // behind the panel, which React draws: the page is painted once
    });
  }

  /** How to write what is known of a cell's last runs, null where none is: for a reader, or plainly. */
  async said(panel: NotebookPanel, id: string): Promise<() => Line | null> {
    return (await this.of(panel)?.said(id)) ?? (() => null);
  }

  private of(panel: NotebookPanel): Board | null {
    const meter = this.follower.of(panel);
    const known = this.boards.get(panel);
    if (known !== undefined || meter === null) {
      return known ?? null;
    }
    const board = new Board(meter, this.shared);
    this.boards.set(panel, board);
    panel.disposed.connect(() => board.dispose());
    return board;
  }
}
