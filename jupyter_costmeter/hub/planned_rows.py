"""The lab's budgets on the service's pages: how far one's own are, and of the lab who used how much of each; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .. import amounts
from ..budget import Budget
from ..budget_pages import amount_said, title, used_said
from ..format import percent
from ..labs import Snapshot, Standing, Terms, theirs_of
from ..record import Total


@dataclass(frozen=True, slots=True)
class Stand:
    """One budget: what was used of it, and by oneself where it is everybody's; ``share`` is of the limit (1 is all)."""

    name: str
    used: str
    limit: str
    mine: str
    share: float | None

    @property
    def said(self) -> str:
        return "—" if self.share is None else percent(self.share)

    @property
    def full(self) -> int:
        """How much of a bar is full, in percent."""
        return round(100 * min(1.0, self.share or 0.0))


def stands(snapshot: Snapshot) -> list[Stand]:
    """Those that are the person's who asks."""
    return [_stand(one) for one in snapshot.applying.values()]


def _stand(one: Standing) -> Stand:
    budget, (mine, others) = one.terms.budget(), one.elsewhere(())
    pooled = one.terms.whose == "pool"
    spent = amounts.added([mine, others]) if pooled else mine
    part = used_said(mine, budget) if pooled else ""
    return Stand(
        title(budget), used_said(spent, budget), amount_said(budget.limit, budget), part, _share(spent, budget)
    )


def _share(spent: Total, budget: Budget) -> float | None:
    return None if spent.value is None or budget.limit <= 0 else spent.value / budget.limit


def of_people(
    terms: Sequence[Terms], used: Mapping[str, Mapping[str, Total]], members: Collection[str] | None
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a line for each person (of ``members`` only), a column for each budget that is somebody's."""
    people = [name for name in sorted({*used, *(members or ())}) if members is None or name in members]
    shown = [one for one in terms if one.person is None or one.person in people]
    columns = ["person", *map(_head, shown)]
    return columns, [[name, *_parts(name, terms, shown, used.get(name, {}))] for name in people]


def _parts(name: str, terms: Sequence[Terms], shown: Sequence[Terms], used: Mapping[str, Total]) -> list[str]:
    theirs = theirs_of(name, terms)
    return [_part(one, used) if one in theirs else "" for one in shown]


def _head(one: Terms) -> str:
    """``agreed with Ben: 130 GPU-h``; one without a name is called by its limit."""
    budget = one.budget()
    return f"{one.name}: {amount_said(one.limit, budget)}" if one.name else title(budget)


def _part(one: Terms, used: Mapping[str, Total]) -> str:
    """``12 GPU-h (6 %)``."""
    budget = one.budget()
    total = used.get(one.id, amounts.nothing(one.measure))
    share = _share(total, budget)
    return used_said(total, budget) + (f" ({percent(share)})" if share is not None else "")
