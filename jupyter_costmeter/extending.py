"""Going on although a budget is spent: it is extended until its period ends, and the ledger notes it."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from .budget import BudgetEvent, Verdict, extension
from .budget_pages import amount_said, title
from .errors import UsageError

if TYPE_CHECKING:
    from .record import SessionInfo
    from .spending import Spending


def extend(spending: Spending, verdict: Verdict, session: SessionInfo) -> BudgetEvent:
    """Grant a budget EXTENSION of its limit more, in this period; it is noted whose session did.

    Raises:
        UsageError: it is a cap, paused, or of nothing.
    """
    more = _more(verdict)
    text = f"Budget {title(verdict.budget)}: {amount_said(more, verdict.budget)} more were granted."
    event = _event(verdict, more, text, session)
    spending.log(event, verdict.start)
    return event


def _more(verdict: Verdict) -> float:
    budget = verdict.budget
    if budget.lab is not None and verdict.offline != "ask":
        raise UsageError(
            f"{title(budget)} is a lab budget, set by {budget.lab.set_by}: only a head of the lab raises it"
        )
    if budget.cap and budget.lab is None:
        raise UsageError(f"it is set by the administrator in {budget.origin} and can only be changed there")
    if budget.paused:
        raise UsageError(f"{title(budget)} is paused: resume it first")
    more = extension(verdict)
    if more <= 0:
        raise UsageError(f"{title(budget)} is of nothing: set another limit instead")
    return more


def _event(verdict: Verdict, more: float, text: str, session: SessionInfo) -> BudgetEvent:
    budget = verdict.budget
    return BudgetEvent(
        uuid.uuid4().hex, budget.id, "extended", time.time(), session.id, session.user, session.host, None, None,
        verdict.spent.value, verdict.limit, more, budget.unit, text,
    )  # fmt: skip
