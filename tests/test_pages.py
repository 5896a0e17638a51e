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

from jupyter_costmeter import accounting, pages, screen
from jupyter_costmeter.pages import Page, Table
from jupyter_costmeter.record import (
    BucketTotal,
    CellRecord,
    Figure,
    Outcome,
    Provenance,
    Status,
    Summary,
    Total,
    Usage,
)
from jupyter_costmeter.tag import tags_of

INFO = session("aaa1", "/home/ada/paper/train.ipynb")


def summary(**figures: tuple[float | None, str | None]) -> Summary:
    return Summary(2, 0, 1, 10.0, totals(**figures))


def totals(**figures: tuple[float | None, str | None]) -> tuple[Total, ...]:
    made = [Figure(n, v, Provenance(m, "a source", 0.1, None if m else "it broke")) for n, (v, m) in figures.items()]  # type: ignore[arg-type]
    return accounting.totals(accounting.parts(made))


def test_a_summary_says_how_each_total_is_known() -> None:
    text = pages.summary_page("This session", golden.SUMMARY).text()
    assert text.startswith("This session: 2 cells, 14.5 s, 1 of them failed\n")
    lines = {re.split("  +", line)[0]: line for line in text.splitlines()}
    assert "~84.4 J" in lines["CPU energy"]
    assert "modelled" in lines["CPU energy"]
    assert "TDP 120 W" in lines["CPU energy"]
    assert "≥ 5.80 kJ" in lines["GPU energy"]
    assert "GPU energy: a lower bound, missing in 1 record (the GPU is lost)." in text
    assert "×/÷ 3" in lines["memory energy"]  # as FACTS §4 has it, not ±200 %
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


def lines_of(page: Page) -> dict[str, list[str]]:
    """The table's lines by their first column, each as its columns; a part as ``figure > part``."""
    found, figure = {}, ""
    for row in page.tables[0].rows:
        figure = row[0] if not row[0].startswith(pages.PART) else figure
        name = row[0] if figure == row[0] else f"{figure} > {row[0].removeprefix(pages.PART)}"
        found[name] = list(row)
    return found


def test_where_it_went_is_said_below_the_figure() -> None:
    """The golden records, added up by hand."""
    found = lines_of(pages.summary_page("x", golden.SUMMARY))
    cells = 12.5 * (3.75 + 0.25) + 3600 + 2 * (3.75 + 0.25)
    assert found["energy > in cells"][1] == f"≥ {cells / 1000:.2f} kJ"
    assert found["energy > held idle"][1:4] == ["2.20 kJ", "±5.0 %", "measured"]
    assert found["energy > in the background"][1:4] == ["~30.0 J", "±50 %", "modelled"]
    assert found["energy"][1] == f"≥ {(cells + 2200 + 30) / 1000:.2f} kJ"
    assert [found[f"GPU time, reserved{of}"][1] for of in ("", " > in cells", " > held idle")] == [
        "54.5 s",
        "14.5 s",
        "40.0 s",
    ]
    assert "GPU time, busy > held idle" not in found  # it was busy in cells only


def test_nothing_is_said_of_buckets_where_there_are_only_cells() -> None:
    whole = summary(cpu_energy_j=(5.0, "measured"))
    page = pages.summary_page("x", replace(whole, buckets=(BucketTotal("cell", 10.0, whole.totals),)))
    assert page == pages.summary_page("x", whole)
    assert "in cells" not in page.text()


@pytest.mark.parametrize(("idle_j", "said"), [(0.9, False), (1.1, True)])
def test_less_than_a_hundredth_outside_of_cells_is_not_worth_a_word(idle_j: float, said: bool) -> None:
    inside, outside = totals(gpu_energy_j=(100 - idle_j, "measured")), totals(gpu_energy_j=(idle_j, "measured"))
    buckets = (BucketTotal("cell", 1.0, inside), BucketTotal("held_idle", 9.0, outside))
    page = pages.summary_page("x", Summary(1, 0, 1, 1.0, totals(gpu_energy_j=(100.0, "measured")), buckets))
    assert ("held idle" in page.text()) is said


