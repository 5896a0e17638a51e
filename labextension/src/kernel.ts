/** One notebook's kernel: finds its meter, listens to it, asks it for what was missed. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import {
  LOAD,
  REQUEST,
  hasMeter,
  isOurs,
  parseMessage,
  parseReply,
  type Cell,
  type Message,
  type Notice
} from './api.js';
import { problemOf } from './feed.js';
import { ask, overLine, pause, type Line } from './line.js';
import type { SessionModel } from './model.js';
import type { Words } from './words.js';

/** A probe right after the start may be lost; then try again, but not for ever. */
const PAUSES_MS = [0, 500, 1000, 2000];
const TRIES = 5;
/** From the so manieth try on JupyterLab's own connection is not trusted any more. */
const TRUSTED = 2;
/** A kernel that does not answer is asked again, ever more rarely. */
const [AGAIN_MS, SELDOM_MS] = [4000, 60_000];
/** A connection that is away for less comes back by itself, and nobody need know. */
const LOST_MS = 5000;

type Found = 'foreign' | 'unmetered' | 'metered' | 'silent';

export class KernelLink implements IDisposable {
  /** One look at a time: a newer one makes the older stop. */
  private look = 0;
  /** The look that is under way, or 0. */
  private searching = 0;
  /** How often an idle kernel may still make us look. */
  private tries = TRIES;
  /** Messages were missed, and no history has come since. */
  private behind = false;
  private asking = false;
  /** The connection has gone, and is soon looked at again. */
  private away = false;
  /** The next question is to have what waits in the kernel's memory written. */
  private saves = false;
  /** When a kernel that does not answer is asked again (milliseconds). */
  private again = AGAIN_MS;
  /** How many messages of a meter have come. */
  private heard = 0;
  private kernel: Line | null = null;
  isDisposed = false;

  /**
   * @param notebook - the notebook's absolute path, where it is known
   * @param news - cells have ended, so the ledger has more; those that we did not know of are told
   * @param noticed - something has happened to a budget
   */
  constructor(
    private readonly context: ISessionContext,
    private readonly model: SessionModel,
    private readonly notebook: () => string | null,
    private readonly news: (ended: readonly Cell[]) => void,
    private readonly noticed: (notices: readonly Notice[]) => void
  ) {
    context.iopubMessage.connect(this.onMessage, this);
    context.kernelChanged.connect(this.meet, this);
    context.statusChanged.connect(this.onStatus, this);
    context.connectionStatusChanged.connect(this.onConnection, this);
    void context.ready.then(() => this.meet());
  }

  dispose(): void {
    this.isDisposed = true;
    this.look += 1;
    Signal.disconnectReceiver(this);
  }

  /** Load the meter into the kernel, as the user could by hand; throws what the kernel says. */
  async load(words: Words): Promise<void> {
    const { kernel } = this;
    if (kernel === null) {
      throw new Error(words.__('There is no kernel.'));
    }
    const future = kernel.requestExecute({
      code: LOAD,
      silent: true,
      store_history: false,
      stop_on_error: false
    });
    const { content } = await future.done;
    if (content.status === 'error') {
      throw Object.assign(new Error(content.evalue), { name: content.ename });
    }
    await this.search();
    if (this.model.phase === 'unmetered') {
      throw new Error(words.__('It was loaded, but there is no meter in the kernel.'));
    }
  }

  /** Tell the kernel where its notebook lies, and hear what it remembers. */
  async introduce(): Promise<void> {
    this.behind = true;
    await this.catchUp();
  }

  /** Let the kernel try again to write its ledger, and hear what came of it. */
  async save(): Promise<void> {
    this.saves = true;
    await this.introduce();
  }

  /** Connect again, where JupyterLab has given up. */
  async reconnect(): Promise<void> {
    if (this.kernel?.connectionStatus === 'disconnected') {
      await this.kernel.reconnect();
    }
  }

  /** Ask once more, as somebody wishes. */
  async retry(): Promise<void> {
    this.tries = TRIES;
    this.model.enter('looking');
    await this.search();
  }

  /** A kernel has come, gone or changed. */
  private meet(): void {
    const kernel = this.context.session?.kernel ?? null;
    if (this.isDisposed || (kernel === this.kernel && kernel !== null)) {
      return;
    }
    this.kernel = kernel;
    this.again = AGAIN_MS;
    this.tries = TRIES;
    this.behind = false;
    this.model.reset(kernel === null ? 'no-kernel' : 'looking');
    void this.search();
  }

