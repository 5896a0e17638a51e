/** The user's settings, as schema/panel.json declares them. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ISignal, Signal } from '@lumino/signaling';
import { FROM_S, USUAL, figuresIn, type FigureName } from './badge.js';
import type { EnergyUnit } from './format.js';
import { FIRST, sectionsIn, toggled, type Section } from './sections.js';

export class Settings {
  showStatusBar = true;
  energyUnit: EnergyUnit = 'J';
  dearestCount = 10;
  /** Whether the panel may still ask where the computer stands. */
  askWhere = true;
  showMoney = true;
  /** Whether budgets may say something outside of the panel. */
  budgetNotifications = true;
  /** Whether a cell's costs are written into its notebook. */
  notebookCosts = false;
  /** Whether a line stands below cells, of those that ran for so many seconds, and what is in it. */
  cellLine = true;
  cellLineFrom = FROM_S;
  cellLineFigures: readonly FigureName[] = USUAL;
  /** The panel's sections that are always there, in this order. */
  sections: readonly Section[] = FIRST;
  openSections: readonly Section[] = [];
  /** Whether the other sections are there, too. */
  showMore = false;
  private registered: ISettingRegistry.ISettings | null = null;
  private readonly signal = new Signal<this, void>(this);

  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Follow the registry; without one, or with a broken one, the defaults stand. */
  async follow(registry: ISettingRegistry | null, id: string): Promise<void> {
    if (registry === null) {
      return;
    }
    const settings = await registry.load(id);
    this.registered = settings;
    settings.changed.connect(one => this.apply(one));
    this.apply(settings);
  }

  /** Never ask again; without a registry, not while the page lives. */
  async dismissWhere(): Promise<void> {
    this.askWhere = false;
    this.signal.emit();
    await this.registered?.set('askWhere', false);
  }

  /** Open or close a section of the panel; remembered, as far as there is a registry. */
  async toggleSection(one: Section): Promise<void> {
    this.openSections = toggled(this.openSections, one);
    this.signal.emit();
    await this.registered?.set('openSections', [...this.openSections]);
  }

  async toggleMore(): Promise<void> {
    this.showMore = !this.showMore;
    this.signal.emit();
    await this.registered?.set('showMore', this.showMore);
  }

  private apply({ composite }: ISettingRegistry.ISettings): void {
    this.showStatusBar = composite.showStatusBar !== false;
    this.energyUnit = composite.energyUnit === 'Wh' ? 'Wh' : 'J';
    this.dearestCount = Number(composite.dearestCount ?? 10);
    this.askWhere = composite.askWhere !== false;
    this.showMoney = composite.showMoney !== false;
    this.budgetNotifications = composite.budgetNotifications !== false;
    this.notebookCosts = composite.notebookCosts === true;
    this.cellLine = composite.cellLine !== false;
    this.cellLineFrom = Number(composite.cellLineFrom ?? FROM_S);
    this.cellLineFigures = figuresIn(composite.cellLineFigures);
    this.sections = sectionsIn(composite.sections, FIRST);
    this.openSections = sectionsIn(composite.openSections, []);
    this.showMore = composite.showMore === true;
    this.signal.emit();
  }
}
