import React from 'react';
import { LOAD } from '../api.js';
import type { Phase } from '../model.js';
import type { Words } from '../words.js';
import { Coded } from './figure.js';
import { useView } from './view.js';

export type State = Exclude<Phase, 'metered'> | 'no-notebook';

function sentence(state: State, words: Words): string {
  switch (state) {
    case 'no-notebook':
      return words.__('Open a notebook to see its cost.');
    case 'no-kernel':
      return words.__('This notebook has no kernel.');
    case 'looking':
      return words.__('Looking for the meter in the kernel…');
    case 'silent':
      return words.__('The kernel does not answer. It is asked again when it is idle.');
    case 'dead':
      return words.__('The kernel has died.');
    case 'foreign':
      return words.__('This kernel is not IPython, so its cells cannot be metered.');
    case 'unmetered':
      return words.__('Not metered: run %1', LOAD);
  }
}

/** Where the panel stands when there is nothing to meter. */
export function Stand({ state }: { state: State }): React.JSX.Element {
  const { words } = useView();
  return (
    <p className="jp-Costmeter-state" data-state={state} role="status">
      <Coded text={sentence(state, words)} code={LOAD} />
    </p>
  );
}

const MISSING = ['ModuleNotFoundError', 'ImportError'];

function Failure({ error }: { error: Error }): React.JSX.Element {
  const { words } = useView();
  const remedy = words.__(
    "The kernel's Python lacks jupyter_costmeter: install it there as its README says, then try again."
  );
  return (
    <div className="jp-Costmeter-error" role="alert">
      <p>{error.message || error.name}</p>
      {MISSING.includes(error.name) && <p>{remedy}</p>}
    </div>
  );
}

export interface LoadProps {
  busy: boolean;
  error: Error | null;
  load: () => void;
}

/** The button that does what the sentence says, and how to need it no more. */
export function Load({ busy, error, load }: LoadProps): React.JSX.Element {
  const { words } = useView();
  const enable = 'jupyter costmeter enable';
  return (
    <>
      <button
        type="button"
        className="jp-Costmeter-load jp-Costmeter-button jp-mod-accept"
        disabled={busy}
        onClick={load}
      >
        {busy ? words.__('Waiting for the kernel…') : words.__('Meter this notebook')}
      </button>
      {error && <Failure error={error} />}
      <p className="jp-Costmeter-quiet">
        <Coded text={words.__('For every kernel, once in a terminal: %1', enable)} code={enable} />
      </p>
    </>
  );
}
