/** The totals of the open notebook: its session's from the kernel, the rest from the ledger. */
import React, { useContext, useEffect, useRef } from 'react';
import type { Costs } from './api.js';
import type { NotebookMeter } from './follow.js';
import { withoutSome } from './lacking.js';
import { GpuNote, lackingText, mismatchText, ShareNote, SimulatedNote } from './parts/notices.js';
import { FoldsContext } from './parts/section.js';
import { Totals, type Row } from './parts/totals.js';
import { Used } from './parts/used.js';
import { useView } from './parts/view.js';
import { WhatIf } from './parts/whatif.js';
import { WhereAsked, WherePart, type WhereProps } from './parts/where.js';
import type { Places } from './places.js';
import type { Where } from './rest.js';
import type { Settings } from './settings.js';
import type { Supposing } from './supposing.js';
import type { Words } from './words.js';

export interface NotebookTotalsProps {
  meter: NotebookMeter;
  settings: Settings;
  places: Places;
  supposing: Supposing;
  ticks: boolean;
}

/** The machine that the kernel runs on; the server's own where that is not known. */
export const machineOf = ({ model, path }: NotebookMeter): Where => ({
  host: model.session?.host ?? null,
  path: path()
});

export function MeterTotals(props: NotebookTotalsProps): React.JSX.Element {
  const { meter } = props;
  const { words } = useView();
  const { model, feed } = meter;
  const summary = model.summary ?? feed.totals?.scopes.notebook;
  const opens = useRef(false);
  usePlace(props);
  return (
    <Totals
      rows={rows(meter, words)}
      below={
        <>
          <Asked {...props} opens={opens} />
          <SimulatedNote sensors={model.sensors} />
          <ShareNote share={feed.totals?.share ?? null} />
        </>
      }
      head={summary && <Used summary={summary} />}
    >
      <Place {...props} opens={opens} />
      <GpuNote sensors={meter.model.sensors} />
      <ShareNote share={feed.totals?.share ?? null} />
      <Elsewhere {...props} />
    </Totals>
  );
}

/** What is derived of the joules: of the session, else of the notebook's past. */
const costsOf = ({ model, feed }: NotebookMeter): Costs | null =>
  model.summary?.costs ?? feed.totals?.scopes.notebook.costs ?? null;

/** Ask where it stands while somebody looks; not where nothing is derived of the joules. */
function usePlace({ meter, places, ticks }: NotebookTotalsProps): void {
  const { totals } = meter.feed;
  const { host, path } = machineOf(meter);
  const costs = costsOf(meter);
  const wanted = ticks && costs !== null;
  const factors = costs?.applied.map(({ text }) => text).join('\n') ?? '';
  useEffect(() => {
    if (wanted) {
      void places.want({ host, path }, factors);
    }
  }, [wanted, places, host, path, totals, factors]);
}

type PlaceProps = NotebookTotalsProps & Pick<WhereProps, 'opens'>;

/** Where it runs. */
function Place({ meter, places, settings, opens }: PlaceProps): React.JSX.Element | null {
  const costs = costsOf(meter);
  if (costs === null) {
    return null;
  }
  const dismiss = (): void => void settings.dismissWhere();
  const known = { places, machine: machineOf(meter), costs, dismiss, opens };
  return (
    <div className="jp-Costmeter-assumptions">
      <WherePart {...known} asks={settings.askWhere} />
    </div>
  );
}

/** The same as a question, for who has not opened the totals. */
function Asked({ meter, places, settings, opens }: PlaceProps): React.JSX.Element | null {
  const { toggle } = useContext(FoldsContext);
  const costs = costsOf(meter);
  const open = (): void => {
    opens.current = true;
    toggle('totals');
  };
  return costs === null ? null : (
    <WhereAsked
      {...{ costs, open }}
      place={places.placeOf(machineOf(meter))}
      asks={settings.askWhere}
      dismiss={() => void settings.dismissWhere()}
    />
  );
}

/** What if it ran elsewhere. */
function Elsewhere({ meter, places, supposing }: NotebookTotalsProps): React.JSX.Element | null {
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

/** What the ledger has of a scope; where it lacks this session's cells, no zero and no whole. */
function ledgerRow(
  meter: NotebookMeter,
  scope: 'notebook' | 'project',
  why: string,
  words: Words
): Row {
  const { totals } = meter.feed;
  const summary = totals?.scopes[scope] ?? null;
  const title = totals?.[scope] ?? '';
  const host = lackingOf(meter);
  if (host === null || summary === null) {
    return { scope, summary, title, why };
  }
  const lacks = lackingText(host, words);
  return { scope, summary: withoutSome(summary, lacks), title, why: lacks, lacks };
}

/** Of which machine the server's ledger lacks the kernel's cells, '' where that is not known; null where it has them. */
export const lackingOf = ({ model, feed }: NotebookMeter): string | null =>
  feed.short ? (model.session?.host ?? '') : null;

function whyOf({ feed: { problem } }: NotebookMeter, words: Words): string {
  if (problem === null) {
    return words.__('Being read from the ledger');
  }
  return typeof problem === 'string' ? problem : mismatchText(problem, words);
}

/** The session from the kernel; the notebook and its project, across restarts, from the ledger. */
function rows(meter: NotebookMeter, words: Words): Row[] {
  const { model, feed } = meter;
  const { totals } = feed;
  const why = whyOf(meter, words);
  const since = words.__('Since the meter was loaded into this kernel');
  const all: (Row | false)[] = [
    model.summary !== null && { scope: 'session', summary: model.summary, title: since, why },
    ledgerRow(meter, 'notebook', why, words),
    totals?.project !== null && ledgerRow(meter, 'project', why, words)
  ];
  return all.filter((row): row is Row => row !== false);
}
