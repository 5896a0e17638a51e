"""Ray clusters that a kernel's cells work on: what Ray's workers spend is metered where they are this kernel's own.

Ray has no public hook by which a task says which cell sent it (docs/ray.md), so of a cluster elsewhere one record for
each job says that its workers are not metered: totals that lack them are lower bounds, never silent.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from .. import guard
from ..accounting import missing
from ..billing import bill
from ..record import UNCOUNTED, CellRecord, Figure, Provenance, Usage
from ..runs import Run, record_id_of
from ..session import Session

RAY = Provenance(None, "Ray's workers")
NO_HOOK = "Ray has no public hook for what a cell's tasks spend"
#: What such a job's totals lack: their energy, the GPUs that they may hold, their FLOPs.
LACKING = ("cpu_energy_j", "gpu_reserved_s", UNCOUNTED)


@dataclass(frozen=True, slots=True)
class Job:
    """A driver's connection to a cluster: its job's id, the address, the cell that ended first in it."""

    id: str
    address: str
    cell_id: str
    inside: bool

    @property
    def name(self) -> str:
        return f"Ray job {self.id} at {self.address}"


class Rays:
    """The Ray jobs of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.jobs: dict[tuple[str, str], Job] = {}
        session.elsewhere["Ray"] = self.notes

    @guard.guarded("Ray")
    def greet(self, run: Run) -> None:
        """A cell has ended: if it works in a job that is new, say what that means, on a thread of ours."""
        ray = sys.modules["ray"]  # the hook has looked
        if not getattr(ray, "is_initialized", bool)():  # it may be in the middle of its import
            return
        key = _of_now(ray)
        if key not in self.jobs:
            self.jobs[key] = job = Job(*key, record_id_of(run, self.session.info), False)
            threading.Thread(target=self._join, args=(key, job, run), name="costmeter-ray", daemon=True).start()

    @guard.guarded("a Ray cluster")
    def _join(self, key: tuple[str, str], job: Job, run: Run) -> None:
        with self.session.overhead.working():
            if has_raylet():
                self.jobs[key] = Job(*key, job.cell_id, True)
                return
            lacks = tuple(Figure(name, None, missing(RAY, NO_HOOK), job.name) for name in LACKING)
            bill(self.session, run, f"ray-{job.id}", run.window.started_at, Usage(0.0, lacks))

    def notes(self, record: CellRecord | None = None) -> Iterator[str]:
        """What a reader must know of jobs, or of the one that began with a cell."""
        for job in list(self.jobs.values()):
            if record is None or record.id == job.cell_id:
                own = "its workers are in this kernel's own process tree: in the cells' own figures"
                other = "what its workers spent is not metered, and in no cell's figures"
                yield f"{job.name}: {own if job.inside else other}."


def has_raylet() -> bool:
    """Whether a Ray node is among this process's descendants, as after ``ray.init()`` without an address."""
    return any(_name(child) == "raylet" for child in psutil.Process().children(recursive=True))


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:  # it has just ended
        return ""


def _of_now(ray: Any) -> tuple[str, str]:
    """The job's id and the cluster's address; a client of ``ray://`` is not told them."""
    context = ray.get_runtime_context()
    try:
        return str(context.get_job_id()), str(context.gcs_address)
    except Exception:
        return "?", "ray://"
