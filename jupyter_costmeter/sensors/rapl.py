"""CPU package and DRAM energy from RAPL, through Linux's powercap files.

``energy_uj`` counts microjoules and starts again at ``max_energy_range_uj`` (about 262 kJ:
half an hour at 150 W), so turns are added up here, at each reading. Taken to be within ±5 %
(FACTS §4). Packages and their ``dram`` parts only: ``core`` and ``uncore`` lie within a
package, ``psys`` around it, and ``intel-rapl-mmio`` repeats it.

Two counters of the machine come along, for this kernel's share: its busy CPU seconds and its memory.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..record import Channel, DeviceUse, Provenance, Reading, Status

ROOT = "/sys/class/powercap"
NONE = "no RAPL on this machine (virtual machine or container, or not Intel/AMD)"
STILL = "RAPL shows this counter, but it does not count (0 J since the start of the machine)"
DENIED = "RAPL is here, but only root may read it (CVE-2020-8694)"
REMEDY = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj   (by an administrator; lost at the next boot)"
#: More than any package draws, in watts: a counter that would have run faster was reset, not turned over.
MOST_W = 2000.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
MACHINE_CPU = Provenance("measured", "/proc/stat, the machine's busy CPU time", 0.01)
MACHINE_MEMORY = Provenance("measured", "/proc/meminfo, the machine's memory", 0.0)


@dataclass(slots=True)
class _Domain:
    """One energy counter, its file kept open. Counts on over its turns; a reset shows as a step back."""

    figure: str
    device: str
    path: Path
    turn_j: float | None
    descriptor: int | None = None
    missing: str | None = None
    _turns_j: float = 0.0
    _last_j: float = 0.0
    _read_at: float = field(default_factory=time.monotonic)

    def open(self) -> None:
        """Whether it can be read, and counts: some virtual machines and client chips show a 0 that never moves."""
        self.descriptor = _opened(self.path)
        if self.descriptor is None:
            self.missing = DENIED
        elif self.read() == 0:
            self.missing = STILL
            self.close()

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None

    def read(self) -> float | None:
        """Joules since an arbitrary start, ``None`` where the file cannot be read."""
        if self.descriptor is None:
            return None
        try:
            joules = int(os.pread(self.descriptor, 32, 0)) / 1e6
        except (OSError, ValueError):
            return None
        return self._counted(joules, time.monotonic())

    def _counted(self, joules: float, now: float) -> float:
        if joules < self._last_j and self.turn_j:
            used = joules + self.turn_j - self._last_j
            if 0 <= used <= MOST_W * (now - self._read_at + 1.0):
                self._turns_j += self.turn_j
        self._last_j, self._read_at = joules, now
        return self._turns_j + joules

    def channel(self) -> Channel:
        source = f"RAPL {self.device}" + (" DRAM" if self.figure == "dram_energy_j" else "")
        origin = Provenance("measured", source, 0.05)
        if self.descriptor is None:
            origin = Provenance(None, source, reason=self.missing)
        return Channel(self.figure, "counter", origin, self.device)


class RaplSensor:
    """Energy of each package and of its DRAM, whole machine; with what it takes to find a share.

    Only readings count turns: between two of them less than one turn may pass, else it is
    lost (a cell that holds the GIL for half an hour stops the sampler).
    """

    name = "rapl"
    may_hang = False

    def __init__(self, root: str = ROOT, proc: str = "/proc") -> None:
        self.channels: tuple[Channel, ...] = ()
        self._root = Path(root)
        self._proc = Path(proc)
        self._domains: list[_Domain] = []
        self._stat: int | None = None
        self._memory_bytes: float | None = None

    def open(self) -> Status:
        """Find the counters; those that this user may not read are named, with what an administrator can do."""
        self.close()
        self._domains = list(_domains(self._root))
        for domain in self._domains:
            domain.open()
        if not any(d.descriptor is not None for d in self._domains):
            return self._without()
        self._stat, self._memory_bytes = _opened(self._proc / "stat"), _memory_bytes(self._proc)
        machine = (
            Channel("machine_cpu_s", "counter", MACHINE_CPU),
            Channel("machine_memory_bytes", "gauge", MACHINE_MEMORY),
        )
        self.channels = (*(d.channel() for d in self._domains), *machine)
        return self._status()

    def read(self) -> Reading:
        """Joules per counter, then the machine's busy CPU seconds and its memory in bytes."""
        if not self.channels:
            return ()
        return (*[domain.read() for domain in self._domains], self._busy_s(), self._memory_bytes)

    def observe(self) -> tuple[DeviceUse, ...]:
        return ()

    def close(self) -> None:
        """The files; readings are ``None`` afterwards."""
        if self._stat is not None:
            os.close(self._stat)
        self._stat = None
        for domain in self._domains:
            domain.close()

    def _without(self) -> Status:
        reasons = {domain.missing for domain in self._domains}
        self._domains, self.channels = [], ()
        if DENIED in reasons:
            return Status(self.name, False, DENIED, REMEDY)
        return Status(self.name, False, STILL if reasons else NONE)

    def _status(self) -> Status:
        read = ", ".join(c.provenance.source or "" for c in self.channels[:-2] if c.provenance.method)
        reasons = [why for why in dict.fromkeys(d.missing for d in self._domains) if why]
        message = read + "".join(f"; for the rest: {why}" for why in reasons)
        return Status(self.name, True, message, REMEDY if DENIED in reasons else None)

    def _busy_s(self) -> float | None:
        """User (guests included), nice, system, irq, softirq and steal time of all CPUs (proc(5))."""
        if self._stat is None:
            return None
        try:
            ticks = [int(word) for word in os.pread(self._stat, 512, 0).split(b"\n", 1)[0].split()[1:9]]
            user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
        except (OSError, ValueError):
            return None
        return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def _domains(root: Path) -> Iterator[_Domain]:
    """The packages and their DRAM, each once; a folder without a name is one that a container hides."""
    seen: set[tuple[str, str]] = set()
    for package in sorted(root.glob("intel-rapl:*")):
        name = _text(package / "name")
        if name is None or not name.startswith("package"):
            continue
        for part, figure in ((package, "package_energy_j"), *((d, "dram_energy_j") for d in _dram(root, package))):
            if (figure, name) not in seen:
                seen.add((figure, name))
                yield _Domain(figure, name, part / "energy_uj", _turn_j(part))


def _dram(root: Path, package: Path) -> list[Path]:
    """A package's DRAM domain: beside it in the class's folder, and below it in the device's."""
    parts = [*root.glob(f"{package.name}:*"), *package.glob(f"{package.name}:*")]
    return [part for part in sorted(parts) if _text(part / "name") == "dram"]


def _turn_j(folder: Path) -> float | None:
    text = _text(folder / "max_energy_range_uj")
    return int(text) / 1e6 if text and text.isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _opened(path: Path) -> int | None:
    """A descriptor that can be read, else ``None``."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.pread(descriptor, 32, 0)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    return None


def _memory_bytes(proc: Path) -> float | None:
    text = _text(proc / "meminfo") or ""
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024.0 if found else None
