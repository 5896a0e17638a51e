"""The budgets that hold somewhere: ``[[budget]]`` rows of ``jupyter_costmeter.toml``, and the administrator's caps.

Jupyter's config directories have the user's own, a project's folder and those around it what its members share. All
of them hold side by side. A mistake is named with its line and the rest is used (docs/budgets.md).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from . import assumptions, currencies, tables, toml_files
from .assumptions import TABLES
from .budget import HOLDS, SCOPES, WARN, Budget, BudgetScope, Hold, Measure, Offline, thresholds
from .errors import UsageError
from .labs import Kept
from .periods import Period, period_of
from .tables import Document, Row, check_keys, number, text, unknown

#: How measures are spelled in a row; ``kg`` is short for one.
SPELLED: dict[str, Measure] = {
    "gpu_hours": "gpu_hours",
    "gpu_busy_hours": "gpu_busy_hours",
    "flops": "flops",
    "kwh": "kwh",
    "kgco2e": "kgco2e",
    "kg": "kgco2e",
    "amount": "amount",
}
KEYS = (
    *SPELLED, "currency", "per", "from", "until", "zone", "scope", "notebook", "project", "hold", "warn", "name",
    "paused", "note",
)  # fmt: skip
#: A row of the administrator's, and the config file that it is from.
Cap = tuple[object, str]


class Settings(Protocol):
    """What of ``config.CostMeter`` budgets depend on."""

    caps: Any
    budget_warn: Any
    ledger_share_offline: Any

    @property
    def lab_file(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class Declared:
    """The budgets of a project and of everywhere; ``files`` are all that were looked for."""

    budgets: tuple[Budget, ...] = ()
    problems: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: its file, the folder that its paths are relative to, and what it says by default.

    ``folder`` is ``None`` where paths must be absolute: in the user's own file, and in a cap.
    """

    file: str | None
    folder: str | None = None
    currency: str | None = None
    warn: tuple[float, ...] = WARN
    cap: bool = False


def load(
    project: str | None, caps: Sequence[Cap] = (), warn: tuple[float, ...] = WARN, lab: Lab | None = None
) -> Declared:
    """All budgets that may hold in a project.

    Args:
        project: its folder.
        caps: the administrator's rows, each with the file that it is from.
        warn: when to warn of those that do not say it.
        lab: where what the lab's ledger says is kept.
    """
    found, problems = _of_caps(caps, warn)
    if lab is not None:
        found, problems = [*found, *lab.budgets()], [*problems, *lab.problems()]
    shared = set(toml_files.around(project))
    looked = toml_files.of_budgets(project)
    for path in looked:
        folder = str(path.parent) if path in shared else None
        budgets, mistakes = of_file(path, folder, warn)
        found, problems = [*found, *budgets], [*problems, *mistakes]
    return Declared(tuple(found), tuple(problems), tuple(looked))


def of_file(path: Path, folder: str | None, warn: tuple[float, ...] = WARN) -> tuple[list[Budget], list[str]]:
    """The budgets of one file, and what is wrong with its rows; ``folder`` is its project's, if it has one."""
    document = tables.read(path, TABLES)
    place = place_in(document, folder, warn)
    rest = len(document.problems)  # of the file as a whole: its other reader tells them
    found = by_row(document, place)
    return list(found.values()), [_proposed(document, problem) for problem in document.problems[rest:]]


def place_in(document: Document, folder: str | None, warn: tuple[float, ...] = WARN) -> Place:
    """What the rows of a file go by; ``folder`` is its project's, if it has one."""
    return Place(os.path.realpath(document.path), folder, assumptions.currency_of(document), warn)


def by_row(document: Document, place: Place) -> dict[int, Budget]:
    """A file's budgets by the numbers of their rows (from 0); what is wrong with others is in its problems."""
    found = list(document.rows("budget", lambda row, origin: (origin, budget_of(row, origin, place))))
    rows = {document.origin("budget", i): i for i in range(len(document.tables.get("budget", ())))}
    return dict(zip((rows[origin] for origin, _ in found), numbered(one for _, one in found), strict=True))


