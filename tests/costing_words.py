"""What the tests of the words about carbon and money share: three metered cells, and a shell to ask in."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shell import cell, fill, here, said, session

from jupyter_costmeter.toml_files import NAME

Words = Callable[..., str]
HOST = socket.gethostname()
THEN = (time.time() // 3600 - 48) * 3600  # the beginning of an hour, two days ago
KWH = 10_824.0 / 3.6e6  # 3600 + 7200 J of the GPU, and three times 8 J of CPU and memory
FRANCE, SWEDEN, POLAND = 56.039, 40.695, 661.926  # FACTS §2.1


@pytest.fixture
def metered(home: Path, ledger_path: Path) -> Path:
    """Three cells of a project on this machine, two of them labelled; returns the user's own file."""
    info = replace(session("aaa1", str(home / "paper" / "train.ipynb")), host=HOST, started_at=THEN)
    (home / "paper" / ".git").mkdir(parents=True)
    made = [cell(info, 1, 3600.0, label="train"), cell(info, 2, 0.0), cell(info, 3, 7200.0, label="train")]
    fill(ledger_path, info, *(replace(record, started_at=THEN + 60 * record.seq) for record in made))
    (home / "config_dir").mkdir()
    return home / "config_dir" / NAME


@pytest.fixture
def words(capsys: pytest.CaptureFixture[str], metered: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """What a command in the project's folder says; ``code`` where it must fail."""
    monkeypatch.chdir(home / "paper")

    def ask(*asked: str, code: int = 0) -> str:
        return said(here(capsys, *asked), code)

    return ask


def row(shown: str, start: str) -> list[str]:
    """The cells of a table's line."""
    (found,) = [line for line in shown.splitlines() if re.split(r"\s{2,}", line)[0] == start]
    return [part for part in re.split(r"\s{2,}", found.strip()) if part]


def derived(words: Words, name: str) -> dict[str, Any]:
    """A total of what is exported."""
    words("export", "out.json", "--force")
    totals = json.loads(Path("out.json").read_text())["costs"]["totals"]
    found: dict[str, Any] = next(t for t in totals if t["name"] == name)
    return found
