import React from 'react';
import { timelineIcon } from '../icons.js';
import { useView } from './view.js';

/** Quiet, as most look at it seldom. */
export function TimelineButton({ open }: { open: () => void }): React.JSX.Element {
  const { words } = useView();
  const label = words.__('Power over time');
  return (
    <button
      type="button"
      className="jp-Costmeter-button"
      data-deed="timeline"
      title={label}
      aria-label={label}
      onClick={open}
    >
      <timelineIcon.react tag="span" className="jp-Costmeter-icon" />
    </button>
  );
}
