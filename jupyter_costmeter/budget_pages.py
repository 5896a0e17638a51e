"""Budgets in sentences: what one is called, where it stands, when it begins anew, when it will be spent."""

from __future__ import annotations

import os
from decimal import Decimal
from math import inf, isfinite

from . import currencies
from .budget import Budget, LabView, Measure, OfLab, Verdict
from .format import about, mark, percent, plain, quantity
from .periods import UNIT_S, Period, local
from .record import Total

DAY_S = 86400.0
THIS = {"day": "today", "week": "this week", "month": "this month", "session": "this session", "total": "in all"}
PACE = {"day": "today's pace", "week": "this week's pace", "month": "this month's pace"}
PER = {"day": "per day", "week": "per week", "month": "per month", "session": "per session", "total": "in all"}
UNITS = {"min": "minute", "h": "hour", "d": "day", "w": "week"}
#: Less than this is told in a smaller unit, of which so many are one.
LITTLE = 0.01
SMALLER: dict[Measure, tuple[float, str]] = {
    "gpu_hours": (3600.0, "GPU-s"),
    "gpu_busy_hours": (3600.0, "busy GPU-s"),
    "kwh": (1000.0, "Wh"),
    "kgco2e": (1000.0, "gCO2e"),
}
PREFIXED = ("Wh", "gCO2e")
#: A day's name says which until it comes again (days).
NAMED_DAYS = 6


def title(budget: Budget) -> str:
    """``GPU quota``, else ``20 GPU-h per week, project paper``."""
    return budget.name or f"{amount_said(budget.limit, budget)} {per_said(budget.period)}, {scope_said(budget)}"


def scope_said(budget: Budget) -> str:
    """``project paper``, ``all of mine``."""
    name = os.path.basename(budget.key.rstrip(os.sep)) or budget.key if budget.key else ""
    if budget.lab is not None:
        return f"{_whose(budget.lab)}{f', project {name}' if name else ''}"
    match budget.scope:
        case "user":
            return "all of mine"
        case "session":
            return f"each session of {name}" if name else "each session"
        case _:
            return f"{budget.scope} {name}"


def _whose(lab: OfLab) -> str:
    return {"pool": "the lab", "each": "each of the lab"}.get(lab.whose, lab.person or "")


def lab_said(verdict: Verdict) -> str:
    """Of a lab's budget what of it is one's own or what all used, and how old that is; empty of all others."""
    view, budget = verdict.lab, verdict.budget
    if view is None or budget.lab is None:
        return ""
    own = f"; of it mine {used_said(view.mine, budget)}" if budget.lab.whose == "pool" else ""
    all_used = f"; all together {used_said(view.pool, budget)}" if budget.lab.whose == "each" else ""
    return f"{own}{all_used}{away_said(view)}"


def away_said(view: LabView) -> str:
    """``; as of 3 h ago: the lab's database is away``; empty where it is not."""
    if not view.stale:
        return ""
    ago = f"{about(view.age_s)} ago" if view.age_s >= 0 else "a time that this machine's clock has not come to"
    return f"; as of {ago}: the lab's database is away"


def used_said(total: Total, budget: Budget) -> str:
    """An amount of a budget's measure; ``—`` where it is not known."""
    return "—" if total.value is None else f"{mark(total)}{amount_said(total.value, budget)}"


def amount_said(value: float, budget: Budget) -> str:
    """``12.4 GPU-h``, ``0.42 kWh``, ``2.4 EFLOP``, ``12.40 EUR``; of a little budget all in the smaller unit."""
    if budget.measure == "amount" and isfinite(value):
        return currencies.amount(Decimal(repr(value)), budget.unit)
    if budget.measure == "flops":
        return quantity(value, "FLOP")
    if 0 < value < LITTLE or (0 < budget.limit < LITTLE and isfinite(value)):
        per, unit = SMALLER[budget.measure]
        return quantity(value * per, unit) if unit in PREFIXED else f"{plain(value * per, 3)} {unit}"
    return f"{_number(value)} {budget.unit}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else plain(value, 3)


def said(verdict: Verdict) -> str:
    """``12.4 of 20 GPU-h this week (62 %), 7.6 GPU-h left``; why it is not known, where it is not."""
    budget, spent, share = verdict.budget, verdict.spent, verdict.share
    if verdict.state == "paused":
        return "paused"
    if spent.value is None or share is None:
        return f"not known: {'; '.join(spent.reasons) or 'nothing of it was measured'}{lab_said(verdict)}"
    part = f" ({percent(share)})" if isfinite(share) else ""
    return f"{_of(verdict, spent.value)} {_this(budget.period)}{part}, {_left(verdict)}{lab_said(verdict)}"


