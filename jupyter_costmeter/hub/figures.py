"""What people used as tables: GPU-hours, electricity, emissions and money, each with how it is known; pure.

The amounts are those of budgets (``amounts``), and every sum is made of the uses themselves, not of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from typing import TypeVar

from .. import amounts, currencies, scales
from ..budget import UNITS, Measure
from ..conditions import Book
from ..costing import costs_of
from ..format import mark, percent, uncertainty
from ..record import Total
from ..shared.usings import Spent
from ..uses import Use

K = TypeVar("K")
MEASURES: tuple[Measure, ...] = ("gpu_hours", "kwh", "kgco2e")
HEADS = ("GPU time", "electricity", "emissions")
#: Rows of a table of notebooks or projects; the rest is one.
ROWS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One amount: as it is read, in few words how it is known, and all that is known of that."""

    text: str
    known: str
    detail: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """Whose or of what, what else there is to say of it, and its figures."""

    name: str
    detail: str
    figures: tuple[Figure, ...]


def heads(book: Book) -> tuple[str, ...]:
    """Of the columns of figures: money has one for each currency of the tariffs."""
    return (*HEADS, *(f"money, {currency}" for currency in currencies_of(book)))


def currencies_of(book: Book) -> list[str]:
    """Those of the tariffs that are declared."""
    return sorted({row.currency for row in book.assumptions.tariffs})


def figures(uses: Sequence[Use], book: Book) -> tuple[Figure, ...]:
    """In the order of ``heads``."""
    costs = costs_of(uses, book, elsewhere=False)
    found = [amounts.amount(measure, None, uses, costs) for measure in MEASURES]
    found += [amounts.amount("amount", currency, uses, costs) for currency in currencies_of(book)]
    return tuple(map(_figure, found))


def _figure(total: Total) -> Figure:
    if total.value is None:
        return Figure("—", "not known", "; ".join(total.reasons) or "not measured", None)
    money = total.unit not in UNITS.values()
    said = currencies.amount(Decimal(str(total.value)), total.unit) if money else scales.said(total.value, total.unit)
    return Figure(f"{mark(total)}{said}", _known(total), _detail(total), total.value)


def _known(total: Total) -> str:
    """``measured``, ``modelled, 82 % measured``; of what is derived of energy that is said of the energy."""
    if not total.value or total.method is None:
        return ""
    share = total.measured_share
    if not share or total.method == "measured":
        return total.method
    return f"{total.method}, {percent(share)} measured{' energy' if total.name in amounts.DERIVED else ''}"


def _detail(total: Total) -> str:
    lacking = f"a lower bound: {'; '.join(total.reasons)}" if total.missing else ""
    return ". ".join(filter(None, [uncertainty(total), "; ".join(total.sources), lacking]))


# Tables


def by(found: Iterable[Spent], key: Callable[[Spent], K]) -> dict[K, list[Use]]:
    """The uses of each."""
    groups: dict[K, list[Use]] = {}
    for one in found:
        groups.setdefault(key(one), []).extend(one.uses)
    return groups


def by_month(found: Sequence[Spent], book: Book) -> list[Row]:
    """The newest first."""
    groups = by(found, lambda one: one.month)
    return [Row(f"{month:%Y-%m}", "", figures(groups[month], book)) for month in sorted(groups, reverse=True)]


def by_project(found: Sequence[Spent], book: Book) -> list[Row]:
    """The dearest first."""
    groups = by(found, lambda one: one.project)
    return _dearest([(called(path) or "no project", path, uses) for path, uses in groups.items()], book)


def by_notebook(found: Sequence[Spent], book: Book) -> list[Row]:
    """The dearest first; of one's own only are there any."""
    groups = by(found, lambda one: one.notebook)
    return _dearest([(called(path or "") or "no notebook", path or "", uses) for path, uses in groups.items()], book)


def by_person(found: Sequence[Spent], book: Book) -> list[Row]:
    """The dearest first, all of them."""
    groups = by(found, lambda one: one.person)
    return _dearest([(name, "", uses) for name, uses in groups.items()], book, len(groups))


def by_person_and_project(found: Sequence[Spent], book: Book) -> list[Row]:
    """The dearest first; of a project only its folder's name, which is no path on anybody's disk."""
    groups = by(found, lambda one: (one.person, called(one.project)))
    return _dearest([(name, folder or "no project", uses) for (name, folder), uses in groups.items()], book, 10 * ROWS)


def in_all(found: Iterable[Spent], book: Book) -> Row:
    """All of it."""
    return Row("in all", "", figures([use for one in found for use in one.uses], book))


def _dearest(groups: Iterable[tuple[str, str, list[Use]]], book: Book, most: int = ROWS) -> list[Row]:
    """By electricity; those behind ``most`` are one row."""
    made = [(Row(name, detail, figures(uses, book)), uses) for name, detail, uses in groups]
    made.sort(key=lambda one: (-(one[0].figures[1].value or 0.0), one[0].name, one[0].detail))
    rest = [use for _, uses in made[most:] for use in uses]
    more = [Row(f"{len(made) - most} more", "", figures(rest, book))] if len(made) > most else []
    return [row for row, _ in made[:most]] + more


def called(path: str) -> str:
    """A path's last part, whichever system's it is."""
    kind = PureWindowsPath if "\\" in path else PurePosixPath
    return kind(path).name


def months_of(found: Iterable[Spent]) -> list[date]:
    """In which something was used, the oldest first."""
    return sorted({one.month for one in found})
