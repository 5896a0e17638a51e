import React from 'react';
import { totalOf, type Running as RunningCell } from '../api.js';
import { ticking } from '../format.js';
import { Figure, Least } from './figure.js';
import { Ahead } from './forecast.js';
import { Name } from './name.js';
import { TaggedMark } from './tagged.js';
import { GistParts, Section } from './section.js';
import { Spark } from './spark.js';
import { useClock } from './tick.js';
import { Busy } from './used.js';
import { useView } from './view.js';
import { CellLine } from './work.js';

interface RowProps {
  cell: RunningCell;
  source: string | null;
  elapsed: (cell: RunningCell) => number;
  /** Seconds until that is drawn anew, if nothing else is. */
  nextTick: (cell: RunningCell) => number;
  watts: (cell: RunningCell) => readonly number[];
  ticks: boolean;
  /** The kernel is not heard any more: it has run for so long at least. */
  lost: boolean;
}

type ClockProps = Pick<RowProps, 'elapsed' | 'nextTick' | 'ticks' | 'lost'>;

/** The only part that redraws by itself; without a message its time goes on from the last one. */
function Clock(props: ClockProps & Pick<RowProps, 'cell'>): React.JSX.Element {
  const now = props.elapsed(props.cell);
  useClock(props.ticks ? () => props.nextTick(props.cell) : null);
  return (
    <span
      className="jp-Costmeter-elapsed"
      data-elapsed={now.toFixed(1)}
      role="timer"
      aria-live="off"
    >
      {props.lost && <Least />}
      {ticking(now)}
    </span>
  );
}

function Row({ cell, source, watts, ...clock }: RowProps): React.JSX.Element {
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
      <Clock cell={cell} {...clock} />
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

export interface RunningProps extends ClockProps, Pick<RowProps, 'watts'> {
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
function Gist({ cells, elapsed, nextTick, ticks, lost }: RunningProps): React.JSX.Element {
  const { words } = useView();
  const [cell] = cells;
  useClock(ticks && cell !== undefined ? () => nextTick(cell) : null);
  if (cell === undefined) {
    return <>{words.__('Nothing runs')}</>;
  }
  const parts = [
    <Figure title={words.__('Energy so far')} name="energy_j" total={totalOf(cell, 'energy_j')} />,
    <span role="timer" aria-live="off">
      {lost && <Least />}
      {ticking(elapsed(cell))}
    </span>
  ];
  return <GistParts parts={parts} />;
}
