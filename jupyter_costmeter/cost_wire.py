"""Costs, places and regions as the front end sees them: the second room of ``wire``, opened when costs are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from . import cost_pages, equivalents, money, wire
from .assumptions import Placed
from .carbon import snapshot
from .carbon.hints import Hint
from .derived import Applied, Bill, Costs
from .factors import Region
from .wire import Json


def applied(one: Applied) -> Json:
    """A factor as it was applied, with the sentence that says all about it."""
    names = ("name", "value", "unit", "method", "source", "uncertainty", "share")
    return {**{name: getattr(one, name) for name in names}, "text": cost_pages.said(one)}


def bill(one: Bill) -> Json:
    """An amount of money; decimal, so as text."""
    return {
        "kind": one.kind,
        "text": money.text(one),
        "amount": None if one.amount is None else f"{one.amount:f}",
        "currency": one.currency,
        "method": one.method,
        "missing": one.missing,
        "reasons": list(one.reasons),
        "provider": one.provider,
        "as_of": one.as_of and one.as_of.isoformat(),
        "sources": [cost_pages.line_of(line, one) for line in one.lines] or list(one.sources),
    }


def costs(one: Costs, whole: bool = True) -> Json:
    """What is derived of a scope's joules; of a cell (not ``whole``) its intensity alone, no equivalents."""
    foot = one.footprint
    known = {t.name: t.value for t in foot.totals}
    pictured = equivalents.equivalents(known.get("electricity_wh"), known.get("emissions_g")) if whole else []
    return {
        "totals": [wire.total(t) for t in foot.totals],
        "range_g": foot.range_g and list(foot.range_g),
        "range_of": foot.range_of and list(foot.range_of),
        "applied": [applied(a) for a in foot.applied if whole or a.name == "intensity"],
        "bills": [bill(b) for b in one.bills],
        "clouds": [bill(b) for b in one.clouds],
        "equivalents": pictured,
    }


def place(host: str, placed: Placed | None, hint: Hint | None, problems: Iterable[str]) -> Json:
    """Where a machine stands, and what its environment suggests where nobody said."""
    known = snapshot.region(placed.region) if placed else None
    return {
        "schema": wire.SCHEMA,
        "host": host,
        "region": known and known.id,
        "name": known and known.name,
        "kind": placed and placed.kind,
        "origin": placed and placed.origin,
        "text": known and known.intensity and cost_pages.valued(known.intensity),
        "hint": None
        if hint is None
        else {**asdict(hint), "name": cost_pages.named(hint.region) if hint.region else ""},
        "problems": list(problems),
    }


def region(one: Region) -> Json:
    """A region that can be chosen, or that was refused."""
    i = one.intensity
    figures = {"g_per_kwh": i and i.g_per_kwh, "year": i and i.year, "basis": i and i.basis}
    return {"id": one.id, "name": one.name, **figures, "note": one.note, "aliases": list(one.aliases)}


def what_if(title: str, now: Costs, then: Costs, notes: Iterable[str]) -> Json:
    """The same records under two assumptions."""
    return {"schema": wire.SCHEMA, "title": title, "now": costs(now), "then": costs(then), "notes": list(notes)}
