import React from 'react';
import { totalOf, type Cell, type Said } from '../api.js';
import type { Ranked } from '../model.js';
import type { Words } from '../words.js';
import { Duration, Figure } from './figure.js';
import { Name } from './name.js';
import { TaggedMark } from './tagged.js';
import { useView } from './view.js';
import { CellLine } from './work.js';

/** Glyphs that every font has. */
const MARKS = { ok: '', error: '✗', interrupted: '■', killed: '†' } as const;

function outcomeText(outcome: string, error: string | null, words: Words): string {
  switch (outcome) {
    case 'error':
      return words.__('Ended with %1', error ?? words.__('an error'));
    case 'interrupted':
      return words.__('Interrupted');
    case 'killed':
      return words.__('The kernel was killed while it ran');
    default:
      return '';
  }
}

/** How a run ended, where that was not well. */
export function OutcomeMark(props: {
  outcome: string;
  error: string | null;
}): React.JSX.Element | null {
  const { outcome, error } = props;
  const { words } = useView();
  const said = outcomeText(outcome, error, words);
  return said === '' ? null : (
    <span
      className="jp-Costmeter-outcome"
      data-outcome={outcome}
      role="img"
      aria-label={said}
      title={said}
    >
      {MARKS[outcome as keyof typeof MARKS]}
    </span>
  );
}

interface ContentProps {
  ranked: Ranked;
  source: string | null;
  /** What it is said to be by now. */
  said: Said;
}

function Content({ ranked, source, said }: ContentProps): React.JSX.Element {
  const { words } = useView();
  const { cell, share } = ranked;
  return (
    <>
      <span className="jp-Costmeter-line">
        <Name cell={cell} source={source} />
        <OutcomeMark outcome={cell.outcome} error={cell.error_type} />
        <TaggedMark said={said} />
      </span>
      <Duration name="wall_s" seconds={cell.wall_s} />
      <Figure title={words.__('Energy')} name="energy_j" total={totalOf(cell, 'energy_j')} />
      <CellLine cell={cell} />
      <span className="jp-Costmeter-bar" aria-hidden="true">
        <span style={{ width: `${share * 100}%` }} />
      </span>
    </>
  );
}

interface RowProps extends ContentProps {
  reveal: (cell: Cell) => void;
}

function Row({ ranked, source, said, reveal }: RowProps): React.JSX.Element {
  const { words } = useView();
  const { cell } = ranked;
  const common = {
    className: 'jp-Costmeter-cell',
    'data-cell-id': cell.cell_id ?? '',
    'data-record-id': cell.id
  };
  const content = <Content {...{ ranked, source, said }} />;
  if (source === null) {
    return (
      <div {...common} data-gone="true" title={words.__('This cell is no longer in the notebook.')}>
        {content}
      </div>
    );
  }
  return (
    <button {...common} type="button" onClick={() => reveal(cell)}>
      {content}
    </button>
  );
}

export interface DearestProps {
  ranked: readonly Ranked[];
  source: (cell: Cell) => string | null;
  said: (cell: Cell) => Said;
  reveal: (cell: Cell) => void;
}

export function Dearest({ ranked, source, said, reveal }: DearestProps): React.JSX.Element {
  const { words } = useView();
  return (
    <section className="jp-Costmeter-section">
      <h3>{words.__('Dearest cells')}</h3>
      {ranked.length === 0 && (
        <p className="jp-Costmeter-quiet">{words.__('No cell has run yet.')}</p>
      )}
      <ol className="jp-Costmeter-dearest">
        {ranked.map(one => (
          <li key={one.cell.id}>
            <Row ranked={one} source={source(one.cell)} said={said(one.cell)} reveal={reveal} />
          </li>
        ))}
      </ol>
    </section>
  );
}
