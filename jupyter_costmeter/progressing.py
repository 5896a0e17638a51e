"""How far the running cell is: by a tqdm bar of its own, or as it was told by hand.

Nothing is patched: tqdm keeps its live bars in a set, and the bars of notebooks, rich, keras and lightning that
build on it are in there, too. It is called ``progressing`` since ``jupyter_costmeter.progress`` is the function.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from .errors import UsageError

#: A bar may have begun so many seconds before its cell, by clocks that differ.
SLACK_S = 0.05
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
    going = [one for one in known if one.done < one.total] or known[-1:]
    if not going:
        return None
    outer, fraction = going[0], 0.0
    for bar in reversed(going):
        fraction = min(1.0, (bar.done + fraction) / bar.total)
    return Progress(fraction, outer.label, "tqdm", min(outer.initial / outer.total, fraction), outer.at)


@dataclass(frozen=True, slots=True)
class _Bar:
    at: float
    done: float
    total: float
    initial: float
    label: str

    @classmethod
    def of(cls, bar: Any, started_at: float) -> _Bar | None:
        """A bar of this cell with an end; ``None`` for others, hidden and closed ones, and one that is being made."""
        at, done, total = (_number(getattr(bar, name, None)) for name in ("start_t", "n", "total"))
        if getattr(bar, "disable", True) or not (at >= started_at - SLACK_S and total > 0 and 0 <= done <= total):
            return None
        return cls(at, done, total, _number(getattr(bar, "initial", 0.0)), str(getattr(bar, "desc", "")).rstrip(": "))
