import { Dialog, showDialog } from '@jupyterlab/apputils';
import {
  addIcon,
  deleteIcon,
  editIcon,
  lockIcon,
  pauseIcon,
  runIcon
} from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import React, { useEffect } from 'react';
import type { Verdict } from '../budget.js';
import {
  fixedText,
  hoverText,
  labText,
  MARKS,
  shortText,
  spokenOf,
  standing,
  stateText,
  tightest
} from '../budgets.js';
import type { NotebookBudgets } from '../notebook-budgets.js';
import type { Words } from '../words.js';
import { BudgetForm } from './budget-form.js';
import { Section } from './section.js';
import { Spent, type SpentProps } from './spent.js';
import { useView } from './view.js';

/** Other kernels spend, too: so often the server is asked while somebody looks. */
const LOOK_MS = 10_000;

export interface BudgetsProps extends Omit<SpentProps, 'verdict' | 'spent'> {
  budgets: NotebookBudgets;
  /** Somebody looks. */
  ticks: boolean;
}

function useLooks(active: boolean, { feed }: NotebookBudgets): void {
  useEffect(() => {
    const timer = active ? setInterval(() => feed.request(), LOOK_MS) : undefined;
    return () => clearInterval(timer);
  }, [active, feed]);
}

/** All budgets that this notebook's use counts in. */
export function Budgets(props: BudgetsProps): React.JSX.Element {
  const { budgets, ticks } = props;
  const { words } = useView();
  const { feed, desk } = budgets;
  const all = budgets.verdicts();
  useLooks(ticks && all.length > 0, budgets);
  const adds = desk.draft !== null && !all.some(({ id }) => id === desk.draft?.id);
  return (
    <Section
      name="budgets"
      title={words.__('Budgets')}
      gist={<Gist all={all} />}
      asked={budgets.asked}
      className="jp-Costmeter-budgets"
    >
      <Problems budgets={budgets} />
      {all.length === 0 && feed.answer !== null && !adds && (
        <p className="jp-Costmeter-quiet">{words.__('No budget is set.')}</p>
      )}
      <ul>
        {all.map(verdict => (
          <Row key={verdict.id} {...props} verdict={verdict} />
        ))}
      </ul>
      <button
        type="button"
        className="jp-Costmeter-button jp-Costmeter-add"
        disabled={feed.answer === null}
        aria-expanded={adds}
        onClick={() => desk.add()}
      >
        <addIcon.react tag="span" className="jp-Costmeter-icon" />
        {words.__('Add a budget')}
      </button>
      {adds && <BudgetForm desk={desk} />}
    </Section>
  );
}

/** The one that is spent furthest: a bar, and how far. */
function Gist({ all }: { all: readonly Verdict[] }): React.JSX.Element {
  const { words } = useView();
  const verdict = tightest(all);
  if (verdict === null) {
    return <>{all.length > 0 ? words.__('Nothing is counted now') : words.__('None is set')}</>;
  }
  const { state } = verdict;
  return (
    <span
      className={`jp-Costmeter-statusBudget jp-mod-${state}`}
      data-state={state}
      title={`${verdict.title}\n${hoverText(verdict, words)}`}
    >
      {MARKS[state] && `${MARKS[state]} `}
      {shortText(verdict, words)}
    </span>
  );
}

function Problems({ budgets }: { budgets: NotebookBudgets }): React.JSX.Element {
  const { words } = useView();
  const { answer, problem } = budgets.feed;
  return (
    <>
      {answer?.problems.map(one => (
        <p key={one} className="jp-Costmeter-warning" data-kind="budgets" role="alert">
          {one}
        </p>
      ))}
      {problem && (
        <p className="jp-Costmeter-note" data-kind="budgets">
          {words.__('The budgets cannot be read: %1', problem)}
        </p>
      )}
    </>
  );
}

function Row(props: BudgetsProps & { verdict: Verdict }): React.JSX.Element {
  const { budgets, verdict } = props;
  const { words } = useView();
  const { desk, spent } = budgets;
  const { id, state, cap, burn, lab } = verdict;
  const failed = desk.failed.get(id);
  return (
    <li
      className="jp-Costmeter-budget"
      data-budget-id={id}
      data-name={verdict.name}
      data-state={state}
      data-cap={cap}
    >
      <Head verdict={verdict} />
      <div className="jp-Costmeter-budgetBar">
        <Bar verdict={verdict} />
        <span className="jp-Costmeter-share">{standing(verdict, words).share}</span>
      </div>
      <Figures verdict={verdict} />
      {burn && state !== 'paused' && <p className="jp-Costmeter-burn">{burn.text}</p>}
      {lab && (
        <p className="jp-Costmeter-quiet" data-lab={lab.whose}>
          {labText(lab, words)}
        </p>
      )}
      <Actions budgets={budgets} verdict={verdict} />
      {failed && (
        <p className="jp-Costmeter-error" role="alert">
          {failed}
        </p>
      )}
      {desk.draft?.id === id && <BudgetForm desk={desk} />}
      {spent.budget === id && <Spent {...props} spent={spent} />}
    </li>
  );
}

