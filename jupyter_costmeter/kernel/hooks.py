"""What IPython calls around each cell.

``post_run_cell`` comes from a ``finally``: with ``None`` when the cell was cancelled, and
without a ``pre`` for an empty cell and for the cell in which the extension was loaded.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from _thread import get_ident, interrupt_main
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

from IPython.display import display

from .. import current, guard, inheriting
from ..record import Outcome
from ..remote.waiting import Waiting
from ..runs import Run
from .hold import Hold
from .label import take_label
from .live import Live
from .magic import CostMagics

if TYPE_CHECKING:
    from ..audit import Audit
    from ..remote.rays import Rays

#: What came as an interrupt rather than as an error of the code.
INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)
#: How ipykernel calls the threads whose cells run beside the main one's.
SUBSHELL = "subshell-"
#: Set in the environment of a kernel that nobody sits at.
HEADLESS = "JUPYTER_COSTMETER_HEADLESS"
#: A cell that ran for less than this (seconds) is not looked at once more when it ends.
LOOK_S = 0.3
#: Seconds after which an interrupt that hit a hook is delivered to the cell.
INTERRUPT_S = 0.005


class Hooks:
    """The meter's callbacks in one IPython shell."""

    def __init__(self, ip: Any) -> None:
        self.ip = ip
        guard.log_to(list(getattr(getattr(ip, "kernel", None), "log", logging.Logger("")).handlers))
        self.session = current.current(ip.config, script=False)
        self.live = Live(ip, self.session)
        self.hold = Hold(ip, self.session)
        self.magics = CostMagics(ip, self.session, self.live)
        self.dask = Waiting(self.session)
        self.rays: Rays | None = None  # once the user has imported Ray
        self._auditing: Audit | None = None  # the cell that runs
        self._ready = False  # whether the first cell has come
        self._runs: dict[int, list[tuple[Any, Run]]] = {}  # by thread: JupyterLab's subshells run cells side by side

    def register(self) -> None:
        self.ip.events.register("pre_run_cell", self.before)
        self.ip.events.register("post_run_cell", self.after)
        self.ip.input_transformers_cleanup.insert(1, take_label)  # after leading_empty_lines
        self.ip.register_magics(self.magics)
        self.session.start()
        self.session.sampler.defer = _defer
        self.session.cells_only = True
        self.session.watch.tells, self.session.watch.headless = True, self._headless
        self.session.namespace = lambda: self.ip.user_ns
        self.session.meter.resume_tracing()
        current.inherit(self.session)
        self.live.start()
        if self.session.settings.dask:
            self.dask.open()
        self._enter_running_cell()

    def unregister(self) -> None:
        self.ip.events.unregister("pre_run_cell", self.before)
        self.ip.events.unregister("post_run_cell", self.after)
        if take_label in self.ip.input_transformers_cleanup:
            self.ip.input_transformers_cleanup.remove(take_label)
        self.session.watch.tells = False
        self.hold.remove()
        for kind in ("line", "cell"):
            self.ip.magics_manager.magics[kind].pop("cost", None)
        self._leave_running_cells()
        self.dask.close()
        self.session.meter.pause_tracing()
        inheriting.pause()
        self.magics.stop()
        self.live.stop()

    def _headless(self) -> bool:
        """Whether nobody is there to read a line or to run a cell again: nbclient and papermill forbid to ask."""
        allowed = getattr(getattr(self.ip, "kernel", None), "_allow_stdin", True)
        return not allowed or bool(os.environ.get(HEADLESS))

    def _enter_running_cell(self) -> None:
        """The cell that loads us has begun without us: it is metered from here on."""
        result = getattr(self.ip.displayhook, "exec_result", None)
        if result is not None and not result.info.silent:
            self._open(result.info)

    def _leave_running_cells(self) -> None:
        """The cell that unloads us is metered up to here."""
        for runs in self._runs.values():
            while runs:
                self.session.close(runs.pop()[1], "ok")
        self.session.flush()

    def before(self, info: Any) -> None:
        """A cell begins. The guard is written out here: a wrapper costs 5 µs of a cold cell."""
        began = perf_counter()
        try:
            if not self._ready:
                self._ready = True
                self.session.ready()
            if self.session.audit is not None and not info.raw_cell.lstrip().startswith("%cost"):
                self._begin_audit()
            self._open(info)
            if self.session.watch.budgets:
                self._begin_held()
        except Exception as error:
            guard.report("the hook before a cell", error)
        except KeyboardInterrupt:  # IPython would print it as ours, and run the cell
            threading.Timer(INTERRUPT_S, interrupt_main).start()
        overhead = self.session.overhead
        overhead.hook_s += perf_counter() - began
        overhead.hooks += 1

    def _begin_held(self) -> None:
        """There are budgets: a cell may have to be held, but none that another runs, in a thread of its own, too."""
        runs = self._runs.get(get_ident(), [])
        if len(runs) == 1 and (runs[0][1].parent is None or threading.current_thread().name.startswith(SUBSHELL)):
            self.hold.begin(runs[0][1])

    def _begin_audit(self) -> None:
        """The cell that comes is the one that was asked for."""
        self._auditing, self.session.audit = self.session.audit, None
        if self._auditing is not None:
            self._auditing.start()

    def _end_audit(self) -> None:
        audit, self._auditing = self._auditing, None
        if audit is not None:
            display(audit.stop())  # type: ignore[no-untyped-call]

    def _open(self, info: Any) -> None:
        session = self.session
        if session.forked:  # a child has neither our threads nor our windows
            return
        runs = self._runs.setdefault(get_ident(), [])
        if runs:  # nested, or left behind by an interrupt that hit a hook
            self._leave(runs, _running_infos())
        runs.append((info, session.open(getattr(info, "cell_id", None), info.raw_cell)))

    def _leave(self, runs: list[tuple[Any, Run]], alive: set[int]) -> None:
        """Close the runs whose cells are not running any more."""
        for entry in [entry for entry in runs if id(entry[0]) not in alive]:
            self.session.close(entry[1], "interrupted", "KeyboardInterrupt")
            runs.remove(entry)

    def after(self, result: Any) -> None:
        """A cell has ended."""
        began = perf_counter()
        try:
            self._close(result)
            if self._auditing is not None:
                self._end_audit()
            if self.session.settings.dask:
                self.dask.greet()
        except Exception as error:
            guard.report("the hook after a cell", error)
        except KeyboardInterrupt:  # the cell that it was meant for has ended
            pass
        self.session.overhead.hook_s += perf_counter() - began

    def _close(self, result: Any) -> None:
        runs = self._runs.get(get_ident())
        if not runs or self.session.forked or _empty(result):
            return
        if result is not None and runs[-1][0] is not result.info:
            below = [entry for entry in runs if entry[0] is result.info]
            if not below:  # its beginning was missed
                return
            self._leave(runs, {id(info) for info, _ in runs[: runs.index(below[0]) + 1]})
        run = runs[-1][1]
        if result is not None:
            run.execution_count = result.execution_count
        self.session.close(run, *_outcome(result))
        runs.pop()  # last: what an interrupt leaves here is closed by the next cell
        if "ray" in sys.modules:
            self._greet_ray(run)
        if not runs and (self.session.watch.budgets or run.notes or self.hold.has(run)):
            self._say(run)

    def _greet_ray(self, run: Run) -> None:
        if self.rays is None:
            from ..remote.rays import Rays

            self.rays = Rays(self.session)
        self.rays.greet(run)

    def _say(self, run: Run) -> None:
        """A line below the cell for each budget that it has reached, and why it was interrupted."""
        watch, window = self.session.watch, run.window
        self.hold.end(run)
        long = window.end is not None and window.end.t_s - window.start.t_s > LOOK_S
        if not (long or watch.waits or run.notes):
            return
        if long and watch.lines:
            watch.look(self.session.unsettled_records())
        lines = watch.take_lines()
        if watch.lines or not watch.headless():
            lines = [*run.notes, *lines]
        if lines:
            sys.stderr.write("\n".join([*lines, ""]))


def _running_infos() -> set[int]:
    """The cells that this thread is in, by IPython's own frames. Some 10 µs; only asked for nested cells."""
    found: set[int] = set()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async":
            found.add(id(frame.f_locals.get("info")))
        frame = frame.f_back
    return found


def _defer(tell: Callable[[], None]) -> None:
    """By the kernel's event loop, which is free again when it has sent the reply; at once where there is none."""
    try:
        asyncio.get_running_loop().call_soon(tell)
    except RuntimeError:
        tell()


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