  private onStatus(_: ISessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.look += 1;
      this.tries = TRIES;
      this.behind = false;
      this.model.reset(status === 'dead' ? 'dead' : 'looking');
    } else if (status === 'idle') {
      this.onIdle();
    }
  }

  private onIdle(): void {
    if (this.model.phase === 'looking' || this.model.phase === 'silent') {
      void this.searchAgain();
    } else if (this.model.phase === 'metered') {
      void pause(1000).then(() => this.checkIdle());
    }
  }

  /** A cell that runs in an idle kernel: its last message has been lost. */
  private checkIdle(): void {
    this.behind ||= this.model.running.length > 0 && this.kernel?.status === 'idle';
    void this.catchUp();
  }

  private onConnection(_: ISessionContext, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      this.model.lose(false);
      void this.search();
    } else if (!this.away) {
      this.away = true;
      void pause(LOST_MS).then(() => this.checkConnection());
    }
  }

  private checkConnection(): void {
    this.away = false;
    const { kernel } = this;
    if (!this.isDisposed && kernel !== null && kernel.connectionStatus !== 'connected') {
      this.model.lose(true);
    }
  }

  /**
   * The kernel is idle and we know nothing of it: look, but not while we look, since the answer
   * itself makes a kernel idle, and not for ever.
   */
  private async searchAgain(): Promise<void> {
    if (this.searching !== this.look && this.tries > 0) {
      this.tries -= 1;
      await this.search();
    }
  }

  private async search(): Promise<void> {
    const life = (this.look += 1);
    const { kernel } = this;
    if (kernel === null) {
      return;
    }
    this.searching = life;
    const { heard } = this;
    const found = await this.find(kernel, life);
    if (life === this.look) {
      this.searching = 0;
      this.settle(found, heard === this.heard);
    }
  }

  /** What was found holds, unless a message has meanwhile shown that there is a meter. */
  private settle(found: Found, unheard: boolean): void {
    if (found === 'silent' && this.model.phase === 'metered') {
      this.behind = true; // too busy to answer, but we know it
    } else if (unheard || found === 'metered') {
      this.model.enter(found);
    }
    if (found === 'silent') {
      void this.askLater();
    } else {
      this.again = AGAIN_MS;
    }
  }

  /** It may start for long, or nobody may tell us that it is idle. */
  private async askLater(): Promise<void> {
    const { look, again } = this;
    this.again = Math.min(SELDOM_MS, 2 * again);
    await pause(again);
    if (look === this.look && this.model.phase === 'silent') {
      await this.search();
    }
  }

  private async find(kernel: Line, life: number): Promise<Found> {
    const probe = (line: Line): Promise<Found> => this.probe(line, life);
    for (const [tries, ms] of PAUSES_MS.entries()) {
      await pause(ms);
      const own = tries >= TRUSTED;
      const found = life === this.look ? await overLine(kernel, probe, own) : 'silent';
      if (found !== 'silent' || life !== this.look) {
        return found;
      }
    }
    return 'silent';
  }

  /** Only an IPython kernel is asked for a comm, and only one with our comm for our history. */
  private async probe(line: Line, life: number): Promise<Found> {
    const info = await ask(line, 'kernel_info_request', {});
    if (info === null) {
      return 'silent';
    }
    if ((info as KernelMessage.IInfoReply).implementation !== 'ipython') {
      return 'foreign';
    }
    const comms = await ask(line, 'comm_info_request', {});
    if (comms === null || life !== this.look) {
      return 'silent';
    }
    if (!hasMeter(comms)) {
      return 'unmetered';
    }
    return (await this.history(line)) ? 'metered' : 'silent';
  }

  private async history(line: Line): Promise<boolean> {
    const { kernel, saves } = this;
    this.saves = false;
    const asked = { notebook: this.notebook(), ...(saves && { write: true }) };
    const answer = await ask(line, REQUEST, asked);
    if (answer === null || kernel !== this.kernel || this.isDisposed) {
      return false;
    }
    try {
      this.news(this.model.learn(parseReply(answer)));
    } catch (error) {
      this.model.fail(problemOf(error));
    }
    return true;
  }

  private async catchUp(): Promise<void> {
    const { kernel } = this;
    if (this.asking || this.isDisposed || kernel === null) {
      return;
    }
    this.asking = true;
    while (this.behind) {
      this.behind = false;
      if (!(await overLine(kernel, line => this.history(line)))) {
        this.behind = true; // the next message or idleness tries again
        break;
      }
    }
    this.asking = false;
  }

  private onMessage(_: ISessionContext, { header, content }: KernelMessage.IMessage): void {
    const type: string = header.msg_type;
    if (!isOurs(type, content)) {
      return;
    }
    try {
      this.hear(parseMessage(content.data));
    } catch (error) {
      this.heard += 1; // there is a meter, whatever it says
      this.model.enter('metered');
      this.model.fail(problemOf(error));
    }
  }

  private hear(message: Message): void {
    this.heard += 1;
    const heard = this.model.hear(message);
    if (message.notices.length > 0) {
      this.noticed(message.notices); // also where an answer has overtaken it: each is shown once
    }
    if (message.event === 'unloaded' || heard === 'stale') {
      return;
    }
    if (message.closed.length > 0) {
      this.news(message.closed);
    }
    this.behind ||= heard === 'gap';
    void this.catchUp();
  }
}
