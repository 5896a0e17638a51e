/** The Jupyter server, with its token and base URL. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { Get, Made } from './rest.js';

export function getter(settings: ServerConnection.ISettings): Get {
  return (path, init) =>
    ServerConnection.makeRequest(
      URLExt.join(settings.baseUrl, path),
      { cache: 'no-store', ...init },
      settings
    );
}

/** Hand a file to the browser. Fetched by us rather than by a link: the token goes along, and an error can be shown. */
export function download({ name, blob }: Made): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.appendChild(link);
  link.click();
  link.remove();
  // some browsers read the blob only after the click has returned
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
