/** One line below a code cell, outside of its outputs: in no file, and in no export. */
import type { INotebookTracker, Notebook, NotebookPanel } from '@jupyterlab/notebook';

export type CellWidget = Notebook['widgets'][number];

/** Whose word it is, the first first: what ran here counts more than what the notebook says of itself. */
const KINDS = ['badge', 'carried'] as const;
type Kind = (typeof KINDS)[number];

/** How the run ended that is told of. */
export type State = 'ok' | 'error' | 'interrupted' | 'killed' | 'running';

export interface Line {
  kind: Kind;
  state: State;
  /** In words, and before the text: that it runs, or did not end well. */
  mark: string;
  text: string;
  hover: string;
}

const NBSP = '\u00a0';

/** What is there to be said of each cell, and the node that says it. */
export class Lines {
  private readonly said = new WeakMap<CellWidget, Partial<Record<Kind, Line | null>>>();
  private readonly nodes = new WeakMap<CellWidget, HTMLElement>();

  /** What one of them has to say of a cell; null: nothing. Only what has changed is drawn. */
  put(cell: CellWidget, kind: Kind, line: Line | null): void {
    const said = { ...this.said.get(cell), [kind]: line };
    this.said.set(cell, said);
    const first = KINDS.map(one => said[one]).find(one => one);
    const node = this.nodes.get(cell) ?? (first ? this.add(cell) : null);
    if (node !== null) {
      draw(node, first ?? null);
    }
  }

  /** Behind all that the cell's own layout knows, which finds its places by counting from the start. */
  private add(cell: CellWidget): HTMLElement {
    const node = document.createElement('div');
    node.setAttribute('role', 'note');
    node.append(document.createElement('span'), document.createTextNode(''));
    cell.node.append(node);
    this.nodes.set(cell, node);
    return node;
  }
}

/** A text, never HTML: a notebook may come from anybody. */
function draw(node: HTMLElement, line: Line | null): void {
  set(node, 'hidden', line === null);
  if (line === null) {
    return;
  }
  const [mark, text] = node.childNodes as unknown as [HTMLElement, Text];
  set(node, 'className', `jp-Costmeter-below jp-Costmeter-${line.kind}`);
  set(node, 'title', line.hover);
  if (node.dataset.state !== line.state) {
    node.dataset.state = line.state;
  }
  set(mark, 'textContent', line.mark);
  set(text, 'data', unbroken(line.mark !== '' && line.text !== '' ? ` · ${line.text}` : line.text));
}

/** Where it is narrow it goes on in another line, between its figures. */
const unbroken = (text: string): string => text.replace(/(?<!·) /g, NBSP);

function set<T, K extends keyof T>(node: T, name: K, value: T[K]): void {
  if (node[name] !== value) {
    node[name] = value;
  }
}

/** Calls `draw` soon after a notebook has come or has other cells: once, however many they are. */
export function onCells(tracker: INotebookTracker, draw: (panel: NotebookPanel) => void): void {
  const watch = (panel: NotebookPanel): void => {
    const { content } = panel;
    let due = false;
    const soon = (): void => {
      if (!due) {
        due = true;
        setTimeout(() => {
          due = false;
          if (!panel.isDisposed) {
            draw(panel);
          }
        }, 0);
      }
    };
    const follow = (): void => {
      content.model?.cells.changed.connect(soon);
      soon();
    };
    content.modelChanged.connect(follow);
    follow();
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_, panel) => watch(panel));
}

/** The code cells of a notebook. */
export function codeCells({ content }: NotebookPanel): CellWidget[] {
  return content.widgets.filter(cell => cell.model.type === 'code');
}
