import { LabIcon } from '@jupyterlab/ui-components';

/** A dial, open at the bottom as meters are, around a bolt; jp-icon3 gives it the theme's colour. */
export const costIcon = new LabIcon({
  name: 'jupyter-costmeter:icon',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M12 2a10 10 0 0 0-6.9 17.2l1.4-1.4a8 8 0 1 1 11 0l1.4 1.4A10 10 0 0 0 12 2z"/>
    <path d="M13.2 5.8 7.6 13.4h3.6l-.9 8 6.1-9.6h-3.9z"/>
  </g>
</svg>`
});

/** Steps over time. */
export const timelineIcon = new LabIcon({
  name: 'jupyter-costmeter:timeline',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M3 3h2v16h16v2H3z"/>
    <path d="M7 17v-5h4V6h5v7h5v4h-2v-2h-5V8h-1v6H9v3z"/>
  </g>
</svg>`
});
