import React from 'react';
import type { Running, Summary } from '../api.js';
import { explain, gpuTime, percent, type EnergyUnit } from '../format.js';
import { utilisation, type Utilisation } from '../model.js';
import type { Words } from '../words.js';
import { useView } from './view.js';

/** `≥ ~31 %`: a share with the marks that keep it honest. */
function shareText({ share, bound, method }: Utilisation): string {
  const said = percent(share ?? 0);
  if (said.startsWith('<') && bound !== '≥') {
    return said; // is a bound already, and no nearer by a second mark
  }
  const marked = (method === 'measured' ? '' : '~') + said;
  return bound === '' ? marked : `${bound} ${marked}`;
}

function hoverOf({ held, busy }: Utilisation, unit: EnergyUnit, words: Words): string {
  const hover = [
    explain(words.__('GPU time held'), held, unit, words),
    ...(busy === null ? [] : [explain(words.__('GPU time used'), busy, unit, words)])
  ];
  return hover.join('\n');
}

/** How much of the GPU time that was held was used: the headline, where a GPU was held at all. */
export function Used({ summary }: { summary: Summary }): React.JSX.Element | null {
  const { words, energyUnit } = useView();
  const found = utilisation(summary);
  if (found === null) {
    return null;
  }
  const { held, share } = found;
  const used = share === null ? words.__('use not known') : words.__('used %1', shareText(found));
  const before = held.missing > 0 ? '≥ ' : '';
  const time = before + (held.method === 'measured' ? '' : '~') + gpuTime(held.value ?? 0);
  return (
    <p
      className="jp-Costmeter-used"
      data-held={held.value}
      data-share={share ?? ''}
      title={hoverOf(found, energyUnit, words)}
    >
      {words.__('Held %1,', time)} <span>{used}</span>
    </p>
  );
}

/** How busy the GPUs were that the cell has held so far; nothing where it held none, or that is not known. */
export function Busy({ cell }: { cell: Pick<Running, 'totals'> }): React.JSX.Element | null {
  const { words, energyUnit } = useView();
  const found = utilisation(cell);
  return found === null || found.share === null ? null : (
    <span
      className="jp-Costmeter-busy"
      data-share={found.share}
      title={hoverOf(found, energyUnit, words)}
    >
      {words.__('GPU %1 busy', shareText(found))}
    </span>
  );
}
