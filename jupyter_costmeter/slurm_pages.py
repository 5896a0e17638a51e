"""What ``slurm`` answers: what SLURM gave jobs, what they used of it, and what accounting says (docs/slurm.md)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from . import sacct
from .allocations import BUSY, CPU, HELD, Allocation, added, allocations, with_accounted
from .context import Context, selection_of, title_of
from .errors import CostMeterError, UsageError
from .format import mark, quantity
from .ledger import Selection
from .pages import Page, Table
from .record import SessionInfo, Status, Total
from .slurm import Job, job_of
from .words import Parser

GPU_COLUMNS = ("job", "GPUs", "time", "GPU-h given", "held", "busy", "not held", "by sacct", "sacct − given", "state")
CPU_COLUMNS = ("job", "CPUs", "time", "CPU-h given", "used", "not used", "by sacct", "sacct − given", "state")
LEFT = {"job", "state"}
NONE = "—"
#: Less would be written as nothing, in hours of two decimals.
LEAST_S = 18.0
NO_JOBS = "Nothing of this was metered in a job of SLURM; a job's sessions say so by themselves (SLURM_JOB_ID)."
NO_SACCT = "There is no sacct here, so what the cluster accounts is not known; run this where there is one."
NAMED = (
    "given: what SLURM's variables say the job has, times the time from its start to the end of the last thing metered"
    " in it. held: with a context on a GPU; busy: computing."
)


def slurm(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Allocated and metered hours by job."""
    selection = selection_of(asked, context)
    found = [one for one in _found(selection, context) if _wanted(one, asked.jobs)]
    notes: list[str] = []
    names = [*dict.fromkeys([*(one.job.id for one in found if one.job), *asked.jobs])]
    if names:
        found = _accounted(found, names, notes)
    tables = [_table(GPU_COLUMNS, found, _gpu_row, _gpus), _table(CPU_COLUMNS, found, _cpu_row, _cpus)]
    if not found:
        return Page(f"{title_of(selection)}: SLURM", [], [NO_JOBS, *notes])
    return Page(f"{title_of(selection)}: what SLURM gave, and what was used", tables, [NAMED, *_gaps(found), *notes])


def status(info: SessionInfo) -> list[Status]:
    """For ``doctor``: the job that this runs in."""
    job = job_of(info)
    return [] if job is None else [Status("slurm", True, f"{_of(job)}: {_size(job)}")]


def notes(selection: Selection, context: Context) -> list[str]:
    """Below a session's summary: what its job was given."""
    if selection.scope != "session":
        return []
    session = context.session
    infos = [session.info] if session is not None else context.ledger.sessions(selection)
    if not any(job_of(info) for info in infos):
        return []
    return [_note(one) for one in _found(selection, context)]


def _note(one: Allocation) -> str:
    assert one.job is not None
    given = " and ".join(f"{_hours(t)} {unit}-h" for t, unit in ((one.gpu_s, "GPU"), (one.cpu_s, "CPU")) if t)
    held = one.used.get(HELD)
    used = f", of which {_hours(held)} GPU-h were held" if one.gpu_s and held else ""
    return f"{_of(one.job)} was given {_size(one.job)}: {given or 'nothing that is named'} so far{used} (declared)."


def _of(job: Job) -> str:
    step = f", step {job.step}" if job.step else ""
    where = f", partition {job.partition}" if job.partition else ""
    return f"SLURM job {job.name}{step}{where}"


def _size(job: Job) -> str:
    parts = [(job.gpus, "GPU"), (job.cpus, "CPU")]
    named = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts if count is not None]
    if job.memory_bytes:
        named.append(quantity(job.memory_bytes, "B"))
    return ", ".join(named) or "no resources that are named"


def _found(selection: Selection, context: Context) -> list[Allocation]:
    from .ledger.store import Ledger

    ledger = context.ledger
    if not isinstance(ledger, Ledger):
        raise UsageError("what jobs used is in the ledger's file, which cannot be read")
    infos = [info for info in ledger.sessions(selection) if job_of(info) is not None]
    ids = [info.id for info in infos]
    return allocations(infos, ledger.ends(ids), {i: ledger.summary(Selection("session", i)) for i in ids})


def _wanted(one: Allocation, jobs: Sequence[str]) -> bool:
    job = one.job
    return not jobs or (job is not None and bool({job.id, job.name, job.array_id} & {*jobs}))


