"""The sensor: joules on the user's path; who uses the GPUs, and what became of a lost one, off it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ...record import Channel, DeviceUse, Provenance, Reading, Status
from . import devices
from .devices import UNSIZED, Device
from .library import UNTIL_BACK, Library, Unavailable, nothing
from .processes import Tree, listed
from .samples import BusySeconds, ReadJoules, SampledJoules, SmSeconds

COUNTER = Provenance("measured", "NVML energy counter", 0.05)
#: Seconds until a lost GPU is looked for again; twice as many each time that it is not there.
RETRY_S, MOST_RETRY_S = 5.0, 60.0

GONE = UNTIL_BACK[28]

_forks = 0  # of which this process is the child


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@dataclass(slots=True)
class _Watch:
    """What is added up of one device since the sensor was opened."""

    busy: BusySeconds
    sm: SmSeconds
    energy: SampledJoules | ReadJoules | None = None


class NvmlSensor:
    """The GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to this process when it is opened.

    Readings are the whole physical GPU's, also where this process has a MIG slice of it;
    ``observe`` tells who uses it. By each device's UUID: its model (``names``), the memory and
    the enforced power limit if NVML tells them, and for one without an energy counter where its
    ``sampled_j`` comes from.

    Args:
        proc: where Linux shows its processes.
        clock: monotonic seconds.
    """

    name = "nvml"
    may_hang = True

    def __init__(self, proc: str = "/proc", clock: Callable[[], float] = time.monotonic) -> None:
        self.channels: tuple[Channel, ...] = ()
        self.names: dict[str, str] = {}
        self.memory_bytes: dict[str, int] = {}
        self.power_limit_w: dict[str, float] = {}
        self.sampled_provenance: dict[str, Provenance] = {}
        self.driver: str | None = None
        self._proc, self._clock = proc, clock
        self._library = Library()
        self._devices: list[Device] = []
        self._watches: list[_Watch] = []
        self._readers: list[Callable[[], float | None]] = []
        self._forks = _forks
        self._retry_at, self._wait_s = 0.0, RETRY_S

    def open(self) -> Status:
        """Find the GPUs. Never raises; without any, one channel without a value says why."""
        self.close()
        self._forks, self.names, self.memory_bytes = _forks, {}, {}
        self.power_limit_w, self.sampled_provenance, self.driver = {}, {}, None
        try:
            self._library.start()
            self._devices = devices.found(self._library)
        except Unavailable as why:
            return self._without(why)
        self.driver = self._library.ask("nvmlSystemGetDriverVersion")
        self.names = {d.uuid: d.name for d in self._devices}
        self._connect()
        self._describe()
        self._watches = [self._watch(device) for device in self._devices]
        return self._status()

    def read(self) -> Reading:
        """Joules per GPU since its driver was loaded; ``None`` where there is no counter or no answer.

        A lost GPU stays ``None`` until ``observe`` has it back; its counter may then have started again.
        """
        if self._forks != _forks:
            self._restart()
        return tuple([read() for read in self._readers])

    def observe(self) -> tuple[DeviceUse, ...]:
        """Who holds each GPU and how much of it, cumulative since ``open``; brings a lost one back."""
        if self._forks != _forks:
            self._restart()
        self._bring_back()
        if not self._devices:
            return ()
        tree = Tree(self._proc)
        return tuple(self._use(device, watch, tree) for device, watch in zip(self._devices, self._watches, strict=True))

    def close(self) -> None:
        """Undo our own initialisation (NVML counts them), in the process that did it."""
        self._devices, self._watches = [], []
        self._readers = [nothing] * len(self.channels)
        self._library.stop()

    # Opening

    def _connect(self) -> None:
        """Find out which counters can be read, and have the channels say so."""
        self._readers = [self._reader(device) for device in self._devices]
        for read in self._readers:
            read()
        self.channels = tuple(map(_channel, self._devices))

    def _reader(self, device: Device) -> Callable[[], float | None]:
        if device.handle is None or device.missing:
            return nothing
        return self._library.counter(device.handle, partial(self._failed, device))

    def _describe(self) -> None:
        for device in self._devices:
            if (memory := self._library.ask("nvmlDeviceGetMemoryInfo", device.part)) is not None:
                self.memory_bytes[device.uuid] = int(memory.total)
            if (milliwatts := self._library.ask("nvmlDeviceGetEnforcedPowerLimit", device.handle)) is not None:
                self.power_limit_w[device.uuid] = milliwatts / 1e3

    def _watch(self, device: Device) -> _Watch:
        library, part = self._library, device.part
        busy = BusySeconds.begun(library, part)
        watch = _Watch(busy, SmSeconds.begun(library, part, busy))
        if device.missing and device.missing != UNSIZED and not device.lost:
            readings = partial(ReadJoules.begun, library, device.handle, self._clock)
            watch.energy = SampledJoules.begun(library, device.handle) or readings()
        if watch.energy is not None:
            self.sampled_provenance[device.uuid] = watch.energy.provenance
        return watch

    def _without(self, why: Unavailable) -> Status:
        self.close()
        origin = Provenance(None, "NVML", reason=why.message, absent=why.absent)
        self.channels, self._readers = (Channel("gpu_energy_j", "counter", origin),), [nothing]
        return Status(self.name, False, why.message, why.remedy)

    def _status(self) -> Status:
        names = [d.name for d in self._devices]
        shown = [f"{names.count(n)} × {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names)]
        count = "1 GPU" if len(names) == 1 else f"{len(names)} GPUs"
        message = f"{count}: {', '.join(shown)}, driver {self.driver or 'unknown'}"
        message += "".join(f"; no energy: {why}" for why in dict.fromkeys(d.missing for d in self._devices) if why)
        message += "".join(f" ({source})" for source in {o.source: 0 for o in self.sampled_provenance.values()})
        works = bool(self.sampled_provenance) or any(d.missing is None for d in self._devices)
        return Status(self.name, works, message)

    # Losing one, and having it back

    def _failed(self, device: Device, code: int) -> None:
        """Its counter did not answer; if it will not, its channel says so, with the method of windows already read."""
        device.refused(code)
        self._library.answered(code)
        self._tell(device, device.missing)
        if device.missing:
            known = zip(self._devices, self._readers, strict=False)
            self._readers = [nothing if d is device else read for d, read in known]

    def _tell(self, device: Device, reason: str | None) -> None:
        origin = replace(COUNTER, reason=reason)
        self.channels = tuple(replace(c, provenance=origin) if c.device == device.uuid else c for c in self.channels)

    def _bring_back(self) -> None:
        """At most each few seconds: NVML is started again only if nothing answers any more."""
        lost = [d for d in self._devices if d.lost]
        if not (lost or self._library.reloaded) or self._clock() < self._retry_at:
            return
        if self._library.reloaded or len(lost) == len(self._devices):
            self._restart()
        else:
            self._attach(lost)
        still = any(d.lost for d in self._devices)
        self._wait_s = min(2 * self._wait_s, MOST_RETRY_S) if still else RETRY_S
        self._retry_at = self._clock() + self._wait_s

    def _restart(self) -> None:
        """After a reload or in a forked child. The devices and the channels stay those that the caller knows."""
        self._forks = _forks
        if not self._devices:
            return
        self._library.stop()
        try:
            self._library.start()
        except Unavailable as why:
            self._gone(self._devices, why.message)
        else:
            self._attach(self._devices)

    def _attach(self, lost: Sequence[Device]) -> None:
        """New handles. What was lost stays the channel's reason, for the windows that it spoiled."""
        try:
            found = {d.uuid: d for d in devices.found(self._library)}
        except Unavailable as why:
            self._gone(lost, why.message)
            return
        self._gone([d for d in lost if d.uuid not in found])
        for device in lost:
            if again := found.get(device.uuid):
                reason, device.missing, device.lost = device.missing, again.missing, again.lost
                device.handle, device.part, device.slice_share = again.handle, again.part, again.slice_share
                self._tell(device, device.missing or reason)
        self._readers = [self._reader(device) for device in self._devices]
        self.read()

    def _gone(self, gone: Sequence[Device], reason: str | None = None) -> None:
        for device in gone:
            device.handle, device.part, device.lost = None, None, True
            device.missing = reason or device.missing or GONE
            self._tell(device, device.missing)
        self._readers = [self._reader(device) for device in self._devices]

    # Who uses them

    def _use(self, device: Device, watch: _Watch, tree: Tree) -> DeviceUse:
        library, part = self._library, device.part
        busy_s = watch.busy.look(library, part)
        sampled_j = watch.energy.look(library, device.handle) if watch.energy else None
        known = DeviceUse(device.uuid, None, busy_s=busy_s, slice_share=device.slice_share, sampled_j=sampled_j)
        processes = listed(library, part)
        if processes is None:
            return known
        held = tree.holds(processes)
        own_sm_s, all_sm_s = watch.sm.look(library, part, tree.pids, watch.busy) or (None, None)
        own = {pid: used for pid, used in processes.items() if pid in tree.pids}
        ours = len(own) if held is not None else len(tree.pids)  # unseen: at most all of us
        foreign = max(0, len(processes) - ours)
        if held is None:
            return replace(known, foreign=foreign, all_sm_s=all_sm_s)
        used, everybodys = _sum(own.values()), _sum(processes.values())
        share = used / everybodys if used is not None and everybodys else None
        known = replace(known, held=held, foreign=foreign, used_bytes=used, memory_share=share)
        return replace(known, own_sm_s=own_sm_s, all_sm_s=all_sm_s)


def _channel(device: Device) -> Channel:
    origin = Provenance(None, COUNTER.source, reason=device.missing) if device.missing else COUNTER
    return Channel("gpu_energy_j", "counter", origin, device.uuid, stepped=True)


def _sum(parts: Iterable[int | None]) -> float | None:
    """``None`` where a part is not known."""
    known = list(parts)
    return None if None in known else float(sum(part or 0 for part in known))