def _proposed(document: Document, problem: str) -> str:
    """Of a lonely ``[budget]`` table, how it is written."""
    if not isinstance(document.tables.get("budget"), Mapping):
        return problem
    return f"{document.origin('budget')}: [budget]: write each budget as a row, [[budget]] with gpu_hours = 20"


def _of_caps(caps: Sequence[Cap], warn: tuple[float, ...]) -> tuple[list[Budget], list[str]]:
    found, problems, place = [], [], Place(None, None, None, warn, cap=True)
    for row, origin in caps:
        try:
            if not isinstance(row, Mapping):
                raise UsageError(f'{row!r}: it wants a row such as {{"gpu_hours": 20, "per": "week"}}')
            found.append(budget_of({str(key): row[key] for key in row}, origin, place))
        except (UsageError, ValueError, TypeError, ArithmeticError) as error:
            problems.append(f"{origin}: CostMeter.caps: {error}")
    return numbered(found), problems


def numbered(found: Iterable[Budget]) -> list[Budget]:
    """Each with an id of its own: those that are alike are told apart by their order."""
    seen: Counter[str] = Counter()
    result = []
    for one in found:
        known = repr((one.file, one.scope, one.key, one.measure, one.currency, one.period.text, one.name, one.cap))
        result.append(replace(one, id=sha256(f"{known}{seen[known]}".encode()).hexdigest()[:12]))
        seen[known] += 1
    return result


# One row


def budget_of(row: Row, origin: str, place: Place) -> Budget:
    """What a row means; its id is given by ``numbered``.

    Raises:
        UsageError: with what is wrong in it.
    """
    check_keys(row, KEYS)
    measure, limit = _limit(row)
    scope, key = _scope(row, place)
    return Budget(
        "",
        measure,
        limit,
        scope,
        key,
        _period(row, scope),
        text(row, "name"),
        _currency(row, measure, place),
        _hold(row),
        _warn(row, place.warn),
        _paused(row),
        origin,
        place.file,
        place.cap,
        place.folder is not None,
    )


def _limit(row: Row) -> tuple[Measure, float]:
    said = [key for key in SPELLED if key in row]
    if len(said) != 1:
        what = "says no measure" if not said else f"has {' and '.join(said)}"
        raise UsageError(f"it {what}: one row has one of {', '.join(SPELLED)}")
    limit = number(row, said[0])
    assert limit is not None
    return SPELLED[said[0]], limit


def _currency(row: Row, measure: Measure, place: Place) -> str | None:
    said = text(row, "currency")
    if measure != "amount":
        if said:
            raise UsageError("currency is of an amount: write amount = 150")
        return None
    code = said or place.currency
    if not code:
        raise UsageError("an amount of money wants its currency, too: EUR, USD or another ISO code")
    return currencies.known(code)


def _scope(row: Row, place: Place) -> tuple[BudgetScope, str | None]:
    named = {key: text(row, key) for key in ("notebook", "project")}
    if all(named.values()):
        raise UsageError("a budget is of a notebook or of a project, not of both")
    scopes: dict[str, BudgetScope] = {scope: scope for scope in SCOPES}
    scope = scopes.get(text(row, "scope", tuple(scopes)), _usual_scope(row, named, place))
    return scope, _key(scope, named, place)


def _usual_scope(row: Row, named: Mapping[str, str], place: Place) -> BudgetScope:
    if row.get("per") == "session":
        return "session"
    return "notebook" if named["notebook"] else "project" if named["project"] or place.folder else "user"


