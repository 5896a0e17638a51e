"""What the cells of a session that runs are said to be: one by one, or from one on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from . import guard, tagging
from .errors import UsageError
from .format import in_words
from .runs import Run, is_meters
from .session import Session
from .tag import SCORE, Tagged, tagged, tags_of

NOTHING = (
    "this cell holds nothing but %cost, so nothing in it has a score; write the line into the cell that has, name the "
    "run (%cost tag run=NAME), or say which cell is meant"
)
#: The trial that runs in this task or thread, with its session: a thread's newest block may be another task's.
trial_of: ContextVar[tuple[Session, Run] | None] = ContextVar("jupyter_costmeter_trial", default=None)


def begin(session: Session, said: Mapping[str, Any]) -> str:
    """The cell that runs and all from here on are that, and no longer what an earlier call said; in words.

    Where all that is said is taken back (``method=``), the rest of the earlier call stays.
    """
    alone = all(value is None for value in said.values())
    return _now(session, {**(session.span if alone else {}), **said})


def end(session: Session) -> str:
    """From the cell that runs on nothing is said any more."""
    return _now(session, {})


def _now(session: Session, said: Mapping[str, Any]) -> str:
    before, session.span = session.span, _known(said)
    for run in session.cells_here()[:1]:
        own = {key: value for key, value in run.said.items() if before.get(key) != value}
        run.said = {**own, **session.span}
    return in_force(session)


def in_force(session: Session) -> str:
    """What the cells from here on are said to be, in a sentence."""
    said = in_words(of_said(session.span))
    return f"From this cell on: {said}. `%cost tag --off` ends it." if said else "Cells are not tagged from here on."


def of_cell(session: Session, said: Mapping[str, Any]) -> None:
    """The cell that runs, alone, is that, too."""
    for run in session.cells_here()[-1:]:
        run.said = _known({**run.said, **said})


def of_ended(session: Session, record_ids: Iterable[str], said: Mapping[str, Any]) -> None:
    """Records that have ended are that: also while the ledger cannot be written, which then waits in memory."""
    session.say(tagging.later(record_ids, said, session.info.user, session.info.host))


def score(session: Session, key: str, value: float) -> bool:
    """A score (by ``tag``'s key) of the trial that runs, else of the cell; whether there is one.

    Raises:
        UsageError: the cell holds nothing but ``%cost``, and is of no named run.
    """
    found = trial_of.get()
    inside = found is not None and found[0] is session and found[1].window.end is None
    runs = [found[1]] if inside and found is not None else session.cells_here()[-1:]
    for run in runs:
        if is_meters(run.code) and "run" not in run.said:
            raise UsageError(f"{NOTHING}, as in %cost score {key.removeprefix(SCORE)}={value:g} --cells -1")
        run.said = {**run.said, key: value}
    if not runs:
        guard.log.warning("jupyter_costmeter: no cell and no trial runs that could have the score %s", key)
    return bool(runs)


def of_said(said: Mapping[str, Any]) -> Tagged:
    """What is said, as a record's tags would say it."""
    return tagged(tags_of("", said, 0.0, "run", "", ""))


def _known(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not None}
