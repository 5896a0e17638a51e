"""Where the seconds of a record are: gaps between cells are one record, and lie where no cell ran; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from .record import CellRecord
from .timeline_fewer import SHORT_S

#: The clock that says when something began and the one that says how long it took are not one: so far they differ, and
#: so much of a gap may be laid into the rest of it (what is more would show a power that nothing had).
SLOP_S, SLOP = 0.1, 0.1


class Piece(NamedTuple):
    """A record, or a part of one (0 to 1), at its place."""

    start: float
    end: float
    share: float
    record: CellRecord


@dataclass(slots=True)
class _Gap:
    """What lay between cells: its seconds may be those of several gaps, from ``at`` on so many are still to be laid."""

    record: CellRecord
    at: float
    left: float

    def until(self, start: float, end: float) -> Piece | None:
        """What of it lies before a cell that ran then; the rest begins after that."""
        length = min(start - self.at, self.left)
        found = None
        if length >= SHORT_S:
            share = self.left if self.left - length < min(SLOP_S, SLOP * length) else length
            found = self._laid(self.at + length, share)
            self.left -= share
        self.at = max(self.at, end)
        return found

    def rest(self) -> list[Piece]:
        """What is left, as one piece at most."""
        return [self._laid(self.at + max(self.left, SHORT_S), self.left)] if self.left > 0 else []

    def _laid(self, end: float, length: float) -> Piece:
        return Piece(self.at, end, length / max(self.record.wall_s, SHORT_S), self.record)


class Places:
    """Records come in the order of their start, and leave in pieces at their places, again in that order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Piece]] = []
        self._number = 0
        self._gaps: dict[str, list[_Gap]] = {}
        self._ends: dict[str, float] = {}  # of each session's cells

    def add(self, record: CellRecord) -> Iterator[Piece]:
        """The pieces that are sure by now."""
        session, start = record.session_id, record.started_at
        wall_s = max(record.wall_s, SHORT_S)
        if record.bucket == "cell":
            self._ends[session] = max(self._ends.get(session, -inf), start + wall_s)
            if not self._gaps and not self._waiting:  # nearly all
                yield Piece(start, start + wall_s, 1.0, record)
                return
            begins = start
        else:
            begins = max(start, min(self._ends.get(session, start), start + SLOP_S))
        for piece in (*self._over(start), *self._placed(record, begins, wall_s)):
            self._wait(piece)
        sure = min((gap.at for gaps in self._gaps.values() for gap in gaps), default=inf)
        while self._waiting and self._waiting[0][0] <= min(sure, start):
            yield heappop(self._waiting)[2]

    def rest(self) -> Iterator[Piece]:
        """All others: no more records come."""
        for piece in self._over(inf):
            self._wait(piece)
        while self._waiting:
            yield heappop(self._waiting)[2]

    def copy(self) -> Places:
        """Another one with the same, to which other records come."""
        made = Places()
        made._waiting, made._number, made._ends = list(self._waiting), self._number, dict(self._ends)
        made._gaps = {session: [replace(gap) for gap in gaps] for session, gaps in self._gaps.items()}
        return made

    def _wait(self, piece: Piece) -> None:
        self._number += 1
        heappush(self._waiting, (piece.start, self._number, piece))

    def _over(self, now: float) -> list[Piece]:
        """The rest of the gaps that no later cell can lie in."""
        found = []
        for session, gaps in list(self._gaps.items()):
            found += [piece for gap in gaps if gap.at + gap.left <= now for piece in gap.rest()]
            self._gaps[session] = [gap for gap in gaps if gap.at + gap.left > now]
            if not self._gaps[session]:
                del self._gaps[session]
        return found

    def _placed(self, record: CellRecord, start: float, wall_s: float) -> Iterator[Piece]:
        if record.bucket == "cell":
            cut = [gap.until(start, start + wall_s) for gap in self._gaps.get(record.session_id, ())]
            yield from (piece for piece in cut if piece is not None)
            yield Piece(start, start + wall_s, 1.0, record)
            return
        mine = self._gaps.setdefault(record.session_id, [])
        for gap in [gap for gap in mine if gap.record.bucket == record.bucket]:  # two gaps do not overlap
            mine.remove(gap)
            yield from gap.rest()
        mine.append(_Gap(record, start, wall_s))
