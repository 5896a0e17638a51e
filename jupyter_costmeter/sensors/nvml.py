"""GPU energy, occupancy and use through NVML, by nvidia-ml-py.

The energy counter is the driver's: millijoules since it was loaded, Volta and newer, one per
physical GPU and none per MIG slice, taken to be within ±5 % (FACTS §4). Every function that
the driver lacks or refuses costs the one figure that it gives. Importing pynvml takes
20–90 ms, so nothing is imported where the library is not there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ctypes import CDLL
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import psutil

from ..record import Channel, DeviceUse, Provenance, Reading, Status

LIBRARY, UNNAMED = "libnvidia-ml.so.1", "GPU without a name"
COUNTER = Provenance("measured", "NVML energy counter", 0.05)
MIG = "a MIG slice has no energy counter: NVML counts per physical GPU"

# nvmlReturn_t (nvml.h): pynvml has the same numbers, but is not imported without a driver.
NO_PERMISSION, NOT_FOUND, NOT_LOADED, NO_DATA = 4, 6, 9, 21
UTILISATION_SAMPLES = 1  # nvmlSamplingType_t
#: Why a GPU gives no energy, now and later; after any other error the next reading may succeed.
FOR_GOOD = {
    3: "this GPU has no energy counter (before Volta)",
    4: "no permission to read this GPU's energy counter",
    13: "this driver has no energy counter",
    15: "this GPU is lost (it fell off the bus)",
    16: "this GPU needs a reset",
    28: "this GPU is gone",
}
#: Why NVML does not start, and what to do.
REFUSED = {
    4: ("no permission to use the NVIDIA driver", "ask for access to /dev/nvidia*"),
    9: ("the NVIDIA driver is not loaded", "sudo modprobe nvidia"),
    18: ("the NVIDIA driver and its library differ in version", "reboot, or reload the driver after its update"),
}
VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # of nvmlValue_t, by nvmlValueType_t
FIRST_NAMESPACE = "pid:[4026531836]"  # the machine's own, not a container's (PROC_PID_INIT_INO)


class _Unavailable(Exception):
    """No GPU can be metered: why, what to do, and whether that is because there is none."""

    def __init__(self, message: str, remedy: str | None = None, absent: bool = False) -> None:
        self.message, self.remedy, self.absent = message, remedy, absent


@dataclass(slots=True)
class _Device:
    """One GPU, or the GPU of one MIG slice; ``part`` is what this process can use of it."""

    uuid: str
    name: str
    handle: Any = None
    part: Any = None
    missing: str | None = None  # why it gives no energy
    seen_us: int | None = None  # the newest utilisation sample; None: it gives none
    busy_s: float = 0.0

    def channel(self) -> Channel:
        origin = Provenance(None, COUNTER.source, reason=self.missing) if self.missing else COUNTER
        return Channel("gpu_energy_j", "counter", origin, self.uuid)


class NvmlSensor:
    """The GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to this process when it is opened.

    Readings are the whole physical GPU's; ``observe`` tells who uses it. ``names`` and
    ``memory_bytes`` give each device's model and memory.
    """

    name = "nvml"

    def __init__(self, proc: str = "/proc") -> None:
        self.channels: tuple[Channel, ...] = ()
        self.names: dict[str, str] = {}
        self.memory_bytes: dict[str, int] = {}
        self.driver: str | None = None
        self._proc = proc
        self._devices: list[_Device] = []
        self._nvml: Any = None  # pynvml, once initialised
        self._energy_mj: Any = None  # bound once: this is on the user's path
        self._error: Any = _Unavailable  # pynvml.NVMLError, once imported
        self._pid = 0  # the process in which we initialised NVML
        self._started = False

    def open(self) -> Status:
        """Find the GPUs. Never raises; without any, one channel without a value says why."""
        self.close()
        self._pid, self.names, self.memory_bytes = os.getpid(), {}, {}
        try:
            self._start()
            self._devices = self._found()
        except _Unavailable as why:
            return self._without(why)
        self.channels = tuple(d.channel() for d in self._devices)
        self.names = {d.uuid: d.name for d in self._devices}
        return self._status()

    def read(self) -> Reading:
        """Joules per GPU since its driver was loaded; ``None`` where there is no counter or no answer.

        A lost GPU stays ``None``: after its return the counter starts again.
        """
        if os.getpid() != self._pid:
            self._again()
        if not self._devices:
            return (None,) * len(self.channels)
        return tuple([self._joules(device) for device in self._devices])

    def observe(self) -> tuple[DeviceUse, ...]:
        """Who holds each GPU, this tree's memory on it, and its busy seconds since ``open``."""
        if os.getpid() != self._pid:
            self._again()
        if not self._devices:
            return ()
        tree = _Tree(self._proc)
        return tuple(self._use(device, tree) for device in self._devices)

    def close(self) -> None:
        """Undo our own initialisation (NVML counts them), in the process that did it."""
        if self._started and self._pid == os.getpid():
            with suppress(self._error):
                self._nvml.nvmlShutdown()
        self._started, self._devices = False, []

    def _start(self) -> None:
        _require_library()
        try:
            import pynvml
        except ImportError:
            raise _Unavailable("the Python package nvidia-ml-py is missing", "pip install nvidia-ml-py") from None
        self._nvml, self._error = pynvml, pynvml.NVMLError
        self._energy_mj = pynvml.nvmlDeviceGetTotalEnergyConsumption
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise _refused(error) from None
        self._started = True
        self.driver = self._ask("nvmlSystemGetDriverVersion")

    def _found(self) -> list[_Device]:
        present = self._present()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is None or _ambiguous(visible, present):
            return present
        entries = _chosen(visible, [d.uuid for d in present])
        chosen = (present[e] if isinstance(e, int) else self._slice(e, present) for e in entries)
        found = {d.uuid: d for d in chosen if d is not None}
        if not found:
            message = f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU ({len(present)}) from this process"
            raise _Unavailable(message, "unset CUDA_VISIBLE_DEVICES and restart the kernel", absent=True)
        return list(found.values())

    def _present(self) -> list[_Device]:
        """The GPUs that this process may open, in NVML's order (by PCI bus)."""
        try:
            count = self._nvml.nvmlDeviceGetCount()
        except self._error as error:
            raise _refused(error) from None
        devices = [device for device in map(self._device, range(count)) if device]
        if not devices and count:
            raise _Unavailable("no permission to open any GPU", REFUSED[NO_PERMISSION][1])
        if not devices:
            raise _Unavailable("the NVIDIA driver finds no GPU", absent=True)
        return devices

    def _device(self, index: int) -> _Device | None:
        """``None`` where this process may not open it: CUDA does not count it either."""
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        except self._error as error:
            if error.value == NO_PERMISSION:
                return None
            return _Device(f"GPU {index}", UNNAMED, missing=FOR_GOOD.get(error.value, f"NVML: {error}"))
        uuid = self._ask("nvmlDeviceGetUUID", handle) or f"GPU {index}"
        name = self._ask("nvmlDeviceGetName", handle) or UNNAMED
        return self._prepared(_Device(uuid, name, handle, handle, missing=self._no_energy(handle)))

    def _prepared(self, device: _Device) -> _Device:
        if (memory := self._ask("nvmlDeviceGetMemoryInfo", device.part)) is not None:
            self.memory_bytes[device.uuid] = int(memory.total)
        samples = self._samples(device, 0)
        device.seen_us = None if samples is None else max((at for at, _ in samples), default=0)
        return device

    def _no_energy(self, handle: Any) -> str | None:
        mode = self._ask("nvmlDeviceGetMigMode", handle)
        if mode is not None and mode[0]:
            return MIG
        try:
            self._energy_mj(handle)
        except self._error as error:
            return FOR_GOOD.get(error.value)
        return None

    def _slice(self, uuid: str, present: Sequence[_Device]) -> _Device | None:
        """The GPU of a MIG slice: memory and processes are the slice's, energy there is none."""
        part = self._ask("nvmlDeviceGetHandleByUUID", uuid)
        if part is None:
            return None
        whole = self._ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", part)
        parent = self._ask("nvmlDeviceGetUUID", whole) if whole is not None else None
        name = next((d.name for d in present if d.uuid == parent), UNNAMED)
        return self._prepared(_Device(parent or uuid, f"{name} (a MIG slice)", whole, part, missing=MIG))

    def _ask(self, function: str, *args: Any) -> Any:
        """What that function answers, ``None`` where it cannot."""
        try:
            return getattr(self._nvml, function)(*args)
        except (self._error, AttributeError):
            return None

    def _without(self, why: _Unavailable) -> Status:
        self.close()
        origin = Provenance(None, "NVML", reason=why.message, absent=why.absent)
        self.channels = (Channel("gpu_energy_j", "counter", origin),)
        return Status(self.name, False, why.message, why.remedy)

    def _status(self) -> Status:
        names = [d.name for d in self._devices]
        shown = [f"{names.count(n)} × {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names)]
        count = "1 GPU" if len(names) == 1 else f"{len(names)} GPUs"
        message = f"{count}: {', '.join(shown)}, driver {self.driver or 'unknown'}"
        message += "".join(f"; no energy: {why}" for why in dict.fromkeys(d.missing for d in self._devices) if why)
        return Status(self.name, any(d.missing is None for d in self._devices), message)

    def _again(self) -> None:
        """In a forked child NVML must be initialised again; the channels stay those that the caller knows."""
        known = self.channels
        self.open()
        if [c.device for c in self.channels] != [c.device for c in known]:
            self.channels, self._devices = known, []

    def _joules(self, device: _Device) -> float | None:
        if device.missing is None:
            try:
                return float(self._energy_mj(device.handle)) / 1000.0
            except self._error as error:
                self._failed(device, error.value)
        return None

    def _failed(self, device: _Device, code: int) -> None:
        """Where it is for good, the channel says so from now on; its method stays, for windows already read."""
        device.missing = FOR_GOOD.get(code)
        origin = replace(COUNTER, reason=device.missing)
        self.channels = tuple(replace(c, provenance=origin) if c.device == device.uuid else c for c in self.channels)

    def _use(self, device: _Device, tree: _Tree) -> DeviceUse:
        busy = self._busy(device)
        processes = self._processes(device)
        if processes is None:
            return DeviceUse(device.uuid, None, busy_s=busy)
        held = tree.holds(processes)
        own = [used for pid, used in processes.items() if pid in tree.pids]
        ours = len(own) if held is not None else len(tree.pids)  # unseen: at most all of us
        foreign = max(0, len(processes) - ours)
        used = None if held is None or None in own else float(sum(u or 0 for u in own))
        return DeviceUse(device.uuid, held, foreign, used, busy)

    def _processes(self, device: _Device) -> dict[int, int | None] | None:
        """Memory in bytes by process with a compute context; ``None`` where NVML does not tell."""
        for function in ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"):
            found = self._ask(function, device.part) if device.part is not None else None
            if found is not None:
                return {p.pid: p.usedGpuMemory for p in found}
        return None

    def _busy(self, device: _Device) -> float | None:
        """Cumulative busy seconds. The driver keeps 10 to 20 s of samples: of more unseen, a lower bound."""
        if device.seen_us is None or (samples := self._samples(device, device.seen_us)) is None:
            return None
        device.busy_s += _integral(device.seen_us, samples)
        device.seen_us = max((at for at, _ in samples), default=device.seen_us)
        return device.busy_s

    def _samples(self, device: _Device, after_us: int) -> list[tuple[int, float]] | None:
        """(µs, busy share 0 to 1) of the samples since then, oldest first; ``None`` where unsupported."""
        try:
            kind, found = self._nvml.nvmlDeviceGetSamples(device.part, UTILISATION_SAMPLES, after_us)
        except self._error as error:
            return [] if error.value in (NOT_FOUND, NO_DATA) else None
        values = ((int(s.timeStamp), getattr(s.sampleValue, VALUES[kind]) / 100) for s in found)
        return sorted(sample for sample in values if sample[0] > after_us)


class _Tree:
    """This process and its descendants, under the ids by which NVML may name them.

    In a container NVML may report the host's process ids, or none. ``NSpid`` gives those that
    ``/proc`` knows. Where that leaves it open, nobody of us having ``/dev/nvidia-uvm`` open,
    which CUDA always opens and NVML never, proves that we hold no GPU.
    """

    def __init__(self, proc: str) -> None:
        self._proc = proc
        pids = {os.getpid()}
        with suppress(psutil.Error):
            pids |= {child.pid for child in psutil.Process().children(recursive=True)}
        self._own = ["self", *map(str, pids)]
        self.pids = pids.union(*(map(int, self._aliases(own)) for own in self._own))

    def holds(self, reported: Iterable[int]) -> bool | None:
        """Whether one of us is among those with a context; ``None`` where that cannot be told."""
        pids = set(reported)
        if pids & self.pids:
            return True
        told = bool(pids) and all(os.path.exists(f"{self._proc}/{pid}") for pid in pids)
        told = told or _link(f"{self._proc}/self/ns/pid") == FIRST_NAMESPACE
        return False if told or not any(self._uses_cuda(own) for own in self._own) else None

    def _aliases(self, own: str) -> list[str]:
        with suppress(OSError), open(f"{self._proc}/{own}/status", encoding="ascii", errors="replace") as status:
            return next((line.split()[1:] for line in status if line.startswith("NSpid:")), [])
        return []

    def _uses_cuda(self, own: str) -> bool:
        folder = f"{self._proc}/{own}/fd"
        with suppress(OSError):
            return any(_link(f"{folder}/{file}").startswith("/dev/nvidia-uvm") for file in os.listdir(folder))
        return False


def _link(path: str) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""


def _require_library() -> None:
    """Before anything is imported: is NVML there at all? A look by the loader takes 0.2 ms."""
    try:
        CDLL(LIBRARY)
    except OSError as error:
        if "No such file" not in str(error):
            raise _Unavailable(f"{LIBRARY} cannot be loaded: {error}") from None
        if _driver_loaded():
            message = f"there is an NVIDIA GPU, but not its management library ({LIBRARY} not found)"
            raise _Unavailable(message, "in a container: NVIDIA_DRIVER_CAPABILITIES=compute,utility") from None
        raise _Unavailable(f"no NVIDIA driver here ({LIBRARY} not found)", absent=True) from None


def _driver_loaded() -> bool:
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/proc/driver/nvidia/version")


def _refused(error: Any) -> _Unavailable:
    """NVML is there but does not start. Without a driver there is no GPU for this process either."""
    message, remedy = REFUSED.get(error.value, (f"NVML does not start: {error}", None))
    return _Unavailable(message, remedy, absent=error.value == NOT_LOADED and not _driver_loaded())


def _integral(since_us: int, samples: Sequence[tuple[int, float]]) -> float:
    """Seconds busy: a sample is the share since the one before; a gap of over two spacings counts as one."""
    times = [since_us or next((at for at, _ in samples), 0), *(at for at, _ in samples)]
    steps = [after - before for before, after in pairwise(times)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0
    seen = [step if step <= 2 * usual else usual for step in steps]
    return sum(share * step for (_, share), step in zip(samples, seen, strict=True)) / 1e6


def _chosen(value: str, uuids: Sequence[str]) -> list[int | str]:
    """As CUDA reads it: the first entry that names no GPU ends the list, a repeated one empties it."""
    found: list[int | str] = []
    for entry in value.split(","):
        named = _named(entry.strip(), uuids)
        if named is None:
            break
        if named in found:
            return []
        found.append(named)
    return found


def _named(entry: str, uuids: Sequence[str]) -> int | str | None:
    if entry.startswith("MIG-"):
        return entry
    if entry.startswith("GPU-"):
        matches = [index for index, uuid in enumerate(uuids) if uuid.startswith(entry)]
        return matches[0] if len(matches) == 1 else None
    digits = re.match(r"\+?\d+", entry)
    return index if digits and (index := int(digits[0])) < len(uuids) else None


def _ambiguous(value: str, present: Sequence[_Device]) -> bool:
    """CUDA numbers unlike GPUs fastest first, NVML by bus: then an index may mean either, so all are read."""
    by_index = any(entry.strip()[:1].isdigit() for entry in value.split(","))
    return by_index and len({d.name for d in present}) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
