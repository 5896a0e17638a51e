"""What was said of records, asked for by cells, sessions and names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shell import cell, session

from jupyter_costmeter.ledger import file, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import Tagged, tags_of

HERE, ELSEWHERE = session("one", "/p/a.ipynb"), session("two", "/p/b.ipynb")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = open_ledger(tmp_path / "ledger.sqlite")
    yield found
    found.close()


def run(seq: int, cell_id: str, **more: Any) -> CellRecord:
    return replace(cell(HERE, seq), cell_id=cell_id, **more)


def say(ledger: Ledger, record_id: str, at: float, **said: object) -> None:
    ledger.tag(tags_of(record_id, said, at, "later", "ada", "host", f"{at}#"))


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """A cell that ran twice, with a block inside; one that failed; and a copy of the notebook with the same cells."""
    inside = run(3, "train", parent_id="one-2")
    ledger.append(HERE, [run(1, "train"), run(2, "train"), inside, run(4, "eval", outcome="error")])
    ledger.append(ELSEWHERE, [replace(cell(ELSEWHERE, 1), cell_id="train")])
    return ledger


@pytest.mark.parametrize(
    ("cells", "newest", "found"),
    [
        (["train"], False, ["one-2", "one-1"]),
        (["train"], True, ["one-2"]),
        (["eval", "train"], True, ["one-2", "one-4"]),
        (["train", "train"], True, ["one-2"]),
        (["unheard of"], False, []),
        ([], False, []),
    ],
)
def test_the_runs_of_cells(cells: list[str], newest: bool, found: list[str], filled: Ledger) -> None:
    """Neither what lies inside another window, nor the same cell of a notebook's copy."""
    assert sorted(filled.runs_of("/p/a.ipynb", cells, newest)) == sorted(found)


def test_more_cells_than_one_statement_takes(filled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "SOME", 2)
    cells = ["a", "b", "train", "c", "eval"]
    assert sorted(filled.runs_of("/p/a.ipynb", cells, True)) == ["one-2", "one-4"]
    say(filled, "one-2", 1.0, method="ours")
    say(filled, "one-4", 1.0, method="theirs")
    found = filled.said_of("/p/a.ipynb", cells)
    assert {cell_id: runs[0][1].method for cell_id, runs in found.items()} == {"train": "ours", "eval": "theirs"}


def test_what_is_said_of_cells_run_by_run(filled: Ledger) -> None:
    say(filled, "one-1", 1.0, category="hpo")
    say(filled, "one-2", 2.0, category="train", method="ours", in_paper=True)
    assert filled.said_of("/p/a.ipynb", ["train", "eval", "unheard of"]) == {
        "train": [("ok", Tagged("train", "ours", None, True, judged=True)), ("ok", Tagged("hpo", judged=True))],
        "eval": [("error", Tagged())],
    }


def test_what_is_said_in_a_session(filled: Ledger) -> None:
    say(filled, "one-1", 1.0, category="hpo")
    say(filled, "one-4", 1.0, run="seed 1")
    say(filled, "two-1", 1.0, category="hpo")
    found = filled.said_in("one")
    assert {record_id: (outcome, [tag.key for tag in said]) for record_id, (outcome, said) in found.items()} == {
        "one-1": ("ok", ["category"]),
        "one-4": ("error", ["run"]),
    }
    assert list(filled.said_in("one", 1)) == ["one-4"]  # the newest cell
    assert filled.said_in("unheard of") == {}


def test_names_in_use_the_last_first(filled: Ledger) -> None:
    for at, name in enumerate(("ours", "theirs", "ours", None, 3)):
        say(filled, "one-1", float(at), method=name)
    say(filled, "one-1", 9.0, run="seed 1")
    assert filled.in_use("method") == ["ours", "theirs"]
    assert filled.in_use("method", 2) == ["ours"]  # what is no text was said last, and is none to choose
    assert filled.in_use("score.accuracy") == []


def test_a_ledger_that_is_not_there(ledger: Ledger) -> None:
    found = (ledger.runs_of("a", ["x"], True), ledger.said_of("a", ["x"]), ledger.said_in("s"), ledger.in_use("run"))
    assert found == ({}, {}, {}, [])
    assert not ledger.path.exists()
