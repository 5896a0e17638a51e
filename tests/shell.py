"""What the tests of the shell's door share: the command itself, and ledgers to ask it about."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import golden
import pytest

from jupyter_costmeter import cli
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.record import CellRecord, SessionInfo

Ran = subprocess.CompletedProcess[str]


def costmeter(*words: str, cwd: Path | None = None, timeout: float = 60, **env: str) -> Ran:
    """``jupyter costmeter …`` in a process of its own."""
    command = [sys.executable, "-m", "jupyter_costmeter.cli", *words]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout, check=False
    )


def here(capsys: pytest.CaptureFixture[str], *words: str) -> Ran:
    """The same in the test's own process: a second less."""
    code = cli.main(words)
    shown = capsys.readouterr()
    return Ran(words, code, shown.out, shown.err)


def session(name: str, notebook: str) -> SessionInfo:
    """A made-up session of a notebook; its folder is the project."""
    return replace(golden.SESSION, id=name, notebook=notebook, project=str(Path(notebook).parent))


def cell(info: SessionInfo, seq: int, gpu_j: float | None = 100.0, **more: Any) -> CellRecord:
    """A made-up record of that session."""
    made = golden.record(seq, 2.0, gpu_j, **more)
    return replace(made, id=f"{info.id}-{seq}", session_id=info.id, notebook=info.notebook, project=info.project)


def fill(path: Path, info: SessionInfo, *records: CellRecord) -> None:
    """Write them to a ledger, as a kernel does."""
    ledger = open_ledger(path)
    ledger.append(info, records)
    ledger.close()


def said(ran: Ran, code: int = 0) -> str:
    """What it printed, having ended as expected and without a traceback."""
    assert "Traceback" not in ran.stderr, ran.stderr
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout if code == 0 else ran.stderr or ran.stdout


def newer(path: Path) -> None:
    """Make of a ledger one that a later version has written."""
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'of the future', 0, '99.0')")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
