"""A lab's budgets as this machine knows them: what the lab's database said last, kept beside the ledger's file.

No look at budgets touches a network. Whoever sends to the lab's ledger asks it for a ``Snapshot`` from time to time
(``shared.planned``) and keeps it here; a verdict is made of that and of what the local ledger holds (docs/shared.md).

Nothing counts twice: what others used is a sum that holds nothing of one's own, and the own is told by session, so
that of the sessions that the local ledger holds only the local records count, sent or not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

from . import amounts
from .accounting import DERIVED, Part
from .budget import Budget, BudgetScope, Hold, Measure, Offline, OfLab, Whose
from .periods import Kind, Period
from .record import Method, Provenance, Total
from .replacing import replacing
from .uses import HOUR_S, Use

#: A snapshot that is older (seconds) is stale: the database is away. It is asked twice a minute where it is there.
STALE_S = 600.0
#: The measures that a lab's budget may be of: what else there is depends on factors that each machine declares.
MEASURES: tuple[Measure, ...] = tuple(amounts.COUNTED)
SOURCE = "the lab's ledger"


@dataclass(frozen=True, slots=True)
class Terms:
    """What was set: a row of the lab's table ``budget``; ``starts`` and ``ends`` (seconds since 1970) are a span's."""

    id: str
    set_by: str
    measure: Measure
    limit: float
    whose: Whose
    person: str | None
    project: str | None
    per: Kind
    zone: str
    starts: float | None
    ends: float | None
    hold: Hold
    warn: tuple[float, ...]
    name: str

    @property
    def scope(self) -> BudgetScope:
        return "project" if self.project else "lab" if self.whose == "pool" else "user"

    @property
    def period(self) -> Period:
        if self.per != "span":
            return Period(self.per, zone=self.zone)
        start, end = (-inf if self.starts is None else self.starts), (inf if self.ends is None else self.ends)
        return Period("span", 0.0, start, end, self.zone)

    def budget(self, offline: Offline = "ask") -> Budget:
        """As all doors know budgets: a cap, which is changed in the lab's ledger only."""
        return Budget(
            self.id, self.measure, self.limit, self.scope, self.project, self.period, self.name, None, self.hold,
            self.warn, origin=f"the lab's ledger, by {self.set_by}", cap=True,
            lab=OfLab(self.set_by, self.whose, self.person, offline),
        )  # fmt: skip

    @property
    def stands_for(self) -> tuple[object, ...]:
        """What a person's own budget takes the place of."""
        return self.measure, self.project, self.per, self.zone, self.starts, self.ends


@dataclass(frozen=True, slots=True)
class Sum:
    """What was used of one figure, of one method: ``error`` is its half-width; both in the figure's unit."""

    name: str
    method: Method | None
    value: float | None
    error: float | None
    count: int
    missing: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget, and what was used of it elsewhere, in its period of then: the UTC hours [first, after).

    Args:
        others: what everybody else used.
        mine: the own use by session, of all one's machines.
    """

    terms: Terms
    first: int | None
    after: int | None
    others: tuple[Sum, ...] = ()
    mine: tuple[tuple[str, tuple[Sum, ...]], ...] = ()

    @property
    def start(self) -> float:
        return -inf if self.first is None else self.first * HOUR_S

    @property
    def end(self) -> float:
        return inf if self.after is None else self.after * HOUR_S

    def period(self, now: float) -> tuple[float, float]:
        """The one that holds ``now``, in whole UTC hours as the rollup is; seconds since 1970."""
        if self.of_now(now):
            return self.start, self.end
        start, end = self.terms.period.at(now)
        return _hour(start), _hour(end)

    def of_now(self, now: float) -> bool:
        """Whether what it says is of the period of now; a span's is the same for ever."""
        return self.terms.per == "span" or self.start <= now < self.end

    def elsewhere(self, here: Collection[str]) -> tuple[Total, Total]:
        """What its reader used on other machines (in sessions that are not ``here``), and what all others used."""
        mine = (one for session, sums in self.mine if session not in here for one in sums)
        return self._amount(mine), self._amount(self.others)

    def _amount(self, sums: Iterable[Sum]) -> Total:
        parts = [_part(one) for one in sums]
        gpu_s = tuple(("", part) for part in parts if part.name == "gpu_reserved_s")
        use = Use("", 0.0, gpu_s=gpu_s, work=tuple(part for part in parts if part.name != "gpu_reserved_s"))
        return amounts.amount(self.terms.measure, None, [use], None)


