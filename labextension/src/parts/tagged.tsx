import React from 'react';
import type { Said } from '../api.js';
import { tagged } from '../tags.js';
import { useView } from './view.js';

/** What a cell is said to be: a small word, and on hover the rest; nothing where nothing is said. */
export function TaggedMark({ said }: { said: Said }): React.JSX.Element | null {
  const { words } = useView();
  const found = tagged(said, words);
  return found === null ? null : (
    <span className="jp-Costmeter-tag" data-category={said.category ?? ''} title={found.hover}>
      {found.mark}
    </span>
  );
}
