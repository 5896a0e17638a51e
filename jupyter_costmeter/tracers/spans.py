"""How long a device was busy with what each span launched: exact unions in bounded memory.

A *span* is what lies between two neighbouring marks, named by the number of the mark that begins
it; a window is a range of spans. Kernels of several spans may run at once, so a window's busy time
is no sum of its spans' times. What is kept is therefore the time during which exactly *this set* of
spans had a kernel running: a window's busy time is the sum over all sets that have a member in it.
There are about as many sets as marks, however many kernels there were.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

Row = tuple[int, int, int]  # start and end in ns, the span that launched it
Spans = tuple[int, ...]  # ascending, none twice
#: Kernels of a device that may still be reported out of order; beyond, the earlier half is settled.
HORIZON = 16384


class Device:
    """One device's kernels."""

    def __init__(self) -> None:
        self.settled: dict[Spans, int] = defaultdict(int)  # ns
        self.until = 0  # all time before is settled
        self.recent: list[Row] = []

    def add(self, rows: list[Row]) -> set[int]:
        """More kernels, in any order. Gives the spans of those that came too late to be counted in full."""
        late = set()
        if rows and min(rows)[0] < self.until:
            late = {span for start, _, span in rows if start < self.until}
            rows = _after(self.until, rows)
        self.recent += rows
        if len(self.recent) > HORIZON:
            self._settle()
        return late

    def busy_ns(self, first: int, last: int) -> int:
        """Time with a kernel of the spans ``first`` to before ``last`` running."""
        sets = [self.settled, swept(sorted(self.recent))]
        return sum(
            ns for found in sets for spans, ns in found.items() if bisect_right(spans, last - 1) > _before(spans, first)
        )

    def keep(self, marks: Sequence[int]) -> None:
        """Only these marks (ascending) may still be asked for: spans between become one, those before are let go."""
        kept: dict[Spans, int] = defaultdict(int)
        for spans, ns in self.settled.items():
            if there := tuple(sorted({marks[at - 1] for at in (bisect_right(marks, s) for s in spans) if at})):
                kept[there] += ns
        self.settled = kept
        named = ((start, end, bisect_right(marks, span)) for start, end, span in self.recent)
        self.recent = [(start, end, marks[at - 1]) for start, end, at in named if at]

    def _settle(self) -> None:
        self.recent.sort()
        self.until = until = self.recent[len(self.recent) // 2][0]
        middle = bisect_left(self.recent, (until,))
        before, after = self.recent[:middle], self.recent[middle:]
        crossing = _after(until, before)
        if crossing:
            before = [(start, min(end, until), span) for start, end, span in before]
        for spans, ns in swept(before).items():
            self.settled[spans] += ns
        self.recent = crossing + after


def _after(until: int, rows: Sequence[Row]) -> list[Row]:
    """What of them lies after that time."""
    return [(max(start, until), end, span) for start, end, span in rows if end > until]


def _before(spans: Spans, first: int) -> int:
    return bisect_right(spans, first - 1)


def swept(rows: Sequence[Row]) -> dict[Spans, int]:
    """By set of spans: the time (ns) in which exactly these had a kernel running.

    Args:
        rows: sorted.
    """
    found: dict[Spans, int] = defaultdict(int)
    if not rows:
        return found
    begins = 0  # of the rows that touch one another
    low, top, span = rows[0]
    alone = True
    for at, (start, end, other) in enumerate(rows):
        if start > top:
            _add(found, rows[begins:at] if not alone else (), span, top - low)
            begins, low, top, span, alone = at, start, end, other, True
        elif end > top:
            top = end
        if other != span:
            alone = False
    _add(found, rows[begins:] if not alone else (), span, top - low)
    return found


def _add(found: dict[Spans, int], mixed: Sequence[Row], span: int, ns: int) -> None:
    """Rows that touch: mostly of one span; of several, edge by edge."""
    if not mixed:
        found[(span,)] += ns
        return
    edges = sorted([(start, 1, s) for start, _, s in mixed] + [(end, -1, s) for _, end, s in mixed])
    running: dict[int, int] = defaultdict(int)
    before = edges[0][0]
    for at, step, s in edges:
        if at > before and running:
            found[tuple(sorted(running))] += at - before
        before = at
        running[s] += step
        if not running[s]:
            del running[s]
