/** BokehJS, from the server's own Bokeh package: loaded when a chart is first shown, beside any of the user's own. */
import { URLExt } from '@jupyterlab/coreutils';
import type { ChartItem } from './budget.js';
import { BOKEH } from './rest.js';

/** What we use of it. */
interface Bokeh {
  version: string;
  embed: { embed_item: (item: object, target: HTMLElement) => Promise<Views> };
}

interface Views {
  clear: () => void;
}

type Page = Window & { Bokeh?: Bokeh & Record<string, Bokeh | undefined> };

export class Charts {
  private loading: Promise<Bokeh> | null = null;

  constructor(private readonly baseUrl: string) {}

  /** Draw it into the node; answers how to take it away. */
  async draw(item: ChartItem, node: HTMLElement): Promise<() => void> {
    this.loading ??= this.load();
    try {
      const bokeh = await this.loading;
      const views = await bokeh.embed.embed_item(item, node);
      return () => views.clear();
    } catch (error) {
      this.loading = null; // the next chart tries again
      throw error;
    }
  }

  /** A Bokeh that a notebook has loaded stays where it is: a second one registers under its version. */
  private async load(): Promise<Bokeh> {
    const page = window as Page;
    const theirs = page.Bokeh;
    const known = new Set(Object.keys(theirs ?? {}));
    await loadScript(URLExt.join(this.baseUrl, BOKEH));
    const now = page.Bokeh;
    if (theirs === undefined) {
      delete page.Bokeh; // a notebook's own must not be taken for a plugin of ours
    }
    const added = Object.keys(now ?? {}).find(name => !known.has(name) && now?.[name]?.embed);
    const found = theirs === undefined ? now : theirs[added ?? theirs.version];
    if (found === undefined) {
      throw new Error('BokehJS was loaded and is not there.');
    }
    return found;
  }
}

/** With the page's own cookie, as all of the server's scripts. */
function loadScript(url: string): Promise<void> {
  return new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = url;
    script.async = true;
    script.onload = () => done();
    script.onerror = () => {
      script.remove();
      failed(new Error('The chart cannot be drawn: the server has no BokehJS.'));
    };
    document.head.appendChild(script);
  });
}

/** The colour of the panel's text, as `#rrggbb`: that of the theme. */
export function ink(): string {
  const panel = document.querySelector('.jp-Costmeter') ?? document.body;
  const parts = getComputedStyle(panel).color.match(/[\d.]+/g) ?? [];
  const two = (part: string): string => Math.round(Number(part)).toString(16).padStart(2, '0');
  return parts.length < 3 ? '#808080' : `#${parts.slice(0, 3).map(two).join('')}`;
}