def _key(scope: BudgetScope, named: Mapping[str, str], place: Place) -> str | None:
    """The path that it is of; of a project's file its folder, unless it says another."""
    if scope == "user":
        if any(named.values()):
            raise UsageError('scope = "user" is of all notebooks: leave notebook and project out')
        return None
    given = next(filter(None, named.values()), "")
    if scope in named and given and not named[scope]:
        raise UsageError(f'scope = "{scope}" wants {scope} = "PATH"')
    if given:
        return _path(given, place)
    if scope == "notebook" or (scope == "project" and place.folder is None):
        raise UsageError(f'which {scope}? {scope} = "PATH" says it')
    return place.folder and os.path.realpath(place.folder)


def _path(given: str, place: Place) -> str:
    path = os.path.expanduser(given)
    if not os.path.isabs(path):
        if place.folder is None:
            raise UsageError(f"{given!r}: it wants a whole path, from / on")
        path = os.path.join(place.folder, path)
    return os.path.realpath(path)


def _period(row: Row, scope: BudgetScope) -> Period:
    since, until = (_day(row, key) for key in ("from", "until"))
    per = text(row, "per")
    if not per and scope == "session" and since is None and until is None:
        per = "session"
    return period_of(per, text(row, "zone"), since, until)


def _day(row: Row, key: str) -> date | None:
    value = row.get(key)
    if value is None or isinstance(value, date):
        return value
    with suppress(TypeError, ValueError):  # a cap in a .json file has no other way to say it
        return datetime.fromisoformat(value) if len(value) > len("2026-10-01") else date.fromisoformat(value)
    raise UsageError(f"{key} = {value!r}: it wants a day such as 2026-10-01")


def _hold(row: Row) -> Hold:
    holds: dict[str, Hold] = {hold: hold for hold in HOLDS}
    said = text(row, "hold")
    if said and said not in holds:
        raise UsageError(f"hold: {unknown(said, HOLDS)}")
    return holds.get(said, "warn")


def _warn(row: Row, usual: tuple[float, ...]) -> tuple[float, ...]:
    said = row.get("warn")
    return usual if said is None else thresholds(said)


def _paused(row: Row) -> bool:
    said = row.get("paused", False)
    if not isinstance(said, bool):
        raise UsageError(f"paused = {said!r}: it wants true or false")
    return said


# Kept while the files are the same


class Lab:
    """The lab's budgets, as its ledger said last.

    Args:
        path: where that is kept (``labs.kept_beside``).
        offline: what they do at their limits while the lab's database is away.
    """

    def __init__(self, path: Path, offline: Offline = "ask") -> None:
        self.path, self._kept, self._offline = path, Kept(path), offline

    def budgets(self) -> list[Budget]:
        """Those that are this person's."""
        snapshot = self._kept.now()
        return [one.terms.budget(self._offline) for one in snapshot.applying.values()] if snapshot else []

    def problems(self) -> list[str]:
        """What is wrong with the file."""
        self._kept.now()
        return [self._kept.problem] if self._kept.problem else []


class Plans:
    """Budgets by project, read anew when one of their files has changed.

    Args:
        caps: the administrator's rows.
        warn: when to warn of those that do not say it.
        lab: where the lab's are, if something is shared.
    """

    def __init__(self, caps: Sequence[Cap] = (), warn: tuple[float, ...] = WARN, lab: Lab | None = None) -> None:
        self._caps, self._warn, self._lab = caps, warn, lab
        self._known: dict[str | None, tuple[object, Declared]] = {}

    def of(self, project: str | None) -> Declared:
        """Those of now."""
        files = toml_files.of_budgets(project)
        state = tables.state([*files, self._lab.path] if self._lab else files)
        known = self._known.get(project)
        if known is None or known[0] != state:
            known = self._known[project] = (state, load(project, self._caps, self._warn, self._lab))
        return known[1]


def plans_of(settings: Settings) -> Plans:
    """The budgets under some settings, with the administrator's caps and the lab's."""
    lab = settings.lab_file
    made = Lab(lab, settings.ledger_share_offline) if lab else None
    return Plans(settings.caps, tuple(settings.budget_warn), made)
