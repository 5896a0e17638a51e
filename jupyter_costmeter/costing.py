"""From what was used to what it cost: electricity, carbon, water, money, under the assumptions of now.

Behind the magic, the shell, the server and the exports alike. Nothing of it is kept, so a changed assumption
recomputes the past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import assumptions, clouds, footprint, money
from .accounting import Part, weakest
from .assumptions import Assumptions
from .conditions import Book
from .derived import Costs
from .factors import PriceUnit, Quantity
from .record import CellRecord, SessionInfo
from .units import kwh_of
from .uses import HOUR_S, Use, of_record

if TYPE_CHECKING:
    from .carbon.live import Grid, Refreshed


#: Beside the ledger: the folder of what live sources answered.
INTENSITIES = "intensity"


class Costing:
    """Derives costs under the assumptions of a project, read again when their files change.

    Args:
        project: its folder, whose ``jupyter_costmeter.toml`` counts; ``None``: only the user's own.
        folder: where a live source's answers are kept (beside the ledger).
    """

    def __init__(self, project: str | None, folder: Path) -> None:
        self.project = project
        self._folder = folder
        self._seen: tuple[Any, ...] | None = None
        self._assumptions = Assumptions()
        self._book = Book(self._assumptions)
        self.grid: Grid | None = None

    @property
    def assumptions(self) -> Assumptions:
        """What is declared now."""
        seen = _state({*assumptions.files(self.project), *self._assumptions.files})
        if seen != self._seen:
            self._assumptions = assumptions.load(self.project)
            self._seen = _state({*assumptions.files(self.project), *self._assumptions.files})
            self.grid = self._grid()
        return self._assumptions

    def _grid(self) -> Grid | None:
        if self._assumptions.live is None:
            return None
        from .carbon.live import Grid

        return Grid(self._assumptions.live, self._folder)

    @property
    def book(self) -> Book:
        """The conditions of now."""
        declared = self.assumptions
        if declared.varies or self._book.assumptions is not declared:  # a live source learns
            self._book = Book(declared, self.grid)
        return self._book

    @property
    def wants(self) -> dict[str, bool]:
        """What of uses must be known: energy by the hour, memory over time (arguments of ``Ledger.uses``)."""
        declared = self.assumptions
        return {"hours": declared.varies, "memory": any("gb_hour" in row.prices for row in declared.tariffs)}

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
        return costs_of([of_record(record, info)], book or self.book, elsewhere=False)

    def refresh(self, uses: Sequence[Use]) -> list[tuple[str, Refreshed]]:
        """Ask the live source now for the hours of these uses, by region; waits for it."""
        book = self.book
        if self.grid is None:
            return []
        return [(region, self.grid.refresh(region, hours)) for region, hours in _hours(uses, book).items()]


def _state(files: Iterable[Path]) -> tuple[Any, ...]:
    """Changes when one of the files does."""
    found = []
    for path in sorted(files):
        try:
            stat = path.stat()
            found.append((path, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        except OSError:
            found.append((path, 0, 0, 0))
    return tuple(found)


def _hours(uses: Iterable[Use], book: Book) -> dict[str, list[int]]:
    """The hours in which something was used, by declared region."""
    found: dict[str, set[int]] = {}
    for use in uses:
        for hour in use.hours or [int(use.started_at // HOUR_S)]:
            region = book.at(use.host, hour).region
            if region is not None and book.asks(region):
                found.setdefault(region, set()).add(hour)
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
    )


def quantities_of(use: Use, book: Book) -> Iterator[Quantity]:
    """What a tariff may price in one use."""
    models = list(dict.fromkeys(model for model, _ in use.gpu_s))
    alone = models[0] if len(models) == 1 else ""
    for model, part in use.gpu_s:
        yield from _quantity("gpu_hour", part, (part.value or 0.0) / HOUR_S, use, model)
    for part in use.cpu_s:
        yield from _quantity("cpu_hour", part, (part.value or 0.0) / HOUR_S, use, alone)
    if use.memory_byte_s is not None:
        part = use.memory_byte_s
        yield from _quantity("gb_hour", part, (part.value or 0.0) / 1e9 / HOUR_S, use, alone)
    for share, pue in footprint.pues(use, book):
        for part in use.energy:
            errors = {f"pue: {pue.source}": pue.uncertainty} if pue.uncertainty else {}
            kwh = kwh_of((part.value or 0.0) * share * pue.value)
            yield from _quantity("kwh", part, kwh, use, alone, errors, weakest(part.provenance.method, pue.method))


def _quantity(
    unit: PriceUnit, part: Part, amount: float, use: Use, gpu: str, errors: dict[str, float] | None = None,
    method: Any = None,
) -> Iterator[Quantity]:  # fmt: skip
    """So much of a part, none where there is no such device."""
    if part.value is None and not part.missing:
        return
    origin = part.provenance
    causes = {**(errors or {}), **({f"{part.name}: {origin.source}": origin.uncertainty} if origin.uncertainty else {})}
    yield Quantity(
        unit, amount, use.host, date.fromtimestamp(use.started_at), use.partition, gpu,
        method or origin.method, causes, part.missing, origin.reason,
    )  # fmt: skip
