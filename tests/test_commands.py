"""``%cost`` in a real kernel: its words, its pages, and what it shows without a ledger."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kernels import ALL, Kernel, fails, shows
from shell import cell, costmeter, fill, newer, said, session

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.recent import Recent, dearness
from jupyter_costmeter.record import Bucket, CellRecord
from jupyter_costmeter.tag import METER, tags_of


def test_a_session_and_its_words(kernel: Kernel, home: Path, ledger: Ledger) -> None:
    kernel.run("%%cost warm up\nsum(range(3 * 10**7))", "a")
    kernel.run("1/0", "b")
    assert shows(kernel, "%cost").startswith("This session: 2 cells, ")
    assert "1 of them failed" in kernel.text
    assert "CPU time" in kernel.text
    assert "GPU energy" not in kernel.text
    assert shows(kernel, "%cost summary").startswith("This session: 3 cells, ")
    lines = [line for line in shows(kernel, "%cost cells -n 3").splitlines() if line.startswith("In [")]
    assert [" ".join(line.split()[:2]) for line in lines] == ["In [2]", "In [3]", "In [4]"]
    assert "✗ error" in kernel.text
    assert "The 3 newest are shown, of 4 cells in all; -n 6 shows more." in kernel.text
    assert shows(kernel, "%cost cells --dearest -n 1").splitlines()[4].startswith("warm up")
    assert shows(kernel, "%cost last").startswith("In [2]: "), "not the cells that only ask"
    assert shows(kernel, "%cost last --label 'warm up'").startswith("warm up: ")
    assert "warm up" in shows(kernel, "%cost report")
    assert "Notebook train.ipynb: 9 cells" in shows(kernel, "%cost --notebook")
    assert "Project " in shows(kernel, "%cost --project")
    assert "Everything in the ledger: 11 cells" in shows(kernel, "%cost --all")
    doctor = shows(kernel, "%cost doctor")
    assert "✓   ledger" in doctor
    assert re.search(r"Metering \d+ cells took .* of their time, .* each, and .* of CPU in the background", doctor)
    shown = shows(kernel, "%cost help")
    for word in ("summary", "report", "last", "cells", "doctor", "export FILE", "help"):
        assert f"%cost {word}" in shown
    assert "%%cost LABEL" in shown
    assert shows(kernel, "%cost export --help") == shows(kernel, "%cost help export")
    assert kernel.text.startswith("usage: %cost export")
    shows(kernel, "%cost export out.json")
    kernel.flush()
    body = json.loads((home / "out.json").read_text())
    assert [c["id"] for c in body["cells"]] == [r.id for r in ledger.records(ALL)][:-1]  # the cell that exports runs on


def test_a_gpu_held_idle_is_noted(kernel: Kernel) -> None:
    kernel.run(
        "from jupyter_costmeter.record import Held\n"
        "get_ipython().costmeter.session.held = lambda: (Held('GPU-1', 'NVIDIA A100', 14e9, 3001.0, 0.0),)"
    )
    for line in ("%cost", "%cost report"):
        assert "has held 14.0 GB on a GPU (NVIDIA A100) for 50 min since the last cell and used 0 %" in shows(
            kernel, line
        )
    assert "This kernel has held" not in shows(kernel, "%cost --all")  # which is not about this kernel


def test_a_list_that_is_cut_says_so(ledger_path: Path) -> None:
    fill(ledger_path, INFO, *(cell(INFO, n) for n in range(1, 58)))
    shown = said(costmeter("cells", "--all"))
    assert "The 20 newest are shown, of 57 cells in all; -n 57 shows more." in shown
    assert len([line for line in shown.splitlines() if line.startswith("In [")]) == 20
    assert "In [57]" in shown
    shown = said(costmeter("cells", "--all", "--dearest", "-n", "3"))
    assert "The 3 dearest are shown, of 57 cells in all; -n 57 shows more." in shown
    assert "shown, of" not in said(costmeter("cells", "--all", "-n", "57"))
    assert "shown, of" not in said(costmeter("cells", "--all", "-n", "58"))


def test_cells_of_several_notebooks_say_which(ledger_path: Path) -> None:
    other = session("bbb2", "/home/ada/paper/eval.ipynb")
    fill(ledger_path, INFO, cell(INFO, 1))
    fill(ledger_path, other, cell(other, 2))
    for words in (("cells", "--all"), ("report", "--all"), ("cells", "--project", "/home/ada/paper")):
        ends = {line.split()[-1] for line in said(costmeter(*words)).splitlines() if line.startswith("In [")}
        assert ends == {"train.ipynb", "eval.ipynb"}
    assert "train.ipynb" not in said(costmeter("cells", "--notebook", "/home/ada/paper/train.ipynb")).split("\n", 1)[1]


def test_what_is_no_cells_is_in_the_totals_and_not_among_the_cells(ledger_path: Path) -> None:
    others = [replace(r, session_id="aaa1", notebook=INFO.notebook) for r in (golden.IDLING, golden.AFTER)]
    fill(ledger_path, INFO, cell(INFO, 1), *others)
    shown = said(costmeter("summary", "--all"))
    assert "Everything in the ledger: 1 cell, 2.00 s\n" in shown
    assert "· held idle" in shown
    assert "GPU held 42.0 GPU-s, used ~1.6 (4 %, modelled)" in shown  # 80 % of the cell's 2 s, of 42 s
    for words in (["cells"], ["cells", "--dearest"], ["cells", "-n", "1"], ["last"]):
        shown = said(costmeter(*words, "--all"))
        assert "In [1]" in shown
        assert "after run" not in shown
        assert "shown, of" not in shown


def test_a_trivial_cell_is_none_of_the_dearest(ledger_path: Path) -> None:
    fill(ledger_path, INFO, cell(INFO, 1, 1e6, label="dear"), cell(INFO, 2, 10.0, label="trivial"))
    shown = said(costmeter("report", "--all"))
    assert "dear" in shown
    assert "trivial" not in shown
    assert "trivial" in said(costmeter("cells", "--all"))


def test_wrong_words(kernel: Kernel) -> None:
    for line, named in [
        ("%cost sumary", "did you mean 'summary'?"),
        ("%cost run x.ipynb", "there is no 'run'"),
        ("%cost cells -n 0", "'0' is no number of cells"),
        ("%cost --session zzz", "no sessions begin with 'zzz'"),
        ("%cost export out.xls", "use one of .json, .csv, .md"),
        ("%cost export 'out.csv", "No closing quotation"),
        ("%cost label", "%%cost LABEL wants a label"),
    ]:
        assert named in fails(kernel, line)


def test_a_table_in_a_notebook_is_html_that_no_label_can_break(kernel: Kernel) -> None:
    kernel.run("%%cost <img src=x onerror=alert(1)>\n1")
    messages = []
    kernel.client.execute_interactive("%cost cells", timeout=30, output_hook=messages.append)
    (data,) = [m["content"]["data"] for m in messages if m["msg_type"] == "display_data"]
    assert "<table>" in data["text/html"]
    assert "<img" not in data["text/html"]
    assert "&lt;img" in data["text/html"]
    assert "<img src=x" in data["text/plain"]


def test_a_notebook_without_a_path(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel(notebook=None)
    assert "which notebook? Name it: --notebook PATH" in fails(kernel, "%cost --notebook")
    assert shows(kernel, "%cost --project").startswith("Project ")  # the folder that it runs in
    assert shows(kernel, "%cost").startswith("This session: 2 cells")


def test_a_ledger_of_a_later_version_leaves_the_sessions_own_figures(
    start_kernel: Callable[..., Kernel], ledger_path: Path, home: Path
) -> None:
    fill(ledger_path, INFO, cell(INFO, 1))
    newer(ledger_path)
    kernel = start_kernel()
    kernel.run("%%cost before\n1")
    kernel.run("%%cost after\n2")
    for line in ("%cost cells", "%cost report", "%cost cells --all", "%cost cells --notebook", "%cost cells --dearest"):
        shown = shows(kernel, line)
        assert "before" in shown
        assert "after" in shown
        assert "Only what this kernel remembers is shown: " in shown
        assert "was written by jupyter_costmeter 99.0" in shown
    shown = shows(kernel, "%cost")
    assert "This session: 7 cells" in shown
    assert "records wait in memory" in shown
    assert "99.0" in shown
    assert shows(kernel, "%cost last --label after").startswith("after: ")
    assert "✗   ledger" in shows(kernel, "%cost doctor")
    shown = shows(kernel, "%cost export mine.csv")
    assert "Only what this kernel remembers" in shown
    lines = (home / "mine.csv").read_text().splitlines()
    assert len(lines) == 1 + 10
    assert f"session {kernel.value('get_ipython().costmeter.session.info.id')[:8]}" in shown
    assert "no sessions begin with" in fails(kernel, "%cost --session zzz")


@pytest.mark.parametrize("found_by", ["the kernel", "the shell"])
def test_a_ledger_that_becomes_corrupt_is_put_aside_and_the_session_goes_on(
    found_by: str, kernel: Kernel, ledger_path: Path
) -> None:
    kernel.run("%%cost before\n1")
    kernel.flush()
    with closing(sqlite3.connect(ledger_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger_path.write_bytes(b"\xa5" * 50_000)
    if found_by == "the shell":
        assert "was corrupt" in said(costmeter("cells", "--all"))
    kernel.run("%%cost after\n2")
    shown = shows(kernel, "%cost")
    assert "This session: 2 cells" in shown  # the first one too
    assert ("was corrupt: it was moved" if found_by == "the kernel" else "was moved or deleted") in shown
    assert "after" in shows(kernel, "%cost cells")
    asides = [p for p in ledger_path.parent.glob("*.corrupt-*") if not p.name.endswith(("-wal", "-shm"))]
    assert [p.read_bytes()[:1] for p in asides] == [b"\xa5"]


def test_what_waits_in_memory_is_shown_once_and_only_where_asked_for(
    start_kernel: Callable[..., Kernel], ledger_path: Path
) -> None:
    """The file can be read, but not written: as on a full disk."""
    kernel = start_kernel()
    kernel.run("%%cost kept\n1")
    kernel.flush()
    kernel.run(
        "import jupyter_costmeter.errors as e, jupyter_costmeter.ledger.store as s\n"
        "def full(*_): raise e.LedgerUnwritable('the disk is full')\n"
        "s.Ledger.append = full"
    )
    kernel.run("%%cost waiting\n2")
    shown = shows(kernel, "%cost cells")
    assert [line.split()[0] for line in shown.splitlines() if "kept" in line or "waiting" in line] == [
        "kept",
        "waiting",
    ]
    assert "waiting" not in shows(kernel, "%cost cells --label kept")
    assert "waiting" not in shows(kernel, "%cost cells --notebook .")
    assert shows(kernel, "%cost last --label waiting").startswith("waiting: ")
    assert "the disk is full" in shows(kernel, "%cost")
    assert "Not in it, since the ledger could not take them: " in shows(kernel, "%cost export out.md")
    assert "wait in memory" in shows(kernel, "%cost doctor")


def test_reading_leaves_no_file_open(kernel: Kernel) -> None:
    kernel.run("1")
    kernel.run("%cost cells")
    count = "len([f for f in __import__('psutil').Process().open_files() if 'ledger.sqlite' in f.path])"
    before = kernel.value(count)
    for _ in range(5):
        shows(kernel, "%cost report")
    assert kernel.value(count) <= before


def test_the_shell_shows_what_the_kernel_shows(kernel: Kernel) -> None:
    kernel.run("%%cost tuned\n1")
    kernel.flush()
    name = kernel.value("get_ipython().costmeter.session.info.id")
    ours = shows(kernel, "%cost last")
    theirs = said(costmeter("last", "--session", name[:6], "--label", "tuned"))
    assert theirs.splitlines()[0] == ours.splitlines()[0]
    assert _words(theirs) == _words(ours)


def _words(text: str) -> list[str]:
    return sorted(re.sub("--+", "", text).split())


def test_in_a_shell_too_the_last_cell_is_one_that_did_more_than_ask(ledger_path: Path) -> None:
    asks = cell(INFO, 8)
    asks = replace(asks, tags=tags_of(asks.id, {METER: True}, asks.started_at, "run", "ada", "vm"))
    fill(ledger_path, INFO, cell(INFO, 7), asks)
    assert said(costmeter("last", "--all")).startswith("In [7]: ")


def test_the_last_cell_is_no_block_inside_it(ledger_path: Path) -> None:
    outer = cell(INFO, 1)
    tags = tuple(tags_of("aaa1-13", {"param.lr": 0.1}, 1.0, "run", "ada", "host", "x#"))
    inner = [replace(cell(INFO, n), parent_id=outer.id, started_at=outer.started_at + n / 100) for n in range(2, 14)]
    labelled = replace(inner[0], execution_count=None, label="eval")
    blocks = [replace(one, execution_count=None) for one in inner[1:]]
    fill(ledger_path, INFO, outer, labelled, *blocks[:-1], replace(blocks[-1], tags=tags))
    shown = said(costmeter("last", "--all"))
    assert shown.startswith("In [1]: ")
    assert "↳ trial lr=0.1" in shown
    assert "↳ block 12" in shown
    assert "run 1" not in shown
    assert "Of what ran inside it the 10 newest are shown; cells shows more." in shown
    assert said(costmeter("last", "--all", "--label", "eval")).startswith("eval: ")
    cut = said(costmeter("cells", "--all", "-n", "5"))
    assert "The 5 newest are shown, of 1 cell in all and what ran inside them; -n 10 shows more." in cut


def test_a_ledger_without_anything_is_said_to_be_empty(home: Path) -> None:
    assert "nothing was metered yet, so out.md was not written" in said(costmeter("export", "out.md", "--all"), 2)


# Memory in the place of the ledger

INFO = session("aaa1", "/home/ada/paper/train.ipynb")
SCOPES = [
    Selection("session", "aaa1"),
    Selection("session", "zzz"),
    Selection("notebook", INFO.notebook),
    Selection("notebook", "/home/ada/paper"),
    Selection("project", "/home/ada/paper"),
    Selection("project", "/home/ada"),
    Selection("project", "/home/ada/pap"),
    Selection("all"),
]
cells = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b"]),
        st.none() | st.floats(0, 1e6),
        st.sampled_from(["ok", "error"]),
        st.booleans(),
        st.sampled_from(["cell", "cell", "held_idle", "background"]),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells, st.sampled_from(SCOPES), st.sampled_from([None, "a"]))
@example([("a", None, "ok", False, "cell"), (None, None, "ok", True, "cell")], Selection("session", "aaa1"), "a")
def test_memory_answers_as_the_ledger_does(
    tmp_path: Path,
    made: list[tuple[str | None, float | None, str, bool, Bucket]],
    scope: Selection,
    label: str | None,
) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    records: list[CellRecord] = []
    for n, (name, gpu_j, outcome, inner, bucket) in enumerate(made):
        if bucket != "cell":
            records.append(replace(cell(INFO, n, gpu_j), bucket=bucket))
            continue
        parent = records[-1].id if inner and records else None
        records.append(replace(cell(INFO, n, gpu_j, label=name, outcome=outcome), parent_id=parent))
    selection = replace(scope, label=label)
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    ledger.append(INFO, records)
    recent = Recent(INFO, records, ledger.summary(ALL))
    found = list(ledger.records(selection))
    assert [r.id for r in recent.records(selection)] == [r.id for r in found]
    assert [r.id for r in recent.latest(selection, 3)] == [r.id for r in ledger.latest(selection, 3)]
    ours, theirs = ([dearness(r) for r in by.dearest(selection, 3)] for by in (recent, ledger))
    assert [n for pair in ours for n in pair] == pytest.approx([n for pair in theirs for n in pair])
    assert [s.id for s in recent.sessions(selection)] == [s.id for s in ledger.sessions(selection)]
    mine, whole = recent.summary(selection), ledger.summary(selection)
    assert (mine.cells, mine.failed) == (whole.cells, whole.failed)
    assert mine.wall_s == pytest.approx(whole.wall_s)
    assert [b.bucket for b in mine.buckets] == [b.bucket for b in whole.buckets]
    pairs = [
        (mine.totals, whole.totals),
        *((b.totals, c.totals) for b, c in zip(mine.buckets, whole.buckets, strict=True)),
    ]
    for one, other in (pair for ours, theirs in pairs for pair in zip(ours, theirs, strict=True)):
        assert (one.name, one.method, one.missing) == (other.name, other.method, other.missing)
        assert one.value == pytest.approx(other.value)
    ledger.close()


def test_memory_knows_the_buckets_of_a_notebook_that_was_moved(ledger: Ledger) -> None:
    """A part of the session only: its records are added up anew."""
    moved = [replace(r, session_id="aaa1", notebook="/home/ada/paper/new.ipynb") for r in (golden.IDLING, golden.AFTER)]
    records = [cell(INFO, 1), replace(cell(INFO, 2, outcome="error"), notebook=moved[0].notebook), *moved]
    ledger.append(INFO, records)
    selection = Selection("notebook", moved[0].notebook)
    mine, whole = Recent(INFO, records, ledger.summary(ALL)).summary(selection), ledger.summary(selection)
    assert (mine.cells, mine.failed, mine.sessions, mine.wall_s) == (1, 1, 1, 2.0)
    assert (mine.cells, mine.failed, mine.sessions, mine.wall_s) == (whole.cells, whole.failed, 1, whole.wall_s)
    told = [(b.bucket, b.wall_s, [(t.name, t.value) for t in b.totals]) for b in mine.buckets]
    assert told == [(b.bucket, b.wall_s, [(t.name, t.value) for t in b.totals]) for b in whole.buckets]
    assert [name for name, _, _ in told] == ["cell", "held_idle", "background"]
