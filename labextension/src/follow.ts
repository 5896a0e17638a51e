/** A meter for each open notebook, and which of them the panel shows. */
import type { Contents } from '@jupyterlab/services';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import type { Cell, Notice, Said } from './api.js';
import { ink } from './charts.js';
import { chosenCells } from './cells.js';
import { LedgerFeed } from './feed.js';
import { CellForecast } from './forecast.js';
import { KernelLink } from './kernel.js';
import { Latecomers } from './latecomers.js';
import { SessionModel } from './model.js';
import { NotebookBudgets } from './notebook-budgets.js';
import type { Get } from './rest.js';
import { Selection } from './selection.js';
import { StatementDesk } from './statement.js';
import { TagDesk } from './tag-desk.js';
import type { Words } from './words.js';

/** What a notebook's meter asks of the one who follows it. */
interface Following {
  get: Get;
  words: Words;
  wanted: (meter: NotebookMeter) => boolean;
  changed: () => void;
  ticked: () => void;
  noticed: (meter: NotebookMeter, notices: readonly Notice[]) => void;
  settled: (budget: string) => void;
  ended: (meter: NotebookMeter, cells: readonly Cell[]) => void;
  priced: (meter: NotebookMeter, cells: readonly Cell[]) => void;
  heard: (meter: NotebookMeter) => void;
}

/** All that is known of one notebook's cost: its kernel's session, and the ledger's totals. */
export class NotebookMeter implements IDisposable {
  readonly model: SessionModel;
  readonly feed: LedgerFeed;
  readonly link: KernelLink;
  readonly budgets: NotebookBudgets;
  readonly forecast: CellForecast;
  readonly tags: TagDesk;
  readonly statement: StatementDesk;
  /** The button's attempt to load the meter: under way, and why the last one failed. */
  loading = false;
  loadError: Error | null = null;
  isDisposed = false;
  private introduced: string | null = null;
  private readonly selection: Selection;
  private readonly latecomers: Latecomers;

  constructor(
    readonly panel: NotebookPanel,
    readonly path: () => string,
    private readonly following: Following
  ) {
    const { get, words, changed } = following;
    const wanted = (): boolean => following.wanted(this);
    this.model = new SessionModel(ticked => this.onModel(ticked));
    this.feed = new LedgerFeed(
      get,
      path,
      wanted,
      () => this.onTotals(),
      ({ session_cells, scopes }) =>
        (session_cells ?? scopes.notebook.cells) >= (this.model.summary?.cells ?? 0),
      () => this.model.sessionId,
      () => void this.link.introduce() // the kernel knows why it could not write them
    );
    this.link = new KernelLink(
      panel.sessionContext,
      this.model,
      () => this.feed.totals?.notebook ?? null,
      ended => this.onEnd(ended),
      notices => following.noticed(this, notices)
    );
    this.latecomers = new Latecomers(
      this.model,
      () => this.link.introduce(),
      cells => following.priced(this, cells)
    );
    const made = (id: string | null): void => {
      if (this.model.phase === 'metered') {
        void this.link.introduce(); // the kernel's next cell is held by what has just been set
      }
      if (id !== null) {
        following.settled(id);
      }
    };
    this.budgets = new NotebookBudgets(get, path, this.model, wanted, words, changed, made, ink);
    this.forecast = new CellForecast(get, path, () => wanted() && this.foretells, changed);
    this.tags = new TagDesk(get, path, words, changed, () => this.feed.request());
    this.statement = new StatementDesk(changed);
    this.selection = new Selection(panel.content, selected => this.forecast.about(selected));
    panel.content.selectionChanged.connect(this.onSelected, this);
    panel.content.activeCellChanged.connect(this.onSelected, this);
    panel.context.pathChanged.connect(this.onMoved, this);
  }

  /** Read the ledger, and what is made of it, as soon as somebody looks. */
  ask(): void {
    this.feed.request();
    this.askMore();
  }

  /** Ask again, as somebody wishes, also over a connection that was given up. */
  async again(): Promise<void> {
    this.ask();
    await this.link.reconnect();
  }

  private askMore(): void {
    this.budgets.feed.request();
    this.forecast.request();
  }

  /** Let what waits in the kernel's memory be written, as somebody wishes. */
  async save(): Promise<void> {
    if (this.model.phase === 'metered') {
      await this.link.save();
    }
    this.ask();
  }

  /** What a run is said to be: in the ledger, as it may have been said after its end. */
  said(cell: Cell): Said {
    return this.feed.totals?.tagged.get(cell.id) ?? cell;
  }

  /** Nothing is foretold of a notebook that is not metered and has no budget. */
  private get foretells(): boolean {
    return this.model.phase === 'metered' || this.budgets.verdicts().length > 0;
  }

  dispose(): void {
    this.isDisposed = true;
    this.link.dispose();
    this.feed.stop();
    this.budgets.stop();
    this.forecast.stop();
    this.selection.dispose();
    Signal.disconnectReceiver(this);
  }

  async load(): Promise<void> {
    this.loading = true;
    this.loadError = null;
    this.following.changed();
    try {
      await this.link.load(this.following.words);
    } catch (error) {
      this.loadError = error instanceof Error ? error : new Error(String(error));
    }
    this.loading = false;
    this.following.changed();
  }

