/** The Jupyter server, with its token and base URL. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { fetchExport, type Get, type Selection } from './rest.js';

export function getter(settings: ServerConnection.ISettings): Get {
  return (path, init) =>
    ServerConnection.makeRequest(
      URLExt.join(settings.baseUrl, path),
      { cache: 'no-store', ...init },
      settings
    );
}

/** Fetched by us rather than by a link, so that the token goes along and an error can be shown. */
export async function download(get: Get, selection: Selection): Promise<void> {
  const { name, blob } = await fetchExport(get, selection);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.appendChild(link);
  link.click();
  link.remove();
  // some browsers read the blob only after the click has returned
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
