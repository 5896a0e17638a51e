"""How far the running cell is: by a tqdm bar of its own, or as it was told by hand.

Nothing is patched: tqdm keeps its live bars in a set, and its bars of notebooks, rich and keras and those of lightning
are in there, too. Bars that are not made of tqdm (fastprogress, keras' own, rich's) keep no such set, so they are not
read. It is called ``progressing`` since ``jupyter_costmeter.progress`` is the function.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Literal

from .errors import UsageError

if TYPE_CHECKING:  # loaded with the first bar: 2 ms that ``%load_ext`` does not wait for
    from .epochs import Epoch, Series

#: A bar may have begun so many seconds before its cell, by clocks that differ.
SLACK_S = 0.05
#: Lightning's trial of the validation before it trains: its end is the end of nothing.
TRIAL = "Sanity Checking"
#: What ``%cost progress`` takes.
NUMBER = r"(\d+(?:\.\d*)?(?:e\+?\d{1,3})?)"
TOLD = re.compile(rf"\s*{NUMBER}\s*(?:/|\s|of)\s*{NUMBER}\s*", re.ASCII | re.IGNORECASE)
EXAMPLE = "such as %cost progress 3/100, or jupyter_costmeter.progress(3, 100)"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a loop is.

    Args:
        fraction: done of all, 0 to 1; ``began`` of it was done when it was first seen (a loop that resumes).
        at: when it began, or was first told of (seconds since 1970).
    """

    fraction: float
    label: str
    source: Literal["tqdm", "by hand"]
    began: float = 0.0
    at: float = 0.0

    @property
    def since(self) -> float:
        """The part that was done since it began, of all that there was to do then: what has cost something."""
        return (self.fraction - self.began) / (1.0 - self.began) if self.began < 1.0 else 0.0


@dataclass(frozen=True, slots=True)
class _Told:
    at: float
    done: float
    total: float


#: The first and the last that was told of one loop.
_told: tuple[_Told, _Told] | None = None
#: The last run through epochs that each had a bar: what it cost is forecast from its first on.
_series: Series | None = None


def progress(done: float, total: float) -> None:
    """Say how far a loop of this cell is, where no tqdm bar does: it costs a microsecond.

    Raises:
        UsageError: they are no numbers with 0 <= done <= total and total > 0.
    """
    global _told
    told = _Told(time.time(), _number(done), _number(total))
    if not (0.0 <= told.done <= told.total and told.total > 0.0):
        raise UsageError(f"progress {done}/{total}: it wants how much is done of how much, {EXAMPLE}")
    first = _told[0] if _told and _told[1].total == told.total and _told[1].done <= told.done else told
    _told = (first, told)


def progress_of(text: str) -> None:
    """The same by words: ``3/100``.

    Raises:
        UsageError: it is nothing of that kind.
    """
    found = TOLD.fullmatch(text)
    if found is None:
        raise UsageError(f"progress {text!r}: it wants how much is done of how much, {EXAMPLE}")
    progress(float(found[1]), float(found[2]))