def _of(verdict: Verdict, spent: float) -> str:
    """``≥ ~12.4 of 20 GPU-h``; the unit once, where both are in the same."""
    budget = verdict.budget
    used, limit = amount_said(spent, budget), amount_said(verdict.limit, budget)
    number, _, unit = used.partition(" ")
    granted = f" (with {amount_said(verdict.granted, budget)} granted)" if verdict.granted else ""
    return f"{mark(verdict.spent)}{number if limit.endswith(f' {unit}') else used} of {limit}{granted}"


def share_said(verdict: Verdict) -> str:
    """``62 %``; ``—`` where it is not known."""
    return "—" if verdict.share is None or not isfinite(verdict.share) else percent(verdict.share)


def spent_said(verdict: Verdict) -> str:
    """``≥ ~12.4 GPU-h``; ``—`` where it is not known."""
    return used_said(verdict.spent, verdict.budget)


def _left(verdict: Verdict) -> str:
    if not verdict.left:
        over = (verdict.spent.value or 0.0) - verdict.limit
        return f"{amount_said(over, verdict.budget)} over" if over > 0 else "nothing left"
    return f"{amount_said(verdict.left, verdict.budget)} left"


def resets(verdict: Verdict, now: float) -> str:
    """What of it comes back and when: ``begins anew on Mon 30 Nov, 00:00``; empty where nothing does."""
    period = verdict.budget.period
    if period.kind == "rolling":
        return f"frees what is older than {length_said(period)}"
    if period.kind == "span" and not verdict.start <= now < verdict.end:
        edge, word = (verdict.end, "ended") if now >= verdict.end else (verdict.start, "begins")
        return f"{word} on {_at(edge, period.zone)}"
    if not now <= verdict.end < inf:
        return ""
    return f"{'ends' if period.kind == 'span' else 'begins anew'} on {_at(verdict.end, period.zone)}"


def _at(when: float, zone: str) -> str:
    """``Mon 30 Nov, 00:00``."""
    at = local(when, zone)
    return f"{at:%a} {at.day} {at:%b}, {at:%H:%M}"


def burn_said(verdict: Verdict, now: float) -> str:
    """``at this week's pace it is spent on Thursday``, else what is spent by its end; empty where neither is known."""
    burn, budget = verdict.burn, verdict.budget
    if burn is None or burn.per_day <= 0 or not verdict.has_pace:
        return ""
    pace, zone = f"at {PACE.get(budget.period.kind, 'its pace so far')}", budget.period.zone
    sooner = "" if burn.now_ends_at is None else f"{_on(burn.now_ends_at, now, zone)} if it goes on as now"
    if burn.ends_at is not None:
        return f"{pace} it is spent {_on(burn.ends_at, now, zone)}" + (f"; {sooner}" if sooner else "")
    if verdict.end == inf or verdict.limit <= 0:
        return f"it is spent {sooner}" if sooner else ""
    by_then = (verdict.spent.value or 0.0) + burn.per_day * (verdict.end - now) / DAY_S
    part = percent(by_then / verdict.limit)
    return f"{pace} {part} is spent by its end" + (f"; all of it {sooner}" if sooner else "")


def _on(at: float, now: float, zone: str) -> str:
    """``today at 17:05``, ``on Thursday``, ``on 12 Dec``."""
    when, today = local(at, zone), local(now, zone)
    days = (when.date() - today.date()).days
    if days <= 1:
        return f"{'tomorrow' if days else 'today'} at {when:%H:%M}"
    if days <= NAMED_DAYS:
        return f"on {when:%A}"
    return f"on {when.day} {when:%b}" + (f" {when.year}" if when.year != today.year else "")


def per_said(period: Period) -> str:
    """``per week``, ``in any 7 days``."""
    if period.kind == "rolling":
        return f"in any {length_said(period)}"
    return PER.get(period.kind, period.text)


def _this(period: Period) -> str:
    if period.kind == "rolling":
        return f"in the last {length_said(period)}"
    return THIS.get(period.kind, period.text)


def length_said(period: Period) -> str:
    """``7 days``, of a rolling window."""
    text = period.text
    unit = next(unit for unit in UNIT_S if text.endswith(unit) and text.removesuffix(unit).isdecimal())
    count = int(text.removesuffix(unit))
    return f"{count} {UNITS[unit]}{'' if count == 1 else 's'}"
