"""What a selection of records came to, as the norms ask for it: a ``Statement`` of a ledger (FACTS §1).

Only here are groups of records priced; what a norm makes of the statement needs no ledger any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from . import bars, machines
from .conditions import Book
from .costing import Costing
from .grouping import Group, Groups, Kind, TrialKey, Tried
from .ledger import Selection
from .priced import peaks_of, spent_of, whole_of
from .recent import Reader
from .record import SessionInfo
from .searches import configurations
from .statement import Experiment, Share, Spent, Statement, Trial
from .tag import CATEGORIES, Category
from .version import __version__

__all__ = ["gather", "spent_of"]


def gather(
    ledger: Reader, selection: Selection, costing: Costing, title: str | None = None, bar: bars.Bar[Any] = bars.none
) -> Statement:
    """What the selected records came to, under the assumptions of now.

    Args:
        ledger: its file's, or what a session remembers.
        selection: which records.
        costing: derives carbon and money.
        title: of the statement; unless said, the selection's name.
        bar: shows how far it is, by trials, of which there may be many thousands.

    Raises:
        LedgerError: it cannot be read.
    """
    book, wants = costing.book, costing.wants
    with ledger.at_once():
        summary, sessions = ledger.summary(selection), ledger.sessions(selection)
        uses, groups = ledger.uses(selection, **wants), ledger.grouped(selection, wants["hourly_before"])
    costs = costing.of(uses, book)
    priced = _Priced(groups, book, wants["hourly_before"])
    trials = tuple(priced.trials(bar))
    return Statement(
        title=title or f"Compute of {selection.name}",
        scope=selection.name,
        made_at=time.time(),
        version=__version__,
        first_at=min((group.first for group in groups.kinds.values() if isfinite(group.first)), default=None),
        last_at=max((group.last for group in groups.kinds.values() if isfinite(group.last)), default=None),
        summary=summary,
        machines=machines.of_sessions(sessions, book),
        whole=whole_of(summary, costs, groups),
        held_idle=priced.between("held_idle"),
        background=priced.between("background"),
        shares=tuple(priced.shares(trials)),
        reported=priced.in_paper(True),
        preliminary=priced.in_paper(False),
        experiments=tuple(priced.experiments()),
        trials=trials,
        factors=costs.footprint.applied,
        region_g=costs.footprint.range_g,
        problems=(*_invented(sessions), *book.assumptions.problems, *groups.notes),
    )


def _invented(sessions: Iterable[SessionInfo]) -> Iterator[str]:
    """That a GPU was not there at all (``sensors/replay.py``)."""
    if any("simulated" in name.lower() for info in sessions for name in info.device_names.values()):
        yield "A GPU is simulated: its figures are invented, and belong in no paper."


@dataclass(frozen=True)
class _Priced:
    """Groups, and what each of them cost."""

    groups: Groups
    book: Book
    hourly_before: float

    def spent(self, groups: Sequence[Group]) -> Spent:
        """What some groups came to."""
        uses = [use for group in groups for use in group.uses(self.groups.infos, self.hourly_before)]
        wall_s = sum(group.wall_s for group in groups)
        return spent_of(uses, self.book, self.groups.counts(groups), wall_s=wall_s, **peaks_of(groups))

    def between(self, bucket: str) -> Spent | None:
        """Of it no record is a run."""
        found = [group for kind, group in self.groups.kinds.items() if kind.bucket == bucket]
        return replace(self.spent(found), runs=0, failed=0) if found else None

    def in_paper(self, said: bool) -> Spent | None:
        found = [group for kind, group in self.groups.cells() if kind.in_paper is said]
        return self.spent(found) if found else None

    def shares(self, trials: Iterable[Trial]) -> Iterable[Share]:
        """In the order of the categories, what nobody tagged last."""
        configs = _configs(trials)
        for category in (*CATEGORIES, None):
            found = [group for kind, group in self.groups.cells() if kind.category == category]
            if found:
                yield Share(category, self.spent(found), configs.get(category, 0))

    def experiments(self) -> Iterable[Experiment]:
        """In the order of their beginning."""
        found: dict[tuple[str | None, ...], list[tuple[Kind, Group]]] = {}
        for kind, group in self.groups.cells():
            found.setdefault((kind.method, kind.category, kind.name), []).append((kind, group))
        for pairs in sorted(found.values(), key=lambda pairs: (min(g.first for _, g in pairs), _name(pairs[0][0]))):
            yield self._experiment(pairs)

    def _experiment(self, pairs: Sequence[tuple[Kind, Group]]) -> Experiment:
        kind, groups = pairs[0][0], [group for _, group in pairs]
        said = {kind.in_paper for kind, _ in pairs}
        whole = Group()
        for group in groups:
            whole.add_runs(group)
        in_paper = said.pop() if len(said) == 1 else None
        return Experiment(
            _name(kind), self.spent(groups), kind.category, kind.method, in_paper, *whole.length()
        )  # fmt: skip

    def trials(self, bar: bars.Bar[Any] = bars.none) -> Iterable[Trial]:
        """In the order of their start."""
        known = ((key, tried) for key, tried in self.groups.trials.items() if tried.is_known)
        found = sorted(known, key=lambda pair: pair[1].first)
        for key, tried in bar(found, len(found), "trials"):
            yield self._trial(key, tried)

    def _trial(self, key: TrialKey, tried: Tried) -> Trial:
        said = tried.merged()
        return Trial(
            tried.first[1], tried.method, key.run, tried.category, tried.outcome, tried.in_paper, tried.first[0],
            said.params, said.scores, self.spent([tried.group]),
        )  # fmt: skip


def _name(kind: Kind) -> str:
    """``ours: hpo``, ``ours``, ``hpo``, a label or a notebook's file."""
    if kind.method is not None:
        return f"{kind.method}: {kind.category}" if kind.category else kind.method
    return kind.category or kind.name or ""


def _configs(trials: Iterable[Trial]) -> Mapping[Category | None, int]:
    """Of each category how many different parameters were tried."""
    found: dict[Category | None, list[Mapping[str, Any]]] = {}
    for trial in trials:
        found.setdefault(trial.category, []).append(trial.params)
    return {category: configurations(params) for category, params in found.items()}
