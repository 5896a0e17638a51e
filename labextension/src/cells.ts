/** A cell of a notebook by its id, which is what the kernel calls it by. */
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Cells } from './tag-desk.js';

const LINE = 80;
/** Of several cells so many are named. */
const NAMED = 4;

function indexOf(panel: NotebookPanel, id: string | null): number {
  return id === null ? -1 : panel.content.widgets.findIndex(cell => cell.model.id === id);
}

/** The cell with that id, if it is still there. */
export function findCell(
  panel: NotebookPanel,
  id: string | null
): NotebookPanel['content']['widgets'][number] | undefined {
  return panel.content.widgets[indexOf(panel, id)];
}

/** Its first line that says something, or null where the cell is gone. */
export function firstLine(panel: NotebookPanel, id: string | null): string | null {
  const source = panel.content.widgets[indexOf(panel, id)]?.model.sharedModel.getSource();
  const line = source?.split('\n').find(one => one.trim() !== '');
  return source === undefined ? null : (line ?? '').trim().slice(0, LINE);
}

/** Whether a cell only asks us something: no line but `%cost …` and comments. */
export function asksOnly(panel: NotebookPanel, id: string | null): boolean {
  const source = panel.content.widgets[indexOf(panel, id)]?.model.sharedModel.getSource() ?? '';
  const lines = source.split('\n').map(one => one.trim());
  const said = lines.filter(one => one !== '' && !one.startsWith('#'));
  return said.length > 0 && said.every(one => /^%cost(\s|$)/.test(one));
}

/** The selected code cells, the active one among them. */
export function chosenCells({ content }: NotebookPanel): Cells {
  const chosen = content.widgets.filter(
    cell => cell.model.type === 'code' && content.isSelectedOrActive(cell)
  );
  const line = chosen[0]?.model.sharedModel.getSource().trim().split('\n', 1)[0] ?? '';
  const title = chosen.length > 1 ? numbers(chosen) : line.slice(0, LINE);
  return { ids: chosen.map(cell => cell.model.id), title };
}

/** `[11], [12], [13], [14], …`: which cells they are, once others are selected. */
function numbers(cells: NotebookPanel['content']['widgets']): string {
  const named = cells.slice(0, NAMED).map(({ model: { sharedModel } }) => {
    const count = 'execution_count' in sharedModel ? sharedModel.execution_count : null;
    return `[${count ?? ' '}]`;
  });
  return [...named, ...(cells.length > NAMED ? ['…'] : [])].join(', ');
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
