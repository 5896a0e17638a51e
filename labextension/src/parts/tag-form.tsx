import React, { useEffect, useId } from 'react';
import type { TagDesk } from '../tag-desk.js';
import { SEVERAL, type Chosen, type Draft } from '../tag-form.js';
import { CATEGORIES, categoryName, type Category } from '../tags.js';
import type { Words } from '../words.js';
import { Form } from './form.js';
import { useInView, useView } from './view.js';

interface Props {
  desk: TagDesk;
  draft: Draft;
  chosen: Chosen;
}

/** Which cells it is about. */
function heading({ cells, chosen }: TagDesk, words: Words): string {
  const count = cells?.ids.length ?? 0;
  const title = cells?.title ?? '';
  const name =
    count > 1 ? words._n('one cell', '%1 cells: %2', count, title) : title || words.__('one cell');
  const runs = chosen?.runs ?? 0;
  return runs === 0
    ? words.__('Tag: %1', name)
    : words.__('Tag: %1 (%2)', name, words._n('one run', '%1 runs', runs, runs));
}

/** Tag the chosen cells: Enter saves, Escape leaves it. */
export function TagForm({ desk }: { desk: TagDesk }): React.JSX.Element | null {
  const { words } = useView();
  const node = useInView<HTMLFormElement>(desk.draft !== null);
  useEffect(() => {
    if (desk.draft !== null && desk.takeFocus()) {
      node.current?.querySelector<HTMLElement>('select, button')?.focus();
    }
  });
  const { cells, chosen, draft, refused } = desk;
  if (cells === null) {
    return null;
  }
  return (
    <Form
      name={words.__('Tag cells')}
      kind="jp-Costmeter-tagForm"
      save={() => desk.save()}
      leave={() => desk.cancel()}
      buttons={<Buttons desk={desk} />}
      {...{ node, refused }}
    >
      <p className="jp-Costmeter-tagged" title={heading(desk, words)}>
        {heading(desk, words)}
      </p>
      {draft !== null && chosen !== null && <Fields {...{ desk, draft, chosen }} />}
    </Form>
  );
}

function Buttons({ desk }: { desk: TagDesk }): React.JSX.Element {
  const { words } = useView();
  const { chosen, busy, mistakes } = desk;
  return (
    <>
      {mistakes.form !== undefined && (
        <p className="jp-Costmeter-mistake" role="alert" data-mistake="form">
          {mistakes.form}
        </p>
      )}
      <div className="jp-Costmeter-actions">
        {chosen !== null && chosen.runs > 0 && (
          <button type="submit" className="jp-Costmeter-button jp-mod-accept" aria-disabled={busy}>
            {words.__('Tag')}
          </button>
        )}
        <button type="button" className="jp-Costmeter-button" onClick={() => desk.cancel()}>
          {words.__('Cancel')}
        </button>
      </div>
    </>
  );
}

function Fields(props: Props): React.JSX.Element {
  const { desk, chosen } = props;
  const { words } = useView();
  if (chosen.runs === 0) {
    return (
      <p className="jp-Costmeter-quiet" role="status">
        {words.__('There is no run to tag: the ledger knows none of them yet.')}
      </p>
    );
  }
  return (
    <>
      <div className="jp-Costmeter-fields">
        <Categories {...props} />
        <Name {...props} name="method" label={words.__('Method')} names={desk.methods} />
        <Name {...props} name="run" label={words.__('Run')} names={desk.runs} />
      </div>
      <InPaper {...props} />
      <Which {...props} />
    </>
  );
}

function Categories({ desk, draft, chosen }: Props): React.JSX.Element {
  const { words } = useView();
  return (
    <label data-field="category">
      <span>{words.__('Category')}</span>
      <select
        name="category"
        className="jp-Costmeter-input"
        value={draft.category}
        onChange={event => desk.type({ category: event.target.value as Draft['category'] })}
      >
        {chosen.several.has('category') && (
          <option value={SEVERAL}>{words.__('several, as they are')}</option>
        )}
        <option value="">{words.__('not said')}</option>
        {CATEGORIES.map(one => (
          <option key={one} value={one}>
            {optionText(one, words)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The word that `%cost tag` takes, too, and what it means where that is not the same. */
function optionText(category: Category, words: Words): string {
  const said = categoryName(category, words);
  return said === category ? said : `${category}: ${said}`;
}

interface NameProps extends Props {
  name: 'method' | 'run';
  label: string;
  /** Those in use, to choose from. */
  names: readonly string[];
}

function Name({ desk, draft, chosen, name, label, names }: NameProps): React.JSX.Element {
  const { words } = useView();
  const id = useId();
  const wrong = desk.mistakes[name];
  const several = chosen.several.has(name);
  return (
    <label htmlFor={id}>
      <span>{label}</span>
      <input
        id={id}
        name={name}
        type="text"
        className="jp-Costmeter-input"
        autoComplete="off"
        spellCheck={false}
        list={`${id}-names`}
        placeholder={several ? words.__('several, as they are') : undefined}
        value={draft[name]}
        aria-invalid={wrong !== undefined}
        aria-describedby={wrong === undefined ? undefined : `${id}-wrong`}
        onChange={event => desk.type({ [name]: event.target.value })}
      />
      <datalist id={`${id}-names`}>
        {names.map(one => (
          <option key={one} value={one} />
        ))}
      </datalist>
      {wrong !== undefined && (
        <span id={`${id}-wrong`} className="jp-Costmeter-mistake" role="alert" data-mistake={name}>
          {wrong}
        </span>
      )}
    </label>
  );
}

function Radios<T extends string>(props: {
  label: string;
  options: readonly (readonly [value: T, text: string])[];
  value: string;
  choose: (value: T) => void;
}): React.JSX.Element {
  const { label, options, value, choose } = props;
  const group = useId();
  return (
    <fieldset className="jp-Costmeter-kinds">
      <legend>{label}</legend>
      {options.map(([one, text]) => (
        <label key={one}>
          <input
            type="radio"
            name={group}
            value={one}
            checked={value === one}
            onChange={() => choose(one)}
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

function InPaper({ desk, draft }: Props): React.JSX.Element {
  const { words } = useView();
  return (
    <Radios
      label={words.__('In the paper')}
      options={[
        ['yes', words.__('yes')],
        ['no', words.__('no')],
        ['', words.__('not said')]
      ]}
      value={draft.in_paper}
      choose={in_paper => desk.type({ in_paper })}
    />
  );
}

/** Of which runs; those that failed keep counting as failed unless that is said, too. */
function Which({ desk, draft, chosen }: Props): React.JSX.Element {
  const { words } = useView();
  const { runs, failed, cells } = chosen;
  return (
    <>
      {runs > cells.length && (
        <Radios
          label={words.__('Of')}
          options={[
            ['all', words.__('all runs')],
            ['newest', words.__('the newest run')]
          ]}
          value={draft.which}
          choose={which => desk.type({ which })}
        />
      )}
      {failed > 0 && (
        <label className="jp-Costmeter-check">
          <input
            type="checkbox"
            name="failed"
            checked={draft.failed}
            onChange={event => desk.type({ failed: event.target.checked })}
          />
          <span>
            {words.__('The category also of runs that failed')}{' '}
            <span className="jp-Costmeter-quiet">
              {words._n(
                '(one; else it counts as failed)',
                '(%1; else they count as failed)',
                failed,
                failed
              )}
            </span>
          </span>
        </label>
      )}
    </>
  );
}
