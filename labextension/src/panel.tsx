/** The sidebar's panel: React widgets over the Follower's state. */
import { ReactWidget } from '@jupyterlab/ui-components';
import React, { useEffect } from 'react';
import type { Cell, Costs, Running as RunningCell } from './api.js';
import type { Forecast } from './budget.js';
import { firstLine, reveal } from './cells.js';
import type { Charts } from './charts.js';
import type { Follower, NotebookMeter } from './follow.js';
import { costIcon } from './icons.js';
import { Budgets } from './parts/budgets.js';
import { Dearest } from './parts/dearest.js';
import { ExportButton } from './parts/export.js';
import { NextRun } from './parts/forecast.js';
import { HeldNote } from './parts/held.js';
import { GpuNote, Warnings } from './parts/notices.js';
import { Paper } from './parts/paper.js';
import { Running } from './parts/running.js';
import { Load, Stand } from './parts/state.js';
import { Totals, type Row } from './parts/totals.js';
import { Used } from './parts/used.js';
import { WhatIf } from './parts/whatif.js';
import { WherePart } from './parts/where.js';
import { useView, ViewContext } from './parts/view.js';
import type { Places } from './places.js';
import { SCOPES, type Get, type Scope, type Where } from './rest.js';
import type { Settings } from './settings.js';
import type { Order } from './statement.js';
import { Supposing } from './supposing.js';
import type { Words } from './words.js';

export const PANEL_ID = 'jupyter-costmeter';

/** Opens the menu of exports at an element. */
export type OpenMenu = (anchor: HTMLElement) => void;

/** What buttons of the panel do outside of it, for a notebook. */
export interface Deeds {
  openMenu: OpenMenu;
  tag: () => void;
  statement: (meter: NotebookMeter, order: Order) => Promise<void>;
}

export class CostPanel extends ReactWidget {
  private drawnVisible = false;
  private readonly supposing: Supposing;
  private readonly unlisten: () => void;

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
    this.unlisten = places.listen(() => this.redraw());
    this.id = PANEL_ID;
    this.addClass('jp-Costmeter');
    this.title.icon = costIcon;
    this.title.caption = words.__('Cost Meter');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', words.__('Cost Meter'));
    follower.changed.connect(this.redraw, this);
    settings.changed.connect(this.redraw, this);
    document.addEventListener('visibilitychange', this.look);
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this.look);
    this.unlisten();
    super.dispose();
  }

  protected override onAfterShow(): void {
    this.look();
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
        {meter === null ? (
          <>
            <Header />
            <Stand state="no-notebook" />
          </>
        ) : (
          <Notebook
            meter={meter}
            {...{ places, settings, supposing, charts, deeds }}
            ticks={this.follower.visible}
          />
        )}
      </ViewContext.Provider>
    );
  }
}

interface NotebookProps {
  meter: NotebookMeter;
  settings: Settings;
  places: Places;
  supposing: Supposing;
  charts: Charts;
  deeds: Deeds;
  ticks: boolean;
}

function Notebook(props: NotebookProps): React.JSX.Element {
  const { model } = props.meter;
  return (
    <>
      <Header path={props.meter.path()}>
        {model.phase === 'metered' && <ExportButton openMenu={props.deeds.openMenu} />}
      </Header>
      {model.phase === 'metered' ? <Metered {...props} /> : <Unmetered {...props} />}
    </>
  );
}

/** The panel's title, and below it which notebook it is about. */
function Header(props: { path?: string; children?: React.ReactNode }): React.JSX.Element {
  const { path, children } = props;
  const { words } = useView();
  return (
    <header className="jp-Costmeter-header">
      <h2>{words.__('Cost Meter')}</h2>
      {children}
      {path !== undefined && (
        <p className="jp-Costmeter-notebook" title={path}>
          {path.split('/').pop()}
        </p>
      )}
    </header>
  );
}

function Metered(props: NotebookProps): React.JSX.Element {
  const { meter, settings, ticks } = props;
  const { model, panel } = meter;
  const source = (cell: Cell | RunningCell): string | null => firstLine(panel, cell.cell_id);
  const elapsed = (cell: RunningCell): number => model.elapsed(cell);
  return (
    <>
      <MeterWarnings {...props} />
      <HeldNote
        held={() => model.heldNow()}
        due={() => model.lookDue()}
        ticks={ticks}
        ask={() => void meter.link.introduce()}
      />
      <NextRun forecast={nextRun(meter)} />
      <Running cells={model.running} source={source} elapsed={elapsed} ticks={ticks} />
      <MeterBudgets {...props} />
      <MeterTotals {...props} />
      <MeterPaper {...props} />
      <Dearest
        ranked={model.dearest(settings.dearestCount)}
        source={source}
        said={cell => meter.said(cell)}
        reveal={cell => void reveal(panel, cell.cell_id)}
      />
    </>
  );
}

