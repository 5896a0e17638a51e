"""What live sources have said, in one JSON file per source and zone, which several processes share.

It holds intensities and times, never a key. Whatever is wrong with it, reading goes on. What was fetched is kept for
good: a source may not be able to tell it again (Electricity Maps tells a day), and the past must not change.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, get_args
from urllib.parse import quote

from filelock import FileLock

from ..factors import Basis, Intensity, Signal
from ..record import Method
from ..replacing import replacing
from .series import Series, Value
from .web import MOST_G_PER_KWH

VERSION = 1
#: Seconds that a writer waits for another; writing ten years of half-hours takes half a second.
LOCK_S = 2.0
#: Clocks of machines that share a file may differ by so much: what is later was written under one that was set ahead.
AHEAD_S = 60.0
#: A time after the year 9998 is damage, as is a value of more than a day: no source has such.
MOST_AT = 253_370_764_800.0
MOST_LENGTH_S = 86_400.0
#: What is shared by many values is written once: these fields of an ``Intensity``.
SHARED = ("region", "source", "signal", "basis", "method", "uncertainty", "note")
CHOICES: dict[str, tuple[Any, ...]] = {
    "signal": get_args(Signal),
    "basis": get_args(Basis),
    "method": get_args(Method),
}


class Asked(NamedTuple):
    """A source was asked at a time for a span, whatever it had of it (seconds since 1970, UTC)."""

    start: float
    end: float
    at: float


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one zone."""

    series: Series = field(default_factory=Series)
    asked: tuple[Asked, ...] = ()

    @property
    def latest(self) -> float:
        """The last time that is told here, of a fetch or a question."""
        return max(self.series.newest, self.asked[-1].at if self.asked else -inf)

    def believed(self, now: float) -> Known:
        """As it is to be understood now: what a clock that was set ahead has written was not asked lately.

        Its values are kept, as if they had been fetched when they began: a forecast is none that was settled since, and
        whatever is fetched from now on takes its place.
        """
        if self.latest <= now + AHEAD_S:
            return self
        values = (v if v.fetched_at <= now + AHEAD_S else _fetched(v, now) for v in self.series.values)
        asked = tuple(a for a in self.asked if a.at <= now + AHEAD_S)
        return Known(Series(values, apart=True), asked)

    def merged(self, values: Iterable[Value], asked: Iterable[Asked]) -> Known:
        """With others, and without what was asked a day before the last."""
        every = sorted({*self.asked, *asked}, key=lambda a: a.at)
        recent = tuple(a for a in every if a.at > every[-1].at - 86_400)
        return Known(self.series.merged(values), recent)


def _fetched(value: Value, now: float) -> Value:
    return value._replace(fetched_at=min(value.start, now))


def lately(at: float, now: float, seconds: float) -> bool:
    """Whether it is less than so many seconds since then; a clock that was set back makes nothing recent."""
    return -AHEAD_S <= now - at < seconds


