"""Until when a live source wants to be left alone, in a file beside its values.

It is told by ``Retry-After``, and meant for whoever asks: other kernels, and the next command in a shell.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..replacing import replacing
from .cache import lately
from .web import LONGEST_WAIT_S

VERSION = 1


class Rest:
    """One source's, of all its zones; where the file cannot be written, this process's alone."""

    def __init__(self, folder: Path, source: str, clock: Callable[[], float]) -> None:
        self._path = folder / f"{source}.rest.json"
        self._clock = clock
        self._mine = (0.0, 0.0)

    def left_s(self) -> float:
        """How many seconds it lasts yet; 0 where there is none."""
        now = self._clock()
        return max(_left_s(self._mine, now), _left_s(self._told(), now))

    def begin(self, seconds: float) -> None:
        """The source said now that it is to be left alone for so long."""
        now = self._clock()
        self._mine = (now, now + seconds)
        if seconds <= _left_s(self._told(), now):
            return  # another process was told a longer one
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as part:
                part.write_text(json.dumps({"version": VERSION, "span": self._mine}), encoding="utf-8")
        except OSError:
            pass  # that the folder cannot be written is said of the values

    def _told(self) -> tuple[float, float]:
        try:
            plain = json.loads(self._path.read_bytes())
            start, end = map(float, plain["span"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return 0.0, 0.0
        return start, end


def _left_s(span: tuple[float, float], now: float) -> float:
    """What is longer than any rest is damage, and a clock that was set ahead makes none."""
    start, end = span
    sound = 0 < end - start <= LONGEST_WAIT_S + 1.0 and lately(start, now, end - start)
    return end - now if sound else 0.0
