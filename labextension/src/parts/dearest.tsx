import React from 'react';
import { totalOf, type Cell, type Said, type Summary } from '../api.js';
import { percent } from '../format.js';
import { parts, type Part, type Ranked } from '../model.js';
import { MARKS } from '../outcome.js';
import type { Failed } from '../wasted.js';
import type { Words } from '../words.js';
import { Duration, Figure } from './figure.js';
import { Name } from './name.js';
import { Section } from './section.js';
import { TaggedMark } from './tagged.js';
import { useView } from './view.js';
import { CellLine } from './work.js';

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

/** The energy of what was held while nothing ran, and its part of all. */
const idleOf = (summary: Summary | null): Part | undefined =>
  summary ? parts(summary, 'energy_j').find(({ bucket }) => bucket === 'held_idle') : undefined;

/** What was used and brought nothing: held idle, and in cells that failed. */
function Lost({
  summary,
  failed
}: Pick<DearestProps, 'summary' | 'failed'>): React.JSX.Element | null {
  const { words } = useView();
  const idle = idleOf(summary);
  return idle || failed ? (
    <dl className="jp-Costmeter-lost">
      {idle && (
        <div data-lost="held_idle">
          <dt>{words.__('held idle')}</dt>
          <dd>
            <Figure title={words.__('Energy held idle')} name="held_idle" total={idle.total} />
            <span className="jp-Costmeter-quiet"> {percent(idle.share)}</span>
          </dd>
        </div>
      )}
      {failed && (
        <div data-lost="failed">
          <dt>{words._n('one failed cell', '%1 failed cells', failed.count, failed.count)}</dt>
          <dd>
            <Figure title={words.__('Energy')} name="failed" total={failed.energy} />
          </dd>
        </div>
      )}
    </dl>
  ) : null;
}

export interface DearestProps {
  /** The session's. */
  summary: Summary | null;
  failed: Failed | null;
  ranked: readonly Ranked[];
  source: (cell: Cell) => string | null;
  said: (cell: Cell) => Said;
  reveal: (cell: Cell) => void;
}

/** Where a session's energy went: what brought nothing, and the dearest cells. */
export function Dearest(props: DearestProps): React.JSX.Element {
  const { ranked, source, said, reveal, summary, failed } = props;
  const { words } = useView();
  const [first] = ranked;
  const gist = first ? (
    <Gist ranked={first} source={source(first.cell)} idle={idleOf(summary)} />
  ) : (
    words.__('No cell yet')
  );
  return (
    <Section name="spent" title={words.__('Where it went')} gist={gist}>
      <Lost summary={summary} failed={failed} />
      {ranked.length > 0 && <h4 className="jp-Costmeter-subtitle">{words.__('Dearest cells')}</h4>}
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
    </Section>
  );
}

interface GistProps extends Omit<ContentProps, 'said'> {
  idle: Part | undefined;
}

/** The largest of all: a cell, or a GPU that was held idle. */
function Gist({ ranked, source, idle }: GistProps): React.JSX.Element {
  const { words } = useView();
  const cell = totalOf(ranked.cell, 'energy_j');
  return (
    <span className="jp-Costmeter-gistLine">
      {idle && (idle.total.value ?? 0) > (cell?.value ?? 0) ? (
        <>
          <span>{words.__('held idle')}</span>
          <Figure title={words.__('Energy held idle')} name="held_idle" total={idle.total} />
        </>
      ) : (
        <>
          <Name cell={ranked.cell} source={source} />
          <Figure title={words.__('Energy')} name="energy_j" total={cell} />
        </>
      )}
    </span>
  );
}
