"""What a simulated GPU does over time, in JSON or in Python: the traces that ``replay`` plays.

Every fault of a trace is a ``TraceError`` that names the line or the field and what it wants.
"""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

MIB = 2.0**20


class TraceError(ValueError):
    """What is wrong with a trace: the line or the field, and what it wants."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Some seconds in which nothing changes.

    ``utilization`` and ``used_bytes`` are this process tree's, ``held`` whether it has a
    context (``None``: cannot be seen); ``foreign`` counts other processes, with theirs.
    """

    seconds: float
    power_w: float
    utilization: float = 0.0
    used_bytes: float = 0.0
    held: bool | None = True
    foreign: int = 0
    foreign_utilization: float = 0.0
    foreign_bytes: float = 0.0

    def __post_init__(self) -> None:
        _number("seconds", self.seconds, above=0.0)
        for name in ("power_w", "used_bytes", "foreign_bytes", "foreign"):
            _number(name, getattr(self, name))
        if self.foreign != int(self.foreign):
            raise TraceError(f"foreign = {self.foreign!r}: it wants a whole number of processes")
        for name in ("utilization", "foreign_utilization"):
            _number(name, getattr(self, name), most=1.0)
        _one_of("held", self.held, (True, False, None))


@dataclass(frozen=True, slots=True)
class Fault:
    """From when to when (``None``: for good) the counter answers an error."""

    from_s: float
    until_s: float | None = None
    message: str = "the simulated GPU is lost"

    def __post_init__(self) -> None:
        _number("from_s", self.from_s)
        if self.until_s is not None:
            _number("until_s", self.until_s, above=self.from_s)


