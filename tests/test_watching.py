"""A session's watch over its budgets: what is loaded when, who is told what, and how often. Spending is a double."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import golden
import pytest

from jupyter_costmeter import budgets, config, guard, toml_files
from jupyter_costmeter.budget import Budget, BudgetEvent, Verdict
from jupyter_costmeter.periods import Period
from jupyter_costmeter.record import CellRecord, Total
from jupyter_costmeter.watching import Watch


def total(value: float | None) -> Total:
    return Total("gpu_hours", "GPU-h", value, "measured", 1.0, 0, 0.0)


def budget(number: int = 1, **more: Any) -> Budget:
    made = Budget(f"b{number}", "gpu_hours", 20.0, "user", None, Period("week"), f"quota {number}", origin="here:1")
    return replace(made, **more)


class Ledger:
    """What several kernels share."""

    def __init__(self) -> None:
        self.spent: dict[str, float | None] = {}
        self.events: list[BudgetEvent] = []
        self.fails = False
        self.start = 0.0
        self.granted = 0.0


class Spent:
    """A double of ``Spending``."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.asked: list[tuple[Sequence[CellRecord], Sequence[CellRecord]]] = []

    def verdicts(self, found: Sequence[Budget], now: float, session: Any, running: Any, waiting: Any) -> list[Verdict]:
        if self.ledger.fails:
            raise RuntimeError("a fault of ours")
        self.asked.append((list(running), waiting))
        spent, granted = self.ledger.spent, self.ledger.granted
        return [Verdict(one, self.ledger.start, inf, total(spent.get(one.id, 0.0)), granted) for one in found]

    def log(self, event: BudgetEvent, start: float, by_session: bool = False) -> bool:
        def known(one: BudgetEvent) -> bool:
            same = (one.budget_id, one.threshold, one.limit) == (event.budget_id, event.threshold, event.limit)
            return same and (not by_session or one.session_id == event.session_id)

        if event.kind == "warned" and any(known(one) and one.at >= start for one in self.ledger.events):
            return False
        self.ledger.events.append(event)
        return True


class Declared:
    """A double of ``Plans``."""

    def __init__(self, *found: Budget) -> None:
        self.budgets = found

    def of(self, project: str | None) -> budgets.Declared:
        return budgets.Declared(self.budgets)


Make = Callable[..., Watch]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def make(home: Path, ledger: Ledger) -> Make:
    """A kernel's watch over these budgets."""

    def watch(*found: Budget, **settings: Any) -> Watch:
        made = Watch(config.CostMeter(**settings), lambda: golden.SESSION, lambda: None, list)  # type: ignore[arg-type, return-value]
        made._plans, made._spent, made.tells = Declared(*found), Spent(ledger), True  # type: ignore[assignment]
        return made

    return watch


def told(watch: Watch) -> list[tuple[str, float | None]]:
    return [(notice.kind, notice.threshold) for notice in watch.take_notices()]


# Warnings


def test_each_threshold_is_told_once(make: Make, ledger: Ledger) -> None:
    watch = make(budget())
    seen = []
    for spent in (0.0, 9.9, 10.0, 12.0, 15.9, 16.0, 19.9, 20.0, 25.0, 25.0):
        ledger.spent["b1"] = spent
        watch.look()
        seen += [(spent, told(watch), len(watch.take_lines()))]
    assert [one for one in seen if one[1] or one[2]] == [
        (10.0, [("warned", 0.5)], 1),
        (16.0, [("warned", 0.8)], 1),
        (20.0, [("warned", 1.0)], 1),
    ]
    assert [(e.threshold, e.limit, e.spent, e.unit) for e in ledger.events] == [
        (0.5, 20.0, 10.0, "GPU-h"),
        (0.8, 20.0, 16.0, "GPU-h"),
        (1.0, 20.0, 20.0, "GPU-h"),
    ]


def test_after_an_extension_no_warning_comes_again(make: Make, ledger: Ledger) -> None:
    """Thresholds are of the limit as it was set, in each kernel that looks."""
    ledger.spent["b1"] = 21.0
    first = make(budget())
    first.look()
    assert told(first) == [("warned", 1.0)]
    ledger.granted = 3.0
    other = make(budget())
    other.look()
    assert told(other) == []
    assert {event.limit for event in ledger.events} == {20.0}


def test_a_jump_over_several_is_told_as_the_highest(make: Make, ledger: Ledger) -> None:
    watch = make(budget())
    ledger.spent["b1"] = 21.0
    watch.look()
    assert told(watch) == [("warned", 1.0)]
    assert [e.threshold for e in ledger.events] == [0.5, 0.8, 1.0]


def test_only_who_notes_it_first_tells_it(make: Make, ledger: Ledger) -> None:
    first, second = make(budget()), make(budget())
    ledger.spent["b1"] = 17.0
    first.look()
    second.look()
    assert (told(first), told(second)) == ([("warned", 0.8)], [])
    ledger.spent["b1"] = 20.0
    second.look()
    first.look()
    assert (told(first), told(second)) == ([], [("warned", 1.0)])


def test_another_period_or_another_limit_warns_anew(make: Make, ledger: Ledger) -> None:
    watch = make(budget())
    ledger.spent["b1"] = 11.0
    watch.look()
    assert told(watch) == [("warned", 0.5)]
    ledger.start = ledger.events[-1].at + 1.0
    watch.look()
    assert told(watch) == [("warned", 0.5)]
    watch._plans, watch._seen = Declared(budget(limit=22.0)), None  # type: ignore[assignment]
    watch.look()
    assert told(watch) == [("warned", 0.5)]


