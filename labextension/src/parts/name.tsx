import React from 'react';
import type { Cell, Running } from '../api.js';
import { useView } from './view.js';

/** A cell's prompt and name: its label, else its first line, else its number. */
export function Name({
  cell,
  source
}: {
  cell: Cell | Running;
  source: string | null;
}): React.JSX.Element {
  const { words } = useView();
  // the kernel counts a cell when it ends; until then notebooks write a star
  const count = cell.execution_count ?? ('power' in cell ? '*' : ' ');
  const name = cell.label ?? (source || words.__('In [%1]', count));
  const code = cell.label === null && Boolean(source);
  return (
    <>
      <span className="jp-Costmeter-prompt">[{count}]</span>
      <span className={code ? 'jp-Costmeter-name jp-mod-code' : 'jp-Costmeter-name'} title={name}>
        {name}
      </span>
    </>
  );
}
