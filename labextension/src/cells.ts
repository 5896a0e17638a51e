/** A cell of a notebook by its id, which is what the kernel calls it by. */
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

const LINE = 80;

function indexOf(panel: NotebookPanel, id: string | null): number {
  return id === null ? -1 : panel.content.widgets.findIndex(cell => cell.model.id === id);
}

/** Its first line that says something, or null where the cell is gone. */
export function firstLine(panel: NotebookPanel, id: string | null): string | null {
  const source = panel.content.widgets[indexOf(panel, id)]?.model.sharedModel.getSource();
  const line = source?.split('\n').find(one => one.trim() !== '');
  return source === undefined ? null : (line ?? '').trim().slice(0, LINE);
}

/** Scroll to it and make it the active one. */
export async function reveal(panel: NotebookPanel, id: string | null): Promise<void> {
  const notebook = panel.content;
  const index = indexOf(panel, id);
  const cell = notebook.widgets[index];
  if (cell === undefined) {
    return;
  }
  NotebookActions.expandParent(cell, notebook); // it may be under a collapsed heading
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  await notebook.scrollToCell(cell, 'center');
  notebook.activate();
}
