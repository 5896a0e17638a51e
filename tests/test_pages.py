"""What a command answers: as text for a terminal or a pipe, as HTML for a notebook."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from shell import cell, fill, session

from jupyter_costmeter import accounting, pages
from jupyter_costmeter.pages import Page, Table
from jupyter_costmeter.record import Figure, Outcome, Provenance, Status, Summary

INFO = session("aaa1", "/home/ada/paper/train.ipynb")


def summary(**figures: tuple[float | None, str | None]) -> Summary:
    made = [Figure(n, v, Provenance(m, "a source", 0.1, None if m else "it broke")) for n, (v, m) in figures.items()]  # type: ignore[arg-type]
    return Summary(2, 0, 1, 10.0, accounting.totals(accounting.parts(made)))


def test_a_summary_says_how_each_total_is_known() -> None:
    text = pages.summary_page("This session", golden.SUMMARY).text()
    assert text.startswith("This session: 2 cells, 14.5 s, 1 of them failed\n")
    lines = {re.split("  +", line)[0]: line for line in text.splitlines()}
    assert "~54.4 J" in lines["CPU energy"]
    assert "modelled" in lines["CPU energy"]
    assert "TDP 120 W" in lines["CPU energy"]
    assert "≥ 3.60 kJ" in lines["GPU energy"]
    assert "GPU energy: a lower bound, missing in 1 cell (the GPU is lost)." in text
    assert "peak GPU memory" not in text  # no such figure: no such line


@pytest.mark.parametrize(
    ("figures", "note"),
    [
        ({"cpu_energy_j": (1.0, "measured")}, None),
        ({"cpu_energy_j": (1.0, "modelled")}, "The energy is modelled, not measured."),
        (
            {"gpu_energy_j": (98.0, "measured"), "cpu_energy_j": (2.0, "assumed")},
            "98 % of the energy was measured, the rest is an estimate.",
        ),
        (
            {"gpu_energy_j": (9999.0, "measured"), "cpu_energy_j": (1.0, "assumed")},
            "99 % of the energy was measured, the rest is an estimate.",
        ),
    ],
)
def test_the_measured_part_of_the_energy(figures: dict[str, tuple[float, str]], note: str | None) -> None:
    assert pages.summary_page("x", summary(**figures)).notes == ([note] if note else [])  # type: ignore[arg-type]


def test_what_could_not_be_measured_is_a_dash_with_its_reason() -> None:
    (line,) = [n for n in pages.summary_page("x", summary(cpu_s=(None, None))).text().splitlines() if "CPU time" in n]
    assert re.split("  +", line.strip()) == ["CPU time", "—", "not measured", "it broke"]


def test_how_many_is_said_in_words_that_fit() -> None:
    one = replace(golden.SUMMARY, cells=1, failed=0)
    assert pages.summary_page("x", one).title == "x: 1 cell, 14.5 s"
    assert pages.summary_page("x", replace(one, cells=7, sessions=3)).title == "x: 7 cells in 3 sessions, 14.5 s"
    assert pages.summary_page("x", replace(one, cells=0)).text() == "x\n\nNothing was metered yet."


@pytest.mark.parametrize(
    ("outcome", "mark"), [("ok", ""), ("error", "✗ error"), ("interrupted", "■ interrupted"), ("killed", "✗ killed")]
)
def test_a_cell_says_how_it_ended(outcome: Outcome, mark: str) -> None:
    record = cell(INFO, 3, outcome=outcome, error_type="ValueError" if outcome == "error" else None)
    assert pages.cell_line(record)[-1] == mark
    title = pages.cell_page(record).title
    assert title == {"ok": "In [3]: 2.00 s", "error": "In [3]: 2.00 s, error (ValueError)"}.get(
        outcome, f"In [3]: 2.00 s, {outcome}"
    )


def test_a_cell_is_called_by_its_label_else_its_prompt() -> None:
    assert pages.called(cell(INFO, 3, label="train")) == "train"
    assert pages.called(cell(INFO, 3)) == "In [3]"
    assert pages.called(replace(cell(INFO, 3), execution_count=None)) == "run 3"


def test_a_window_inside_another_is_marked() -> None:
    page = pages.cells_page("x", [cell(INFO, 1), replace(cell(INFO, 2), parent_id="aaa1-1")])
    assert [line.split("  ")[0] for line in page.text().splitlines()[-2:]] == ["In [1]", "↳ In [2]"]


def test_doctor_says_what_to_do() -> None:
    text = pages.doctor_page([Status("gpu", False, "no driver", "install it"), Status("cpu", True, "ready")]).text()
    bad, good = (line.split() for line in text.splitlines()[-2:])
    assert bad == ["✗", "gpu", "no", "driver", "install", "it"]
    assert good == ["✓", "cpu", "ready"]


def test_html_is_escaped_everywhere() -> None:
    evil = "<script>alert('x')</script>"
    made = Page(evil, [Table([evil], [[evil]])], [evil])._repr_html_()
    assert "<script" not in made
    assert made.count("&lt;script&gt;") == 4


def test_numbers_that_look_like_numbers_stay_text() -> None:
    assert "007" in Page("x", [Table(["label"], [["007"]])]).text()
    assert "1e5" in Page("x", [Table(["label"], [["1e5"]])])._repr_html_()


@pytest.mark.parametrize("width", [60, 80, 120, 500])
def test_a_table_is_folded_to_the_terminal(width: int) -> None:
    page = pages.summary_page("x", golden.SUMMARY)
    folded = page.text(width)
    table = folded.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= max(width, 66)
    assert re.sub(r"\s+", "", folded.replace("-", ""))[:20] == re.sub(r"\s+", "", page.text().replace("-", ""))[:20]
    assert sorted(re.findall(r"\w+", folded)) == sorted(re.findall(r"\w+", page.text()))  # nothing is lost
    assert (folded == page.text()) == (width == 500)


def test_a_narrow_terminal_gets_a_narrow_table_and_a_pipe_whole_lines(home: Path, ledger_path: Path) -> None:
    fill(ledger_path, INFO, cell(INFO, 1, label="train"))
    command = [sys.executable, "-m", "jupyter_costmeter.cli", "summary", "--all"]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    subprocess.run(command, stdout=theirs, env=env, check=True, timeout=60)
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 4096):
            shown += more
    except OSError:  # the end, as Linux says it
        pass
    os.close(ours)
    piped = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert max(map(len, shown.decode().splitlines())) <= 80
    assert max(map(len, piped.splitlines())) > 100
    assert "train" not in piped
