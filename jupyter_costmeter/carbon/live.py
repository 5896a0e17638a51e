"""Live carbon intensity: asked for only when the user has chosen a source, kept, and read without a network.

A failure keeps what was known: it is used, flagged as stale, for three hours (FACTS §2.4).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from math import fsum, inf
from pathlib import Path

from ..errors import UsageError
from ..factors import Intensity, Live
from ..guard import report
from .cache import Asked, Cache, Known, lately
from .resting import Rest
from .series import Value, mean, single, value_of
from .sources import Source, open_source
from .web import SourceError

HOUR_S = 3600
#: A value is used this long after the time that it is about.
STALE_S = 3 * HOUR_S
#: An interval is known if so much of it is.
KNOWN_SHARE = 0.5
#: A forecast or an estimate is asked for again until it is a day old; the source has then corrected it, or will not.
SETTLED_S = 24 * HOUR_S
#: After a failure nothing is asked in the background for so long.
PAUSE_S = 300.0
#: What is known is kept for good, as what a run has emitted must not change by itself; what is not known is not asked
#: for any more after so long.
ASKED_S = 400 * 24 * HOUR_S
#: One request is about a week at most, so that it fits the deadline; what lies a day apart is asked for as one.
PIECE_S = 7 * 24 * HOUR_S
APART_S = 24 * HOUR_S

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many values came, what went wrong, and the newest value that is known."""

    count: int
    problem: str | None
    newest: Intensity | None