/** The ledger may know the notebook's past even where its kernel is not metered, or gone. */
function Unmetered(props: NotebookProps): React.JSX.Element {
  const { meter } = props;
  const { phase } = meter.model;
  const past = (meter.feed.totals?.scopes.notebook.cells ?? 0) > 0;
  return (
    <>
      {phase !== 'metered' && <Stand state={phase} />}
      {phase === 'unmetered' && (
        <Load busy={meter.loading} error={meter.loadError} load={() => void meter.load()} />
      )}
      {(past || meter.budgets.verdicts().length > 0) && (
        <>
          <NextRun forecast={nextRun(meter)} />
          <MeterBudgets {...props} />
        </>
      )}
      {past && <MeterTotals {...props} />}
      {(past || meter.tags.cells !== null) && <MeterPaper {...props} />}
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

/** The machine that the kernel runs on; the server's own where that is not known. */
const machineOf = ({ model, path }: NotebookMeter): Where => ({
  host: model.session?.host ?? null,
  path: path()
});

function MeterWarnings({ meter, places }: NotebookProps): React.JSX.Element {
  const { model, feed } = meter;
  const ledger = [model.ledger, feed.totals?.ledger ?? null].find(one => one?.ok === false);
  const mistakes = places.placeOf(machineOf(meter))?.problems ?? [];
  const known = { problem: model.problem, ledger: ledger ?? null, server: feed.problem };
  return <Warnings {...known} mistakes={mistakes} />;
}

function MeterTotals(props: NotebookProps): React.JSX.Element {
  const { meter } = props;
  const { words } = useView();
  const { model, feed } = meter;
  const summary = model.summary ?? feed.totals?.scopes.notebook;
  return (
    <Totals
      rows={rows(meter, words)}
      head={
        <>
          <Place {...props} />
          {summary && <Used summary={summary} />}
        </>
      }
    >
      <GpuNote sensors={meter.model.sensors} />
      <Elsewhere {...props} />
    </Totals>
  );
}

/** What is derived of the joules: of the session, else of the notebook's past. */
const costsOf = ({ model, feed }: NotebookMeter): Costs | null =>
  model.summary?.costs ?? feed.totals?.scopes.notebook.costs ?? null;

/** Where it runs, asked where it is seen; nothing where nothing is derived of the joules. */
function Place(props: NotebookProps): React.JSX.Element | null {
  const { meter, places, settings, ticks } = props;
  const { totals } = meter.feed;
  const machine = machineOf(meter);
  const { host, path } = machine;
  const costs = costsOf(meter);
  const wanted = ticks && costs !== null;
  useEffect(() => {
    if (wanted) {
      void places.want({ host, path });
    }
  }, [wanted, places, host, path, totals]);
  if (costs === null) {
    return null;
  }
  const dismiss = (): void => void settings.dismissWhere();
  return (
    <div className="jp-Costmeter-assumptions">
      <WherePart {...{ places, machine, costs, dismiss }} asks={settings.askWhere} />
    </div>
  );
}

/** What if it ran elsewhere. */
function Elsewhere({ meter, places, supposing }: NotebookProps): React.JSX.Element | null {
  const { totals } = meter.feed;
  return costsOf(meter) === null ? null : (
    <div className="jp-Costmeter-assumptions">
      <WhatIf
        {...{ supposing, places }}
        path={meter.path()}
        session={meter.model.sessionId}
        figures={totals}
        project={totals?.project != null}
      />
    </div>
  );
}

/** The session from the kernel; the notebook and its project, across restarts, from the ledger. */
function rows({ model, feed }: NotebookMeter, words: Words): Row[] {
  const { totals, problem } = feed;
  const why = problem ?? words.__('Being read from the ledger');
  const since = words.__('Since the meter was loaded into this kernel');
  const all: (Row | false)[] = [
    model.summary !== null && { scope: 'session', summary: model.summary, title: since, why },
    {
      scope: 'notebook',
      summary: totals?.scopes.notebook ?? null,
      title: totals?.notebook ?? '',
      why
    },
    totals?.project !== null && {
      scope: 'project',
      summary: totals?.scopes.project ?? null,
      title: totals?.project ?? '',
      why
    }
  ];
  return all.filter((row): row is Row => row !== false);
}
