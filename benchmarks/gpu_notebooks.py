"""The notebooks of ``gpu.py``: a small search with trials, one that a budget stops; what is asked of their ledger."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

#: What is asked afterwards, in a shell.
REPORTS = (
    ("report", "--all"),
    ("report", "neurips", "--all"),
    ("report", "arr", "--all"),
    ("report", "boamps", "--all"),
    ("report", "-o", "statement.md", "neurips", "arr", "reproducibility", "--all"),
    ("report", "-o", "boamps.json", "boamps", "--all"),
    ("export", "x.json", "--all"),
    ("verify", "x.json"),
    ("cells", "--all", "-n", "50"),
    ("spent", "--all"),
    ("compare", "ours", "baseline", "--all"),
    ("budget",),
    ("doctor",),
)

SEARCH = (
    "%cost budget gpu_hours=0.002 per=session",
    """
    for method, part in (("ours", 4), ("baseline", 8)):
        for lr in (1e-3, 1e-2):
            with jupyter_costmeter.trial(method=method, category="hpo", lr=lr) as t:
                t.score("loss", gpu_work.train(400, lr, part))
    print(t.energy_j, t.flops, t.record.usage.wall_s)
    """,
    """
    try:
        with jupyter_costmeter.trial(method="ours", category="hpo", lr=1e9):
            gpu_work.train(50, 1e-3, bar=False)
            raise RuntimeError("it diverged")
    except RuntimeError as error:
        print(error)
    """,
    "%%cost final tag=train method=ours in_paper=yes lr=0.01\nprint(gpu_work.train(3000, 1e-2))\n",
    "%cost score loss=0.1 --cells -1",
    "%cost budget",
    "%cost",
    "%cost cells",
    "%cost forecast",
)
STOPPED = (
    "%cost budget gpu_hours=0.002 per=session hold=stop",
    "gpu_work.begin()",
    "gpu_work.train(10**9, 1e-4)",
    "print('never')",
)


def search(here: Path) -> dict[str, Any]:
    return _notebook(here, SEARCH)


def stopped(here: Path) -> dict[str, Any]:
    return _notebook(here, STOPPED)


def _notebook(here: Path, cells: tuple[str, ...]) -> dict[str, Any]:
    first = f"import sys\nsys.path.insert(0, {str(here)!r})\nimport gpu_work, jupyter_costmeter"
    made = [_cell(number, dedent(source).strip()) for number, source in enumerate((first, *cells))]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, source: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"metadata": {}, "execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": f"cell{number}", "source": source, **empty}
