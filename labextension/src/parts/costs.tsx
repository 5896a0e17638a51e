import React from 'react';
import { totalOf, type Bill, type Cell, type Costs, type Running, type Summary } from '../api.js';
import {
  billHover,
  billParts,
  cloudName,
  embodiedHover,
  emissionsHover,
  rangeText
} from '../carbon.js';
import { explain } from '../format.js';
import type { Words } from '../words.js';
import type { Column } from './column.js';
import { Figure } from './figure.js';
import { useView } from './view.js';

function Emissions({ costs }: { costs: Costs }): React.JSX.Element {
  const { words, energyUnit } = useView();
  const total = totalOf(costs, 'emissions_g');
  const hover = total && emissionsHover(costs, total, energyUnit, words);
  return <Figure title={words.__('Emissions')} name="emissions_g" total={total} {...{ hover }} />;
}

/** It breaks in the middle where there is little room. */
function Range({ costs }: { costs: Costs }): React.JSX.Element | null {
  const { words } = useView();
  const { range_g, range_of } = costs;
  if (range_g === null) {
    return null;
  }
  return (
    <span
      className="jp-Costmeter-range"
      data-name="range_g"
      data-low={range_g[0]}
      data-high={range_g[1]}
      title={range_of === null ? undefined : words.__('%1 to %2', ...range_of)}
    >
      {rangeText(costs, words)}
      <span className="jp-Costmeter-tail">{words.__(', by where it runs')}</span>
    </span>
  );
}

function Embodied({ costs }: { costs: Costs }): React.JSX.Element {
  const { words, energyUnit } = useView();
  const total = totalOf(costs, 'embodied_g');
  const hover = total && embodiedHover(costs, total, energyUnit, words);
  return (
    <span className="jp-Costmeter-quiet">
      {'+ '}
      <Figure title="" name="embodied_g" total={total} hover={hover} />
      <span className="jp-Costmeter-tail"> {words.__('embodied')}</span>
    </span>
  );
}

/** The amount stays in one piece; its uncertainty may go to the next line. */
function Money({ bill, tail }: { bill: Bill; tail?: string }): React.JSX.Element {
  const { words } = useView();
  const [amount = '', ...spread] = billParts(bill.text);
  return (
    <span
      className="jp-Costmeter-bill"
      data-name={bill.kind === 'own' ? 'bill' : 'cloud'}
      data-value={bill.amount ?? ''}
      title={billHover(bill, words)}
    >
      {tail && <span className="jp-Costmeter-tail">{tail} </span>}
      <span>{amount}</span>
      {spread.map(part => (
        <React.Fragment key={part}>
          {' '}
          <span className="jp-Costmeter-quiet">{part}</span>
        </React.Fragment>
      ))}
    </span>
  );
}

const has =
  (name: string) =>
  ({ costs }: Summary): boolean =>
    costs !== null && totalOf(costs, name) !== undefined;

function carbonColumns(words: Words): Column[] {
  const of =
    (render: (costs: Costs) => React.JSX.Element | null) =>
    ({ costs }: Summary): React.JSX.Element | null =>
      costs && render(costs);
  const column = (
    name: string,
    label: string,
    render: (costs: Costs) => React.JSX.Element | null
  ) => ({
    name,
    label,
    short: '',
    cost: true,
    isThere: has(name),
    render: of(render)
  });
  return [
    column('emissions_g', words.__('Emissions'), costs => <Emissions costs={costs} />),
    {
      ...column('range_g', words.__('by where it runs'), costs => <Range costs={costs} />),
      isThere: ({ costs }) => (costs?.range_g ?? null) !== null
    },
    column('embodied_g', words.__('Embodied'), costs =>
      totalOf(costs, 'embodied_g') ? <Embodied costs={costs} /> : null
    ),
    {
      ...column('water_l', words.__('Water'), costs => (
        <Figure title={words.__('Water')} name="water_l" total={totalOf(costs, 'water_l')} />
      )),
      short: words.__('Water')
    }
  ];
}

const keyOf = (bill: Bill): string =>
  [bill.kind, bill.provider, bill.as_of, bill.currency].filter(Boolean).join('.');

/** A line for each currency, and for each cloud: they are never added. */
function moneyColumns(summaries: readonly Summary[], words: Words): Column[] {
  const all = (summary: Summary): Bill[] =>
    summary.costs === null ? [] : [...summary.costs.bills, ...summary.costs.clouds];
  const first = new Map(summaries.flatMap(all).map(bill => [keyOf(bill), bill]));
  return [...first].map(([name, bill]) => {
    const find = (summary: Summary): Bill | undefined =>
      all(summary).find(one => keyOf(one) === name);
    const label = bill.kind === 'own' ? words.__('Money') : cloudName(bill, words);
    return {
      name,
      label,
      short: '',
      cost: true,
      quiet: bill.kind === 'cloud',
      isThere: summary => find(summary) !== undefined,
      render: summary => {
        const found = find(summary);
        const tail = bill.kind === 'cloud' ? { tail: `${label}:` } : {};
        return found === undefined ? null : <Money bill={found} {...tail} />;
      }
    };
  });
}

/** What is derived of the joules, below them. */
export function costColumns(
  summaries: readonly Summary[],
  money: boolean,
  words: Words
): readonly Column[] {
  return [...carbonColumns(words), ...(money ? moneyColumns(summaries, words) : [])];
}

/** A cell's emissions, in the quiet line of its figures. */
export function CellEmissions({ cell }: { cell: Cell | Running }): React.JSX.Element | null {
  const { words, energyUnit } = useView();
  const total = cell.costs === null ? undefined : totalOf(cell.costs, 'emissions_g');
  if (total === undefined || total.value === null) {
    return null; // what is not known of the energy, its own figure says
  }
  const hover = explain(words.__('Emissions'), total, energyUnit, words);
  return (
    <span className="jp-Costmeter-carbon">
      <Figure title="" name="emissions_g" total={total} hover={hover} />
    </span>
  );
}
