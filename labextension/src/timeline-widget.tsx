/** The timeline in JupyterLab's main area, and the command that opens it. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, type ICommandPalette } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';
import { reveal } from './cells.js';
import { ink, type Charts } from './charts.js';
import type { Follower, NotebookMeter } from './follow.js';
import { timelineIcon } from './icons.js';
import { Timeline } from './parts/timeline.js';
import { Stand, type Commands } from './parts/state.js';
import { ViewContext } from './parts/view.js';
import type { Get } from './rest.js';
import type { Settings } from './settings.js';
import { TIMELINE, TimelineView } from './timeline.js';
import type { Words } from './words.js';

const ID = 'jupyter-costmeter-timeline';
/** While a cell runs its power is looked at so often (milliseconds). */
const RUNS_MS = 10_000;

/** What it needs of the plugin. */
interface Needs {
  app: JupyterFrontEnd;
  follower: Follower;
  settings: Settings;
  charts: Charts;
  get: Get;
  words: Words;
}

class TimelinePanel extends ReactWidget {
  private readonly view: TimelineView;
  private readonly commands: Commands;

  constructor(private readonly needs: Needs) {
    super();
    const { app, follower, settings, get } = needs;
    this.view = new TimelineView(
      get,
      () => this.isVisible && !document.hidden,
      () => this.update(),
      () => ink(this.node)
    );
    this.commands = {
      has: id => app.commands.hasCommand(id),
      run: id => void app.commands.execute(id)
    };
    this.addClass('jp-Costmeter');
    this.addClass('jp-Costmeter-timeline');
    follower.changed.connect(this.follow, this);
    follower.ticked.connect(this.tell, this); // what runs is longer by now
    settings.changed.connect(this.update, this);
    document.addEventListener('visibilitychange', this.look);
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this.look);
    this.view.stop();
    super.dispose();
  }

  /** There may be more by now, or the theme is another. */
  readonly look = (): void => this.view.refresh();

  /** It may be shown from its first moment, without ever becoming so. */
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.onAfterShow();
  }

  protected override onAfterShow(): void {
    this.follow();
    this.look();
  }

  private follow(): void {
    this.tell();
    this.update();
  }

  private tell(): void {
    const meter = this.needs.follower.current;
    const about = meter && { path: meter.path(), session: meter.model.sessionId };
    this.view.follow(about, meter === null ? '' : figuresOf(meter));
  }

  protected override render(): React.JSX.Element {
    const { follower, settings, charts, words } = this.needs;
    const meter = follower.current;
    const { energyUnit, showMoney } = settings;
    return (
      <ViewContext.Provider value={{ words, energyUnit, showMoney }}>
        {meter === null ? (
          <Stand state="no-notebook" commands={this.commands} />
        ) : (
          <Timeline view={this.view} charts={charts} reveal={id => this.reveal(meter, id)} />
        )}
      </ViewContext.Provider>
    );
  }

  private reveal({ panel }: NotebookMeter, cellId: string): void {
    this.needs.app.shell.activateById(panel.id);
    void reveal(panel, cellId);
  }
}

/** What changes when there is something new to draw. */
function figuresOf({ model, feed, budgets }: NotebookMeter): string {
  const { notebook } = feed.totals?.scopes ?? {};
  const ran = model.running.map(cell => [cell.id, Math.floor((1000 * cell.wall_s) / RUNS_MS)]);
  const between = model.summary?.buckets.map(({ bucket, totals }) => [bucket, totals.length]);
  const limits = budgets
    .verdicts()
    .map(({ id, limit, granted, state }) => [id, limit, granted, state]);
  return JSON.stringify([model.summary?.cells, between, notebook?.cells, ran, limits]);
}

/** The command; answers what to do when the theme is another. */
export function addTimeline(needs: Needs, palette: ICommandPalette | null): () => void {
  const { app, words } = needs;
  let shown: MainAreaWidget<TimelinePanel> | null = null;
  app.commands.addCommand(TIMELINE, {
    label: words.__('Cost Meter: Timeline'),
    caption: words.__('The power of each device over time, with the cells as bands'),
    icon: args => (args.isPalette === true ? undefined : timelineIcon),
    describedBy: { args: { type: 'object', properties: { isPalette: { type: 'boolean' } } } },
    execute: () => {
      if (shown === null || shown.isDisposed) {
        shown = made(needs);
        app.shell.add(shown, 'mode' in app.shell ? 'main' : 'down', { mode: 'split-bottom' });
      }
      app.shell.activateById(shown.id);
    }
  });
  palette?.addItem({
    command: TIMELINE,
    category: words.__('Cost Meter'),
    args: { isPalette: true }
  });
  return () => shown?.content.look();
}

function made(needs: Needs): MainAreaWidget<TimelinePanel> {
  const widget = new MainAreaWidget({ content: new TimelinePanel(needs) });
  widget.id = ID;
  widget.title.label = needs.words.__('Timeline');
  widget.title.icon = timelineIcon;
  widget.title.closable = true;
  return widget;
}
