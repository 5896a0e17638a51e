"""Where it went by category, method and run: the rows add up, and what lies inside a cell is taken from it."""

from __future__ import annotations

from dataclasses import replace
from math import fsum, inf
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ALL
from recorded import START, joules, run
from shell import fill, here, said, session

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import CATEGORIES, tags_of
from jupyter_costmeter.uses import By

INFO = replace(session("s1", "/p/a.ipynb"), started_at=START)
BYS: tuple[By, ...] = ("category", "method", "run")


def one(n: int, parent: int | None = None, outcome: str = "ok", given_: Any = "run", **what: Any) -> CellRecord:
    parent_id = None if parent is None else f"r{parent}"
    tags = tags_of(f"r{n}", what, 1.0, given_, "ada", "host")
    return run(n, f"c{n}", outcome, parent_id=parent_id, tags=tags)


def went(ledger: Ledger, by: By, start: float = -inf, end: float = inf) -> dict[tuple[str, str], tuple[int, float]]:
    rows = ledger.went(ALL, start, end, by)
    assert len({(row.name, row.detail) for row in rows}) == len(rows)
    return {(row.name, row.detail): (row.runs, round(joules(row.uses), 6)) for row in rows}


def test_by_category(ledger: Ledger) -> None:
    """Joules are 10 to the power of the number."""
    ledger.append(INFO, [
        one(0, category="hpo"), one(1, category="hpo"), one(2, category="hpo", outcome="error"), one(3),
        one(4, outcome="killed"),
        one(5, outcome="interrupted", given_="later", category="train"), replace(one(6), bucket="background"),
    ])  # fmt: skip
    assert went(ledger, "category") == {
        ("hpo", ""): (2, 11.0), ("failed", ""): (2, 10_100.0), ("train", ""): (1, 1e5),
        ("not tagged", ""): (1, 1000.0), ("background", ""): (0, 1e6),
    }  # fmt: skip


def test_the_newest_counts_and_what_is_taken_back_does_not(ledger: Ledger) -> None:
    ledger.append(INFO, [one(0, category="hpo", method="ours"), one(1, category="hpo", method="base")])
    ledger.tag(tags_of("r0", {"category": "train", "method": None}, 2.0, "later", "ada", "host", "x#"))
    assert went(ledger, "category") == {("train", ""): (1, 1.0), ("hpo", ""): (1, 10.0)}
    assert went(ledger, "method") == {("no method", ""): (1, 1.0), ("base", ""): (1, 10.0)}


def test_runs_of_two_methods_are_two(ledger: Ledger) -> None:
    ledger.append(
        INFO, [one(0, method="ours", run="1"), one(1, method="base", run="1"), one(2, method="base", run="1"), one(3)]
    )
    assert went(ledger, "run") == {("1", "ours"): (1, 1.0), ("1", "base"): (2, 110.0), ("no run", ""): (1, 1000.0)}


def test_what_lies_in_a_cell_is_taken_from_it(ledger: Ledger) -> None:
    ledger.append(INFO, [
        one(3, category="train", method="ours", run="1"), one(0, 3, category="hpo"), one(1, 3, **{"param.lr": 1}),
        one(2, 3),
    ])  # fmt: skip
    assert went(ledger, "category") == {("train", ""): (2, 999.0), ("hpo", ""): (1, 1.0)}
    assert went(ledger, "method") == {("ours", ""): (3, 1000.0)}


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["ok", "ok", "error"]), st.sampled_from([None, 0, 1, 2]),
        st.sampled_from([None, *CATEGORIES[:3]]), st.sampled_from([None, "a", "b"]), st.sampled_from([None, "1"]),
    ),
    min_size=1, max_size=7,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(RECORDS, st.sampled_from([-inf, START + 130.0, START + 330.0]), st.sampled_from([inf, START + 450.0]))
def test_the_rows_add_up_to_the_outermost_records(tmp_path: Path, drawn: list[Any], start: float, end: float) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = open_ledger(path)
    ledger.append(INFO, [
        one(n, parent if parent is not None and parent < n else None, outcome,
            **{k: v for k, v in (("category", category), ("method", method), ("run", name)) if v})
        for n, (outcome, parent, category, method, name) in enumerate(drawn)
    ])  # fmt: skip
    whole = fsum(joules(row.uses) for row in ledger.went(ALL, start, end, "outcome"))
    for by in BYS:
        assert fsum(joules(row.uses) for row in ledger.went(ALL, start, end, by)) == pytest.approx(whole)
    ledger.close()
    for more in path.parent.glob("ledger.sqlite*"):
        more.unlink()


def test_spent_by_category(ledger_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(ledger_path, INFO, one(3, category="train", method="ours"), one(4))
    shown = said(here(capsys, "spent", "--by", "category", "--all"))
    assert "where it went, by category" in shown
    assert [line.split()[0] for line in shown.splitlines() if "kWh" in line or "Wh" in line][:2] == ["not", "train"]
    assert set(BYS) <= set(get_args(By))


def test_what_failed_in_a_cell_that_was_judged_has_failed(ledger: Ledger) -> None:
    ledger.append(INFO, [one(3), one(0, 3, "error", **{"param.lr": 1}), one(1, 3, **{"param.lr": 2})])
    ledger.tag(tags_of("r3", {"category": "hpo"}, 2.0, "later", "ada", "host", "x#"))
    assert went(ledger, "category") == {("hpo", ""): (2, 999.0), ("failed", ""): (1, 1.0)}
