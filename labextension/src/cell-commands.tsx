/** What a cell's context menu says of its cost. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Dialog, showDialog } from '@jupyterlab/apputils';
import React from 'react';
import type { Badges } from './badges.js';
import type { Follower } from './follow.js';
import type { Line } from './lines.js';
import { plainly } from './locale.js';
import type { Words } from './words.js';

export const COST = 'jupyter-costmeter:cell-cost';
export const COPY = 'jupyter-costmeter:copy-figures';

/** `4.01 s · ~4.96 J · …`, and below it the last runs and what the marks mean. */
function textOf({ mark, text, hover }: Line): string {
  return [[mark, text].filter(one => one !== '').join(' · '), '', hover].join('\n');
}

/** Of the active cell: a dialog with all that is known of its last runs, and the same to the clipboard. */
export function addCellCommands(
  app: JupyterFrontEnd,
  follower: Follower,
  badges: Badges,
  words: Words
): void {
  const active = () => follower.current?.panel.content.activeCell ?? null;
  const said = async (): Promise<() => string> => {
    const [meter, cell] = [follower.current, active()];
    const found = meter && cell && (await badges.said(meter.panel, cell.model.id));
    return () => {
      const line = found?.() ?? null;
      return line === null ? words.__('This cell has not been metered yet.') : textOf(line);
    };
  };
  const copy = (text: () => string): void => Clipboard.copyToSystem(plainly(text));
  const isEnabled = (): boolean => active()?.model.type === 'code';
  const describedBy = { args: { type: 'object', properties: {} } } as const;
  app.commands.addCommand(COPY, {
    label: words.__('Copy Figures'),
    caption: words.__('What the cell cost, as text'),
    isEnabled,
    describedBy,
    execute: async () => copy(await said())
  });
  app.commands.addCommand(COST, {
    label: words.__('Cost of This Cell…'),
    caption: words.__('All that is known of its last runs'),
    isEnabled,
    describedBy,
    execute: async () => {
      const text = await said();
      const { button } = await showDialog({
        title: words.__('Cost of this cell'),
        body: <pre className="jp-Costmeter-cost">{text()}</pre>,
        buttons: [
          Dialog.cancelButton({ label: words.__('Close') }),
          Dialog.okButton({ label: words.__('Copy') })
        ]
      });
      if (button.accept) {
        copy(text);
      }
    }
  });
}
