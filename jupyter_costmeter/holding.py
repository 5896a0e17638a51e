"""Whether a cell may start although a budget is spent, and what is said of it: pure.

The kernel's door does it (``kernel/hold.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from .budget import Budget, Verdict, extension
from .budget_pages import amount_said, resets, said, title
from .placing import own_file
from .tables import printable

#: A cell that was held goes on if it is run again so soon (seconds).
AGAIN_S = 60.0
#: More calls of ours than these may be in a cell that never is held: what looks at budgets must not be held by one.
OURS = ("%cost", "%load_ext jupyter_costmeter", "%reload_ext jupyter_costmeter", "%unload_ext jupyter_costmeter")


def ours(code: str) -> bool:
    """Whether every line of a cell's code is a command of ours: it is never held."""
    return all(_ours(line) for line in _lines(code) if line and not line.startswith(("#", "%%cost")))


def _lines(code: str) -> Iterator[str]:
    """A line that goes on in the next is one with it, as IPython takes a command's; no comment goes on."""
    before = ""
    for line in code.splitlines():
        text = " ".join(f"{before} {line}".split())
        goes_on = text.endswith("\\") and not text.startswith("#")
        before = text[:-1] if goes_on else ""
        if not goes_on:
            yield text
    yield before.strip()


def _ours(line: str) -> bool:
    called = any(line == word or line.startswith(f"{word} ") for word in OURS)
    return called and not {"{", "$"} & set(line)  # IPython puts what the user's code answers in their places


class Held:
    """Which cells were held a moment ago."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def note(self, cell: str, now: float) -> None:
        """That cell (its id, or its code) was held."""
        self._since = {one: at for one, at in self._since.items() if now - at <= AGAIN_S}
        self._since[cell] = now

    def insists(self, cell: str, now: float) -> bool:
        """Whether the user runs a cell again that was held within the minute; asked once."""
        return now - self._since.pop(cell, -AGAIN_S * 2) <= AGAIN_S


def may_go_on(over: Sequence[Verdict], headless: bool) -> bool:
    """Whether the user alone can let the cell run."""
    return not headless and all(extension(verdict) > 0 for verdict in over)


def refusal(over: Sequence[Verdict], now: float, headless: bool, project: str | None) -> str:
    """What is printed instead of the cell's output: which budget, and the way on."""
    told = f"This cell was not started: {_all_spent(over, now)}. {_way_on(over, headless, project)}"
    if any(verdict.budget.origin in told for verdict in over):
        return printable(told)
    # a comment, so that the command before it can be copied
    return printable(told + (f"  # set in {_files(over)}" if "raise it: %cost" in told else _set_in(over)))


def _all_spent(over: Sequence[Verdict], now: float) -> str:
    return "; ".join(_spent(verdict, now) for verdict in over)


def _spent(verdict: Verdict, now: float) -> str:
    """Which budget, how much, until when."""
    if verdict.offline == "hold":
        name = title(verdict.budget)
        return f"the lab's database is away, and its budget {name} holds until it is back: {said(verdict)}"
    anew = resets(verdict, now)
    return f"the budget {title(verdict.budget)} is spent, {said(verdict)}" + (f"; it {anew}" if anew else "")


def _files(over: Sequence[Verdict]) -> str:
    """Said last, since a notification has room for the beginning only, and a path is long."""
    return ", ".join(dict.fromkeys(verdict.budget.origin for verdict in over))


def _set_in(over: Sequence[Verdict]) -> str:
    files = _files(over)
    return f" (Set in {files}.)" if files else ""


