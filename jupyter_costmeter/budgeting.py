"""Set budgets, change them, and take them away: one ``[[budget]]`` row in a ``jupyter_costmeter.toml``.

A new one goes into the user's own file, or beside the project for all who have that folder. One that is there is
changed in its file, of which all else stays. An administrator's cap is changed nowhere here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import tables
from .budget import Budget, BudgetScope, applying
from .budget_pages import title
from .budgets import SPELLED, budget_of, by_row, place_in
from .errors import UsageError
from .placing import own_file
from .tables import Document, Row
from .toml_files import NAME
from .toml_rows import File, rewrite

#: Which keys of a row say which fields of a budget. What says the same as before stays as it is spelled.
SAYS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("measure", "limit"), tuple(SPELLED)),
    (("currency",), ("currency",)),
    (("scope", "key"), ("scope", "notebook", "project")),
    (("period",), ("per", "from", "until", "zone")),
    (("name",), ("name",)),
    (("hold",), ("hold",)),
    (("warn",), ("warn",)),
    (("paused",), ("paused",)),
)
#: What says whose it is.
WHOSE = ("scope", "notebook", "project")
PERIOD_KEYS = ("per", "from", "until")
#: A file's rows that can be read, with the numbers of theirs.
Rows = Mapping[int, Budget]
Change = Callable[[Row], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Here:
    """Where one stands who sets a budget that does not say whose it is."""

    notebook: str | None
    project: str | None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Spot:
    """A file for budgets; ``folder`` is its project's, ``None`` of the user's own."""

    path: Path
    folder: str | None = None

    def document(self, text: str) -> Document:
        """What it says, if it is any TOML."""
        with suppress(ValueError):
            return Document(self.path, text, tables.parsed(text))
        return Document(self.path, text)

    def rows(self, text: str) -> Rows:
        document = self.document(text)
        return by_row(document, place_in(document, self.folder))

    def made(self, row: Row, text: str) -> Budget:
        """What a row would mean in it."""
        return budget_of(row, str(self.path), place_in(self.document(text), self.folder))


# What can be done


def set_budget(row: Mapping[str, Any], here: Here, shared: bool = False) -> Budget:
    """Set a budget; one of the same scope, measure, period and name is changed in what is said, and else stays.

    Args:
        row: the keys of a ``[[budget]]`` row; paths are whole.
        here: whose it is where the row does not say it.
        shared: it goes beside the project, for all who have that folder.

    Returns:
        The budget as it is now.

    Raises:
        UsageError: with what is wrong in the row or the file.
        ReportError: the file cannot be written.
    """
    spot = _shared_spot(here) if shared else _Spot(own_file())
    bare = _said(row)
    said = _placed(bare, here, spot)
    _check(said, spot)

    def change(text: str) -> tuple[str, int]:
        file, found, rows = File.of(text, "budget"), spot.made(said, text), spot.rows(text)
        i, new = _same(rows, found, not any(key in said for key in PERIOD_KEYS)), said
        if i is None and not any(key in bare for key in (*PERIOD_KEYS, *WHOSE)):
            i, new = _called(rows, found, here), bare
        if i is None:
            return file.with_row(said), len(file.rows)
        fused = _fused(file.rows[i], _over(file.rows[i], new), spot, text)
        return file.with_changed(i, fused), i

    return _written(spot, change)


def change(budget: Budget, row: Mapping[str, Any], here: Here | None = None) -> Budget:
    """Change a budget in its file: it says what ``row`` says, and besides only its note.

    Args:
        budget: one that is there.
        row: all that it says from now on, without the note.
        here: whose it is where a new scope does not say it.

    Raises:
        UsageError: with what is wrong; or it is a cap, or is gone.
        ReportError: the file cannot be written.
    """
    spot, said = _spot_of(budget), _said(row)
    stays = said.get("scope", budget.scope) == budget.scope and not _given(said)
    if not stays:
        said = _placed(said, here or Here(None, None), spot)
    kept = ("note", *(("scope", "notebook", "project") if stays else ()))
    _check({key: said[key] for key in said if not (stays and key == "scope")}, spot)  # the row has whose it is
    return _changed(budget, spot, lambda old: {**{key: old[key] for key in kept if key in old}, **said})


def pause(budget: Budget, on: bool) -> Budget:
    """Let it say nothing and hold nothing for a while (its row stays), or take that back.

    Raises:
        UsageError: it is a cap, or is gone.
        ReportError: the file cannot be written.
    """
    said = {"paused": True} if on else {}
    return _changed(budget, _spot_of(budget), lambda old: {**{key: old[key] for key in old if key != "paused"}, **said})


def delete(budget: Budget) -> None:
    """Take it out of its file.

    Raises:
        UsageError: it is a cap, or is gone.
        ReportError: the file cannot be written.
    """
    spot = _spot_of(budget)

    def without(text: str) -> str:
        return File.of(text, "budget").without({_row_of(spot, text, budget)})

    rewrite(spot.path, without)


def find(budgets: Sequence[Budget], text: str) -> Budget:
    """The budget of that name or title, or whose id, name or title begins so.

    Raises:
        UsageError: there is none, or several; the text names the near ones.
    """
    asked = text.strip()
    if not asked:
        raise UsageError(f"which budget? {_named(budgets)}")
    for fits in (
        lambda one: asked == one.id,
        lambda one: asked in (one.name, title(one)),
        lambda one: asked.casefold() in (one.name.casefold(), title(one).casefold()),
        lambda one: one.id.startswith(asked.lower()),
        lambda one: title(one).casefold().startswith(asked.casefold()),
    ):
        found = [one for one in budgets if fits(one)]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(f"{one.id[:6]} ({one.origin})" for one in found)
            raise UsageError(f"{len(found)} budgets are called {asked!r}; say it by its id: {several}")
    raise UsageError(f"there is no budget {asked!r}; {_near(budgets, asked)}")


def _near(budgets: Sequence[Budget], asked: str) -> str:
    known = {title(one).casefold(): title(one) for one in budgets}
    near = difflib.get_close_matches(asked.casefold(), known, 1, 0.5)
    return f"did you mean {known[near[0]]!r}?" if near else _named(budgets)


def _named(budgets: Iterable[Budget]) -> str:
    names = ", ".join(dict.fromkeys(repr(title(one)) for one in budgets))
    return f"there are {names}" if names else "there is none yet; set one: budget gpu_hours=20 per=week"


# Where


def _shared_spot(here: Here) -> _Spot:
    if here.project is None:
        raise UsageError("no project is known here to share it with: leave shared out")
    return _Spot(Path(here.project) / NAME, here.project)


def _spot_of(budget: Budget) -> _Spot:
    """Its file by the name that it was found by, which relative paths in it go by."""
    if budget.lab is not None:
        raise UsageError(
            f"{title(budget)} is a lab budget, set by {budget.lab.set_by}: only a head of the lab changes it, with"
            " `jupyter costmeter lab budget …`"
        )
    if budget.cap or budget.file is None:
        raise UsageError(
            f"{title(budget)} is set by the administrator in {budget.origin} and can only be changed there"
        )
    path = Path(budget.origin.rpartition(":")[0])
    return _Spot(path, str(path.parent) if budget.shared else None)


def _said(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def _given(said: Row) -> str | None:
    """Which of them the row names."""
    return next((key for key in ("notebook", "project") if said.get(key)), None)


def _check(said: Row, spot: _Spot) -> None:
    """A mistake in what is said is none of the file's."""
    text = ""
    with suppress(OSError, UnicodeError):  # that is told when it is to be written
        text = spot.path.read_text(encoding="utf-8-sig")
    spot.made(said, text)


