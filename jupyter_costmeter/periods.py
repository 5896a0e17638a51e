"""The periods of a budget: from when to when the one of now goes, in the time zone that its days are of, pure.

A day, a week (from Monday) and a month begin at local midnight; where a clock change leaves that out, at the first
moment of that day, and where it comes twice, at the first. So a day has 23 to 25 hours where clocks change.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import inf
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from .errors import UsageError

Kind = Literal["session", "day", "week", "month", "total", "span", "rolling"]
NAMED: dict[str, Kind] = {"session": "session", "day": "day", "week": "week", "month": "month", "total": "total"}
UNIT_S = {"min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
ROLLING = re.compile(r"(\d{1,6})\s*(min|h|d|w)")
#: The longest rolling window.
LONGEST_S = 36525 * 86400.0
#: A rolling window moves in steps of this part of it, so that it need not be read anew each second; it is longer by
#: less than one step, never shorter.
STEPS = 168


@dataclass(frozen=True, slots=True)
class Period:
    """How long a budget is for.

    Args:
        kind: ``span`` is from a day to a day, ``rolling`` the last ``length_s`` seconds.
        start, end: of a span (seconds since 1970; infinite where it is open).
        zone: an IANA time zone; ``""``: the machine's own.
    """

    kind: Kind
    length_s: float = 0.0
    start: float = -inf
    end: float = inf
    zone: str = ""

    @property
    def text(self) -> str:
        """As it is spelled after ``per``: ``week``, ``7d``; of a span, its days."""
        if self.kind == "rolling":
            unit = next(u for u in ("w", "d", "h", "min") if self.length_s % UNIT_S[u] == 0)
            if unit == "w":
                unit = "d"
            return f"{self.length_s / UNIT_S[unit]:.0f}{unit}"
        if self.kind != "span":
            return self.kind
        first = "" if self.start == -inf else f"from {_said(self.start, self.zone)}"
        last = "" if self.end == inf else f"until {_said(self.end, self.zone)}"
        return " ".join(filter(None, (first, last)))

    def at(self, now: float, session_start: float | None = None) -> tuple[float, float]:
        """From when to when the period goes that holds ``now``, [start, end) in seconds since 1970.

        A rolling window has no end. Of a session the start is that session's, if it is known.
        """
        match self.kind:
            case "rolling":
                step = self.length_s / STEPS
                return (now - self.length_s) // step * step, inf
            case "span":
                return self.start, self.end
            case "day" | "week" | "month":
                return _calendar(self.kind, now, self.zone)
            case "session":
                return (-inf if session_start is None else session_start), inf
            case _:
                return -inf, inf


def period_of(per: str, zone: str = "", since: date | None = None, until: date | None = None) -> Period:
    """A period by its words: ``day``, ``week``, ``month``, ``total``, ``session``, a rolling ``7d`` or ``24h``.

    Args:
        per: ``""`` where ``since`` or ``until`` say it, else total.
        since: a local day or an instant.
        until: the end, which is not included.
        zone: an IANA time zone; ``""``: the machine's own.

    Raises:
        UsageError: there is no such period or zone, it is no time at all, or longer than any notebook lives.
    """
    _zone(zone)
    if since is not None or until is not None:
        if per and per != "total":
            raise UsageError(f"per = {per!r} and from or until: a budget has one of them")
        start, end = _edge(since, zone, -inf), _edge(until, zone, inf)
        if start >= end:
            raise UsageError("until is not after from")
        return Period("span", 0.0, start, end, zone)
    if per in NAMED or not per:
        return Period(NAMED.get(per, "total"), zone=zone)
    match = ROLLING.fullmatch(per)
    if match is None or int(match[1]) == 0:
        raise UsageError(f"per = {per!r}: it wants {', '.join(NAMED)}, or a rolling window such as 7d or 24h")
    length_s = int(match[1]) * UNIT_S[match[2]]
    if length_s > LONGEST_S:
        raise UsageError(f'per = {per!r}: it wants 100 years at most; per = "total" has no end')
    return Period("rolling", length_s, zone=zone)


def local(at: float, zone: str = "") -> datetime:
    """That instant by the zone's clocks."""
    found = _zone(zone)
    return datetime.fromtimestamp(at, found) if found else datetime.fromtimestamp(at).astimezone()


def _said(at: float, zone: str) -> str:
    """An edge as it is written: a day, with the time where that is not the day's first moment."""
    when = local(at, zone)
    return str(when.date()) if instant(when.date(), zone) == at else when.replace(tzinfo=None).isoformat()


def instant(when: date, zone: str = "") -> float:
    """A day's first moment, or an instant, in seconds since 1970; local where it says no zone."""
    if not isinstance(when, datetime):
        when = datetime.combine(when, time())
    if when.tzinfo is None:
        # fold 0: of a time that comes twice the first; of one that is left out, the moment of the change itself
        when = when.replace(tzinfo=_zone(zone))
    return when.timestamp()


def _edge(when: date | None, zone: str, unless: float) -> float:
    if when is None:
        return unless
    if not 1970 <= when.year <= 9998:  # beyond them some zones have no such instant
        raise UsageError(f"{when}: it wants a day in the years 1970 to 9998")
    return instant(when, zone)


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"zone = {name!r}: there is no such time zone; it wants one such as {_near(name)}") from None


def _near(name: str) -> str:
    """The zone that was meant: of that city, else one that is spelled nearly so."""
    known = sorted(available_timezones())
    city = name.strip().replace(" ", "_").casefold()
    cities = [zone for zone in known if zone.casefold().endswith(f"/{city}")]
    return next(iter(cities or difflib.get_close_matches(name, known, 1, 0.75)), "Europe/Berlin")


def _week(day: date) -> tuple[date, date]:
    first = day - timedelta(days=day.weekday())
    return first, first + timedelta(days=7)


def _month(day: date) -> tuple[date, date]:
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


DAYS: dict[str, Callable[[date], tuple[date, date]]] = {
    "day": lambda day: (day, day + timedelta(days=1)),
    "week": _week,
    "month": _month,
}


def _calendar(kind: str, now: float, zone: str) -> tuple[float, float]:
    first, after = DAYS[kind](local(now, zone).date())
    return instant(first, zone), instant(after, zone)
