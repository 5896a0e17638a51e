"""CPU and memory energy where no counter gives it: codecarbon's models, this process tree's part.

CPU: the machine's TDP times this tree's share of its CPU seconds, TDP × cpu_s / n_cpu; the
TDP from codecarbon's table, read by path (FACTS §2.2, §2.3). Memory: 5 W per guessed DIMM,
times this tree's share of the memory, times the wall time (codecarbon bills the whole).
These are models, good to ±50 % and to a factor of three (FACTS §4), and are labelled so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import ceil
from platform import machine

from ..record import Figure, Provenance, Status, Usage

#: codecarbon's figure for a CPU that its table lacks, watts per logical CPU.
THREAD_W = 4.0
#: Words of a CPU's name that do not tell one model from another.
NOISE = re.compile(
    r"\((r|tm)\)|(\bwith |\bw/ )?(\bamd )?\bradeon\b.*|\b\d+(-| )cores?\b|\b(quad|six|eight|twelve|sixteen)-core\b"
    r"|@.*|\bprocessor\b|\bcpu\b|\bapu\b|\b\d+th gen\b|\b(intel|amd)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cpu:
    """What Linux says of the machine's CPUs; ``virtual`` behind a hypervisor."""

    name: str | None
    sockets: int = 1
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """Joules per CPU second of this tree, and where that comes from."""

    watts: float
    provenance: Provenance


class PowerModel:
    """Fills ``cpu_energy_j`` and ``ram_energy_j`` (joules) where nothing gave them a value."""

    name = "power"

    def __init__(
        self,
        cpuinfo: str = "/proc/cpuinfo",
        cpus: int | None = None,
        memory_bytes: float | None = None,
        table: str | None = None,
    ) -> None:
        self._cpuinfo = cpuinfo
        self._cpus = cpus or os.cpu_count() or 1
        self._memory_bytes = memory_bytes or _memory_bytes()
        self._table = table
        self._rate: Rate | None = None

    def open(self) -> Status:
        """Says which CPU and TDP; a CPU that is not known is no failure, only less certain. Takes about 3 ms."""
        memory = "memory's size not known"
        if self._memory_bytes:
            gib = self._memory_bytes / 2**30
            memory = f"memory {memory_power_w(gib):.0f} W for {gib:.0f} GiB × this kernel's share"
        return Status(self.name, True, f"CPU: {self._cpu_rate().provenance.source}; {memory}")

    def estimate(self, usage: Usage) -> Usage:
        """The usage with both figures; one that has a value stays as it is."""
        for name, model in (("cpu_energy_j", self._cpu), ("ram_energy_j", self._ram)):
            there = [f for f in usage.figures if f.name == name]
            if any(f.value is not None for f in there):
                continue
            others = tuple(f for f in usage.figures if f.name != name)
            usage = replace(usage, figures=(*others, _instead(there, model(usage))))
        return usage

    def _cpu(self, usage: Usage) -> Figure:
        rate, time = self._cpu_rate(), usage.figure("cpu_s")
        if time is None or time.value is None:
            why = (time.reason if time else None) or "this kernel's CPU time could not be read"
            return Figure("cpu_energy_j", None, Provenance(None, rate.provenance.source, reason=why))
        return Figure("cpu_energy_j", rate.watts * time.value, rate.provenance)

    def _ram(self, usage: Usage) -> Figure:
        resident = _first(usage, ("rss_bytes", "peak_rss_bytes"))
        if resident is None or not self._memory_bytes:
            why = "this kernel's memory could not be read" if resident is None else "the machine's memory is not known"
            return Figure("ram_energy_j", None, Provenance(None, "codecarbon's DIMM model", reason=why))
        watts = memory_power_w(self._memory_bytes / 2**30)
        share = min(1.0, (resident.value or 0.0) / self._memory_bytes)
        source = f"{watts:.0f} W for the machine's memory (codecarbon's DIMM model, ×/÷ 3) × this kernel's share"
        return Figure("ram_energy_j", watts * share * usage.wall_s, Provenance("modelled", source, 2.0))

    def _cpu_rate(self) -> Rate:
        """Found once; the table is not kept."""
        if self._rate is None:
            self._rate = cpu_rate(_cpu(self._cpuinfo), self._cpus, self._table or _codecarbon_table())
        return self._rate


# The CPU


def cpu_rate(cpu: Cpu, cpus: int, table: str | None) -> Rate:
    """Watts per busy logical CPU: by the table's TDP, else 4 W (codecarbon's default, ±100 %).

    A virtual machine has some threads of its host's CPU: the host's TDP over the guest's
    threads would be too much by as many times, so it gets the default too.
    """
    name = cpu.name or "a CPU without a name"
    tdp = tdp_w(cpu.name, table) if table and cpu.name else None
    if tdp is not None and not cpu.virtual:
        total = tdp * cpu.sockets
        named = f"{cpu.sockets} × {name}" if cpu.sockets > 1 else name
        source = f"TDP {total:g} W × CPU time (codecarbon's table: {named})"
        return Rate(total / cpus, Provenance("modelled", source, 0.5))
    return Rate(THREAD_W, Provenance("assumed", f"{THREAD_W:g} W per thread × CPU time ({_why(cpu, tdp, table)})", 1.0))


def _why(cpu: Cpu, tdp: float | None, table: str | None) -> str:
    name = cpu.name or "this CPU, which has no name,"
    if cpu.virtual and tdp is not None:
        return f"a virtual machine on {name}: its part of the host's TDP of {tdp:g} W is not known"
    return f"{name} is not in codecarbon's table" if table else "no TDP known: codecarbon is not installed"


def tdp_w(name: str, table: str) -> float | None:
    """The TDP in watts of one CPU of that name, ``None`` where the table does not name exactly it.

    Names are compared as sets of words, less those that tell no models apart; nothing fuzzy:
    "Xeon E5-2650 v4" is not "Xeon E5-2650". Two rows that disagree are none.
    """
    wanted = _words(name)
    if not wanted:
        return None
    try:
        with open(table, encoding="utf-8") as rows:
            found = {watts for row, watts in _rows(rows, max(wanted, key=len)) if _words(row) == wanted}
    except (OSError, ValueError):
        return None
    return found.pop() if len(found) == 1 else None


def _rows(lines: Iterable[str], word: str) -> Iterator[tuple[str, float]]:
    """(name, watts) of the rows with that word: the others need not be taken apart."""
    for line in lines:
        if word in line.lower():
            name, _, watts = line.rpartition(",")
            with suppress(ValueError):  # a few rows say 27.29.5
                yield name.strip('"'), float(watts)


def _words(name: str) -> frozenset[str]:
    return frozenset(NOISE.sub(" ", name.lower()).split())


def _codecarbon_table() -> str | None:
    """Its path, without importing codecarbon (0.5 s)."""
    spec = find_spec("codecarbon")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = f"{folder}/data/hardware/cpu_power.csv"
        if os.path.exists(path):
            return path
    return None


def _cpu(path: str) -> Cpu:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return Cpu(None)
    name = re.search(r"^model name\s*:\s*(.+?)\s*$", text, re.MULTILINE)
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE))) or 1
    virtual = re.search(r"^flags\s*:.*\bhypervisor\b", text, re.MULTILINE) is not None
    return Cpu(name[1] if name else None, sockets, virtual)


# The memory


def memory_power_w(gib: float, arm: bool | None = None) -> float:
    """Watts of a machine's whole memory, as codecarbon 3.3.2 models it (FACTS §2.2).

    5 W per DIMM (ARM 1.5 W); the 5th to 8th at 90 %, to the 16th at 80 %, then 70 %; two DIMMs at least.
    """
    arm = machine().lower().startswith(("arm", "aarch")) if arm is None else arm
    dimms = _dimms(gib)
    weight = min(dimms, 4) + 0.9 * _within(dimms, 4, 8) + 0.8 * _within(dimms, 8, 16) + 0.7 * _within(dimms, 16, 32)
    return max(2, weight) * (1.5 if arm else 5.0)


def _within(count: int, low: int, high: int) -> int:
    return max(0, min(count, high) - low)


def _dimms(gib: float) -> int:
    """A guess by size: small machines by table; from 128 GiB on, eight or more of the largest that divides so."""
    for most, count in ((2, 1), (16, 2), (64, 4), (128, 8)):
        if gib <= most:
            return count
    size = max(size for size in (4, 8, 16, 32, 64, 128) if size <= gib / 8)
    return min(32, ceil(gib / size))


def _memory_bytes() -> float | None:
    """The machine's memory, ``None`` where the system does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return None


# Figures


def _first(usage: Usage, names: Iterable[str]) -> Figure | None:
    found = (usage.figure(name) for name in names)
    return next((figure for figure in found if figure is not None and figure.value is not None), None)


def _instead(failed: list[Figure], modelled: Figure) -> Figure:
    """The model's figure, saying why it stands where a counter should."""
    why = next((f.reason for f in failed if f.reason), None)
    if why is None:
        return modelled
    origin = modelled.provenance
    return replace(modelled, provenance=replace(origin, source=f"{origin.source}; instead of a counter: {why}"))
