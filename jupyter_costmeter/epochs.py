"""Which of several epochs a progress bar is of: the end of the first one's bar is not the end of the loop.

Lightning sets one bar back for each epoch, and many loops make a new one for each (``desc=f"Epoch {e}/{n}"``), so the
bar alone would say 95 % at the end of epoch 1 of 10. Its description says which epoch it is, and mostly of how many.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

#: ``Epoch 3/10``, ``epoch [3 of 10]``, ``Fold 2/5``; without how many there are: ``Epoch 3``.
NAMED = re.compile(r"\b(?:epoch|fold)[\s:=#\[(]{0,4}(\d{1,9})(?:\s?(?:/|of)\s?(\d{1,9}))?", re.ASCII | re.IGNORECASE)
#: Where Lightning's classes are, by either of its names.
LIGHTNING = ("lightning.", "pytorch_lightning.")
#: Bars whose first number is remembered.
KEPT = 16
#: The number that a bar first had, by when it began.
_numbers: dict[float, int] = {}


@dataclass(frozen=True, slots=True)
class Epoch:
    """One of a series.

    Args:
        number: as it is written.
        last: the last one's; ``None``: nothing says it.
        first: the first one's; ``None``: nothing says it.
    """

    number: int
    last: int | None
    first: int | None = None

    @property
    def likely_first(self) -> int:
        """Counted from one, unless this is a zero."""
        return min(self.number, 1) if self.first is None else self.first

    @property
    def counts(self) -> tuple[int, ...]:
        """How many there may be."""
        firsts = (0, 1) if self.first is None else (self.first,)
        return () if self.last is None else tuple(self.last + 1 - first for first in firsts)

    def far(self, part: float, first: int) -> float | None:
        """How far the series is when ``part`` of this epoch is done; ``None`` where nothing says how long it is.

        Of ``Epoch 0/9`` or ``Epoch 0/10`` there may be ten or eleven: the more, so that it never says too much.
        """
        return None if self.last is None else (self.number - first + part) / (self.last + 1 - first)


@dataclass(frozen=True, slots=True)
class Series:
    """One run through epochs: the first that was seen of it, and when that one began (seconds since 1970)."""

    at: float
    epoch: Epoch

    def has(self, epoch: Epoch, started_at: float) -> bool:
        """Whether that epoch is a later one of it, in the cell that began then; a smaller number is of another run."""
        return self.at >= started_at and self.epoch.last == epoch.last and self.epoch.number <= epoch.number


def of(bar: Any, description: str, at: float, done: float) -> Epoch | None:
    """The epoch of which a tqdm bar is that began then and has done so much; ``None`` of one that counts epochs."""
    found = NAMED.search(description)
    if found is None:
        return None
    number, last = int(found[1]), int(found[2]) if found[2] else None
    if _is_lightnings(type(bar), "Tqdm"):
        count = _lightnings_count()
        return Epoch(number, None if count is None else count - 1, 0)
    if _counts(at, done, number):
        return None
    return Epoch(number, last if last and number <= last else None)


def _counts(at: float, done: float, number: int) -> bool:
    """Whether the bar is over the epochs, and its description only says where it is: ``f"Epoch {e}"`` set in the loop.

    Its number changes while it goes on, where a bar of one epoch keeps its own; in the first epoch it has done nothing.
    """
    while len(_numbers) >= KEPT and at not in _numbers:
        del _numbers[next(iter(_numbers))]
    return number != _numbers.setdefault(at, number) or (done == 0.0 and number <= 1)


def _lightnings_count() -> int | None:
    """How many epochs the notebook's own Lightning trainer runs, which its bar does not say.

    By what lies open: the notebook's variables are looked through, one at a time, and nothing is changed or kept. A
    trainer that is no variable of the notebook is not found.
    """
    variables = vars(sys.modules["__main__"])
    for name in list(variables):  # one C call: a cell that sets variables meanwhile disturbs nothing
        if _is_lightnings(type(variables.get(name)), "Trainer"):
            trainer = variables.get(name)
            if getattr(getattr(trainer, "state", None), "status", None) == "running":
                count = getattr(trainer, "max_epochs", None)
                return count if isinstance(count, int) and count > 0 else None  # -1: until it is stopped
    return None


def _is_lightnings(cls: type, name: str) -> bool:
    return any(one.__name__ == name and one.__module__.startswith(LIGHTNING) for one in cls.__mro__)
