import React, { useEffect, useRef, useState } from 'react';
import type { ChartItem } from '../budget.js';
import type { Charts } from '../charts.js';
import { reason } from '../feed.js';
import { useView } from './view.js';

/** The period with the budget's line, drawn by Bokeh; taken away with the part. */
export function Chart(props: { charts: Charts; item: ChartItem }): React.JSX.Element {
  const { charts, item } = props;
  const { words } = useView();
  const node = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const here = document.createElement('div'); // one of its own, as an older drawing may still be on its way
    node.current?.replaceChildren(here);
    const drawn = charts.draw(item, here);
    drawn.then(
      () => setProblem(null),
      (error: unknown) => setProblem(reason(error))
    );
    return () => {
      here.remove();
      drawn.then(
        clear => clear(),
        () => undefined
      );
    };
  }, [charts, item]);
  return (
    <>
      <div
        className="jp-Costmeter-chart"
        ref={node}
        role="figure"
        aria-label={words.__('How the budget was spent over its period')}
      />
      {problem && <p className="jp-Costmeter-note">{problem}</p>}
    </>
  );
}
