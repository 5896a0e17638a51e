"""``spent`` and ``forecast`` with failed and unread runs, several budgets, scopes and many rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from costing_words import HOST, Words, row
from kernels import Kernel
from shell import cell, fill, session

# Of each test: three cells of 2 s with a GPU, two days ago, two of them labelled (costing_words)


@pytest.fixture
def again(ledger_path: Path, home: Path, metered: Path) -> str:
    """One more cell, run four times an hour ago: in one run the GPU was lost, the last was interrupted."""
    notebook = str(home / "paper" / "train.ipynb")
    info = replace(session("bbb1", notebook), host=HOST)
    runs = [cell(info, 1, 92.0), cell(info, 2, None), cell(info, 3, 192.0), cell(info, 4, 50.0, outcome="interrupted")]
    then = time.time() - 3600
    made = (replace(one, cell_id="c9", code_hash="f" * 64, started_at=then + 10 * one.seq) for one in runs)
    fill(ledger_path, info, *made)
    return notebook


# Where it went


def test_the_tightest_budgets_period_is_told_by_cell(words: Words, again: str) -> None:
    words("budget", "gpu_hours=5", "name=wide", "per=7d")
    words("budget", "gpu_hours=0.003", "name=quota", "per=7d")
    shown = words("spent")
    assert shown.startswith("Budget quota: where it went, by cell\n")
    assert row(shown, "In [4] (train.ipynb)") == ["In [4] (train.ipynb)", "4", "8 GPU-s", "57 %", "interrupted"]
    assert row(shown, "In [2] (train.ipynb)") == ["In [2] (train.ipynb)", "1", "2 GPU-s", "14 %"]
    assert "In all 14 GPU-s.\nThe budget: 14 of 10.8 GPU-s in the last 7 days (130 %), 3.2 GPU-s over." in shown


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("label", {"no label": "10 GPU-s", "train": "4 GPU-s"}),
        ("device", {"NVIDIA A100-SXM4-40GB": "14 GPU-s"}),
        ("outcome", {"ok": "8 GPU-s", "superseded (run again later)": "4 GPU-s", "interrupted": "2 GPU-s"}),
    ],
)
def test_rows_of_other_kinds(words: Words, again: str, by: str, rows: dict[str, str]) -> None:
    words("budget", "gpu_hours=0.003", "name=quota", "per=7d")
    shown = words("spent", "--by", by)
    assert {name: row(shown, name)[2] for name in rows} == rows
    assert "In all 14 GPU-s." in shown
    assert len(re.findall(rf"\b{by}\b", shown.splitlines()[2])) == 1  # a column once


def test_another_budget_by_its_name_and_a_lower_bound_with_its_reason(words: Words, again: str) -> None:
    words("budget", "gpu_hours=0.003", "name=quota", "per=7d")
    words("budget", "kwh=5", "name=power", "per=7d")
    shown = words("spent", "--budget", "power")
    assert shown.startswith("Budget power: ")
    assert row(shown, "In [4] (train.ipynb)")[2].startswith("≥ ~")
    assert "A lower bound: the GPU is lost." in shown
    assert "there is no budget 'quote'; did you mean 'quota'" in words("spent", "--budget", "quote", code=2)


def test_without_a_budget_a_scopes_electricity_is_told(words: Words, again: str) -> None:
    assert words("spent").startswith("Project paper: where it went, by cell\n")
    assert words("spent", "--session", "aaa1").startswith("Session aaa1: where it went, by cell\n")
    shown = words("spent", "--all")
    assert shown.startswith("Everything in the ledger: where it went, by cell\n")
    assert re.search(r"^In all ≥ ~\d\.\d\d Wh\.$", shown, re.MULTILINE)
    assert "The budget" not in shown


def test_a_scope_is_not_passed_over_for_a_budget(words: Words, again: str) -> None:
    words("budget", "gpu_hours=0.003", "name=quota", "per=7d")
    assert words("spent", "--session", "aaa1").startswith("Session aaa1: ")
    for scope in (["--all"], ["--notebook", again], ["--session", "aaa1"]):
        assert "a budget has its own scope" in words("spent", "--budget", "quota", *scope, code=2)


def test_beyond_twenty_rows_the_rest_are_one(words: Words, ledger_path: Path, home: Path) -> None:
    info = replace(session("ccc1", str(home / "many" / "x.ipynb")), host=HOST)
    fill(ledger_path, info, *(cell(info, n) for n in range(1, 26)))
    shown = words("spent", "--notebook", info.notebook or "")
    assert row(shown, "5 more")[1] == "5"
    shares = [float(part) for part in re.findall(r"(\d+) %$", shown, re.MULTILINE)]
    assert len(shares) == 21
    assert sum(shares) == 100


# What the next runs will cost


def test_each_cell_is_foretold_and_all_of_them_once(words: Words, again: str) -> None:
    """The runs that were read whole took 100 and 200 J with their processor's 8; the mean is 150, √5000 = 71."""
    words("budget", "gpu_hours=0.003", "name=quota", "per=7d")
    shown = words("forecast", "--notebook", again)
    assert shown.startswith("Notebook train.ipynb: what the next run of each cell will cost\n")
    assert row(shown, "In [4]") == ["In [4]", "3", "~2.00 s", "≥ ~150 ± 71 J", "~2 GPU-s"]
    assert row(shown, "In [2]") == ["In [2]", "1", "~2.00 s", "~8.00 J", "~2 GPU-s"]
    assert "All of them once: ~8 GPU-s; that would overspend quota by 11.2 GPU-s." in shown


def test_what_all_of_them_leave(words: Words, again: str) -> None:
    words("budget", "gpu_hours=0.01", "name=quota", "per=7d")  # 36 s, of which 14 are spent
    assert "All of them once: ~8 GPU-s; that leaves 39 % of quota." in words("forecast", "--notebook", again)


def test_a_paused_budget_has_no_column(words: Words, again: str) -> None:
    words("budget", "gpu_hours=0.01", "name=quota", "per=7d")
    words("budget", "pause", "quota")
    assert "quota" not in words("forecast", "--notebook", again)


def test_a_notebook_that_never_ran(words: Words, home: Path) -> None:
    assert "No cell of it has run to its end yet." in words("forecast", "--notebook", str(home / "none.ipynb"))
    assert "which notebook? Name it: forecast --notebook PATH" in words("forecast", code=2)


def test_in_a_kernel(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    kernel.run("%cost budget kwh=1 per=week scope=notebook name=quota")
    for _ in range(2):
        kernel.run("sum(i * i for i in range(300_000))")
    kernel.run("%cost spent")
    assert kernel.text.startswith("Budget quota: where it went, by cell\n")
    assert "The budget: " in kernel.text
    kernel.run("%cost forecast")
    assert "Notebook train.ipynb: what the next run of each cell will cost" in kernel.text
    assert re.search(
        r"^All of them once: .* that leaves (at most )?(> 99|\d+) % of quota\.$", kernel.text, re.MULTILINE
    )
