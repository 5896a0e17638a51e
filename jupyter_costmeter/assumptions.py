"""What the user declared in ``jupyter_costmeter.toml``: places, intensities, PUE, hardware, prices (docs/carbon.md).

The files of all Jupyter config directories and the project's are read, the nearest last, so that it wins. A
mistake is named with its line and the rest is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

from jupyter_core.paths import jupyter_config_dir

from . import siting
from .carbon import snapshot
from .carbon.sources import NAMES as SOURCES
from .clouds import CloudPrice, cloud_price_of
from .embodied import Hardware
from .errors import UsageError
from .factors import Basis, Factor, Intensity, Kind, Live, PriceUnit, Signal
from .tables import Document, Row, check_keys, number, printable, read, text
from .tariffs import Tariff, tariff_of
from .toml_files import NAME, everywhere

#: ``budget`` is read by others.
TABLES = ("include", "where", "intensity", "live", "embodied", "water", "currency", "rates", "cloud", "budget")
ALWAYS = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the machines whose host name matches stand, from a time to a time (seconds since 1970)."""

    host: str
    region: str
    kind: Kind | None
    pue: Factor | None
    span: tuple[float, float]
    origin: str

    def fits(self, host: str, at: float) -> bool:
        return fnmatchcase(host.lower(), self.host.lower() or "*") and self.span[0] <= at < self.span[1]

    @property
    def rank(self) -> tuple[bool, int, int, float]:
        """The higher the more specific: a host by its name, by a longer pattern, more bounds, a later beginning."""
        letters = len(self.host.replace("*", "").replace("?", ""))
        return not set("*?[") & set(self.host) and bool(self.host), letters, _bounds(self.span), self.span[0]


@dataclass(frozen=True, slots=True)
class Water:
    """Litres per kWh: at the site (of the computers' energy), and at the power plants (of all electricity)."""

    on_site: float
    off_site: float
    source: str


@dataclass(frozen=True, slots=True)
class Assumptions:
    """All that was declared; later rows win over earlier ones that are as specific.

    ``files`` are all that were looked for, also those that are not there or could not be read.
    """

    places: tuple[Placed, ...] = ()
    intensities: tuple[Intensity, ...] = ()
    live: Live | None = None
    hardware: Hardware | None = None
    water: Water | None = None
    tariffs: tuple[Tariff, ...] = ()
    clouds: tuple[CloudPrice, ...] = ()
    problems: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def place(self, host: str, at: float) -> Placed | None:
        """Where a machine stood at that time; ``None`` where nobody said."""
        fitting = [(row.rank, i) for i, row in enumerate(self.places) if row.fits(host, at)]
        return self.places[max(fitting)[1]] if fitting else None

    def intensity(self, region: str | None, at: float) -> Intensity | None:
        """The one that the user declared for that region and time: for it by name, with more bounds, a later one."""
        fitting = []
        for i, row in enumerate(self.intensities):
            span = _span_of(row)
            if row.region in ("", region) and span[0] <= at < span[1]:
                fitting.append((bool(row.region), _bounds(span), span[0], i))
        return self.intensities[max(fitting)[-1]] if fitting else None

    @property
    def varies(self) -> bool:
        """Whether factors depend on the time, so that energy must be known by the hour."""
        spans = [*(row.span for row in self.places), *map(_span_of, self.intensities)]
        return self.live is not None or any(map(_bounds, spans))


def _bounds(span: tuple[float, float]) -> int:
    """How many ends it has: 0 of all times, 2 of a period."""
    return (span[0] != ALWAYS[0]) + (span[1] != ALWAYS[1])


def _span_of(row: Intensity) -> tuple[float, float]:
    return ALWAYS[0] if row.start is None else row.start, ALWAYS[1] if row.end is None else row.end


def files(project: str | None = None) -> tuple[Path, ...]:
    """Where assumptions may stand, the farthest first."""
    return tuple(dict.fromkeys([*everywhere(), *([Path(project) / NAME] if project else [])]))


def load(project: str | None = None) -> Assumptions:
    """What is declared for a project, and everywhere."""
    everywhere = files()
    documents = [document for path in everywhere for document in _with_included(path, set())]
    known = {os.path.realpath(document.path) for document in documents}
    for path in files(project)[len(everywhere) :]:
        documents += [
            document if os.path.realpath(document.path) in known else _asking_nobody(document)
            for document in _with_included(path, set())
        ]
    return _merged(documents)


