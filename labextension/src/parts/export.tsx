import { caretDownEmptyThinIcon, downloadIcon } from '@jupyterlab/ui-components';
import React from 'react';
import { useView } from './view.js';

export function ExportButton({
  openMenu
}: {
  openMenu: (anchor: HTMLElement) => void;
}): React.JSX.Element {
  const { words } = useView();
  return (
    <button
      type="button"
      className="jp-Costmeter-export jp-Costmeter-button"
      aria-haspopup="menu"
      title={words.__('Export the costs to a file')}
      onClick={event => openMenu(event.currentTarget)}
    >
      <downloadIcon.react tag="span" className="jp-Costmeter-icon" />
      <span>{words.__('Export')}</span>
      <caretDownEmptyThinIcon.react tag="span" className="jp-Costmeter-icon" />
    </button>
  );
}
