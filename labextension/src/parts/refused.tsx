import React from 'react';
import { useInView } from './view.js';

/** What the server says against a form, brought into view. */
export function Refused({ text }: { text: string }): React.JSX.Element {
  const node = useInView<HTMLParagraphElement>();
  return (
    <p className="jp-Costmeter-error" role="alert" ref={node}>
      {text}
    </p>
  );
}
