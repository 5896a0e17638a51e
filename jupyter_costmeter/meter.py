"""Windows on the counters: a window is two samples of monotonic counters, so windows may nest.

Opening and closing only read; everything that calculates or looks around is done later,
off the user's path.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from . import accounting, attribution, guard
from .attribution import Device
from .counters import Counters
from .parts import Parts
from .plugins import Sensor, Tracer
from .reading import WAIT_S, Reader, Sample
from .record import DeviceUse, Figure, Reading, Status, Usage

Clock = Callable[[], float]
#: A gap so long (seconds) tells what a device draws idle.
CALM_S = 1.0
STARTING = "its driver was still starting"
#: The driver keeps some 20 s of its samples: of a longer time in which nobody looked they tell the end only.
COVERED_S = 15.0
#: A look at the GPUs so soon after a window's opening (seconds) shows them as they were before it.
AT_ONCE_S = 0.05
#: The names of all modules, as they are at each look.
IMPORTED = sys.modules.keys()


@dataclass(slots=True, eq=False)
class Window:
    """A span that is being metered, or was.

    ``seen`` are the GPUs over all looks of the window, ``looked`` whether any fell into it.
    ``late_start`` and ``late_end`` are the late sensors' readings: at the opening, and the
    first after the end (a peak: the highest of all in between).
    """

    start: Sample
    uses: tuple[DeviceUse, ...]
    started_at: float
    late_start: list[Reading]
    late_end: list[Reading] | None = None
    end: Sample | None = None
    seen: dict[str, DeviceUse] = field(default_factory=dict)
    looked: bool = False
    between: bool = False  # it lies between cells


class Meter:
    """Opens and closes windows over some sensors.

    Args:
        parts: the sensors and models; each is opened here.
        clock: monotonic seconds.
        gpu_share: how the energy of a GPU that others use, too, is split (``CostMeter.gpu_share``).
        wait: open the drivers' sensors, too, which may take seconds; else ``join`` does that.
    """

    def __init__(
        self, parts: Parts, clock: Clock = time.perf_counter, gpu_share: str = "auto", wait: bool = True
    ) -> None:
        self.clock = clock
        self.gpu_share = gpu_share
        self.windows: list[Window] = []
        self.uses: tuple[DeviceUse, ...] = ()
        self.statuses: list[Status] = []
        self.models = [m for m in parts.models if self._opened(m)]
        self._tracers = [t for t in parts.tracers if self._opened(t)]
        self._awaited: dict[str, Tracer] = {t.awaits: t for t in self._tracers if hasattr(t, "awaits")}
        self._marked = [t for t in self._tracers if t not in self._awaited.values()]  # grows as they begin
        self._imported, self._more = 0, parts.more  # so many modules, when they were last looked at
        self._starting = [s for s in parts.sensors if s.may_hang]
        self._sensors = [s for s in parts.sensors if not s.may_hang and self._opened(s)]
        self._late = [s for s in parts.late if self._opened(s)]
        self._unsettled: list[Window] = []
        self._unobserved: list[Window] = []
        self._taking, self._observing, self._noticing, self._completing = (threading.Lock() for _ in range(4))
        self._late_now: list[Reading] = []
        self._moving = False  # whether a late sensor is urgent; changes only as it is taken
        self.joined = threading.Event()
        self._calm_w: dict[str, float] = {}
        self._tries = 3  # to learn the counters' steps, after the first
        self._before: list[Reading] = []  # the drivers' counters as they joined
        self._paused = False
        self._prepare(self._sensors)
        self.take()
        if wait or not (self._starting or self._more):
            self.join()

    def _prepare(self, sensors: Sequence[Sensor]) -> None:
        ready = {status.name for status in self.statuses if status.ok}
        self.reader = Reader([s for s in sensors if s.name in ready], self.clock)
        self.counters = Counters(self.reader)
        # One that is not ready has channels that say why, and is not asked.
        self._silent = [s for s in sensors if s.name not in ready]

    def join(self) -> None:
        """Open the drivers' sensors: importing pynvml and starting NVML takes 0.1 s, or 3 where no one else uses it.

        They come last, so that what was sampled before keeps its order.
        """
        self.complete()
        self._sensors = [*self._sensors, *(s for s in self._starting if self._opened(s))]
        self._starting = []
        known = len(self.reader.sensors)
        self._prepare(self._sensors)
        first = self.reader.sample()
        self._before = first.readings
        if len(self.reader.sensors) > known:
            self.counters.note(first, len(self.windows))  # those that are open now are not known to it
        self.joined.set()

    def complete(self) -> None:
        """Load what is wanted by the first record only: 15 ms that ``%load_ext`` does not wait for."""
        with self._completing:  # whoever comes first, and the others wait for it
            if self._more is not None:
                more = self._more()
                self.statuses += more.problems
                models, starting = [m for m in more.models if self._opened(m)], [*self._starting, *more.sensors]
                self.models, self._starting, self._more = [*self.models, *models], starting, None

    def _opened(self, sensor: Any) -> bool:
        """One that cannot even be opened is left out: its status says so."""
        try:
            self.statuses.append(sensor.open())
        except Exception as error:
            guard.report(f"sensor {sensor.name}", error)
            self.statuses.append(Status(sensor.name, False, f"{type(error).__name__}: {error}", "report this as a bug"))
            return False
        return True

    # On the user's path

    def sample(self) -> Sample:
        """All sensors at one instant, and the marks of the tracers that have begun."""
        if len(IMPORTED) != self._imported:  # looking each name up costs a cold cell 2 µs
            self._notice()
        return self.reader.sample(tuple([tracer.mark() for tracer in self._marked]) if self._marked else ())

    def _notice(self) -> None:
        """Modules have come: a tracer that waited for one of them is marked from now on."""
        with self._noticing:  # an interrupt may hit between any two lines: then the next edge looks again
            imported, begun = len(IMPORTED), self._awaited.keys() & IMPORTED
            self._marked += [t for name in sorted(begun) if (t := self._awaited[name]) not in self._marked]
            self._awaited = {name: tracer for name, tracer in self._awaited.items() if name not in begun}
            self._imported = imported

    def boundary(self) -> Sample:
        """A sample that begins or ends a gap, with no window."""
        sample = self.sample()
        self.counters.note(sample, 0)
        return sample

    def drop(self) -> None:
        """Forget the windows that are open: an interrupt left them so."""
        self.counters.note(self.sample(), -len(self.windows))
        self.windows.clear()

    def open_window(self, sample: Sample | None = None) -> Window:
        """Start metering a span, at a sample just taken or one of now; raises nothing of the sensors."""
        if self._moving or self._unsettled or self.windows:
            self.take(quick=True)
        sample = sample or self.sample()
        if self.counters.found:
            self.counters.note(sample, 1)
        window = Window(sample, self.uses, time.time(), self._late_now)
        self.windows.append(window)
        return window

    def close_window(self, window: Window) -> None:
        """End the span: one sample; the late sensors are asked now only if they are moving."""
        window.end = self.sample()
        if self.counters.found:
            self.counters.note(window.end, -1)
        if window in self.windows:  # another thread may have cleared what seemed left behind
            self.windows.remove(window)
        self._unsettled.append(window)
        self._unobserved.append(window)
        if self._moving:
            self.take(quick=True)

    def gap(self, before: Window | Sample, after: Window | Sample) -> Window:
        """The span between two windows, from the end of the one to the start of the other."""
        start = before.end or before.start if isinstance(before, Window) else before
        earlier = before.late_end or before.late_start if isinstance(before, Window) else self._late_now
        seen = tuple(before.seen.values()) or before.uses if isinstance(before, Window) else self.uses
        found = Window(start, seen, time.time(), earlier, looked=True, between=True)
        found.end = after.start if isinstance(after, Window) else after
        found.late_end = after.late_start if isinstance(after, Window) else self._late_now
        # Where nobody had looked yet as the gap ended: as it was seen since.
        for use in (after.uses if isinstance(after, Window) else ()) or self.uses:
            found.seen[use.device] = use
        return found

    def take(self, quick: bool = False) -> None:
        """Ask the late sensors, for the windows that are open and those that have ended since."""
        with self._taking:  # a mark that two threads take at once would be lost to one of them
            taken = self._take(quick)
            ended, self._unsettled = self._unsettled, []
            for window in [*self.windows, *ended]:
                window.late_end = self._folded(window.late_end, taken)
            self._late_now = taken
            self._moving = any(sensor.urgent for sensor in self._late)

    def _take(self, quick: bool) -> list[Reading]:
        readings: list[Reading] = []
        for sensor in self._late:
            try:
                readings.append(sensor.take(quick))
            except Exception as error:
                guard.report(f"sensor {sensor.name}", error)
                readings.append((None,) * len(sensor.channels))
        return readings

    def _folded(self, before: list[Reading] | None, now: list[Reading]) -> list[Reading]:
        """Counters as of now; high-water marks, which each ``take`` resets, as the highest so far."""
        if before is None:
            return now
        return [
            tuple(
                _highest(old, new) if channel.kind == "peak" else new
                for channel, old, new in zip_longest(sensor.channels, earlier, later)
            )
            for sensor, earlier, later in zip(self._late, before, now, strict=True)
        ]

    # Off the user's path

    @property
    def holds(self) -> bool:
        """Whether this process tree holds a GPU, as of the last look."""
        return any(use.held is not False for use in self.uses)

    def pause_tracing(self) -> None:
        """Take out what tracers have put into other libraries."""
        for tracer in self._tracers:
            tracer.close()
        self._paused = True

    def resume_tracing(self) -> None:
        """Put it in again."""
        if self._paused:
            self._paused = False
            for tracer in self._tracers:
                tracer.open()

    def tracer(self, name: str) -> Tracer | None:
        """The tracer of that name, if it is one of the meter's."""
        return next((tracer for tracer in self._tracers if tracer.name == name), None)

    @property
    def states(self) -> list[Status]:
        """Of all sensors, as they are now: those that owe an answer, too."""
        self.complete()
        now = {tracer.name: tracer.status() for tracer in self._tracers}
        return [*(now.get(status.name, status) for status in self.statuses), *self._silent_ones()]

    def _silent_ones(self) -> list[Status]:
        late = [(name, p.silent_s) for name, p in self.reader.patients.items() if p.silent_s > WAIT_S]
        why = "its driver hangs; cells do not wait for it, and their figures lack it meanwhile"
        return [Status(name, False, f"has not answered for {seconds:.0f} s: {why}") for name, seconds in late]

    def devices(self, what: str = "names") -> dict[str, Any]:
        """What sensors know of their devices, by the devices: their models, or (of some) ``memory_bytes``."""
        return {device: told for s in self._sensors for device, told in getattr(s, what, {}).items() if told}

    @property
    def follows(self) -> bool:
        """Whether reading on after an end would tell more."""
        return self.holds and not self.hangs and any(counter.follows for counter in self.counters.found.values())

    @property
    def hangs(self) -> bool:
        """Whether a driver owes an answer for longer than anybody waits."""
        return any(patient.silent_s > WAIT_S for patient in self.reader.patients.values())

    def recalibrate(self) -> None:
        """Learn the counters' steps after all, where the first cell kept us from it. Takes a second."""
        if self.holds and not self.hangs and self._tries and self.counters.unknown:
            self._tries -= 1
            self.counters.calibrate()

    def observe(self) -> tuple[DeviceUse, ...]:
        """Look at what has no counter: who holds which GPU. May take milliseconds."""
        with self._observing:
            ended, self._unobserved = self._unobserved, []
            running = list(self.windows)
            self.uses = tuple(use for sensor in self._sensors for use in self.reader.observe(sensor))
            now = self.clock()
            for window in running:
                if not window.looked and now - window.start.t_s < AT_ONCE_S:
                    window.uses = self.uses
            for window in [*running, *ended]:
                _fold(window, self.uses)
            for window in running:
                window.looked = True
        return self.uses

    def settle(self, ended: Sequence[Window], keep: Iterable[float]) -> None:
        """Fix the stepped counters at the edges of these windows; their values at ``keep`` are wanted later, too."""
        until = max((w.end.t_s for w in ended if w.end is not None), default=None)
        wanted = {*keep, *(w.start.t_s for w in [*self.windows, *ended]), *(w.end.t_s for w in ended if w.end)}
        self.reader.arrive()
        if until is not None:
            with self._observing:
                self.counters.settle(until, wanted)

    def usage(self, window: Window, end: Sample) -> Usage:
        """What the window consumed up to ``end``: attribution, then the models for what is missing."""
        self.complete()
        self.reader.arrive()
        wall_s = end.t_s - window.start.t_s
        devices = [self._device(use, window) for use in window.seen.values()]
        figures = [*self._figures(window, end), *self._traced(window, end)]
        if window.between and wall_s >= CALM_S:
            self._note_calm(figures, wall_s)
        usage = attribution.attributed(wall_s, figures, devices, window.looked, self.gpu_share, self._calm_w)
        if self.tracer("torch_flops") is not None:
            usage = attribution.with_children(usage)
        for model in self.models:
            try:
                usage = model.estimate(usage)
            except Exception as error:
                guard.report(f"model {model.name}", error)
        return accounting.kept(usage)

    def _note_calm(self, figures: Sequence[Figure], wall_s: float) -> None:
        """The lowest power of each device between cells is what it draws idle."""
        for figure in figures:
            if figure.name in attribution.IDLING and figure.value and figure.device:
                watts = figure.value / wall_s
                self._calm_w[figure.device] = min(watts, self._calm_w.get(figure.device, watts))

    def _device(self, use: DeviceUse, window: Window) -> Device:
        before = next((u for u in window.uses if u.device == use.device), None)
        sampled = [s.sampled_provenance.get(use.device) for s in self._sensors if hasattr(s, "sampled_provenance")]
        origin = next((found for found in sampled if found), None)
        idle_w = self.counters.idle_w(use.device) or self._calm_w.get(use.device)
        end = window.end or window.start
        watched = not window.between or end.t_s - window.start.t_s <= COVERED_S
        return Device(use, before, idle_w, origin, watched)

    def _figures(self, window: Window, end: Sample) -> Iterator[Figure]:
        start = window.start
        earlier = [*start.readings, *self._before[len(start.readings) :]]
        for at, sensor in enumerate(self.reader.sensors[: len(end.readings)]):
            for of, figure in enumerate(accounting.figures(sensor.channels, earlier[at], end.readings[at])):
                yield self.counters.better((at, of), figure, start, end)
        for sensor in self.reader.sensors[len(end.readings) :]:
            for channel in sensor.channels:
                yield Figure(channel.name, None, accounting.missing(channel.provenance, STARTING), channel.device)
        for sensor in self._silent:
            nothing = (None,) * len(sensor.channels)
            yield from accounting.figures(sensor.channels, nothing, nothing)
        late_end = window.late_end or self._late_now
        for late, before, after in zip(self._late, window.late_start, late_end, strict=True):
            count = len(late.channels)  # which may have grown since
            yield from accounting.figures(late.channels, _padded(before, count), _padded(after, count))

    def _traced(self, window: Window, end: Sample) -> Iterator[Figure]:
        """What the tracers saw being launched in the window; one that had not begun at an edge has no mark of it."""
        for tracer, start, stop in zip_longest(list(self._marked), window.start.marks, end.marks):
            try:
                yield from tracer.figures(start, stop)
            except Exception as error:
                guard.report(f"tracer {tracer.name}", error)

    def close(self) -> None:
        """Let go of the devices."""
        opened: list[Any] = [*self._sensors, *self._late, *self._tracers]
        for sensor in opened:
            try:
                sensor.close()
            except Exception as error:
                guard.report(f"sensor {sensor.name}", error)


def _fold(window: Window, uses: Sequence[DeviceUse]) -> None:
    """One more look at the GPUs of a window, which began as they were last seen before it."""
    began = {use.device: replace(use, foreign=0, used_bytes=None) for use in window.uses}
    for use in uses:
        before = window.seen.get(use.device) or began.get(use.device)
        window.seen[use.device] = before.and_then(use) if before else use


def _padded(reading: Reading, count: int) -> Reading:
    return (*reading, *(None,) * (count - len(reading)))


def _highest(one: float | None, other: float | None) -> float | None:
    there = [value for value in (one, other) if value is not None]
    return max(there, default=None)
