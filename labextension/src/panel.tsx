/** The sidebar's panel: React widgets over the Follower's state. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ISignal } from '@lumino/signaling';
import React from 'react';
import type { Forecast } from './budget.js';
import type { Cell } from './api.js';
import { asksOnly, firstLine, reveal } from './cells.js';
import type { Charts } from './charts.js';
import { explaining } from './explaining.js';
import { keepFocus } from './focus.js';
import type { Follower, NotebookMeter } from './follow.js';
import { costIcon } from './icons.js';
import { lackingOf, machineOf, MeterTotals } from './notebook-totals.js';
import { Budgets } from './parts/budgets.js';
import { Dearest } from './parts/dearest.js';
import { ExportButton } from './parts/export.js';
import { NextRun } from './parts/forecast.js';
import { HeldNote } from './parts/held.js';
import { Warnings, type Help } from './parts/notices.js';
import { Paper } from './parts/paper.js';
import { More } from './parts/more.js';
import { Running } from './parts/running.js';
import { FoldsContext, type Folds } from './parts/section.js';
import { Load, Stand, type Commands } from './parts/state.js';
import { useSignal } from './parts/tick.js';
import { TimelineButton } from './parts/timeline-button.js';
import { useView, ViewContext } from './parts/view.js';
import type { Places } from './places.js';
import { SCOPES, type Get, type Scope } from './rest.js';
import { arranged, type Section } from './sections.js';
import type { Settings } from './settings.js';
import type { Order } from './statement.js';
import { Supposing } from './supposing.js';
import { TIMELINE } from './timeline.js';
import type { Words } from './words.js';

export const PANEL_ID = 'jupyter-costmeter';

/** Opens the menu of exports at an element. */
export type OpenMenu = (anchor: HTMLElement) => void;

/** What buttons of the panel do outside of it, for a notebook. */
export interface Deeds {
  openMenu: OpenMenu;
  tag: () => void;
  commands: Commands;
  statement: (meter: NotebookMeter, order: Order) => Promise<void>;
}

export class CostPanel extends ReactWidget {
  private drawnVisible = false;
  private readonly supposing: Supposing;
  private readonly stop: () => void;

  constructor(
    private readonly follower: Follower,
    private readonly settings: Settings,
    private readonly words: Words,
    private readonly places: Places,
    get: Get,
    private readonly charts: Charts,
    private readonly deeds: Deeds
  ) {
    super();
    this.supposing = new Supposing(get, () => this.redraw());
    const unlisten = places.listen(() => this.redraw());
    const letGo = keepFocus(this.node);
    const silence = explaining(this.node);
    this.stop = () => {
      unlisten();
      letGo();
      silence();
    };
    this.id = PANEL_ID;
    this.addClass('jp-Costmeter');
    this.title.icon = costIcon;
    this.title.caption = words.__('Cost Meter');
    this.node.tabIndex = -1; // so that the shortcut can bring the focus here
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', words.__('Cost Meter'));
    this.node.setAttribute(
      'aria-description',
      words.__('Up and down go through the figures and say where each is from.')
    );
    follower.changed.connect(this.redraw, this);
    settings.changed.connect(this.redraw, this);
    document.addEventListener('visibilitychange', this.look);
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this.look);
    this.stop();
    super.dispose();
  }

  protected override onAfterShow(): void {
    this.look();
  }

  /** From here the keyboard goes on. */
  protected override onActivateRequest(): void {
    this.node.focus();
  }

  protected override onAfterHide(): void {
    this.look();
  }

  private readonly look = (): void => {
    this.follower.visible = this.isVisible && !document.hidden;
  };

  /** A hidden panel is drawn once more, so that its ticker stops, and then no more. */
  private redraw(): void {
    const { visible } = this.follower;
    if (visible || this.drawnVisible) {
      this.drawnVisible = visible;
      this.update();
    }
  }

  protected override render(): React.JSX.Element {
    const meter = this.follower.current;
    const { settings, places, supposing, charts, words, deeds } = this;
    const { energyUnit, showMoney } = settings;
    return (
      <ViewContext.Provider value={{ words, energyUnit, showMoney }}>
        <FoldsContext.Provider value={foldsOf(settings)}>
          {meter === null ? (
            <>
              <Header />
              <Stand state="no-notebook" commands={deeds.commands} />
            </>
          ) : (
            <Notebook
              meter={meter}
              {...{ places, settings, supposing, charts, deeds }}
              ticks={this.follower.visible}
              ticked={this.follower.ticked}
            />
          )}
        </FoldsContext.Provider>
      </ViewContext.Provider>
    );
  }
}