def _placed(said: Row, here: Here, spot: _Spot) -> dict[str, Any]:
    """With whose it is: as it was said, else of the notebook or project here."""
    found = dict(said)
    scope = found.get("scope") or _usual(found, here)
    given = _given(said)
    if given is not None and spot.folder is not None:
        found[given] = _relative(str(found[given]), spot.folder)
    if given is None and scope in ("notebook", "project", "session"):
        found.update(_whose(scope, here, spot))
    return found


def _usual(said: Row, here: Here) -> BudgetScope:
    if said.get("per") == "session":
        return "session"
    if said.get("notebook"):
        return "notebook"
    return "project" if said.get("project") or here.project else "user"


def _whose(scope: str, here: Here, spot: _Spot) -> dict[str, str]:
    """What is left out in a project's file is of its folder."""
    kind = "notebook" if scope == "notebook" or (scope == "session" and here.notebook) else "project"
    path = here.notebook if kind == "notebook" else here.project
    if path is None:
        return {"scope": scope}
    if spot.folder is None:
        return {"scope": scope, kind: path}
    path = _relative(path, spot.folder)
    return {"scope": scope, **({} if path == os.curdir else {kind: path})}


def _relative(path: str, folder: str) -> str:
    """As it is written in a project's file, which may be elsewhere on another machine."""
    whole = os.path.realpath(os.path.join(folder, os.path.expanduser(path)))
    found = os.path.relpath(whole, os.path.realpath(folder))
    if found.split(os.sep)[0] == os.pardir:
        raise UsageError(f"{path} is not in {folder}: a budget that is shared there is of what lies in it")
    return found


