"""Set, change, pause and delete a budget: one row in its file, and all else in it stays as it is."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jupyter_costmeter import budgeting
from jupyter_costmeter.budget import Budget
from jupyter_costmeter.budgeting import Here, change, delete, find, pause, set_budget
from jupyter_costmeter.budgets import load
from jupyter_costmeter.errors import ReportError, UsageError
from jupyter_costmeter.toml_files import NAME


@pytest.fixture
def own(home: Path) -> Path:
    (home / "config_dir").mkdir()
    return home / "config_dir" / NAME


@pytest.fixture
def here(home: Path) -> Here:
    (home / "lab" / "paper").mkdir(parents=True)
    project = (home / "lab" / "paper").resolve()
    return Here(str(project / "a.ipynb"), str(project))


def declared(here: Here) -> list[Budget]:
    found = load(here.project)
    assert not found.problems
    return list(found.budgets)


MINE = """\
# What I may spend.   (\ttabs)
[[where]]
region = 'FR'   # at home

[[budget]]       # the lab's
kg   =  3        # little
per = "month"
scope = "user"
warn = [0.5, 1]  # twice

# the end
"""


def test_a_new_one_goes_below_all_else_in_the_users_own_file(own: Path, here: Here) -> None:
    own.write_text(MINE)
    one = set_budget({"gpu_hours": 20, "per": "week", "hold": "ask"}, here)
    added = f'gpu_hours = 20\nper = "week"\nhold = "ask"\nscope = "project"\nproject = "{here.project}"\n'
    assert own.read_text() == f"{MINE}\n[[budget]]\n{added}"
    assert one == declared(here)[1]
    assert (one.scope, one.key, one.origin) == ("project", here.project, f"{own}:13")


def test_said_once_more_it_is_the_same_budget_raised(own: Path, here: Here) -> None:
    own.write_text(MINE)
    (before,) = declared(here)
    after = set_budget({"kgco2e": 4.5, "per": "month", "scope": "user"}, here)
    assert own.read_text() == MINE.replace("kg   =  3 ", "kg   =  4.5 ")
    assert (after.id, after.limit) == (before.id, 4.5)


@pytest.mark.parametrize(
    "row", [{"per": "week"}, {"per": "month", "name": "car"}, {"per": "month", "scope": "project"}]
)
def test_of_another_period_name_or_scope_it_is_another(row: dict[str, Any], own: Path, here: Here) -> None:
    own.write_text(MINE)
    set_budget({"kg": 3, "scope": "user", **row}, here)
    assert len(declared(here)) == 2


def test_a_name_is_enough_to_raise_one_whose_period_is_not_said(own: Path, here: Here) -> None:
    first = set_budget({"gpu_hours": 20, "per": "week", "name": "quota", "hold": "ask"}, here)
    second = set_budget({"gpu_hours": 30, "name": "quota"}, here)
    assert (second.id, second.limit, second.hold, second.period.text) == (first.id, 30.0, "ask", "week")
    set_budget({"gpu_hours": 3, "per": "day", "name": "quota"}, here)
    assert [one.period.text for one in declared(here)] == ["week", "day"]


@pytest.mark.parametrize(
    ("row", "scope", "whose"),
    [
        ({}, "project", "project"),
        ({"scope": "notebook"}, "notebook", "notebook"),
        ({"scope": "session"}, "session", "notebook"),
        ({"per": "session"}, "session", "notebook"),
        ({"scope": "user"}, "user", None),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_whose_it_is_unless_it_is_said(
    row: dict[str, Any], scope: str, whose: str | None, shared: bool, own: Path, here: Here
) -> None:
    one = set_budget({"kwh": 1, **row}, here, shared)
    assert (one.scope, one.key) == (scope, getattr(here, whose) if whose else None)
    assert declared(here) == [one]


def test_a_shared_one_is_written_beside_the_project_without_its_path(own: Path, here: Here) -> None:
    set_budget({"kwh": 1}, here, shared=True)
    one = set_budget({"kwh": 1, "notebook": here.notebook}, here, shared=True)
    assert Path(str(here.project), NAME).read_text() == (
        '[[budget]]\nkwh = 1\nscope = "project"\n\n[[budget]]\nkwh = 1\nnotebook = "a.ipynb"\n'
    )
    assert one.shared
    assert not own.exists()


def test_what_cannot_be_shared(here: Here) -> None:
    with pytest.raises(UsageError, match="is not in .*paper: a budget that is shared there"):
        set_budget({"kwh": 1, "notebook": "/elsewhere/b.ipynb"}, here, shared=True)
    with pytest.raises(UsageError, match="no project is known here to share it with"):
        set_budget({"kwh": 1}, Here(None, None), shared=True)


def test_where_no_project_is_known_it_is_all_of_the_users(own: Path) -> None:
    assert set_budget({"kwh": 1}, Here(None, None)).scope == "user"
    with pytest.raises(UsageError, match="which notebook"):
        set_budget({"kwh": 1, "scope": "notebook"}, Here(None, None))


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"kwh": -1}, "kwh = -1: it wants a number from 0 on"),
        ({"kwh": 1, "scope": "projct"}, "scope: there is no 'projct'; did you mean 'project'?"),
        ({"amount": 1}, "an amount of money wants its currency, too: EUR, USD or another ISO code"),
    ],
)
def test_a_mistake_in_what_is_said_writes_nothing_and_blames_no_file(
    row: dict[str, Any], named: str, own: Path, here: Here
) -> None:
    own.write_text(MINE)
    with pytest.raises(UsageError) as error:
        set_budget(row, here)
    assert str(error.value).startswith(named)
    assert own.read_text() == MINE


def test_a_change_says_all_but_the_note_anew_and_spells_as_before_what_stays(own: Path, here: Here) -> None:
    own.write_text(MINE.replace("# twice\n", '# twice\nnote = "by law"\nname = "air"\n'))
    (one,) = declared(here)
    row = {"kgco2e": 3, "scope": "user", "per": "week", "hold": "stop", "warn": [0.5, 1.0], "paused": False}
    after = change(one, row)
    changed = MINE.replace('per = "month"', 'per = "week"').replace(
        "# twice\n", '# twice\nnote = "by law"\nhold = "stop"\n'
    )
    assert own.read_text() == changed
    assert (after.name, after.hold, after.limit) == ("", "stop", 3.0)


def test_a_change_of_measure_and_period(own: Path, here: Here) -> None:
    own.write_text(MINE)
    row = {"amount": 5, "currency": "EUR", "from": date(2026, 10, 1), "until": date(2027, 1, 1), "scope": "user"}
    after = change(declared(here)[0], row)
    assert (after.measure, after.limit, after.currency) == ("amount", 5.0, "EUR")
    assert after.period.text == "from 2026-10-01 until 2027-01-01"
    assert "per" not in own.read_text()
    again = change(after, {"kwh": 2, "per": "7d", "scope": "user"})
    assert (again.measure, again.currency, again.period.text) == ("kwh", None, "7d")


def test_a_change_keeps_whose_it_is_until_the_scope_changes(own: Path, here: Here) -> None:
    one = set_budget({"kwh": 1, "project": str(Path(str(here.project)).parent)}, here)
    raised = change(one, {"kwh": 2, "scope": "project"}, here)
    assert (raised.id, raised.key) == (one.id, one.key)
    moved = change(raised, {"kwh": 2, "scope": "notebook"}, here)
    assert moved.key == here.notebook
    assert change(moved, {"kwh": 2, "scope": "user"}).key is None


def test_one_of_a_folder_around_is_changed_there(here: Here) -> None:
    around = Path(str(here.project)).parent / NAME
    around.write_text("[[budget]]\nkwh = 1\n")
    pause(declared(here)[0], True)
    assert around.read_text() == "[[budget]]\nkwh = 1\npaused = true\n"


def test_thresholds_that_are_said_are_written_also_the_usual_ones(own: Path, here: Here) -> None:
    """What a row without them does is a setting's, and may be other than the usual."""
    one = set_budget({"gpu_hours": 20}, here)
    changed = change(one, {"gpu_hours": 20, "warn": [0.5, 0.8, 1.0]}, here)
    assert changed.warn == (0.5, 0.8, 1.0)
    assert "warn = [0.5, 0.8, 1.0]" in own.read_text()