class Grid:
    """The source that the user chose, and what is known from it; of one region, if ``choice`` names a zone.

    Times are seconds since 1970, UTC; an hour is known by its number, seconds // 3600.
    """

    def __init__(
        self,
        choice: Live,
        folder: Path,
        clock: Callable[[], float] = time.time,
        source: Source | None = None,
        working: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Nothing is asked yet; ``working`` counts what the thread does as the tool's own.

        Raises:
            UsageError: there is no such source.
        """
        self._choice = choice
        self._folder = folder
        self._clock = clock
        self._working = working
        self._source = source or open_source(choice.source)
        self._caches: dict[str, Cache] = {}
        self._fault: str | None = None
        self._thread: threading.Thread | None = None
        self._begin = threading.Lock()
        self._tried: dict[str, float] = {}
        self._failed_at = -inf
        self._rest = Rest(folder, self._source.name, clock)

    @property
    def problem(self) -> str | None:
        """The last fault, ``None`` since all went well."""
        return self._fault or next((c.problem for c in self._caches.values() if c.problem), None)

    # What is known

    def at(self, region: str, start: float, end: float) -> Intensity | None:
        """The mean intensity over ``[start, end)``, from what is known; the network is not asked.

        Of a time that has begun its part up to now counts, as nobody knows the rest. Where less than half is known, the
        last value that ended up to three hours before: flagged as stale, unless that time goes on and the source was
        asked as lately as it may be.
        """
        cache = self._cache(region)
        if cache is None:
            return None
        now = self._clock()
        running = start <= now < end
        series, end = cache.known().series, max(end if now <= start else min(end, now), start + 1.0)
        parts = series.within(start, end)
        if parts and fsum(seconds for _, seconds in parts) >= KNOWN_SHARE * (end - start):
            return mean(parts, region, start, end)
        last = series.last(end)
        if last is None or end - last.end > STALE_S:
            return None
        return single(last, region, stale=not (running and lately(last.fetched_at, now, self._choice.every_s)))

    def lacking(self, region: str, hours: Iterable[int]) -> list[Span]:
        """The spans of those hours that a request could tell more about.

        None are in the future, before what the source can be asked for, or asked for a moment ago.
        """
        cache = self._cache(region)
        if cache is None:
            return []
        known, now = cache.known(), self._clock()
        return _joined(hour for hour in sorted(set(hours)) if self._lacks(known, hour, now))

    def _lacks(self, known: Known, hour: int, now: float) -> bool:
        start = float(hour * HOUR_S)
        end = min(start + HOUR_S, now)
        if end <= start or end <= now - min(ASKED_S, self._source.reach_s or inf):
            return False
        firm = fsum(seconds for v, seconds in known.series.within(start, end) if _settled(v))
        asked = any(a.start <= start and end <= a.end and lately(a.at, now, self._choice.every_s) for a in known.asked)
        return firm < end - start - 1.0 and not asked

    def status(self) -> str:
        """One sentence for people: what is known last, and what went wrong."""
        said = [f"{zone} {_told(v, now)}" for zone, v, now in self._newest_values()]
        sentence = f"{self._source.title}: {', '.join(said) or 'nothing is known yet'}"
        return f"{sentence} ({self.problem})" if self.problem else sentence

    def _newest_values(self) -> list[tuple[str, Value, float]]:
        now = self._clock()
        found = ((zone, cache.known().series.last(now)) for zone, cache in self._caches.items())
        return [(zone, value, now) for zone, value in found if value is not None]

    # What is asked

    def refresh(self, region: str, hours: Iterable[int] = ()) -> Refreshed:
        """Ask now, for what is lacking of those hours and for now; a source's fault is told, not raised.

        A source that wants to be left alone is, whichever process it told so.
        """
        cache = self._cache(region)
        if cache is None:
            return Refreshed(0, self._fault, None)
        now, left_s = self._clock(), self._rest.left_s()
        if left_s > 0:
            self._fault = f"{self._source.title}: wants to be left alone; it may be asked again in {left_s:.0f} s"
        count = self._asked(cache, self._spans(region, hours, now), now) if left_s <= 0 else 0
        last = cache.known().series.last(now)
        return Refreshed(count, self.problem, single(last, region) if last is not None else None)

    def refresh_soon(self, region: str, hours: Iterable[int] = (), done: Callable[[], None] | None = None) -> bool:
        """Whether a thread has begun to do the same; it calls ``done`` and ends.

        At most one does, not more often than every ``choice.every_s``, and not soon after a failure.
        """
        cache, now = self._cache(region), self._clock()
        with self._begin:
            if cache is None or (self._thread is not None and self._thread.is_alive()) or not self._due(cache, now):
                return False
            self._tried[cache.zone] = now
            self._thread = threading.Thread(
                target=self._in_background, args=(region, tuple(hours), done), name="costmeter: grid", daemon=True
            )
            self._thread.start()
        return True

    def _in_background(self, region: str, hours: tuple[int, ...], done: Callable[[], None] | None) -> None:
        try:
            with self._working():
                self.refresh(region, hours)
            if done is not None:
                done()
        except Exception as error:  # there is nobody to tell in a thread
            report("the live carbon intensity", error)

    def _due(self, cache: Cache, now: float) -> bool:
        """Other processes share the file, and what they asked is not asked again."""
        tried = (self._tried.get(cache.zone, -inf), *(a.at for a in cache.known().asked))
        if self._rest.left_s() > 0 or lately(self._failed_at, now, PAUSE_S):
            return False
        return not any(lately(at, now, self._choice.every_s) for at in tried)

    def _spans(self, region: str, hours: Iterable[int], now: float) -> list[Span]:
        """What to ask for, the newest first: this hour and the one before are always among it."""
        this = int(now // HOUR_S)
        recent = (float((this - 1) * HOUR_S), float((this + 1) * HOUR_S))
        return _pieces([*self.lacking(region, (h for h in hours if h < this - 1)), recent])

    def _asked(self, cache: Cache, spans: list[Span], now: float) -> int:
        """How many values came; at the first fault the rest is left for later."""
        count = 0
        try:
            for start, end in spans:
                found = self._source.fetch(cache.zone, start, min(end, now))
                count += _kept(cache, found, [Asked(start, end, now)], now)
        except SourceError as error:
            count += _kept(cache, error.found, [], now) if error.found else 0
            self._failed(error, now)
        else:
            self._fault = None if count else f"{self._source.title}: has nothing of that time yet"
        return count

    def _failed(self, error: SourceError, now: float) -> None:
        self._fault = str(error)
        self._failed_at = now
        if error.retry_s is not None:
            self._rest.begin(error.retry_s)

    # Whose

    def _cache(self, region: str) -> Cache | None:
        """Where a region's values are kept; ``None`` where the source has no zone for it, which is then the fault."""
        try:
            zone = self._choice.zone or self._source.zone_of(region)
        except UsageError as error:
            self._fault = str(error)
            return None
        if zone not in self._caches:
            self._caches[zone] = Cache(self._folder, self._source.name, zone, self._clock)
        return self._caches[zone]


def _kept(cache: Cache, found: Sequence[Intensity], asked: list[Asked], now: float) -> int:
    """How many values are about a time."""
    values = [v for one in found if (v := value_of(one, now)) is not None]
    cache.add(values, asked)
    return len(values)


def _settled(value: Value) -> bool:
    """Whether the source will not correct it any more."""
    return value.kind.note is None or value.fetched_at >= value.end + SETTLED_S


def _joined(hours: Iterable[int]) -> list[Span]:
    spans: list[Span] = []
    for hour in hours:
        start = float(hour * HOUR_S)
        first = spans.pop()[0] if spans and spans[-1][1] == start else start
        spans.append((first, start + HOUR_S))
    return spans


def _pieces(spans: Iterable[Span]) -> list[Span]:
    """Those spans, newest first, as few requests of a week at most."""
    pieces: list[Span] = []
    for start, end in spans:
        while start < end:
            last = min(end, start + PIECE_S)
            if pieces and start - pieces[-1][1] <= APART_S and last - pieces[-1][0] <= PIECE_S:
                start = pieces.pop()[0]
            pieces.append((start, last))
            start = last
    return pieces[::-1]


def _told(value: Value, now: float) -> str:
    about = datetime.fromtimestamp(value.start, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    note = f", {value.kind.note}" if value.kind.note else ""
    return f"{value.g:.0f} g/kWh from {about}{note}, asked {max(0.0, now - value.fetched_at) / 60:.0f} min ago"
