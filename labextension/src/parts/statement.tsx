import React from 'react';
import { type Scope } from '../rest.js';
import {
  FORMS,
  NORMS,
  formName,
  normName,
  ownFile,
  type Order,
  type StatementDesk
} from '../statement.js';
import type { Words } from '../words.js';
import { Form } from './form.js';
import { useInView, useView } from './view.js';

function scopeName(scope: Scope, words: Words): string {
  return {
    session: words.__('this session'),
    notebook: words.__('this notebook'),
    project: words.__('this project')
  }[scope];
}

interface Props {
  desk: StatementDesk;
  /** Of which there can be a statement. */
  scopes: readonly Scope[];
  download: (order: Order) => Promise<void>;
}

/** What conferences ask for, as a file: Enter downloads it, Escape leaves the form. */
export function StatementForm(props: Props): React.JSX.Element | null {
  const { desk, scopes, download } = props;
  const { words } = useView();
  const node = useInView<HTMLFormElement>(desk.opened);
  const { opened, refused, order } = desk;
  if (!opened) {
    return null;
  }
  const scope = scopes.includes(order.scope) ? order.scope : 'notebook';
  return (
    <Form
      name={words.__('A statement for a paper')}
      kind="jp-Costmeter-statementForm"
      save={() => desk.save(one => download({ ...one, scope }))}
      leave={() => desk.close()}
      buttons={<Buttons desk={desk} />}
      {...{ node, refused }}
    >
      <Norms desk={desk} />
      <Fields {...{ desk, scopes, scope }} />
    </Form>
  );
}

function Buttons({ desk }: { desk: StatementDesk }): React.JSX.Element {
  const { words } = useView();
  return (
    <div className="jp-Costmeter-actions">
      <button type="submit" className="jp-Costmeter-button jp-mod-accept" aria-disabled={desk.busy}>
        {words.__('Download')}
      </button>
      <button type="button" className="jp-Costmeter-button" onClick={() => desk.close()}>
        {words.__('Close')}
      </button>
    </div>
  );
}

function Norms({ desk }: { desk: StatementDesk }): React.JSX.Element {
  const { words } = useView();
  const { norms } = desk.order;
  return (
    <fieldset className="jp-Costmeter-kinds jp-Costmeter-norms">
      <legend>{words.__('What it answers')}</legend>
      {NORMS.map(norm => (
        <label key={norm}>
          <input
            type="checkbox"
            value={norm}
            checked={norms.includes(norm)}
            onChange={() => desk.toggle(norm)}
          />
          {normName(norm, words)}
        </label>
      ))}
      <p className="jp-Costmeter-quiet" aria-live="polite">
        {norms.length === 0 && words.__('None is chosen: it answers all.')}
      </p>
    </fieldset>
  );
}

function Fields(props: {
  desk: StatementDesk;
  scopes: readonly Scope[];
  scope: Scope;
}): React.JSX.Element {
  const { desk, scopes, scope } = props;
  const { words } = useView();
  return (
    <>
      <div className="jp-Costmeter-fields">
        <Choice
          name="scope"
          label={words.__('Of')}
          value={scope}
          options={scopes.map(one => [one, scopeName(one, words)])}
          choose={one => desk.type({ scope: one })}
        />
        <Choice
          name="format"
          label={words.__('As')}
          value={desk.order.format}
          options={FORMS.map(one => [one, formName(one, words)])}
          choose={format => desk.type({ format })}
        />
      </div>
      <p className="jp-Costmeter-quiet" aria-live="polite">
        {ownFile(desk.order, words)}
      </p>
      <label className="jp-Costmeter-check">
        <input
          type="checkbox"
          name="anonymous"
          checked={desk.order.anonymous}
          onChange={event => desk.type({ anonymous: event.target.checked })}
        />
        <span>
          {words.__('Anonymous')}{' '}
          <span className="jp-Costmeter-quiet">
            {words.__("(no hosts, users, paths or notebooks' names)")}
          </span>
        </span>
      </label>
    </>
  );
}

function Choice<T extends string>(props: {
  name: string;
  label: string;
  value: T;
  options: readonly (readonly [value: T, text: string])[];
  choose: (value: T) => void;
}): React.JSX.Element {
  const { name, label, value, options, choose } = props;
  return (
    <label data-field={name}>
      <span>{label}</span>
      <select
        name={name}
        className="jp-Costmeter-input"
        value={value}
        onChange={event => choose(event.target.value as T)}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
