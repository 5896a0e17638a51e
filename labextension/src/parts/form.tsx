import React, { type ReactNode, type Ref } from 'react';
import { Refused } from './refused.js';

interface Props {
  /** For who does not see it. */
  name: string;
  /** A class of its own. */
  kind?: string;
  node: Ref<HTMLFormElement>;
  /** Enter, or its first button. */
  save: () => Promise<unknown>;
  /** Escape. */
  leave: () => void;
  /** What the server says against it. */
  refused: string | null;
  children: ReactNode;
  /** The buttons below that. */
  buttons: ReactNode;
}

/** A form in the panel: Enter saves, Escape leaves it; our own words say what is wrong, not the browser's. */
export function Form(props: Props): React.JSX.Element {
  const { name, kind = '', node, save, leave, refused, children, buttons } = props;
  return (
    <form
      className={`jp-Costmeter-card jp-Costmeter-budgetForm ${kind}`.trim()}
      ref={node}
      noValidate
      aria-label={name}
      onSubmit={event => {
        event.preventDefault();
        void save();
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          leave();
        }
      }}
    >
      {children}
      {refused !== null && <Refused text={refused} />}
      {buttons}
    </form>
  );
}