# What changes


def _written(spot: _Spot, change: Callable[[str], tuple[str, int]]) -> Budget:
    """Change its text; the budget of the row that was meant, as it is now."""
    result: list[Budget] = []

    def put(text: str) -> str:
        after, i = change(text)
        found = spot.rows(after)
        result[:] = [found[i]]
        return after

    rewrite(spot.path, put)
    return result[0]


def _changed(budget: Budget, spot: _Spot, new: Change) -> Budget:
    def put(text: str) -> tuple[str, int]:
        file, i = File.of(text, "budget"), _row_of(spot, text, budget)
        return file.with_changed(i, _fused(file.rows[i], new(file.rows[i]), spot, text)), i

    return _written(spot, put)


def _row_of(spot: _Spot, text: str, budget: Budget) -> int:
    for i, one in spot.rows(text).items():
        if one.id == budget.id:
            return i
    raise UsageError(f"{title(budget)} is not there any more; look at the list again")


def _same(rows: Rows, found: Budget, any_period: bool) -> int | None:
    """The first row that is the same budget; where no period was said, by its name alone if that is of one."""
    same = [i for i, one in rows.items() if _identity(one) == _identity(found)]
    if not same and found.name and any_period:
        same = [i for i, one in rows.items() if _identity(one, False) == _identity(found, False)]
        return same[0] if len(same) == 1 else None
    return same[0] if same else None


def _called(rows: Rows, found: Budget, here: Here) -> int | None:
    """The row of that name and measure, of whatever scope, that counts here, if it is one: its name is enough."""
    same = [
        i
        for i, one in rows.items()
        if found.name
        and (one.name, one.measure, one.currency) == (found.name, found.measure, found.currency)
        and applying([one], here.notebook, here.project)
    ]
    return same[0] if len(same) == 1 else None


def _identity(one: Budget, period: bool = True) -> tuple[object, ...]:
    return (one.scope, one.key, one.measure, one.currency, one.period.text if period else "", one.name)


def _over(old: Row, said: Row) -> dict[str, Any]:
    """What is said over what was; of one thing it is said by one key."""
    found = {**old, **said}
    for keys in (tuple(SPELLED), ("notebook", "project"), PERIOD_KEYS):
        if any(key in said for key in keys):
            found = {key: value for key, value in found.items() if key not in keys or key in said}
    return found


def _fused(old: Row, new: Row, spot: _Spot, text: str) -> dict[str, Any]:
    """The new row, where what says the same as before is spelled as before; keys that stay keep their order."""
    was, now = spot.made(old, text), spot.made(new, text)
    new = _spelled(old, new, was, now)
    kept = {key for fields, keys in SAYS if _alike(was, now, fields) for key in keys}
    if "warn" in new and "warn" not in old:  # what it does without is the setting's, which is not known here
        kept.discard("warn")
    wanted = {key: value for key, value in new.items() if key not in kept}
    wanted |= {key: value for key, value in old.items() if key in kept}
    return {**{key: wanted[key] for key in old if key in wanted}, **wanted}


def _alike(was: Budget, now: Budget, fields: Iterable[str]) -> bool:
    return all(getattr(was, field) == getattr(now, field) for field in fields)


def _spelled(old: Row, new: Row, was: Budget, now: Budget) -> Row:
    """A measure that stays keeps its key."""
    if was.measure != now.measure:
        return new
    before, after = (next(key for key in SPELLED if key in row) for row in (old, new))
    return {before if key == after else key: value for key, value in new.items()}
