"""When a cell is held, and what is said of it: the budget, where it is set, when it begins anew, and the way on."""

from __future__ import annotations

import shlex
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import holding
from jupyter_costmeter.budget import EXTENSION, Budget, Verdict, extension
from jupyter_costmeter.budgeting import Here, set_budget
from jupyter_costmeter.budgets import load
from jupyter_costmeter.periods import Period
from jupyter_costmeter.planning import row_of
from jupyter_costmeter.record import Total

NOW = 1_790_000_000.0


def verdict(spent: float | None = 20.3, granted: float = 0.0, **more: Any) -> Verdict:
    made = Budget("b1", "gpu_hours", 20.0, "project", "/lab/paper", Period("week", zone="UTC"), "GPU quota",
                  hold="ask", origin="/lab/paper/jupyter_costmeter.toml:12", file="x", shared=True)  # fmt: skip
    made = replace(made, **more)
    start, end = made.period.at(NOW)
    return Verdict(made, start, end, Total("gpu_hours", made.unit, spent, "measured", 1.0, 0, 0.0), granted)


# What is never held


@pytest.mark.parametrize(
    "code",
    [
        "%cost",
        "%cost budget gpu_hours=30",
        "  %cost budget \\\n  gpu_hours=30\n\n# a word\n%cost",
        "%load_ext jupyter_costmeter",
        "%reload_ext  jupyter_costmeter",
        "%unload_ext jupyter_costmeter\n%cost",
        "%%cost a label\n%cost",
        "# nothing",
        "",
    ],
)
def test_commands_of_ours_are_never_held(code: str) -> None:
    assert holding.ours(code)


@pytest.mark.parametrize(
    "code",
    ["1", "%cost\ntrain()", "%%cost label\ntrain()", "%costly", "%load_ext other", "%time train()", "cost = 3",
     "%load_ext jupyter_costmeter_more", "%cost\n!rm x",
     "%cost label {train()}", "%cost label $x", "# data is in D:\\runs\\\ntrain()", "  #\\\ntrain()",
     "%cost budget \\\n  gpu_hours=30\ntrain()", "# one\\\n%cost\ntrain()"],
)  # fmt: skip
def test_all_else_may_be(code: str) -> None:
    assert not holding.ours(code)


# The way on


def test_a_path_cannot_speak_to_the_terminal() -> None:
    over = verdict(key="/lab/a\x1b[31mb", origin="/lab/a\x1b[31mb/jupyter_costmeter.toml:1", shared=False)
    said = holding.refusal([over], NOW, headless=False, project="/lab/a\x1b[31mb")
    assert said.isprintable()
    assert "%cost budget" not in said  # no word can name it


def test_a_sessions_budget_is_raised_by_its_own_words_or_in_its_file(home: Path) -> None:
    for row in ({"gpu_hours": 1, "scope": "session", "notebook": str(home / "other.ipynb")},):
        made = set_budget(row, Here(str(home / "a.ipynb"), str(home)))
        over = replace(verdict(1.5), budget=replace(made, limit=1.0, hold="ask"))
        words = shlex.split(holding.raised(over).removeprefix("%cost budget "))
        assert set_budget(row_of(words), Here(str(home / "a.ipynb"), str(home))).id == made.id
    each = verdict(scope="session", key=None, shared=False, origin="/x.toml:3")
    assert "raise it in /x.toml:3" in holding.refusal([each], NOW, headless=False, project=None)


def test_a_spans_time_of_day_stays(home: Path) -> None:
    row = row_of(["gpu_hours=1", "from=2026-11-01T12:00:00", "until=2030-01-01", "scope=user"])
    made = set_budget(row, Here(None, None))
    words = shlex.split(holding.raised(replace(verdict(1.5), budget=made)).removeprefix("%cost budget "))
    again = set_budget(row_of(words), Here(None, None))
    assert (again.id, again.period) == (made.id, made.period)
    assert "from 2026-11-01T12:00:00" in made.period.text


# Run again within a minute


def test_a_cell_goes_on_when_it_is_run_again_within_a_minute() -> None:
    held = holding.Held()
    assert not held.insists("a", 0.0)
    held.note("a", 0.0)
    assert not held.insists("b", 10.0)
    assert held.insists("a", 60.0)
    assert not held.insists("a", 60.0)  # once
    held.note("a", 100.0)
    assert not held.insists("a", 160.1)


# What is said


def test_a_refusal_says_all_that_is_needed() -> None:
    said = holding.refusal([verdict()], NOW, headless=False, project="/lab/paper")
    for part in (
        "This cell was not started",
        "GPU quota",
        "20.3 of 20 GPU-h this week",
        "/lab/paper/jupyter_costmeter.toml:12",
        "begins anew on Mon",
        "To spend 2 GPU-h from here, run the cell again within a minute",
        "or raise it: %cost budget gpu_hours=30.5 per=week",
    ):
        assert part in said
    assert "\n" not in said


