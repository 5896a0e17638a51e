"""Where a file may stand that declares something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_costmeter.toml_files import NAME, around, everywhere, of_budgets


def test_a_projects_and_those_of_the_folders_around_it_below_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    below = home.resolve() / "lab"
    assert around(str(below / "paper")) == [below / NAME, below / "paper" / NAME]
    assert around("/lab/paper") == [Path("/lab") / NAME, Path("/lab/paper") / NAME]  # not what is above home
    assert around(str(home.resolve())) == [home.resolve() / NAME]
    assert around(None) == []


def test_those_of_jupyters_directories_come_first_and_each_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(home / "own"))
    assert home / "own" / NAME in everywhere()
    assert of_budgets(None) == everywhere()
    assert of_budgets(str(home / "own")).count(home / "own" / NAME) == 1


def test_looking_where_one_may_stand_loads_nothing_else() -> None:
    code = "import sys; from jupyter_costmeter import toml_files; print([m for m in sys.modules if 'costmeter.' in m])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "['jupyter_costmeter.version', 'jupyter_costmeter.toml_files']\n"