def _number(value: Any) -> float:
    """A finite number, of whatever kind; not a number where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
    return number if isfinite(number) else float("nan")


def look(started_at: float) -> Progress | None:
    """How far the cell is that started then (seconds since 1970); what was told by hand comes first."""
    return _by_hand(started_at) or _of_bars(_bars(), started_at)


def _by_hand(started_at: float) -> Progress | None:
    if _told is None or _told[1].at < started_at:
        return None
    first, last = _told
    if first.at < started_at:  # a loop over several cells: what it cost before is not this cell's
        first = last
    return Progress(last.done / last.total, "", "by hand", first.done / last.total, first.at)


def _bars() -> Sequence[Any]:
    """All live bars of whichever class. Copying the references runs no Python code, so no loop disturbs it."""
    std = sys.modules.get("tqdm.std")
    live = getattr(getattr(std, "tqdm", None), "_instances", None)
    return [bar for one in list(getattr(live, "data", ())) if (bar := one()) is not None]


def _of_bars(bars: Iterable[Any], started_at: float) -> Progress | None:
    """The outermost that is not at its end, refined by those inside it."""
    known = sorted((one for bar in bars if (one := _Bar.of(bar, started_at)) is not None), key=lambda one: one.at)
    going = _going(known) or known[-1:]
    if not going:
        return None
    outer, inside = going[0], 0.0
    for around, bar in zip(reversed(going[:-1]), reversed(going[1:]), strict=True):
        inside = bar.within(around, bar.far(inside))
    part = outer.far(inside)
    if outer.epoch is not None:
        return _of_epoch(outer, outer.epoch, part, started_at - SLACK_S)
    return Progress(part, outer.label, "tqdm", min(outer.initial / outer.total, part), outer.at)


def _going(known: Sequence[_Bar]) -> list[_Bar]:
    """Those that are not at their end, the last epoch's in any case: after the end of its bar it is validated."""
    last = next((bar for bar in reversed(known) if bar.epoch is not None), None)
    going = [bar for bar in known if bar.done < bar.total or bar is last]
    if going and going[-1] is not known[-1] and known[-1].ended_in(going[-1]):
        going.append(known[-1])
    return going


def _of_epoch(bar: _Bar, epoch: Epoch, part: float, started_at: float) -> Progress | None:
    """A bar of one epoch of many, from the first on that was seen; ``None`` where nothing says of how many."""
    global _series
    from .epochs import Series

    if _series is None or not _series.has(epoch, started_at):
        _series = Series(bar.at, epoch)
    first = _series.epoch.likely_first
    fraction, began = epoch.far(part, first), _series.epoch.far(0.0, first)
    return None if fraction is None or began is None else Progress(fraction, bar.label, "tqdm", began, _series.at)


@dataclass(frozen=True, slots=True)
class _Bar:
    """A tqdm bar as it was when it was looked at.

    Args:
        at: when it began (seconds since 1970).
        stepped: when it last went on; infinite where that was not shown, so that nobody knows.
        shown: when it was last shown to have gone on, which may be before it did.
        epoch: the one of which it is, if it says so.
    """

    at: float
    done: float
    total: float
    initial: float
    label: str
    stepped: float
    shown: float
    epoch: Epoch | None

    @classmethod
    def of(cls, bar: Any, started_at: float) -> _Bar | None:
        """A bar of this cell with an end; ``None`` for others, hidden and closed ones, and one that is being made."""
        at, done, total = (_number(getattr(bar, name, None)) for name in ("start_t", "n", "total"))
        if getattr(bar, "disable", True) or not (at >= started_at - SLACK_S and total > 0 and 0 <= done <= total):
            return None
        from . import epochs

        label = str(getattr(bar, "desc", "")).rstrip(": ")
        if label.startswith(TRIAL):
            return None
        initial, shown = (_number(getattr(bar, name, 0.0)) for name in ("initial", "last_print_t"))
        known = _number(getattr(bar, "last_print_n", None)) == done
        return cls(at, done, total, initial, label, shown if known else inf, shown, epochs.of(bar, label, at, done))

    def far(self, inside: float) -> float:
        """How far it is when so much of its step is done, by those inside it."""
        return min(1.0, (self.done + inside) / self.total)

    def ended_in(self, outer: _Bar) -> bool:
        """At its end since the one around it last went on, which has not counted that yet: keras validates meanwhile.

        Where nobody knows when that was, no: rather too little is said to be done than too much.
        """
        return self.shown > outer.stepped

    def within(self, outer: _Bar, part: float) -> float:
        """``part`` of it, of a step of the bar around it: an epoch is a step only where that one counts them."""
        if self.epoch is None or self.epoch.last is None or outer.total in self.epoch.counts:
            return part
        return self.epoch.far(part, self.epoch.likely_first) or 0.0
