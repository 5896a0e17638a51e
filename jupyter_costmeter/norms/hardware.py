"""Machines as forms describe them: without a host's name, which tells who ran them and helps nobody to run it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..carbon import snapshot
from ..errors import CostMeterError
from ..format import quantity
from ..statement import Grid, Machine, Statement

CPUS = "logical CPUs"


def gpus(machine: Machine) -> str:
    """``2 × NVIDIA A100-SXM4-40GB (42.9 GB each)``; nothing where there are none."""
    return "; ".join(_gpu(model, count, machine.gpu_bytes.get(model)) for model, count in machine.gpus.items())


def _gpu(model: str, count: int, memory: float | None) -> str:
    each = " each" if count > 1 else ""
    return f"{count} × {model}" + (f" ({quantity(memory, 'B')}{each})" if memory else "")


def cpu(machine: Machine) -> str:
    """``Xeon E5-2683 v4, 32 logical CPUs``."""
    return ", ".join(filter(None, [machine.cpu, f"{machine.cpus} {CPUS}" if machine.cpus else ""]))


def memory(machine: Machine) -> str:
    """``540 GB``; nothing where it is not known."""
    return quantity(machine.memory_bytes, "B") if machine.memory_bytes else ""


def storage(machine: Machine) -> str:
    """``2.00 TB``, of the disk that the session was on; nothing where it is not known."""
    return quantity(machine.storage_bytes, "B") if machine.storage_bytes else ""


def described(machine: Machine) -> str:
    """``2 × NVIDIA A100 (42.9 GB each), Xeon E5-2683 v4, 32 logical CPUs, 540 GB of memory, Linux``."""
    parts = (
        gpus(machine),
        cpu(machine),
        _of(memory(machine), "of memory"),
        _of(storage(machine), "of disk"),
        machine.system,
    )
    return ", ".join(filter(None, parts))


def _of(size: str, what: str) -> str:
    return f"{size} {what}" if size else ""


def all_described(statement: Statement) -> str | None:
    """All machines, those that are alike once, with their number."""
    return listed(_counted(statement.machines, described)) or None


def all_gpus(statement: Statement) -> str | None:
    """``2 machines, each with 2 × A100``; of one without GPUs its CPU; ``None`` where one of them is not known."""
    known = [machine for machine in statement.machines if _devices(machine)]
    return listed(_counted(known, _devices)) if known and len(known) == len(statement.machines) else None


def _devices(machine: Machine) -> str:
    return gpus(machine) or cpu(machine)


def _counted(machines: Iterable[Machine], of: Callable[[Machine], str]) -> list[str]:
    """By hosts: one whose memory or CPUs were changed is in a statement twice, and still one machine."""
    found: dict[str, set[str]] = {}
    for machine in machines:
        if text := of(machine):
            found.setdefault(text, set()).add(machine.host)
    return [f"{len(hosts)} machines, each with {text}" if len(hosts) > 1 else text for text, hosts in found.items()]


def listed(texts: Sequence[str]) -> str:
    """Numbered where there are several."""
    return texts[0] if len(texts) == 1 else "; ".join(f"({i}) {text}" for i, text in enumerate(texts, 1))


def each(statement: Statement, of: Callable[[Machine], str]) -> str | None:
    """What all machines answer, each once: ``X; Y``; ``None`` where one does not know."""
    found = [of(machine) for machine in statement.machines]
    return "; ".join(dict.fromkeys(found)) if found and all(found) else None


# Places


def region(machine: Machine) -> str:
    """``France``; a cloud's region and the place that its id names; nothing where nobody said it."""
    if not machine.region:
        return ""
    try:
        return snapshot.region(machine.region).name
    except CostMeterError:  # declared, and of no shipped region
        return machine.region


def regions(statement: Statement) -> tuple[str, ...]:
    """Where machines stand, as far as it was said, each place once."""
    return tuple(dict.fromkeys(filter(None, map(region, statement.machines))))


def provider(machine: Machine) -> str:
    """Of a cloud's region: ``gcp`` of ``gcp/us-central1``."""
    cloud, slash, _ = (machine.region or "").partition("/")
    return cloud if slash else ""


def site(machine: Machine) -> str:
    """``cluster (partition gpu)``, ``cloud (gcp)``, ``lab``, ``laptop``; nothing where nobody said it."""
    if machine.kind == "cloud" or provider(machine):
        return f"cloud ({provider(machine)})" if provider(machine) else "cloud"
    return f"cluster (SLURM partition {machine.partition})" if machine.partition else machine.kind or ""


# Tables

COLUMNS = ("machine", "GPUs", "CPU", "memory", "storage", "where", "sessions")


def workers(statement: Statement) -> Grid:
    """The compute workers, one line a machine."""
    rows = tuple(_worker(str(i), machine) for i, machine in enumerate(statement.machines, 1))
    return Grid("Compute workers", COLUMNS, rows, frozenset({"memory", "storage", "sessions"}))


def _worker(name: str, machine: Machine) -> tuple[str, ...]:
    where = ", ".join(filter(None, [site(machine), region(machine)]))
    cells = (gpus(machine) or "none", cpu(machine), memory(machine), storage(machine), where)
    return (name, *(cell or "—" for cell in cells), str(machine.sessions))