function Head({ verdict }: { verdict: Verdict }): React.JSX.Element {
  const { words } = useView();
  const { title, cap, lab, state } = verdict;
  const said = stateText(verdict, words);
  const admin = lab ? fixedText(lab, words) : words.__('Set by the administrator');
  return (
    <div className="jp-Costmeter-budgetHead">
      <span className="jp-Costmeter-budgetTitle" title={hoverText(verdict, words)}>
        {cap && (
          <span role="img" aria-label={admin} title={admin}>
            <lockIcon.react tag="span" className="jp-Costmeter-icon" />
          </span>
        )}
        {title}
      </span>
      {said && (
        <span className="jp-Costmeter-budgetState" data-state={state}>
          {MARKS[state] && <span aria-hidden="true">{MARKS[state]}</span>} {said}
        </span>
      )}
    </div>
  );
}

/** Its state is a pattern, too, not only a colour; the small lines are where it warns. */
function Bar({ verdict }: { verdict: Verdict }): React.JSX.Element {
  const { words } = useView();
  const { share, state, title, warn, limit, granted } = verdict;
  const part = Math.min(1, share ?? 0);
  const all = limit + granted;
  return (
    <div
      className="jp-Costmeter-track"
      role="progressbar"
      aria-label={title}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={share === null ? undefined : Math.round(100 * part)}
      aria-valuetext={spokenOf(verdict, words)}
      data-state={state}
    >
      <span style={{ width: `${100 * part}%` }} />
      {warn
        .map(one => (all > 0 ? (one * limit) / all : 1))
        .filter(one => one < 1)
        .map(one => (
          <i key={one} style={{ left: `${100 * one}%` }} />
        ))}
    </div>
  );
}

function Figures({ verdict }: { verdict: Verdict }): React.JSX.Element {
  const { words } = useView();
  const { spent, left, mark } = standing(verdict, words);
  return (
    <div className="jp-Costmeter-budgetFigures" title={hoverText(verdict, words)}>
      <span
        className="jp-Costmeter-figure"
        data-name="budget"
        data-value={verdict.spent.value ?? ''}
      >
        {mark && <span className="jp-Costmeter-mark">{mark}</span>}
        {spent}
      </span>
      {left && <span className="jp-Costmeter-quiet">· {left}</span>}
    </div>
  );
}

async function confirmed({ title, origin }: Verdict, words: Words): Promise<boolean> {
  const { button } = await showDialog({
    title: words.__('Delete this budget?'),
    body: words.__(
      '%1, from %2. What was spent stays in the ledger.',
      title,
      origin || words.__('your own file')
    ),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: words.__('Delete') })]
  });
  return button.accept;
}

function Actions(props: { budgets: NotebookBudgets; verdict: Verdict }): React.JSX.Element {
  const { budgets, verdict } = props;
  const { words } = useView();
  const { spent, desk } = budgets;
  const { id, cap, hold, lab, state } = verdict;
  const opened = spent.budget === id;
  const why = words.__('A tenth of the limit more, until the period ends');
  return (
    <div className="jp-Costmeter-budgetActions">
      <button
        type="button"
        className="jp-Costmeter-link"
        data-deed="dearest"
        aria-expanded={opened}
        onClick={() => (opened ? spent.close() : spent.open(id))}
      >
        {words.__('What spent it?')}
      </button>
      {(lab?.goes_on ?? !cap) && hold !== 'warn' && state === 'over' && (
        <button
          type="button"
          className="jp-Costmeter-button"
          data-deed="extend"
          title={why}
          onClick={() => void desk.extend(id)}
        >
          {words.__('Go on')}
        </button>
      )}
      {!cap && <Changes {...props} />}
    </div>
  );
}

function Changes(props: { budgets: NotebookBudgets; verdict: Verdict }): React.JSX.Element {
  const { verdict } = props;
  const { desk } = props.budgets;
  const { words } = useView();
  const remove = async (): Promise<void> => {
    if (await confirmed(verdict, words)) {
      await desk.remove(verdict);
    }
  };
  const pause = verdict.paused ? words.__('Resume') : words.__('Pause');
  return (
    <span className="jp-Costmeter-changes">
      <IconButton
        icon={editIcon}
        deed="edit"
        label={words.__('Edit')}
        act={() => desk.edit(verdict)}
      />
      <IconButton
        icon={verdict.paused ? runIcon : pauseIcon}
        deed="pause"
        label={pause}
        act={() => void desk.pause(verdict)}
      />
      <IconButton
        icon={deleteIcon}
        deed="delete"
        label={words.__('Delete')}
        act={() => void remove()}
      />
    </span>
  );
}

function IconButton(props: {
  icon: LabIcon;
  deed: string;
  label: string;
  act: () => void;
}): React.JSX.Element {
  const { icon, deed, label, act } = props;
  return (
    <button
      type="button"
      className="jp-Costmeter-iconButton"
      data-deed={deed}
      aria-label={label}
      title={label}
      onClick={act}
    >
      <icon.react tag="span" className="jp-Costmeter-icon" />
    </button>
  );
}
