"""The counters that move in steps: reads them around windows' edges, and says what each was there.

``note`` is on the user's path and only keeps a sample; the rest is the sampler's thread's work. What knows of
steps is imported where a counter has some (no machine without a GPU pays for it at ``%load_ext``).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from math import hypot
from typing import TYPE_CHECKING

from . import guard
from .reading import Reader, Sample
from .record import Channel, Figure, Provenance, Reading

if TYPE_CHECKING:
    from .stepped import Track

#: Seconds between two readings while a step is waited for.
POLL_S = 0.0008
#: Seconds for which a counter is read fast at the start, to learn its steps; then seconds of silence.
FAST_S, SILENT_S = 0.65, 0.35
#: A counter that shows less than this share of its power while it is read fast is distorted by that (FACTS §4).
DISTORTED = 0.85
#: The same where its steps are not known, so that the power is known to a step only.
UNSURE = 0.5
#: After an end: so many readings more, this many seconds apart (or a step, if that is longer), to see the power fall.
AFTER, AFTER_S = 3, 0.1
#: Half-widths that are told apart, so that few provenances come of it.
WIDTHS = (0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
UNKNOWN = "its steps are not known yet"
HIDDEN = "shorter than its counter can tell"
BACKWARDS = "the counter went backwards (reset, or the device came back)"

Place = tuple[int, int]  # of a sensor among the sensors, of a channel among its channels


@dataclass(slots=True)
class Counter:
    """One counter that moves in steps."""

    channel: Channel
    track: Track
    how: str = UNKNOWN

    @property
    def follows(self) -> bool:
        """Whether reading on after an edge tells more."""
        return self.track.grid is not None and self.track.grid.step_s > 0


class Counters:
    """The stepped counters of all sensors."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._log: deque[tuple[float, int | None, list[Reading], int | None]] = deque()
        self.found: dict[Place, Counter] = {
            (at, of): Counter(channel, _track())
            for at, sensor in enumerate(reader.sensors)
            for of, channel in enumerate(sensor.channels)
            if channel.stepped
        }
        for at, sensor in enumerate(reader.sensors):
            if patient := reader.patients.get(sensor.name):
                patient.told = partial(self._told, at)

    def note(self, sample: Sample, opened: int) -> None:
        """Keep a sample at an edge: windows opened there, less those closed."""
        if self.found:
            # As it is now: what comes into the sample later was read later, and is told with its time.
            self._log.append((sample.t_s, None, list(sample.readings), opened))

    def _told(self, at: int, t_s: float, reading: Reading) -> None:
        if self.found:
            self._log.append((t_s, at, [reading], None))

    # Off the user's path

    def calibrate(self) -> None:
        """Learn when the counters are refreshed, and whether reading distorts them. Takes a second."""
        if not self.found:
            return
        began = self._polled(FAST_S, self._calibrated)
        if all(c.track.grid is not None and not c.follows for c in self.found.values()):
            return
        fast, quiet = self._mean_w(began), self._reader.clock()
        time.sleep(SILENT_S)
        self._read()
        self.digest()
        slow = self._mean_w(quiet)
        for place, counter in self.found.items():
            if counter.track.grid is None or counter.follows:
                trusted = DISTORTED if counter.follows else UNSURE
                if place in fast and place in slow and fast[place] < trusted * slow[place]:
                    counter.track.grid = None
                    counter.how = "reading it often distorts it on this GPU, so it is read at the edges only"

    def _calibrated(self) -> bool:
        """Whether the readings so far tell each counter's grid."""
        from .refreshes import calibrated

        for counter in self.found.values():
            grid = calibrated(counter.track.readings)
            if grid is not None:
                counter.track.grid = grid
                counter.how = "read around the edges" if grid.step_s else ""
        grids = [c.track.grid for c in self.found.values()]
        return all(grid is not None and (not grid.step_s or grid.count >= 6) for grid in grids)

    def _polled(self, seconds: float, done: Callable[[], bool]) -> float:
        """Read each millisecond until ``done`` or for so long; when that began."""
        began = self._reader.clock()
        end, looks = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            self._read()
            looks += 1
            if looks % 16 == 0:
                self.digest()
                if done():
                    break
            time.sleep(POLL_S)
        self.digest()
        done()
        return began

    def _mean_w(self, since_s: float) -> dict[Place, float]:
        """Mean power since then: by the refreshes, or where they are not known by what was read."""
        found = {}
        for place, counter in self.found.items():
            known = [(p.at_s, p.value) for p in counter.track.refreshed(since_s)] if counter.follows else []
            read = [(t, value) for t, value in counter.track.readings if t >= since_s - POLL_S * 8]
            (t0, first), (t1, last) = (known or read or [(0.0, 0.0)])[0], (known or read or [(0.0, 0.0)])[-1]
            if t1 > t0:
                found[place] = (last - first) / (t1 - t0)
        return found

    def follow(self, running: Callable[[], bool]) -> None:
        """After an end: read until the counters have moved, then some times more unless something runs again."""
        self._reader.arrive()  # what it was at the end: only then is it seen to move
        self.digest()
        counters = [c for c in self.found.values() if c.follows]
        if not counters:
            return
        step = max(c.track.grid.step_s for c in counters if c.track.grid)
        before = [c.track.readings[-1][1] if c.track.readings else None for c in counters]
        end = time.monotonic() + 2.5 * step
        time.sleep(min(self._until(c) for c in counters))
        while time.monotonic() < end:
            self._read()
            self.digest()
            if all(
                c.track.readings and c.track.readings[-1][1] != old for c, old in zip(counters, before, strict=True)
            ):
                break
            time.sleep(POLL_S)
        late = max(max(0.004, 2 * c.track.grid.jitter_s) for c in counters if c.track.grid)
        pause = max(1, round(AFTER_S / step)) * step
        for number in range(AFTER):
            if running():
                return
            time.sleep(pause + (late if number == 0 else 0.0))
            self._read()
        self.digest()

    def _until(self, counter: Counter) -> float:
        """Seconds until shortly before the next refresh; none where the last one may still be to come."""
        now, grid = self._reader.clock(), counter.track.grid
        assert grid is not None
        at, slack = grid.before(now)
        margin = 2 * slack + 0.003
        if slack > grid.step_s / 4 or now - at < margin:
            return 0.0
        return max(0.0, at + grid.step_s - now - margin)

    def _read(self) -> None:
        for at in sorted({at for at, _ in self.found}):
            t_s = self._reader.clock()
            reading = self._reader.read(self._reader.sensors[at])
            self._log.append((t_s, at, [reading], None))

    def digest(self) -> None:
        """Give what was read to the tracks, in the order of time."""
        taken = sorted((self._log.popleft() for _ in range(len(self._log))), key=lambda entry: entry[0])
        for t_s, only, readings, opened in taken:
            for (at, of), counter in self.found.items():
                if opened is not None:
                    counter.track.edge(t_s, opened)
                if only is None or only == at:
                    found = readings[at : at + 1] if only is None else readings
                    if found:  # none where it was read before this sensor joined
                        counter.track.read(t_s, found[0][of])

    @property
    def unknown(self) -> bool:
        """Whether the steps of some counter are not known, though nothing speaks against learning them."""
        return any(c.track.grid is None and c.how == UNKNOWN for c in self.found.values())

    def settle(self, until_s: float, wanted: Collection[float]) -> None:
        """Fix the counters' values at the edges up to then; of the earlier ones only those ``wanted`` are kept."""
        self.digest()
        for counter in self.found.values():
            try:
                counter.track.settle(until_s)
                counter.track.forget(wanted)
            except Exception as error:  # its windows fall back to what was read at their edges
                guard.report(f"the steps of {counter.channel.provenance.source}", error)
                counter.track = _track(counter.track.epoch + 1)

    def idle_w(self, device: str | None) -> float | None:
        """What that device draws between cells, in watts, as far as is known."""
        return next((c.track.idle_w for c in self.found.values() if c.channel.device == device), None)

    def better(self, place: Place, figure: Figure, start: Sample, end: Sample) -> Figure:
        """The figure of that counter between two samples, with what the readings around them tell."""
        counter = self.found.get(place)
        if counter is None or figure.value is None:
            return figure
        one, two = counter.track.at(start.t_s), counter.track.at(end.t_s)
        origin = figure.provenance
        source = f"{origin.source}, {counter.how}" if counter.how else origin.source
        if one is None or two is None:  # still running
            from .stepped import OLD_S

            error = OLD_S * figure.value / max(end.t_s - start.t_s, OLD_S)
            return replace(figure, provenance=replace(origin, uncertainty=_width(figure.value, error, 0.05)))
        if one.epoch != two.epoch:
            return replace(figure, value=None, provenance=Provenance(None, origin.source, reason=BACKWARDS))
        value, error = two.value - one.value, hypot(one.error, two.error)
        if value <= 0 < error:
            return replace(figure, value=None, provenance=Provenance(None, source, reason=HIDDEN))
        width = _width(value, error, origin.uncertainty or 0.0)
        return replace(figure, value=value, provenance=replace(origin, source=source, uncertainty=width))


def _track(epoch: int = 0) -> Track:
    from .stepped import Track

    return Track(epoch=epoch)


def _width(value: float, error: float, base: float) -> float:
    """The relative half-width, rounded up."""
    relative = hypot(base, error / value) if value > 0 else WIDTHS[-1]
    return next((width for width in WIDTHS if relative <= width * 1.001), WIDTHS[-1])
