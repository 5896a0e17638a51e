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
import { Charts } from './charts.js';
import { addExport, addOpen, exportMenu, OPEN } from './commands.js';
import { Follower } from './follow.js';
import { CostPanel } from './panel.js';
import { Places } from './places.js';
import { addRegionField } from './region-field.js';
import { getter } from './server.js';
import { Settings } from './settings.js';
import { addStatus } from './status.js';

const ID = 'jupyter-costmeter:panel';

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
  const words = (translator ?? nullTranslator).load('jupyter_costmeter');
  const { contents, serverSettings } = app.serviceManager;
  const get = getter(serverSettings);
  const settings = new Settings();
  const follower = new Follower(tracker, contents, get, words);
  const places = new Places(get, () => follower.reprice());

  addOpen(app, words);
  addExport(app, follower, get, words);
  const charts = new Charts(serverSettings.baseUrl);
  const panel = new CostPanel(follower, settings, words, exportMenu(app), places, get, charts);
  followNotices(app, follower, settings, words);
  app.shell.add(panel, 'right', { rank: 900, type: 'Cost Meter' });
  restorer?.add(panel, panel.id);
  palette?.addItem({ command: OPEN, category: words.__('Cost Meter') });
  if (statusBar !== null) {
    addStatus(statusBar, follower, settings, words, () => void app.commands.execute(OPEN));
  }
  if (forms !== null) {
    const { energyUnit, showMoney } = settings;
    addRegionField(forms, ID, places, () => ({ words, energyUnit, showMoney }));
  }
  // a chart has the theme's colours
  themes?.themeChanged.connect(() => follower.current?.budgets.spent.refresh());
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