def test_a_bucket_that_could_not_be_measured_is_a_dash_with_its_reason() -> None:
    there, lost = totals(gpu_energy_j=(5.0, "measured")), totals(gpu_energy_j=(None, None))
    whole = totals(gpu_energy_j=(5.0, "measured"), cpu_energy_j=(None, None))
    buckets = (BucketTotal("cell", 1.0, there), BucketTotal("held_idle", 9.0, lost))
    found = lines_of(pages.summary_page("x", Summary(1, 0, 1, 1.0, whole, buckets)))
    assert found["energy > held idle"][1:] == ["—", "", "not measured", "it broke"]


def test_what_was_used_before_any_cell_is_shown() -> None:
    made = totals(cpu_energy_j=(5.0, "measured"))
    page = pages.summary_page("x", Summary(0, 0, 1, 0.0, made, (BucketTotal("background", 3.0, made),)))
    assert page.title == "x: 0 cells, —"
    assert lines_of(page)["energy > in the background"][1] == "5.00 J"


@pytest.mark.parametrize(
    ("held", "busy", "line"),
    [
        ((3600.0, "measured"), (1116.0, "measured"), "GPU held 1.00 GPU-h, used 0.31 (31 %, measured)"),
        ((3600.0, "measured"), (1116.0, "modelled"), "GPU held 1.00 GPU-h, used ~0.31 (31 %, modelled)"),
        ((3600.0, "modelled"), (1116.0, "measured"), "GPU held ~1.00 GPU-h, used 0.31 (31 %, modelled)"),
        ((90.0, "measured"), (0.0, "modelled"), "GPU held 1.50 GPU-min, used ~0 (0 %, modelled)"),
        ((3600.0, "measured"), (1.0, "measured"), "GPU held 1.00 GPU-h, used < 0.01 (< 1 %, measured)"),
        ((30.0, "measured"), (30.2, "measured"), "GPU held 30.0 GPU-s, used 30.2 (100 %, measured)"),
        ((30.0, "measured"), (None, None), "GPU held 30.0 GPU-s; how much of it was used is not known (it broke)"),
    ],
)
def test_how_much_of_the_gpu_time_was_used(held: tuple[float, str], busy: tuple[float, str], line: str) -> None:
    page = pages.summary_page("x", summary(gpu_reserved_s=held, gpu_busy_s=busy))
    assert page.headlines == [line]
    assert page.text().splitlines()[1] == line
    assert line.replace("<", "&lt;") in page._repr_html_()


def test_gpu_time_that_nobody_looked_at_makes_the_use_a_bound() -> None:
    """One hour known to be half used, and another of which nothing is known: a quarter at least."""
    hour, half = Figure("gpu_reserved_s", 3600.0, golden.RESERVED), Figure("gpu_busy_s", 1800.0, golden.BUSY)
    unknown = Figure("gpu_busy_s", None, Provenance(None, None, None, "no samples"))
    made = accounting.totals(accounting.parts([hour, half, hour, unknown]))
    assert pages.used_of_held(Summary(2, 0, 1, 1.0, made)) == ["GPU held 2.00 GPU-h, used ≥ ~0.50 (≥ 25 %, modelled)"]
    silent = tuple(
        BucketTotal(name, 1.0, accounting.totals(accounting.parts(figures)))
        for name, figures in (("cell", [hour, half]), ("held_idle", [hour]))
    )  # fmt: skip
    made = accounting.totals(accounting.parts([hour, half, hour]))
    (line,) = pages.used_of_held(Summary(1, 0, 1, 1.0, made, silent))  # type: ignore[arg-type]
    assert "(≥ 25 %" in line
    worked = BucketTotal("background", 1.0, accounting.totals(accounting.parts([hour, half])))
    made = accounting.totals(accounting.parts([hour, half, hour, hour, half]))  # a gap's work is in one of its buckets
    (line,) = pages.used_of_held(Summary(1, 0, 1, 1.0, made, (*silent, worked)))  # type: ignore[arg-type]
    assert "(33 %" in line
    held = Figure("gpu_reserved_s", None, Provenance(None, None, None, "processes cannot be seen"))
    made = accounting.totals(accounting.parts([hour, half, held, half]))
    (line,) = pages.used_of_held(Summary(2, 0, 1, 1.0, made))
    assert "(≤ 100 %" in line
    made = accounting.totals(accounting.parts([hour, half, held, unknown]))
    (line,) = pages.used_of_held(Summary(2, 0, 1, 1.0, made))
    assert line.endswith("how much of it was used is not known (no samples; processes cannot be seen)")


