"""One session's totals by bucket, and the cells to remember: the newest and the dearest."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from . import accounting
from .record import BUCKETS, Bucket, BucketTotal, CellRecord, Summary, Usage
from .tag import Tag
from .uses import WANTED, Using

#: What a front end that has just come is told of: so many newest cells, and so many dearest.
NEWEST, DEAREST = 200, 20


class Tally:
    """Adds up what has ended. A record with a parent lies in another's window, and is only remembered."""

    def __init__(self) -> None:
        self._newest: deque[CellRecord] = deque(maxlen=NEWEST)
        self._dearest: list[tuple[float, int, CellRecord]] = []
        self._parts: dict[Bucket, list[accounting.Part]] = {}
        self._wall_s: dict[Bucket, float] = {}
        self._cells, self._failed = 0, 0
        self._said: dict[str, list[Tag]] = {}  # of records that had ended
        self.using = Using()
        self.between: dict[Bucket, Using] = {}  # what else than cells used, with FLOPs and busy time

    def add_cell(self, record: CellRecord) -> None:
        """A cell or a block."""
        self._newest.append(record)
        if record.parent_id is None:
            self._cells += 1
            self._failed += record.failed
            self.add("cell", record.started_at, record.usage)
            self._remember(record)

    def add(self, bucket: Bucket, started_at: float, usage: Usage) -> None:
        """What belongs to a bucket."""
        self.using.add(started_at, usage)
        if bucket != "cell":
            self.between.setdefault(bucket, Using(names=WANTED)).add(started_at, usage)
        self._parts[bucket] = accounting.merged([*self._parts.get(bucket, ()), *accounting.parts(usage.figures)])
        self._wall_s[bucket] = self._wall_s.get(bucket, 0.0) + usage.wall_s

    def tag(self, tags: Iterable[Tag]) -> None:
        """What is said of records that have ended."""
        for tag in tags:
            self._said.setdefault(tag.record_id, []).append(tag)

    def _remember(self, record: CellRecord) -> None:
        """Among the dearest, if it is."""
        energy = next((t.value for t in accounting.cell_totals(record.usage) if t.name == "energy_j"), None)
        heapq.heappush(self._dearest, (energy or 0.0, record.seq, record))
        if len(self._dearest) > DEAREST:
            heapq.heappop(self._dearest)

    def summary(self) -> Summary:
        """The totals so far."""
        parts = [part for bucket in BUCKETS for part in self._parts.get(bucket, ())]
        buckets = tuple(
            BucketTotal(bucket, self._wall_s[bucket], accounting.totals(self._parts[bucket]))
            for bucket in BUCKETS
            if bucket in self._parts
        )
        wall_s = self._wall_s.get("cell", 0.0)
        return Summary(self._cells, self._failed, 1, wall_s, accounting.totals(parts), buckets)

    def cells(self) -> list[CellRecord]:
        """The newest cells and the dearest, oldest first."""
        found = {r.id: r for r in [*(r for _, _, r in self._dearest), *self._newest]}
        return sorted(map(self._tagged, found.values()), key=lambda r: r.seq)

    def _tagged(self, record: CellRecord) -> CellRecord:
        said = self._said.get(record.id)
        return replace(record, tags=(*record.tags, *said)) if said else record
