"""Live messages: to whoever listens on IOPub, and answers on the control channel (docs/wire.md).

Messages have no parent, so they are in no cell's output; they are sent only while a cell
runs or has just ended, since they count as the kernel's activity.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from zmq import ZMQError

from .. import guard, wire
from ..prospects import Prospects
from ..record import CellRecord, Held, Total
from ..runs import Event
from ..session import Session

if TYPE_CHECKING:
    from ..derived import Costs
    from ..forecasts import Forecast


#: Seconds that a front end waits for the ledger, when it asks for what waits in memory to be written; it gives up at 3.
WRITE_S = 1.5
#: What derives costs is loaded when nothing has run for a second, or a front end asks meanwhile: its imports would
#: slow a cell, and the journal would wait for them. Where cells follow one another for so long (seconds), a thread of
#: its own loads it nevertheless: "Run All" shall not end before its carbon is told.
_LOADED, PATIENCE_S = "jupyter_costmeter.cost_wire", 10.0


def _is_loaded() -> bool:
    """Not from the moment on at which its import begins: who asks for it then waits for it."""
    module = sys.modules.get(_LOADED)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


class _Announcement:
    """Stands in the kernel's list of comms, so that ``comm_info_request`` finds the meter."""

    comm_id = target_name = wire.COMM_ID
    primary = False

    def handle_msg(self, message: Any) -> None:
        pass

    handle_close = handle_msg

    def close(self, *args: Any, **kwargs: Any) -> None:
        pass


