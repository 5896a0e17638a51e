"""The plain frozen records that flow through everything.

Units are in the names. ``None`` means *not measured*, never zero, and a figure without a
value says why in ``reason``. Nothing here imports anything of this package but what a tag is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from .tag import Tag

Method = Literal["measured", "modelled", "assumed", "declared"]
Outcome = Literal["ok", "error", "interrupted", "killed"]
Kind = Literal["counter", "peak", "gauge"]
#: Where a joule or a GPU-second of a session belongs: exactly one of these.
#: ``remote`` is what others did for a cell outside of this process tree: a cluster's workers, a batch job.
Bucket = Literal["cell", "held_idle", "background", "remote"]
BUCKETS: tuple[Bucket, ...] = ("cell", "held_idle", "background", "remote")

#: Of the operands that are multiplied; ``int`` is any integer but the 8-bit ones.
Precision = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int8", "int"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
#: FLOPs of operators that were counted exactly, by precision (a multiply-add is 2; FACTS §5), and of those whose
#: formula gives the leading order only (linear algebra, FFT).
COUNTED = tuple(f"flops_{precision}" for precision in PRECISIONS)
LEADING = ("flops_fp64_leading", "flops_fp32_leading", "flops_fp16_leading")
#: Never has a value: what else did arithmetic (its ``device`` names it), and why it was not counted (its reason).
UNCOUNTED = "flops_uncounted"
#: The parts of the derived figure ``flops``.
FLOPS = (*COUNTED, *LEADING, UNCOUNTED)

#: How a figure of several windows becomes one: totals add up, high-water marks do not.
SUMMED = (
    "cpu_s",
    "cpu_energy_j",
    "cpu_idle_energy_j",
    "ram_energy_j",
    "gpu_energy_j",
    "gpu_idle_energy_j",
    "gpu_device_energy_j",
    "gpu_reserved_s",
    "gpu_busy_s",
    "task_s",
    *COUNTED,
    *LEADING,
    "flops_hardware",
)
HIGHEST = ("peak_rss_bytes", "peak_gpu_bytes")
#: The parts of the derived figure ``energy_j``. What a device draws when idle is a part of its energy,
#: and ``gpu_device_energy_j`` is the whole device's, of which ``gpu_share`` is ours.
ENERGY = ("cpu_energy_j", "ram_energy_j", "gpu_energy_j")
UNITS = {
    "cpu_s": "s",
    "gpu_reserved_s": "s",
    "gpu_busy_s": "s",
    "task_s": "s",  # of tasks that others run for a cell, each thread by itself
    "gpu_share": "1",
    "cpu_energy_j": "J",
    "cpu_idle_energy_j": "J",
    "ram_energy_j": "J",
    "gpu_energy_j": "J",
    "gpu_idle_energy_j": "J",
    "gpu_device_energy_j": "J",
    "energy_j": "J",
    "power_w": "W",
    "peak_rss_bytes": "B",
    "peak_gpu_bytes": "B",
    "flops": "FLOP",
    **dict.fromkeys(FLOPS, "FLOP"),
    "flops_hardware": "FLOP",  # by the GPU's own pipe counters: beside the counted ones, never in them
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a figure comes from, shared by all figures that come from there.

    ``uncertainty`` is a relative half-width (0.05 is ±5 %; FACTS §4). ``absent`` tells
    "this machine has no such device", which leaves a total complete, from "it could not be
    read", which does not.
    """

    method: Method | None
    source: str | None = None
    uncertainty: float | None = None
    reason: str | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one window, of one device where there are several."""

    name: str
    value: float | None
    provenance: Provenance
    device: str | None = None

    @property
    def unit(self) -> str:
        return UNITS[self.name]

    @property
    def method(self) -> Method | None:
        return self.provenance.method

    @property
    def source(self) -> str | None:
        return self.provenance.source

    @property
    def uncertainty(self) -> float | None:
        return self.provenance.uncertainty

    @property
    def reason(self) -> str | None:
        return self.provenance.reason


@dataclass(frozen=True, slots=True)
class Channel:
    """One number that a sensor reads: what it is, and where it comes from.

    ``wrap`` is the value at which a counter starts again from zero (RAPL), ``None`` for one
    that does not. The name need not be one of ``UNITS``: machine-wide counters feed attribution.
    ``stepped`` counters are refreshed only now and then (NVML: each 20 or 100 ms), so that a
    reading is older than it looks: the meter reads such a one around a window's edges, too.
    """

    name: str
    kind: Kind
    provenance: Provenance
    device: str | None = None
    wrap: float | None = None
    stepped: bool = False


Reading = tuple["float | None", ...]  # aligned with the sensor's channels


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """What can be seen of one GPU off the user's path: who holds it, how busy it has been.

    ``held`` tells whether this process tree has a context there (``None``: cannot be seen),
    ``foreign`` how many processes of others have. ``used_bytes`` is this tree's memory now,
    ``memory_share`` its part (0 to 1) of what all processes use there, ``slice_share`` a MIG
    slice's part of its GPU's compute slices. Cumulative since the sensor was opened: ``busy_s``;
    ``own_sm_s`` and ``all_sm_s``, the SM time of this tree's processes and of everybody's by the
    driver's samples of each process; ``sampled_j``, the driver's power samples integrated, where
    the device has no energy counter. Of several looks: held and foreign at any time, the most
    bytes, and ``partly`` where not all of them found it held.
    """

    device: str
    held: bool | None
    foreign: int = 0
    used_bytes: float | None = None
    busy_s: float | None = None
    partly: bool = False
    own_sm_s: float | None = None
    all_sm_s: float | None = None
    memory_share: float | None = None
    slice_share: float | None = None
    sampled_j: float | None = None

    def and_then(self, later: DeviceUse) -> DeviceUse:
        """This look and a later one as one."""
        held = True if self.held or later.held else later.held
        partly = self.partly or later.partly or (bool(held) and self.held != later.held)
        used = [b for b in (self.used_bytes, later.used_bytes) if b is not None]
        most, foreign = max(used, default=None), max(self.foreign, later.foreign)
        return replace(later, held=held, foreign=foreign, used_bytes=most, partly=partly)


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process tree consumed in one window."""

    wall_s: float
    figures: tuple[Figure, ...] = ()

    def figure(self, name: str, device: str | None = None) -> Figure | None:
        """The figure of that name (and device), or ``None`` where there is none."""
        for figure in self.figures:
            if figure.name == name and (device is None or figure.device == device):
                return figure
        return None


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One run of one process: a kernel from its start to its end, or a script."""

    id: str
    started_at: float  # seconds since 1970, UTC
    host: str
    user: str
    pid: int
    pid_started_at: float  # tells this process from a later one with the same id
    notebook: str | None = None
    project: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def device_names(self) -> dict[str, str]:
        """The models of the session's devices, by what figures call them."""
        found: dict[str, str] = json.loads(self.environment.get("devices", "{}"))
        return {"CPU": self.environment.get("cpu", "CPU"), **found}