def test_no_gpu_no_word_of_its_use() -> None:
    assert pages.summary_page("x", summary(cpu_s=(1.0, "measured"))).headlines == []


def test_what_the_work_took_above_idle() -> None:
    figures = {"gpu_energy_j": (1000.0, "measured"), "gpu_idle_energy_j": (400.0, "modelled")}
    line = lines_of(pages.summary_page("x", summary(**figures)))["GPU energy > above idle"]  # type: ignore[arg-type]
    assert line[1:4] == ["~600 J", "±18 %", "modelled"]  # √(100² + 40²) / 600
    figures["gpu_idle_energy_j"] = (5.0, "modelled")  # too little to weaken it
    line = lines_of(pages.summary_page("x", summary(**figures)))["GPU energy > above idle"]  # type: ignore[arg-type]
    assert line[1:4] == ["995 J", "±10 %", "measured"]
    assert "idle" not in pages.summary_page("x", summary(gpu_energy_j=(1.0, "measured"))).text()


def test_above_idle_is_a_bound_or_nothing_where_parts_are_missing() -> None:
    def shown(*parts: tuple[float | None, float | None]) -> str:
        lost = Provenance(None, None, None, "it broke")
        made = [
            Figure(name, value, golden.NVML if value is not None else lost)
            for pair in parts
            for name, value in zip(("gpu_energy_j", "gpu_idle_energy_j"), pair, strict=True)
        ]
        whole = Summary(1, 0, 1, 1.0, accounting.totals(accounting.parts(made)))
        return lines_of(pages.summary_page("x", whole))["GPU energy > above idle"][1]

    assert shown((100.0, 40.0)) == "60.0 J"
    assert shown((100.0, 40.0), (50.0, None)) == "≤ 110 J"
    assert shown((100.0, 40.0), (None, None)) == "≥ 60.0 J"
    assert shown((100.0, 40.0), (None, 40.0)) == "—"
    assert shown((100.0, None)) == "—"


SHARE = Provenance("modelled", "SM time of this kernel's processes over all (sm_util)", 0.2)


def shared(*shares: tuple[str, float | None, Provenance]) -> CellRecord:
    made = [
        Figure("gpu_energy_j", 30.0, golden.NVML, "GPU-1"),
        Figure("gpu_device_energy_j", 100.0, golden.NVML, "GPU-1"),
    ]
    made += [Figure("gpu_share", value, origin, device) for device, value, origin in shares]
    return replace(golden.FIRST, usage=Usage(5.0, tuple(made)))


def test_a_shared_gpu_shows_the_share_and_its_source() -> None:
    found = lines_of(pages.cell_page(shared(("GPU-1", 0.3, SHARE))))
    assert found["GPU energy > this kernel's share"][1:] == ["30 %", "±20 %", "modelled", SHARE.source]
    assert found["GPU energy > whole device"][1] == "100 J"
    lost = Provenance(None, None, None, "its processes cannot be seen")
    found = lines_of(pages.cell_page(shared(("GPU-4f2a81c0-1234", 0.3, SHARE), ("GPU-77", None, lost))))
    assert found["GPU energy > this kernel's share of GPU-4f2a81c0"][1] == "30 %"
    assert found["GPU energy > this kernel's share of GPU-77"][1:] == ["—", "", "not measured", lost.reason]


