"""What ``lab`` answers: one's share of each of the lab's budgets and the pool's; for a head who is where, and setting.

Only here a door asks the lab's ledger while its user waits, since that is what was asked for.
"""

from __future__ import annotations

import argparse
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from . import amounts, config, planning
from .budget import UNITS, Verdict, Whose
from .budget_pages import amount_said, away_said, said, share_said, title, used_said
from .budgets import SPELLED, Place, budget_of
from .context import Context, noted
from .errors import LedgerError, UsageError
from .format import about, percent
from .labs import MEASURES, Snapshot, Terms, theirs_of
from .pages import Page, Table, counted
from .shared import planned
from .shared.opening import opened
from .shared.store import SharedLedger
from .sharing import database, keep_standing, shared_address
from .words import Parser

COLUMNS = ("budget", "mine", "all together", "limit", "%", "hold", "set by")
EXAMPLE = 'An example: lab budget set "200 GPU-h" --per month --each'
AMOUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?)\s*([A-Za-z][A-Za-z -]*)")
#: FLOP with a prefix, as amounts are printed.
PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
PERIODS = ("day", "week", "month", "total", "span")
OPTIONS = ("per", "project", "user", "hold", "warn", "zone", "name")
ONLY_HEADS = "only a head of the lab sets budgets (costmeter_head, docs/shared.md)"


