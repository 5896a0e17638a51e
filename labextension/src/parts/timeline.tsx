import React, { useEffect, useId, useReducer, useRef, useState } from 'react';
import type { Charts, Drawn } from '../charts.js';
import { reason } from '../feed.js';
import { rewritten } from '../locale.js';
import { SCOPES, type Scope } from '../rest.js';
import type { Stretch, TimelineAnswer, TimelineView } from '../timeline.js';
import { Walk } from '../walking.js';
import { useView } from './view.js';

interface Props {
  view: TimelineView;
  charts: Charts;
  /** A band was clicked. */
  reveal: (cellId: string) => void;
}

/** The whole of the timeline's view: its scopes, the chart, and what it says in words. */
export function Timeline({ view, charts, reveal }: Props): React.JSX.Element {
  const { words } = useView();
  const { answer, problem } = view;
  const nothing = answer?.reason ?? (answer === null ? words.__('Being read…') : null);
  return (
    <>
      <Scopes view={view} />
      {problem !== null && (
        <p className="jp-Costmeter-error" role="alert">
          {words.__('The timeline cannot be read: %1', problem)}
        </p>
      )}
      {problem === null && nothing !== null && (
        <p className="jp-Costmeter-quiet" role="status">
          {nothing}
        </p>
      )}
      {answer !== null && answer.item !== null && (
        <Drawing {...{ answer, charts, reveal }} look={stretch => view.look(stretch)} />
      )}
    </>
  );
}

function Scopes({ view }: { view: TimelineView }): React.JSX.Element {
  const { words } = useView();
  const names: Record<Scope, string> = {
    session: words.__('This session'),
    notebook: words.__('This notebook'),
    project: words.__('This project')
  };
  return (
    <label className="jp-Costmeter-timelineScope">
      {words.__('Power over time:')}{' '}
      <select
        className="jp-Costmeter-input"
        name="scope"
        value={view.asked}
        onChange={event => view.choose(event.target.value as Scope)}
      >
        {SCOPES.map(scope => (
          <option key={scope} value={scope}>
            {names[scope]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A drag or the wheel goes on for a while. */
const ZOOMED_MS = 500;

/** Drawn by Bokeh beside the old one, which goes when the new one is there. */
function Drawing(props: {
  answer: TimelineAnswer;
  charts: Charts;
  reveal: (cellId: string) => void;
  look: (stretch: Stretch | null) => void;
}): React.JSX.Element {
  const { answer, charts } = props;
  const text = rewritten(answer.text);
  const now = useRef(props);
  now.current = props;
  const node = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const walk = useRef<Walk | null>(null);
  walk.current ??= new Walk(redraw, cellId => now.current.reveal(cellId));
  useEffect(() => {
    const here = document.createElement('div');
    const old = [...(node.current?.children ?? [])];
    node.current?.append(here);
    let stop = (): void => undefined;
    const drawn = charts.embed(answer.item as NonNullable<typeof answer.item>, here);
    drawn.then(
      found => {
        old.forEach(one => one.remove());
        walk.current?.over(found);
        const [deaf, loose] = [listen(found, answer, now), fitted(found, here)];
        stop = () => {
          deaf();
          loose();
        };
        setProblem(null);
      },
      (error: unknown) => setProblem(reason(error))
    );
    return () => {
      stop();
      drawn.then(
        // the next drawing takes it out of the page, or the view is gone with it
        found => setTimeout(() => found.clear(), ZOOMED_MS),
        () => undefined
      );
    };
  }, [charts, answer]);
  return (
    <>
      <Keys walk={walk.current} text={text} node={node} />
      {problem !== null && <p className="jp-Costmeter-error">{problem}</p>}
      <p className="jp-Costmeter-quiet">{text}</p>
    </>
  );
}

/** The chart's place: with the keyboard one goes from cell to cell, which is said. */
function Keys(props: {
  walk: Walk;
  text: string;
  node: React.RefObject<HTMLDivElement>;
}): React.JSX.Element {
  const { walk, text, node } = props;
  const { words } = useView();
  const id = useId();
  const press = (event: React.KeyboardEvent): void => {
    const other = event.ctrlKey || event.altKey || event.metaKey || event.target !== node.current;
    if (!other && walk.press(event.key)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  return (
    <div className="jp-Costmeter-timelineSaid">
      <div
        className="jp-Costmeter-timelineChart"
        ref={node}
        role="application"
        aria-roledescription={words.__('chart')}
        aria-label={text}
        aria-describedby={id}
        tabIndex={0}
        onKeyDown={press}
      />
      <p className="jp-Costmeter-timelineKeys jp-Costmeter-quiet" id={id}>
        {words.__(
          '← and → go from cell to cell, Enter goes into the notebook, + and − zoom, 0 shows all.'
        )}
      </p>
      <p className="jp-Costmeter-timelineBand" role="status">
        {walk.band !== null && rewritten(walk.band.told)}
      </p>
    </div>
  );
}

/** Keep to the node's width; answers how to stop. */
function fitted(drawn: Drawn, node: HTMLElement): () => void {
  const observer = new ResizeObserver(() => drawn.fit(node.clientWidth));
  observer.observe(node);
  return () => observer.disconnect();
}

/** Tell of zooming and of clicks; answers how to stop. */
function listen(
  drawn: Drawn,
  { shift_s }: TimelineAnswer,
  now: { current: Parameters<typeof Drawing>[0] }
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = (): void => {
    const range = drawn.range();
    const seconds = (at: number): number => at / 1000 - shift_s;
    now.current.look(
      range === null ? null : { start: seconds(range.start), end: seconds(range.end) }
    );
  };
  drawn.onZoom(() => {
    clearTimeout(timer);
    timer = setTimeout(tell, ZOOMED_MS);
  });
  drawn.onPick(cellId => now.current.reveal(cellId));
  return () => clearTimeout(timer);
}
