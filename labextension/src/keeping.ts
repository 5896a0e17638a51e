/** When cells are asked to run and have run, for the outputs that a hold must not cost them. */
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { Follower } from './follow.js';
import { Kept, type Model } from './kept.js';
import { codeCells, type CellWidget } from './lines.js';

const modelOf = (cell: CellWidget): Model | null =>
  cell.model.type === 'code' && !cell.isDisposed ? (cell.model as unknown as Model) : null;

/** A kernel that is gone answers for none of its cells. */
function forgetWithKernel({ sessionContext }: NotebookPanel, forgetAll: () => void): void {
  sessionContext.kernelChanged.connect(forgetAll);
  sessionContext.statusChanged.connect((_, status) => {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      forgetAll();
    }
  });
}

/**
 * Remembered are also the outputs of a notebook whose meter is not known yet, as it may be loaded by the first cell of
 * a "Run All"; only a meter holds. What fails here is caught by the signals, and the cell knows nothing of it.
 */
export function keepOutputs(tracker: INotebookTracker, follower: Follower): void {
  const kept = new Kept<NotebookPanel['content']>();
  NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
    const panel = tracker.find(one => one.content === notebook);
    const phase = panel && follower.of(panel)?.model.phase;
    const model = modelOf(cell);
    if (model !== null && phase !== undefined && phase !== 'foreign') {
      kept.scheduled(model);
    }
  });
  NotebookActions.executed.connect((_, { notebook, cell, success, error }) => {
    const model = modelOf(cell);
    if (model !== null) {
      kept.executed(model, { success, error: error?.errorName ?? null }, notebook);
    }
  });
  const watch = (panel: NotebookPanel): void =>
    forgetWithKernel(panel, () =>
      codeCells(panel)
        .flatMap(cell => modelOf(cell) ?? [])
        .forEach(model => kept.forget(model))
    );
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_, panel) => watch(panel));
}
