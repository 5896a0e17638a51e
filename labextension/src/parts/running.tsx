import React from 'react';
import { totalOf, type Running as RunningCell } from '../api.js';
import { isCalm } from '../calm.js';
import { ticking, tickStep } from '../format.js';
import { percent } from '../format.js';
import { Figure } from './figure.js';
import { Ahead } from './forecast.js';
import { Name } from './name.js';
import { TaggedMark } from './tagged.js';
import { GistParts, Section } from './section.js';
import { Spark } from './spark.js';
import { useTick } from './tick.js';
import { useView } from './view.js';
import { CellLine } from './work.js';

interface RowProps {
  cell: RunningCell;
  source: string | null;
  elapsed: (cell: RunningCell) => number;
  watts: (cell: RunningCell) => readonly number[];
  ticks: boolean;
}

/** The only part that redraws by itself; between two messages its time goes on from the last one. */
function Clock(props: Pick<RowProps, 'cell' | 'elapsed' | 'ticks'>): React.JSX.Element {
  const now = props.elapsed(props.cell);
  useTick(props.ticks, now, isCalm() ? 1 : tickStep(now));
  return (
    <span
      className="jp-Costmeter-elapsed"
      data-elapsed={now.toFixed(1)}
      role="timer"
      aria-live="off"
    >
      {ticking(isCalm() ? Math.floor(now) : now)}
    </span>
  );
}

function Row({ cell, source, elapsed, watts, ticks }: RowProps): React.JSX.Element {
  const { words } = useView();
  return (
    <div
      className="jp-Costmeter-running"
      data-cell-id={cell.cell_id ?? ''}
      data-nested={cell.parent_id !== null}
    >
      <span className="jp-Costmeter-line">
        <Name cell={cell} source={source} />
        <TaggedMark said={cell} />
      </span>
      <Clock {...{ cell, elapsed, ticks }} />
      <span className="jp-Costmeter-power">
        {cell.power && <Figure title={words.__('Power')} name="power_w" total={cell.power} />}
        <Spark watts={watts(cell)} />
        <Busy cell={cell} />
      </span>
      <Figure title={words.__('Energy so far')} name="energy_j" total={totalOf(cell, 'energy_j')} />
      <CellLine cell={cell} />
      <Ahead progress={cell.progress} forecast={cell.forecast} />
    </div>
  );
}

/** How busy the GPUs were that the cell has held so far; nothing where it held none. */
function Busy({ cell }: { cell: RunningCell }): React.JSX.Element | null {
  const { words } = useView();
  const [held, busy] = [totalOf(cell, 'gpu_reserved_s'), totalOf(cell, 'gpu_busy_s')];
  if (!held?.value || busy?.value == null) {
    return null;
  }
  const share = Math.min(1, busy.value / held.value);
  const mark = busy.method === 'measured' ? '' : '~';
  return (
    <span className="jp-Costmeter-busy" data-share={share} title={busy.sources.join('; ')}>
      {words.__('GPU %1 busy', mark + percent(share))}
    </span>
  );
}

export interface RunningProps extends Pick<RowProps, 'elapsed' | 'watts' | 'ticks'> {
  cells: readonly RunningCell[];
  source: (cell: RunningCell) => string | null;
  /** Above the cells. */
  head?: React.ReactNode;
}

export function Running(props: RunningProps): React.JSX.Element {
  const { cells, source, head, ...row } = props;
  const { words } = useView();
  return (
    <Section name="now" title={words.__('Now')} gist={<Gist {...props} />}>
      {head}
      {cells.length === 0 && <p className="jp-Costmeter-quiet">{words.__('Nothing runs.')}</p>}
      {cells.map(cell => (
        <Row key={cell.id} cell={cell} source={source(cell)} {...row} />
      ))}
    </Section>
  );
}

/** Of what runs the outermost cell: its time and its energy so far. */
function Gist({ cells, elapsed, ticks }: RunningProps): React.JSX.Element {
  const { words } = useView();
  const [cell] = cells;
  const now = cell === undefined ? 0 : elapsed(cell);
  useTick(ticks && cell !== undefined, now, 1);
  if (cell === undefined) {
    return <>{words.__('Nothing runs')}</>;
  }
  const parts = [
    <Figure title={words.__('Energy so far')} name="energy_j" total={totalOf(cell, 'energy_j')} />,
    <span role="timer" aria-live="off">
      {ticking(Math.floor(now))}
    </span>
  ];
  return <GistParts parts={parts} />;
}
