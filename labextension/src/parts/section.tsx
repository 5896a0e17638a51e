import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import React, { createContext, useContext, useId, useState } from 'react';
import type { Section as Name } from '../sections.js';

/** Which sections are open, and what opens and closes one. */
export interface Folds {
  isOpen: (name: Name) => boolean;
  toggle: (name: Name) => void;
}

export const FoldsContext = createContext<Folds>({ isOpen: () => true, toggle: () => undefined });

export interface SectionProps {
  name: Name;
  title: string;
  /** What it comes to in a line, while it is closed. */
  gist?: React.ReactNode;
  /** What in it was asked for, if anything: what is new opens it, whatever was chosen. */
  asked?: string | boolean;
  className?: string;
  /** Below its line, while it is closed. */
  below?: React.ReactNode;
  children?: React.ReactNode;
}

/** Whether something was asked for since it was last let go: it can be, although that is still there. */
export function useKept(asked: string | boolean): [boolean, (kept: boolean) => void] {
  const [before, remember] = useState<string | boolean>(false);
  const [kept, keep] = useState(false);
  const fresh = asked !== before && asked !== false && asked !== '';
  if (asked !== before) {
    remember(asked);
    keep(kept || fresh);
  }
  return [kept || fresh, keep];
}

/** What was asked for stays open until it is closed, with what came of it. */
function useOpen(name: Name, asked: string | boolean): { open: boolean; turn: () => void } {
  const { isOpen, toggle } = useContext(FoldsContext);
  const [kept, keep] = useKept(asked);
  const turn = (): void => {
    keep(false);
    if (isOpen(name) || !kept) {
      toggle(name);
    }
  };
  return { open: kept || isOpen(name), turn };
}

/** A part of the panel that folds into one line. */
export function Section(props: SectionProps): React.JSX.Element {
  const { name, title, gist, asked = false, className = '', below, children } = props;
  const { open, turn } = useOpen(name, asked);
  const id = useId();
  const Caret = open ? caretDownIcon : caretRightIcon;
  const drawn = (
    <section
      className={`jp-Costmeter-section ${className}`.trim()}
      data-section={name}
      data-open={open}
    >
      <h3>
        <button
          type="button"
          className="jp-Costmeter-fold"
          aria-expanded={open}
          aria-controls={open ? id : undefined}
          onClick={turn}
        >
          <Caret.react tag="span" className="jp-Costmeter-caret" />
          <span className="jp-Costmeter-sectionTitle">{title}</span>
          {!open && gist !== undefined && <span className="jp-Costmeter-gist">{gist}</span>}
        </button>
      </h3>
      {open && <div id={id}>{children}</div>}
    </section>
  );
  return (
    <>
      {drawn}
      {!open && below}
    </>
  );
}

/** Figures in a section's line; of those for which there is no room none is cut, the last are left out. */
export function GistParts({ parts }: { parts: readonly React.ReactElement[] }): React.JSX.Element {
  return (
    <>
      {parts.map((part, i) => (
        <span key={i}>
          {i > 0 && '· '}
          {part}
        </span>
      ))}
    </>
  );
}