def _accounted(found: list[Allocation], names: Sequence[str], notes: list[str]) -> list[Allocation]:
    """With what sacct says, or a note on why it says nothing."""
    if not sacct.found():
        notes.append(NO_SACCT)
        return found
    try:
        return with_accounted(found, sacct.accounted(names))
    except CostMeterError as error:
        notes.append(f"What the cluster accounts is not known: {error}.")
        return found


Row = Callable[[Allocation], list[str]]


def _table(columns: Sequence[str], found: Sequence[Allocation], row: Row, there: Callable[[Allocation], bool]) -> Table:
    """A line for each job that has such a resource, and one for all of them; without columns that say nothing."""
    rows = [row(one) for one in found if there(one)]
    if len(rows) > 1:
        rows.append(_sum(columns, [one for one in found if there(one)]))
    kept = [at for at, name in enumerate(columns) if name in LEFT or any(line[at] not in (NONE, "") for line in rows)]
    names = [columns[at] for at in kept]
    return Table(names, [[line[at] for at in kept] for line in rows], frozenset(names) - LEFT)


def _gpus(one: Allocation) -> bool:
    return bool((one.job and one.job.gpus) or (one.accounted and one.accounted.gpus))


def _cpus(one: Allocation) -> bool:
    return bool((one.job and one.job.cpus) or (one.accounted and one.accounted.cpus))


def _gpu_row(one: Allocation) -> list[str]:
    job, sure = one.job, one.accounted
    count = (job and job.gpus) or (sure and sure.gpus)
    values = _values(one.gpu_s, one.used.get(HELD), sure.gpu_s if sure else None)
    given, held, left, accounted, more = values
    return [
        one.name,
        str(count),
        _time(one),
        given,
        held,
        _hours(one.used.get(BUSY)),
        left,
        accounted,
        more,
        _state(one),
    ]


def _cpu_row(one: Allocation) -> list[str]:
    job, sure = one.job, one.accounted
    count = (job and job.cpus) or (sure and sure.cpus)
    given, used, left, accounted, more = _values(one.cpu_s, one.used.get(CPU), sure.cpu_s if sure else None)
    return [one.name, str(count), _time(one), given, used, left, accounted, more, _state(one)]


def _values(given: Total | None, used: Total | None, accounted: float | None) -> list[str]:
    """Given, used, what is left of it, accounted, and by how much that is more than given."""
    whole, part = given.value if given else None, used.value if used else None
    left = None if whole is None else max(0.0, whole - (part or 0.0))
    more = None if whole is None or accounted is None else accounted - whole
    lacks = "≤ " if used is not None and used.missing else ""
    return [_hours(given), _hours(used), f"{lacks}{_plain(left)}" if left is not None else NONE,
            _plain(accounted), _plain(more, "+")]  # fmt: skip


def _sum(columns: Sequence[str], found: Sequence[Allocation]) -> list[str]:
    """The last line: hours added up, of those jobs that have them."""
    gpus = "GPUs" in columns
    given = added(one.gpu_s if gpus else one.cpu_s for one in found)
    used = added(one.used.get(HELD if gpus else CPU) for one in found)
    sure = [(one.accounted.gpu_s if gpus else one.accounted.cpu_s) for one in found if one.accounted]
    values = _values(given, used, None)
    accounted = sum(one for one in sure if one is not None) if any(one is not None for one in sure) else None
    busy = [_hours(added(one.used.get(BUSY) for one in found))] if gpus else []
    return [f"all {len(found)}", "", "", values[0], values[1], *busy, values[2], _plain(accounted), NONE, ""]


def _hours(total: Total | None) -> str:
    """``≥ ~1.25``: the hours, and how they are known."""
    if total is None or total.value is None:
        return NONE
    said, hours = mark(total), _plain(total.value)
    if hours.startswith("<"):  # a bound of its own
        return f"{said}0.00" if "≥" in said else hours
    return f"{said}{hours}"


def _plain(seconds: float | None, sign: str = "") -> str:
    if not sign and seconds and 0 < seconds < LEAST_S:
        return "< 0.01"
    return NONE if seconds is None else f"{round(seconds / 3600, 2) + 0.0:{sign},.2f}"  # and never -0.00


def _time(one: Allocation) -> str:
    seconds = one.wall_s if one.wall_s is not None else one.accounted.elapsed_s if one.accounted else None
    return NONE if seconds is None else quantity(seconds, "s")


def _state(one: Allocation) -> str:
    return one.accounted.state.lower() if one.accounted else NONE


def _gaps(found: Sequence[Allocation]) -> list[str]:
    alone = [one.name for one in found if one.job is None]
    return [f"Of {', '.join(alone)} nothing was metered here."] if alone else []
