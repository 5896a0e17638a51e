import React from 'react';
import { BUCKETS, totalOf, type Summary } from '../api.js';
import { byPrecision } from '../flops.js';
import { DASH } from '../format.js';
import { parts } from '../model.js';
import type { Scope } from '../rest.js';
import type { Words } from '../words.js';
import { Bar, bucketName, BucketFigure, Swatch } from './buckets.js';
import type { Column } from './column.js';
import { costColumns } from './costs.js';
import { Duration, Figure, Least } from './figure.js';
import { scopeName } from './scope.js';
import { GistParts, Section } from './section.js';
import { useView } from './view.js';

/** A scope's row; `summary: null` while it is being read, or when it cannot be. */
export interface Row {
  scope: Scope;
  summary: Summary | null;
  /** Why there is no summary. */
  why: string;
  /** Why the summary lacks some. */
  lacks?: string | undefined;
  /** What the scope is, for the heading's hover. */
  title: string;
}

const BAR = 'buckets';

/** The totals that are shown, where the wire has them; a device that is not there has none. */
function allColumns(costs: readonly Column[], words: Words): readonly Column[] {
  const column = (name: string, label: string, short = label): Column => ({ name, label, short });
  return [
    column('energy_j', words.__('Energy')),
    column(BAR, words.__('Where it went'), ''),
    ...BUCKETS.map(bucket => ({
      ...column(`energy_j.${bucket}`, bucketName(bucket, words)),
      bucket
    })),
    ...costs,
    column('gpu_energy_j', words.__('GPU energy'), words.__('GPU')),
    column('wall_s', words.__('Time')),
    column('cpu_s', words.__('CPU time'), words.__('CPU')),
    column('gpu_reserved_s', words.__('GPU held')),
    column('gpu_busy_s', words.__('GPU busy')),
    column('flops', words.__('FLOPs')),
    column('flops_hardware', words.__('FLOPs (GPU counters)'), words.__('GPU says')),
    column('peak_rss_bytes', words.__('Memory'), words.__('RAM')),
    column('peak_gpu_bytes', words.__('GPU memory'), words.__('VRAM')),
    column('cells', words.__('Cells'))
  ];
}

/** Time and cells are in each summary; the rest only where some scope has it. */
function isThere(column: Column, rows: readonly Row[]): boolean {
  const { name, bucket } = column;
  const some = (has: (summary: Summary) => boolean): boolean =>
    rows.some(({ summary }) => summary !== null && has(summary));
  if (column.isThere !== undefined) {
    return some(column.isThere);
  }
  if (name === BAR || bucket !== undefined) {
    return some(summary =>
      parts(summary, 'energy_j').some(one => bucket === undefined || one.bucket === bucket)
    );
  }
  return (
    ['energy_j', 'wall_s', 'cells'].includes(name) ||
    some(summary => totalOf(summary, name) !== undefined)
  );
}

interface ValueProps {
  summary: Summary;
  /** Why it lacks some. */
  lacks: string | undefined;
}

