import React, { useLayoutEffect, useRef } from 'react';
import type { Scope } from '../rest.js';
import type { Order, StatementDesk } from '../statement.js';
import type { TagDesk } from '../tag-desk.js';
import { Section } from './section.js';
import { StatementForm } from './statement.js';
import { TagForm } from './tag-form.js';
import { useView } from './view.js';

export interface PaperProps {
  tags: TagDesk;
  statement: StatementDesk;
  scopes: readonly Scope[];
  /** Opens the form of tags for the notebook's selected cells. */
  tag: () => void;
  download: (order: Order) => Promise<void>;
}

/** The keyboard goes back to the button that opened a form when that closes. */
function useWayBack(opened: boolean) {
  const button = useRef<HTMLButtonElement>(null);
  const inside = useRef(false);
  // before the form goes, and the focus with it
  inside.current ||= opened && Boolean(document.activeElement?.closest('.jp-Costmeter-paper form'));
  useLayoutEffect(() => {
    if (!opened && inside.current) {
      inside.current = false;
      button.current?.focus();
    }
  }, [opened]);
  return button;
}

/** What a paper wants: what cells are said to be, and the statement that comes of it. */
export function Paper(props: PaperProps): React.JSX.Element {
  const { tags, statement, scopes, tag, download } = props;
  const { words } = useView();
  const tagButton = useWayBack(tags.cells !== null);
  const statementButton = useWayBack(statement.opened);
  const { done } = tags;
  return (
    <Section
      name="paper"
      title={words.__('For a paper')}
      asked={tags.cells !== null || statement.opened}
      className="jp-Costmeter-paper"
    >
      <div className="jp-Costmeter-actions">
        <button
          type="button"
          ref={tagButton}
          className="jp-Costmeter-button"
          data-deed="tag"
          aria-expanded={tags.cells !== null}
          title={words.__('Say what the selected cells are: training, a search, an ablation …')}
          onClick={tag}
        >
          {words.__('Tag cells…')}
        </button>
        <button
          type="button"
          ref={statementButton}
          className="jp-Costmeter-button"
          data-deed="statement"
          aria-expanded={statement.opened}
          title={words.__('What checklists of conferences ask for, filled in')}
          onClick={() => (statement.opened ? statement.close() : statement.open())}
        >
          {words.__('Statement…')}
        </button>
      </div>
      <p className="jp-Costmeter-quiet" role="status">
        {done !== null && words._n('One run was tagged.', '%1 runs were tagged.', done, done)}
      </p>
      <TagForm desk={tags} />
      <StatementForm desk={statement} scopes={scopes} download={download} />
    </Section>
  );
}