@dataclass(frozen=True, slots=True)
class Follow:
    """A GPU that does what this process does.

    Each CPU second of the process (and of its children, when they have ended) is a busy second at
    ``busy_w``, at most one per second; its memory is ``bytes_per_byte`` times what the resident
    memory has grown, plus a context, and held from ``held_bytes`` of growth on.
    """

    idle_w: float = 60.0
    busy_w: float = 300.0
    bytes_per_byte: float = 32.0
    context_bytes: float = 512 * MIB
    held_bytes: float = 64 * MIB

    def __post_init__(self) -> None:
        for name in ("idle_w", "bytes_per_byte", "context_bytes", "held_bytes"):
            _number(name, getattr(self, name))
        _number("busy_w", self.busy_w, least=self.idle_w)


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated GPU. ``step_ms``: its counter is refreshed so seldom (0: always); ``resets_s``: set to 0 then."""

    uuid: str
    name: str = "Simulated GPU"
    memory_bytes: float = 24 * 1024 * MIB
    segments: tuple[Segment, ...] = ()
    follow: Follow | None = None
    step_ms: float = 0.0
    resets_s: tuple[float, ...] = ()
    errors: tuple[Fault, ...] = ()
    slice_share: float | None = None
    uncertainty: float = 0.05

    def __post_init__(self) -> None:
        for name in ("uuid", "name"):
            _text(name, getattr(self, name))
        for name in ("memory_bytes", "step_ms", "uncertainty"):
            _number(name, getattr(self, name))
        for index, at in enumerate(self.resets_s):
            _number(f"resets_s[{index}]", at)
        if bool(self.segments) == (self.follow is not None):
            raise TraceError("segments: it wants some, or else follow")
        if self.follow and (self.step_ms or self.resets_s or self.errors):
            raise TraceError("follow: such a device has no step_ms, resets_s or errors")


@dataclass(frozen=True, slots=True)
class Trace:
    """Simulated GPUs. ``loop``: each begins again at its end; else its last segment goes on."""

    devices: tuple[Device, ...]
    loop: bool = False
    name: str = "a trace made in Python"

    def __post_init__(self) -> None:
        _one_of("loop", self.loop, (True, False))
        _text("name", self.name)
        uuids = [device.uuid for device in self.devices]
        if not uuids or len(set(uuids)) < len(uuids):
            raise TraceError("devices: it wants at least one, each with a uuid of its own")

    def energy_j(self, uuid: str, start_s: float, end_s: float) -> float:
        """The truth: what that device draws between two times of the trace, in joules, resets or not.

        Raises:
            KeyError: there is no such device, or it follows the process.
        """
        device = {d.uuid: d for d in self.devices if d.segments}[uuid]
        joules = Integral([s.seconds for s in device.segments], [s.power_w for s in device.segments], self.loop)
        return joules.until(end_s) - joules.until(start_s)


class Integral:
    """The exact integral of a quantity that is constant in each segment."""

    def __init__(self, seconds: Sequence[float], rates: Sequence[float], loop: bool) -> None:
        self.starts = [0.0, *accumulate(seconds)]
        self.rates, self.loop = rates, loop
        self.sums = [0.0, *accumulate(s * r for s, r in zip(seconds, rates, strict=True))]

    def until(self, at_s: float) -> float:
        turns, rest_s = self.turns(at_s)
        index = self.index(rest_s)
        return turns * self.sums[-1] + self.sums[index] + (rest_s - self.starts[index]) * self.rates[index]

    def turns(self, at_s: float) -> tuple[int, float]:
        """Whole passes of the trace, and the time in the present one."""
        if not self.loop:
            return 0, at_s
        turns = math.floor(at_s / self.starts[-1])
        return turns, at_s - turns * self.starts[-1]

    def index(self, rest_s: float) -> int:
        return min(bisect_right(self.starts, rest_s), len(self.rates)) - 1


# Reading


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """The trace in a JSON file.

    Raises:
        TraceError: it cannot be read, or the line or field that is wrong.
    """
    file = Path(os.path.expanduser(path))
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise TraceError(f"{file}, line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of thousands of digits
        raise TraceError(f"{file}: {error}") from None
    try:
        return trace_of(found, file.name)
    except TraceError as error:
        raise TraceError(f"{file}: {error}") from None


def trace_of(found: Any, name: str = "a trace") -> Trace:
    """The trace that such an object (as JSON gives it) describes.

    Raises:
        TraceError: which field is wrong, and what it wants.
    """
    top = {"name": name, **found} if isinstance(found, dict) else found
    return _made(Trace, _with_lists(top, "the trace", devices=_device), "the trace")


def _device(found: Any, where: str) -> Device:
    parts = _with_lists(found, where, segments=_of(Segment), errors=_of(Fault), resets_s=lambda at, _: at)
    if isinstance(parts, dict) and parts.get("follow") is not None:
        parts["follow"] = _made(Follow, parts["follow"], f"{where}.follow")
    return _made(Device, parts, where)


Made = TypeVar("Made")


def _of(kind: type[Made]) -> Callable[[Any, str], Made]:
    return lambda found, where: _made(kind, found, where)


def _with_lists(found: Any, where: str, **kinds: Callable[[Any, str], Any]) -> Any:
    """A copy in which each of these lists has been made into a tuple of what it describes."""
    if not isinstance(found, dict):
        return found
    made = dict(found)
    for name, make in kinds.items():
        if name in made and not isinstance(made[name], list):
            raise TraceError(f"{where}.{name} = {made[name]!r}: it wants a list")
        if name in made:
            made[name] = tuple(make(entry, f"{_inside(where, name)}[{i}]") for i, entry in enumerate(made[name]))
    return made


def _inside(where: str, name: str) -> str:
    return name if where == "the trace" else f"{where}.{name}"


def _made(kind: type[Made], found: Any, where: str) -> Made:
    if not isinstance(found, dict):
        raise TraceError(f"{where} = {found!r}: it wants an object")
    known = {f.name: f.default is MISSING for f in fields(kind)}  # type: ignore[arg-type]
    for name in found:
        if name not in known:
            raise TraceError(f"{_inside(where, name)}: there is no such field; there are {', '.join(known)}")
    for name, required in known.items():
        if required and name not in found:
            raise TraceError(f"{_inside(where, name)} is missing")
    try:
        return kind(**found)
    except TraceError as error:
        raise TraceError(_inside(where, str(error))) from None


def _number(name: str, value: Any, least: float = 0.0, above: float | None = None, most: float = math.inf) -> None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18
    if not fits or not (value > above if above is not None else value >= least) or value > most:
        lower = f"more than {above:g}" if above is not None else f"{least:g} or more"
        upper = f", at most {most:g}" if most < math.inf else ""
        raise TraceError(f"{name} = {value!r}: it wants a number, {lower}{upper}")


def _one_of(name: str, value: Any, known: Sequence[bool | None]) -> None:
    if not any(value is one for one in known):
        raise TraceError(f"{name} = {value!r}: it wants {', '.join(json.dumps(one) for one in known)}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value or value.encode("utf-8", "replace").decode() != value:
        raise TraceError(f"{name} = {value!r}: it wants text")
