"""What a running cell had used when its loop began: a forecast goes from there, since what came before comes once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .progressing import Progress
from .record import SUMMED, CellRecord, Figure, Usage


class Sights:
    """Keeps what cells had used at the last look, and at the beginning of their loops."""

    def __init__(self) -> None:
        self._last: dict[str, Usage] = {}  # by the record's id
        self._before: dict[str, tuple[float, Usage]] = {}  # with the loop's beginning

    def look(self, record: CellRecord, progress: Progress | None) -> Usage | None:
        """What the cell had used when its loop began; ``None`` while it has none. To be asked at each tick.

        Args:
            record: the cell as of now.
            progress: how far its loop is now.
        """
        last = self._last.get(record.id, Usage(0.0))
        self._last[record.id] = record.usage
        if progress is None:
            return None
        known = self._before.get(record.id)
        if known is None or known[0] != progress.at:  # another loop
            known = (progress.at, between(last, record.usage, progress.at - record.started_at))
            self._before[record.id] = known
        return known[1]

    def keep(self, ids: Iterable[str]) -> None:
        """Forget all cells but these: the others have ended."""
        alive = set(ids)
        self._last = {key: usage for key, usage in self._last.items() if key in alive}
        self._before = {key: found for key, found in self._before.items() if key in alive}


def between(earlier: Usage, later: Usage, wall_s: float) -> Usage:
    """What was used when a cell had run for so long, between two looks at an even pace; what is unknown stays so."""
    seconds = later.wall_s - earlier.wall_s
    share = min(1.0, max(0.0, (wall_s - earlier.wall_s) / seconds)) if seconds > 0 else 1.0
    figures = [_between(earlier, figure, share) for figure in later.figures if figure.name in SUMMED]
    return Usage(earlier.wall_s + share * seconds, tuple(figures))


def _between(earlier: Usage, figure: Figure, share: float) -> Figure:
    if figure.value is None:
        return figure
    before = earlier.figure(figure.name, figure.device)
    start = (before.value or 0.0) if before else 0.0
    return replace(figure, value=start + share * (figure.value - start))