def test_pausing_and_resuming_leaves_no_trace(own: Path, here: Here) -> None:
    own.write_text(MINE)
    paused = pause(declared(here)[0], True)
    assert paused.paused
    assert own.read_text() == MINE.replace("# twice\n", "# twice\npaused = true\n")
    assert not pause(paused, False).paused
    assert own.read_text() == MINE


def test_deleting_takes_that_row_alone(own: Path, here: Here) -> None:
    own.write_text(MINE)
    one = set_budget({"kwh": 1}, here)
    delete(declared(here)[0])
    assert [b.measure for b in declared(here)] == ["kwh"]
    assert own.read_text().startswith(MINE[: MINE.index("[[budget]]")])
    delete(one)
    assert "# the end" in own.read_text()
    with pytest.raises(UsageError, match="is not there any more; look at the list again"):
        delete(one)


def test_of_two_alike_the_one_that_is_meant_is_changed(own: Path, here: Here) -> None:
    own.write_text("[[budget]]\nkwh = 1\n[[budget]]\nkwh = 'x'\n[[budget]]\nkwh = 2\n")
    second = load(here.project).budgets[1]
    pause(second, True)
    assert own.read_text() == "[[budget]]\nkwh = 1\n[[budget]]\nkwh = 'x'\n[[budget]]\nkwh = 2\npaused = true\n"


