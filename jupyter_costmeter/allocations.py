"""What SLURM gave jobs, beside what their sessions used of it: pure.

An allocation is declared (SLURM's own variables) times time: from the job's start, or the first session's where that is
not said, to the end of the last thing that was metered in it. So several sessions of one job share one allocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .accounting import weakest
from .record import CellRecord, Provenance, SessionInfo, Summary, Total, Usage
from .sacct import Accounted
from .slurm import Job, job_of

#: What of it is used: as a session's totals call it.
HELD, BUSY, CPU = "gpu_reserved_s", "gpu_busy_s", "cpu_s"
#: Seconds by which a machine's clock may differ from that of SLURM's controller.
SAME_S = 60.0
LABEL = "SLURM allocation"


@dataclass(frozen=True, slots=True)
class Allocation:
    """One run of one job. ``used`` are ``HELD``, ``BUSY`` and ``CPU``, in seconds, as far as they are known.

    ``job`` is ``None`` for one that only accounting knows.
    """

    name: str
    job: Job | None
    cells: int
    started_at: float | None
    wall_s: float | None
    used: Mapping[str, Total]
    accounted: Accounted | None = None

    @property
    def gpu_s(self) -> Total | None:
        """GPU-seconds that SLURM gave, by the job's own variables."""
        job = self.job
        return _times("gpu_allocated_s", job.gpus, job.gpus_by, self.wall_s) if job else None

    @property
    def cpu_s(self) -> Total | None:
        """The same of CPUs."""
        job = self.job
        return _times("cpu_allocated_s", job.cpus, job.cpus_by, self.wall_s) if job else None


def allocations(
    sessions: Iterable[SessionInfo], ends: Mapping[str, float], summaries: Mapping[str, Summary]
) -> list[Allocation]:
    """The jobs in which these sessions ran, the oldest first.

    Args:
        sessions: of any; those outside of SLURM are left out.
        ends: when the last of each session's records ended (seconds since 1970), by its id.
        summaries: what each used, by its id.
    """
    jobs: dict[tuple[str | None, str, int], list[tuple[SessionInfo, Job]]] = {}
    for info in sessions:
        if (job := job_of(info)) is not None:
            jobs.setdefault((job.cluster, job.id, job.restarts), []).append((info, job))
    found = [_allocation(members, ends, summaries) for members in jobs.values()]
    return sorted(found, key=lambda one: (one.started_at or 0.0, one.name))


def _allocation(
    members: list[tuple[SessionInfo, Job]], ends: Mapping[str, float], summaries: Mapping[str, Summary]
) -> Allocation:
    infos, job = [info for info, _ in members], members[0][1]
    first = min(info.started_at for info in infos)
    said = [job.started_at for _, job in members if job.started_at is not None and job.started_at <= first + SAME_S]
    start = min([first, *said])
    end = max([first, *(ends[info.id] for info in infos if info.id in ends)])
    known = [summaries[info.id] for info in infos if info.id in summaries]
    used = {name: total for name in (HELD, BUSY, CPU) if (total := added(s.total(name) for s in known)) is not None}
    return Allocation(job.name, job, sum(one.cells for one in known), start, end - start, used)


def with_accounted(found: Iterable[Allocation], accounted: Iterable[Accounted]) -> list[Allocation]:
    """Each with what accounting says of it; what only that knows comes last, with nothing metered."""
    by_id = {one.raw_id: one for one in accounted}
    known = list(found)
    newest = {one.job.id: one for one in known if one.job is not None}  # of several runs of a job the last
    joined = [_joined(one, by_id) if one.job and newest[one.job.id] is one else one for one in known]
    others = [one for key, one in by_id.items() if key not in newest]
    return [*joined, *(Allocation(one.name, None, 0, None, None, {}, one) for one in others)]


def _joined(one: Allocation, by_id: Mapping[str, Accounted]) -> Allocation:
    assert one.job is not None
    accounted = by_id.get(one.job.id)
    return Allocation(one.name, one.job, one.cells, one.started_at, one.wall_s, one.used, accounted)


def record_of(info: SessionInfo, now: float) -> CellRecord | None:
    """How long a session's job has had its allocation until then: a record in no total; ``None`` outside of SLURM.

    What it was given is in the session's environment; so what came before the first cell and after the last counts.
    """
    job = job_of(info)
    if job is None:
        return None
    said = job.started_at if job.started_at is not None and job.started_at <= info.started_at + SAME_S else None
    start = min(info.started_at, said if said is not None else info.started_at)
    return CellRecord(
        f"{info.id}-allocation", info.id, 0, start, Usage(max(0.0, now - start)), "ok", info.notebook, info.project,
        label=LABEL, parent_id=f"{info.id}-background", bucket="background",
    )  # fmt: skip


def _times(name: str, count: int | None, by: str | None, wall_s: float | None) -> Total | None:
    if count is None or wall_s is None:
        return None
    origin = Provenance("declared", f"SLURM environment ({by}) × time since the job's start")
    return Total(name, "s", count * wall_s, origin.method, 0.0, 0, None, (str(origin.source),), ())


def added(totals: Iterable[Total | None]) -> Total | None:
    """The sum of several totals of one name; ``None`` of none."""
    found = [total for total in totals if total is not None]
    values = [total.value for total in found if total.value is not None]
    if not found:
        return None
    return Total(
        found[0].name, found[0].unit, sum(values) if values else None, weakest(*(t.method for t in found)), None,
        sum(t.missing for t in found), None, tuple(dict.fromkeys(s for t in found for s in t.sources)),
        tuple(dict.fromkeys(r for t in found for r in t.reasons)),
    )  # fmt: skip