def _asking_nobody(document: Document) -> Document:
    """A project's, without its live source: who clones a repository has not asked for the network."""
    said = document.tables.get("live")
    if said is None or (isinstance(said, dict) and said.get("source") == "none"):
        return document
    why = "is not used in a project's file, which may come from others"
    document.problems.append(f"{document.origin('live')}: [live] {why}: write it into {jupyter_config_dir()}/{NAME}")
    return replace(document, tables={name: table for name, table in document.tables.items() if name != "live"})


def of_file(path: Path) -> Assumptions:
    """What one file declares.

    Raises:
        UsageError: there is none.
    """
    if not path.is_file():
        raise UsageError(f"there is no {path}")
    return _merged(_with_included(path, set()))


def _with_included(path: Path, seen: set[str]) -> Iterator[Document]:
    """The files that a file includes, each once, then itself."""
    one = os.path.realpath(path)
    if one in seen:
        return
    seen.add(one)
    document = read(path, TABLES)
    for other in _included(document):
        yield from _with_included(other, seen)
    yield document


def _included(document: Document) -> Iterator[Path]:
    """The files that it names; of one that is not there, too, since it may come."""
    named = document.tables.get("include", [])
    for name in named if isinstance(named, list) else [named]:
        try:
            other = document.path.parent / Path(text({"include": name}, "include")).expanduser()
            os.path.realpath(other)
            there = other.exists()
        except (UsageError, ValueError, RuntimeError, OSError) as error:  # a NUL in it, a user that is not known
            document.problems.append(f"{document.origin('include')}: {error}")
            continue
        if not there:
            document.problems.append(f"{document.origin('include')}: there is no {other}")
        yield other


def _merged(documents: Iterator[Document] | list[Document]) -> Assumptions:
    found = Assumptions()
    for document in documents:
        currency = currency_of(document)
        found = Assumptions(
            (*found.places, *document.rows("where", place_of)),
            (*found.intensities, *document.rows("intensity", _intensity)),
            _live_of(document, found.live),
            document.table("embodied", _hardware) or found.hardware,
            document.table("water", _water) or found.water,
            _over(found.tariffs, tuple(document.rows("rates", _tariff(currency)))),
            (*found.clouds, *document.rows("cloud", cloud_price_of)),
            (*found.problems, *document.problems),
            (*found.files, document.path),
        )
    return found


