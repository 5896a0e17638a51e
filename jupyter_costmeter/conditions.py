"""Under which factors a machine ran at a time: its region's carbon intensity and its PUE, by who knows best.

An intensity is the user's own for that time, else a live source's (from its cache), else the shipped snapshot's of
the region, else, where nobody said where the machine stands, the world's average, said to be assumed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from math import ceil, inf
from typing import Protocol

from . import siting
from .assumptions import Assumptions
from .carbon import snapshot
from .factors import WORLD, Factor, Intensity, Kind
from .uses import HOUR_S


class Grid(Protocol):
    """A live source's values, as far as they are known: asked without any network."""

    def at(self, region: str, start: float, end: float) -> Intensity | None: ...


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a joule of a machine is multiplied by; ``region`` is ``None`` where nobody said."""

    region: str | None
    kind: Kind | None
    intensity: Intensity
    pue: Factor

    @property
    def unknown(self) -> bool:
        """Whether the intensity is only the world's."""
        return self.intensity.region == WORLD


class Book:
    """Looks conditions up; the same answers as long as it lives.

    Args:
        assumptions: what the user declared.
        grid: a live source's cache, where one was asked for.
    """

    def __init__(self, assumptions: Assumptions, grid: Grid | None = None) -> None:
        self.assumptions = assumptions
        self.grid = grid
        self.varies = assumptions.varies
        self._known: dict[tuple[str, int], Conditions] = {}

    def at(self, host: str, hour: int) -> Conditions:
        """Of that machine in that UTC hour (seconds since 1970 // 3600)."""
        key = (host, hour if self.varies else 0)
        if key not in self._known:
            self._known[key] = self._conditions(host, hour * HOUR_S)
        return self._known[key]

    def _conditions(self, host: str, start: float) -> Conditions:
        placed = self.assumptions.place(host, start)
        region, kind = (placed.region, placed.kind) if placed else (None, None)
        pue = (placed.pue if placed else None) or siting.pue(kind, region)
        return Conditions(region, kind, self.intensity(region, start), pue)

    def intensity(self, region: str | None, start: float) -> Intensity:
        """Of a region (``None``: nobody said which) in the hour from ``start`` on, by who knows it best."""
        declared = self.assumptions.intensity(region, start)
        if declared is not None:
            return replace(declared, region=declared.region or region or "where it runs")
        live = self.grid.at(region, start, start + HOUR_S) if self.grid and region and self.asks(region) else None
        return live or _shipped(region)

    @property
    def changed_at(self) -> float:
        """When a factor or price last changed (seconds since 1970): what began later was under one of each.

        The end of that hour, as conditions are looked up by the hour: what began in it ran under both. Without end
        where a live source tells each hour's own.
        """
        if self.assumptions.live is not None:
            return inf
        now = time.time()
        last = max((at for at in _changes(self.assumptions) if at <= now), default=-inf)
        return ceil(last / HOUR_S) * HOUR_S if last > -inf else last

    def asks(self, region: str) -> bool:
        """Whether the live source is for that region."""
        live = self.assumptions.live
        return live is not None and live.region in (None, region)


def _changes(declared: Assumptions) -> Iterator[float]:
    for row in declared.places:
        yield from row.span
    for intensity in declared.intensities:
        yield from (at for at in (intensity.start, intensity.end) if at is not None)
    for tariff in declared.tariffs:
        if tariff.valid_from is not None:
            yield datetime(*tariff.valid_from.timetuple()[:3], tzinfo=timezone.utc).timestamp()


def _shipped(region: str | None) -> Intensity:
    """The snapshot's; the world's for a region whose row was refused, which says so."""
    world = snapshot.world().intensity
    assert world is not None  # a test holds that
    if region is None:
        return world
    found = snapshot.region(region)
    return found.intensity or replace(world, note=f"{found.name}: {found.note}")
