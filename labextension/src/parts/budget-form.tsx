import React, { useEffect, useId, useLayoutEffect, type RefObject } from 'react';
import {
  BUDGET_SCOPES,
  HOLDS,
  MEASURES,
  PERIODS,
  type BudgetScope,
  type Hold,
  type Measure,
  type PeriodKind
} from '../budget.js';
import { LENGTHS, type Draft, type Length } from '../budget-form.js';
import { holdText } from '../budgets.js';
import type { BudgetDesk } from '../desk.js';
import { CO2E } from '../format.js';
import { typed } from '../locale.js';
import type { Words } from '../words.js';
import { Form } from './form.js';
import { useInView, useView } from './view.js';

function measureName(measure: Measure, words: Words): string {
  return {
    gpu_hours: words.__('GPU-hours held'),
    gpu_busy_hours: words.__('GPU-hours busy'),
    flops: words.__('FLOPs'),
    kwh: words.__('Electricity with PUE, kWh'),
    kgco2e: words.__('Emissions, kg %1', CO2E),
    amount: words.__('Money')
  }[measure];
}

function scopeName(scope: BudgetScope, words: Words): string {
  return {
    session: words.__('each session'),
    notebook: words.__('notebook'),
    project: words.__('project'),
    user: words.__('all I run')
  }[scope];
}

function periodName(kind: PeriodKind, words: Words): string {
  return {
    day: words.__('a day'),
    week: words.__('a week'),
    month: words.__('a month'),
    session: words.__('a session'),
    total: words.__('in all'),
    rolling: words.__('any last …'),
    span: words.__('from … until …')
  }[kind];
}

function lengthName(unit: Length, words: Words): string {
  return {
    min: words.__('minutes'),
    h: words.__('hours'),
    d: words.__('days'),
    w: words.__('weeks')
  }[unit];
}

/** The keyboard goes back to the button that opened the form, however it is left. */
function useWayBack(node: RefObject<HTMLElement>): void {
  useLayoutEffect(() => {
    const form = node.current;
    const row = form?.closest('.jp-Costmeter-budget, .jp-Costmeter-budgets');
    const opener = row?.querySelector<HTMLElement>(
      form?.closest('.jp-Costmeter-budget') ? '[data-deed=edit]' : '.jp-Costmeter-add'
    );
    return () => {
      if (form?.contains(document.activeElement)) {
        opener?.focus();
      }
    };
  }, [node]);
}

/** Add or edit: Enter saves, Escape leaves it. */
export function BudgetForm({ desk }: { desk: BudgetDesk }): React.JSX.Element | null {
  const { words } = useView();
  const node = useInView<HTMLFormElement>();
  useEffect(() => {
    const field = desk.takeFocus();
    const found = field && node.current?.querySelector<HTMLInputElement>(`[name="${field}"]`);
    if (found) {
      found.focus();
      found.select();
    }
  });
  useWayBack(node);
  const { draft, refused } = desk;
  if (draft === null) {
    return null;
  }
  return (
    <Form
      name={draft.id === null ? words.__('A new budget') : words.__('Edit the budget')}
      save={() => desk.save()}
      leave={() => desk.cancel()}
      buttons={<Buttons desk={desk} draft={draft} />}
      {...{ node, refused }}
    >
      <Terms desk={desk} draft={draft} />
      <Ways desk={desk} draft={draft} />
    </Form>
  );
}

interface PartProps {
  desk: BudgetDesk;
  draft: Draft;
}

function Buttons({ desk, draft }: PartProps): React.JSX.Element {
  const { words } = useView();
  return (
    <div className="jp-Costmeter-actions">
      <button type="submit" className="jp-Costmeter-button jp-mod-accept" aria-disabled={desk.busy}>
        {draft.id === null ? words.__('Set the budget') : words.__('Save')}
      </button>
      <button type="button" className="jp-Costmeter-button" onClick={() => desk.cancel()}>
        {words.__('Cancel')}
      </button>
    </div>
  );
}

/** How much of what, for whom, for how long. */
function Terms({ desk, draft }: PartProps): React.JSX.Element {
  const { words } = useView();
  const { measure } = draft;
  const example = measure === 'flops' ? typed('1.5e18') : '20';
  return (
    <div className="jp-Costmeter-fields">
      <Choice
        {...{ desk, draft }}
        name="measure"
        label={words.__('Of')}
        options={MEASURES.map(one => [one, measureName(one, words)])}
      />
      <Field {...{ desk, draft }} name="limit" label={words.__('Limit')} hint={example} numeric />
      {measure === 'amount' && (
        <Field {...{ desk, draft }} name="currency" label={words.__('Currency')} hint="EUR" />
      )}
      <Choice
        {...{ desk, draft }}
        name="scope"
        label={words.__('For')}
        options={BUDGET_SCOPES.map(one => [one, scopeName(one, words)])}
      />
      <Choice
        {...{ desk, draft }}
        name="per"
        label={words.__('Per')}
        options={PERIODS.map(one => [one, periodName(one, words)])}
      />
      <Times desk={desk} draft={draft} />
    </div>
  );
}

