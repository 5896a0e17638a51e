"""``%cost flops audit``: the next cell under torch's profiler, each operator with its time and what was counted of it.

The counter sees only what it counts. The profiler sees every operator, so it tells how much of the time went
to those that are counted. It slows the cell down, so it is asked for, one cell at a time.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .flops.aten import operators
from .flops.aten.formulas import FORMULAS
from .flops.counts import between
from .flops.torch_flops import COUNTS
from .format import percent, quantity
from .pages import Page, Table

DISARMED = "The next cell runs as usual."
ARMED = "The next cell runs under torch's profiler, which slows it down; what it found is shown below that cell."
NO_TORCH = "torch was not imported when the cell began, so there was nothing to profile. Import it, then ask again."
COMPILED = "compiled graph"
MICRO = 1e-6
LEGEND = "in another: called by a counted operator, as its part; —: not counted (elementwise work is 0 by convention)."
BUSY = "A profiler of your own was running, so there is no audit: stop it, then ask again."
TAKEN = "Your code used torch's profiler, which serves one at a time, so there is no audit."


@dataclass(slots=True)
class Seen:
    """One operator over all its calls: seconds of its own, and whether it is counted (or in one that is)."""

    seconds: float = 0.0
    calls: int = 0
    counted: bool = False


class Audit:
    """One cell's audit: begun before it, ended after it."""

    def __init__(self) -> None:
        self._profile: Any = None
        self._start: Any = None
        self._why = NO_TORCH

    def start(self) -> None:
        """Before the cell, which runs in any case."""
        torch = sys.modules.get("torch")
        if torch is not None:
            try:
                self._enter(torch)
            except Exception as error:
                self._why = f"torch's profiler could not be used: {type(error).__name__}: {error}"

    def _enter(self, torch: Any) -> None:
        from torch.profiler import ProfilerActivity, profile

        if torch.autograd._profiler_enabled():  # it is the user's, and would lose what it has seen
            self._why = BUSY
            return
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        profiler = profile(activities=activities, acc_events=True)
        self._start = COUNTS.counts.snapshot()
        profiler.start()
        self._profile, self._why = profiler, ""

    def stop(self) -> Page:
        """After the cell: what it found."""
        if self._profile is None:
            return Page("FLOPs audit", notes=[self._why])
        try:
            return self._found()
        except Exception as error:
            return Page("FLOPs audit", notes=[f"torch's profiler failed: {type(error).__name__}: {error}"])

    def _found(self) -> Page:
        self._profile.stop()
        found = between(self._start, COUNTS.counts.snapshot())
        events = self._profile.events() or []
        if found.flops and not events:
            return Page("FLOPs audit", notes=[TAKEN])
        on_device = any(_device_us(event) for event in events)
        return page(_seen(events, on_device), _flops(found.flops), on_device, {(n[1], n[2]) for n in found.notes})


def _flops(flops: dict[Any, int]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for (_, name, kind, _), count in flops.items():
        found[name] += count * operators.figure(name, kind, None)[1]
    return dict(found)


def _device_us(event: Any) -> float:
    return float(getattr(event, "self_device_time_total", 0) or 0)


def _seen(events: Iterable[Any], on_device: bool) -> dict[str, Seen]:
    """Operators by name; what is no operator (a range that a library marks) only where it runs a compiled graph."""
    found: defaultdict[str, Seen] = defaultdict(Seen)
    for event in events:
        name = _called(event.name)
        if name is None:
            continue
        one = found[name]
        one.seconds += MICRO * (_device_us(event) if on_device else event.self_cpu_time_total)
        one.calls += 1
        one.counted = one.counted or _is_counted(event)
    return dict(found)


def _called(name: str) -> str | None:
    if "CompiledFxGraph" in name:
        return COMPILED
    return name if "::" in name and " " not in name else None


def _is_counted(event: Any) -> bool:
    while event is not None:
        if event.name in FORMULAS:
            return True
        event = event.cpu_parent
    return False


def page(seen: dict[str, Seen], flops: dict[str, int], on_device: bool, notes: Iterable[tuple[str, str]]) -> Page:
    """Each operator, the longest first, and what share of their time the counted ones took."""
    total = sum(one.seconds for one in seen.values())
    counted = sum(one.seconds for one in seen.values() if one.counted)
    of = "the GPU's time" if on_device else "the time of torch's operators"
    if not total:
        return Page("FLOPs audit: torch ran no operator in this cell", notes=_uncounted(notes))
    head = f"FLOPs audit: counted operators took {percent(counted / total)} of {of} ({quantity(total, 's')})"
    columns = ("operator", "time", "share", "calls", "counted FLOPs")
    rows = list(_rows(seen, flops, total))
    return Page(head, [Table(columns, rows, frozenset(columns[1:]))], [LEGEND, *_uncounted(notes)])


def _rows(seen: dict[str, Seen], flops: dict[str, int], total: float) -> Iterator[list[str]]:
    for name, one in sorted(seen.items(), key=lambda item: -item[1].seconds):
        count = quantity(flops[name], "FLOP") if name in flops else "in another" if one.counted else "—"
        yield [name, quantity(one.seconds, "s"), percent(one.seconds / total), str(one.calls), count]
    for name in sorted(flops.keys() - seen.keys()):  # counted where it was compiled: it has no time of its own
        yield [name, "—", "—", "—", quantity(flops[name], "FLOP")]


def _uncounted(notes: Iterable[tuple[str, str]]) -> list[str]:
    found = [f"{what} ({why})" for what, why in sorted(notes)]
    return [f"Not counted: {'; '.join(found)}."] if found else []
