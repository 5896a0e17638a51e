/** The status bar's item: what the current notebook's session has cost so far, and the tightest budget. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import React from 'react';
import { totalOf } from './api.js';
import { hoverText, MARKS, shortText, tightest } from './budgets.js';
import type { Follower } from './follow.js';
import { DASH, duration, explain, plain, show } from './format.js';
import { costIcon } from './icons.js';
import type { Settings } from './settings.js';
import type { Words } from './words.js';

class CostStatus extends ReactWidget {
  /** Whether there is something to show has changed. */
  readonly activeChanged = new Signal<this, void>(this);
  private wasActive = false;

  constructor(
    private readonly follower: Follower,
    private readonly settings: Settings,
    private readonly words: Words,
    private readonly open: () => void
  ) {
    super();
    follower.changed.connect(this.refresh, this);
    settings.changed.connect(this.refresh, this);
  }

  get isActive(): boolean {
    const model = this.follower.current?.model;
    return this.settings.showStatusBar && model?.phase === 'metered' && model.summary !== null;
  }

  private refresh(): void {
    const { isActive } = this;
    if (isActive !== this.wasActive) {
      this.wasActive = isActive;
      this.activeChanged.emit();
    }
    this.update();
  }

  protected override render(): React.JSX.Element | null {
    const summary = this.follower.current?.model.summary;
    if (!this.isActive || !summary) {
      return null;
    }
    const { energyUnit } = this.settings;
    const total = totalOf(summary, 'energy_j');
    const title = this.words.__("This session's energy");
    const time = summary.cells > 0 ? duration(summary.wall_s) : DASH;
    const energy = total && explain(title, total, energyUnit, this.words);
    return (
      <button type="button" className="jp-Costmeter-status" title={energy} onClick={this.open}>
        <costIcon.react tag="span" className="jp-Costmeter-icon" />
        <span>{plain(show(total, energyUnit))}</span>
        <span className="jp-Costmeter-quiet">{time}</span>
        {this.budget()}
      </button>
    );
  }

  /** The one that is spent furthest. */
  private budget(): React.JSX.Element | null {
    const verdict = tightest(this.follower.current?.budgets.verdicts() ?? []);
    if (verdict === null) {
      return null;
    }
    const { state, title } = verdict;
    const mark = MARKS[state];
    return (
      <span
        className={`jp-Costmeter-statusBudget jp-mod-${state}`}
        data-state={state}
        title={`${title}\n${hoverText(verdict, this.words)}`}
      >
        {mark && `${mark} `}
        {shortText(verdict, this.words)}
      </span>
    );
  }
}

/** Put the item into the status bar, where there is one. */
export function addStatus(
  bar: IStatusBar,
  follower: Follower,
  settings: Settings,
  words: Words,
  open: () => void
): void {
  const item = new CostStatus(follower, settings, words, open);
  bar.registerStatusItem('jupyter-costmeter:status', {
    item,
    align: 'right',
    rank: 100,
    isActive: () => item.isActive,
    activeStateChanged: item.activeChanged
  });
}
