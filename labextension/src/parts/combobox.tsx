import React, { useEffect, useId, useRef, useState } from 'react';
import type { Region } from '../api.js';
import { canChoose, perKwh, searchRegions } from '../regions.js';
import type { Words } from '../words.js';
import { useView } from './view.js';

export interface RegionBoxProps {
  label: string;
  /** Null while they are being read. */
  regions: readonly Region[] | null;
  chosen: Region | null;
  choose: (region: Region | null) => void;
  /** The keyboard goes there when it appears. */
  focused?: boolean;
}

/** `56 g/kWh · 2023 · lifecycle`, or why there is none. */
function said({ g_per_kwh, year, basis, note }: Region, words: Words): string {
  return g_per_kwh === null
    ? (note ?? words.__('no figure is known'))
    : [perKwh(g_per_kwh), year, basis].filter(Boolean).join(' · ');
}

function Option(props: {
  id: string;
  region: Region;
  active: boolean;
  choose: () => void;
}): React.JSX.Element {
  const { id, region, active, choose } = props;
  const { words } = useView();
  const node = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (active) {
      node.current?.scrollIntoView({ block: 'nearest' });
    }
  }, [active]);
  return (
    <li
      id={id}
      ref={node}
      role="option"
      aria-selected={active}
      aria-disabled={!canChoose(region)}
      data-region={region.id}
      title={region.note ?? undefined}
      onMouseDown={event => event.preventDefault()} // the field keeps the focus
      onClick={choose}
    >
      <span className="jp-Costmeter-regionName">{region.name}</span> <span>{region.id}</span>
      <span className="jp-Costmeter-regionSaid">{said(region, words)}</span>
    </li>
  );
}

/** What is shown and where the keyboard stands in it. */
function useList(regions: readonly Region[] | null, text: string) {
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const found = open && regions !== null ? searchRegions(regions, text) : [];
  const show = (at: number): void => {
    setOpen(true);
    setActive(at);
  };
  const close = (): void => {
    setOpen(false);
    setActive(-1);
  };
  const move = (by: number): void => {
    const { length } = found;
    // from the field itself up is the last one
    const from = active < 0 && by < 0 ? 0 : active;
    show(!open || length === 0 ? 0 : (from + by + length) % length);
  };
  return { open, found, active: Math.min(active, found.length - 1), show, close, move };
}

type List = ReturnType<typeof useList>;

/** What a key does; whether it was ours. */
function press(key: string, list: List, take: (region: Region | undefined) => void): boolean {
  switch (key) {
    case 'ArrowDown':
      list.move(1);
      return true;
    case 'ArrowUp':
      list.move(-1);
      return true;
    case 'Enter':
      take(list.found[list.active]);
      return list.open;
    case 'Escape':
      list.close();
      return list.open;
    default:
      return false;
  }
}

/** Words for what is typed; the chosen region's name until then. */
function useText(chosen: Region | null) {
  const [typed, setTyped] = useState<string | null>(null);
  return { text: typed ?? chosen?.name ?? '', typed: typed ?? '', setTyped };
}

type Typed = ReturnType<typeof useText>;

/** What is typed and taken; Enter that comes before the regions means the best of them. */
function useTaking({ regions, choose }: RegionBoxProps, list: List, words: Typed) {
  const { typed, setTyped } = words;
  const [early, setEarly] = useState(false);
  const take = (region: Region | undefined): void => {
    setEarly(region === undefined && regions === null && typed !== '');
    if (region !== undefined && canChoose(region)) {
      choose(region);
      setTyped(null);
      list.close();
    }
  };
  useEffect(() => {
    if (early && regions !== null) {
      take(searchRegions(regions, typed)[0]);
    }
  });
  const type = (value: string): void => {
    setEarly(false);
    setTyped(value);
    list.show(0);
    choose(null);
  };
  return { take, type };
}

/** The options, below the field. */
function Options(props: {
  id: string;
  label: string;
  list: List;
  read: boolean;
  take: (region: Region) => void;
}): React.JSX.Element {
  const { id, label, list, read, take } = props;
  const { open, found, active } = list;
  const { words } = useView();
  return (
    <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!open}>
      {found.map((region, i) => (
        <Option
          key={region.id}
          id={`${id}-${i}`}
          region={region}
          active={i === active}
          choose={() => take(region)}
        />
      ))}
      {open && found.length === 0 && (
        <li className="jp-Costmeter-quiet" role="option" aria-selected={false} aria-disabled>
          {read ? words.__('Nothing is called so.') : words.__('Being read…')}
        </li>
      )}
    </ul>
  );
}

/** A field that searches the regions: the editable combobox with a list of WAI-ARIA's practices. */
export function RegionBox(props: RegionBoxProps): React.JSX.Element {
  const { label, regions, chosen, focused } = props;
  const { words } = useView();
  const id = useId();
  const typing = useText(chosen);
  const list = useList(regions, typing.typed);
  const { take, type } = useTaking(props, list, typing);
  const onKey = (event: React.KeyboardEvent): void => {
    if (press(event.key, list, take)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  return (
    <div className="jp-Costmeter-combobox">
      <label htmlFor={id}>{label}</label>
      <input
        {...{ id, type: 'text', role: 'combobox', className: 'jp-Costmeter-input' }}
        aria-autocomplete="list"
        aria-expanded={list.open}
        aria-controls={`${id}-list`}
        aria-activedescendant={list.found[list.active] && `${id}-${list.active}`}
        autoComplete="off"
        spellCheck={false}
        autoFocus={focused}
        placeholder={words.__('country, state or cloud region')}
        value={typing.text}
        onChange={event => type(event.target.value)}
        onBlur={list.close}
        onKeyDown={onKey}
      />
      <Options {...{ id, label, list, take }} read={regions !== null} />
    </div>
  );
}
