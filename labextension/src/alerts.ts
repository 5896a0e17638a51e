/** Notices of budgets as JupyterLab's notifications, and what their buttons do. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { Verdict } from './budget.js';
import { OPEN } from './commands.js';
import { reason } from './feed.js';
import type { Follower, NotebookMeter } from './follow.js';
import { Notices, type Action, type Board, type Deed } from './notices.js';
import type { Settings } from './settings.js';
import type { Words } from './words.js';

const buttonOf = ({ label, caption, act }: Action, place: number): Notification.IAction => ({
  label,
  caption,
  displayType: place === 0 ? 'accent' : 'default',
  callback: act
});

/** JupyterLab closes a notification when one of its buttons is pressed. */
const BOARD: Board = {
  show: (message, type, actions, autoClose, instead) => {
    const buttons = actions.map(buttonOf);
    if (instead !== null) {
      Notification.update({ id: instead, message, type, autoClose, actions: buttons });
      return instead;
    }
    return Notification.emit(message, type, { autoClose, actions: buttons });
  },
  dismiss: id => Notification.dismiss(id),
  has: id => Notification.manager.has(id)
};

/** The budget as it stands; asked for where it is not known yet. */
async function verdictOf({ budgets }: NotebookMeter, id: string, words: Words): Promise<Verdict> {
  const found = budgets.find(id) ?? (await budgets.look(id));
  if (found === null) {
    throw new Error(words.__('This budget is no longer there.'));
  }
  return found;
}

/** Shows the notebook that a notice is of, and the panel, which is about it then. */
async function show(app: JupyterFrontEnd, meter: NotebookMeter): Promise<void> {
  app.shell.activateById(meter.panel.id);
  await app.commands.execute(OPEN);
}

async function act(
  app: JupyterFrontEnd,
  deed: Deed,
  id: string,
  meter: NotebookMeter,
  words: Words
): Promise<void> {
  const { desk, spent, feed } = meter.budgets;
  switch (deed) {
    case 'extend':
      return feed.extend(id);
    case 'hold':
      return desk.hold(await verdictOf(meter, id, words));
    case 'raise': {
      const verdict = await verdictOf(meter, id, words);
      await show(app, meter);
      return desk.edit(verdict);
    }
    case 'dearest':
      await show(app, meter);
      return spent.open(id);
    case 'list':
      await show(app, meter);
      return meter.budgets.list();
  }
}

/** Also while the panel is hidden, and of notebooks that are not the current one. */
export function followNotices(
  app: JupyterFrontEnd,
  follower: Follower,
  settings: Settings,
  words: Words
): void {
  const doIt = (deed: Deed, id: string, meter: NotebookMeter): void =>
    void act(app, deed, id, meter, words).catch((error: unknown) =>
      Notification.error(reason(error), { autoClose: false })
    );
  const notices = new Notices(BOARD, () => settings.budgetNotifications, doIt, words);
  follower.noticed.connect((_, { meter, notices: heard }) => notices.hear(heard, meter));
  follower.settled.connect((_, id) => notices.dismiss(id));
}