@pytest.mark.parametrize("more", [{"paused": True}, {}])
def test_what_is_paused_or_unknown_warns_of_nothing(make: Make, ledger: Ledger, more: dict[str, Any]) -> None:
    watch = make(budget(**more))
    ledger.spent["b1"] = 50.0 if more else None
    watch.look()
    assert (told(watch), ledger.events) == ([], [])


def test_a_kernel_in_which_nobody_can_be_told_leaves_it_to_another(make: Make, ledger: Ledger) -> None:
    ledger.spent["b1"] = 21.0
    headless, script, still = make(budget()), make(budget()), make(budget(), budget_lines="never")
    headless.headless = lambda: True
    script.tells = False
    for watch in (headless, script, still):
        watch.look()
        assert (told(watch), watch.take_lines(), ledger.events) == ([], [], [])
    other = make(budget())
    other.look()
    assert told(other) == [("warned", 1.0)]


def test_lines_are_for_who_has_no_panel(make: Make, ledger: Ledger) -> None:
    ledger.spent["b1"] = 21.0
    expected = {("auto", False): 1, ("auto", True): 0, ("always", True): 1, ("never", True): 0}
    for (wanted, panel), lines in expected.items():
        ledger.events.clear()
        watch = make(budget(), budget_lines=wanted)
        watch.panel = panel
        watch.look()
        assert len(watch.take_lines()) == lines, (wanted, panel)
        assert told(watch) == [("warned", 1.0)], (wanted, panel)
    watch = make(budget(), budget_lines="always")
    watch.headless = lambda: True  # it was asked for
    ledger.events.clear()
    watch.look()
    assert len(watch.take_lines()) == 1


def test_never_more_than_three_lines_and_one_for_each_budget(make: Make, ledger: Ledger) -> None:
    watch = make(*(budget(n) for n in range(5)))
    for spent in (10.0, 20.0):
        ledger.spent = {f"b{n}": spent for n in range(5)}
        watch.look()
    lines = watch.take_lines()
    assert len(lines) == 4
    assert [f"quota {n}" in line for n, line in enumerate(lines[:3])] == [True] * 3
    assert all("100 %" in line for line in lines[:3])
    assert lines[3] == "and 2 more: %cost budget"
    assert watch.take_lines() == []


def test_the_deeds_are_those_that_can_be_done(make: Make, ledger: Ledger) -> None:
    ledger.spent = {"b1": 21.0, "b2": 21.0, "b3": 21.0}
    watch = make(budget(1), budget(2, hold="stop"), budget(3, cap=True))
    watch.look()
    assert [notice.deeds for notice in watch.take_notices()] == [
        ("dearest", "raise", "hold"),
        ("dearest", "raise"),
        ("dearest",),
    ]


# Looking


def test_what_runs_and_what_waits_is_counted(make: Make, ledger: Ledger) -> None:
    watch = make(budget())
    watch._waiting = lambda: [golden.FIRST]
    watch.look([golden.OPEN])
    assert watch._spent.asked == [([golden.OPEN], [golden.FIRST])]  # type: ignore[union-attr]
    assert [verdict.budget.id for verdict in watch.verdicts or []] == ["b1"]


def test_a_budget_of_another_notebook_is_not_looked_at(make: Make) -> None:
    watch = make(budget(scope="notebook", key="/elsewhere/a.ipynb", hold="stop"))
    assert (watch.look(), watch.holds) == ([], False)


def test_the_limit_is_told_while_something_runs_and_only_of_what_stops(make: Make, ledger: Ledger) -> None:
    found: list[list[str]] = []
    watch = make(budget(1), budget(2, hold="ask"), budget(3, hold="stop"), budget(4, hold="stop", paused=True))
    watch.at_limit = lambda over: found.append([one.budget.id for one in over])
    watch.tick([])
    ledger.spent = {f"b{n}": 20.0 for n in range(5)}
    watch.look()
    assert found == []
    watch.tick([])
    assert found == [["b3"]]


def test_a_fault_is_logged_and_the_last_verdicts_stay(make: Make, ledger: Ledger) -> None:
    watch = make(budget(hold="stop"))
    ledger.spent["b1"] = 21.0
    before = watch.look()
    ledger.fails = True
    watch.at_limit = lambda over: pytest.fail("nothing is known")
    watch.tick([])
    assert watch.verdicts == before
    assert any("looking at budgets failed" in text for text in guard.failures())


# What is loaded when


def test_a_file_without_a_budget_loads_nothing(home: Path) -> None:
    code = (
        "import sys; from jupyter_costmeter import config, record, watching;"
        "info = record.SessionInfo('s', 0.0, 'host', 'ada', 1, 0.0, '/lab/a.ipynb', '/lab');"
        "w = watching.Watch(config.CostMeter(), lambda: info, None, list); print(w.look());"
        "print([m for m in ('budgets', 'spending') if f'jupyter_costmeter.{m}' in sys.modules])"
    )
    folder = home / "config_dir"
    folder.mkdir()
    for text in (None, '[[where]]\nregion = "FR"\n'):
        if text:
            (folder / toml_files.NAME).write_text(text)
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        )
        assert ran.stdout == "[]\n[]\n"
