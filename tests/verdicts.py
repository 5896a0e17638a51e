"""Verdicts on a budget of 20 GPU-hours a week, on a Thursday."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jupyter_costmeter.budget import Budget, Verdict
from jupyter_costmeter.periods import period_of
from jupyter_costmeter.record import Total

BERLIN = "Europe/Berlin"
WEEK = Budget("b1", "gpu_hours", 20.0, "project", "/lab/paper", period_of("week", BERLIN))


def at(text: str) -> float:
    """That time in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp()


NOW = at("2026-11-26T12:00:00")  # a Thursday


def verdict(spent: float | None, missing: int = 0, reasons: tuple[str, ...] = (), **changed: Any) -> Verdict:
    budget = replace(WEEK, **{key: value for key, value in changed.items() if key not in ("granted", "burn")})
    more = {key: changed[key] for key in ("granted", "burn") if key in changed}
    total = Total(
        "gpu_hours", "GPU-h", spent, "measured" if spent is not None else None, None, missing, None, (), reasons
    )
    return Verdict(budget, *budget.period.at(NOW), total, **more)
