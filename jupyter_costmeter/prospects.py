"""What the cells that run in this kernel will cost: by their last runs, until their loops say it better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import guard, progressing
from .progressing import Progress
from .record import CellRecord, SessionInfo
from .sights import Sights

if TYPE_CHECKING:
    from .budget import Verdict
    from .costing import Costing
    from .forecasts import Forecast
    from .foretelling import AmountOf

#: A cell that has run for less (seconds) is over before anybody has read a forecast.
SHORT_S = 0.3
#: Cells whose forecast is kept.
KEPT = 8


class Prospects:
    """Of one session, asked at each tick, on the sampler's thread.

    Args:
        path: the ledger's file.
        info: the session, whose notebook may move.
        costing: what derives its carbon and money.
        verdicts: on its budgets, as of the last look.
        wanted: whether somebody reads forecasts.
    """

    def __init__(
        self,
        path: Path,
        info: Callable[[], SessionInfo],
        costing: Callable[[], Costing],
        verdicts: Callable[[], Sequence[Verdict]],
        wanted: Callable[[], bool],
    ) -> None:
        self._path, self._info, self._costing = path, info, costing
        self._verdicts, self._wanted = verdicts, wanted
        self._sights = Sights()
        self._of_history: dict[str, Forecast | None] = {}

    def of(self, record: CellRecord) -> tuple[Progress | None, Forecast | None]:
        """How far a running cell is, and what it will cost; of a cell in another one nothing is told."""
        if record.parent_id is not None:
            return None, None
        return self._progress(record) or (None, None)

    @guard.guarded("what a cell will cost")
    def _progress(self, record: CellRecord) -> tuple[Progress | None, Forecast | None]:
        progress = progressing.look(record.started_at)
        before = self._sights.look(record, progress)
        if not self._wanted():
            return progress, None
        found = None
        if progress is not None and before is not None:
            from .foretelling import of_progress

            told = (progress.fraction, progress.since, record, before, self._info(), self._verdicts())
            found = of_progress(*told, self._amount_of())
        return progress, found or self._history(record)

    def _amount_of(self) -> AmountOf:
        from .foretelling import pricing

        return pricing(self._costing())

    def _history(self, record: CellRecord) -> Forecast | None:
        """By its last runs: read once, when it has run for a moment."""
        if record.wall_s < SHORT_S:
            return None
        if record.id not in self._of_history:
            while len(self._of_history) >= KEPT:
                del self._of_history[next(iter(self._of_history))]
            self._of_history[record.id] = None  # what fails is not tried at each tick
            self._of_history[record.id] = self._read(record)
            self._sights.keep(self._of_history)
        return self._of_history[record.id]

    def _read(self, record: CellRecord) -> Forecast | None:
        from .foretelling import foretold, without

        info, amount_of = self._info(), self._amount_of()
        verdicts = [without(verdict, amount_of(verdict.budget, info, record)) for verdict in self._verdicts()]
        return foretold(
            self._path, record.cell_id, record.code_hash, info.notebook, info.project, info, verdicts, amount_of
        )  # fmt: skip
