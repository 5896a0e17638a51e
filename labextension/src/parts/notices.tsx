import React, { useId, useState } from 'react';
import type { Ledger, Share, Status } from '../api.js';
import type { Mismatch, Problem } from '../versions.js';
import type { Words } from '../words.js';
import { Coded } from './figure.js';
import { useView } from './view.js';

export interface WarningsProps {
  /** What of the kernel's words could not be understood. */
  problem: Problem | null;
  /** The connection to the kernel is gone. */
  lost: boolean;
  /** The ledger that is not well, as the kernel or else the server sees it. */
  ledger: Ledger | null;
  /** Why the server has no totals. */
  server: Problem | null;
  /** The kernel's machine, where its records are not in the server's ledger; '' where that is not known. */
  lacking: string | null;
  /** Mistakes in the file of the user's assumptions, each with its line. */
  mistakes: readonly string[];
  /** What a button does. */
  act: (help: Help) => unknown;
}

/** Ask the server again, let the kernel write its ledger, ask it again, both, restart it, read the page anew. */
export type Help = 'retry' | 'save' | 'ask' | 'askBoth' | 'restart' | 'reload';

/** What is wrong, and what can be done about it; nothing about a mistake in a file, whose line is said. */
interface Warning {
  kind: string;
  text: string;
  help: Help | null;
}

/** With the file's name alone: where it lies is said on hover. */
function ledgerText({ message, waiting, path }: Ledger, words: Words): string {
  const said =
    message ?? words._n('%1 record waits in memory.', '%1 records wait in memory.', waiting);
  const short = path === '' ? said : said.replace(path, path.split(/[\\/]/).pop() ?? path);
  return short.charAt(0).toUpperCase() + short.slice(1);
}

/** What `fetch` says where nobody answers, in Chromium, Firefox and Safari. */
const OFFLINE = /Failed to fetch|NetworkError|Load failed/;

/** Which of two is to be upgraded, where they do not speak one language. */
export function mismatchText({ who, newer }: Mismatch, words: Words): string {
  if (who === 'kernel') {
    return newer
      ? words.__(
          "The kernel's jupyter_costmeter is newer than JupyterLab's: upgrade it where JupyterLab runs."
        )
      : words.__(
          "The kernel's jupyter_costmeter is older than JupyterLab's: upgrade it in the kernel's environment."
        );
  }
  return newer
    ? words.__("This page is older than the server's jupyter_costmeter: reload it.")
    : words.__(
        "The server's jupyter_costmeter is older than this page: upgrade it where JupyterLab runs."
      );
}

/** An older kernel's meter is a newer one after its upgrade and a restart; else a new page is needed. */
const mismatchHelp = ({ who, newer }: Mismatch): Help =>
  who === 'kernel' && !newer ? 'restart' : 'reload';

const mismatched = (kind: string, one: Mismatch, words: Words): Warning => ({
  kind,
  text: mismatchText(one, words),
  help: mismatchHelp(one)
});

function wireWarning(problem: Problem, words: Words): Warning {
  return typeof problem === 'string'
    ? { kind: 'wire', text: words.__('The kernel is not understood: %1', problem), help: 'ask' }
    : mismatched('wire', problem, words);
}

function serverWarning(problem: Problem | null, lost: boolean, words: Words): Warning | null {
  if (lost || (typeof problem === 'string' && OFFLINE.test(problem))) {
    const text = words.__('Offline: the server does not answer, so totals are as they last were.');
    return { kind: 'server', text, help: 'retry' };
  }
  if (problem === null || typeof problem !== 'string') {
    return problem && mismatched('server', problem, words);
  }
  const text = words.__('The ledger cannot be read: %1', problem);
  return { kind: 'server', text, help: 'retry' };
}

/** Why the ledger's totals lack this kernel's cells. */
export function lackingText(host: string, words: Words): string {
  return host === ''
    ? words.__("This kernel's records are not in the server's ledger.")
    : words.__("This kernel's records are not in the server's ledger (it runs on %1).", host);
}

/** Where the ledger is not well that is why it lacks records. */
function lackingWarning({ lacking, ...more }: WarningsProps, words: Words): Warning | null {
  return lacking === null || more.ledger !== null || more.server !== null || more.lost
    ? null
    : { kind: 'lacking', text: lackingText(lacking, words), help: 'askBoth' };
}

function warnings(props: WarningsProps, words: Words): Warning[] {
  const { problem, lost, ledger, server, mistakes } = props;
  const all = [
    problem && wireWarning(problem, words),
    ledger && { kind: 'ledger', text: ledgerText(ledger, words), help: 'save' as const },
    serverWarning(server, lost, words),
    lackingWarning(props, words),
    ...mistakes.map(text => ({ kind: 'assumptions', text, help: null }))
  ];
  return all.filter((one): one is Warning => !!one);
}

