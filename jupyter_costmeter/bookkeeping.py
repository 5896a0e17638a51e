"""The factors of a file: all that its costs were derived by, as JSON, and the ``Book`` that says the same again.

So whoever has the file can derive its costs from its records, without what was declared on the machine that wrote it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import Any

from .assumptions import Assumptions, Water
from .clouds import CloudPrice
from .conditions import Book, Conditions
from .embodied import Hardware
from .plain import plain, revived
from .tariffs import Tariff

Json = dict[str, Any]
#: What stands for "without end": later than any session (seconds since 1970).
NEVER_ENDS = 1e12


@dataclass(frozen=True, slots=True)
class _Declared:
    """What a file's factors hold beside the conditions; the fields are those of ``Assumptions``."""

    hardware: Hardware | None = None
    water: Water | None = None
    tariffs: tuple[Tariff, ...] = ()
    clouds: tuple[CloudPrice, ...] = ()


def written(book: Book, wanted: Iterable[tuple[str, int]]) -> Json:
    """The factors as JSON.

    Args:
        book: what the costs were derived by.
        wanted: the machines, each with the UTC hours (seconds since 1970 // 3600) that it was asked for.
    """
    declared = book.assumptions
    kept = _Declared(declared.hardware, declared.water, declared.tariffs, declared.clouds)
    changed_at = book.changed_at
    return {
        "conditions": [row for host, hours in _by_host(wanted) for row in _conditions(book, host, hours)],
        "hourly_before": None if changed_at == -inf else min(changed_at, NEVER_ENDS),
        **plain(kept),
    }


def _by_host(wanted: Iterable[tuple[str, int]]) -> Iterable[tuple[str, list[int]]]:
    for host, pairs in groupby(sorted(set(wanted)), key=lambda pair: pair[0]):
        yield host, [hour for _, hour in pairs]


def _conditions(book: Book, host: str, hours: list[int]) -> Iterable[Json]:
    """A machine's conditions, one each time that they change: ``from_hour`` is the first hour of them."""
    for conditions, group in groupby(hours, key=lambda hour: book.at(host, hour)):
        yield {"host": host, "from_hour": next(iter(group)), **plain(conditions)}


class Told(Book):
    """A book that knows only what a file says."""

    def __init__(self, factors: Mapping[str, Any]) -> None:
        kept = revived(_Declared, factors)
        super().__init__(Assumptions((), (), None, kept.hardware, kept.water, kept.tariffs, kept.clouds))
        self._rows: dict[str, list[tuple[int, Conditions]]] = {}
        for row in factors["conditions"]:
            self._rows.setdefault(row["host"], []).append((int(row["from_hour"]), revived(Conditions, row)))
        for rows in self._rows.values():
            rows.sort(key=lambda row: row[0])
        before = factors["hourly_before"]
        self._changed_at = -inf if before is None else float(before)
        self.varies = any(len(rows) > 1 for rows in self._rows.values())

    def at(self, host: str, hour: int) -> Conditions:
        """Those of that hour, or of the hour before it that the file tells."""
        rows = self._rows[host]
        found = bisect_right(rows, hour, key=lambda row: row[0])
        return rows[max(found - 1, 0)][1]

    @property
    def changed_at(self) -> float:
        return self._changed_at


def read(factors: Any) -> Book:
    """The book that a file's factors say.

    Raises:
        ValueError: they are no factors.
    """
    try:
        return Told(factors)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the factors are not whole: {error!r}") from error
