"""What SLURM says of the job that a process runs in, by the variables that it sets: pure.

The names are those of sbatch(1), "OUTPUT ENVIRONMENT VARIABLES", and of srun(1) for steps. Only variables are read, no
program is asked, and what is not named is not known: a cluster may hand out GPUs without naming them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .record import SessionInfo

#: What is kept of a job's variables, without the ``SLURM_`` before them.
KEPT = (
    "JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "STEP_ID", "CLUSTER_NAME", "JOB_PARTITION", "JOB_NUM_NODES",
    "JOB_CPUS_PER_NODE", "CPUS_ON_NODE", "GPUS", "GPUS_ON_NODE", "JOB_GPUS", "MEM_PER_NODE", "MEM_PER_CPU",
    "MEM_PER_GPU", "JOB_START_TIME", "RESTART_COUNT",
)  # fmt: skip
#: Of these, what only counts.
SIZES = ("JOB_NUM_NODES", "JOB_CPUS_PER_NODE", "CPUS_ON_NODE", "GPUS_ON_NODE", "MEM_PER_NODE", "MEM_PER_CPU")
#: Under this name they are in a session's environment.
FACT = "slurm"
#: Steps that have a name instead of a number (slurm.h).
STEPS = {"4294967292": "extern", "4294967291": "batch", "4294967290": "interactive"}
MIB = 1024**2
_COUNT = re.compile(r"(\d+)(?:\(x(\d+)\))?")


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one job: an array's task is a job of its own, and one that was started again runs once more.

    ``gpus``, ``cpus`` and ``memory_bytes`` are of all its nodes, ``None`` where SLURM does not name them;
    ``gpus_by`` and ``cpus_by`` are the variables that do. ``started_at`` is in seconds since 1970.
    """

    id: str
    array_id: str | None = None
    task: str | None = None
    step: str | None = None
    cluster: str | None = None
    partition: str | None = None
    nodes: int = 1
    gpus: int | None = None
    gpus_by: str | None = None
    cpus: int | None = None
    cpus_by: str | None = None
    memory_bytes: int | None = None
    started_at: float | None = None
    restarts: int = 0

    @property
    def name(self) -> str:
        """As sacct and squeue call it: ``4242``, or ``4200_7`` for an array's task."""
        return f"{self.array_id}_{self.task}" if self.array_id and self.task else self.id


def facts(environ: Mapping[str, str]) -> dict[str, str]:
    """What a session keeps of it: one text in JSON; nothing outside of a job."""
    found = {name: value for name in KEPT if (value := environ.get(f"SLURM_{name}", "").strip())}
    return {FACT: json.dumps(found)} if "JOB_ID" in found else {}


def sizes(info: SessionInfo) -> dict[str, str]:
    """Of a session's job how large it was, without its number and what people have named: for anonymous files."""
    try:
        said = json.loads(info.environment[FACT])
        return {FACT: json.dumps({name: str(said[name]) for name in SIZES if name in said})}
    except (ValueError, TypeError):
        return {FACT: "{}"}


def job_of(info: SessionInfo) -> Job | None:
    """The job that a session ran in, ``None`` for none."""
    try:
        said = json.loads(info.environment.get(FACT, "null"))
    except ValueError:
        return None
    return _job(said) if isinstance(said, dict) and said.get("JOB_ID") else None


def _job(said: Mapping[str, str]) -> Job:
    nodes = _number(said.get("JOB_NUM_NODES")) or 1
    gpus, gpus_by = _gpus(said, nodes)
    cpus, cpus_by = _cpus(said, nodes)
    step = said.get("STEP_ID")
    return Job(
        said["JOB_ID"], said.get("ARRAY_JOB_ID"), said.get("ARRAY_TASK_ID"), STEPS.get(step or "", step),
        said.get("CLUSTER_NAME"), said.get("JOB_PARTITION"), nodes, gpus, gpus_by, cpus, cpus_by,
        _memory(said, nodes, gpus, cpus), _number(said.get("JOB_START_TIME")), _number(said.get("RESTART_COUNT")) or 0,
    )  # fmt: skip


def _gpus(said: Mapping[str, str], nodes: int) -> tuple[int | None, str | None]:
    """Of the whole job if that is named, else this node's times its nodes."""
    if (whole := _typed(said.get("GPUS"))) is not None:
        return whole, "SLURM_GPUS"
    times = f" × {nodes} nodes" if nodes > 1 else ""
    if (here := _number(said.get("GPUS_ON_NODE"))) is not None:
        return here * nodes, f"SLURM_GPUS_ON_NODE{times}"
    if listed := [one for one in said.get("JOB_GPUS", "").split(",") if one.strip()]:
        return len(listed) * nodes, f"SLURM_JOB_GPUS{times}"
    return None, None


def _cpus(said: Mapping[str, str], nodes: int) -> tuple[int | None, str | None]:
    if per_node := _COUNT.findall(said.get("JOB_CPUS_PER_NODE", "")):
        return sum(int(count) * int(times or 1) for count, times in per_node), "SLURM_JOB_CPUS_PER_NODE"
    here = _number(said.get("CPUS_ON_NODE"))
    return (None, None) if here is None else (here * nodes, "SLURM_CPUS_ON_NODE")


def _memory(said: Mapping[str, str], nodes: int, gpus: int | None, cpus: int | None) -> int | None:
    """In MiB by node, CPU or GPU, as it was asked for."""
    for name, times in (("MEM_PER_NODE", nodes), ("MEM_PER_CPU", cpus), ("MEM_PER_GPU", gpus)):
        if (size := _number(said.get(name))) and times:
            return size * times * MIB
    return None


def _typed(text: str | None) -> int | None:
    """``4``, ``a100:4`` or ``a100:2,v100:1``."""
    counts = [_number(part.rpartition(":")[2]) for part in text.split(",")] if text else []
    return None if not counts or None in counts else sum(count or 0 for count in counts)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
