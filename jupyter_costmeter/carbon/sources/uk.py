"""Great Britain's Carbon Intensity API (NESO): half-hours, no key, CC BY 4.0 (FACTS §2.4).

CO2 of generation only, average of all plants: not comparable with life-cycle values. It is an estimate by the
generation mix, so it is *modelled* (FACTS §4), also where the API calls it actual. NESO gives no half-width for a
half-hour; the 20 % is that of an annual value (FACTS §4), for want of a better one.

A region may have 0: wind, sun, water and nuclear count nothing, and North Scotland has often little else. Values are
whole grams, so it is less than half of one; of all of Great Britain it would be a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from math import ceil, floor
from typing import Any

from ...errors import UsageError
from ...factors import Intensity
from ..web import Answer, SourceError, get_json, readable

HALF_HOUR_S = 1800
#: The API refuses more than 14 days.
MOST_S = 14 * 86_400
#: 1 to 14 are the network regions, 15 to 17 England, Scotland, Wales; 18 is the whole.
WHOLE = ("GB", "regionid/18")
REGIONAL = re.compile(r"regionid/(1[0-8]|[1-9])")


class Uk:
    """Zone ``GB`` is the whole; ``regionid/13`` is London (forecasts only, as the API has no actual ones)."""

    name = "uk"
    title = "UK Carbon Intensity (NESO)"
    reach_s: float | None = None

    def __init__(self, base: str = "https://api.carbonintensity.org.uk") -> None:
        self._base = base

    def zone_of(self, region: str) -> str:
        if region != "GB":
            raise UsageError(f"{self.title} knows only GB, not {region}: ask another source, or set the region to GB")
        return "GB"

    def fetch(self, zone: str, start: float, end: float) -> list[Intensity]:
        found: list[Intensity] = []
        for first, last in _parts(start, end):
            answer = get_json(self.title, self._base + self._path(zone, first, last))
            found += readable(_items(answer, zone), lambda item: self._intensity(zone, item))
        return found

    def _path(self, zone: str, start: int, end: int) -> str:
        span = f"intensity/{_iso(start)}/{_iso(end)}"
        if zone == "GB":
            return f"/{span}"
        if REGIONAL.fullmatch(zone) is None:
            raise SourceError(self.title, f"has no zone {zone}: write GB, or regionid/1 to regionid/17")
        return f"/regional/{span}/{zone}"

    def _intensity(self, zone: str, item: Answer) -> Intensity | None:
        start, end, said = item["from"].moment(), item["to"].moment(), item["intensity"]
        if not 0 < end - start <= HALF_HOUR_S:
            raise item.fault(f"{item.name} is not about half an hour")
        actual, forecast = said.get("actual"), said.get("forecast")
        value = actual or forecast
        if value is None:
            return None
        common: dict[str, Any] = {"source": self.title, "basis": "CO2 only", "start": start, "end": end}
        grams = value.grams(zero=zone not in WHOLE)
        forecast_is = "forecast" if grams else "forecast, rounded to 0 g/kWh"
        return Intensity(grams, zone, note=None if actual else forecast_is, **common)


def _parts(start: float, end: float) -> Iterator[tuple[int, int]]:
    """Whole half-hours, in pieces that the API takes."""
    first, last = floor(start / HALF_HOUR_S) * HALF_HOUR_S, ceil(end / HALF_HOUR_S) * HALF_HOUR_S
    for begin in range(first, last, MOST_S):
        yield begin, min(begin + MOST_S, last)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def _items(answer: Answer, zone: str) -> list[Answer]:
    """National half-hours are the answer's data; a region's lie in its own object, which says whose they are."""
    data = answer["data"]
    if zone == "GB":
        return data.each()
    region = data.each()[0] if isinstance(data.value, list) and data.value else data
    if f"regionid/{region['regionid'].number():.0f}" != zone:
        raise answer.fault(f"answered about another zone than {zone}")
    return region["data"].each()
