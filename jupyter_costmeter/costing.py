"""From what was used to what it cost: electricity, carbon, water, money, under the assumptions of now.

Behind the magic, the shell, the server and the exports alike. Nothing of it is kept, so a changed assumption
recomputes the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from . import assumptions, clouds, footprint, money, tables
from .accounting import Part, weakest
from .assumptions import Assumptions
from .conditions import Book
from .derived import Bill, Costs
from .factors import PriceUnit, Quantity
from .record import CellRecord, SessionInfo
from .units import J_PER_KWH
from .uses import HOUR_S, Use, of_record

if TYPE_CHECKING:
    from .carbon.live import Grid, Refreshed


#: Beside the ledger: the folder of what live sources answered.
INTENSITIES = "intensity"
Working = Callable[[], AbstractContextManager[None]]


class Wants(TypedDict):
    """Which sessions must be told by the hour (those that began before), and whether memory over time is wanted."""

    hourly_before: float
    memory: bool


class Costing:
    """Derives costs under the assumptions of a project, read again when their files change.

    Args:
        project: its folder, whose ``jupyter_costmeter.toml`` counts; ``None``: only the user's own.
        folder: where a live source's answers are kept (beside the ledger).
        working: a context manager that counts what a live source's thread does as the tool's own.
    """

    def __init__(self, project: str | None, folder: Path, working: Working = nullcontext) -> None:
        self.project = project
        self._folder = folder
        self._working = working
        self._seen: tuple[Any, ...] | None = None
        self._assumptions = Assumptions()
        self._book = Book(self._assumptions)
        self.grid: Grid | None = None

    @property
    def assumptions(self) -> Assumptions:
        """What is declared now."""
        seen = tables.state({*assumptions.files(self.project), *self._assumptions.files})
        if seen != self._seen:
            self._assumptions = assumptions.load(self.project)
            self._seen = tables.state({*assumptions.files(self.project), *self._assumptions.files})
            self.grid = self._grid()
        return self._assumptions

    def _grid(self) -> Grid | None:
        if self._assumptions.live is None:
            return None
        from .carbon.live import Grid

        return Grid(self._assumptions.live, self._folder, working=self._working)

    @property
    def book(self) -> Book:
        """The conditions of now."""
        declared = self.assumptions
        if declared.varies or self._book.assumptions is not declared:  # a live source learns
            self._book = Book(declared, self.grid)
        return self._book

    @property
    def wants(self) -> Wants:
        """What of uses must be known, as ``Ledger.uses`` takes it."""
        return wants(self.book)

    def of(self, uses: Sequence[Use], book: Book | None = None) -> Costs:
        """What these uses cost; asks the live source for what it lacks, in the background, if there is one."""
        book = book or self.book
        costs = costs_of(uses, book)
        if self.grid is not None:
            for region, hours in _hours(uses, book).items():
                self.grid.refresh_soon(region, hours)
        return costs

    def of_record(self, record: CellRecord, info: SessionInfo, book: Book | None = None) -> Costs:
        """What one record of a session cost, without a cloud's prices; asks nobody."""
        book = book or self.book
        return costs_of(of_record(record, info, info.started_at < book.changed_at), book, elsewhere=False)

    def refresh(self, uses: Sequence[Use]) -> list[tuple[str, Refreshed]]:
        """Ask the live source now for the hours of these uses, by region; waits for it."""
        book = self.book
        if self.grid is None:
            return []
        return [(region, self.grid.refresh(region, hours)) for region, hours in _hours(uses, book).items()]


def wants(book: Book) -> Wants:
    """What of uses must be known to derive their costs by these conditions."""
    priced = any("gb_hour" in row.prices for row in book.assumptions.tariffs)
    return {"hourly_before": book.changed_at, "memory": priced}


class Settled(Costing):
    """Derives costs by one book, whatever is declared meanwhile: for a file that must agree with itself."""

    def __init__(self, book: Book) -> None:
        super().__init__(None, Path("."))
        self._settled = book

    @property
    def assumptions(self) -> Assumptions:
        return self._settled.assumptions

    @property
    def book(self) -> Book:
        return self._settled


def _hours(uses: Iterable[Use], book: Book) -> dict[str, list[int]]:
    """The hours in which something was used, by declared region."""
    found: dict[str, set[int]] = {}
    for use in uses:
        region = book.at(use.host, use.hour).region
        if region is not None and book.asks(region):
            found.setdefault(region, set()).add(use.hour)
    return {region: sorted(hours) for region, hours in found.items()}


def costs_of(uses: Sequence[Use], book: Book, elsewhere: bool = True) -> Costs:
    """What uses cost under these conditions, and (``elsewhere``) the same on a cloud, pure."""
    declared = book.assumptions
    priced = bool(declared.tariffs) or elsewhere
    quantities = [quantity for use in uses for quantity in quantities_of(use, book)] if priced else []
    hours = [q for q in quantities if q.unit == "gpu_hour"] if elsewhere else []
    return Costs(
        footprint.footprint(uses, book),
        money.bills(quantities, declared.tariffs),
        money.cloud_bill(hours, clouds.prices(declared.clouds)) if hours else (),
        tuple(sorted({row.currency for row in declared.tariffs})),
    )


def bills_of(uses: Sequence[Use], book: Book) -> tuple[Bill, ...]:
    """What the lab charges for uses, pure."""
    quantities = (quantity for use in uses for quantity in quantities_of(use, book))
    return money.bills(quantities, book.assumptions.tariffs)


def quantities_of(use: Use, book: Book) -> Iterator[Quantity]:
    """What a tariff may price in one use."""
    pue = book.at(use.host, use.hour).pue
    errors = {f"pue: {pue.source}": pue.uncertainty} if pue.uncertainty else {}
    for model, part in use.gpu_s:
        yield from _quantity("gpu_hour", part, HOUR_S, use, model)
    for part in use.cpu_s:
        yield from _quantity("cpu_hour", part, HOUR_S, use, use.gpu)
    if use.memory_byte_s is not None:
        yield from _quantity("gb_hour", use.memory_byte_s, 1e9 * HOUR_S, use, use.gpu)
    for part in use.energy:
        for quantity in _quantity("kwh", part, J_PER_KWH, use, use.gpu):
            method = weakest(part.provenance.method, pue.method)
            causes = {**errors, **quantity.errors}
            yield replace(quantity, amount=quantity.amount * pue.value, errors=causes, method=method)


def _quantity(unit: PriceUnit, part: Part, per: float, use: Use, gpu: str) -> Iterator[Quantity]:
    """So much of a part, none where there is no such device."""
    if part.value is None and not part.missing:
        return
    origin = part.provenance
    causes = {f"{part.name}: {origin.source}": origin.uncertainty} if origin.uncertainty else {}
    yield Quantity(
        unit, (part.value or 0.0) / per, use.host, use.day, use.partition, gpu, origin.method, causes, part.missing,
        origin.reason,
    )  # fmt: skip
