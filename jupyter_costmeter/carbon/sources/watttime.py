"""WattTime v3: five minutes, by an account, which without a plan is for CAISO_NORTH (FACTS §2.4).

``co2_moer``, which is what an account without a plan may ask for, is *marginal*: of the plant that would run more,
a hint for when to run and not for reports. ``co2_aoer`` is the average. Both are CO2 alone and estimates, so
*modelled* (FACTS §4). No half-width is given: of the average it is that of an annual value, 20 % (FACTS §4), of the
marginal one nobody has measured what is true, and none is claimed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from math import ceil, floor

from ...errors import UsageError
from ...factors import Intensity
from ...units import g_per_kwh
from ..web import Answer, SourceError, get_json, readable

USER, PASSWORD = "WATTTIME_USER", "WATTTIME_PASSWORD"  # noqa: S105  (names, not values)
UNITS = "lbs_co2_per_mwh"
MARGINAL, AVERAGE = "co2_moer", "co2_aoer"
ZONE = re.compile(rf"([A-Z0-9_]+)(?:/({MARGINAL}|{AVERAGE}))?")
#: Two thousand values, a quarter of a MB. The API takes 32 days.
MOST_S = 7 * 86_400
PERIOD_S = 300


class WattTime:
    """A zone is WattTime's region, and the signal if it is not ``co2_moer``: ``CAISO_NORTH/co2_aoer``."""

    name = "watttime"
    title = "WattTime"
    reach_s: float | None = None

    def __init__(
        self, base: str = "https://api.watttime.org", user: str | None = None, password: str | None = None
    ) -> None:
        self._base = base
        self._account = (user, password)
        self._token: str | None = None

    def zone_of(self, region: str) -> str:
        """Its regions are parts of grids, of which none is a region of ours."""
        raise UsageError(
            f"{self.title} divides {region} by grids: name its region, such as CAISO_NORTH "
            f"(marginal) or CAISO_NORTH/{AVERAGE} (average)"
        )

    def fetch(self, zone: str, start: float, end: float) -> list[Intensity]:
        match = ZONE.fullmatch(zone)
        if match is None:
            raise SourceError(self.title, f"has no zone {zone}: write one like CAISO_NORTH or CAISO_NORTH/{AVERAGE}")
        region, signal = match[1], match[2] or MARGINAL
        found: list[Intensity] = []
        for first, last in _parts(start, end):
            found += self._intensities(zone, region, signal, self._historical(region, signal, first, last))
        return found

    def _historical(self, region: str, signal: str, start: int, end: int) -> Answer:
        """Asks with the token at hand; where that is refused, once more with a new one, as it lasts half an hour."""
        params = {"region": region, "signal_type": signal, "start": _iso(start), "end": _iso(end)}
        fresh = self._token is None
        try:
            return self._get(params, self._token or self._log_in(), region)
        except SourceError as error:
            if error.status != 401 or fresh:
                raise
        return self._get(params, self._log_in(), region)

    def _get(self, params: dict[str, str], token: str, region: str) -> Answer:
        return get_json(
            self.title,
            f"{self._base}/v3/historical",
            params=params,
            headers={"Authorization": f"Bearer {token}"},
            keyed=f"that the account may ask for {region}",
        )

    def _log_in(self) -> str:
        user = self._account[0] or os.environ.get(USER, "")
        password = self._account[1] or os.environ.get(PASSWORD, "")
        if not user or not password:
            raise SourceError(self.title, f"needs an account: set {USER} and {PASSWORD}")
        url = f"{self._base}/login"
        token = get_json(self.title, url, auth=(user, password), keyed=f"{USER} and {PASSWORD}")["token"].text()
        self._token = token
        return token

    def _intensities(self, zone: str, region: str, signal: str, answer: Answer) -> list[Intensity]:
        meta = answer["meta"]
        if (meta["region"].text(), meta["signal_type"].text()) != (region, signal):
            raise answer.fault(f"answered about another zone than {zone}")
        if meta["units"].text() != UNITS:
            raise answer.fault(f"answered in other units than {UNITS}")
        said = meta.get("data_point_period_seconds")
        period = said.number() if said is not None else float(PERIOD_S)
        if not 0 < period <= 3600:
            raise answer.fault("data_point_period_seconds is not within an hour")
        return readable(answer["data"].each(), lambda item: self._intensity(zone, signal, item, period))

    def _intensity(self, zone: str, signal: str, item: Answer, period: float) -> Intensity:
        """A marginal value may be 0: the plant that would run more is a wind farm that was held back."""
        start, marginal = item["point_time"].moment(), signal == MARGINAL
        return Intensity(
            item["value"].grams(per=g_per_kwh(1.0), zero=marginal),
            zone,
            f"{self.title} {signal}, {zone.partition('/')[0]}",
            signal="marginal" if marginal else "average",
            basis="CO2 only",
            uncertainty=None if marginal else 0.2,
            start=start,
            end=start + period,
        )


def _parts(start: float, end: float) -> Iterator[tuple[int, int]]:
    """Whole five minutes, in pieces that fit an answer."""
    first, last = floor(start / PERIOD_S) * PERIOD_S, ceil(end / PERIOD_S) * PERIOD_S
    for begin in range(first, last, MOST_S):
        yield begin, min(begin + MOST_S, last)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M+00:00")