def test_a_gpu_that_is_all_ours_says_no_share() -> None:
    alone = Provenance("measured", "exclusive", 0.0)
    figures = (Figure("gpu_energy_j", 30.0, golden.NVML, "GPU-1"), Figure("gpu_share", 1.0, alone, "GPU-1"))
    assert "share" not in pages.cell_page(replace(golden.FIRST, usage=Usage(5.0, figures))).text()


def test_what_is_no_cells_is_called_by_its_bucket() -> None:
    assert pages.called(golden.IDLING) == "held idle, after run 1"
    assert pages.called(replace(golden.AFTER, seq=0)) == "in the background"


def test_notebooks_are_told_apart() -> None:
    paths = ["/a/x/train.ipynb", "/a/y/train.ipynb", "/a/y/eval.ipynb", None]
    names = {"/a/x/train.ipynb": "x/train.ipynb", "/a/y/train.ipynb": "y/train.ipynb", "/a/y/eval.ipynb": "eval.ipynb"}
    assert pages.notebook_names(paths) == names
    made = [replace(cell(INFO, n), notebook=path) for n, path in enumerate(paths)]
    (table,) = pages.cells_page("x", made, notebooks=True).tables
    assert [row[-1] for row in table.rows] == [*names.values(), "—"]
    assert "notebook" not in pages.cells_page("x", made).text()


def test_what_could_not_be_measured_is_a_dash_with_its_reason() -> None:
    (line,) = [n for n in pages.summary_page("x", summary(cpu_s=(None, None))).text().splitlines() if "CPU time" in n]
    assert re.split("  +", line.strip()) == ["CPU time", "—", "not measured", "it broke"]


def test_how_many_is_said_in_words_that_fit() -> None:
    one = replace(golden.SUMMARY, cells=1, failed=0)
    assert pages.summary_page("x", one).title == "x: 1 cell, 14.5 s"
    assert pages.summary_page("x", replace(one, cells=7, sessions=3)).title == "x: 7 cells in 3 sessions, 14.5 s"
    assert pages.summary_page("x", replace(one, cells=0, buckets=())).text() == "x\n\nNothing was metered yet."


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
    assert pages.called(replace(cell(INFO, 3), execution_count=None)) == "block 3"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({}, "block 3"),
        ({"category": "hpo", "method": "ours"}, "block 3"),
        ({"param.lr": 0.1, "param.search": "random"}, "trial lr=0.1"),
        ({"run": "seed-3", "param.lr": 0.1}, "trial seed-3"),
        ({"score.accuracy": 0.9}, "trial 3"),
        ({f"param.{name}": 1 for name in "abcde"}, "trial a=1, b=1, c=1, d=1, …"),
    ],
)
def test_a_block_is_called_by_what_it_tried_and_never_as_a_run(said: dict[str, object], name: str) -> None:
    tags = tags_of("aaa1-3", said, 1.0, "run", "ada", "host", "x#")
    inner = replace(cell(INFO, 3), execution_count=None, parent_id="aaa1-2", tags=tuple(tags))
    assert pages.called(inner) == name
    assert pages.called(replace(inner, label="eval")) == "eval"


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
    assert max(map(len, table.splitlines())) <= width or width == 500
    assert re.sub(r"\s+", "", folded.replace("-", ""))[:20] == re.sub(r"\s+", "", page.text().replace("-", ""))[:20]
    assert set(re.findall(r"\w+", folded)) == set(re.findall(r"\w+", page.text()))  # nothing is lost
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
    assert 100 < max(map(len, piped.splitlines())) <= screen.PIPED
    assert "train" not in piped


def test_several_wide_columns_share_the_width() -> None:
    table = Table(["a", "b", "c"], [["short", "word " * 30, "text " * 40]])
    lines = table.text(80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("short  word")
    assert max(map(len, Table(["a", "b"], [["x" * 40, "word " * 30]]).text(20).splitlines())) >= 16


def test_a_notebook_keeps_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.lib.pretty import pretty

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "✗ error" in pretty(pages.cells_page("x", [golden.SECOND]))
    assert "\x1b" not in pretty(pages.cells_page("x", [golden.SECOND]))
