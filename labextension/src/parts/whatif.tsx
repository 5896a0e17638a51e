import React, { useEffect, useId, useRef } from 'react';
import { billParts } from '../carbon.js';
import type { Places } from '../places.js';
import { SCOPES, type Scope } from '../rest.js';
import {
  compare,
  isBlank,
  pueIsValid,
  timesText,
  type Form,
  type Supposing
} from '../supposing.js';
import { RegionBox } from './combobox.js';
import { scopeName } from './scope.js';
import { useInView, useView } from './view.js';

export interface WhatIfProps {
  supposing: Supposing;
  places: Places;
  path: string;
  session: string | null;
  /** Other ones are new figures to compare with. */
  figures: unknown;
  /** Whether the notebook lies in one. */
  project: boolean;
}

/** The switch, and what it opens: the same figures under other assumptions. */
export function WhatIf(props: WhatIfProps): React.JSX.Element {
  const { supposing, path, session, figures } = props;
  const { words } = useView();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => supposing.about({ path, session }), [supposing, path, session, figures]);
  const close = (event: React.KeyboardEvent): void => {
    if (event.key === 'Escape' && supposing.open) {
      supposing.show(false);
      button.current?.focus();
    }
  };
  return (
    <div className="jp-Costmeter-whatIf" onKeyDown={close}>
      <button
        type="button"
        ref={button}
        className="jp-Costmeter-link"
        aria-expanded={supposing.open}
        title={words.__('The same figures under other assumptions')}
        onClick={() => supposing.show(!supposing.open)}
      >
        {words.__('What if…')}
      </button>
      {supposing.open && <Opened {...props} />}
    </div>
  );
}

function Opened(props: WhatIfProps): React.JSX.Element {
  const { supposing, places } = props;
  const { words } = useView();
  const { form, problem } = supposing;
  const node = useInView<HTMLDivElement>();
  useEffect(() => void places.wantRegions(), [places]);
  const wrong = pueIsValid(form.pue) ? problem : words.__('A PUE is a number from 1 to 10.');
  return (
    <div className="jp-Costmeter-card" ref={node}>
      <Fields {...props} />
      {wrong && (
        <p className="jp-Costmeter-error" role="alert">
          {wrong}
        </p>
      )}
      {isBlank(form) ? (
        <p className="jp-Costmeter-quiet">{words.__('Name what would be other than it is.')}</p>
      ) : (
        <Answer supposing={supposing} />
      )}
    </div>
  );
}

function Fields({ supposing, places, session, project }: WhatIfProps): React.JSX.Element {
  const { words } = useView();
  const { form } = supposing;
  const scopes = SCOPES.filter(
    scope => (scope !== 'session' || session !== null) && (scope !== 'project' || project)
  );
  const suppose = (part: Partial<Form>): void => supposing.suppose(part);
  return (
    <div className="jp-Costmeter-fields">
      <RegionBox
        label={words.__('Region')}
        regions={places.regions}
        chosen={form.region}
        choose={region => suppose({ region })}
        focused
      />
      <Field label={words.__('PUE')} value={form.pue} set={pue => suppose({ pue })} numeric />
      <Field label={words.__('GPU')} value={form.gpu} set={gpu => suppose({ gpu })} />
      <label>
        <span>{words.__('Of')}</span>
        <select
          className="jp-Costmeter-input"
          value={scopes.includes(form.scope) ? form.scope : 'notebook'}
          onChange={event => suppose({ scope: event.target.value as Scope })}
        >
          {scopes.map(scope => (
            <option key={scope} value={scope}>
              {scopeName(scope, words)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Field(props: {
  label: string;
  value: string;
  set: (text: string) => void;
  numeric?: boolean;
}): React.JSX.Element {
  const id = useId();
  const { label, value, set, numeric } = props;
  const { words } = useView();
  const limits = numeric ? { type: 'number', min: 1, max: 10, step: 'any' } : { type: 'text' };
  return (
    <label htmlFor={id}>
      <span>{label}</span>
      <input
        id={id}
        className="jp-Costmeter-input"
        placeholder={words.__('as it is')}
        autoComplete="off"
        value={value}
        onChange={event => set(event.target.value)}
        {...limits}
      />
    </label>
  );
}

/** Without its uncertainty, as all figures; a bill's own text has it, for the hover. */
function Side({ text }: { text: string }): React.JSX.Element {
  const [figure] = billParts(text);
  return <td title={figure === text ? undefined : text}>{figure}</td>;
}

/** Now and then side by side; an older answer stays, dimmed, until the next is there. */
function Answer({ supposing }: { supposing: Supposing }): React.JSX.Element | null {
  const { words, energyUnit, showMoney } = useView();
  const { answer, busy } = supposing;
  if (answer === null) {
    return busy ? <p className="jp-Costmeter-quiet">{words.__('Being calculated…')}</p> : null;
  }
  const lines = compare(answer, energyUnit, showMoney, words);
  return (
    <div aria-busy={busy} aria-live="polite">
      <table className="jp-Costmeter-compared" aria-label={answer.title}>
        <thead>
          <tr>
            <td />
            <th scope="col">{words.__('now')}</th>
            <th scope="col">{words.__('then')}</th>
            <th scope="col" aria-label={words.__('times as much')} />
          </tr>
        </thead>
        <tbody>
          {lines.map(({ name, label, now, then, ratio, values }) => (
            <tr key={name} data-name={name} data-now={values[0]} data-then={values[1]}>
              <th scope="row">{label}</th>
              <Side text={now} />
              <Side text={then} />
              <td className="jp-Costmeter-ratio">{ratio === null ? '' : timesText(ratio)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {answer.notes.map(note => (
        <p key={note} className="jp-Costmeter-note">
          {note}
        </p>
      ))}
    </div>
  );
}
