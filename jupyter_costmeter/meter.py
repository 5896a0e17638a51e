"""Windows on the counters: a window is two samples of monotonic counters, so windows may nest.

Opening and closing only read; everything that calculates or looks around is done later,
off the user's path.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from . import accounting, guard, plugins
from .plugins import Model, Sensor
from .record import DeviceUse, Figure, Reading, Sample, Status, Usage

Clock = Callable[[], float]


@dataclass(slots=True, eq=False)
class Window:
    """A span that is being metered, or was. ``peaks`` keeps the marks that an inner window reset."""

    start: Sample
    uses: tuple[DeviceUse, ...]
    started_at: float
    parent: Window | None = None
    end: Sample | None = None
    peaks: dict[tuple[int, int], float] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Meter:
    """Opens and closes windows over some sensors.

    Args:
        sensors: those that have been asked for; each is opened here.
        models: estimate what no sensor reads.
        clock: monotonic seconds.
    """

    def __init__(self, sensors: Sequence[Sensor], models: Sequence[Model], clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.sensors = list(sensors)
        self.models = list(models)
        self.windows: list[Window] = []
        self.statuses: list[Status] = []
        self._open_sensors()
        self.uses: tuple[DeviceUse, ...] = ()

    def _open_sensors(self) -> None:
        """One that cannot even be opened is left out: its status says so."""
        opened = [(sensor, _opened(sensor)) for sensor in self.sensors]
        self.statuses = [status or Status(s.name, False, "failed to open; see the log") for s, status in opened]
        self.sensors = [sensor for sensor, status in opened if status is not None]

    def sample(self) -> Sample:
        """All sensors at one instant; one that fails reads as not measured."""
        readings = tuple([self._read(sensor) for sensor in self.sensors])
        return Sample(self.clock(), readings)

    def _read(self, sensor: Sensor) -> Reading:
        try:
            return sensor.read()
        except Exception as error:
            guard.report(f"sensor {sensor.name}", error)
            return (None,) * len(sensor.channels)

    def open_window(self, parent: Window | None = None) -> Window:
        """Start metering a span. Costs the sensors' reads; raises nothing of theirs."""
        if self.windows:
            self._keep_peaks()
        for sensor in self.sensors:
            try:
                sensor.mark()
            except Exception as error:
                guard.report(f"sensor {sensor.name}", error)
        window = Window(self.sample(), self.uses, time.time(), parent)
        self.windows.append(window)
        return window

    def _keep_peaks(self) -> None:
        """The marks are about to be reset for an inner window: the outer ones keep what they saw."""
        now = self.sample()
        for window in self.windows:
            window.peaks.update({k: max(v, window.peaks.get(k, 0.0)) for k, v in self._peaks(now)})

    def _peaks(self, sample: Sample) -> Iterator[tuple[tuple[int, int], float]]:
        for i, sensor in enumerate(self.sensors):
            for k, channel in enumerate(sensor.channels):
                value = sample.readings[i][k]
                if channel.kind == "peak" and value is not None:
                    yield (i, k), value

    def close_window(self, window: Window) -> None:
        """End the span: one sample, nothing more."""
        window.end = self.sample()
        self.windows.remove(window)

    # Off the user's path

    def observe(self) -> tuple[DeviceUse, ...]:
        """Look at what has no counter: who holds which GPU. May take milliseconds."""
        uses: list[DeviceUse] = []
        for sensor in self.sensors:
            try:
                uses += sensor.observe()
            except Exception as error:
                guard.report(f"sensor {sensor.name}", error)
        self.uses = tuple(uses)
        return self.uses

    def usage(self, window: Window, end: Sample) -> Usage:
        """What the window consumed up to ``end``: attribution, then the models for what is missing."""
        wall_s = end.t_s - window.start.t_s
        usage = accounting.attributed(wall_s, self._figures(window, end), window.uses, self.uses)
        for model in self.models:
            try:
                usage = model.estimate(usage)
            except Exception as error:
                guard.report(f"model {model.name}", error)
        return accounting.kept(usage)

    def _figures(self, window: Window, end: Sample) -> Iterator[Figure]:
        for i, sensor in enumerate(self.sensors):
            reading = tuple(_highest(value, window.peaks.get((i, k))) for k, value in enumerate(end.readings[i]))
            yield from accounting.figures(sensor.channels, window.start.readings[i], reading)


def _highest(value: float | None, kept: float | None) -> float | None:
    if value is None or kept is None:
        return value if kept is None else kept
    return max(value, kept)


def _opened(sensor: Sensor) -> Status | None:
    try:
        return sensor.open()
    except Exception as error:
        guard.report(f"sensor {sensor.name}", error)
        return None


def built_in(names: Sequence[str]) -> tuple[list[Sensor], list[Status]]:
    """The sensors of these names, and a status for each that there is not."""
    found: list[Sensor] = []
    bad: list[Status] = []
    for name in names:
        if name not in plugins.BUILT_IN["sensors"]:
            have = ", ".join(plugins.BUILT_IN["sensors"])
            bad.append(Status(name, False, f"there is no sensor {name!r}", f"CostMeter.sensors takes {have}"))
            continue
        try:
            found.append(plugins.load("sensors", name))
        except Exception as error:
            guard.report(f"sensor {name}", error)
            bad.append(Status(name, False, f"{type(error).__name__}: {error}", "install the package again"))
    return found, bad


def models() -> list[Model]:
    """All models, but those that fail to load."""
    found: list[Model] = []
    for name in plugins.BUILT_IN["models"]:
        try:
            found.append(plugins.load("models", name))
        except Exception as error:
            guard.report(f"model {name}", error)
    return found