#: The error of a cell that a budget kept from starting.
HOLD = "BudgetHold"


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One run of one cell (or of one ``measure`` block): raw facts only.

    A record with a ``parent_id`` lies inside another's window, so totals leave it out.
    """

    id: str
    session_id: str
    seq: int
    started_at: float  # seconds since 1970, UTC; durations come from the monotonic clock
    usage: Usage
    outcome: Outcome
    notebook: str | None = None
    project: str | None = None
    cell_id: str | None = None
    execution_count: int | None = None
    code_hash: str | None = None
    label: str | None = None
    error_type: str | None = None
    parent_id: str | None = None
    #: What is no cell's is a record, too: its ``seq`` is that of the cell before it; of ``remote``, of its cell.
    bucket: Bucket = "cell"
    #: What was said of it, oldest first (of one that is no record yet: while it was made).
    tags: tuple[Tag, ...] = ()

    @property
    def wall_s(self) -> float:
        return self.usage.wall_s

    @property
    def failed(self) -> bool:
        """Whether it ran and did not end well: a cell that a budget kept from starting has not run."""
        return self.outcome != "ok" and self.error_type != HOLD

    def closed_as(self, outcome: Outcome) -> CellRecord:
        return replace(self, outcome=outcome)


#: A record's fields but its start, its usage and its tags, in the order of their letters.
FACTS = sorted({f.name for f in fields(CellRecord)} - {"usage", "tags", "started_at"})
ID = FACTS.index("id")


class Stored(NamedTuple):
    """A record as the ledger's rows have it: for an export of a hundred thousand, objects would take half the time.

    ``facts`` are its fields in the order of ``FACTS``. ``kind`` has its figures' names, devices (``""`` where there is
    only one) and their provenances' ids, ``values`` their values; ``origins`` are the provenances by their ids.
    """

    facts: tuple[Any, ...]
    started_at: float
    wall_s: float
    tags: Sequence[Tag]
    kind: tuple[Sequence[str], Sequence[str], Sequence[str]]
    values: Sequence[float | None]
    origins: Mapping[str, Provenance]

    @property
    def id(self) -> str:
        found: str = self.facts[ID]
        return found


@dataclass(frozen=True, slots=True)
class Total:
    """One figure over many windows (or the sum of several figures of one).

    ``uncertainty`` is an absolute half-width in ``unit``; ``measured_share`` is the part of
    ``value`` that was measured (0 to 1); ``missing`` counts the windows in which the figure
    could not be had, so the value is a lower bound unless it is 0.
    """

    name: str
    unit: str
    value: float | None
    method: Method | None
    measured_share: float | None
    missing: int
    uncertainty: float | None
    sources: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def incomplete(self) -> bool:
        return self.missing > 0


@dataclass(frozen=True, slots=True)
class BucketTotal:
    """What one bucket of a scope holds. The seconds of ``background`` run beside those of ``held_idle``."""

    bucket: Bucket
    wall_s: float
    totals: tuple[Total, ...]

    def total(self, name: str) -> Total | None:
        return next((t for t in self.totals if t.name == name), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a scope: all its buckets, those inside another's window left out.

    ``cells``, ``failed`` and ``wall_s`` are of its cells; ``buckets`` are those that hold something.
    """

    cells: int
    failed: int
    sessions: int
    wall_s: float
    totals: tuple[Total, ...]
    buckets: tuple[BucketTotal, ...] = ()

    def total(self, name: str) -> Total | None:
        return next((t for t in self.totals if t.name == name), None)

    def bucket(self, name: Bucket) -> BucketTotal | None:
        return next((b for b in self.buckets if b.bucket == name), None)


@dataclass(frozen=True, slots=True)
class Held:
    """A GPU that this process tree holds while no cell runs.

    ``idle_s`` is the time since the last cell ended, ``busy_share`` (0 to 1) how busy the GPU has
    been since then, by the driver's samples.
    """

    device: str
    name: str | None
    used_bytes: float | None
    idle_s: float
    busy_share: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a part of the tool works; where not, why, and what to do about it."""

    name: str
    ok: bool
    message: str
    remedy: str | None = None