def answer(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Where the lab's budgets stand; list, set or delete one."""
    words: list[str] = asked.said
    settings = context.session.settings if context.session else config.load()[0]
    address = shared_address(settings.ledger_share, asked.at)
    if not words:
        _no_terms(asked)
        return _standing(context, address)
    if words[0] not in ("budget", "budgets"):
        raise UsageError(f"there is no lab {words[0]!r}; there is lab, and lab budget. {EXAMPLE}")
    with closing(database(address)) as there:
        return _budget(words[1:], asked, context, there)


# Where they stand


def _standing(context: Context, address: str) -> Page:
    """By the lab's ledger as of now; by what it said last, and so labelled, where it is away."""
    path, problem, people, terms = context.spending.path, None, None, list[Terms]()
    with closing(opened(address)) as there:
        try:
            keep_standing(path, there)
            if isinstance(there, SharedLedger):
                terms, people = planned.budgets(there), planned.people(there)
        except LedgerError as error:
            problem = str(error)
    verdicts = _verdicts(context)
    page = Page(
        counted(len(verdicts), "lab budget") if verdicts else "No lab budgets", list(_tables(verdicts, terms, people))
    )
    notes = [f"{title(one.budget)}: {said(one)}." for one in verdicts]
    empty = [] if verdicts or problem else [f"None is set, or none is yours. {EXAMPLE}"]
    found = noted(page, [*notes, *empty, *([problem] if problem else [])])
    return replace(found, ok=problem is None)


def _verdicts(context: Context) -> list[Verdict]:
    """All of them, whatever project this is."""
    declared = context.plans.of(context.project).budgets
    return context.verdicts([one for one in declared if one.lab is not None], time.time())


def _tables(
    verdicts: Sequence[Verdict], terms: Sequence[Terms], people: Sequence[planned.Person] | None
) -> Iterator[Table]:
    if verdicts:
        yield Table(COLUMNS, list(map(_line, verdicts)), frozenset(COLUMNS[1:5]), planning.tones(verdicts))
    if people:
        yield _of_people(terms, people)


def _line(one: Verdict) -> list[str]:
    budget, view = one.budget, one.lab
    amounts = ["—", "—"] if view is None else [used_said(total, budget) for total in (view.mine, view.pool)]
    set_by = budget.lab.set_by if budget.lab else ""
    age = away_said(view).partition(":")[0].lstrip("; ") if view is not None else ""
    return [
        title(budget), *amounts, amount_said(one.limit, budget), share_said(one), budget.hold,
        f"{set_by}, {age}" if age else set_by,
    ]  # fmt: skip


def _of_people(terms: Sequence[Terms], people: Sequence[planned.Person]) -> Table:
    """Who is where: a line for each person, a column for each budget, those for one person among them."""
    columns = ("person", *(title(one.budget()) for one in terms), "last seen")
    rows = [[one.name, *_of_person(one, terms), _seen(one)] for one in people]
    return Table(columns, rows, frozenset(columns[1:-1]))


def _of_person(person: planned.Person, terms: Sequence[Terms]) -> Iterator[str]:
    """``12 GPU-h (6 %)`` of each; nothing of a budget that is not theirs."""
    theirs = theirs_of(person.name, terms)
    for one in terms:
        yield _part(person, one) if one in theirs else ""


def _part(person: planned.Person, terms: Terms) -> str:
    budget = terms.budget()
    total = person.used.get(terms.id, amounts.nothing(terms.measure))
    share = f" ({percent(total.value / budget.limit)})" if total.value is not None and budget.limit > 0 else ""
    return f"{used_said(total, budget)}{share}"


def _seen(one: planned.Person) -> str:
    if one.last_s is None:
        return "never"
    ago = time.time() - one.last_s
    when = "in this hour" if ago < 0 else f"{about(ago)} ago"
    return ", ".join(filter(None, (when, f"on {one.host}", one.project)))


# Setting one


def _budget(words: Sequence[str], asked: argparse.Namespace, context: Context, there: SharedLedger) -> Page:
    if not words:
        _no_terms(asked)
        return _listed(planned.budgets(there))
    if words[0] == "delete":
        _no_terms(asked)
        return _deleted(there, " ".join(words[1:]), context)
    return _set(there, words[1:] if words[0] == "set" else words, asked, context)


def _listed(found: Sequence[Terms]) -> Page:
    rows = [[title(one.budget()), amount_said(one.limit, one.budget()), one.hold, one.set_by, one.id] for one in found]
    table = [Table(("budget", "limit", "hold", "set by", "id"), rows, frozenset({"limit"}))] if rows else []
    return Page(counted(len(rows), "lab budget") if rows else "No lab budgets", table, [] if rows else [EXAMPLE])


def _set(there: SharedLedger, words: Sequence[str], asked: argparse.Namespace, context: Context) -> Page:
    terms = terms_of(words, asked)
    new = planned.same(planned.budgets(there), terms)
    try:
        is_new = planned.put(there, new)
    except LedgerError as error:
        raise _told(error) from None
    found = keep_standing(context.spending.path, there)
    one = next((one.terms for one in found.standings if one.terms.id == new.id), new)
    return Page(f"Lab budget {'set' if is_new else 'changed'}: {title(one.budget())}", [], list(_said_of(one, found)))


def _said_of(one: Terms, found: Snapshot) -> Iterator[str]:
    yield f"Its limit: {amount_said(one.limit, one.budget())}; days are of {one.zone}, in whole UTC hours."
    yield {"warn": "It warns only.", "ask": "When it is spent, no cell starts.", "stop":
           "When it is spent, a running cell is interrupted, and none starts."}[one.hold]  # fmt: skip
    if one.person is not None:
        yield f"Only {one.person} and the lab's heads see it; it takes the place of the same one for each."
    yield "It reaches each kernel with the next answer of the lab's ledger, within a minute."


def _deleted(there: SharedLedger, name: str, context: Context) -> Page:
    from .budgeting import find

    known = planned.budgets(there)
    one = find([one.budget() for one in known], name)
    try:
        planned.take_away(there, next(terms for terms in known if terms.id == one.id))
    except LedgerError as error:
        raise _told(error) from None
    keep_standing(context.spending.path, there)
    if any(terms.id == one.id for terms in planned.budgets(there)):
        raise LedgerError(f"{title(one)} is still there: {ONLY_HEADS}")
    return Page(f"Lab budget deleted: {title(one)}", [], ["What was used stays in the lab's ledger."])


def _told(error: LedgerError) -> LedgerError:
    """The database's word for it is not the lab's."""
    said = str(error)
    refused = "permission denied for table budget" in said or "row-level security" in said
    return LedgerError(f"{ONLY_HEADS}") if refused else error


def _no_terms(asked: argparse.Namespace) -> None:
    """What is said of a budget that is not set would be passed over in silence."""
    given = [f"--{name}" for name in OPTIONS if getattr(asked, name) is not None] + (["--each"] if asked.each else [])
    if given:
        raise UsageError(f"{' and '.join(given)}: of a budget that is set. {EXAMPLE}")


# What is said


def terms_of(words: Sequence[str], asked: argparse.Namespace) -> Terms:
    """A lab's budget by its words: ``200 GPU-h`` or ``gpu_hours=200 per=month``, and options.

    Raises:
        UsageError: with what is wrong in it.
    """
    if asked.each and asked.user:
        raise UsageError("--each is for each person, --user for one: say one of them")
    row = _row(words, asked)
    foreign = [key for key in ("scope", "notebook", "project", "shared", "paused", "note") if key in row]
    if foreign:
        raise UsageError(f"{foreign[0]}= is no word of a lab's budget: --each, --user and --project say whose it is")
    one = budget_of(row, "", Place(None, cap=True))
    if one.measure not in MEASURES:
        raise UsageError(
            f"a lab's budget is of {', '.join(MEASURES)}: kWh, carbon and money depend on factors that each machine"
            " declares for itself"
        )
    if one.period.kind not in PERIODS:
        raise UsageError(f"per={one.period.text}: a lab's budget is per day, week or month, total, or from= until=")
    whose: Whose = "each" if asked.each else "person" if asked.user else "pool"
    start, end = (at if abs(at) < float("inf") else None for at in (one.period.start, one.period.end))
    return Terms(
        uuid.uuid4().hex[:12], "", one.measure, one.limit, whose, asked.user, _name(asked.project), one.period.kind,
        one.period.zone, start, end, one.hold, one.warn, one.name,
    )  # fmt: skip


def _row(words: Sequence[str], asked: argparse.Namespace) -> dict[str, Any]:
    """As one of ``jupyter_costmeter.toml``."""
    pairs = [word for word in words if "=" in word]
    amount = " ".join(word for word in words if "=" not in word)
    given = {name: getattr(asked, name) for name in ("per", "hold", "warn", "zone", "name")}
    pairs += [f"{key}={value}" for key, value in given.items() if value is not None]
    row = {**(_amount(amount) if amount else {}), **planning.row_of(pairs)}
    if not any(key in row for key in SPELLED):
        raise UsageError(f"how much? {EXAMPLE}")
    return {"zone": "UTC", **row}


def _amount(text: str) -> dict[str, float]:
    """``200 GPU-h``, ``5 EFLOP``."""
    match = AMOUNT.fullmatch(text.strip())
    units = {unit.casefold(): measure for measure, unit in UNITS.items()}
    if match is not None:
        value, unit = float(match[1].replace("_", "")), match[2].strip()
        if unit.casefold() in units:
            return {units[unit.casefold()]: value}
        if unit.endswith("FLOP") and unit.removesuffix("FLOP") in PREFIXES:
            return {"flops": value * PREFIXES[unit.removesuffix("FLOP")]}
    raise UsageError(f"{text!r} is no amount of {', '.join(UNITS[measure] for measure in MEASURES)}. {EXAMPLE}")


def _name(project: str | None) -> str | None:
    """A project's folder's name."""
    if project is None:
        return None
    if not project or re.search(r"[/\\]", project):
        raise UsageError(f"--project {project}: say the folder's name alone; it lies elsewhere on each machine")
    return project