const foldsOf = (settings: Settings): Folds => ({
  isOpen: name => settings.openSections.includes(name),
  toggle: name => void settings.toggleSection(name)
});

interface NotebookProps {
  meter: NotebookMeter;
  settings: Settings;
  places: Places;
  supposing: Supposing;
  charts: Charts;
  deeds: Deeds;
  ticks: boolean;
  ticked: ISignal<unknown, void>;
}

function Notebook(props: NotebookProps): React.JSX.Element {
  const { model } = props.meter;
  return (
    <>
      <Header path={props.meter.path()}>
        {model.phase === 'metered' && (
          <span className="jp-Costmeter-headerButtons">
            {seesAll(props.settings) && (
              <TimelineButton open={() => props.deeds.commands.run(TIMELINE)} />
            )}
            <ExportButton openMenu={props.deeds.openMenu} />
          </span>
        )}
      </Header>
      {model.phase === 'metered' ? <Metered {...props} /> : <Unmetered {...props} />}
    </>
  );
}

/** Whether somebody wants more than the first three lines. */
const seesAll = ({ showMore, sections }: Settings): boolean =>
  showMore || sections.includes('spent');

/** The panel's title, and below it which notebook it is about. */
function Header(props: { path?: string; children?: React.ReactNode }): React.JSX.Element {
  const { path, children } = props;
  const { words } = useView();
  return (
    <div className="jp-Costmeter-header">
      <h2>{words.__('Cost Meter')}</h2>
      {children}
      {path !== undefined && (
        <p className="jp-Costmeter-notebook" title={path}>
          {path.split('/').pop()}
        </p>
      )}
    </div>
  );
}

/** The panel's parts by section; what is not there says nothing. */
type Parts = Partial<Record<Section, React.ReactNode>>;

function Metered(props: NotebookProps): React.JSX.Element {
  const { meter, ticks } = props;
  const { model } = meter;
  return (
    <>
      <MeterWarnings {...props} />
      <HeldNote
        held={() => model.heldNow()}
        due={() => model.lookDue()}
        ticks={ticks}
        ask={() => void meter.link.introduce()}
      />
      <Sections
        {...props}
        parts={{
          now: <MeterRunning {...props} />,
          budgets: <MeterBudgets {...props} />,
          totals: <MeterTotals {...props} />,
          spent: <MeterSpent {...props} />,
          paper: <MeterPaper {...props} />
        }}
      />
    </>
  );
}

/** In the order of the settings; the rest behind "More", but what somebody has just asked for. */
function Sections(props: {
  meter: NotebookMeter;
  settings: Settings;
  parts: Parts;
}): React.JSX.Element {
  const { meter, settings, parts } = props;
  const { always, more } = arranged(settings.sections);
  const asked = {
    budgets: meter.budgets.asked !== '',
    paper: meter.tags.cells !== null || meter.statement.opened
  };
  const draw = (name: Section): React.ReactNode => (
    <React.Fragment key={name}>{parts[name]}</React.Fragment>
  );
  return (
    <>
      {always.map(draw)}
      <More
        shown={settings.showMore}
        asked={more.some(name => Object.entries(asked).some(([one, is]) => one === name && is))}
        toggle={() => void settings.toggleMore()}
      >
        {more.filter(name => parts[name] !== undefined).map(draw)}
      </More>
    </>
  );
}