@pytest.mark.parametrize("deed", [delete, lambda one: pause(one, True), lambda one: change(one, {"kwh": 1})])
def test_a_cap_is_changed_by_the_administrator_alone(deed: Any) -> None:
    (cap,) = load(None, [({"kwh": 5, "name": "lab"}, "/etc/jupyter/jupyter_costmeter_config.py")]).budgets
    with pytest.raises(UsageError) as error:
        deed(cap)
    assert str(error.value) == (
        "lab is set by the administrator in /etc/jupyter/jupyter_costmeter_config.py and can only be changed there"
    )


def test_a_file_that_is_no_toml_stays_as_it_is(own: Path, here: Here) -> None:
    own.write_text("[[budget]\n")
    with pytest.raises(UsageError, match=f"{own}: .*mend it first"):
        set_budget({"kwh": 1}, here)
    assert own.read_text() == "[[budget]\n"


def test_a_folder_that_cannot_be_written_is_said(own: Path, here: Here) -> None:
    (Path(str(here.project)) / f".{NAME}.lock").mkdir()
    with pytest.raises(ReportError, match="cannot write"):
        set_budget({"kwh": 1}, here, shared=True)


def test_the_files_permissions_stay(own: Path, here: Here) -> None:
    own.write_text(MINE)
    own.chmod(0o640)
    set_budget({"kwh": 1}, here)
    assert stat.S_IMODE(own.stat().st_mode) == 0o640


# By name


@pytest.mark.parametrize(
    ("asked", "found"),
    [("GPU quota", 0), ("gpu QUOTA", 0), ("3 kWh per week, all of mine", 1), ("3 kWh", 1), ("gpu", 0)],
)
def test_a_budget_by_its_name_or_title(asked: str, found: int, own: Path, here: Here) -> None:
    set_budget({"gpu_hours": 20, "name": "GPU quota"}, here)
    set_budget({"kwh": 3, "per": "week", "scope": "user"}, here)
    some = declared(here)
    assert find(some, asked) == some[found]
    assert find(some, some[found].id) == find(some, some[found].id[:5].upper()) == some[found]


def test_none_or_several_of_that_name(own: Path, here: Here) -> None:
    set_budget({"gpu_hours": 20, "name": "GPU quota"}, here)
    some = declared(here)
    with pytest.raises(UsageError, match="there is no budget 'GPU qota'; did you mean 'GPU quota'?"):
        find(some, "GPU qota")
    with pytest.raises(UsageError, match="which budget\\? there are 'GPU quota'"):
        find(some, " ")
    set_budget({"kwh": 20, "name": "GPU quota"}, here)
    with pytest.raises(UsageError, match="2 budgets are called 'GPU quota'; say it by its id: "):
        find(declared(here), "GPU quota")
    with pytest.raises(UsageError, match="there is none yet; set one: budget gpu_hours=20 per=week"):
        budgeting.find([], "x")