/** What some periods want to know. */
function Times({ desk, draft }: PartProps): React.JSX.Element | null {
  const { words } = useView();
  const units = draft.lengthUnit === 'min' ? (['min', ...LENGTHS] as const) : LENGTHS;
  switch (draft.per) {
    case 'rolling':
      return (
        <>
          <Field {...{ desk, draft }} name="length" label={words.__('The last')} hint="7" numeric />
          <Choice
            {...{ desk, draft }}
            name="lengthUnit"
            label=""
            said={words.__('Unit of time')}
            options={units.map(one => [one, lengthName(one, words)])}
          />
        </>
      );
    case 'span':
      return (
        <>
          <Field {...{ desk, draft }} name="from" label={words.__('From')} type="date" />
          <Field
            {...{ desk, draft }}
            name="until"
            label={words.__('Until')}
            type="date"
            title={words.__('The first day that is no longer in it')}
          />
        </>
      );
    default:
      return null;
  }
}

/** What happens, what it is called, and who else has it. */
function Ways({ desk, draft }: PartProps): React.JSX.Element {
  const { words } = useView();
  return (
    <>
      <Holds desk={desk} draft={draft} />
      <div className="jp-Costmeter-fields">
        <Field
          {...{ desk, draft }}
          name="warn"
          label={words.__('Warn at %')}
          title={words.__('Shares of the limit in percent, once each in a period')}
        />
        <Field {...{ desk, draft }} name="name" label={words.__('Name')} />
      </div>
      <label className="jp-Costmeter-check">
        <input
          type="checkbox"
          name="shared"
          checked={draft.shared}
          disabled={draft.id !== null}
          onChange={event => desk.type({ shared: event.target.checked })}
        />
        <span>
          {words.__('Share it with the project')}{' '}
          <span className="jp-Costmeter-quiet">
            {words.__('(written into jupyter_costmeter.toml beside it)')}
          </span>
        </span>
      </label>
    </>
  );
}

function holdName(hold: Hold, words: Words): string {
  return { warn: words.__('Warn'), ask: words.__('Ask'), stop: words.__('Stop') }[hold];
}

function Holds({ desk, draft }: PartProps): React.JSX.Element {
  const { words } = useView();
  const group = useId();
  return (
    <fieldset className="jp-Costmeter-kinds jp-Costmeter-holds">
      <legend>{words.__('At the limit')}</legend>
      {HOLDS.map(hold => (
        <label key={hold} title={holdText(hold, words)}>
          <input
            type="radio"
            name={group}
            value={hold}
            checked={draft.hold === hold}
            onChange={() => desk.type({ hold })}
          />
          {holdName(hold, words)}
        </label>
      ))}
      <p className="jp-Costmeter-quiet" aria-live="polite">
        {holdText(draft.hold, words)}
      </p>
    </fieldset>
  );
}

type Text = 'limit' | 'currency' | 'length' | 'from' | 'until' | 'warn' | 'name';

interface FieldProps extends PartProps {
  name: Text;
  label: string;
  hint?: string;
  title?: string;
  type?: 'text' | 'date';
  numeric?: boolean;
}

/** A field, and below it what is wrong with what it says. */
function Field(props: FieldProps): React.JSX.Element {
  const { desk, draft, name, label, hint, title, type = 'text', numeric } = props;
  const id = useId();
  const wrong = desk.mistakes[name];
  return (
    <label htmlFor={id} title={title}>
      <span>{label}</span>
      <input
        id={id}
        name={name}
        type={type}
        className="jp-Costmeter-input"
        autoComplete="off"
        placeholder={hint}
        inputMode={numeric ? 'decimal' : undefined}
        value={draft[name]}
        aria-invalid={wrong !== undefined}
        aria-describedby={wrong === undefined ? undefined : `${id}-wrong`}
        onChange={event => desk.type({ [name]: event.target.value })}
      />
      {wrong !== undefined && (
        <span id={`${id}-wrong`} className="jp-Costmeter-mistake" role="alert" data-mistake={name}>
          {wrong}
        </span>
      )}
    </label>
  );
}

interface ChoiceProps extends PartProps {
  name: 'measure' | 'scope' | 'per' | 'lengthUnit';
  label: string;
  /** Where the label says nothing. */
  said?: string;
  options: (readonly [value: string, label: string])[];
}

function Choice({ desk, draft, name, label, said, options }: ChoiceProps): React.JSX.Element {
  return (
    <label data-field={name}>
      <span>{label}</span>
      <select
        name={name}
        className="jp-Costmeter-input"
        aria-label={said}
        value={draft[name]}
        onChange={event => desk.type({ [name]: event.target.value })}
      >
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
