"""``spent`` and ``forecast``, as the shell and ``%cost`` answer them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from costing_words import Words, row
from kernels import Kernel
from shell import cell, fill, session

from jupyter_costmeter.tag import METER, tags_of

GPU_S = re.compile(r"([\d.]+) GPU-s")


def test_what_spent_a_budget_adds_up_to_it(words: Words, metered: Path) -> None:
    words("budget", "gpu_hours=20", "per=total", "name=quota")
    shown = words("spent")
    assert shown.startswith("Budget quota: where it went, by cell\n")
    rows = [
        line for line in shown.splitlines() if re.search(r"\d+ %", line) and "quota" not in line and " of " not in line
    ]
    whole = re.search(r"In all ~?(\S+ \S+?)\.\n", shown)
    assert whole is not None
    assert whole[1] in words("budget")
    amounts = [float(found[1]) for row in rows if (found := GPU_S.search(row))]
    assert sum(amounts) == pytest.approx(float(whole[1].split()[0]), rel=0.02)


@pytest.mark.parametrize("by", ["notebook", "label", "day", "device", "outcome"])
def test_by_other_things(words: Words, metered: Path, by: str) -> None:
    words("budget", "gpu_hours=20", "per=total")
    shown = words("spent", "--by", by)
    assert f"where it went, by {by}" in shown
    assert "In all 6 GPU-s." in shown
    shares = [int(found) for found in re.findall(r" (\d+) %", shown.partition("In all")[0])]
    assert sum(shares) == pytest.approx(100, abs=2)


def test_without_a_budget_it_is_the_electricity_of_the_scope(words: Words, metered: Path) -> None:
    shown = words("spent")
    assert "where it went, by cell" in shown
    assert re.search(r"In all ~?[\d.]+ m?Wh\.", shown)
    assert "Budget" not in shown


def test_a_budget_that_is_not_there_is_named(words: Words, metered: Path) -> None:
    words("budget", "gpu_hours=20", "name=quota")
    assert "did you mean 'quota'?" in words("spent", "--budget", "quoat", code=2)


def test_what_lies_between_cells_is_no_run(words: Words, metered: Path, ledger_path: Path, home: Path) -> None:
    info = replace(session("bbb2", str(home / "paper" / "train.ipynb")), host="here")
    idle = replace(golden.IDLING, id="bbb2-9", session_id="bbb2", notebook=info.notebook, project=info.project)
    fill(ledger_path, info, idle)
    for by in ("category", "label", "notebook", "cell"):
        assert row(words("spent", "--by", by), "held idle")[1] == "—"
    assert row(words("spent", "--by", "label"), "train")[1] == "2"


def test_nothing_was_used(words: Words) -> None:
    assert "Nothing was used here yet." in words("spent", "--notebook", ".")
    assert "there is no notebook" in words("spent", "--notebook", "other.ipynb", code=2)


def test_a_label_is_a_row_and_no_scope(words: Words) -> None:
    assert "--by label" in words("spent", "--label", "train", code=2)


def test_a_forecast_is_of_cells_that_do_more_than_ask(
    words: Words, metered: Path, ledger_path: Path, home: Path
) -> None:
    info = session("ccc3", str(home / "paper" / "train.ipynb"))
    asks = replace(cell(info, 99), cell_id="asks", code_hash="asks")
    asks = replace(asks, tags=tags_of(asks.id, {METER: True}, asks.started_at, "run", "ada", "vm"))
    fill(ledger_path, info, asks, replace(cell(info, 98), cell_id="does", code_hash="does"))
    shown = words("forecast", "--notebook", "train.ipynb")
    assert "In [98]" in shown
    assert "In [99]" not in shown


def test_a_forecast_of_a_notebooks_cells(kernel: Kernel) -> None:
    kernel.run("%cost budget kwh=1 per=week name=mine")
    for _ in range(2):
        kernel.run("import time; time.sleep(0.3)", cell_id="nap")
    kernel.run("%cost forecast")
    assert "what the next run of each cell will cost" in kernel.text
    row = next(line for line in kernel.text.splitlines() if " ms" in line and " 2 " in line)
    assert re.search(r"3\d\d\S* ± ", row)
    assert "All of them once: " in kernel.text
    assert "of mine." in kernel.text
