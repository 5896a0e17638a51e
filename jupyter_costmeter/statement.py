"""What a selection of records came to, as the norms ask for it (FACTS §1): plain frozen records.

``gathering`` makes a ``Statement``, each of ``norms`` a ``Form`` of it, and each of ``statements`` a file of both.
``None`` is what the ledger does not know; a form then says what the author must fill in, and never invents it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .derived import Applied, Bill
from .record import Outcome, Summary, Total
from .tag import Category


@dataclass(frozen=True, slots=True)
class Spent:
    """What some runs used and cost.

    ``runs`` counts trials, named runs (each once) and other cells, but neither what is left of a cell beside trials
    inside it nor cells of ``%cost`` alone; ``wall_s`` are the seconds of all of it. Hours are reserved GPU-hours, busy
    GPU-hours and CPU-hours; ``energy_kwh`` is the machines' own, ``electricity_kwh`` with PUE. Each ``Total`` says how
    it is known, and is without a value where nothing of it could be read. ``bills`` are by the lab's tariffs, one a
    currency. Peaks are the highest of any run, in bytes.
    """

    runs: int
    failed: int
    wall_s: float
    gpu_hours: Total
    gpu_busy_hours: Total
    cpu_hours: Total
    flops: Total
    energy_kwh: Total
    electricity_kwh: Total
    emissions_kg: Total
    embodied_kg: Total | None = None
    bills: tuple[Bill, ...] = ()
    peak_rss_bytes: float | None = None
    peak_gpu_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of machine that sessions ran on; ``gpus`` counts them by model, the most that one session named."""

    host: str
    cpu: str
    cpus: int | None
    memory_bytes: float | None
    gpus: Mapping[str, int]
    gpu_bytes: Mapping[str, float] = field(default_factory=dict)  # by model
    storage_bytes: float | None = None
    system: str = ""
    python: str = ""
    partition: str = ""
    region: str | None = None  # where the user said that it stands
    kind: str | None = None  # laptop, lab or cloud
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What one category took; ``None`` is what nobody tagged. ``configs`` counts different parameters of its trials."""

    category: Category | None
    spent: Spent
    configs: int = 0


@dataclass(frozen=True, slots=True)
class Experiment:
    """Runs of one kind: of one method and category, else of one label, else of one notebook.

    ``mean_s`` and ``sd_s`` are of one run's wall time (the sample's standard deviation; ``None`` for a single run).
    """

    name: str
    spent: Spent
    category: Category | None = None
    method: str | None = None
    in_paper: bool | None = None
    mean_s: float | None = None
    sd_s: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with parameters or scores, or all records of one named run of a method."""

    id: str  # of its first record
    method: str | None
    run: str | None
    category: Category | None
    outcome: Outcome
    in_paper: bool | None
    started_at: float
    params: Mapping[str, Any]
    scores: Mapping[str, float]
    spent: Spent


@dataclass(frozen=True, slots=True)
class Statement:
    """All of it. ``whole`` holds every bucket, ``held_idle`` and ``background`` what lay between cells.

    ``reported`` is what was tagged ``in_paper=yes``, ``preliminary`` what was tagged ``no``; what nobody said is in
    neither. ``trials`` are in the order of their start; ``factors`` are those behind ``whole``. ``region_g`` is the
    range of emissions while it is not known where a machine stands. Times are seconds since 1970, UTC.
    """

    title: str
    scope: str
    made_at: float
    version: str
    first_at: float | None
    last_at: float | None
    summary: Summary
    machines: tuple[Machine, ...]
    whole: Spent
    held_idle: Spent | None
    background: Spent | None
    shares: tuple[Share, ...]
    reported: Spent | None
    preliminary: Spent | None
    experiments: tuple[Experiment, ...]
    trials: tuple[Trial, ...]
    factors: tuple[Applied, ...] = ()
    region_g: tuple[float, float] | None = None
    problems: tuple[str, ...] = ()

    @property
    def sessions(self) -> int:
        return self.summary.sessions


@dataclass(frozen=True, slots=True)
class Item:
    """One field of a norm.

    ``key`` is the norm's own name of it, ``asks`` its words. ``answer`` is ``None`` where the ledger does not know;
    ``todo`` then says what the author must fill in (with an answer: what to check). ``how`` says how it is known.
    """

    key: str
    asks: str
    answer: str | None
    how: str = ""
    todo: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of a form; ``right`` names the columns of numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Form:
    """One norm, filled in as far as the ledger knows.

    ``text`` is prose to paste, in which each gap is a ``TODO``. ``native`` is the norm's own file where it has one
    (the model card's YAML block, BoAmps' JSON): exact keys, and nothing in it that was not known.
    """

    name: str
    title: str
    source: str
    items: tuple[Item, ...]
    text: str = ""
    tables: tuple[Grid, ...] = ()
    native: Mapping[str, Any] | None = None
    native_suffix: Literal["yaml", "json"] | None = None

    @property
    def todos(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.todo)


@dataclass(frozen=True, slots=True)
class Document:
    """What a statement's formats write: the statement, and the forms that were asked for (all, unless said)."""

    statement: Statement
    forms: tuple[Form, ...]
