"""Records by what they are said to be: by experiment, category and trial; pure.

A nested record (a ``trial`` or ``measure`` block inside a cell) that something was said of counts in a group of its
own, and what it used is taken from the record around it, so that all groups together are the outermost records.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from typing import Any, NamedTuple

from . import accounting
from .accounting import Part
from .nested import Taken, notes, taken
from .record import HIGHEST, Bucket, CellRecord, Outcome, SessionInfo
from .tag import Category, Tagged, category_of, tagged
from .uses import WANTED, Use, Using, wanted

NOBODY = Tagged()
#: Squares that differ by less than that part of them are the same numbers, rounded.
ROUNDING = 1e-12


class Kind(NamedTuple):
    """What tells experiments apart; ``name`` (a label, a notebook) counts without a method and a category only."""

    bucket: Bucket
    category: Category | None = None
    method: str | None = None
    name: str | None = None
    in_paper: bool | None = None

    @property
    def has_failed(self) -> bool:
        """Whether such runs came to nothing: by their outcome, or because somebody said so."""
        return self.category == "failed"


class TrialKey(NamedTuple):
    """A named run of a method, or one record that has parameters or scores of its own."""

    method: str | None
    run: str | None
    id: str | None


class Counts(NamedTuple):
    """How many runs, how many of them failed, and of how many records."""

    runs: int
    failed: int
    records: int

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]  # not one behind the other
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(slots=True)
class Lengths:
    """Seconds of single runs: how many, how many of them failed, their sum and the sum of their squares."""

    count: int = 0
    failed: int = 0
    sum_s: float = 0.0
    squares: float = 0.0

    def one(self, seconds: float, failed: bool = False) -> None:
        """One more run."""
        self.count += 1
        self.failed += failed
        self.sum_s += seconds
        self.squares += seconds * seconds

    def add(self, other: Lengths) -> None:
        self.count += other.count
        self.failed += other.failed
        self.sum_s += other.sum_s
        self.squares += other.squares


@dataclass(slots=True)
class Named:
    """One named run: its seconds, and whether any of its records ended well."""

    seconds: float = 0.0
    well: bool = False


@dataclass(slots=True)
class Group:
    """What some records came to; ``first`` and ``last`` are when they began and ended (seconds since 1970).

    Its runs are ``lengths``, of records without a run's name, and those in ``named``. What is left of a record beside
    those inside it is none unless it is a trial, nor is a cell that holds nothing but ``%cost``.
    """

    records: int = 0
    wall_s: float = 0.0
    first: float = inf
    last: float = -inf
    lengths: Lengths = field(default_factory=Lengths)
    named: dict[TrialKey, Named] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    usings: dict[str, Using] = field(default_factory=dict)

    def using(self, session_id: str) -> Using:
        """What a session used in it."""
        if session_id not in self.usings:  # asked for with each figure
            self.usings[session_id] = Using(names=WANTED)
        return self.usings[session_id]

    def count(self, trial: TrialKey | None, lengths: Lengths, wall_s: float, ok: bool, records: int = 1) -> None:
        """Count records in that took so long: by a run's name, else those of them that are runs (``lengths``)."""
        self.records += records
        self.wall_s += wall_s
        if trial is not None and trial.run is not None:
            named = self.named.setdefault(trial, Named())
            named.seconds, named.well = named.seconds + wall_s, named.well or ok
        else:
            self.lengths.add(lengths)

    def add_runs(self, other: Group) -> None:
        """Another group's runs, whose times are a mean's with these."""
        self.lengths.add(other.lengths)
        for trial, named in other.named.items():
            own = self.named.setdefault(trial, Named())
            own.seconds, own.well = own.seconds + named.seconds, own.well or named.well

    def reach(self, start: float, end: float) -> None:
        self.first, self.last = min(self.first, start), max(self.last, end)

    def peak(self, name: str, value: float | None) -> None:
        """A high-water mark, of which the highest stays."""
        if value is not None:
            self.peaks[name] = max(value, self.peaks.get(name, value))

    def uses(self, infos: Mapping[str, SessionInfo], hourly_before: float) -> list[Use]:
        """By session; by the hour of those that began before that time."""
        known = sorted((infos[key] for key in self.usings if key in infos), key=lambda i: (i.started_at, i.id))
        return [use for info in known for use in self.usings[info.id].uses(info, info.started_at < hourly_before)]

    def length(self) -> tuple[float | None, float | None]:
        """The mean of one run's seconds and the sample's standard deviation; ``None`` of none, or of a single one."""
        every = replace(self.lengths)
        for named in self.named.values():
            every.one(named.seconds)
        if not every.count:
            return None, None
        mean = every.sum_s / every.count
        spread = every.squares - every.sum_s * mean
        spread = spread if spread > ROUNDING * every.squares else 0.0
        return mean, sqrt(spread / (every.count - 1)) if every.count > 1 else None