function Count({ summary, lacks }: ValueProps): React.JSX.Element {
  const { words } = useView();
  const { cells, failed } = summary;
  const said = failed > 0 ? words._n('%1 failed', '%1 failed', failed) : undefined;
  const hover = lacks === undefined ? said : [...(said ? [said] : []), lacks].join('\n');
  return (
    <span className="jp-Costmeter-figure" data-name="cells" data-value={cells} title={hover}>
      {lacks !== undefined && <Least />}
      {cells}
      {failed > 0 && <span className="jp-Costmeter-failed"> {failed}&#8239;✗</span>}
    </span>
  );
}

/** The time of its cells. */
function Time({ summary, lacks }: ValueProps): React.JSX.Element {
  const { words } = useView();
  const { cells, wall_s } = summary;
  const none = words.__('No cell has run.');
  return (
    <Duration
      name="wall_s"
      seconds={cells > 0 ? wall_s : null}
      why={lacks ?? (cells > 0 ? undefined : none)}
      least={lacks !== undefined}
    />
  );
}

function Value(props: ValueProps & { column: Column }): React.JSX.Element | null {
  const { column, summary, lacks } = props;
  const { name, label, bucket } = column;
  const { words } = useView();
  if (column.render !== undefined) {
    return column.render(summary);
  }
  if (name === BAR) {
    return <Bar summary={summary} />;
  }
  if (bucket !== undefined) {
    return <BucketFigure bucket={bucket} summary={summary} />;
  }
  if (name === 'cells') {
    return <Count {...{ summary, lacks }} />;
  }
  if (name === 'wall_s') {
    return <Time {...{ summary, lacks }} />;
  }
  const title = name.startsWith('peak_') ? words.__('%1, at its highest', label) : label;
  const more = saidOf(name, summary, words);
  return <Figure title={title} name={name} total={totalOf(summary, name)} more={more} />;
}

/** What a total's hover says besides how it was got. */
function saidOf(name: string, summary: Summary, words: Words): string[] {
  switch (name) {
    case 'flops':
      return byPrecision(summary, words);
    case 'flops_hardware':
      return [words.__('What the hardware says, to compare: no part of the counted FLOPs.')];
    default:
      return [];
  }
}

function Unknown({ name, why }: { name: string; why: string }): React.JSX.Element {
  return (
    <span className="jp-Costmeter-figure" data-name={name} data-value="" title={why}>
      {DASH}
    </span>
  );
}

/** Rows are scopes in the document; the style sheet lays them out as columns where there is room. */
export function Totals(props: {
  rows: readonly Row[];
  /** Above the table. */
  head?: React.ReactNode;
  /** Below the line of figures, while the table is closed. */
  below?: React.ReactNode;
  children?: React.ReactNode;
}): React.JSX.Element {
  const { rows, head, below, children } = props;
  const { words, showMoney } = useView();
  const summaries = rows.flatMap(({ summary }) => (summary === null ? [] : [summary]));
  const costs = costColumns(summaries, showMoney, words);
  const shown = allColumns(costs, words).filter(column => isThere(column, rows));
  const fresh = summaries.length === rows.length && summaries.every(isFresh);
  return (
    <Section name="totals" title={words.__('Totals')} gist={<Gist row={rows[0]} />} below={below}>
      {head}
      {fresh && (
        <p className="jp-Costmeter-quiet">
          {words.__('Nothing was metered yet: the next cell that ends is the first.')}
        </p>
      )}
      <table
        className="jp-Costmeter-totals"
        role="table"
        style={{ '--rows': shown.length + 1 } as React.CSSProperties}
      >
        <tbody role="rowgroup">
          <tr role="row" className="jp-Costmeter-labels">
            <td role="cell" />
            {shown.map(({ name, label, bucket, quiet }) => (
              <th key={name} role="columnheader" scope="col" data-quiet={quiet || undefined}>
                {bucket && <Swatch bucket={bucket} />}
                {label}
              </th>
            ))}
          </tr>
          {rows.map((row, nth) => (
            <ScopeRow key={row.scope} row={row} shown={shown} same={areAlike(row, rows[nth - 1])} />
          ))}
        </tbody>
      </table>
      {children}
    </Section>
  );
}

/** Nothing has been metered in it. */
const isFresh = ({ cells, totals }: Summary): boolean => cells === 0 && totals.length === 0;

/** Of the first scope its energy, time and emissions. */
function Gist({ row }: { row: Row | undefined }): React.JSX.Element {
  const { words } = useView();
  const summary = row?.summary ?? null;
  if (summary === null) {
    return <Unknown name="energy_j" why={row?.why ?? ''} />;
  }
  const emissions = summary.costs && totalOf(summary.costs, 'emissions_g');
  if (isFresh(summary)) {
    return <>{words.__('Nothing yet')}</>;
  }
  const parts = [
    <Figure title={words.__('Energy')} name="energy_j" total={totalOf(summary, 'energy_j')} />,
    <Time summary={summary} lacks={row?.lacks} />,
    ...(emissions
      ? [<Figure title={words.__('Emissions')} name="emissions_g" total={emissions} />]
      : [])
  ];
  return <GistParts parts={parts} />;
}

/** Whether all is the same in both, as of a project with a single notebook. */
function areAlike(one: Row, other: Row | undefined): boolean {
  const [here, there] = [one, other].map(row => JSON.stringify([row?.summary, row?.lacks]));
  return one.summary !== null && here === there;
}

interface ScopeRowProps {
  row: Row;
  shown: readonly Column[];
  /** As the one above: where they stand below each other it is said once. */
  same: boolean;
}

function ScopeRow(props: ScopeRowProps): React.JSX.Element {
  const { words } = useView();
  const { scope, summary, title, why, lacks } = props.row;
  return (
    <tr role="row" data-scope={scope} data-same={props.same || undefined}>
      <th role="rowheader" scope="row" title={title}>
        {scopeName(scope, words)}
        {props.same && <span className="jp-Costmeter-same"> {words.__('the same')}</span>}
      </th>
      {props.shown.map(column => (
        <Cell key={column.name} {...{ column, summary, why, lacks }} />
      ))}
    </tr>
  );
}

interface CellProps extends Pick<Row, 'summary' | 'why' | 'lacks'> {
  column: Column;
}

function Cell({ column, summary, why, lacks }: CellProps): React.JSX.Element {
  const { name, short, bucket, cost, quiet } = column;
  const part = bucket !== undefined || name === BAR || (cost && name !== 'emissions_g');
  return (
    <td
      role="cell"
      data-column={name}
      data-short={bucket ? '' : short}
      data-bucket={bucket}
      data-cost={cost}
      data-quiet={quiet || undefined}
    >
      {bucket && (
        <span className="jp-Costmeter-legend">
          <Swatch bucket={bucket} />
          {short}
        </span>
      )}
      {summary ? (
        <Value {...{ column, summary, lacks }} />
      ) : part ? null : (
        <Unknown name={name} why={why} />
      )}
    </td>
  );
}
