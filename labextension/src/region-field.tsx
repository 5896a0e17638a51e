/** The Settings Editor's field for where the server's machine stands. */
import type { IFormRendererRegistry } from '@jupyterlab/ui-components';
import React, { useEffect, useReducer, useState } from 'react';
import type { Places } from './places.js';
import { PlaceForm } from './parts/where.js';
import { ViewContext, type View } from './parts/view.js';

/** The server's own. */
const MACHINE = { host: null, path: null };

/** Draw again when what is known of places changes. */
function usePlaces(places: Places): void {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    void places.want(MACHINE);
    return places.listen(redraw);
  }, [places]);
}

function RegionField({ places, view }: { places: Places; view: View }): React.JSX.Element {
  usePlaces(places);
  const [times, setTimes] = useState(0); // a new form each time, with nothing chosen
  const { words } = view;
  const place = places.placeOf(MACHINE);
  const problem = places.problemOf(MACHINE);
  const name = place?.region ? `${place.name ?? place.region} (${place.region})` : null;
  return (
    <ViewContext.Provider value={view}>
      <div className="jp-Costmeter-field">
        <h3 className="jp-FormGroup-fieldLabel jp-FormGroup-contentItem">
          {words.__('Where this computer stands')}
        </h3>
        {problem && (
          <p className="jp-Costmeter-error" role="alert">
            {problem}
          </p>
        )}
        {place && (
          <>
            <p data-region={place.region ?? ''} title={place.origin ?? undefined}>
              {name === null
                ? words.__('Nobody has said it.')
                : [name, place.text].filter(Boolean).join(': ')}
            </p>
            {place.problems.map(one => (
              <p key={one} className="jp-Costmeter-warning">
                {one}
              </p>
            ))}
            <PlaceForm
              key={times}
              {...{ places, machine: MACHINE, place, done: () => setTimes(times + 1) }}
            />
          </>
        )}
      </div>
    </ViewContext.Provider>
  );
}

/** The one truth is the server's, so the form's own value is neither read nor changed. */
export function addRegionField(
  registry: IFormRendererRegistry,
  id: string,
  places: Places,
  view: () => View
): void {
  registry.addRenderer(`${id}.region`, {
    fieldRenderer: () => <RegionField places={places} view={view()} />
  });
}
