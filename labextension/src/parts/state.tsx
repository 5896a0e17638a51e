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
      return words.__('The kernel does not answer. It is asked again by itself.');
    case 'dead':
      return words.__('The kernel has died.');
    case 'foreign':
      return words.__('This kernel is not IPython, so its cells cannot be metered.');
    case 'unmetered':
      return words.__('Not metered: run %1', LOAD);
  }
}

/** What helps in a state: a command of JupyterLab's, or that the kernel is asked again. */
const HELPS: Partial<Record<State, string>> = {
  'no-notebook': 'notebook:create-new',
  'no-kernel': 'notebook:change-kernel',
  dead: 'notebook:restart-kernel',
  foreign: 'notebook:change-kernel'
};

function helpText(state: State, words: Words): string {
  switch (state) {
    case 'no-notebook':
      return words.__('New notebook');
    case 'no-kernel':
      return words.__('Choose a kernel…');
    case 'dead':
      return words.__('Restart the kernel…');
    case 'foreign':
      return words.__('Choose another kernel…');
    default:
      return words.__('Ask again');
  }
}

/** The one button that helps; none where only waiting does, or the front end lacks the command. */
function Help(props: StandProps): React.JSX.Element | null {
  const { state, commands, retry } = props;
  const { words } = useView();
  const command = HELPS[state];
  const does = command === undefined ? state === 'silent' && retry : commands.has(command);
  return does ? (
    <button
      type="button"
      className="jp-Costmeter-button"
      data-deed="help"
      onClick={() => (command === undefined ? retry?.() : commands.run(command))}
    >
      {helpText(state, words)}
    </button>
  ) : null;
}

/** JupyterLab's commands. */
export interface Commands {
  has: (id: string) => boolean;
  run: (id: string) => void;
}

export interface StandProps {
  state: State;
  commands: Commands;
  /** Ask the kernel again. */
  retry?: () => void;
}

/** Where the panel stands when there is nothing to meter, and what helps. */
export function Stand(props: StandProps): React.JSX.Element {
  const { state } = props;
  const { words } = useView();
  return (
    <>
      <p className="jp-Costmeter-state" data-state={state} role="status">
        <Coded text={sentence(state, words)} code={LOAD} />
      </p>
      <Help {...props} />
    </>
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
        aria-disabled={busy}
        onClick={() => (busy ? undefined : load())}
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
