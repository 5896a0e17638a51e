"""Notebooks on disk, run by ``jupyter costmeter run``, and what their cells printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from shell import Ran, here

Run = Callable[..., Ran]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """``jupyter costmeter run …`` in the test's folder."""
    monkeypatch.chdir(home)
    return lambda *words: here(capsys, "run", *words)


def notebook(path: Path, *cells: str, **metadata: object) -> Path:
    """A notebook whose cells' ids are a, b, c, … after one with text."""
    made = [nbformat.v4.new_code_cell(code, id=chr(97 + n)) for n, code in enumerate(cells)]  # type: ignore[no-untyped-call]
    text = nbformat.v4.new_markdown_cell("# Work", id="text")  # type: ignore[no-untyped-call]
    body = nbformat.v4.new_notebook(cells=[text, *made], metadata=metadata)  # type: ignore[no-untyped-call]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(body, path)  # type: ignore[no-untyped-call]
    return path


def outputs(path: Path) -> list[str]:
    """What each code cell printed, errors by their names."""
    read: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(read)  # type: ignore[no-untyped-call]
    cells = [c for c in read.cells if c.cell_type == "code"]
    return ["".join(o.get("text", o.get("ename", "")) for o in c.outputs) for c in cells]
