import React from 'react';
import { totalOf, type Running as RunningCell } from '../api.js';
import { ticking, tickStep } from '../format.js';
import { Figure } from './figure.js';
import { Ahead } from './forecast.js';
import { Name } from './name.js';
import { TaggedMark } from './tagged.js';
import { useTick } from './tick.js';
import { useView } from './view.js';
import { CellLine } from './work.js';

const CALM = '(prefers-reduced-motion: reduce)';

interface RowProps {
  cell: RunningCell;
  source: string | null;
  elapsed: (cell: RunningCell) => number;
  ticks: boolean;
}

/** The only part that redraws by itself; between two messages its time goes on from the last one. */
function Row({ cell, source, elapsed, ticks }: RowProps): React.JSX.Element {
  const { words } = useView();
  const calm = window.matchMedia(CALM).matches;
  const now = elapsed(cell);
  useTick(ticks, now, calm ? 1 : tickStep(now));
  return (
    <div
      className="jp-Costmeter-running"
      data-cell-id={cell.cell_id ?? ''}
      data-elapsed={now.toFixed(1)}
      data-nested={cell.parent_id !== null}
    >
      <span className="jp-Costmeter-line">
        <Name cell={cell} source={source} />
        <TaggedMark said={cell} />
      </span>
      <span className="jp-Costmeter-elapsed" role="timer" aria-live="off">
        {ticking(calm ? Math.floor(now) : now)}
      </span>
      <span className="jp-Costmeter-power">
        {cell.power && <Figure title={words.__('Power')} name="power_w" total={cell.power} />}
      </span>
      <Figure title={words.__('Energy so far')} name="energy_j" total={totalOf(cell, 'energy_j')} />
      <CellLine cell={cell} />
      <Ahead progress={cell.progress} forecast={cell.forecast} />
    </div>
  );
}

export interface RunningProps {
  cells: readonly RunningCell[];
  source: (cell: RunningCell) => string | null;
  elapsed: (cell: RunningCell) => number;
  ticks: boolean;
}

export function Running({ cells, source, elapsed, ticks }: RunningProps): React.JSX.Element {
  const { words } = useView();
  return (
    <section className="jp-Costmeter-section">
      <h3>{words.__('Running')}</h3>
      {cells.length === 0 && <p className="jp-Costmeter-quiet">{words.__('Nothing runs.')}</p>}
      {cells.map(cell => (
        <Row key={cell.id} cell={cell} source={source(cell)} elapsed={elapsed} ticks={ticks} />
      ))}
    </section>
  );
}
