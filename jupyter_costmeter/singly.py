"""What records cost one by one, as an export of a hundred thousand tells it: the same as ``Costing.of_record`` says.

Records are alike in all but their figures' values where the same figures come from the same sources on machines alike,
under the same conditions. Of these the methods, sources and factors are looked up once; what is left is arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .conditions import Book, Conditions
from .costing import bills_of, costs_of
from .derived import Costs
from .footprint import Alike
from .record import ENERGY, CellRecord, Figure, Provenance, SessionInfo
from .uses import HOUR_S, NAMES, of_record, place_of, wanted

#: So many kinds of records are remembered.
KNOWN = 4096
#: The footprint is made of these.
MADE_OF = frozenset(NAMES) - {"cpu_s"}
#: Where the figures are whose sum is one part.
Places = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What records that are alike share: where their parts are among the figures that the footprint is made of.

    ``keeps`` is what their key holds by its identity: while it is here, nothing else has it.
    """

    alike: Alike
    energy: list[Places]
    gpu_s: list[Places]
    keeps: tuple[Any, ...]


class Singly:
    """Costs of single records, without a cloud's prices.

    Args:
        infos: the sessions of all of them, by their ids.
        book: the conditions.
    """

    def __init__(self, infos: Mapping[str, SessionInfo], book: Book) -> None:
        self._infos, self._book = infos, book
        self._hourly_before = book.changed_at
        self._currencies = tuple(sorted({row.currency for row in book.assumptions.tariffs}))
        self._kinds: dict[Any, _Kind | None] = {}

    def costs_of(self, record: CellRecord) -> Costs:
        """What one record cost."""
        info = self._infos[record.session_id]
        hourly = info.started_at < self._hourly_before
        hour = _hour(record) if hourly else int(info.started_at // HOUR_S)
        figures = [f for f in record.usage.figures if f.name in MADE_OF]
        kind = None if hour is None else self._kind(record, info, hourly, hour, figures)
        if kind is None:
            return costs_of(of_record(record, info, hourly), self._book, elsewhere=False)
        found = kind.alike.footprint(_values(kind.energy, figures), _values(kind.gpu_s, figures))
        bills = bills_of(of_record(record, info, hourly), self._book) if self._currencies else ()
        return Costs(found, bills, (), self._currencies)

    def _kind(
        self, record: CellRecord, info: SessionInfo, hourly: bool, hour: int, figures: Sequence[Figure]
    ) -> _Kind | None:
        """``None`` where it is like no other."""
        at, facts = self._book.at(info.host, hour), info.environment
        sources = [(f.name, f.device, id(f.provenance), f.value is None or (not f.value) * 2) for f in figures]
        key = id(at), facts.get("devices"), facts.get("cpu"), *sources
        if key not in self._kinds:
            if len(self._kinds) >= KNOWN:
                self._kinds.clear()
            self._kinds[key] = self._new(record, info, hourly, at, figures)
        return self._kinds[key]

    def _new(
        self, record: CellRecord, info: SessionInfo, hourly: bool, at: Conditions, figures: Sequence[Figure]
    ) -> _Kind | None:
        uses = of_record(record, info, hourly)
        if len(uses) != 1 or len({model for model, _ in uses[0].gpu_s}) > 1:
            return None
        kept = (at, *(f.provenance for f in figures))
        places = _places(figures, dict.fromkeys(map(place_of, wanted(record.usage, NAMES))))
        energy, reserved = ([at for name, at in places if (name in ENERGY) is is_energy] for is_energy in (True, False))
        return _Kind(Alike(uses[0], self._book), energy, reserved, kept)


def _hour(record: CellRecord) -> int | None:
    """The UTC hour that a record lies in, ``None`` of several."""
    first, last = (int(at // HOUR_S) for at in (record.started_at, record.started_at + record.wall_s))
    return first if first == last or record.wall_s <= 0 else None


def _places(figures: Sequence[Figure], devices: Iterable[str]) -> list[tuple[str, Places]]:
    """Where the figures of each part are that has a value, with its name, in the order in which ``Use`` has them."""
    found: dict[tuple[str, str, Provenance], list[int]] = {}
    for i, figure in enumerate(figures):
        there = found.setdefault((place_of(figure), figure.name, figure.provenance), [])
        there += [] if figure.value is None else [i]
    known = [(device, name, at) for (device, name, _), at in found.items() if at]
    return [(name, tuple(at)) for one in devices for device, name, at in known if device == one]


def _values(parts: Iterable[Places], figures: Sequence[Figure]) -> list[float]:
    """The sum of each part, added up as ``accounting.merge`` does."""
    return [figures[at[0]].value if len(at) == 1 else sum([figures[i].value for i in at]) for at in parts]  # type: ignore[misc]
