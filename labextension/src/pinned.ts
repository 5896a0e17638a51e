/** The kernel's own panel (`%cost panel`), out of a notebook's outputs into the sidebar: another view of one model. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { Follower } from './follow.js';
import { costIcon } from './icons.js';
import type { Fields } from './shape.js';
import type { Words } from './words.js';

export const PIN = 'jupyter-costmeter:pin';
const MIME = 'application/vnd.jupyter.widget-view+json';
/** What the output says beside the widget (`kernel/widget.py`). */
const OURS = "The Cost Meter's panel";
/** A widget's model is gone with its kernel. */
const ENDED: readonly Kernel.Status[] = ['restarting', 'autorestarting', 'dead', 'terminating'];

type View = ReturnType<NotebookPanel['content']['rendermime']['createRenderer']>;

/** The newest of the notebook's outputs that is the panel; null where there is none. */
function outputOf({ content }: NotebookPanel): Fields | null {
  const outputs = content.widgets.flatMap(({ model }) => {
    const { outputs: found } = model.sharedModel.toJSON() as { outputs?: { data?: Fields }[] };
    return (found ?? []).map(({ data }) => data ?? {});
  });
  const ours = (data: Fields): boolean =>
    MIME in data && [data['text/plain']].flat().join('').startsWith(OURS);
  return outputs.reverse().find(ours) ?? null;
}

async function viewOf({ content }: NotebookPanel, data: Fields): Promise<View> {
  const { rendermime } = content;
  const view = rendermime.createRenderer(MIME);
  const only = { [MIME]: data[MIME] as never };
  await view.renderModel(rendermime.createModel({ data: only, trusted: true }));
  return view;
}

/** It is there until its kernel ends or its notebook is closed. */
function endsWith(view: View, panel: NotebookPanel): void {
  const { sessionContext } = panel;
  const looks = (_: unknown, status: Kernel.Status): void => {
    if (ENDED.includes(status)) {
      view.dispose();
    }
  };
  sessionContext.statusChanged.connect(looks);
  panel.disposed.connect(() => view.dispose());
  view.disposed.connect(() => sessionContext.statusChanged.disconnect(looks));
}

/** The command, for where the notebook shows the kernel's panel; what was pinned before gives way. */
export function addPin(app: JupyterFrontEnd, follower: Follower, words: Words): void {
  let pinned: View | null = null;
  const pin = async (panel: NotebookPanel, data: Fields): Promise<void> => {
    const view = await viewOf(panel, data);
    pinned?.dispose();
    pinned = view;
    view.id = PIN.replace(':', '-');
    view.addClass('jp-Costmeter-pinned');
    view.title.icon = costIcon;
    view.title.caption = words.__("The kernel's panel of %1", panel.title.label);
    endsWith(view, panel);
    app.shell.add(view, 'right', { rank: 901, type: 'Cost Meter' });
    app.shell.activateById(view.id);
  };
  const panel = (): NotebookPanel | null => follower.current?.panel ?? null;
  app.commands.addCommand(PIN, {
    label: words.__("Pin the Kernel's Panel in the Sidebar"),
    caption: words.__('What %cost panel shows in a cell, beside the notebook'),
    isEnabled: () => {
      const shown = panel();
      return shown !== null && outputOf(shown) !== null;
    },
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      const shown = panel();
      const data = shown && outputOf(shown);
      if (shown && data) {
        await pin(shown, data);
      }
    }
  });
}