class Live:
    """Tells front ends of a kernel's cells; in a plain IPython there is nobody to tell."""

    def __init__(self, ip: Any, session: Session) -> None:
        self.kernel: Any = getattr(ip, "kernel", None)
        self.session = session
        self.seq = 0
        self._loading, self._patient_until, self._told_costs = False, inf, False
        self.foretells = False  # whether somebody else shows forecasts (the widget)
        self.prospects = Prospects(
            session.settings.ledger_file,
            lambda: session.info,
            lambda: session.derived.costing,
            lambda: session.watch.verdicts or (),
            lambda: self.foretells or session.watch.panel or bool(session.watch.budgets),
        )

    def start(self) -> None:
        if self.kernel is None:
            return
        self.kernel.control_handlers[wire.REQUEST] = self.answer
        self.kernel.comm_manager.comms[wire.COMM_ID] = _Announcement()
        if self.session.settings.live:
            self._patient_until = time.monotonic() + PATIENCE_S
            self.session.listeners.append(self.tell)
            self.session.at_rest.append(self.rest)
        self._send("loaded", Event((), ()))

    def stop(self) -> None:
        if self.kernel is None:
            return
        self.kernel.control_handlers.pop(wire.REQUEST, None)
        self.kernel.comm_manager.comms.pop(wire.COMM_ID, None)
        if self.tell in self.session.listeners:
            self.session.listeners.remove(self.tell)
            self.session.at_rest.remove(self.rest)
        self._send("unloaded", Event((), ()))

    def tell(self, event: Event) -> None:
        if not self._loading and not _is_loaded() and time.monotonic() >= self._patient_until:
            self._loading = True
            threading.Thread(target=self._load, name="costmeter-costs", daemon=True).start()
        self._send("closed" if event.closed else "running", event)

    @guard.guarded("loading what derives carbon and money")
    def rest(self) -> None:
        """Nothing runs any more: load what derives costs, and tell them, unless they were told."""
        if not self._told_costs:
            from .. import cost_wire  # noqa: F401

            self._send("closed", Event((), ()))

    @guard.guarded("loading what derives carbon and money")
    def _load(self) -> None:
        with self.session.overhead.working():
            from .. import cost_wire  # noqa: F401

    def _running(self, record: CellRecord, power: Total | None, derive: wire.Derive) -> wire.Json:
        progress, forecast = self.prospects.of(record)
        told = None if forecast is None else self._forecast(forecast)
        return wire.running(record, power, derive, wire.progress(progress), told)

    @guard.guarded("telling what a cell will cost")
    def _forecast(self, found: Forecast) -> wire.Json | None:
        from .. import budget_wire

        return budget_wire.forecast(found)

    def _send(self, name: wire.Event, event: Event) -> None:
        seq = self.seq = self.seq + 1
        derive, cost = wire.Derive(self.session.derived.rates), None
        if name in ("closed", "running") and _is_loaded():
            derive, cost = self._derive(), self._costs()
            self._told_costs = True
        content = wire.message(
            name,
            self.session.info.id,
            seq,
            [self._running(record, power, derive) for record, power in event.running],
            event.closed,
            self.session.summary(),
            () if event.running or name in ("loaded", "unloaded") else self._held(),
            wire.ledger(self.session.ledger),
            derive,
            cost,
            *((None, ()) if name in ("loaded", "unloaded") else (self._budgets(), self._notices() or ())),
        )
        kernel = self.kernel
        data = {"comm_id": wire.COMM_ID, "data": content}
        with suppress(ZMQError):  # the kernel is going, and nobody listens any more
            kernel.session.send(kernel.iopub_socket, "comm_msg", data, parent={}, ident=kernel._topic("comm"))

    async def answer(self, stream: Any, ident: Any, parent: Any) -> None:
        """A front end asks for all there is; on the control thread, so also while a cell runs."""
        try:
            asked = parent["content"]
            content = self._reply(asked.get("notebook"), write=asked.get("write") is True)
        except Exception as error:
            content = {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
        self.kernel.session.send(stream, wire.REPLY, content, parent, ident)

    def _derive(self) -> wire.Derive:
        """Rates, and costs by the assumptions of now: looked up with the first cell that is told of."""
        pricing: list[Callable[[CellRecord], Costs]] = []

        @guard.guarded("a cell's carbon and money")
        def costs_of(record: CellRecord) -> Costs:
            if not pricing:
                pricing.append(self.session.derived.pricing())
            return pricing[0](record)

        return wire.Derive(self.session.derived.rates, costs_of)

    @guard.guarded("the session's carbon and money")
    def _costs(self) -> Costs:
        return self.session.derived.costs()

    @guard.guarded("telling of budgets")
    def _budgets(self) -> list[wire.Json] | None:
        """Where they stood at the last look; ``None`` before the first."""
        verdicts = self.session.watch.verdicts
        if not verdicts:
            return None if verdicts is None else []
        from .. import budget_wire

        return [budget_wire.verdict(one) for one in verdicts]

    @guard.guarded("telling what came of budgets")
    def _notices(self) -> list[wire.Json]:
        notices = self.session.watch.take_notices()
        if not notices:
            return []
        from .. import budget_wire

        return [budget_wire.notice(one) for one in notices]

    def _held(self) -> tuple[Held, ...]:
        """What the kernel holds idle: asked only where cells have just ended, or somebody wants to know."""
        return self.session.held()

    def _reply(self, notebook: str | None, write: bool) -> wire.Json:
        if notebook:
            self.session.moved_to(notebook)
        self.session.settle()
        self.session.idling.note()
        if write:
            self.session.writer.flush(WRITE_S)
        running = self.session.running()
        self.session.watch.panel = True
        self.session.watch.look(
            [*(r for r, _ in running), *self.session.unsettled_records()]
        )  # a budget may have been set a moment ago, or a threshold reached while a GPU is held idle
        if self.session.watch.has_notices and not running:  # else the next tick tells it
            self._send("closed", Event((), ()))
        ready = not running or _is_loaded()
        derive = self._derive() if ready else wire.Derive(self.session.derived.rates)
        return wire.reply(
            self.session.info,
            self.seq,
            [self._running(record, power, derive) for record, power in running],
            self.session.cells(),
            self.session.summary(),
            self._held(),
            self.session.sensors,
            wire.ledger(self.session.ledger),
            derive,
            self._costs() if ready else None,
            self._budgets(),
        )