/** What each second changes is here alone. */
function MeterRunning({ meter, ticks, ticked }: NotebookProps): React.JSX.Element {
  const { model, panel } = meter;
  useSignal(ticked);
  return (
    <Running
      cells={model.running}
      source={cell => firstLine(panel, cell.cell_id)}
      elapsed={cell => model.elapsed(cell)}
      nextTick={cell => model.nextTick(cell)}
      watts={cell => model.sparks.of(cell.id)}
      ticks={ticks && !model.lost}
      lost={model.lost}
      head={<NextRun forecast={nextRun(meter)} />}
    />
  );
}

function MeterSpent({ meter, settings }: NotebookProps): React.JSX.Element {
  const { model, panel } = meter;
  const asks = (cell: Cell): boolean => asksOnly(panel, cell.cell_id);
  return (
    <Dearest
      summary={model.summary}
      failed={model.failed(asks)}
      ranked={model.dearest(settings.dearestCount, asks)}
      source={cell => firstLine(panel, cell.cell_id)}
      said={cell => meter.said(cell)}
      reveal={cell => void reveal(panel, cell.cell_id)}
    />
  );
}

/** The ledger may know the notebook's past even where its kernel is not metered, or gone. */
function Unmetered(props: NotebookProps): React.JSX.Element {
  const { meter } = props;
  const { phase } = meter.model;
  const past = (meter.feed.totals?.scopes.notebook.cells ?? 0) > 0;
  const known = past || meter.budgets.verdicts().length > 0;
  const parts: Parts = {
    ...(known && { budgets: <MeterBudgets {...props} /> }),
    ...(past && { totals: <MeterTotals {...props} /> }),
    ...((past || meter.tags.cells !== null) && { paper: <MeterPaper {...props} /> })
  };
  return (
    <>
      {phase !== 'metered' && (
        <Stand
          state={phase}
          commands={props.deeds.commands}
          retry={() => void meter.link.retry()}
        />
      )}
      {phase === 'unmetered' && (
        <Load busy={meter.loading} error={meter.loadError} load={() => void meter.load()} />
      )}
      {known && <NextRun forecast={nextRun(meter)} />}
      <Sections {...props} parts={parts} />
    </>
  );
}

/** Of the selected cell, unless it runs: then its own row says more. */
function nextRun({ model, forecast }: NotebookMeter): Forecast | null {
  const runs = model.running.some(({ cell_id }) => cell_id === forecast.cellId);
  return runs ? null : forecast.forecast;
}

function MeterBudgets({ meter, charts, ticks }: NotebookProps): React.JSX.Element {
  const { panel, budgets, feed, model } = meter;
  const { answer } = budgets.feed;
  return (
    <Budgets
      {...{ budgets, charts, ticks }}
      notebook={answer?.notebook ?? feed.totals?.notebook ?? model.session?.notebook ?? null}
      source={cellId => firstLine(panel, cellId)}
      reveal={cellId => void reveal(panel, cellId)}
    />
  );
}

function MeterPaper({ meter, deeds }: NotebookProps): React.JSX.Element {
  const { tags, statement, feed, model } = meter;
  const there: Record<Scope, boolean> = {
    session: model.sessionId !== null,
    notebook: true,
    project: feed.totals?.project != null
  };
  return (
    <Paper
      {...{ tags, statement, tag: deeds.tag }}
      scopes={SCOPES.filter(scope => there[scope])}
      download={order => deeds.statement(meter, order)}
    />
  );
}

function MeterWarnings({ meter, places, deeds }: NotebookProps): React.JSX.Element {
  const { model, feed, link } = meter;
  const ledger = [model.ledger, feed.totals?.ledger ?? null].find(one => one?.ok === false);
  const mistakes = places.placeOf(machineOf(meter))?.problems ?? [];
  const known = {
    problem: model.problem,
    lost: model.lost,
    ledger: ledger ?? null,
    server: feed.problem,
    lacking: lackingOf(meter)
  };
  const act: Record<Help, () => unknown> = {
    retry: () => meter.again(),
    save: () => meter.save(),
    ask: () => link.introduce(),
    askBoth: () => meter.save(),
    restart: () => deeds.commands.run('notebook:restart-kernel'),
    reload: () => window.location.reload()
  };
  return <Warnings {...known} mistakes={mistakes} act={help => act[help]()} />;
}
