import React from 'react';
import { BYS, type By, type Spent as Answer, type SpentRow, type Verdict } from '../budget.js';
import { amountText, limitOf } from '../budgets.js';
import type { Charts } from '../charts.js';
import { DASH, howKnown } from '../format.js';
import { runsText, type SpentView } from '../spent.js';
import type { Total } from '../total.js';
import type { Words } from '../words.js';
import { Chart } from './chart.js';
import { OutcomeMark } from './dearest.js';
import { useInView, useView } from './view.js';

function byName(by: By, words: Words): string {
  return {
    cell: words.__('Cell'),
    notebook: words.__('Notebook'),
    day: words.__('Day'),
    outcome: words.__('Outcome'),
    device: words.__('Device'),
    label: words.__('Label'),
    category: words.__('Category'),
    method: words.__('Method'),
    run: words.__('Run')
  }[by];
}

export interface SpentProps {
  verdict: Verdict;
  spent: SpentView;
  charts: Charts;
  /** The open notebook's path, as the ledger has it. */
  notebook: string | null;
  /** What stands in a cell of the open notebook; null where it is not there. */
  source: (cellId: string | null) => string | null;
  reveal: (cellId: string | null) => void;
}

/** What spent a budget, by one thing or another, and when. */
export function Spent(props: SpentProps): React.JSX.Element {
  const { spent } = props;
  const { words } = useView();
  const { answer, problem, busy, chart, by } = spent;
  const node = useInView<HTMLDivElement>();
  return (
    <div
      className="jp-Costmeter-card jp-Costmeter-spent"
      ref={node}
      role="group"
      aria-label={answer?.title ?? words.__('What spent it?')}
      aria-busy={busy}
    >
      <Tabs by={by} choose={one => spent.choose(one)} />
      {problem && (
        <p className="jp-Costmeter-error" role="alert">
          {problem}
        </p>
      )}
      {answer === null && busy && (
        <p className="jp-Costmeter-quiet">{words.__('Being read from the ledger…')}</p>
      )}
      {answer && <Rows {...props} answer={answer} />}
      {chart && <Chart charts={props.charts} item={chart} />}
      {spent.undrawn && <p className="jp-Costmeter-quiet">{spent.undrawn}</p>}
    </div>
  );
}

/** Arrow keys go from one to the next, as in all tabs. */
function Tabs({ by, choose }: { by: By; choose: (by: By) => void }): React.JSX.Element {
  const { words } = useView();
  const move = (event: React.KeyboardEvent<HTMLElement>): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
    const next = BYS[(BYS.indexOf(by) + step + BYS.length) % BYS.length];
    if (step !== 0 && next !== undefined) {
      choose(next);
      event.currentTarget.querySelector<HTMLElement>(`[data-by="${next}"]`)?.focus();
    }
  };
  return (
    <div className="jp-Costmeter-tabs" role="tablist" aria-label={words.__('By')} onKeyDown={move}>
      {BYS.map(one => (
        <button
          key={one}
          type="button"
          role="tab"
          data-by={one}
          aria-selected={one === by}
          tabIndex={one === by ? 0 : -1}
          onClick={() => choose(one)}
        >
          {byName(one, words)}
        </button>
      ))}
    </div>
  );
}

function Rows(props: SpentProps & { answer: Answer }): React.JSX.Element {
  const { rows } = props.answer;
  const { words } = useView();
  return (
    <div role="tabpanel">
      <ol className="jp-Costmeter-dearest">
        {rows.length === 0 && (
          <li className="jp-Costmeter-quiet">
            {words.__('Nothing has been spent in this period.')}
          </li>
        )}
        {rows.map((row, i) => (
          <li key={i}>
            <Row {...props} row={row} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function Amount({ verdict, total }: { verdict: Verdict; total: Total }): React.JSX.Element {
  const { words } = useView();
  const { value, missing, method, reasons } = total;
  const known = method === null || method === 'measured';
  const shown = value === null ? DASH : amountText(verdict, value, limitOf(verdict));
  const hover = value === null ? reasons : howKnown(total, words);
  return (
    <span
      className="jp-Costmeter-figure"
      data-name="amount"
      data-value={value ?? ''}
      title={hover.join('\n') || undefined}
    >
      {value !== null && (
        <span className="jp-Costmeter-mark">{(missing > 0 ? '≥' : '') + (known ? '' : '~')}</span>
      )}
      {shown}
    </span>
  );
}

/** A cell of the open notebook is a button that goes to it. */
function Row(props: SpentProps & { row: SpentRow }): React.JSX.Element {
  const { row, notebook, source, reveal } = props;
  const here = row.cell_id !== null && (row.notebook === null || row.notebook === notebook);
  const found = here ? source(row.cell_id) : null;
  const common = {
    className: 'jp-Costmeter-cell',
    'data-cell-id': row.cell_id ?? '',
    'data-outcome': row.outcome ?? '',
    'data-superseded': row.superseded
  };
  const content = <Content row={row} verdict={props.verdict} code={found} />;
  return found === null ? (
    <div {...common}>{content}</div>
  ) : (
    <button {...common} type="button" onClick={() => reveal(row.cell_id)}>
      {content}
    </button>
  );
}

function Content(props: {
  row: SpentRow;
  verdict: Verdict;
  /** The first line of what stands in the cell now. */
  code: string | null;
}): React.JSX.Element {
  const { row, verdict, code } = props;
  const { words } = useView();
  const { name, detail, outcome, superseded, share } = row;
  return (
    <>
      <span className="jp-Costmeter-line">
        <span className="jp-Costmeter-name" title={detail || name}>
          {name}
          {code && <span className="jp-Costmeter-code"> {code}</span>}
        </span>
        {outcome && <OutcomeMark outcome={outcome} error={null} />}
        {superseded && (
          <span
            className="jp-Costmeter-quiet"
            title={words.__('A later run has taken the place of what these runs made.')}
          >
            {words.__('superseded')}
          </span>
        )}
      </span>
      <span className="jp-Costmeter-quiet" data-name="runs">
        {runsText(row, words)}
      </span>
      <Amount verdict={verdict} total={row.amount} />
      <span className="jp-Costmeter-bar" aria-hidden="true">
        <span style={{ width: `${100 * Math.min(1, share ?? 0)}%` }} />
      </span>
    </>
  );
}
