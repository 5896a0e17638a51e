"""What is derived of a session's records when somebody reads them: rates, carbon, money.

What derives them is loaded when it is first asked for: that is never on ``%load_ext``'s path, nor on a cell's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from .config import CostMeter
from .record import CellRecord, SessionInfo, Usage
from .tally import Tally
from .uses import Use, Using

if TYPE_CHECKING:
    from .costing import Costing
    from .derived import Costs
    from .rates import Rates

Working = Callable[[], AbstractContextManager[None]]
#: A live source's new values are looked for so often (seconds).
LIVE_S = 60.0


class Deriving:
    """Derives for one session, whose ``info`` may change."""

    def __init__(
        self, info: Callable[[], SessionInfo], settings: CostMeter, tally: Tally, working: Working = nullcontext
    ) -> None:
        self._info, self._settings, self._tally, self._working = info, settings, tally, working
        self._costing: Costing | None = None
        self._costs: Costs | None = None
        self._state: tuple[object, ...] = ()

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
            self._costing = Costing(project, self._settings.ledger_file.parent / INTENSITIES, self._working)
        return self._costing

    @property
    def using(self) -> Using:
        """What the session used so far."""
        return self._tally.using

    def uses(self) -> list[Use]:
        """The same, by the hour if factors have changed since it began."""
        info = self._info()
        return self.using.uses(info, info.started_at < self.costing.book.changed_at)

    def costs(self) -> Costs:
        """What the session cost so far; calculated anew when a record has come or an assumption has changed."""
        costing, using = self.costing, self.using
        live = time.monotonic() // LIVE_S if costing.assumptions.live is not None else 0.0
        state = (using.count, id(costing), costing.assumptions, live)
        if self._costs is None or self._state != state:
            self._costs, self._state = costing.of(self.uses()), state
        return self._costs

    def pricing(self) -> Callable[[CellRecord], Costs]:
        """What a record of the session cost, by the assumptions of the first that is asked for."""
        costing, book = self.costing, self.costing.book
        return lambda record: costing.of_record(record, self._info(), book)
