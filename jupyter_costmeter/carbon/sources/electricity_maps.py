"""Electricity Maps v3: hours, by a key, which in the free plan is for one zone (FACTS §2.4).

Average of what is consumed, with imports; its own ``emissionFactorType`` says whether it is life-cycle. It is an
estimate by flow tracing, so it is *modelled* (FACTS §4). No half-width is given for an hour; the 20 % is that of an
annual value (FACTS §4), for want of a better one.
"""

from __future__ import annotations

import os
import re

from ...errors import UsageError
from ...factors import Basis, Intensity
from ..web import Answer, SourceError, get_json, readable

VARIABLE = "ELECTRICITYMAPS_TOKEN"
#: What the answer may say of an interval's length (``temporalGranularity``), in seconds.
GRANULARITY_S = {"hourly": 3600, "15_minutes": 900, "5_minutes": 300}
BASES: dict[str, Basis] = {"lifecycle": "lifecycle", "direct": "direct"}
#: Countries and Canada's provinces have our names (it says so where it knows a country by its parts only); the
#: states of others have not.
OURS = re.compile(r"[A-Z]{2}|CA-[A-Z]{2}")


class ElectricityMaps:
    """Asks for the last 24 hours, and for the running one where that is not among them."""

    name = "electricity_maps"
    title = "Electricity Maps"
    reach_s: float | None = 86_400.0

    def __init__(self, base: str = "https://api.electricitymaps.com", token: str | None = None) -> None:
        self._base = base
        self._token = token

    def zone_of(self, region: str) -> str:
        if OURS.fullmatch(region) is None:
            raise UsageError(f"{self.title} has no one zone for {region}: name it, such as US-CAL-CISO for California")
        return region

    def fetch(self, zone: str, start: float, end: float) -> list[Intensity]:
        found = self._intensities(zone, self._ask("history", zone)["history"].each())
        if max((v.end or 0.0 for v in found), default=0.0) < end:
            found += self._latest(zone, found)
        return found

    def _latest(self, zone: str, known: list[Intensity]) -> list[Intensity]:
        """The running hour; a fault keeps the hours that are known, which the next day nobody can ask for."""
        try:
            found = self._intensities(zone, [self._ask("latest", zone)])
        except SourceError as error:
            error.found = known
            raise
        return [v for v in found if v.start not in {k.start for k in known}]

    def _ask(self, what: str, zone: str) -> Answer:
        token = (self._token or os.environ.get(VARIABLE, "")).strip()
        if not token:
            raise SourceError(self.title, f"needs a key: set {VARIABLE}")
        answer = get_json(
            self.title,
            f"{self._base}/v3/carbon-intensity/{what}",
            params={"zone": zone},
            headers={"auth-token": token},
            keyed=f"{VARIABLE}, and that it is for {zone}",
        )
        self._check(answer, zone)
        return answer

    def _check(self, answer: Answer, zone: str) -> None:
        if answer["zone"].text() != zone:
            raise answer.fault(f"answered about another zone than {zone}")
        said = answer.get("_disclaimer")
        if said is not None and re.search("sandbox|random", str(said.value), re.IGNORECASE):
            raise answer.fault("the key is one for trying out, whose values are made up")

    def _intensities(self, zone: str, items: list[Answer]) -> list[Intensity]:
        return readable(items, lambda item: self._intensity(zone, item))

    def _intensity(self, zone: str, item: Answer) -> Intensity | None:
        """``None`` where the value is null, as it is for an hour that they do not know."""
        self._check(item, zone)
        start, value = item["datetime"].moment(), item.get("carbonIntensity")
        if value is None:
            return None
        kind, estimated = item.get("emissionFactorType"), item.get("isEstimated")
        return Intensity(
            value.grams(),
            zone,
            f"{self.title}, {zone}",
            basis=BASES.get(kind.text(), "not stated") if kind is not None else "not stated",
            start=start,
            end=start + _length_s(item),
            note="estimated" if estimated is not None and estimated.value else None,
        )


def _length_s(item: Answer) -> int:
    said = item.get("temporalGranularity")
    if said is None:
        return GRANULARITY_S["hourly"]
    if said.text() not in GRANULARITY_S:
        raise item.fault("temporalGranularity is none of " + ", ".join(GRANULARITY_S))
    return GRANULARITY_S[said.text()]
