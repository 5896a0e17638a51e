import React from 'react';
import type { Summary } from '../api.js';
import { explain, gpuTime, percent } from '../format.js';
import { utilisation } from '../model.js';
import { useView } from './view.js';

/** How much of the GPU time that was held was used: the headline, where a GPU was held at all. */
export function Used({ summary }: { summary: Summary }): React.JSX.Element | null {
  const { words, energyUnit } = useView();
  const found = utilisation(summary);
  if (found === null) {
    return null;
  }
  const { held, busy, share, bound, method } = found;
  const mark = (method === 'measured' ? '' : '~') + percent(share ?? 0);
  const shown = bound === '' ? mark : `${bound} ${mark}`;
  const used = share === null ? words.__('use not known') : words.__('used %1', shown);
  const hover = [
    explain(words.__('GPU time held'), held, energyUnit, words),
    ...(busy === null ? [] : [explain(words.__('GPU time used'), busy, energyUnit, words)])
  ];
  const before = held.missing > 0 ? '≥ ' : '';
  const time = before + (held.method === 'measured' ? '' : '~') + gpuTime(held.value ?? 0);
  return (
    <p
      className="jp-Costmeter-used"
      data-held={held.value}
      data-share={share ?? ''}
      title={hover.join('\n')}
    >
      {words.__('Held %1,', time)} <span>{used}</span>
    </p>
  );
}
