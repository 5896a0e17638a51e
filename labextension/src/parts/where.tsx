import { closeIcon } from '@jupyterlab/ui-components';
import React, { useEffect, useRef, useState } from 'react';
import { KINDS, type Hint } from '../costs.js';
import type { Costs, Kind, Place, Region } from '../api.js';
import { gridText } from '../carbon.js';
import { reason } from '../feed.js';
import type { Places } from '../places.js';
import type { Where as Machine } from '../rest.js';
import type { Words } from '../words.js';
import { RegionBox } from './combobox.js';
import { useInView, useView } from './view.js';

function kindName(kind: Kind, words: Words): string {
  return {
    laptop: words.__('a laptop'),
    lab: words.__('a lab or server room'),
    cloud: words.__('a cloud')
  }[kind];
}

function kindText(kind: Kind, words: Words): string {
  return {
    laptop: words.__('a laptop'),
    lab: words.__('in a lab or server room'),
    cloud: words.__('in a cloud')
  }[kind];
}

function KindChoice(props: { kind: Kind | null; choose: (kind: Kind) => void }): React.JSX.Element {
  const { words } = useView();
  const group = React.useId();
  const hover = words.__('It decides the PUE: how much electricity goes to cooling and the like.');
  return (
    <fieldset className="jp-Costmeter-kinds" title={hover}>
      <legend>{words.__('It is')}</legend>
      {KINDS.map(kind => (
        <label key={kind}>
          <input
            type="radio"
            name={group}
            value={kind}
            checked={props.kind === kind}
            onChange={() => props.choose(kind)}
          />
          {kindText(kind, words)}
        </label>
      ))}
    </fieldset>
  );
}

/** What the environment suggests: one click says it. */
function Suggestion(props: {
  hint: Hint;
  busy: boolean;
  use: (hint: Hint) => void;
}): React.JSX.Element {
  const { hint, busy, use } = props;
  const { words } = useView();
  const kind = hint.kind === null ? '' : kindName(hint.kind, words);
  const what = hint.name || kind;
  return (
    <p className="jp-Costmeter-hint">
      {words.__('The environment suggests %1: %2.', what, hint.why)}{' '}
      <button
        type="button"
        className="jp-Costmeter-link"
        aria-disabled={busy}
        onClick={() => use(hint)}
      >
        {hint.region === null ? words.__('Take it') : words.__('Use %1', hint.region)}
      </button>
    </p>
  );
}

/** What the user is about to say, and what came of it. */
function useSaying({ places, machine, place, done }: PlaceFormProps) {
  const [region, setRegion] = useState<Region | null>(null);
  const [kind, setKind] = useState<Kind | null>(place.kind);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const say = (where: string | null, what: Kind | null): void => {
    if (busy) {
      return;
    }
    setBusy(true);
    setProblem(null);
    places
      .say(machine, { region: where, kind: what })
      .then(done, (error: unknown) => setProblem(reason(error)))
      .finally(() => setBusy(false));
  };
  const choose = (found: Region | null): void => {
    const [was, is] = [region, found].map(one => one?.id.includes('/') ?? false);
    setRegion(found);
    if (is) {
      setKind('cloud');
    } else if (was && kind === 'cloud') {
      setKind(place.kind); // with a cloud's region goes what it said
    }
  };
  return { region, choose, kind, setKind, busy, problem, say };
}

type Saying = ReturnType<typeof useSaying>;

function take(hint: Hint, { say, setKind }: Saying): void {
  if (hint.region !== null) {
    say(hint.region, hint.kind);
  } else if (hint.kind !== null) {
    setKind(hint.kind);
  }
}

export interface PlaceFormProps {
  places: Places;
  machine: Machine;
  place: Place;
  /** It has been said. */
  done: () => void;
  /** The second button, if there is one, and what it does. */
  leave?: { label: string; act: () => void } | undefined;
  focused?: boolean;
}

/** Search, kind of place, hint and buttons; what the server says against it is shown below. */
export function PlaceForm(props: PlaceFormProps): React.JSX.Element {
  const { places, place, leave, focused } = props;
  const { words } = useView();
  const saying = useSaying(props);
  const { region, choose, kind, setKind, busy, problem, say } = saying;
  useEffect(() => void places.wantRegions(), [places]);
  const where = region?.id ?? place.region;
  const failed = problem ?? places.problem;
  return (
    <div className="jp-Costmeter-place">
      {place.hint && place.region === null && (
        <Suggestion hint={place.hint} busy={busy} use={hint => take(hint, saying)} />
      )}
      <RegionBox
        label={words.__('Region')}
        regions={places.regions}
        chosen={region}
        choose={choose}
        focused={focused ?? false}
      />
      <KindChoice kind={kind} choose={setKind} />
      <Buttons
        {...{ place, leave, busy, where }}
        say={region => say(region, region === null ? null : kind)}
      />
      {failed && (
        <p className="jp-Costmeter-error" role="alert">
          {failed}
        </p>
      )}
    </div>
  );
}

