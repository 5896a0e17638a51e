/** What the palette, the menus and the panel's buttons do. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { MenuSvg } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { chosenCells } from './cells.js';
import { reason } from './feed.js';
import type { Follower } from './follow.js';
import { PANEL_ID, type OpenMenu } from './panel.js';
import { FORMATS, SCOPES, fetchExport, type Format, type Get, type Scope } from './rest.js';
import { download } from './server.js';
import type { Words } from './words.js';

export const OPEN = 'jupyter-costmeter:open';
export const EXPORT = 'jupyter-costmeter:export';
export const TAG = 'jupyter-costmeter:tag';
/** JupyterLab's own. */
const TOGGLE = 'application:toggle-right-area';

/** Back to the notebook; the sidebar closes where the front end can. */
function leave({ commands, shell }: JupyterFrontEnd): void {
  if (commands.hasCommand(TOGGLE)) {
    void commands.execute(TOGGLE);
  }
  shell.currentWidget?.activate();
}

/** Shows the panel; by the shortcut, whose focus is in it leaves it again. */
export function addOpen(app: JupyterFrontEnd, words: Words): void {
  app.commands.addCommand(OPEN, {
    // menus list panels by their names
    label: args =>
      args.isMenu === true ? words.__('Cost Meter') : words.__('Show the Cost Meter'),
    caption: words.__('What each cell of the current notebook costs'),
    describedBy: {
      args: {
        type: 'object',
        properties: { isMenu: { type: 'boolean' }, toggle: { type: 'boolean' } }
      }
    },
    execute: args => {
      const panel = document.getElementById(PANEL_ID);
      const leaves = args.toggle === true && panel?.contains(document.activeElement) === true;
      return leaves ? leave(app) : app.shell.activateById(PANEL_ID);
    }
  });
}

function exportLabel(scope: Scope, format: Format, words: Words): string {
  const kind = { json: 'JSON', csv: 'CSV', md: 'Markdown' }[format];
  switch (scope) {
    case 'session':
      return words.__('This Session as %1', kind);
    case 'notebook':
      return words.__('This Notebook as %1', kind);
    case 'project':
      return words.__('This Project as %1', kind);
  }
}

/** The command's arguments, with what is not said or not known made the usual one. */
function selected(args: ReadonlyPartialJSONObject): { scope: Scope; format: Format } {
  const scope = SCOPES.find(one => one === args.scope) ?? 'notebook';
  const format = FORMATS.find(one => one === args.format) ?? 'json';
  return { scope, format };
}

function possible(follower: Follower, scope: Scope): boolean {
  const meter = follower.current;
  if (meter === null) {
    return false;
  }
  const { totals } = meter.feed;
  return scope === 'session'
    ? meter.model.sessionId !== null
    : scope === 'notebook' || totals === null || totals.project !== null;
}

const SCHEMA = {
  type: 'object',
  properties: {
    scope: { type: 'string', enum: [...SCOPES], description: 'Which cells' },
    format: { type: 'string', enum: [...FORMATS], description: "The file's format" }
  }
} as const;

export function addExport(app: JupyterFrontEnd, follower: Follower, get: Get, words: Words): void {
  app.commands.addCommand(EXPORT, {
    label: args => {
      const { scope, format } = selected(args);
      return exportLabel(scope, format, words);
    },
    isEnabled: args => possible(follower, selected(args).scope),
    describedBy: { args: SCHEMA },
    execute: async args => {
      const meter = follower.current;
      if (meter === null) {
        return;
      }
      const selection = { ...selected(args), path: meter.path(), session: meter.model.sessionId };
      try {
        download(await fetchExport(get, selection));
      } catch (error) {
        await showErrorMessage(words.__('The costs were not exported'), reason(error));
      }
    }
  });
}

/** Say what the selected cells are, in the panel's form. */
export function addTag(app: JupyterFrontEnd, follower: Follower, words: Words): void {
  const chosen = () => (follower.current === null ? null : chosenCells(follower.current.panel));
  app.commands.addCommand(TAG, {
    label: words.__('Tag Cells…'),
    caption: words.__('Say what the selected cells are: training, a search, an ablation …'),
    isEnabled: () => (chosen()?.ids.length ?? 0) > 0,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      const [meter, cells] = [follower.current, chosen()];
      if (meter !== null && cells !== null && cells.ids.length > 0) {
        await app.commands.execute(OPEN);
        await meter.tags.open(cells);
      }
    }
  });
}

/** A menu of the formats by scope, which opens below the button. */
export function exportMenu(app: JupyterFrontEnd): OpenMenu {
  const menu = new MenuSvg({ commands: app.commands });
  menu.addClass('jp-Costmeter-menu');
  SCOPES.forEach((scope, i) => {
    if (i > 0) {
      menu.addItem({ type: 'separator' });
    }
    FORMATS.forEach(format => menu.addItem({ command: EXPORT, args: { scope, format } }));
  });
  return anchor => {
    const { left, bottom } = anchor.getBoundingClientRect();
    menu.aboutToClose.connect(function back() {
      menu.aboutToClose.disconnect(back);
      anchor.focus(); // so that the keyboard goes on where it came from
    });
    menu.open(left, bottom);
  };
}