@dataclass(slots=True)
class Tried:
    """A trial: its records' group, and what was said of them, of the newest last."""

    group: Group = field(default_factory=Group)
    first: tuple[float, str] = (inf, "")  # when it began, and its first record's id
    newest: tuple[float, str] = (-inf, "")
    outcome: Outcome = "ok"
    failed: bool = False
    category: Category | None = None
    method: str | None = None
    in_paper: bool | None = None
    said: dict[tuple[float, str], Tagged] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether any of its records is: a score alone is none."""
        return self.newest[1] != ""

    def ended(self, first: tuple[float, str], newest: tuple[float, str], outcome: Outcome, kind: Kind) -> None:
        """Some of its records, from the first to the newest (when it began, its id), which says how they ended.

        Any that is in the paper brings it there.
        """
        self.first = min(self.first, first)
        is_newest = newest >= self.newest
        if is_newest:
            self.newest, self.outcome, self.method = newest, outcome, kind.method
            self.failed = kind.has_failed
        if kind.category is not None and (is_newest or self.category is None):
            self.category = kind.category
        if kind.in_paper is not None:
            self.in_paper = kind.in_paper or bool(self.in_paper)

    def add_said(self, at: tuple[float, str], said: Tagged) -> None:
        if said.is_trial:
            self.said[at] = said

    def merged(self) -> Tagged:
        """The parameters and scores of all its records; of one name the newest record's."""
        params: dict[str, Any] = {}
        scores: dict[str, float] = {}
        for at in sorted(self.said):
            params |= self.said[at].params
            scores |= self.said[at].scores
        return Tagged(params=params, scores=scores)


@dataclass(slots=True)
class Groups:
    """Some records in groups that add up to the outermost of them, and those that are trials once more by trial.

    ``alike`` names the session under which another one's use counts (``alike()``), ``forgotten`` counts cells that are
    in no group, ``notes`` say what a reader of the groups should know.
    """

    kinds: dict[Kind, Group] = field(default_factory=dict)
    trials: dict[TrialKey, Tried] = field(default_factory=dict)
    infos: dict[str, SessionInfo] = field(default_factory=dict)
    alike: dict[str, str] = field(default_factory=dict)
    forgotten: Counts = Counts(0, 0, 0)
    notes: list[str] = field(default_factory=list)

    def of(self, kind: Kind, trial: TrialKey | None) -> list[Group]:
        """Where such a record counts."""
        found = [self.kinds.setdefault(kind, Group())]
        return found if trial is None else [*found, self.tried(trial).group]

    def tried(self, trial: TrialKey) -> Tried:
        return self.trials.setdefault(trial, Tried())

    def cells(self) -> list[tuple[Kind, Group]]:
        """Those of cells: only these are runs of anything."""
        return [(kind, group) for kind, group in self.kinds.items() if kind.bucket == "cell"]

    def counts(self, groups: Iterable[Group]) -> Counts:
        """How many runs some groups hold, a named one once.

        A named run has failed if its newest record has, or all that these groups have of it.
        """
        found = list(groups)
        named: dict[TrialKey, bool] = {}
        for group in found:
            for key, one in group.named.items():
                named[key] = named.get(key, False) or one.well
        failed = sum(not well or self.trials[key].failed for key, well in named.items())
        lone = [Counts(one.lengths.count, one.lengths.failed, one.records) for one in found]
        return sum(lone, Counts(len(named), failed, 0))

    def whole(self) -> Counts:
        """Of all of it."""
        return self.counts(group for _, group in self.cells()) + self.forgotten

    # Records that are read one by one

    def add(self, records: Sequence[CellRecord], roots: Iterable[CellRecord] | None = None) -> None:
        """Add outermost records with those inside them that something was said of.

        Args:
            records: with all that lie around each of them.
            roots: which outermost ones count; unless said, all of ``records``.
        """
        counted = [r for r in (records if roots is None else roots) if r.parent_id is None]
        said = Said(records)
        apart = taken([*counted, *said.apart({r.id for r in counted})], said.around)
        self.notes += [note for note in notes(apart.values()) if note not in self.notes]
        for record in (*counted, *(r for r in records if r.id in apart and r.parent_id is not None)):
            self._add(record, said, apart.get(record.id))

    def _add(self, record: CellRecord, said: Said, part: Taken | None) -> None:
        what, trial = said.of(record.id), said.trial(record.id) if record.bucket == "cell" else None
        kind = kind_of(record.bucket, record.outcome, what, record.label, record.notebook)
        owns, whole = said.owns(record.id), part is None or not part.cut
        # of its trial a cell of %cost alone is a score at most, and a part inside a trial is no run of it
        groups, none = self.of(kind, None if what.meter else trial), what.meter or record.bucket == "remote"
        for group, is_run in zip(groups, (not none and (whole or owns), owns), strict=False):
            _count(group, record, kind, None if what.meter else trial, part, is_run)
            using = group.using(self.alike.get(record.session_id, record.session_id))
            for device, one in parts_of(record) if part is None else part.parts:
                using.spread(record.started_at, record.wall_s, device, one)
        if trial is not None and owns:
            at, tried = (record.started_at, record.id), self.tried(trial)
            tried.add_said(at, what)
            if not what.meter:
                tried.ended(at, at, record.outcome, kind)


