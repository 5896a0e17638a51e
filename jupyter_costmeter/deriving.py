"""What is derived of a session's records when somebody reads them: rates, carbon, money.

What derives them is loaded when it is first asked for: that is never on ``%load_ext``'s path, nor on a cell's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .config import CostMeter
from .record import CellRecord, SessionInfo, Usage
from .tally import Tally
from .uses import Use

if TYPE_CHECKING:
    from .costing import Costing
    from .derived import Costs
    from .rates import Rates


class Deriving:
    """Derives for one session, whose ``info`` may change."""

    def __init__(self, info: Callable[[], SessionInfo], settings: CostMeter, tally: Tally) -> None:
        self._info, self._settings, self._tally = info, settings, tally
        self._costing: Costing | None = None

    def rates(self, usage: Usage) -> Rates | None:
        """How fast a window computed, against its devices' peaks."""
        from .rates import rates

        return rates(usage, self._info().device_names, self._settings.peak_flops)

    @property
    def costing(self) -> Costing:
        """What derives carbon and money; another one when the notebook has moved to another project."""
        from .costing import INTENSITIES, Costing

        project = self._info().project
        if self._costing is None or self._costing.project != project:
            self._costing = Costing(project, self._settings.ledger_file.parent / INTENSITIES)
        return self._costing

    def use(self) -> Use:
        """What the session used so far."""
        return self._tally.using.use(self._info())

    def costs(self) -> Costs:
        """What the session cost so far."""
        return self.costing.of([self.use()])

    def costs_of(self, record: CellRecord) -> Costs:
        """What one of its records cost."""
        return self.costing.of_record(record, self._info())