function helpText(help: Help, words: Words): string {
  return {
    retry: words.__('Try again'),
    save: words.__('Try again'),
    ask: words.__('Ask again'),
    askBoth: words.__('Ask again'),
    restart: words.__('Restart the kernel…'),
    reload: words.__('Reload the page')
  }[help];
}

/** The button; while what it does is under way it keeps the focus, and does nothing more. */
function HelpButton({ help, act }: { help: Help; act: WarningsProps['act'] }): React.JSX.Element {
  const { words } = useView();
  const [busy, setBusy] = useState(false);
  const work = async (): Promise<void> => {
    setBusy(true);
    await Promise.resolve(act(help)).catch(() => undefined); // the warning says it
    setBusy(false);
  };
  return (
    <button
      type="button"
      className="jp-Costmeter-link"
      data-deed={help}
      aria-disabled={busy}
      onClick={() => (busy ? undefined : void work())}
    >
      {busy ? words.__('Trying…') : helpText(help, words)}
    </button>
  );
}

/** What is wrong with how the figures are got and kept; nothing where all is well. */
export function Warnings(props: WarningsProps): React.JSX.Element {
  const { words } = useView();
  return (
    <>
      {warnings(props, words).map(({ kind, text, help }) => (
        <p
          key={kind === 'assumptions' ? text : kind}
          className="jp-Costmeter-warning"
          data-kind={kind}
          role="alert"
          title={kind === 'ledger' ? props.ledger?.path : undefined}
        >
          {text} {help && <HelpButton help={help} act={props.act} />}
        </p>
      ))}
    </>
  );
}

interface Sensors {
  sensors: readonly Status[];
}

const simulatedIn = ({ sensors }: Sensors): Status | undefined =>
  sensors.find(({ name, ok }) => name === 'replay' && ok);

/** A simulated GPU is always said, wherever figures are. */
export function SimulatedNote(props: Sensors): React.JSX.Element | null {
  const { words } = useView();
  const simulated = simulatedIn(props);
  const unset = 'JUPYTER_COSTMETER_REPLAY';
  return simulated === undefined ? null : (
    <Explained
      kind="simulated"
      text={words.__('The GPU is simulated: its figures are invented.')}
      ask={words.__('What is this?')}
      hover={simulated.message}
      code={unset}
      answer={words.__(
        'A trace is played instead of a driver (%2). To meter the own GPU unset %1 where JupyterLab is started (or c.CostMeter.replay), and restart the kernel.',
        unset,
        simulated.message
      )}
    />
  );
}

/** A quiet line with the one button that helps: it says more below. */
function Explained(props: {
  kind: string;
  text: string;
  ask: string;
  answer: string;
  /** A piece of the answer that is set as code. */
  code: string;
  hover: string;
}): React.JSX.Element {
  const { kind, text, ask, answer, code, hover } = props;
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <div className="jp-Costmeter-note" data-kind={kind}>
      <span title={hover}>{text}</span>{' '}
      <button
        type="button"
        className="jp-Costmeter-link"
        data-deed="why"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        {ask}
      </button>
      {open && (
        <p id={id}>
          <Coded text={answer} code={code} />
        </p>
      )}
    </div>
  );
}

/** No GPU is no fault: one quiet line, the rest on hover. */
export function GpuNote({ sensors }: Sensors): React.JSX.Element | null {
  const { words } = useView();
  if (simulatedIn({ sensors }) !== undefined) {
    return <SimulatedNote sensors={sensors} />;
  }
  const gpu = sensors.find(({ name }) => name === 'nvml');
  if (gpu === undefined || gpu.ok) {
    return null;
  }
  const said = words.__('No GPU: %1', gpu.message);
  const doctor = '%cost doctor';
  const needed = words.__(
    'A GPU is metered where its driver is on the machine of the kernel (NVIDIA, AMD, Apple). All else is metered nevertheless; %1 in a cell says what each part lacks.',
    doctor
  );
  return (
    <Explained
      kind="gpu"
      text={said}
      ask={words.__('What is needed?')}
      hover={gpu.remedy === null ? said : `${said}\n${gpu.remedy}`}
      code={doctor}
      answer={gpu.remedy === null ? needed : `${gpu.remedy}. ${needed}`}
    />
  );
}

/** What has waited for so long (seconds) is said: the rest is on its way. */
const LATE_S = 60;

/** Records that the lab's ledger has not got yet; why not is said on hover. */
export function ShareNote({ share }: { share: Share | null }): React.JSX.Element | null {
  const { words } = useView();
  if (share === null || share.waiting === 0) {
    return null;
  }
  const { address, waiting, problem, sent_at, since } = share;
  const late = Date.now() / 1000 - (sent_at ?? since) > LATE_S;
  return problem === null && !late ? null : (
    <p className="jp-Costmeter-note" data-kind="share" title={problem ?? address}>
      {words._n(
        "%1 record waits for the lab's ledger; it is tried again by itself.",
        "%1 records wait for the lab's ledger; it is tried again by itself.",
        waiting
      )}
    </p>
  );
}
