"""A spent budget holds a cell: it does not start, or it is interrupted as by its user.

A cell is kept from starting by an AST transformer, which may reject its input: nothing of the cell's source is touched,
"Run All" stops, and ``post_run_cell`` comes. IPython walks each cell's tree once more where there is a transformer at
all, so it is there only while a budget holds.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from _thread import get_ident, interrupt_main
from typing import TYPE_CHECKING, Any

from IPython.core.error import InputRejected

from .. import guard
from ..record import CellRecord
from ..runs import Run, code_hash
from ..session import Session

if TYPE_CHECKING:
    from ..budget import Verdict
    from ..holding import Held

#: A gap before a cell that is longer than this (seconds) is counted before the cell starts.
LONG_S = 1.0
#: Seconds that a stop waits for the ledger: what the cell used so far is in it then.
FLUSH_S = 1.0


class BudgetHold(InputRejected):
    """A budget is spent: the cell was not started. Its text is for the user."""

    def _render_traceback_(self) -> list[str]:
        return [f"BudgetHold: {self}"]


class Hold:
    """Holds the cells of one IPython shell. It stands in the shell's ``ast_transformers``."""

    def __init__(self, ip: Any, session: Session) -> None:
        self.ip, self.session = ip, session
        self.said: str | None = None  # of the last cell that was held; for who runs notebooks without a front end
        self._armed: dict[int, Run] = {}  # by thread: a cell that is about to start
        self._stopped: dict[int, list[Verdict]] = {}  # by the run's number: at which budgets' limit it was interrupted
        self._held: Held | None = None
        session.watch.at_limit = self.stop

    def remove(self) -> None:
        """No cell is held any more."""
        self._armed.clear()
        if self in self.ip.ast_transformers:
            self.ip.ast_transformers.remove(self)

    def begin(self, run: Run) -> None:
        """An outermost cell begins, and there are budgets."""
        self.session.watch.check()
        if not self.session.watch.holds:
            self.remove()
            return
        if self not in self.ip.ast_transformers:
            self.ip.ast_transformers.append(self)
        self._armed[get_ident()] = run

    def has(self, run: Run) -> bool:
        """Whether it was interrupted."""
        return run.seq in self._stopped

    def end(self, run: Run) -> None:
        """It has ended, whether or not it came to its start; how it ended says what became of its interrupt."""
        self._armed.pop(get_ident(), None)
        over = self._stopped.pop(run.seq, None)
        if over is not None and run.thread == threading.main_thread().ident:
            self._ended(run, over)

    @guard.guarded("saying why a cell was interrupted")
    def _ended(self, run: Run, over: list[Verdict]) -> None:
        from .. import holding

        self.said = holding.went_on(over) if run.outcome == "ok" else holding.stopped(over, time.time())
        run.notes.append(self.said)

    def visit(self, tree: Any) -> Any:
        """IPython asks for each tree that it is about to run; only a cell's own counts, not what it runs itself.

        Raises:
            BudgetHold: the cell must not start.
        """
        run = self._armed.get(get_ident()) if self._armed else None
        if run is not None and run is not self.session.innermost():
            return tree  # another's hook runs a cell before the user's own has come to its start
        self._armed.pop(get_ident(), None)
        refused = self._refusal(run) if run is not None else None
        if refused is not None:
            raise BudgetHold(refused)
        return tree

    @guard.guarded("holding a cell")
    def _refusal(self, run: Run) -> str | None:
        from .. import holding

        if holding.ours(run.code or "") or self.session.forked:
            return None
        if self.session.gaps.waits_s > LONG_S:
            self._settle()  # what the GPUs were held idle counts, too
        return self._decided(run, self.session.watch.over(self._used))

    def _settle(self) -> None:
        """In a thread of its own: an interrupt ends the waiting for it, and loses no record."""
        settling = threading.Thread(target=self.session.settle, kwargs={"follow": False}, name="costmeter-settling")
        settling.daemon = True
        settling.start()
        settling.join(FLUSH_S)

    def _used(self) -> list[CellRecord]:
        """What is in no record yet: what ended a moment ago, and what other shells run."""
        others = self.session.running() if len(self.session.cells_open()) > 1 else ()
        return [*(record for record, _ in others), *self.session.unsettled_records()]

    def _decided(self, run: Run, over: list[Verdict]) -> str | None:
        """Why the cell does not start; ``None`` where its user insists, which is noted as an extension."""
        from .. import holding

        self._held = self._held or holding.Held()
        cell, headless = run.cell_id or code_hash(run.code) or "", self.session.watch.headless()
        insists = self._held.insists(cell, time.monotonic())
        if not over:
            return None
        if insists and holding.may_go_on(over, headless):
            for verdict in over:
                self.session.watch.extend(verdict)
            return None
        self._held.note(cell, time.monotonic())
        run.held = True
        self.said = text = holding.refusal(over, time.time(), headless, self.session.info.project)
        self.session.watch.happened("refused", over, text, run.cell_id)
        return text

    # On the sampler's thread

    def stop(self, over: list[Verdict]) -> None:
        """Budgets that stop are spent: interrupt the cell that runs, once."""
        from .. import holding

        main = threading.main_thread().ident
        for run in self.session.cells_open():
            if run.seq in self._stopped:
                continue  # once: it may take the interrupt, and go on
            if run.thread != main:
                self._beside(run, over)
            elif not holding.ours(run.code or ""):
                self._stop(run, over)

    def _stop(self, run: Run, over: list[Verdict]) -> None:
        """What it used so far is in the ledger first; a cell that ends meanwhile ends well."""
        from .. import holding

        self.session.writer.flush(FLUSH_S)
        text = holding.stopped(over, time.time())
        self._stopped[run.seq] = over
        if self.session.outermost(run.thread) is not run:
            self._stopped.pop(run.seq, None)
            return
        interrupt()
        self._wake()
        self.session.watch.happened("stopped", over, text, run.cell_id)

    def _wake(self) -> None:
        """A top-level ``await`` heeds its interrupt when the event loop turns: ipykernel's handler does not turn it."""
        loop = getattr(getattr(self.ip, "kernel", None), "io_loop", None)
        if loop is not None:
            loop.add_callback(lambda: None)

    def _beside(self, run: Run, over: list[Verdict]) -> None:
        """It runs in a subshell's thread, where no interrupt can reach it."""
        from .. import holding

        self._stopped[run.seq] = over
        text = holding.not_stopped(over, time.time())
        run.notes.append(text)
        self.session.watch.happened("stopped", over, text, run.cell_id)


def interrupt() -> None:
    """As Jupyter does when its user interrupts: to the kernel's process group if it leads one, else to its thread."""
    if os.name == "nt":
        interrupt_main()
    elif os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGINT)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
