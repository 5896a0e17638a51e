import React from 'react';
import type { Total } from '../api.js';
import { CO2E, DASH, duration, explain, show } from '../format.js';
import { useView } from './view.js';

/** Units that are left out where there is little room. */
const LONG = ['FLOP', ` ${CO2E}`];

/** A number with the marks that keep it honest, and on hover where it is from. */
export function Figure(props: {
  title: string;
  name: string;
  total: Total | undefined;
  /** More lines of what it says on hover. */
  more?: readonly string[];
  /** All that it says there, in place of the usual. */
  hover?: string | undefined;
}): React.JSX.Element {
  const { title, name, total, more } = props;
  const { words, energyUnit } = useView();
  const { figure, mark } = show(total, energyUnit);
  const unit = LONG.find(one => figure.endsWith(one)) ?? '';
  const hover = props.hover ?? (total && explain(title, total, energyUnit, words, more));
  return (
    <span
      className="jp-Costmeter-figure"
      data-name={name}
      data-value={total?.value ?? ''}
      title={hover}
    >
      {mark && <span className="jp-Costmeter-mark">{mark}</span>}
      {unit === '' ? figure : figure.slice(0, -unit.length)}
      {unit && <span className="jp-Costmeter-unit">{unit}</span>}
    </span>
  );
}

/** Seconds; a dash for `null`, which is not known or nothing at all: `why` says it on hover. */
export function Duration(props: {
  name: string;
  seconds: number | null;
  why?: string | undefined;
  /** Some are missing. */
  least?: boolean;
}): React.JSX.Element {
  const { name, seconds, why, least } = props;
  return (
    <span className="jp-Costmeter-figure" data-name={name} data-value={seconds ?? ''} title={why}>
      {least && <Least />}
      {seconds === null ? DASH : duration(seconds)}
    </span>
  );
}

/** There is more than the figure after it says. */
export const Least = (): React.JSX.Element => <span className="jp-Costmeter-mark">≥</span>;

/** A sentence, with its piece of code (if it is in there) set as code. */
export function Coded({ text, code }: { text: string; code: string }): React.JSX.Element {
  const [before, after] = text.split(code, 2);
  return after === undefined ? (
    <>{text}</>
  ) : (
    <>
      {before}
      <code>{code}</code>
      {after}
    </>
  );
}