def test_nobody_is_told_to_run_a_cell_again_where_nobody_sits() -> None:
    said = holding.refusal([verdict()], NOW, headless=True, project="/lab/paper")
    assert "again" not in said.replace("begins anew", "")
    assert "%cost budget gpu_hours=" in said


def test_a_cap_has_no_way_on_but_the_administrator() -> None:
    cap = verdict(cap=True, origin="/etc/jupyter/jupyter_costmeter_config.py", file=None)
    for over in ([cap], [verdict(), cap]):
        said = holding.refusal(over, NOW, headless=False, project="/lab/paper")
        assert "administrator" in said
        assert "/etc/jupyter/jupyter_costmeter_config.py" in said
        assert "run the cell again" not in said
        assert "%cost budget" not in said
        assert not holding.may_go_on(over, headless=False)


def test_several_budgets_are_named_and_all_are_extended() -> None:
    other = verdict(name="month", period=Period("month"), measure="kwh", spent=21.0)
    said = holding.refusal([verdict(), other], NOW, headless=False, project="/lab/paper")
    assert "To spend 2 GPU-h and 2 kWh from here" in said
    assert "or raise it: %cost budget gpu_hours=" in said
    assert " and raise it: %cost budget kwh=" in said


def test_a_limit_of_nothing_can_only_be_raised() -> None:
    said = holding.refusal([verdict(limit=0.0, spent=0.0)], NOW, headless=False, project="/lab/paper")
    assert "run the cell again" not in said
    assert "%cost budget gpu_hours=1 " in said


@given(
    st.floats(1e-6, 1e6), st.floats(0.0, 1e7), st.floats(0.0, 1e6)
)  # fmt: skip
def test_an_extension_is_always_enough_to_go_on(limit: float, spent: float, granted: float) -> None:
    over = verdict(spent, granted, limit=limit)
    more = extension(over)
    assert more >= EXTENSION * limit * 0.999
    then = replace(over, granted=granted + more)
    assert not then.holds
    if over.holds:
        assert then.left == pytest.approx(EXTENSION * limit, rel=1e-3, abs=1e-9 * spent)


def test_a_stop_says_why_and_that_nothing_is_lost() -> None:
    said = holding.stopped([verdict(hold="stop")], NOW)
    assert said.startswith("This cell was interrupted: the budget GPU quota is spent, 20.3 of 20 GPU-h")
    assert "is kept" in said
    assert "interrupted once, and went on to its end" in holding.went_on([verdict(hold="stop")])
    assert "subshell" in holding.not_stopped([verdict(hold="stop")], NOW)


# The line that raises it


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "gpu_hours=30.5 per=week project=/lab/paper scope=project zone=UTC name='GPU quota' shared=yes"),
        ({"period": Period("total"), "name": "", "shared": False}, "gpu_hours=30.5 per=total scope=project"),
        ({"scope": "user", "key": None, "shared": False}, "scope=user"),
        ({"measure": "amount", "currency": "EUR"}, "EUR=30.5"),
        ({"period": Period("rolling", 604800.0)}, "per=7d"),
        ({"period": Period("span", 0.0, 1_790_812_800.0, inf, "UTC")}, "from=2026-10-01"),
        ({"limit": 20.0}, "gpu_hours=30.5"),
    ],
)
def test_the_exact_line_names_the_same_budget(more: dict[str, Any], expected: str) -> None:
    line = holding.raised(verdict(**more))
    words = set(expected.replace("'GPU quota'", "'GPU_quota'").split())
    assert words <= set(line.replace("'GPU quota'", "'GPU_quota'").split()), line


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        "gpu_hours=20 per=week",
        "kwh=5 per=month scope=user hold=ask name='my electricity'",
        "EUR=150 from=2026-10-01 until=2027-01-01 hold=stop zone=Europe/Berlin",
        "kg=3 per=7d scope=notebook hold=ask",
        "flops=2e18 scope=project",
    ],
)
def test_the_line_raises_the_very_budget_and_leaves_the_rest(home: Path, words: str, shared: bool) -> None:
    project = home / "paper"
    project.mkdir()
    here = Here(str(project / "a.ipynb"), str(project))
    before = set_budget(row_of(shlex.split(words)), here, shared)
    over = Verdict(before, 0.0, inf, Total("x", before.unit, before.limit * 1.1, "measured", 1.0, 0, 0.0))
    said = holding.refusal([over], NOW, headless=True, project=str(project))
    line = said.partition("raise it: ")[2].removeprefix("%cost budget ").partition("  # set in ")[0]
    row = row_of(shlex.split(line))
    after = set_budget({k: v for k, v in row.items() if k != "shared"}, here, bool(row.get("shared")))
    assert (after.id, after.hold, after.warn) == (before.id, before.hold, before.warn)
    assert after.limit > 1.5 * before.limit
    assert len(load(str(project)).budgets) == 1


def test_a_budget_of_a_folder_around_is_raised_in_its_file() -> None:
    said = holding.refusal([verdict()], NOW, headless=True, project="/lab/paper/deeper")
    assert "raise it in /lab/paper/jupyter_costmeter.toml:12" in said
    assert "%cost" not in said
