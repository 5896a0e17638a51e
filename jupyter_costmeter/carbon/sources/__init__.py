"""Live sources of carbon intensity: each adapter knows one API, and none knows another."""

from __future__ import annotations

from typing import Protocol

from ...errors import UsageError
from ...factors import Intensity

NAMES = ("uk", "electricity_maps", "watttime")


class Source(Protocol):
    """What an adapter is.

    A value with a ``note`` (a forecast, an estimate) is one that the source may still correct.
    """

    #: As the user writes it, and as people read it.
    name: str
    title: str
    #: How far back it can be asked, in seconds; ``None``: without end.
    reach_s: float | None

    def zone_of(self, region: str) -> str:
        """The source's name for a region of ours.

        Raises:
            UsageError: it has none, or not one alone; the text says what to write.
        """
        ...

    def fetch(self, zone: str, start: float, end: float) -> list[Intensity]:
        """What it says of that time (seconds since 1970, UTC), in g/kWh; perhaps also of times about it.

        Raises:
            SourceError: whatever went wrong; its text holds no key, and what came before is its ``found``.
        """
        ...


def open_source(name: str) -> Source:
    """The adapter of that name, which asks nothing yet.

    Raises:
        UsageError: there is none.
    """
    found = name.strip().lower().replace("-", "_")
    if found == "uk":
        from .uk import Uk

        return Uk()
    if found == "electricity_maps":
        from .electricity_maps import ElectricityMaps

        return ElectricityMaps()
    if found == "watttime":
        from .watttime import WattTime

        return WattTime()
    raise UsageError(f"there is no live source {name!r}: write one of {', '.join(NAMES)}")
