"""What cells are said to be, on the pages and in the files of records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from exports import INFO, exported, lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import cell

from jupyter_costmeter import pages
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import Tag, tags_of


def tags(seq: int, given_: Any = "run", **said: Any) -> tuple[Tag, ...]:
    return tags_of(f"aaa1-{seq}", said, 1.0, given_, "ada", "host")


def tagged_cell(seq: int, outcome: str = "ok", parent_id: str | None = None, **said: Any) -> CellRecord:
    return cell(INFO, seq, outcome=outcome, parent_id=parent_id, tags=tags(seq, **said))


ALL_SAID = {
    "category": "hpo", "method": "ours", "run": "3", "in_paper": True, "param.lr": 3e-4, "score.accuracy": 0.912
}  # fmt: skip


def test_a_cell_says_what_it_is_said_to_be() -> None:
    page = pages.cell_page(tagged_cell(1, **ALL_SAID))
    assert page.headlines[0] == "Tagged hpo, method ours, run 3, in the paper; lr=0.0003; accuracy 0.912."
    failed = pages.cell_page(tagged_cell(1, "error", category="hpo"))
    assert failed.headlines[0] == "Tagged hpo; it did not end well, so it counts as failed."
    judged = cell(INFO, 1, outcome="error", tags=tags(1, "later", category="hpo"))
    assert pages.cell_page(judged).headlines[0] == "Tagged hpo."
    assert not any("Tagged" in line for line in pages.cell_page(cell(INFO, 1, outcome="error")).headlines)


def test_cells_have_a_category_where_any_is_tagged() -> None:
    records = [
        tagged_cell(1, category="train"), tagged_cell(2, parent_id="aaa1-1", **{"param.lr": 1}),
        tagged_cell(3, parent_id="aaa1-1", category="hpo"), tagged_cell(4, "error"), tagged_cell(5),
        tagged_cell(6, parent_id="gone"), tagged_cell(7, "error", category="hpo"), tagged_cell(8, parent_id="aaa1-7"),
    ]  # fmt: skip
    (table,) = pages.cells_page("", records, notebooks=True).tables
    at = list(table.columns).index("category")
    assert [row[at] for row in table.rows] == ["train", "train", "hpo", "failed", "", "", "failed", "hpo"]
    assert table.columns[-1] == "notebook"
    (table,) = pages.cells_page("", [cell(INFO, 4, outcome="error"), cell(INFO, 5)]).tables
    assert "category" not in table.columns


def test_csv_has_what_is_said(ledger: Ledger) -> None:
    found = lines(exported(ledger, "csv", tagged_cell(1, **ALL_SAID), tagged_cell(2, "error"), tagged_cell(3)))
    names = ("category", "method", "run", "in_paper")
    assert [[line[name] for name in names] for line in found] == [
        ["hpo", "ours", "3", "yes"], ["failed", "", "", ""], ["", "", "", ""]
    ]  # fmt: skip
    assert json.loads(found[0]["params"]) == {"lr": 3e-4}
    assert json.loads(found[0]["scores"]) == {"accuracy": 0.912}
    assert found[1]["params"] == found[2]["scores"] == ""


def test_json_and_markdown_have_it_too(ledger: Ledger) -> None:
    record = tagged_cell(1, **ALL_SAID)
    body = json.loads(exported(ledger, "json", record))
    assert {tag["key"]: json.loads(tag["value"]) for tag in body["cells"][0]["tags"]} == ALL_SAID
    table = exported(ledger, "md").partition("## Cells")[2]
    assert "| hpo, method ours, run 3, in the paper; lr=0.0003; accuracy 0.912 |" in table


@pytest.mark.parametrize("begin", "=+-@\t\r\n")
def test_a_method_is_no_formula(begin: str, ledger: Ledger) -> None:
    (line,) = lines(exported(ledger, "csv", tagged_cell(1, method=f"{begin}cmd|' /C calc'!A0", run=f"{begin}1")))
    assert line["method"].startswith("'")
    assert line["run"].startswith("'")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.text(min_size=1), st.text(min_size=1))
def test_no_name_breaks_the_tables(method: str, param: str) -> None:
    record = tagged_cell(1, method=method, **{f"param.{param}": method})
    page = pages.cells_page("", [record])
    assert len(page.tables[0].rows) == 1
    assert "<script" not in pages.cell_page(record)._repr_html_()
