"""Intensities over time, pure: what is known of an interval, and how what was fetched twice becomes one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import fsum, inf
from typing import NamedTuple

from ..factors import Intensity


class Value(NamedTuple):
    """One interval's intensity in g/kWh; ``kind`` is what its neighbours share: whose it is and what it counts.

    Times are seconds since 1970, UTC. A year of half-hours is read often, so this is no ``Intensity``.
    """

    start: float
    end: float
    g: float
    fetched_at: float
    kind: Intensity


def value_of(found: Intensity, now: float) -> Value | None:
    """A source's answer, fetched now; ``None`` where it is about no time."""
    if found.start is None or found.end is None or not found.start < found.end:
        return None
    kind = replace(found, g_per_kwh=0.0, start=None, end=None, fetched_at=None)
    return Value(found.start, found.end, found.g_per_kwh, now, kind)


class Series:
    """Values in order of time that do not overlap; where they did, a final one has won, else what was fetched last."""

    def __init__(self, values: Iterable[Value] = (), apart: bool = False) -> None:
        """``apart`` says that they are in order and do not overlap."""
        self.values = tuple(values if apart else _apart(values))
        self._starts = [v.start for v in self.values]
        #: When the last was fetched.
        self.newest = max((v.fetched_at for v in self.values), default=-inf)

    def merged(self, others: Iterable[Value]) -> Series:
        """With others; only what lies among them is put in order anew, as a series may be of many years."""
        fresh = list(others)
        if not fresh:
            return self
        first = max(0, bisect_right(self._starts, min(v.start for v in fresh)) - 1)
        last = bisect_left(self._starts, max(v.end for v in fresh))
        among = _apart([*self.values[first:last], *fresh])
        return Series((*self.values[:first], *among, *self.values[last:]), apart=True)

    def within(self, start: float, end: float) -> list[tuple[Value, float]]:
        """The values that are about a part of ``[start, end)``, and how many seconds of it."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end)
        found = ((v, min(v.end, end) - max(v.start, start)) for v in self.values[first:last])
        return [(v, seconds) for v, seconds in found if seconds > 0]

    def last(self, before: float) -> Value | None:
        """The last value that begins before then."""
        place = bisect_left(self._starts, before)
        return self.values[place - 1] if place else None


def _apart(values: Iterable[Value]) -> Iterator[Value]:
    kept: Value | None = None
    for value in sorted(values, key=lambda v: (v.start, v.kind.note is not None, -v.fetched_at, v.end, v.g)):
        if kept is None or value.start >= kept.end:
            if kept is not None:
                yield kept
            kept = value
        elif _rank(value) > _rank(kept):
            kept = value  # it begins later, so it does not reach what was kept before
    if kept is not None:
        yield kept


def _rank(value: Value) -> tuple[bool, float]:
    """A forecast or an estimate takes the place of none that the source has settled, whenever it was fetched."""
    return value.kind.note is None, value.fetched_at


def mean(parts: list[tuple[Value, float]], region: str, start: float, end: float) -> Intensity:
    """The mean of values, weighted by their seconds within ``[start, end)``; a note says what it lacks.

    ``start`` and ``end`` of the result are those of what is known, and ``fetched_at`` is that of its oldest part.
    """
    seconds = fsum(part for _, part in parts)
    found = fsum(v.g * part for v, part in parts) / seconds
    values = [v for v, _ in parts]
    first = values[0].kind
    return replace(
        first,
        g_per_kwh=min(max(found, min(v.g for v in values)), max(v.g for v in values)),  # rounding is no new extreme
        region=region,
        basis=first.basis if all(v.kind.basis == first.basis for v in values) else "not stated",
        start=max(start, values[0].start),
        end=min(end, values[-1].end),
        fetched_at=min(v.fetched_at for v in values),
        note=_note(values, seconds / (end - start)),
    )


def _note(values: list[Value], share: float) -> str | None:
    said = list(dict.fromkeys(v.kind.note for v in values if v.kind.note))
    if said and not all(v.kind.note for v in values):
        said = [f"in part {note}" for note in said]
    if share < 1 - 1e-9:
        said.append(f"known for {share:.0%} of that time")
    return "; ".join(said) or None


def single(value: Value, region: str, stale: bool = False) -> Intensity:
    """One value as it was fetched."""
    return replace(
        value.kind,
        g_per_kwh=value.g,
        region=region,
        start=value.start,
        end=value.end,
        fetched_at=value.fetched_at,
        stale=stale,
    )
