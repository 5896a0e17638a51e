import React from 'react';
import type { Bucket, Summary } from '../api.js';
import { percent, plain, show } from '../format.js';
import { parts } from '../model.js';
import type { Words } from '../words.js';
import { Figure } from './figure.js';
import { useView } from './view.js';

export function bucketName(bucket: Bucket, words: Words): string {
  return {
    cell: words.__('in cells'),
    held_idle: words.__('held idle'),
    background: words.__('in the background'),
    remote: words.__('elsewhere, for cells')
  }[bucket];
}

/** The colour that a bucket has in the bar; the words beside it say the same. */
export function Swatch({ bucket }: { bucket: Bucket }): React.JSX.Element {
  return <span className="jp-Costmeter-swatch" data-bucket={bucket} aria-hidden="true" />;
}

/** Where a scope's energy went, as a thin bar. */
export function Bar({ summary }: { summary: Summary }): React.JSX.Element | null {
  const { words, energyUnit } = useView();
  const found = parts(summary, 'energy_j');
  if (found.length === 0) {
    return null;
  }
  const said = found.map(({ bucket, share, total }) => {
    const figure = plain(show(total, energyUnit));
    return `${bucketName(bucket, words)} ${figure} (${percent(share)})`;
  });
  return (
    <span
      className="jp-Costmeter-buckets"
      role="img"
      aria-label={said.join(', ')}
      title={said.join('\n')}
    >
      {found
        .filter(({ share }) => share > 0)
        .map(({ bucket, share }) => (
          <span
            key={bucket}
            data-bucket={bucket}
            data-share={share}
            style={{ flexGrow: share * 1000 }}
          />
        ))}
    </span>
  );
}

/** A bucket's part of a scope's energy; nothing where the scope has none there. */
export function BucketFigure(props: { bucket: Bucket; summary: Summary }): React.JSX.Element {
  const { bucket, summary } = props;
  const { words } = useView();
  const total = parts(summary, 'energy_j').find(one => one.bucket === bucket)?.total;
  const title = words.__('Energy %1', bucketName(bucket, words));
  return <Figure title={title} name={`energy_j.${bucket}`} total={total} />;
}