def _way_on(over: Sequence[Verdict], headless: bool, project: str | None) -> str:
    caps = [verdict for verdict in over if verdict.budget.cap and verdict.offline != "ask"]
    if caps and caps[0].budget.lab is not None:
        return _of_lab(caps[0])
    if caps:
        return f"It is the administrator's, who alone can raise it ({caps[0].budget.origin})."
    if any(verdict.budget.cap for verdict in over):
        more = " and ".join(amount_said(_from_here(v), v.budget) for v in over)
        return (
            f"To spend {more} from here while the lab's database is away, run the cell again within a minute (it is"
            " noted)." if may_go_on(over, headless) else "It may be more by now: `jupyter costmeter sync` asks."
        )  # fmt: skip
    raising = " and ".join(_raising(verdict, project) for verdict in over)
    if may_go_on(over, headless):
        more = " and ".join(amount_said(_from_here(v), v.budget) for v in over)
        return f"To spend {more} from here, run the cell again within a minute (it is noted); or {raising}"
    return f"To go on, {raising}"


def _of_lab(verdict: Verdict) -> str:
    if verdict.offline == "hold":
        return "It is tried again by itself; `jupyter costmeter sync` asks now (CostMeter.ledger_share_offline)."
    return "It is a lab budget, which the lab's heads alone can raise."


def _from_here(verdict: Verdict) -> float:
    """What an extension leaves to be spent, beyond what is over the limit already."""
    return verdict.limit + extension(verdict) - (verdict.spent.value or 0.0)


def _raising(verdict: Verdict, project: str | None) -> str:
    """By a command, if it would write into the budget's own file; else in that file."""
    budget = verdict.budget
    folder = str(Path(budget.origin.rpartition(":")[0]).parent)
    here = folder == project if budget.shared else budget.file == os.path.realpath(own_file())
    here &= _can_be_named(budget)
    return f"raise it: {raised(verdict)}" if here else f"raise it in {budget.origin}"


def _can_be_named(budget: Budget) -> bool:
    """Whether words of a command mean this one: of each session's they do where it names a notebook or project."""
    return (budget.key or "").isprintable() and (budget.scope != "session" or budget.key is not None)


def raised(verdict: Verdict) -> str:
    """The exact line that gives a budget half as much again as it has, or as was spent."""
    budget = verdict.budget
    least = max(budget.limit, verdict.spent.value or 0.0) * 1.5 or 1.0
    return f"%cost budget {_measure(budget)}={least:.3g} {' '.join(_words(budget))}".rstrip()


def _measure(budget: Budget) -> str:
    return str(budget.currency) if budget.measure == "amount" else budget.measure


def _words(budget: Budget) -> Iterable[str]:
    """What makes a budget the one that it is."""
    yield _period_words(budget.period.text)
    yield f"scope={budget.scope}"
    if budget.key is not None:
        whose = "notebook" if budget.key.endswith(".ipynb") else "project"
        yield f"{whose if budget.scope == 'session' else budget.scope}={quote(budget.key)}"
    if budget.period.zone:
        yield f"zone={budget.period.zone}"
    if budget.name:
        yield f"name={quote(budget.name)}"
    if budget.shared:
        yield "shared=yes"


def _period_words(period: str) -> str:
    """``per=week``; of ``from 2026-10-01 until 2026-11-01``, ``from=2026-10-01 until=2026-11-01``."""
    words = period.split()
    pairs = zip(words[::2], words[1::2], strict=True) if len(words) > 1 else [("per", period)]
    return " ".join(f"{key}={value}" for key, value in pairs)


def stopped(over: Sequence[Verdict], now: float) -> str:
    """Why a cell was interrupted."""
    kept = "What it cost and printed so far is kept."
    return printable(f"This cell was interrupted: {_all_spent(over, now)}. {kept}{_set_in(over)}")


def not_stopped(over: Sequence[Verdict], now: float) -> str:
    """Why one was not: it runs beside the kernel's main thread."""
    why = "since a subshell's cannot be interrupted"
    return printable(f"This cell goes on, {why}: {_all_spent(over, now)}.{_set_in(over)}")


def went_on(over: Sequence[Verdict]) -> str:
    """A cell took the interrupt and came to its end."""
    standing = "; ".join(f"{title(verdict.budget)}: {said(verdict)}" for verdict in over)
    return printable(f"This cell was interrupted once, and went on to its end. {standing}, when it was interrupted.")