class Cache:
    """One zone's values, in a file and in memory; where the file cannot be written, in memory alone."""

    def __init__(self, folder: Path, source: str, zone: str, clock: Callable[[], float] = time.time) -> None:
        self.zone = zone
        self._clock = clock
        self.path = folder / f"{source}-{quote(zone, safe='')}.json"
        self._known = Known()
        self._seen: tuple[int, ...] | None = None
        self._swap = threading.Lock()
        self._unkept: str | None = None
        self._damage: str | None = None

    @property
    def problem(self) -> str | None:
        return self._unkept or self._damage

    def known(self) -> Known:
        """What this process and the others have fetched; the file is read only when another has changed it."""
        seen = self._identity()
        fresh = seen is not None and seen != self._seen
        found = self._read_or_nothing() if fresh else None
        with self._swap:
            self._known = self._with(self._known, found)
            self._seen = seen if fresh else self._seen
            return self._known

    def _with(self, known: Known, found: Known | None) -> Known:
        """Both, as they are to be understood now."""
        now = self._clock()
        known = known.believed(now)
        if found is None:
            return known
        found = found.believed(now)
        return known.merged(found.series.values, found.asked)

    def add(self, values: Iterable[Value], asked: Iterable[Asked]) -> None:
        """Keep those too, and what others have written meanwhile."""
        more = Known().merged(values, asked)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=LOCK_S):
                known = self._with(self._with_others(), more)
                _write(self.path, _plain(known))
                seen = self._identity()
            self._unkept = None
        except (OSError, NotImplementedError) as error:  # no lock on this file system, too
            known, seen = self._with(self._known, more), self._seen
            why = getattr(error, "strerror", None) or type(error).__name__
            self._unkept = f"{self.path} cannot be written ({why}): what was fetched is kept in memory"
        with self._swap:
            self._known, self._seen = known, seen

    def _with_others(self) -> Known:
        """Under the lock: all that is known; the file is read only where it holds what this process has not read."""
        with self._swap:
            known, seen = self._known, self._seen
        if self.problem is None and self._identity() == seen:
            return known
        return self._with(known, self._read_or_put_aside())

    def _identity(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Known:
        known, dropped = _read(self.path)
        were = f"{dropped} of its values were" if dropped > 1 else "one of its values was"
        self._damage = f"{self.path} is damaged: {were} left out" if dropped else None
        return known

    def _read_or_nothing(self) -> Known:
        try:
            return self._read()
        except OSError as error:
            self._unkept = f"{self.path} cannot be read ({error.strerror})"
        except ValueError:
            self._damage = f"{self.path} is damaged: what it held is not used"
        return Known()

    def _read_or_put_aside(self) -> Known:
        """Under the lock, so that nobody's good file is moved."""
        try:
            return self._read()
        except FileNotFoundError:
            return Known()
        except ValueError:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            os.replace(self.path, aside)
            self._damage = f"{self.path} was damaged: it was moved to {aside.name}, and a new one was begun"
            return Known()


def _write(path: Path, plain: object) -> None:
    """All of it or nothing: readers do not lock."""
    with replacing(path) as part:
        part.write_text(json.dumps(plain, separators=(",", ":")), encoding="utf-8")


def _plain(known: Known) -> dict[str, object]:
    kinds = list(dict.fromkeys(v.kind for v in known.series.values))
    places = {kind: place for place, kind in enumerate(kinds)}
    rows = [[_short(v.start), _short(v.end), v.g, _short(v.fetched_at), places[v.kind]] for v in known.series.values]
    return {
        "version": VERSION,
        "kinds": [{name: getattr(kind, name) for name in SHARED} for kind in kinds],
        "values": rows,
        "asked": [list(a) for a in known.asked],
    }


def _short(seconds: float) -> float:
    return int(seconds) if seconds == int(seconds) else seconds


def _read(path: Path) -> tuple[Known, int]:
    """What a file holds, and how many of its values cannot be.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what we write, or none of its values can be.
    """
    try:
        plain = json.loads(path.read_bytes())
        if plain["version"] != VERSION:
            raise ValueError("another version's")
        kinds = [_kind(found) for found in plain["kinds"]]
        rows = list(plain["values"])
        values = [value for row in rows if (value := _value(row, kinds)) is not None]
        asked = tuple(one for row in plain["asked"] if (one := _asked(row)) is not None)
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not what we write") from error
    if rows and not values:
        raise ValueError("no intensities")
    return Known(Series(values), asked), len(rows) - len(values)


def _value(row: Any, kinds: list[Intensity]) -> Value | None:
    """``None`` where it cannot be: others would compute or print it, and fail."""
    try:
        start, end, g, at, place = row
        sound = 0 <= start < end <= MOST_AT and end - start <= MOST_LENGTH_S and 0 <= at <= MOST_AT
        return Value(start, end, g, at, kinds[place]) if sound and 0 <= g <= MOST_G_PER_KWH and place >= 0 else None
    except (TypeError, ValueError, IndexError):
        return None


def _asked(row: Any) -> Asked | None:
    try:
        found = Asked(*map(float, row))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if all(0 <= at <= MOST_AT for at in found) else None


def _kind(plain: dict[str, Any]) -> Intensity:
    for name, among in CHOICES.items():
        if plain[name] not in among:
            raise ValueError(f"no {name}")
    if not all(isinstance(plain[name], str) for name in ("region", "source")):
        raise ValueError("no name")
    if not (isinstance(plain["note"], str | None) and isinstance(plain["uncertainty"], float | int | None)):
        raise ValueError("no note or uncertainty")
    return Intensity(g_per_kwh=0.0, **{name: plain[name] for name in SHARED})
