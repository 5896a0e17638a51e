import React from 'react';
import type { Cell, Running } from '../api.js';
import { work } from '../flops.js';
import { useView } from './view.js';

/** What a cell computed, and how near to the peak; nothing where it computed nothing. */
export function WorkLine({ cell }: { cell: Cell | Running }): React.JSX.Element | null {
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
