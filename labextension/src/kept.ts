/** A cell that a budget keeps from starting keeps the outputs of its last run, which JupyterLab clears as soon as it is asked to run: pure. */
import { HELD } from './wasted.js';

/** An output as a notebook's file has it. */
export interface Output {
  readonly output_type: string;
  readonly [more: string]: unknown;
}

/** A code cell's model, as far as it is remembered and put back. */
export interface Model {
  readonly outputs: {
    readonly length: number;
    toJSON: () => Output[];
    add: (output: Output) => unknown;
  };
  executionCount: number | null;
  trusted: boolean;
  isDirty: boolean;
  setMetadata: (key: string, value: unknown) => void;
}

/** How a cell's run ended: `error` is the name of the exception, null where it never began. */
export interface End {
  success: boolean;
  error: string | null;
}

type Before = Pick<Model, 'executionCount' | 'trusted' | 'isDirty'> & { outputs: Output[] };

const isHold = ({ output_type, ename }: Output): boolean =>
  output_type === 'error' && ename === HELD;

/** They do not pile up: an earlier hold's message is the first of what it has kept. */
export function withoutHold(outputs: readonly Output[]): readonly Output[] {
  const [first] = outputs;
  return first !== undefined && isHold(first) ? outputs.slice(1) : outputs;
}

/** Scripts in outputs that were not trusted run no more than before, although JupyterLab trusts each cell that it runs. */
function putBack(model: Model, before: Before, outputs: readonly Output[]): void {
  if (!before.trusted) {
    model.trusted = false;
    model.setMetadata('trusted', false);
  }
  outputs.forEach(output => model.outputs.add(output));
  model.executionCount = before.executionCount;
  model.isDirty = before.isDirty;
}

/** The outputs of cells that wait to be run, until they have run; `Q` is whose cells are cancelled with the one that fails. */
export class Kept<Q extends object> {
  private readonly before = new WeakMap<Model, Before>();
  /** Where the newest failure was a hold. */
  private readonly holds = new WeakSet<Q>();

  /** It is asked to run, and has its outputs yet; where it is asked twice they are gone already. */
  scheduled(model: Model): void {
    if (model.outputs.length > 0) {
      const { executionCount, trusted, isDirty } = model;
      this.before.set(model, { executionCount, trusted, isDirty, outputs: model.outputs.toJSON() });
    }
  }

  /** It has run, or was held, or was cancelled since another one of its queue failed. */
  executed(model: Model, { success, error }: End, queue: Q): void {
    const before = this.before.get(model);
    this.before.delete(model);
    const cancelled = !success && error === null;
    if (!cancelled) {
      this.holds.delete(queue);
    }
    if (error === HELD) {
      this.holds.add(queue);
      this.held(model, before);
    } else if (cancelled && before && this.holds.has(queue) && model.outputs.length === 0) {
      putBack(model, before, before.outputs);
    }
  }

  /** Nobody will say how its run ended. */
  forget(model: Model): void {
    this.before.delete(model);
  }

  private held(model: Model, before: Before | undefined): void {
    const newest = before && model.outputs.toJSON().pop();
    const outputs = before ? withoutHold(before.outputs) : [];
    if (before && newest && isHold(newest) && outputs.length > 0) {
      putBack(model, before, outputs);
    }
  }
}
