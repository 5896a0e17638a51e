"""``tag`` and ``score`` of cells that have ended: in a shell, and in a kernel whose ledger may be away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from kernels import Kernel, fails, shows
from shell import cell, fill, here, newer, said, session

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.tag import Tagged, tagged

NOTEBOOK = "/home/ada/paper/train.ipynb"
OLD, NEW = session("aaa1", NOTEBOOK), session("aab2", NOTEBOOK)
OTHER = session("bbb3", "/home/ada/paper/eval.ipynb")


@pytest.fixture
def filled(ledger_path: Path, ledger: Ledger) -> Ledger:
    """Two sessions of a notebook, the newer one with a block inside its last cell; one session of another."""
    after = NEW.started_at + 10_000
    later = [cell(NEW, seq, label="warm up" if seq == 2 else None) for seq in range(1, 9)]
    moved = [replace(record, started_at=record.started_at + 10_000) for record in later]
    inner = replace(moved[-1], id="aab2-9", parent_id="aab2-8", execution_count=None)
    fill(ledger_path, OLD, *(cell(OLD, seq) for seq in range(1, 4)))
    fill(ledger_path, replace(NEW, started_at=after), *moved, inner)
    fill(ledger_path, OTHER, cell(OTHER, 1))
    return ledger


def by_id(ledger: Ledger) -> dict[str, Tagged]:
    found = {record.id: tagged(record.tags) for record in ledger.records(Selection("all"))}
    return {record_id: one for record_id, one in found.items() if one != Tagged()}


def numbers(*seqs: int, of: str = "aab2") -> set[str]:
    return {f"{of}-{seq}" for seq in seqs}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--cells", "3-7"), numbers(3, 4, 5, 6, 7)),
        (("--cells", "3,5,7..8"), numbers(3, 5, 7, 8)),
        (("--cells", "-2"), numbers(7)),
        (("--cells=-3..-1",), numbers(6, 7, 8)),
        (("--cells", "-3..-1"), numbers(6, 7, 8)),
        (("--cells", "7-99"), numbers(7, 8)),
        (("--last",), numbers(8)),
        (("--last", "3"), numbers(6, 7, 8)),
        (("--label", "warm up"), numbers(2)),
        ((), numbers(*range(1, 9)) | numbers(1, 2, 3, of="aaa1")),
    ],
)
def test_cells_of_a_notebook(
    words: tuple[str, ...], meant: set[str], filled: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = said(here(capsys, "tag", "hpo", "method=ours", "--notebook", NOTEBOOK, *words))
    assert by_id(filled) == dict.fromkeys(meant, Tagged("hpo", "ours", judged=True))
    assert shown == f"{len(meant)} cell{'s' if len(meant) > 1 else ''}: hpo, method ours.\n"
    assert filled.check() == []


def test_one_record_by_its_first_letters(filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    alike = replace(OTHER, id="aaa1f")
    fill(filled.path, alike, cell(alike, 1))
    words = ("--record", "aaa1-1", "--record", "bbb", "--record", "aab-9")
    assert said(here(capsys, "score", "accuracy=0.5", *words)) == "3 cells: accuracy 0.5.\n"
    assert set(by_id(filled)) == {"aaa1-1", "bbb3-1", "aab2-9"}


def test_words_in_any_order(filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    said(here(capsys, "tag", "--last", "hpo", "--notebook", NOTEBOOK, "lr=-3", "method=ours"))
    assert by_id(filled) == {"aab2-8": Tagged("hpo", "ours", params={"lr": -3}, judged=True)}
    said(here(capsys, "tag", "--all", "train"))
    assert len(by_id(filled)) == 12  # the inner one is as the cell around it


def test_said_again_and_taken_back(filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("hpo", "method=ours"), ("train",), ("method=",)):
        shown = said(here(capsys, "tag", *words, "--record", "bbb3-1"))
    assert shown == "1 cell: no more said: method.\n"
    assert by_id(filled) == {"bbb3-1": Tagged("train", judged=True)}
    (record,) = filled.records(Selection("session", "bbb3"))
    assert len(record.tags) == 4
    shown = said(here(capsys, "tag", "--all"))
    assert shown.startswith("Everything in the ledger: what cells are said to be\n")
    assert [line.split()[-3:] for line in shown.splitlines() if line.startswith("In [")] == [
        ["train", "train", "bbb3-1"]
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("hpo", "which cells? Say --last"),
        ("hpo --notebook /nowhere.ipynb", "there is no notebook /nowhere.ipynb, and nothing was ever metered there"),
        ("hpo --all --cells 40", "no cell of Session aab2 that has ended is '40'"),
        ("hpo --all --cells x", "--cells x: write In [numbers] as 3, 3-7"),
        ("hpo --all --cells 7-3", "--cells 7-3: the first is after the last"),
        ("hpo --all --cells -3..2", "--cells -3..2: the first is after the last"),
        ("hpo --all --last 0", "'0' is no number of cells"),
        ("hpo --record aa", "several records begin with 'aa'; give more"),
        ("hpo --record zz", "no records begin with 'zz'"),
        ("hpoo --all", "did you mean 'hpo'?"),
        ("--last", "say what they are"),
        ("--off", "--off ends a span that a kernel began"),
        ("hpo --last --cells 3", "not allowed with"),
    ],
)
def test_wrong_words(words: str, named: str, filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert named in said(here(capsys, "tag", *words.split()), 2)
    assert by_id(filled) == {}


def test_help_lists_the_categories(capsys: pytest.CaptureFixture[str]) -> None:
    from jupyter_costmeter.tag import CATEGORIES
    from jupyter_costmeter.words import CATEGORY_TEXTS

    shown = said(here(capsys, "help", "tag"))
    assert tuple(CATEGORY_TEXTS) == CATEGORIES
    assert all(f"  {name:10} {text}" in shown for name, text in CATEGORY_TEXTS.items())


def test_a_kernels_ended_cells(kernel: Kernel, ledger: Ledger) -> None:
    for name in "abc":
        kernel.run("1", name)
    assert shows(kernel, "%cost tag train run=2 --last 2").startswith("2 cells: train, run 2.")
    assert shows(kernel, "%cost score accuracy=0.9 --cells 1").startswith("1 cell: accuracy 0.9.")
    assert shows(kernel, "%cost tag hpo --cells -1").startswith("1 cell: hpo.")  # the cell before this one
    tags = "{r.execution_count: [t.key for t in r.tags] for r in get_ipython().costmeter.session.cells()}"
    assert kernel.value(tags)[2] == ["category", "run"]  # what the panel is told
    shown = shows(kernel, "%cost tag")
    assert shown.startswith("Cells are not tagged from here on.\n")
    assert len([line for line in shown.splitlines() if line.startswith("In [")]) == 3
    assert "no cell of Session" in fails(kernel, "%cost tag hpo --cells 90")
    kernel.flush()
    found = {r.execution_count: tagged(r.tags) for r in ledger.records(Selection("all")) if r.bucket == "cell"}
    assert found == {
        1: Tagged(scores={"accuracy": 0.9}), 2: Tagged("train", run="2", judged=True),
        3: Tagged("hpo", run="2", judged=True),  # not the cells of %cost alone between
        **{number: Tagged(meter=True) for number in (4, 5, 6, 7, 8)},
    }  # fmt: skip


def test_what_else_comes_of_it_is_told(kernel: Kernel) -> None:
    kernel.run("1", "a")
    kernel.run("1 / 0", "b")
    shown = shows(kernel, "%cost tag hpo method=ours lr=0.1 --last 999")
    assert shown.startswith("2 cells: hpo, method ours; lr=0.1.\n")
    assert "999 were asked for; there are no more." in shown
    assert "1 cell that did not end well counted as failed until now, and from now on as hpo" in shown
    assert "replaces" not in shown
    shown = shows(kernel, "%cost tag train method=ours lr=0.2 --last 2")
    assert "Of 2 cells that replaces what was said before: hpo; lr=0.1." in shown
    assert "asked for" not in shown
    assert "counted as failed" not in shown


def test_while_the_ledger_is_locked_tags_are_kept_and_said(kernel: Kernel, ledger_path: Path, ledger: Ledger) -> None:
    kernel.run("1", "a")
    kernel.flush()
    with closing(sqlite3.connect(ledger_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        kernel.run("1", "b")
        shown = shows(kernel, "%cost tag hpo method=ours --last 2")
        assert "2 cells: hpo, method ours." in shown
        assert "4 tags of earlier ones, wait in memory" in shown
        rows = [line.split() for line in shows(kernel, "%cost tag").splitlines() if line.startswith("In [")]
        assert [row[4:8] for row in rows] == [["hpo", "hpo,", "method", "ours"]] * 2
        other.execute("ROLLBACK")
    kernel.flush()
    found = {r.cell_id: tagged(r.tags) for r in ledger.records(Selection("all"))}
    assert found["a"] == found["b"] == Tagged("hpo", "ours", judged=True)


def test_a_ledger_that_cannot_be_read_leaves_the_sessions_own_cells(
    start_kernel: Callable[..., Kernel], ledger_path: Path
) -> None:
    fill(ledger_path, OLD, cell(OLD, 1))
    newer(ledger_path)
    kernel = start_kernel()
    kernel.run("1", "a")
    shown = shows(kernel, "%cost tag hpo --last")
    assert "1 cell: hpo." in shown
    assert "tags of earlier ones, wait in memory" in shown
    assert "hpo" in shows(kernel, "%cost tag")
