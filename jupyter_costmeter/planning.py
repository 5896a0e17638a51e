"""What the words about budgets answer: where they stand, and what was set, paused, extended or taken away."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from math import inf
from typing import Any

from . import budgeting, currencies, pages, place
from .budget import Budget, Verdict, applying
from .budget_pages import amount_said, burn_said, length_said, resets, said, share_said, spent_said, title
from .budgets import KEYS, SPELLED
from .context import Context
from .errors import UsageError
from .extending import extend
from .format import percent
from .pages import Page, Table
from .periods import local
from .screen import Tone, Tones
from .tables import unknown
from .words import Parser, number

COLUMNS = ("budget", "spent", "limit", "left", "%", "until", "hold", "set in")
EXAMPLE = "An example: budget gpu_hours=20 per=week scope=project hold=ask"
EMPTY = (
    "None is set here. `%cost budget gpu_hours=20 per=week`, or in a shell `jupyter costmeter budget …`, sets one"
    " for this project; `help budget` lists what it may say."
)
WITH_PUE = "kWh is electricity with the PUE of where it ran; a cell's energy, in joules, is without."
HOLDS = {
    "ask": "When it is spent, no cell starts; run it again within a minute, and it goes on.",
    "stop": "When it is spent, a running cell is interrupted, and none starts; run it again within a minute, and it"
    " goes on.",
}
ANSWERS = {"yes": True, "true": True, "no": False, "false": False}
#: What is done by setting a budget, and is no word of its own.
BY_SETTING = ("set", "add", "new", "raise", "lower", "change", "edit")
DAY_LETTERS = len("2026-10-01")
BOOLS, DAYS, PATHS = ("shared", "paused"), ("from", "until"), ("notebook", "project")


def budget(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """List budgets, set one, or do something with one."""
    words: list[str] = asked.said
    if not words:
        return list_page(context)
    if words[0] in VERBS:
        one = budgeting.find(context.plans.of(context.project).budgets, " ".join(words[1:]))
        return VERBS[words[0]](one, context)
    return _set(words, context)


def reached(context: Context) -> list[str]:
    """A sentence for each budget that has come to its first threshold."""
    budgets = here(context)
    verdicts = context.verdicts(budgets, time.time()) if budgets else []
    return [f"Budget {title(v.budget)}: {said(v)}." for v in verdicts if v.crossed is not None]


def here(context: Context) -> list[Budget]:
    """Those that the notebook counts in; in a shell those of the project, with all its notebooks."""
    declared = context.plans.of(context.project).budgets
    found = applying(declared, context.notebook, context.project)
    if context.session is None:
        found += [one for one in declared if one not in found and _in(one, context)]
    return found


def _in(one: Budget, context: Context) -> bool:
    folder = replace(one, scope="project", key=context.project)
    if one.lab is not None:
        return False
    return one.key is not None and bool(applying([folder], None, one.key))


# The list


def list_page(context: Context) -> Page:
    """Where the budgets stand, and what is wrong with their files."""
    declared, found, now = context.plans.of(context.project), here(context), time.time()
    verdicts = context.verdicts(found, now)
    table = Table(COLUMNS, [_line(one) for one in verdicts], frozenset(COLUMNS[1:5]), tones(verdicts))
    others = len(declared.budgets) - len(found)
    more = [f"{pages.counted(others, 'more budget')} of other notebooks or projects."] if others else []
    wrong = _problems(context)
    empty = [] if found or wrong else [EMPTY]
    metered = [WITH_PUE] if any(one.measure == "kwh" for one in found) else []
    notes = [*(note for one in verdicts for note in _notes(one, now)), *metered, *empty, *more]
    return Page(pages.counted(len(found), "budget") if found else "No budgets", [table], [*notes, *wrong])


def tones(verdicts: Sequence[Verdict]) -> Tones:
    """Which shares a terminal may colour: those that come near the limit, or reach it."""
    found: dict[str, Tone] = {}
    for one in verdicts:
        if one.state in ("near", "over"):
            found[share_said(one)] = "near" if one.state == "near" else "bad"
    return found


def _problems(context: Context) -> list[str]:
    """What is wrong in the budgets' files and the settings: one that cannot be read may have had budgets."""
    declared = context.plans.of(context.project)
    settings = (f"{problem.name}: {problem.message}" for problem in context.problems)
    return list(dict.fromkeys([*declared.problems, *context.costing.assumptions.problems, *settings]))


