"""As few steps or bands as a screen can show: the shortest are put together with their neighbours; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, inf, log
from typing import Generic, NamedTuple, Protocol, TypeVar

#: Steps of a device, and bands of a lane, at most; so many times that are kept before some are put together.
STEPS, KEPT = 2000, 4
#: What is shorter (seconds) is drawn as if it took so long.
SHORT_S = 1e-3
#: Each width below which steps are short is so many times the one before, on a scale that begins with ``SHORT_S``: so
#: what was put together stays so while a little more comes.
WIDER = 1.5


class Spanned(Protocol):
    """What lasts from then to then (seconds since 1970)."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


S = TypeVar("S", bound=Spanned)
#: Several that stand side by side as one.
Merge = Callable[[Sequence[S]], S]


class Looked(NamedTuple):
    """The stretch that somebody zoomed into (seconds since 1970): told in more detail than the rest."""

    start: float
    end: float


def decimated(found: list[S], merge: Merge[S], most: int = STEPS, width: int = 0) -> tuple[list[S], int]:
    """No more than ``most``: the shortest are put together with their neighbours, long ones stay as they are.

    Also how short those were (on the scale of widths), from where the next time may begin.
    """
    if len(found) <= most:
        return found, width
    spans = [(one.start, one.end) for one in found]
    width, firsts = _narrowest(spans, most, width)
    groups = zip(firsts, [*firsts[1:], len(found)], strict=True)
    return [found[a] if b - a == 1 else merge(found[a:b]) for a, b in groups], width


def _narrowest(spans: Sequence[tuple[float, float]], most: int, width: int) -> tuple[int, list[int]]:
    """The least of the widths from that one on that leaves so few, and where these begin."""
    whole = max(end for _, end in spans) - spans[0][0]
    least = max(width, ceil(log(max(1.0, whole / (most * 1024) / SHORT_S), WIDER)))
    enough = max(least, ceil(log(max(1.0, whole / most / SHORT_S), WIDER)))
    while len(firsts := _apart(spans, SHORT_S * WIDER**enough)) > most:
        least, enough = enough + 1, enough + 1
    while least < enough:
        middle = (least + enough) // 2
        tried = _apart(spans, SHORT_S * WIDER**middle)
        if len(tried) > most:
            least = middle + 1
        else:
            enough, firsts = middle, tried
    return enough, firsts


def _apart(spans: Iterable[tuple[float, float]], width: float) -> list[int]:
    """Where something begins that is not put to the one before it: both must be shorter than that, side by side."""
    firsts, beyond, last = list[int](), -inf, -inf
    for at, (start, end) in enumerate(spans):
        if last >= beyond or end - start >= width or start - last >= width:
            firsts.append(at)
            beyond, last = start + width, end
        elif end > last:
            last = end
    return firsts


class Few(Generic[S]):
    """As many as a screen can show, while more and more come; of a stretch that is looked at as many as of all else."""

    def __init__(self, merge: Merge[S], looked: Looked | None, most: int) -> None:
        self._merge, self._looked = merge, looked
        self._found: tuple[list[S], ...] = ([], [], [])
        self._widths = [0, 0, 0]
        self._made: dict[tuple[int, int, int], tuple[S, S, S]] = {}
        less = max(1, most // 4)
        self._most = (less, most, less) if looked else (most, most, most)

    def add(self, one: S) -> None:
        """The next in the order of their start."""
        at = 0 if self._looked is None or one.end <= self._looked.start else 1 if one.start < self._looked.end else 2
        found = self._found[at]
        found.append(one)
        if len(found) > KEPT * self._most[at]:
            found[:], self._widths[at] = self._fewer(at, self._merge)

    def _fewer(self, at: int, merge: Merge[S]) -> tuple[list[S], int]:
        return decimated(self._found[at], merge, self._most[at], self._widths[at])

    def all(self) -> tuple[S, ...]:
        """As they are by now; more may come, and what is as it was is the same object again."""
        before, self._made = self._made, {}
        made = tuple(one for at in range(3) for one in self._fewer(at, lambda some: self._again(some, before))[0])
        before.clear()
        before.update(self._made)  # of those that it was copied from, too
        self._made = before
        return made

    def _again(self, some: Sequence[S], before: dict[tuple[int, int, int], tuple[S, S, S]]) -> S:
        """Those as one, which was made before; its first and last are kept, so that no other has their ids."""
        key = (id(some[0]), id(some[-1]), len(some))
        found = self._made[key] = before.get(key) or (some[0], some[-1], self._merge(some))
        return found[2]

    def copy(self) -> Few[S]:
        """Another one with the same, to which other things come."""
        made = Few(self._merge, self._looked, 1)
        made._found, made._widths, made._most = tuple(map(list, self._found)), list(self._widths), self._most
        made._made = self._made
        return made
