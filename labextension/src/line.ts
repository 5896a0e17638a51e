/** Questions to a kernel on its control channel, which answers while a cell runs. */
import { Kernel, KernelMessage } from '@jupyterlab/services';

/** A kernel without the meter never answers our request. */
const ANSWER_MS = 3000;
/** A kernel that is idle says so within this time of being connected to. */
const HELLO_MS = 400;
const POLL_MS = 25;

export type Line = Kernel.IKernelConnection;

export const pause = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));

async function send(line: Line, msgType: string, content: object): Promise<unknown> {
  // the types know the standard's messages only, and comm_info_request only on the shell channel
  const request = KernelMessage.createMessage({
    msgType,
    channel: 'control',
    username: line.username,
    session: line.clientId,
    content
  } as never);
  const future = line.sendControlMessage(request as never, true, true);
  const reply = new Promise<unknown>(resolve => {
    // the reply alone: the status messages around it may come late, or never
    future.onReply = (message: { content: unknown }) => resolve(message.content);
    future.done.catch(() => resolve(null)); // the kernel restarts or went away
  });
  const answer = await Promise.race([reply, pause(ANSWER_MS).then(() => null)]);
  future.dispose();
  return answer;
}

/** The content of the kernel's answer; null when none comes, whatever the reason. */
export async function ask(line: Line, msgType: string, content: object): Promise<unknown> {
  try {
    return await send(line, msgType, content);
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

const isConnected = (line: Line): boolean => line.connectionStatus === 'connected';

/**
 * A connection that sends at once.
 *
 * After a reload JupyterLab holds back what is sent until the kernel has answered its first
 * question, which one that runs a cell does not (or for 3 s). Then its status is still unknown,
 * and a connection of our own, which has nothing to hold back, is quicker.
 *
 * A kernel that dies while it is restarted may be restarted on other ports; JupyterLab's connection,
 * which was opened in between, then leads to nobody. One of our `own` is opened to those of now.
 */
async function open(kernel: Line, own: boolean): Promise<Line> {
  await until(() => isConnected(kernel) || kernel.isDisposed, ANSWER_MS);
  await until(() => own || kernel.status !== 'unknown', HELLO_MS);
  if (!own && (kernel.status !== 'unknown' || !isConnected(kernel))) {
    return kernel;
  }
  return opened(kernel);
}

async function opened(kernel: Line): Promise<Line> {
  const made = kernel.clone({ handleComms: false });
  await until(() => isConnected(made), ANSWER_MS);
  return made;
}

/** Work over a connection to the kernel that sends at once; `own`: JupyterLab's leads nowhere. */
export async function overLine<T>(
  kernel: Line,
  work: (line: Line) => Promise<T>,
  own = false
): Promise<T> {
  const line = await open(kernel, own);
  try {
    return await work(line);
  } finally {
    if (line !== kernel) {
      line.dispose();
    }
  }
}
