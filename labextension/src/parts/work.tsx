import React from 'react';
import type { Cell, Running } from '../api.js';
import { work } from '../flops.js';
import { CellEmissions } from './costs.js';
import { useView } from './view.js';

/** What a cell computed, and how near to the peak; nothing where it computed nothing. */
function WorkLine({ cell }: { cell: Cell | Running }): React.JSX.Element | null {
  const { words } = useView();
  const found = work(cell, words);
  return found === null ? null : (
    <span
      className="jp-Costmeter-work"
      data-name="flops"
      data-value={found.flops.value ?? ''}
      data-mfu={cell.rates?.mfu_wall ?? ''}
      title={found.hover}
    >
      {found.parts.map((part, i) => (
        <React.Fragment key={part}>
          {i > 0 && ' '}
          <span>{i + 1 < found.parts.length ? `${part} ·` : part}</span>
        </React.Fragment>
      ))}
    </span>
  );
}

/** The quiet line of a cell's figures: what it computed, and what it emitted. */
export function CellLine({ cell }: { cell: Cell | Running }): React.JSX.Element {
  return (
    <span className="jp-Costmeter-more">
      <WorkLine cell={cell} />
      <CellEmissions cell={cell} />
    </span>
  );
}
