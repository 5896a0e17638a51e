"""What budgets, forecasts and statements ask of the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from math import inf
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..budget import BudgetEvent
from ..record import CellRecord, SessionInfo
from ..tag import Tag, Tagged, tagged
from ..uses import By, Using, Went
from . import Selection, events, history, metered, selecting, spent, tags
from .metered import Metered

if TYPE_CHECKING:  # a kernel loads this to write its first journal: what a statement needs comes when one is asked for
    from ..anonymous import Names
    from ..grouping import Groups


class Asked:
    """The part of ``Ledger`` that answers them."""

    def _reading(self) -> AbstractContextManager[sa.Connection | None]:
        """A connection to read by; ``None`` where there is no file yet."""
        raise NotImplementedError

    def base(
        self, selection: Selection, start: float, end: float, hourly_before: float = inf, memory: bool = True
    ) -> tuple[dict[str, tuple[SessionInfo, Using]], int]:
        """What each session used in [start, end), by its id, and the mark from which on later records are ``after``.

        A record over an edge is spread evenly over its time; one that began more than 62 days before ``start`` is
        left out. All records of the window are read, unless sessions need not be told by the hour (those that began
        from ``hourly_before`` on), nor memory over time.
        """
        with self._reading() as connection:
            asked = (selection, start, end, hourly_before, memory)
            return spent.base(connection, *asked) if connection else ({}, 0)

    def began(self, selection: Selection) -> float | None:
        """When the first of the selected records began (seconds since 1970); ``None`` where there is none."""
        with self._reading() as connection:
            return spent.began(connection, selecting.cells(selection)) if connection else None

    def after(self, mark: int) -> tuple[list[tuple[SessionInfo, CellRecord]], int]:
        """The records that came after a mark, of all scopes, in the order of their coming; and the next mark.

        A page of them: there are more if the mark has moved, inner windows left out.
        """
        with self._reading() as connection:
            return spent.after(connection, mark) if connection else ([], 0)

    def ends(self, session_ids: Iterable[str]) -> dict[str, float]:
        """When the last of each session's records ended (seconds since 1970); those inside others count, too."""
        with self._reading() as connection:
            return history.ends(connection, session_ids) if connection else {}

    def open_windows(self) -> list[tuple[SessionInfo, CellRecord]]:
        """The windows that are open in any process, as of their last tick; those of killed ones, too.

        What a process holds idle is told as of now: it does not wake to say so.
        """
        from . import killed

        with self._reading() as connection:
            found = spent.open_windows(connection) if connection else []
        return [(info, killed.held_on(info, record)) for info, record in found]

    def metered(self) -> list[Metered]:
        """All that the ledger holds, by project, user, host, bucket and kind of machine."""
        with self._reading() as connection:
            return metered.metered(connection) if connection else []

    def there(self, ids: Iterable[str]) -> set[str]:
        """Which of these records are in the file."""
        with self._reading() as connection:
            return spent.there(connection, ids) if connection else set()

    def killed(self) -> set[str]:
        """The records of cells that are taken for killed: only those may be put right, under a new mark."""
        with self._reading() as connection:
            return spent.killed(connection) if connection else set()

    def sessions_here(self, ids: Iterable[str]) -> set[str]:
        """Which of these sessions the file holds."""
        with self._reading() as connection:
            return set(spent.sessions(connection, ids)) if connection else set()

    def same_events(self, ids: Sequence[str]) -> list[BudgetEvent]:
        """The events with these ids that are there."""
        with self._reading() as connection:
            return events.of_ids(connection, ids) if connection else []

    def events(self, since: float = -inf) -> list[BudgetEvent]:
        """What came of budgets, oldest first."""
        with self._reading() as connection:
            return events.events(connection, since) if connection else []

    def history(
        self, cell_id: str | None, code_hash: str | None, notebook: str | None, count: int, project: str | None = None
    ) -> list[tuple[SessionInfo, CellRecord]]:
        """A cell's last runs, the newest first: of the same code in its notebook, else in its project.

        Where none of them ended well, the cell's earlier versions come after those. Inner windows are left out.
        """
        with self._reading() as connection:
            return history.runs(connection, cell_id, code_hash, notebook, count, project) if connection else []

    def last_runs(
        self, notebook: str, cell_ids: Sequence[str], count: int = 5
    ) -> dict[str, list[tuple[SessionInfo, CellRecord]]]:
        """The last runs of each of a notebook's cells, the newest first; a cell that has not run there is not in it."""
        with self._reading() as connection:
            known = history.of_cells(connection, notebook, list(dict.fromkeys(cell_ids)), count) if connection else []
        found: dict[str, list[tuple[SessionInfo, CellRecord]]] = {}
        for info, record in known:
            found.setdefault(record.cell_id or "", []).append((info, record))
        return found

    def went(
        self, selection: Selection, start: float, end: float, by: By, zone: str = "", hourly_before: float = -inf
    ) -> list[Went]:
        """Where it went in [start, end): rows that add up to all that was used, in an order that does not change.

        ``zone`` says whose days are meant (``""``: the machine's own); sessions that began before ``hourly_before`` are
        told by the hour.
        """
        from . import went

        with self._reading() as connection:
            return went.went(connection, selection, start, end, by, zone, hourly_before) if connection else []

    def grouped(self, selection: Selection, hourly_before: float = -inf) -> Groups:
        """The selected records by what they are said to be; sessions that began before that time by the hour."""
        from ..grouping import Groups
        from .tagged import grouped

        with self._reading() as connection:
            return grouped(connection, selection, hourly_before) if connection else Groups()

    def runs_of(self, notebook: str, cell_ids: Sequence[str], newest: bool = False) -> dict[str, str]:
        """The records of a notebook's cells with their outcomes: all their runs, or each one's newest.

        Inner windows are left out.
        """
        with self._reading() as connection:
            found = tags.runs_of(connection, notebook, cell_ids) if connection else {}
        return {one: runs[one] for runs in found.values() for one in (list(runs)[:1] if newest else runs)}

    def said_of(self, notebook: str, cell_ids: Sequence[str]) -> dict[str, list[tuple[str, Tagged]]]:
        """The outcome of each run of each of these cells, and what is said of it, the newest first."""
        with self._reading() as connection:
            if connection is None:
                return {}
            found = tags.runs_of(connection, notebook, cell_ids)
            said = tags.of(connection, [one for runs in found.values() for one in runs])
        return {
            cell_id: [(outcome, tagged(said.get(one, ()))) for one, outcome in runs.items()]
            for cell_id, runs in found.items()
        }

    def told_of(self, ids: Sequence[str]) -> dict[str, tuple[str, Tagged]]:
        """The outcome of each of these records that is there, and what is said of it."""
        with self._reading() as connection:
            if connection is None:
                return {}
            outcomes, said = tags.outcomes(connection, ids), tags.of(connection, ids)
        return {one: (outcome, tagged(said.get(one, ()))) for one, outcome in outcomes.items()}

    def said_in(self, session: str, count: int = 1000) -> dict[str, tuple[str, tuple[Tag, ...]]]:
        """What was said of a session's newest cells by the records' ids, with their outcome; only where there is."""
        with self._reading() as connection:
            return tags.said_in(connection, session, count) if connection else {}

    def chosen(
        self, selection: Selection, count: int | None = None, numbers: tuple[int, int] | None = None
    ) -> list[str]:
        """The ids of cells, oldest first: the newest so many, or those of In [first] to In [last]; no inner ones."""
        from . import choosing

        with self._reading() as connection:
            return choosing.cells(connection, selection, count, numbers) if connection else []

    def along(self, selection: Selection, last: int | None = None, beyond: int = 0) -> Iterator[CellRecord]:
        """The outermost selected records in the order of their start, with their energy only; one at a time.

        ``last``: only from the start of the so manieth last cell on; ``beyond``: only what came after that mark.
        """
        from .along import along

        with self._reading() as connection:
            yield from along(connection, selection, last, beyond) if connection else ()

    def mark(self) -> int:
        """From which on later records are beyond."""
        with self._reading() as connection:
            return spent.newest(connection) if connection else 0

    def called(self, name: str) -> list[str]:
        """The cells and blocks whose ids begin like that; ``ab12-7`` is number 7 of the session that begins so."""
        from . import choosing

        with self._reading() as connection:
            return list(choosing.called(connection, name)) if connection else []

    def in_use(self, key: str, count: int = 100) -> list[str]:
        """Names that are in use under a key (``method``, ``run``), the one that was said last first."""
        with self._reading() as connection:
            found = tags.values(connection, key, count) if connection else []
        return [value for value in map(json.loads, found) if isinstance(value, str)]

    def names(self, selection: Selection) -> Names:
        """The hosts, users, notebooks, projects and partitions of the selected records."""
        from ..anonymous import Names
        from . import names

        with self._reading() as connection:
            return names.names(connection, selection) if connection else Names()
