"""What a session holds while it rests, told before the gap between its cells has ended.

Nothing of ours wakes while nothing runs: the ledger is told once what is held, and who reads it there goes on at the
same rate for as long as the process lives (``ledger.killed.held_on``).
"""

from __future__ import annotations

from collections.abc import Callable

from . import guard
from .gaps import Gaps
from .ledger.writer import Writer
from .record import CellRecord
from .runs import gap_records
from .watching import Watch


class Idling:
    """Of one session.

    Args:
        rests: whether no cell runs.
    """

    def __init__(self, gaps: Gaps, watch: Watch, writer: Writer, rests: Callable[[], bool]) -> None:
        self._gaps, self._watch, self._writer, self._rests = gaps, watch, writer, rests

    def so_far(self) -> list[CellRecord]:
        """What lies between cells and is no record yet: short gaps, and that of now. Takes ms."""
        return [*gap_records(self._gaps.pending(), self._writer.info), *(self._found() or ())]

    def end(self) -> None:
        """Nothing runs any more: what is short of a record becomes one, so that the ledger lags by nothing."""
        if rest := gap_records(self._gaps.rest(), self._writer.info):
            self._writer.append(rest)

    def note(self) -> None:
        """The ledger shall know of it from here on, since it counts in other kernels' budgets, too."""
        if found := self._found(noted=True):
            self._writer.journal(found)

    @guard.guarded("what is held idle")
    def _found(self, noted: bool = False) -> list[CellRecord]:
        """The gap of now, where a budget may be spent on it."""
        wanted = self._rests() and (self._gaps.meter.holds or self._watch.budgets)
        return gap_records(self._gaps.so_far(noted), self._writer.info) if wanted else []
