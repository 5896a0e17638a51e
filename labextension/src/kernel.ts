/** One notebook's kernel: finds its meter, listens to it, asks it for what was missed. */
import type { ISessionContext } from '@jupyterlab/apputils';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { LOAD, REQUEST, hasMeter, isOurs, parseMessage, parseReply, type Message } from './api.js';
import type { SessionModel } from './model.js';

/** A kernel without the meter never answers our request. */
const ANSWER_MS = 3000;
/** A probe right after the start may be lost; then try again, but not for ever. */
const PAUSES_MS = [0, 500, 1000, 2000];
const TRIES = 5;
/** A kernel that is idle says so within this time of being connected to. */
const HELLO_MS = 400;
const POLL_MS = 25;

type Found = 'foreign' | 'unmetered' | 'metered' | 'silent';

const pause = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));

/**
 * Ask on the control channel, which answers while a cell runs; null when nothing comes.
 *
 * The reply alone is waited for: the status messages around it may come late, or never.
 */
async function ask(
  kernel: Kernel.IKernelConnection,
  msgType: string,
  content: object
): Promise<unknown> {
  // the types know the standard's messages only, and comm_info_request only on the shell channel
  const request = KernelMessage.createMessage({
    msgType,
    channel: 'control',
    username: kernel.username,
    session: kernel.clientId,
    content
  } as never);
  const future = kernel.sendControlMessage(request as never, true, true);
  const reply = new Promise<unknown>(resolve => {
    future.onReply = (message: { content: unknown }) => resolve(message.content);
    future.done.catch(() => resolve(null)); // the kernel restarts or went away
  });
  const answer = await Promise.race([reply, pause(ANSWER_MS).then(() => null)]);
  future.dispose();
  return answer;
}

/** The same, for who need not know why there is no answer. */
async function tryAsk(
  kernel: Kernel.IKernelConnection,
  msgType: string,
  content: object
): Promise<unknown> {
  try {
    return await ask(kernel, msgType, content);
  } catch {
    return null; // not connected, or dead: the status says so too
  }
}

/** Polls rather than listens, since a connection may be disposed without a word. */
async function until(condition: () => boolean, ms: number): Promise<void> {
  for (let waited = 0; waited < ms && !condition(); waited += POLL_MS) {
    await pause(POLL_MS);
  }
}

const isConnected = (kernel: Kernel.IKernelConnection): boolean =>
  kernel.connectionStatus === 'connected';

/**
 * A connection that sends at once.
 *
 * After a reload JupyterLab holds back what is sent until the kernel has answered its first
 * question, which one that runs a cell does not (or for 3 s). Then its status is still unknown,
 * and a connection of our own, which has nothing to hold back, is quicker.
 */
async function openLine(kernel: Kernel.IKernelConnection): Promise<Kernel.IKernelConnection> {
  await until(() => isConnected(kernel) || kernel.isDisposed, ANSWER_MS);
  await until(() => kernel.status !== 'unknown', HELLO_MS);
  if (kernel.status !== 'unknown' || !isConnected(kernel)) {
    return kernel;
  }
  const own = kernel.clone({ handleComms: false });
  await until(() => isConnected(own), ANSWER_MS);
  return own;
}

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
  private kernel: Kernel.IKernelConnection | null = null;
  isDisposed = false;

  /**
   * @param notebook - the notebook's absolute path, where it is known
   * @param news - cells have ended, so the ledger has more
   */
  constructor(
    private readonly context: ISessionContext,
    private readonly model: SessionModel,
    private readonly notebook: () => string | null,
    private readonly news: () => void
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
  async load(): Promise<void> {
    const { kernel } = this;
    if (kernel === null) {
      throw new Error('There is no kernel.');
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
      throw new Error('It was loaded, but there is no meter in the kernel.');
    }
  }

  /** Tell the kernel where its notebook lies, and hear what it remembers. */
  async introduce(): Promise<void> {
    this.behind = true;
    await this.catchUp();
  }

  /** A kernel has come, gone or changed. */
  private meet(): void {
    const kernel = this.context.session?.kernel ?? null;
    if (this.isDisposed || (kernel === this.kernel && kernel !== null)) {
      return;
    }
    this.kernel = kernel;
    this.tries = TRIES;
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
      void this.search();
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
    const found = await this.find(kernel, life);
    if (life === this.look) {
      this.searching = 0;
      this.model.enter(found);
    }
  }

  private async find(kernel: Kernel.IKernelConnection, life: number): Promise<Found> {
    for (const ms of PAUSES_MS) {
      await pause(ms);
      const probe = (line: Kernel.IKernelConnection): Promise<Found> => this.probe(line, life);
      const found = life === this.look ? await this.overLine(kernel, probe) : 'silent';
      if (found !== 'silent' || life !== this.look) {
        return found;
      }
    }
    return 'silent';
  }

  private async overLine<T>(
    kernel: Kernel.IKernelConnection,
    work: (line: Kernel.IKernelConnection) => Promise<T>
  ): Promise<T> {
    const line = await openLine(kernel);
    try {
      return await work(line);
    } finally {
      if (line !== kernel) {
        line.dispose();
      }
    }
  }

  /** Only an IPython kernel is asked for a comm, and only one with our comm for our history. */
  private async probe(line: Kernel.IKernelConnection, life: number): Promise<Found> {
    const info = await tryAsk(line, 'kernel_info_request', {});
    if (info === null) {
      return 'silent';
    }
    if ((info as KernelMessage.IInfoReply).implementation !== 'ipython') {
      return 'foreign';
    }
    const comms = await tryAsk(line, 'comm_info_request', {});
    if (comms === null || life !== this.look) {
      return 'silent';
    }
    if (!hasMeter(comms)) {
      return 'unmetered';
    }
    return (await this.history(line)) ? 'metered' : 'silent';
  }

  private async history(line: Kernel.IKernelConnection): Promise<boolean> {
    const { kernel } = this;
    const answer = await tryAsk(line, REQUEST, { notebook: this.notebook() });
    if (answer === null || kernel !== this.kernel || this.isDisposed) {
      return false;
    }
    try {
      this.model.learn(parseReply(answer));
      this.news();
    } catch (error) {
      this.model.fail(String(error));
    }
    return true;
  }

  private async catchUp(): Promise<void> {
    const { kernel } = this;
    if (this.asking || kernel === null) {
      return;
    }
    this.asking = true;
    while (this.behind) {
      this.behind = false;
      if (!(await this.overLine(kernel, line => this.history(line)))) {
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
      this.model.fail(String(error));
    }
  }

  private hear(message: Message): void {
    const heard = this.model.hear(message);
    if (message.event === 'unloaded' || heard === 'stale') {
      return;
    }
    if (message.closed.length > 0) {
      this.news();
    }
    this.behind ||= heard === 'gap';
    void this.catchUp();
  }
}
