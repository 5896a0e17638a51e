import React from 'react';
import type { Ledger, Status } from '../api.js';
import type { Words } from '../words.js';
import { useView } from './view.js';

export interface WarningsProps {
  /** What of the kernel's words could not be understood. */
  problem: string | null;
  /** The ledger that is not well, as the kernel or else the server sees it. */
  ledger: Ledger | null;
  /** Why the server has no totals. */
  server: string | null;
  /** Mistakes in the file of the user's assumptions, each with its line. */
  mistakes: readonly string[];
  /** Ask the server again. */
  retry: () => void;
}

type Warning = readonly [kind: string, text: string | null];

function ledgerText({ message, waiting }: Ledger, words: Words): string {
  return message ?? words._n('%1 record waits in memory.', '%1 records wait in memory.', waiting);
}

/** What `fetch` says where nobody answers, in Chromium, Firefox and Safari. */
const OFFLINE = /Failed to fetch|NetworkError|Load failed/;

function serverText(problem: string, words: Words): string {
  return OFFLINE.test(problem)
    ? words.__('Offline: the server does not answer, so totals are as they last were.')
    : words.__('The ledger cannot be read: %1', problem);
}

function warnings(props: WarningsProps, words: Words): Warning[] {
  const { problem, ledger, server, mistakes } = props;
  return [
    ['wire', problem],
    ['ledger', ledger && ledgerText(ledger, words)],
    ['server', server && serverText(server, words)],
    ...mistakes.map((text): Warning => ['assumptions', text])
  ];
}

/** What is wrong with how the figures are got and kept; nothing where all is well. */
export function Warnings(props: WarningsProps): React.JSX.Element {
  const { words } = useView();
  const there = warnings(props, words).filter(([, text]) => text !== null);
  return (
    <>
      {there.map(([kind, text]) => (
        <p key={`${kind} ${text}`} className="jp-Costmeter-warning" data-kind={kind} role="alert">
          {text}{' '}
          {kind === 'server' && (
            <button
              type="button"
              className="jp-Costmeter-link"
              data-deed="retry"
              onClick={props.retry}
            >
              {words.__('Try again')}
            </button>
          )}
        </p>
      ))}
    </>
  );
}

/** No GPU is no fault: one quiet line, the rest on hover. A simulated one is always said. */
export function GpuNote({ sensors }: { sensors: readonly Status[] }): React.JSX.Element | null {
  const { words } = useView();
  const simulated = sensors.find(({ name, ok }) => name === 'replay' && ok);
  if (simulated !== undefined) {
    return (
      <p className="jp-Costmeter-note" data-kind="simulated" title={simulated.message}>
        {words.__('The GPU is simulated: its figures are invented.')}
      </p>
    );
  }
  const gpu = sensors.find(({ name }) => name === 'nvml');
  if (gpu === undefined || gpu.ok) {
    return null;
  }
  const said = words.__('No GPU: %1', gpu.message);
  const hover = gpu.remedy === null ? said : `${said}\n${gpu.remedy}`;
  return (
    <p className="jp-Costmeter-note" data-kind="gpu" title={hover}>
      {said}
    </p>
  );
}
