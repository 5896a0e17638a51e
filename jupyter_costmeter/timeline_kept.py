"""A scope's timeline that is kept between two looks: only what has come since is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from math import inf
from typing import TYPE_CHECKING

from .ledger import Selection
from .record import CellRecord
from .timeline import Growing, Timeline

if TYPE_CHECKING:
    from .ledger.store import Ledger

#: A gap's record comes when later cells have theirs already, a long cell's after those of other kernels: so many of the
#: newest are not drawn for good.
LATE = 200


class Kept:
    """What is drawn of a scope so far, but its newest records; for one thread at a time.

    Of a ledger in which nothing has come, and while nothing runs, it is the same object again.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.mark = 0
        self._identity: tuple[int, int] | None = None
        self._killed: set[str] = set()  # records that may be put right
        self._forget()

    def _forget(self) -> None:
        self.mark, self._growing, self._newest, self._until = 0, Growing(), list[CellRecord](), -inf
        self._whole: Timeline | None = None

    def timeline(self, ledger: Ledger, now: Sequence[CellRecord]) -> Timeline | None:
        """With what runs now, in the order of their start; ``None`` where one began before what is drawn for good."""
        self._catch_up(ledger)
        if any(record.started_at < self._until for record in now):
            return None
        if now or self._whole is None:
            drawn, ids = self._growing.copy(), {record.id for record in now}
            for record in merge(self._newest, now, key=_start):
                drawn.add(record, ids)
            self._whole = drawn.done(ids)
        whole, self._whole = self._whole, None if now else self._whole
        return whole

    def _catch_up(self, ledger: Ledger) -> None:
        from .ledger.file import identity

        found, killed = identity(ledger.path), ledger.killed()
        if found != self._identity or self._killed - killed:  # another file; or some are no longer taken for killed
            self._forget()
        self._identity, self._killed = found, killed
        mark = ledger.mark()
        if mark == self.mark:
            return
        new = ledger.along(self.selection, beyond=self.mark)
        if self.mark:
            some = list(new)
            if some and some[0].started_at < self._until:
                self._forget()
                new = ledger.along(self.selection)
            else:
                new = iter(some)
        self._take(new)
        self.mark = mark

    def _take(self, new: Iterable[CellRecord]) -> None:
        known, self._newest = self._newest, []
        for record in merge(known, self._noted(new), key=_start):
            self._newest.append(record)
            if len(self._newest) > 2 * LATE:
                self._settle()

    def _noted(self, new: Iterable[CellRecord]) -> Iterator[CellRecord]:
        """What has come may be of other scopes only."""
        for record in new:
            self._whole = None
            yield record

    def _settle(self) -> None:
        """Draw all but the newest for good."""
        for record in self._newest[:-LATE]:
            self._growing.add(record)
        self._until = self._newest[-LATE - 1].started_at
        del self._newest[:-LATE]


def _start(record: CellRecord) -> float:
    return record.started_at
