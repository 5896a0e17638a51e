import React, { useId } from 'react';
import { useKept } from './section.js';
import { useView } from './view.js';

/** Sections that not everybody needs, and the button that brings them; nothing where there are none. */
export function More(props: {
  shown: boolean;
  /** One of them was asked for from elsewhere. */
  asked: boolean;
  toggle: () => void;
  children: React.ReactNode[];
}): React.JSX.Element | null {
  const { shown, asked, toggle, children } = props;
  const { words } = useView();
  const [kept, keep] = useKept(asked);
  const id = useId();
  const open = shown || kept;
  const turn = (): void => {
    keep(false);
    if (shown || !kept) {
      toggle();
    }
  };
  return children.length === 0 ? null : (
    <>
      <div id={id}>{open && children}</div>
      <button
        type="button"
        className="jp-Costmeter-link jp-Costmeter-showMore"
        aria-expanded={open}
        aria-controls={id}
        onClick={turn}
      >
        {open ? words.__('Less') : words.__('More')}
      </button>
    </>
  );
}