function Buttons(props: {
  place: Place;
  leave: PlaceFormProps['leave'];
  busy: boolean;
  /** What is to be said. */
  where: string | null;
  say: (region: string | null) => void;
}): React.JSX.Element {
  const { place, leave, busy, where, say } = props;
  const { words } = useView();
  return (
    <div className="jp-Costmeter-actions">
      <button
        type="button"
        className="jp-Costmeter-button jp-mod-accept"
        disabled={where === null}
        aria-disabled={busy}
        onClick={() => say(where)}
      >
        {words.__('Use it')}
      </button>
      {leave && (
        <button type="button" className="jp-Costmeter-button" onClick={leave.act}>
          {leave.label}
        </button>
      )}
      {place.region !== null && (
        <button
          type="button"
          className="jp-Costmeter-button"
          aria-disabled={busy}
          title={place.origin ?? undefined}
          onClick={() => say(null)}
        >
          {words.__('Forget it')}
        </button>
      )}
    </div>
  );
}

export interface WhereProps {
  places: Places;
  machine: Machine;
  /** Of the scope whose intensity the line shows. */
  costs: Costs;
  /** Whether the user may be asked. */
  asks: boolean;
  dismiss: () => void;
  /** Whether the user has just wanted to say it; heeded once. */
  opens: React.MutableRefObject<boolean>;
}

/** Whether it is not known where the machine stands, and it would tell something. */
const isOpen = (place: Place | null, costs: Costs): boolean =>
  place !== null && place.region === null && costs.range_g !== null;

/** The question as one quiet line, for who has not opened what is asked in: it opens it, or never comes again. */
export function WhereAsked(props: {
  place: Place | null;
  costs: Costs;
  asks: boolean;
  open: () => void;
  dismiss: () => void;
}): React.JSX.Element | null {
  const { place, costs, asks, open, dismiss } = props;
  const { words } = useView();
  const node = useRef<HTMLParagraphElement>(null);
  const never = (): void => {
    const line = node.current?.previousElementSibling?.querySelector('button');
    line?.focus(); // so that the keyboard goes on where it came from
    dismiss();
  };
  return asks && isOpen(place, costs) ? (
    <p className="jp-Costmeter-asked" ref={node}>
      <button
        type="button"
        className="jp-Costmeter-link"
        data-deed="where"
        title={words.__('Until you say it, emissions are a range.')}
        onClick={open}
      >
        {words.__('Where does this computer stand?')}
      </button>
      <button
        type="button"
        className="jp-Costmeter-iconButton"
        data-deed="never"
        aria-label={words.__('Do not ask')}
        title={words.__('Do not ask')}
        onClick={never}
      >
        <closeIcon.react tag="span" className="jp-Costmeter-icon" />
      </button>
    </p>
  ) : null;
}

/** Where the machine stands: a quiet line, and the card that asks for it. */
export function WherePart(props: WhereProps): React.JSX.Element | null {
  const { places, machine, costs, asks, dismiss, opens } = props;
  const { words } = useView();
  const [opened, setOpened] = useState(opens.current);
  useEffect(() => {
    opens.current = false;
  }, [opens]);
  const line = useRef<HTMLButtonElement>(null);
  const place = places.placeOf(machine);
  if (place === null) {
    const problem = places.problemOf(machine);
    return problem === null ? null : (
      <p className="jp-Costmeter-note">
        {words.__('Where this computer stands cannot be asked: %1', problem)}
      </p>
    );
  }
  const asked = !opened && asks && isOpen(place, costs);
  const close = (): void => {
    setOpened(false);
    line.current?.focus(); // so that the keyboard goes on where it came from
  };
  const leave = (): void => {
    if (place.region === null) {
      dismiss();
    }
    close();
  };
  return (
    <>
      <button
        type="button"
        ref={line}
        className="jp-Costmeter-grid jp-Costmeter-link"
        aria-expanded={opened || asked}
        title={[place.text, place.origin].filter(Boolean).join('\n') || undefined}
        onClick={() => (opened ? close() : setOpened(true))}
      >
        {gridText(place, costs, words)}
      </button>
      {(opened || asked) && (
        <Card key={String(opened)} {...{ places, machine, place, opened, close, leave }} />
      )}
    </>
  );
}

interface CardProps extends Pick<PlaceFormProps, 'places' | 'machine' | 'place'> {
  /** By the user, not by us. */
  opened: boolean;
  close: () => void;
  leave: () => void;
}

function Card(props: CardProps): React.JSX.Element {
  const { places, machine, place, opened, close, leave } = props;
  const { words } = useView();
  const id = React.useId();
  const node = useInView<HTMLDivElement>(opened);
  const label = place.region === null ? words.__('Not now') : words.__('Cancel');
  return (
    <div
      className="jp-Costmeter-card"
      ref={node}
      role="group"
      aria-labelledby={id}
      onKeyDown={event => {
        if (event.key === 'Escape' && opened) {
          close();
        }
      }}
    >
      <p id={id}>
        {words.__('Where does this computer stand?')}{' '}
        {place.region === null && (
          <span className="jp-Costmeter-quiet">
            {words.__('Until you say it, emissions are a range.')}
          </span>
        )}
      </p>
      <PlaceForm
        {...{ places, machine, place, done: close, leave: { label, act: leave } }}
        focused={opened}
      />
    </div>
  );
}