def _over(earlier: tuple[Tariff, ...], later: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
    """Both; what a nearer file's row prices, for the same machines from the same day, it prices alone."""
    nearer: dict[object, set[PriceUnit]] = {}
    for row in later:
        nearer.setdefault(_what_for(row), set()).update(row.prices)
    left = (_without(row, nearer.get(_what_for(row), set())) for row in earlier)
    return (*(row for row in left if row.prices), *later)


def _without(row: Tariff, units: set[PriceUnit]) -> Tariff:
    return replace(row, prices={unit: price for unit, price in row.prices.items() if unit not in units})


def _what_for(row: Tariff) -> tuple[str, str, str, date | None]:
    """Hosts and GPUs are alike in any case, as where they are matched (``tariffs``)."""
    return row.host.lower(), row.partition, row.gpu.lower(), row.valid_from


# What rows mean


def place_of(row: Row, origin: str) -> Placed:
    """A ``[[where]]`` row.

    Raises:
        UsageError: with what is wrong in it.
    """
    check_keys(row, ("host", "region", "kind", "pue", "pue_source", "from", "until", "note"))
    region = snapshot.region(_needed(row, "region")).id
    kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
    kind = kinds.get(text(row, "kind", tuple(kinds)), "cloud" if "/" in region else None)
    value, source = number(row, "pue", 1.0, 10.0), text(row, "pue_source") or f"declared in {short(origin)}"
    pue = siting.declared_pue(value, source) if value is not None else None
    return Placed(text(row, "host"), region, kind, pue, _span(row), origin)


def _intensity(row: Row, origin: str) -> Intensity:
    keys = ("region", "g_per_kwh", "from", "until", "source", "signal", "basis", "uncertainty", "year", "note")
    check_keys(row, keys)
    value, named, (start, end) = number(row, "g_per_kwh", 0.0, 2000.0), text(row, "region"), _span(row)
    year = number(row, "year", 1990.0, 2100.0)
    if value is None:
        raise UsageError("g_per_kwh is missing: grams of CO2e per kWh")
    return Intensity(
        value,
        snapshot.region(named).id if named else "",
        text(row, "source") or f"declared in {short(origin)}",
        int(year) if year is not None else None,
        signal=_signal(row),
        basis=_basis(row),
        method="declared",
        uncertainty=number(row, "uncertainty", 0.0, 10.0),
        start=None if start == ALWAYS[0] else start,
        end=None if end == ALWAYS[1] else end,
        note=text(row, "note") or None,
    )


def _signal(row: Row) -> Signal:
    known: dict[str, Signal] = {signal: signal for signal in get_args(Signal)}
    return known.get(text(row, "signal", tuple(known)), "average")


def _basis(row: Row) -> Basis:
    known: dict[str, Basis] = {basis: basis for basis in get_args(Basis)}
    return known.get(text(row, "basis", tuple(known)), "not stated")


def _live(row: Row, origin: str) -> Live | None:
    check_keys(row, ("source", "zone", "region", "every_min"))
    source = _needed(row, "source")
    text(row, "source", (*SOURCES, "none"))
    minutes, zone, named = number(row, "every_min", 1.0, 1440.0), text(row, "zone"), text(row, "region")
    if zone and not named:
        raise UsageError('zone is of one region: say which, such as region = "US-CA"')
    region = snapshot.region(named).id if named else None
    return None if source == "none" else Live(source, zone or None, region, 60.0 * (minutes or 30.0), origin)


def _live_of(document: Document, farther: Live | None) -> Live | None:
    """The file's own; ``source = "none"`` takes a farther one's away."""
    said = document.table("live", lambda row, origin: [_live(row, origin)])
    return said[0] if said else farther


def _hardware(row: Row, origin: str) -> Hardware:
    check_keys(row, ("gpu_kg", "server_kg", "gpus_per_server", "life_years", "use", "source"))
    by_model = row.get("gpu_kg", {})
    if not isinstance(by_model, Mapping):
        raise UsageError('gpu_kg: name the models: gpu_kg = {"A100*" = 150}')
    by_model = {printable(model): kg for model, kg in by_model.items()}
    return Hardware(
        {model: kg for model in by_model if (kg := number(by_model, model)) is not None},
        number(row, "server_kg"),
        number(row, "gpus_per_server", 1.0),
        number(row, "life_years", 0.1, 50.0),
        number(row, "use", 0.001, 1.0),
        text(row, "source") or f"declared in {short(origin)}",
    )


def _water(row: Row, origin: str) -> Water:
    check_keys(row, ("on_site_l_per_kwh", "off_site_l_per_kwh", "source"))
    on_site, off_site = number(row, "on_site_l_per_kwh", 0.0, 100.0), number(row, "off_site_l_per_kwh", 0.0, 100.0)
    if on_site is None and off_site is None:
        raise UsageError("on_site_l_per_kwh or off_site_l_per_kwh is missing")
    return Water(on_site or 0.0, off_site or 0.0, text(row, "source") or f"declared in {short(origin)}")


def currency_of(document: Document) -> str | None:
    """The code that a file's ``[currency]`` says, for its rows that say none."""
    return document.table("currency", _currency)


def _currency(row: Row, origin: str) -> str:
    check_keys(row, ("code",))
    return _needed(row, "code")


def _tariff(currency: str | None) -> Callable[[Row, str], Tariff]:
    return lambda row, origin: tariff_of(row, short(origin), currency)


def _needed(row: Row, key: str) -> str:
    found = text(row, key)
    if not found:
        raise UsageError(f"{key} is missing")
    return found


def _span(row: Row) -> tuple[float, float]:
    """From and until, in seconds since 1970; only whole hours are told apart."""
    start, end = _instant(row, "from", ALWAYS[0]), _instant(row, "until", ALWAYS[1])
    if start >= end:
        raise UsageError("until is not after from")
    return start, end


def _instant(row: Row, key: str, unless: float) -> float:
    """In UTC where it says no other, so that all readers of a file understand the same; a date is its midnight."""
    value = row.get(key)
    if value is None:
        return unless
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise UsageError(f"{key} = {value!r}: it wants a date without quotes, such as 2026-10-01")
    return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()


def short(origin: str) -> str:
    """The file's name and line, without its folders: what an export may show."""
    return Path(origin).name
