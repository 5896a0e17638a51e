"""AMD GPUs through ``amdsmi``, the Python package of ROCm.

The energy accumulator counts since the driver was loaded, in ticks of ``counter_resolution``
microjoules (MI200 and later; on some MI100 it stands still, ROCm/amdsmi issue 38). Keys have
changed with ROCm's releases; all that are known are understood. Tested against recorded
answers only, never on an AMD GPU by us. Nothing is imported where there is no ``/dev/kfd``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import psutil

from ..record import Channel, DeviceUse, Provenance, Reading, Status

PACKAGE, KFD = "amdsmi", "/dev/kfd"
NONE = f"no AMD GPU here ({KFD} not found)"
INSTALL = "pip install amdsmi, in the version of this machine's ROCm (or from /opt/rocm/share/amd_smi)"
COUNTER = Provenance("measured", "AMD SMI energy counter", 0.05)
#: What stands for the GPUs where amdsmi does not tell which there are.
ANY = "AMD GPU"
#: amdsmi_status_t (amdsmi.h): why a GPU gives no energy, now and later.
FOR_GOOD = {
    2: "this GPU has no energy counter",
    3: "this driver has no energy counter",
    10: "no permission to read this GPU's energy counter",
    31: "this GPU is gone",
    34: "the amdgpu driver is not loaded",
}
#: A GPU draws power when idle, too: a counter without a tick in so many seconds is stuck.
STUCK_S = 5.0
STUCK = "this GPU's energy counter stands still (a fault of its driver)"
#: The activity is an average of the last moments: it is taken to hold for at most so many seconds before.
LONGEST_S = 2.5
MIB = 2.0**20
FIRST_NAMESPACE = "pid:[4026531836]"  # the machine's own, not a container's (PROC_PID_INIT_INO)


class _Device:
    """One GPU; no dataclass, whose making alone takes 1 ms of ``%load_ext``."""

    __slots__ = ("busy_s", "handle", "looked_at", "missing", "moved_at", "name", "ticks", "uuid")

    def __init__(self, uuid: str, name: str, handle: Any) -> None:
        self.uuid, self.name, self.handle = uuid, name, handle
        self.missing: str | None = None  # why it gives no energy
        self.ticks: float | None = None
        self.moved_at = 0.0
        self.looked_at: float | None = None
        self.busy_s: float | None = None

    def channel(self) -> Channel:
        origin = Provenance(None, COUNTER.source, reason=self.missing) if self.missing else COUNTER
        return Channel("gpu_energy_j", "counter", origin, self.uuid, stepped=True)


class AmdSensor:
    """All AMD GPUs of the machine. Readings are the whole device's; ``observe`` tells who uses it.

    Where the GPUs cannot be read, one channel without a value says why; ``observe`` still tells
    whether this process tree has ``/dev/kfd`` open, without which none can be used.
    """

    name = "amd"
    may_hang = True

    def __init__(self, proc: str = "/proc", kfd: str = KFD) -> None:
        self.channels: tuple[Channel, ...] = ()
        self.names: dict[str, str] = {}
        self.memory_bytes: dict[str, int] = {}
        self._proc, self._kfd = proc, kfd
        self._devices: list[_Device] = []
        self._smi: Any = None
        self._pid = 0

    def open(self) -> Status:
        """Find the GPUs; never raises. Without any there is no channel."""
        self.close()
        self._pid, self.channels, self.names, self.memory_bytes = os.getpid(), (), {}, {}
        if not os.path.exists(self._kfd):
            return Status(self.name, False, NONE)
        if find_spec(PACKAGE) is None:
            return self._unread(f"there is an AMD driver, but not the Python package {PACKAGE}", INSTALL)
        try:
            self._smi = import_module(PACKAGE)
            self._smi.amdsmi_init()
            handles = self._smi.amdsmi_get_processor_handles()
        except Exception as error:  # a library of another version, no permission, no driver
            return self._unread(f"{PACKAGE} does not start: {_short(error)}", INSTALL)
        return self._with([self._device(index, handle) for index, handle in enumerate(handles)])

    def read(self) -> Reading:
        """Joules per GPU since its driver was loaded; ``None`` where there is no counter or no answer."""
        if os.getpid() != self._pid:
            self._again()
        if not self._devices:
            return (None,) * len(self.channels)
        now = time.monotonic()
        return tuple([self._joules(device, now) for device in self._devices])

    def observe(self) -> tuple[DeviceUse, ...]:
        """Who holds each GPU, this tree's memory on it, and its busy seconds since ``open``."""
        if os.getpid() != self._pid:
            self._again()
        if not self.channels:
            return ()
        pids = _tree()
        if not self._devices:
            return (DeviceUse(ANY, self._uses_kfd(pids)),)
        return tuple(self._use(device, pids) for device in self._devices)

    def close(self) -> None:
        """Undo our own initialisation, in the process that did it."""
        if self._devices and self._pid == os.getpid():
            with suppress(Exception):  # amdsmi's own kinds, by which nobody is harmed
                self._smi.amdsmi_shut_down()
        self._devices = []

    def _with(self, devices: list[_Device]) -> Status:
        if not devices:
            return Status(self.name, False, f"the AMD driver is here, but no GPU ({PACKAGE} lists none)")
        self._devices = devices
        self.channels = tuple(d.channel() for d in devices)
        self.names = {d.uuid: d.name for d in devices}
        message = ", ".join(d.name for d in devices)
        message += "".join(f"; no energy: {why}" for why in dict.fromkeys(d.missing for d in devices) if why)
        return Status(self.name, any(d.missing is None for d in devices), f"{message} (AMD SMI)")

    def _unread(self, message: str, remedy: str) -> Status:
        self.channels = (Channel("gpu_energy_j", "counter", Provenance(None, "AMD SMI", reason=message), ANY),)
        return Status(self.name, False, message, remedy)

    def _device(self, index: int, handle: Any) -> _Device:
        uuid = self._ask("amdsmi_get_gpu_device_uuid", handle) or f"AMD GPU {index}"
        if uuid in self.memory_bytes:  # boards without a serial number share one
            uuid = f"{uuid} #{index}"
        name = (self._ask("amdsmi_get_gpu_asic_info", handle) or {}).get("market_name")
        memory = _number((self._ask("amdsmi_get_gpu_vram_usage", handle) or {}).get("vram_total"))
        self.memory_bytes[uuid] = int((memory or 0.0) * MIB)
        device = _Device(uuid, name if isinstance(name, str) and name not in ("", "N/A") else ANY, handle)
        self._joules(device, time.monotonic())  # says at once where there is no counter
        return device

    def _ask(self, function: str, *args: Any) -> Any:
        """What that function answers, ``None`` where it cannot (or is not there)."""
        try:
            return getattr(self._smi, function)(*args)
        except Exception:  # amdsmi's own kinds; one function missing costs one figure
            return None

    def _again(self) -> None:
        """In a forked child amdsmi must be initialised again; the channels stay those that the caller knows."""
        known = self.channels
        self.open()
        if [c.device for c in self.channels] != [c.device for c in known]:
            self.channels, self._devices = known, []

    def _joules(self, device: _Device, now: float) -> float | None:
        if device.missing is not None:
            return None
        try:
            found = self._smi.amdsmi_get_energy_count(device.handle)
        except Exception as error:  # amdsmi's own kinds: a code tells whether for good
            self._failed(device, FOR_GOOD.get(_code(error)))
            return None
        ticks = _number(found.get("energy_accumulator", found.get("power")))
        micro_j = _number(found.get("counter_resolution"))
        if ticks is None or not micro_j:
            self._failed(device, FOR_GOOD[2])
            return None
        return ticks * micro_j / 1e6 if self._moves(device, ticks, now) else None

    def _moves(self, device: _Device, ticks: float, now: float) -> bool:
        if ticks != device.ticks:
            device.ticks, device.moved_at = ticks, now
        elif now - device.moved_at > STUCK_S:
            self._failed(device, STUCK)
            return False
        return True

    def _failed(self, device: _Device, why: str | None) -> None:
        """Where it is for good, the channel says so from now on; its method stays, for windows already read."""
        device.missing = why
        origin = replace(COUNTER, reason=why)
        self.channels = tuple(replace(c, provenance=origin) if c.device == device.uuid else c for c in self.channels)

    def _use(self, device: _Device, pids: set[int]) -> DeviceUse:
        busy = self._busy(device)
        processes = self._processes(device)
        if processes is None:
            return DeviceUse(device.uuid, None, busy_s=busy)
        own = {pid: used for pid, used in processes.items() if pid in pids}
        held = True if own else self._not_held(processes, pids)
        if held is None:  # we may be among them, under other numbers
            return DeviceUse(device.uuid, None, max(0, len(processes) - len(pids)), busy_s=busy)
        used, everybody = _sum(own.values()), _sum(processes.values())
        share = used / everybody if used is not None and everybody else None
        return DeviceUse(device.uuid, held, len(processes) - len(own), used, busy, memory_share=share)

    def _not_held(self, processes: Iterable[int], pids: set[int]) -> bool | None:
        """``False`` where the ids are of our namespace, or none of us can use a GPU; else it cannot be told."""
        told = all(os.path.exists(f"{self._proc}/{pid}") for pid in processes)
        told = told or _link(f"{self._proc}/self/ns/pid") == FIRST_NAMESPACE
        return False if told or not self._uses_kfd(pids) else None

    def _uses_kfd(self, pids: Iterable[int]) -> bool:
        """Whether one of us has opened what ROCm always opens."""
        for pid in pids:
            folder = f"{self._proc}/{pid}/fd"
            with suppress(OSError):
                if any(_link(f"{folder}/{file}") == self._kfd for file in os.listdir(folder)):
                    return True
        return False

    def _processes(self, device: _Device) -> dict[int, float | None] | None:
        """Memory in bytes by process that uses some; ROCm lists others, too. ``None`` where it does not tell."""
        listed = self._ask("amdsmi_get_gpu_process_list", device.handle)
        if listed is None:
            return None
        found: dict[int, float | None] = {}
        for entry in listed:
            process = entry if isinstance(entry, dict) else self._ask(*_OLD, device.handle, entry)  # before ROCm 6.1
            if process is not None and (used := _vram(process)) != 0:
                found[int(process["pid"])] = used
        return found

    def _busy(self, device: _Device) -> float | None:
        """Busy seconds so far: the activity, held to have been the same since the last look."""
        share = _number((self._ask("amdsmi_get_gpu_activity", device.handle) or {}).get("gfx_activity"))
        now = time.monotonic()
        since, device.looked_at = device.looked_at, now
        if share is None:
            return None
        passed = 0.0 if since is None else min(now - since, LONGEST_S)
        device.busy_s = (device.busy_s or 0.0) + min(share, 100.0) / 100.0 * passed
        return device.busy_s


_OLD = ("amdsmi_get_gpu_process_info",)


def _tree() -> set[int]:
    """The ids of this process and its descendants."""
    pids = {os.getpid()}
    with suppress(psutil.Error):
        pids |= {child.pid for child in psutil.Process().children(recursive=True)}
    return pids


def _vram(process: dict[str, Any]) -> float | None:
    usage = process.get("memory_usage")
    used = _number(usage.get("vram_mem")) if isinstance(usage, dict) else None
    return used if used is not None else _number(process.get("mem"))


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else sum(v or 0.0 for v in known)


def _number(value: Any) -> float | None:
    """A number; where amdsmi does not know, it says "N/A"."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _code(error: Exception) -> int:
    with suppress(Exception):  # AmdSmiLibraryException has it, the others need not
        return int(error.get_error_code())  # type: ignore[attr-defined]
    return 0


def _short(error: Exception) -> str:
    lines = f"{type(error).__name__}: {error}".strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} …"


def _link(path: str) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""
