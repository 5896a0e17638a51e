/** A meter for each open notebook, and which of them the panel shows. */
import type { Contents } from '@jupyterlab/services';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { LedgerFeed } from './feed.js';
import { KernelLink } from './kernel.js';
import { SessionModel } from './model.js';
import type { Get } from './rest.js';

/** All that is known of one notebook's cost: its kernel's session, and the ledger's totals. */
export class NotebookMeter implements IDisposable {
  readonly model: SessionModel;
  readonly feed: LedgerFeed;
  readonly link: KernelLink;
  /** The button's attempt to load the meter: under way, and why the last one failed. */
  loading = false;
  loadError: Error | null = null;
  isDisposed = false;
  private introduced: string | null = null;

  constructor(
    readonly panel: NotebookPanel,
    readonly path: () => string,
    get: Get,
    wanted: (meter: NotebookMeter) => boolean,
    private readonly changed: () => void
  ) {
    this.model = new SessionModel(() => this.onModel());
    this.feed = new LedgerFeed(
      get,
      path,
      () => wanted(this),
      () => this.onTotals(),
      ({ session_cells, scopes }) =>
        (session_cells ?? scopes.notebook.cells) >= (this.model.summary?.cells ?? 0),
      () => this.model.sessionId
    );
    this.link = new KernelLink(
      panel.sessionContext,
      this.model,
      () => this.feed.totals?.notebook ?? null,
      () => this.feed.request()
    );
    panel.context.pathChanged.connect(this.onMoved, this);
  }

  dispose(): void {
    this.isDisposed = true;
    this.link.dispose();
    this.feed.stop();
    Signal.disconnectReceiver(this);
  }

  async load(): Promise<void> {
    this.loading = true;
    this.loadError = null;
    this.changed();
    try {
      await this.link.load();
    } catch (error) {
      this.loadError = error instanceof Error ? error : new Error(String(error));
    }
    this.loading = false;
    this.changed();
  }

  /** Other assumptions hold from now on: ask for all figures again. */
  reprice(): void {
    this.feed.request();
    if (this.model.phase === 'metered') {
      this.model.outdate();
      void this.link.introduce();
    }
  }

  private onModel(): void {
    if (this.model.phase !== 'unmetered') {
      this.loadError = null; // it has been loaded after all, or the kernel is another
    }
    this.changed();
  }

  private onMoved(): void {
    this.feed.moved();
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
    this.changed();
  }
}

/** Follows the current notebook. */
export class Follower {
  private readonly meters = new WeakMap<NotebookPanel, NotebookMeter>();
  private readonly signal = new Signal<this, void>(this);
  private shown = false;

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly contents: Contents.IManager,
    private readonly get: Get
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
    return panel === null ? null : (this.meters.get(panel) ?? null);
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
  }

  /** Read the ledger for what comes into view. */
  private refresh(): void {
    this.current?.feed.request();
    this.signal.emit();
  }

  private add(panel: NotebookPanel): void {
    const changed = (): void => {
      if (this.tracker.currentWidget === panel) {
        this.signal.emit();
      }
    };
    const path = (): string => this.contents.localPath(panel.context.path);
    const wanted = (meter: NotebookMeter): boolean => this.shown && this.current === meter;
    const meter = new NotebookMeter(panel, path, this.get, wanted, changed);
    this.meters.set(panel, meter);
    panel.disposed.connect(() => {
      meter.dispose();
      this.meters.delete(panel);
    });
    changed();
  }
}
