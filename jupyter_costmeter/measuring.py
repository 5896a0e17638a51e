"""The Python API: meter a block of code, in a script or inside a cell."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from . import accounting, current, guard, reach
from .format import quantity, total_text
from .record import CellRecord, Figure, Outcome, Total
from .runs import Run
from .session import Session

if TYPE_CHECKING:
    from .derived import Costs

#: Seconds that a forked worker waits for the ledger.
FLUSH_S = 5.0


class measure:
    """``with measure("eval") as cost: …``: what the block cost, then in ``cost`` and in the ledger.

    Never raises for its own sake: where metering fails, ``cost.record`` stays ``None``.

    Args:
        label: a name for the block in reports.
    """

    def __init__(self, label: str | None = None) -> None:
        self.label = None if label is None else str(label)
        self._session: Session | None = None
        self._run: Run | None = None
        self._closed = False

    def __enter__(self) -> measure:
        self._open(sys._getframe(1))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._close(kind)

    @guard.guarded("measure")
    def _open(self, caller: FrameType) -> None:
        self._session = current.current()
        self._session.ready()
        self._run = self._session.open(label=self.label)
        self._run.reach = reach.Code(caller.f_code, caller.f_globals)

    @guard.guarded("measure")
    def _close(self, kind: type[BaseException] | None) -> None:
        if self._session is None or self._run is None or self._session.forked:
            return
        self._session.close(self._run, _outcome(kind), kind.__name__ if kind else None)
        self._closed = True
        if self._session.in_child:  # a forked worker ends without atexit
            self._session.settle(follow=False)
            self._session.flush(FLUSH_S)

    @property
    def record(self) -> CellRecord | None:
        """What is in the ledger; asked for at once, it may take half a second until the counters have moved."""
        self._settle()
        return self._run.record if self._run else None

    @guard.guarded("measure")
    def _settle(self) -> None:
        """Once: a driver that hangs is not waited for again."""
        if self._closed and self._session and self._run and self._run.record is None:
            self._closed = False
            self._session.flush(FLUSH_S)

    @property
    def wall_s(self) -> float | None:
        """Seconds by a monotonic clock."""
        return self.record.wall_s if self.record else None

    @property
    def energy_j(self) -> float | None:
        """Joules of CPU, memory and GPU, as far as they are known; ``total`` says how well."""
        total = self.total("energy_j")
        return total.value if total else None

    @property
    def flops(self) -> float | None:
        """FLOPs of the operators that were counted; ``total("flops")`` says what was not."""
        total = self.total("flops")
        return total.value if total else None

    @property
    def emissions_g(self) -> float | None:
        """Grams of CO2e of its electricity, by what is declared of the place; ``costs`` says how they are known."""
        total = self.costs.footprint.total("emissions_g") if self.costs else None
        return total.value if total else None

    @property
    def costs(self) -> Costs | None:
        """Electricity with PUE, carbon and money, by the assumptions of now."""
        return self._costs()

    @guard.guarded("measure")
    def _costs(self) -> Costs | None:
        return self._session.derived.pricing()(self.record) if self._session and self.record else None

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Each figure with its method, source, uncertainty, and reason where it was not measured."""
        return self.record.usage.figures if self.record else ()

    def total(self, name: str) -> Total | None:
        """One figure over all devices."""
        totals = accounting.cell_totals(self.record.usage) if self.record else ()
        return next((t for t in totals if t.name == name), None)

    @property
    def _name(self) -> str:
        return f"measure {self.label or ''}"

    def __repr__(self) -> str:
        if self.record is None:
            return f"<{self._name}: not measured>"
        energy = self.total("energy_j")
        spent = total_text(energy) if energy else "energy not measured"
        work = f", {total_text(flops)}" if (flops := self.total("flops")) else ""
        return f"<{self._name}: {quantity(self.record.wall_s, 's')}, {spent}{work}>"


def _outcome(kind: type[BaseException] | None) -> Outcome:
    if kind is None:
        return "ok"
    return "interrupted" if issubclass(kind, (KeyboardInterrupt, asyncio.CancelledError)) else "error"
