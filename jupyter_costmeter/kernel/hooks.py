"""What IPython calls around each cell.

``post_run_cell`` comes from a ``finally``: with ``None`` when the cell was cancelled, and
without a ``pre`` for an empty cell and for the cell in which the extension was loaded.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .. import guard, session
from ..record import Outcome
from ..session import Run
from .label import take_label
from .live import Live
from .magic import CostMagics

#: What came as an interrupt rather than as an error of the code.
INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)


class Hooks:
    """The meter's callbacks in one IPython shell."""

    def __init__(self, ip: Any) -> None:
        self.ip = ip
        guard.log_to(list(getattr(getattr(ip, "kernel", None), "log", logging.Logger("")).handlers))
        self.session = session.current(ip.config)
        self.live = Live(ip, self.session)
        self._runs: dict[int, list[Run]] = {}  # by thread: JupyterLab's subshells run cells side by side

    def register(self) -> None:
        self.ip.events.register("pre_run_cell", self.before)
        self.ip.events.register("post_run_cell", self.after)
        self.ip.input_transformers_cleanup.insert(0, take_label)
        self.ip.register_magics(CostMagics(self.ip, self.session))
        self.session.start()
        self.session.sampler.defer = _defer
        self.live.start()
        self._enter_running_cell()

    def unregister(self) -> None:
        self.ip.events.unregister("pre_run_cell", self.before)
        self.ip.events.unregister("post_run_cell", self.after)
        if take_label in self.ip.input_transformers_cleanup:
            self.ip.input_transformers_cleanup.remove(take_label)
        for kind in ("line", "cell"):
            self.ip.magics_manager.magics[kind].pop("cost", None)
        self._leave_running_cells()
        self.live.stop()

    def _enter_running_cell(self) -> None:
        """The cell that loads us has begun without us: it is metered from here on."""
        result = getattr(self.ip.displayhook, "exec_result", None)
        if result is not None and not result.info.silent:
            self._open(result.info)

    def _leave_running_cells(self) -> None:
        """The cell that unloads us is metered up to here."""
        for runs in self._runs.values():
            while runs:
                self.session.close(runs.pop(), "ok")
        self.session.flush()

    @guard.guarded("the hook before a cell")
    def before(self, info: Any) -> None:
        if os.getpid() == self.session.info.pid:  # a forked child has neither our threads nor our windows
            began = time.perf_counter()
            self._open(info)
            self.session.overhead.hook_s += time.perf_counter() - began
            self.session.overhead.hooks += 1

    def _open(self, info: Any) -> None:
        run = self.session.open(getattr(info, "cell_id", None), info.raw_cell)
        self._runs.setdefault(threading.get_ident(), []).append(run)

    @guard.guarded("the hook after a cell")
    def after(self, result: Any) -> None:
        runs = self._runs.get(threading.get_ident())
        if not runs or _empty(result) or os.getpid() != self.session.info.pid:
            return
        began = time.perf_counter()
        run = runs.pop()
        run.execution_count = getattr(result, "execution_count", None)
        self.session.close(run, *_outcome(result))
        self.session.overhead.hook_s += time.perf_counter() - began


def _defer(delay_s: float, wake: Callable[[], None]) -> None:
    """By the kernel's event loop, when it has sent the cell's reply; at once where there is none."""
    try:
        asyncio.get_running_loop().call_later(delay_s, wake)
    except RuntimeError:
        wake()


def _empty(result: Any) -> bool:
    """An empty cell: IPython told us of its end only."""
    return result is not None and not result.info.raw_cell.strip()


def _outcome(result: Any) -> tuple[Outcome, str | None]:
    if result is None:
        return "interrupted", "CancelledError"
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return "ok", None
    return ("interrupted" if isinstance(error, INTERRUPTS) else "error"), type(error).__name__
