/** The code cell that is selected in a notebook, and what stands in it. */
import type { Notebook } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { Selected } from './forecast.js';

type Cell = NonNullable<Notebook['activeCell']>;

export class Selection implements IDisposable {
  private model: Cell['model'] | null = null;
  isDisposed = false;

  /** @param changed - another cell is selected, or what stands in it is another */
  constructor(
    notebook: Notebook,
    private readonly changed: (selected: Selected | null) => void
  ) {
    notebook.activeCellChanged.connect(this.onCell, this);
    this.onCell(notebook, notebook.activeCell);
  }

  dispose(): void {
    this.isDisposed = true;
    Signal.disconnectReceiver(this);
  }

  private onCell(_: Notebook, cell: Cell | null): void {
    this.model?.sharedModel.changed.disconnect(this.tell, this);
    this.model = cell?.model ?? null;
    this.model?.sharedModel.changed.connect(this.tell, this);
    this.tell();
  }

  private tell(): void {
    const { model } = this;
    const code = model !== null && !model.isDisposed && model.type === 'code';
    this.changed(code ? { cell_id: model.id, source: model.sharedModel.getSource() } : null);
  }
}
