"""What SLURM's accounting says of jobs, by its program ``sacct``: asked only on request, where there is one.

``sacct(1)``: ``--parsable2`` parts fields by ``|``; a job's own line has its allocation, those of its steps (with a dot
in their names) what these took of it. ``AllocTRES`` (since 15.08) is ``billing=4,cpu=4,gres/gpu=1,mem=16G,node=1``; it
has GPUs only where the cluster accounts for them (``AccountingStorageTRES``).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import CostMeterError

FIELDS = ("JobID", "JobIDRaw", "State", "Elapsed", "AllocTRES", "Partition")
#: Seconds that it may take: it asks a database, which may be busy.
TIMEOUT_S = 20.0
#: Jobs that one call is asked for.
SOME = 500
_ELAPSED = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Accounted:
    """One job, as it is accounted for. ``gpus`` is ``None`` where the cluster does not account for GPUs."""

    name: str  # as sacct has it: 4242, 4200_7, or 4300+1 for a heterogeneous job's component
    raw_id: str
    state: str  # RUNNING, COMPLETED, CANCELLED, …
    elapsed_s: float
    gpus: int | None
    cpus: int | None

    @property
    def gpu_s(self) -> float | None:
        return None if self.gpus is None else self.gpus * self.elapsed_s

    @property
    def cpu_s(self) -> float | None:
        return None if self.cpus is None else self.cpus * self.elapsed_s


def found() -> bool:
    """Whether there is a sacct."""
    return shutil.which("sacct") is not None


def accounted(names: Sequence[str], timeout_s: float = TIMEOUT_S) -> list[Accounted]:
    """What is accounted for these jobs; of one that accounting does not know there is none.

    Raises:
        CostMeterError: there is no sacct, it fails, or takes too long.
    """
    return [job for at in range(0, len(names), SOME) for job in parsed(_asked(names[at : at + SOME], timeout_s))]


def _asked(names: Sequence[str], timeout_s: float) -> Iterable[str]:
    words = ["--parsable2", "--noheader", "--allocations", f"--format={','.join(FIELDS)}", f"--jobs={','.join(names)}"]
    try:
        done = subprocess.run(
            ["sacct", *words], capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CostMeterError(f"sacct has not answered for {timeout_s:g} s") from error
    except OSError as error:
        raise CostMeterError(f"sacct cannot be run: {error.strerror or error}") from error
    if done.returncode:
        why = next(iter(done.stderr.strip().splitlines()), f"exit status {done.returncode}")
        raise CostMeterError(f"sacct failed: {why}")
    return done.stdout.splitlines()


def parsed(lines: Iterable[str]) -> list[Accounted]:
    """The jobs of ``sacct``'s lines; steps, jobs that have not begun, and what is no such line are left out.

    A job that was started again has a line for each run where all are asked for; else the last one's counts.
    """
    found: dict[str, Accounted] = {}
    for line in lines:
        fields = line.split("|")
        if len(fields) == len(FIELDS) and (job := _job(*fields)) is not None:
            found[job.raw_id] = job
    return list(found.values())


def _job(name: str, raw_id: str, state: str, elapsed: str, tres: str, partition: str) -> Accounted | None:
    times = _ELAPSED.fullmatch(elapsed.strip())
    if times is None or not raw_id.isdecimal() or "." in name or "[" in name:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in times.groups())
    elapsed_s = ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds
    counts = _counts(tres)
    cpus, gpus = counts.get("cpu"), counts.get("gres/gpu", _of_types(counts))
    if gpus is None and _knows_gpus(counts):
        gpus = 0
    return Accounted(name, raw_id, state.partition(" ")[0], elapsed_s, gpus, cpus)


def _counts(tres: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in tres.split(","))
    return {name: int(value) for name, _, value in pairs if value.isdecimal()}


def _of_types(counts: dict[str, int]) -> int | None:
    """Where only ``gres/gpu:a100=4`` is accounted for."""
    typed = [count for name, count in counts.items() if name.startswith("gres/gpu:")]
    return sum(typed) if typed else None


def _knows_gpus(counts: dict[str, int]) -> bool:
    return any(name.startswith("gres/gpu") for name in counts)