def _line(verdict: Verdict) -> list[str]:
    one, left = verdict.budget, verdict.left
    return [
        title(one),
        spent_said(verdict),
        amount_said(verdict.limit, one),
        "—" if left is None else amount_said(left, one),
        share_said(verdict),
        _until(verdict),
        "paused" if one.paused else one.hold,
        f"{one.origin} (the administrator's)" if one.cap and one.lab is None else one.origin,
    ]


def _until(verdict: Verdict) -> str:
    """The period's end."""
    period = verdict.budget.period
    if period.kind == "rolling":
        return f"in any {length_said(period)}"
    if verdict.end == inf:
        return ""
    at = local(verdict.end, period.zone)
    return f"{at:%a} {at.day} {at:%b} {at.year}, {at:%H:%M}"


def _notes(verdict: Verdict, now: float) -> Iterator[str]:
    name = title(verdict.budget)
    if verdict.state == "unknown":
        yield f"{name}: {said(verdict)}."
    elif verdict.spent.incomplete and verdict.state != "paused":
        yield f"{name}: a lower bound: {'; '.join(verdict.spent.reasons)}."
    if verdict.lab is not None and verdict.state not in ("unknown", "paused"):
        yield f"{name}: {said(verdict)}."
    if not verdict.current:
        yield f"{name}: it {resets(verdict, now)}."
    if pace := burn_said(verdict, now):
        yield f"{name}: {pace}."


# What is done with one


def _set(words: Sequence[str], context: Context) -> Page:
    row = row_of(words)
    shared = bool(row.pop("shared", False))
    before = {one.id for one in context.plans.of(context.project).budgets}
    one = budgeting.set_budget(row, budgeting.Here(context.notebook, context.project), shared)
    return _told("changed" if one.id in before else "set", one, context)


def _told(what: str, one: Budget, context: Context) -> Page:
    """What it says now, where it stands, and where that is written."""
    _heed(context)
    declared = context.plans.of(context.project)
    one = next((found for found in declared.budgets if found.id == one.id), one)  # with the settings' thresholds
    now = time.time()
    (verdict,) = context.verdicts([one], now)
    stands = "; ".join(filter(None, (said(verdict), resets(verdict, now), burn_said(verdict, now))))
    warns = f"It warns at {', '.join(map(percent, one.warn))}." if one.warn else "It does not warn."
    does = "It is paused: it neither warns nor holds." if one.paused else " ".join([_held(one), warns])
    now_said = [] if one.paused else [f"Now: {stands}."]
    notes = [*now_said, does.strip(), f"Written to {one.origin}."]
    return Page(f"Budget {what}: {_full_title(one)}", notes=[*notes, *dict.fromkeys(declared.problems)])


def _held(one: Budget) -> str:
    """What happens at the limit; of nothing at all there is no tenth more by which a cell could go on."""
    if one.limit <= 0 and one.hold != "warn":
        return "Nothing may be spent, so no cell starts until it is raised, paused or deleted."
    return HOLDS.get(one.hold, "")


def _heed(context: Context) -> None:
    """The kernel's next cell is held, or not any more, by what was said in this one."""
    if context.session is not None:
        context.session.watch.read()


def _full_title(one: Budget) -> str:
    unnamed = title(replace(one, name=""))
    return f"{one.name} ({unnamed})" if one.name else unnamed


def _pause(one: Budget, context: Context) -> Page:
    return _told("paused", budgeting.pause(one, True), context)


def _resume(one: Budget, context: Context) -> Page:
    return _told("resumed", budgeting.pause(one, False), context)