def _count(
    group: Group, record: CellRecord, kind: Kind, trial: TrialKey | None, part: Taken | None, is_run: bool
) -> None:
    """A record, or what is left of it beside others."""
    wall_s, lengths = record.wall_s if record.bucket != "remote" else 0.0, Lengths()  # beside its cell's seconds
    if is_run:
        lengths.one(wall_s, kind.has_failed)
    group.count(trial, lengths, wall_s if part is None else part.wall_s, not kind.has_failed)
    group.reach(record.started_at, record.started_at + record.wall_s)
    for figure in record.usage.figures:
        if figure.name in HIGHEST:
            group.peak(figure.name, figure.value)


def alike(infos: Iterable[SessionInfo], hourly_before: float) -> dict[str, str]:
    """By session: the first of those whose use costs the same, being of one machine, partition and set of devices.

    Sessions that began before ``hourly_before`` (seconds since 1970) are told by the hour, and never as one of others.
    """
    found: dict[tuple[object, ...], str] = {}
    known: dict[str, str] = {}
    for info in sorted(infos, key=lambda info: (info.started_at, info.id)):
        facts = (info.environment.get(name) for name in ("partition", "devices", "cpu"))
        known[info.id] = found.setdefault((info.host, info.started_at < hourly_before, *facts), info.id)
    return known


def parts_of(record: CellRecord) -> Iterator[tuple[str, Part]]:
    """A record's figures by device (GPU-seconds only are told apart), as ``Using`` takes them."""
    for figure in wanted(record.usage, WANTED):
        (part,) = accounting.parts([figure])
        yield (figure.device or "") if figure.name == "gpu_reserved_s" else "", part


# What is said


def kind_of(bucket: Bucket, outcome: Outcome, said: Tagged, label: str | None, notebook: str | None) -> Kind:
    """What such a record is; nothing is said of what lies between cells, and what was done elsewhere is its cell's."""
    if bucket not in ("cell", "remote"):
        return Kind(bucket)
    category, method = category_of(outcome, said), said.method
    name = None if category or method else label or (os.path.basename(notebook) if notebook else "no notebook")
    return Kind("cell", category, method, name, said.in_paper)


def trial_of(record_id: str, said: Tagged) -> TrialKey | None:
    """Which trial a record is by what is said of it; ``None`` for none, as for a cell of ``%cost`` alone."""
    if said.run is not None:
        return TrialKey(said.method, said.run, None)
    return TrialKey(None, None, record_id) if said.is_trial and not said.meter else None


class Said:
    """What is said of records, those inside others included: what is not said of one is as it is of that around it.

    Args:
        records: with all that lie around each of them; of others nothing is known.
    """

    def __init__(self, records: Iterable[CellRecord]) -> None:
        self._records = {record.id: record for record in records}
        self._own = {key: tagged(r.tags) if r.tags else NOBODY for key, r in self._records.items()}
        self._known: dict[str, tuple[Tagged, TrialKey | None]] = {}

    def apart(self, roots: set[str]) -> list[CellRecord]:
        """Those inside others that something is said of, and whose outermost one counts."""
        inside = (r for r in self._records.values() if r.parent_id is not None and self._own[r.id] != NOBODY)
        return [record for record in inside if self.way(record)[-1:] and self.way(record)[-1] in roots]

    def way(self, record: CellRecord) -> list[str]:
        """The records around one, the nearest first; empty where one of them is not known."""
        found: list[str] = []
        parent = record.parent_id
        while parent is not None:
            if parent not in self._records or parent in found:
                return []
            found.append(parent)
            parent = self._records[parent].parent_id
        return found

    def around(self, record: CellRecord) -> list[str]:
        """Of these the ones that count by themselves, the nearest first."""
        return [key for key in self.way(record) if self._own[key] != NOBODY or self._records[key].parent_id is None]

    def of(self, record_id: str) -> Tagged:
        """Its own parameters and scores, the rest its own or that of the one around it."""
        return self._resolved(record_id)[0]

    def trial(self, record_id: str) -> TrialKey | None:
        """Its own trial, or the one around it."""
        return self._resolved(record_id)[1]

    def owns(self, record_id: str) -> bool:
        """Whether it is its trial, not a part inside of it."""
        return trial_of(record_id, self.of(record_id)) is not None

    def _resolved(self, record_id: str) -> tuple[Tagged, TrialKey | None]:
        if record_id not in self._known:
            way = [record_id, *self.way(self._records[record_id])]
            said, trial = NOBODY, None
            for key in reversed(way):
                said, trial = self._inside(key, said, trial)
            self._known[record_id] = said, trial
        return self._known[record_id]

    def _inside(self, key: str, above: Tagged, trial: TrialKey | None) -> tuple[Tagged, TrialKey | None]:
        own = self._own[key]
        category = own.category or above.category
        method = own.method if own.method is not None else above.method
        in_paper = above.in_paper if own.in_paper is None else own.in_paper
        # whoever judged the one around it saw not each of those inside: what failed there has failed
        found = replace(own, category=category, method=method, in_paper=in_paper)
        same = method == above.method
        return found, trial_of(key, found) or (trial if same else None)
