import React from 'react';
import { si } from '../format.js';
import { points } from '../sparks.js';
import { useView } from './view.js';

const [WIDTH, HEIGHT] = [60, 14];

/** The power of the last minute as a small line; nothing before it has two values. */
export function Spark({ watts }: { watts: readonly number[] }): React.JSX.Element | null {
  const { words } = useView();
  const drawn = points(watts, WIDTH, HEIGHT);
  if (drawn === '') {
    return null;
  }
  const [least, most] = [Math.min(...watts), Math.max(...watts)];
  const said = words.__('Power in the last minute: %1 to %2', si(least, 'W'), si(most, 'W'));
  return (
    <svg
      className="jp-Costmeter-spark"
      viewBox={`0 -1 ${WIDTH} ${HEIGHT + 2}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={said}
      data-count={watts.length}
    >
      <title>{said}</title>
      <polyline points={drawn} />
    </svg>
  );
}
