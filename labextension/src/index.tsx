/** The plugins: they find their tokens and hand them on. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IFormRendererRegistry } from '@jupyterlab/ui-components';
import { followNotices } from './alerts.js';
import { Badges } from './badges.js';
import { Charts } from './charts.js';
import { Carrying } from './carrying.js';
import { addCellCommands, COPY, COST } from './cell-commands.js';
import { addExport, addOpen, addTag, exportMenu, OPEN, TAG } from './commands.js';
import { Follower } from './follow.js';
import { keepOutputs } from './keeping.js';
import { Lines } from './lines.js';
import { speak } from './locale.js';
import { CostPanel, type Deeds } from './panel.js';
import { addPin, PIN } from './pinned.js';
import { Places } from './places.js';
import { addRegionField } from './region-field.js';
import { fetchStatement, type Get } from './rest.js';
import { download, getter } from './server.js';
import { Settings } from './settings.js';
import { addStatus } from './status.js';
import { addTimeline } from './timeline-widget.js';
import type { Words } from './words.js';

const ID = 'jupyter-costmeter:panel';

/** What the panel's buttons do outside of it. */
function deedsOf(app: JupyterFrontEnd, get: Get): Deeds {
  return {
    openMenu: exportMenu(app),
    tag: () => void app.commands.execute(TAG),
    commands: {
      has: id => app.commands.hasCommand(id),
      run: id => void app.commands.execute(id)
    },
    statement: async ({ path, model }, order) =>
      download(await fetchStatement(get, { ...order, path: path(), session: model.sessionId }))
  };
}

/** Words, and numbers too, are in the language that JupyterLab speaks. */
function wordsOf(translator: ITranslator): Words {
  speak(translator.languageCode, navigator.languages);
  return translator.load('jupyter_costmeter');
}

/** JupyterLab's tokens that Notebook 7 lacks are optional, so that the panel lives there too. */
function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  translator: ITranslator | null,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
  registry: ISettingRegistry | null,
  statusBar: IStatusBar | null,
  forms: IFormRendererRegistry | null,
  themes: IThemeManager | null
): void {
  const words = wordsOf(translator ?? nullTranslator);
  const { contents, serverSettings } = app.serviceManager;
  const get = getter(serverSettings);
  const settings = new Settings();
  const follower = new Follower(tracker, contents, get, words);
  const places = new Places(get, () => follower.reprice());

  addOpen(app, words);
  addExport(app, follower, get, words);
  addTag(app, follower, words);
  const charts = new Charts(serverSettings.baseUrl, words);
  const deeds = deedsOf(app, get);
  const panel = new CostPanel(follower, settings, words, places, get, charts, deeds);
  const lines = new Lines();
  new Carrying(tracker, follower, lines, settings, words);
  const badges = new Badges(tracker, follower, lines, settings, get, words);
  addCellCommands(app, follower, badges, words);
  addPin(app, follower, words);
  followNotices(app, follower, settings, words);
  keepOutputs(tracker, follower);
  app.shell.add(panel, 'right', { rank: 900, type: 'Cost Meter' });
  restorer?.add(panel, panel.id);
  const category = words.__('Cost Meter');
  [OPEN, TAG, COST, COPY, PIN].forEach(command => palette?.addItem({ command, category }));
  if (statusBar !== null) {
    addStatus(statusBar, follower, settings, words, () => void app.commands.execute(OPEN));
  }
  if (forms !== null) {
    const { energyUnit, showMoney } = settings;
    addRegionField(forms, ID, places, () => ({ words, energyUnit, showMoney }));
  }
  // a chart has the theme's colours
  const lookAgain = addTimeline({ app, follower, settings, charts, get, words }, palette);
  themes?.themeChanged.connect(() => {
    follower.current?.budgets.spent.refresh();
    lookAgain();
  });
  settings
    .follow(registry, ID)
    .catch((error: unknown) => console.warn('jupyter-costmeter: settings', error));
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "The cost of each cell in the sidebar, and the session's in the status bar.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [
    ITranslator,
    ILayoutRestorer,
    ICommandPalette,
    ISettingRegistry,
    IStatusBar,
    IFormRendererRegistry,
    IThemeManager
  ],
  activate
};

export default plugin;
