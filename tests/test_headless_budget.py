"""``jupyter costmeter run`` under a budget: a spent one ends the notebook with exit status 3 and says so."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest
from kernels import cells
from notebooks import Run, notebook, outputs, run

from jupyter_costmeter.cli import HELD
from jupyter_costmeter.ledger.store import Ledger

assert run  # a fixture

BUSY = "import time\nprint('begun', flush=True)\nend = time.time() + {}\nwhile time.time() < end: pass\nprint('ended')"
SWALLOWS = f"try:\n{indent(BUSY.format(30), '    ')}\nexcept KeyboardInterrupt: print('no')"


def budget(home: Path, limit: float, hold: str) -> None:
    (home / "jupyter_costmeter.toml").write_text(f'[[budget]]\nkwh = {limit}\nhold = "{hold}"\nname = "night"\n')


@pytest.mark.parametrize("words", [[], ["--allow-errors"]])
@pytest.mark.parametrize("hold", ["ask", "stop"])
def test_a_spent_budget_ends_the_notebook(run: Run, home: Path, ledger: Ledger, hold: str, words: list[str]) -> None:
    budget(home, 5e-8, hold)  # more than the memory that is held before the first cell
    path = notebook(home / "a.ipynb", BUSY.format(0.2), "print('second')", "open('third', 'w')")
    ran = run("a.ipynb", *words)
    assert ran.returncode == HELD == 3
    (said,) = [line for line in ran.stderr.splitlines() if line.startswith("jupyter costmeter: ")]
    assert "night" in said
    assert "Wh in all" in said
    assert str(home / "jupyter_costmeter.toml") in said
    assert "within a minute" not in said  # nobody is there to run it again
    assert "%cost budget kwh=" in said
    assert not (home / "third").exists()
    assert "ended" in outputs(path.with_suffix(".run.ipynb"))[0]
    assert [r.outcome for r in cells(ledger)] == ["ok", "error"]
    assert outputs(path.with_suffix(".run.ipynb"))[1] == "BudgetHold"


def test_a_cell_that_is_not_started_keeps_the_output_that_it_had(run: Run, home: Path) -> None:
    """Written in place, it would be gone just when it cannot be made again; and it does not pile up."""
    path = notebook(home / "a.ipynb", "print('dear')")
    assert run("a.ipynb", "--inplace").returncode == 0
    budget(home, 1e-9, "ask")
    for _ in range(2):
        assert run("a.ipynb", "--inplace").returncode == HELD
        assert outputs(path) == ["BudgetHolddear\n"]


def test_a_running_cell_is_stopped_and_its_output_kept(run: Run, home: Path, ledger: Ledger) -> None:
    budget(home, 2e-6, "stop")
    path = notebook(home / "a.ipynb", BUSY.format(60), "open('second', 'w')")
    ran = run("a.ipynb")
    assert ran.returncode == HELD
    assert "This cell was interrupted: " in ran.stderr
    (only,) = cells(ledger)
    assert (only.outcome, only.error_type) == ("interrupted", "KeyboardInterrupt")
    assert outputs(path.with_suffix(".run.ipynb")) == ["begun\nKeyboardInterrupt", ""]
    assert not (home / "second").exists()


def test_a_cell_that_swallows_its_interrupt_ends_the_notebook_all_the_same(run: Run, home: Path) -> None:
    budget(home, 2e-6, "stop")
    path = notebook(home / "a.ipynb", SWALLOWS)
    ran = run("a.ipynb", "--allow-errors")
    assert ran.returncode == HELD
    assert outputs(path.with_suffix(".run.ipynb")) == ["begun\nno\n"]


def test_a_budget_that_only_warns_says_nothing_in_the_outputs(run: Run, home: Path) -> None:
    budget(home, 1e-9, "warn")
    path = notebook(home / "a.ipynb", BUSY.format(0.5), "print('second')")
    ran = run("a.ipynb")
    assert ran.returncode == 0
    assert outputs(path.with_suffix(".run.ipynb")) == ["begun\nended\n", "second\n"]


def test_other_failures_keep_their_status(run: Run, home: Path) -> None:
    budget(home, 1e3, "stop")
    notebook(home / "a.ipynb", "1/0")
    ran = run("a.ipynb")
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr
