import React from 'react';
import type { Forecast, Progress } from '../budget.js';
import { percent } from '../format.js';
import { forecastText } from '../telling.js';
import { useView } from './view.js';

/** Of the selected cell: a quiet line above what runs. */
export function NextRun({ forecast }: { forecast: Forecast | null }): React.JSX.Element | null {
  const { words, energyUnit } = useView();
  return forecast === null ? null : (
    <p className="jp-Costmeter-forecast" data-source={forecast.source}>
      {words.__('Next run of this cell: %1', forecastText(forecast, energyUnit, words))}
    </p>
  );
}

/** Of a running cell: how far it is, and what it will have cost. */
export function Ahead(props: {
  progress: Progress | null;
  forecast: Forecast | null;
}): React.JSX.Element | null {
  const { progress, forecast } = props;
  const { words, energyUnit } = useView();
  return progress === null && forecast === null ? null : (
    <div className="jp-Costmeter-ahead">
      {progress && <ProgressBar progress={progress} />}
      {forecast && (
        <p className="jp-Costmeter-forecast" data-source={forecast.source}>
          {forecastText(forecast, energyUnit, words)}
        </p>
      )}
    </div>
  );
}

function ProgressBar({ progress }: { progress: Progress }): React.JSX.Element {
  const { words } = useView();
  const { fraction, label, source } = progress;
  const done = percent(fraction);
  return (
    <div
      className="jp-Costmeter-progress"
      role="progressbar"
      aria-label={label || words.__('Progress')}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * fraction)}
      aria-valuetext={words.__('%1 done', done)}
      title={words.__('%1 done (%2)', done, label ? `${source}: ${label}` : source)}
    >
      <span style={{ width: `${100 * Math.min(1, fraction)}%` }} />
    </div>
  );
}