def _delete(one: Budget, context: Context) -> Page:
    budgeting.delete(one)
    _heed(context)
    return Page(
        f"Budget deleted: {_full_title(one)}", notes=[f"Taken out of {one.file}. What was spent stays in the ledger."]
    )


def _extend(one: Budget, context: Context) -> Page:
    (verdict,) = context.verdicts([one], time.time())
    if context.session is not None:
        context.session.watch.extend(verdict)
    elif one.by_session:
        raise UsageError(f"{title(one)} is of each session by itself: extend it in a cell, with %cost budget extend")
    else:
        extend(context.spending, verdict, place.session_info(context.notebook, context.project or ""))
    (after,) = context.verdicts([one], time.time())
    return Page(f"Budget extended: {_full_title(one)}", notes=[f"Now: {said(after)}. The ledger notes it."])


VERBS: Mapping[str, Callable[[Budget, Context], Page]] = {
    "pause": _pause,
    "resume": _resume,
    "delete": _delete,
    "extend": _extend,
}


# What is said


def row_of(words: Sequence[str]) -> dict[str, Any]:
    """The row that ``gpu_hours=20 per=week`` says, and whether it is ``shared``.

    Raises:
        UsageError: a word that says nothing, an unknown key, or a value that is none of its key's.
    """
    row: dict[str, Any] = {}
    for word in words:
        for key, value in _pairs(word):
            if key in row:
                raise UsageError(f"{key} is said twice")
            row[key] = value
    return row


def _pairs(word: str) -> list[tuple[str, Any]]:
    """What one word says; of ``EUR=150`` the amount and its currency."""
    key, is_said, value = word.partition("=")
    if not is_said:
        raise UsageError(_no_pair(word))
    if key.upper() in currencies.CODES:
        return [("amount", _number(value, key)), ("currency", key.upper())]
    if key not in KEYS and key not in BOOLS:
        raise UsageError(_unknown(key, [*KEYS, "shared"]))
    if not value:
        raise UsageError(f"{key}= says nothing. {EXAMPLE}")
    return [(key, _value(key, value))]


def _no_pair(word: str) -> str:
    if word in BY_SETTING:
        return f"to {word} a budget, say all that it is, without {word!r}: budget gpu_hours=30 per=week name=NAME"
    if word in KEYS:
        return f"write it as {word}=VALUE, without spaces. {EXAMPLE}"
    return _unknown(word, [*VERBS, *KEYS, "shared"])


def _unknown(word: str, known: Sequence[str]) -> str:
    """The near word, which is often longer: ``gpu``, ``note``."""
    longer = next((one for one in known if word and one.startswith(word)), "")
    problem = f"there is no {word!r}; did you mean {longer!r}?" if longer else unknown(word, known)
    return f"{problem}{'' if problem.endswith('?') else '.'} {EXAMPLE}"


def _value(key: str, value: str) -> Any:
    if key in SPELLED:
        return _number(value, key)
    if key == "warn":
        return _percents(value)
    if key in DAYS:
        return _day(value, key)
    if key in BOOLS:
        return _flag(value, key)
    return place.canonical(value) if key in PATHS else value


def _number(value: str, key: str) -> int | float:
    found = number(value, key)
    return int(found) if value.isdecimal() else found


def _percents(value: str) -> list[float]:
    """``50,80,100``."""
    parts = [number(part.removesuffix("%"), "warn") for part in value.split(",")]
    if max(parts) <= 1:
        raise UsageError(f"warn={value}: it wants percents, such as warn=50,80,100")
    return [part / 100 for part in parts]


def _day(value: str, key: str) -> date:
    try:
        return date.fromisoformat(value) if len(value) <= DAY_LETTERS else datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(f"{key}={value}: it wants a day, such as {key}=2026-10-01") from None


def _flag(value: str, key: str) -> bool:
    if value.lower() not in ANSWERS:
        raise UsageError(f"{key}={value}: it wants yes or no")
    return ANSWERS[value.lower()]