  /** Other assumptions hold from now on: ask for all figures again. */
  reprice(): void {
    this.ask();
    if (this.model.phase === 'metered') {
      this.model.outdate();
      void this.link.introduce();
    }
  }

  private onModel(ticked: boolean): void {
    if (this.model.phase !== 'unmetered') {
      this.loadError = null; // it has been loaded after all, or the kernel is another
    }
    this.forecast.resume(); // it may have become worth asking
    this.following.heard(this);
    this.latecomers.check();
    this.following[ticked ? 'ticked' : 'changed']();
  }

  private onSelected(): void {
    if (this.tags.cells !== null) {
      void this.tags.follow(chosenCells(this.panel));
    }
  }

  private onEnd(cells: readonly Cell[]): void {
    this.feed.hear(cells.length);
    this.askMore();
    if (cells.length > 0) {
      this.latecomers.add(cells);
      this.following.ended(this, cells);
    }
  }

  private onMoved(): void {
    this.tags.cancel();
    this.feed.moved();
    this.budgets.moved();
    this.forecast.request();
  }

  /** The server knows the notebook's absolute path, and the kernel may have another, from before a move. */
  private onTotals(): void {
    const path = this.feed.totals?.notebook ?? null;
    const { phase, session } = this.model;
    if (
      phase === 'metered' &&
      session &&
      path &&
      path !== session.notebook &&
      path !== this.introduced
    ) {
      this.introduced = path; // once, or a kernel that insists on its own path would be asked for ever
      void this.link.introduce();
    }
    this.forecast.request(); // there may be runs in the ledger now that were not when the cell ended
    this.following.changed();
  }
}

/** Follows the current notebook. */
export class Follower {
  private readonly meters = new WeakMap<NotebookPanel, NotebookMeter>();
  private readonly signal = new Signal<this, void>(this);
  /** The cells that run in the current notebook have run on, and nothing else is new. */
  readonly ticked = new Signal<this, void>(this);
  /** Something has happened to a budget, in whichever notebook. */
  readonly noticed = new Signal<this, { meter: NotebookMeter; notices: readonly Notice[] }>(this);
  /** The user has changed, extended or deleted a budget: what was said of it is done with. */
  readonly settled = new Signal<this, string>(this);
  /** Cells have ended, in whichever notebook. */
  readonly ended = new Signal<this, { meter: NotebookMeter; cells: readonly Cell[] }>(this);
  /** What cells cost that ended before that could be said. */
  readonly priced = new Signal<this, { meter: NotebookMeter; cells: readonly Cell[] }>(this);
  /** A kernel has told more, in whichever notebook. */
  readonly heard = new Signal<this, NotebookMeter>(this);
  /** Other assumptions hold. */
  readonly repriced = new Signal<this, void>(this);
  private shown = false;

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly contents: Contents.IManager,
    private readonly get: Get,
    private readonly words: Words
  ) {
    tracker.forEach(panel => this.add(panel));
    tracker.widgetAdded.connect((_, panel) => this.add(panel));
    tracker.currentChanged.connect(() => this.refresh());
  }

  /** Something that is shown has changed. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  get current(): NotebookMeter | null {
    const panel = this.tracker.currentWidget;
    return panel === null ? null : this.of(panel);
  }

  /** The meter of a notebook. */
  of(panel: NotebookPanel): NotebookMeter | null {
    return this.meters.get(panel) ?? null;
  }

  /** Whether somebody looks at the panel: nothing ticks and no server is asked for a hidden one. */
  get visible(): boolean {
    return this.shown;
  }

  set visible(visible: boolean) {
    if (visible !== this.shown) {
      this.shown = visible;
      this.refresh();
    }
  }

  /** The machine stands elsewhere, or is said to: all notebooks' figures change. */
  reprice(): void {
    this.tracker.forEach(panel => this.meters.get(panel)?.reprice());
    this.repriced.emit();
  }

  /** Read the ledger for what comes into view. */
  private refresh(): void {
    this.current?.ask();
    this.signal.emit();
  }

  private add(panel: NotebookPanel): void {
    const tell = (signal: Signal<this, void>) => (): void => {
      if (this.tracker.currentWidget === panel) {
        signal.emit();
      }
    };
    const changed = tell(this.signal);
    const ticked = tell(this.ticked);
    const path = (): string => this.contents.localPath(panel.context.path);
    const wanted = (meter: NotebookMeter): boolean => this.shown && this.current === meter;
    const { get, words } = this;
    const noticed = (from: NotebookMeter, notices: readonly Notice[]): void =>
      this.noticed.emit({ meter: from, notices });
    const ended = (from: NotebookMeter, cells: readonly Cell[]): void =>
      this.ended.emit({ meter: from, cells });
    const priced = (from: NotebookMeter, cells: readonly Cell[]): void =>
      this.priced.emit({ meter: from, cells });
    const heard = (from: NotebookMeter): void => this.heard.emit(from);
    const settled = (id: string): void => this.settled.emit(id);
    const following = {
      get,
      words,
      wanted,
      changed,
      ticked,
      noticed,
      settled,
      ended,
      priced,
      heard
    };
    const meter = new NotebookMeter(panel, path, following);
    this.meters.set(panel, meter);
    panel.disposed.connect(() => {
      meter.dispose();
      this.meters.delete(panel);
    });
    changed();
  }
}
