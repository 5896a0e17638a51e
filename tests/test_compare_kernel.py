"""Trials that really ran, compared: in the kernel that ran them, in a shell of their project, and as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from kernels import Kernel
from shell import costmeter, said

TRIALS = """
import jupyter_costmeter as jc, time
def tried(method, score, loops, **params):
    with jc.trial(method=method, **params) as t:
        sum(range(loops * 10**6))
        t.score("accuracy", score)
"""
OURS = """
for at, score in enumerate([0.70, 0.72, 0.75, 0.80, 0.81]):
    tried("ours", score, 4, lr=0.1 + at**1.5, search="random")
"""
BASELINE = 'tried("baseline", 0.71, 1, lr=0.1)\ntried("baseline", 0.69, 1, lr=0.2)'
CRASHED = 'with jc.trial(method="ours", lr=9.0): 1 / 0'


@pytest.fixture
def ran(kernel: Kernel, home: Path) -> Kernel:
    for code in (TRIALS, OURS, BASELINE, CRASHED):
        kernel.run(code)
    return kernel


def html_of(kernel: Kernel, code: str) -> str:
    """What a cell displays as HTML."""
    found: list[dict[str, Any]] = []

    def note(message: dict[str, Any]) -> None:
        found.append(message["content"].get("data", {}))

    kernel.client.execute_interactive(code, timeout=60, output_hook=note)
    (text,) = [data["text/html"] for data in found if "text/html" in data]
    assert isinstance(text, str)
    return text


def test_trials_of_a_kernel_are_compared(ran: Kernel, home: Path) -> None:
    ran.run("%cost compare ours baseline")
    assert "ours against baseline, by accuracy" in ran.text
    assert "Gain: +0.1 accuracy (+10 points), at " in ran.text
    assert "times the CPU time, ~" in ran.text  # there is no GPU here
    assert "5 scored, 1 failed" in ran.text
    assert "ours: the expected best is of 5 runs, said to be random." in ran.text
    assert "baseline: 2 scored runs, too few for a curve" in ran.text
    table, _, script = html_of(ran, "%cost compare ours baseline").partition("<script>")
    assert "5 scored, 1 failed" in table
    assert "embed_item" in script
    assert len(script) < 150_000
    ran.run("%cost compare ours bassline")
    assert "did you mean 'baseline'?" in ran.text


def test_a_shell_says_the_same_and_writes_a_file(ran: Kernel, home: Path) -> None:
    ran.flush()
    text = said(costmeter("compare", "ours", "baseline", "--metric", "accuracy", cwd=home))
    assert "Gain: +0.1 accuracy (+10 points)" in text
    assert "5 scored, 1 failed" in text
    assert "Wrote" in said(costmeter("compare", "ours", "baseline", "-o", "found.html", cwd=home))
    made = (home / "found.html").read_text()
    assert "5 scored, 1 failed" in made
    assert "Bokeh" in made
    assert "there already" in said(costmeter("compare", "ours", "baseline", "-o", "found.html", cwd=home), 2)
    assert "found.html" in said(costmeter("compare", "ours", "baseline", "-o", "found.html", "--force", cwd=home))
    assert "no run of 'ours' has a score 'f1'" in said(
        costmeter("compare", "ours", "baseline", "--metric", "f1", cwd=home), 2
    )
    assert not [name for name in os.listdir(home) if name.endswith(".part")]


def test_a_session_without_trials_says_how_to_make_some(kernel: Kernel) -> None:
    kernel.run("%cost compare ours baseline")
    assert 'jupyter_costmeter.trial(method="ours")' in kernel.text


def test_the_scope_is_the_project_also_in_a_kernel(ran: Kernel, start_kernel: Any) -> None:
    ran.flush()
    other = start_kernel("other.ipynb")
    other.run("1 + 1")
    other.run("%cost compare ours baseline")
    assert "5 scored, 1 failed" in other.text
    other.run("%cost compare ours baseline --notebook")
    assert "no trial here is of the method 'ours'" in other.text