def theirs_of(person: str, terms: Sequence[Terms]) -> list[Terms]:
    """A person's budgets of a lab's: an own one takes the place of the same one for each."""
    own = {one.stands_for for one in terms if one.person == person}
    return [
        one for one in terms if one.person in (None, person) and not (one.whose == "each" and one.stands_for in own)
    ]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the lab's database said to ``person`` at ``as_of`` (this machine's clock, seconds since 1970)."""

    person: str
    as_of: float
    standings: tuple[Standing, ...]

    def stale(self, now: float) -> bool:
        """Whether that is too long ago, or this machine's clock was set back since."""
        return not -STALE_S <= now - self.as_of <= STALE_S

    @property
    def applying(self) -> dict[str, Standing]:
        """Those that are its person's, by their ids: an own budget takes the place of the same one for each."""
        theirs = {one.id for one in theirs_of(self.person, [one.terms for one in self.standings])}
        return {one.terms.id: one for one in self.standings if one.terms.id in theirs}


def _hour(at: float) -> float:
    """The beginning of its UTC hour."""
    return at if abs(at) == inf else at // HOUR_S * HOUR_S


def _part(one: Sum) -> Part:
    width = None if one.error is None or not one.value else one.error / abs(one.value)
    reason = None if one.method else "it was not measured everywhere"
    absent = one.method is None and not one.missing
    return Part(one.name, Provenance(one.method, SOURCE, width, reason, absent), one.value, one.count, one.missing)


def figures_of(measure: Measure) -> tuple[str, ...]:
    """The figures in the rollup that a measure is the sum of."""
    name, _ = amounts.COUNTED[measure]
    return DERIVED.get(name, (name,))


# Kept in a file


def kept_beside(ledger: Path) -> Path:
    """Where the snapshot for a ledger's file is kept."""
    return ledger.with_name(f"{ledger.stem}.lab.json")


def keep(path: Path, snapshot: Snapshot) -> None:
    """Write it, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)  # of a ledger in which nothing was metered yet
    what = "what the lab's ledger says of its budgets" if snapshot.standings else "the lab has none"
    with replacing(path) as part:
        part.write_text(json.dumps({"what": what, **asdict(snapshot)}), encoding="utf-8")


def read(path: Path) -> Snapshot | None:
    """What was kept; ``None`` where there is none.

    Raises:
        ValueError: it is not what we wrote.
        OSError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return snapshot_of(found)


def snapshot_of(found: Any) -> Snapshot:
    """Of what its JSON held.

    Raises:
        ValueError: it is not what we wrote.
    """
    try:
        return Snapshot(str(found["person"]), float(found["as_of"]), tuple(map(_standing, found["standings"])))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _standing(row: Mapping[str, Any]) -> Standing:
    terms = {field.name: row["terms"][field.name] for field in fields(Terms)}
    mine = tuple((str(session), tuple(_sums(sums))) for session, sums in row["mine"])
    return Standing(
        Terms(**{**terms, "warn": tuple(terms["warn"])}), row["first"], row["after"], tuple(_sums(row["others"])), mine
    )


def _sums(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sum]:
    return (Sum(**row) for row in rows)


class Kept:
    """The snapshot of a file, read anew when the file has changed; a broken one is as none (``problem`` says so)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        self._state: object = ()
        self._snapshot: Snapshot | None = None

    def now(self) -> Snapshot | None:
        """What it says now."""
        try:
            found = os.stat(self.path)
            state: object = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            state = None
        if state != self._state:
            self._state, self.problem, self._snapshot = state, None, None
            try:
                self._snapshot = read(self.path)
            except (OSError, ValueError) as error:
                self.problem = f"{self.path}: {error}: the lab's budgets are not known until it is asked again"
        return self._snapshot
