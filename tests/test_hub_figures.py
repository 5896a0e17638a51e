"""The tables and charts of the Hub's service: the dearest first, sums of the uses themselves, nothing that is HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import golden
import pytest

from jupyter_costmeter.assumptions import Assumptions
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.hub import figures, month_chart, planned_rows
from jupyter_costmeter.hub.figures import Figure
from jupyter_costmeter.labs import Snapshot, Standing, Sum, Terms
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.shared.usings import Spent
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import of_records

BOOK = Book(Assumptions(tariffs=(tariff_of({"gpu_hour": 0.5}, "lab.toml:1", "EUR"),)))
HOURS = golden.record(1, 7200.0, 2e6)


def spent(person: str, project: str, notebook: str | None, *records: CellRecord, month: int = 11) -> Spent:
    return Spent(person, date(2026, month, 1), project, notebook, tuple(of_records(records, golden.SESSION)))


ALL = [
    spent("ada", "/home/ada/paper", "/home/ada/paper/<b>.ipynb", HOURS, month=10),
    spent("ada", "/home/ada/paper", "/home/ada/paper/b.ipynb", HOURS, HOURS),
    spent("ben", "C:\\work\\side", None, golden.record(2, 3600.0, 1e6)),
    spent("ben", "", None, golden.record(3, 60.0, None)),
]


def texts(rows: list[figures.Row], at: int) -> dict[str, str]:
    return {row.name: row.figures[at].text for row in rows}


def test_by_month_project_notebook_and_person() -> None:
    assert figures.heads(BOOK) == ("GPU time", "electricity", "emissions", "money, EUR")
    assert texts(figures.by_month(ALL, BOOK), 0) == {"2026-11": "5.02 GPU-h", "2026-10": "2 GPU-h"}
    assert texts(figures.by_project(ALL, BOOK), 0) == {
        "paper": "6 GPU-h", "side": "1 GPU-h", "no project": "0.0167 GPU-h",
    }  # fmt: skip
    assert texts(figures.by_notebook(ALL, BOOK), 3) == {
        "b.ipynb": "2.00 EUR", "<b>.ipynb": "1.00 EUR", "no notebook": "0.51 EUR",
    }  # fmt: skip
    assert [row.name for row in figures.by_person(ALL, BOOK)] == ["ada", "ben"]
    assert [(row.name, row.detail) for row in figures.by_person_and_project(ALL, BOOK)] == [
        ("ada", "paper"), ("ben", "side"), ("ben", "no project"),
    ]  # fmt: skip


def test_how_a_figure_is_known() -> None:
    gpu, kwh, _, money = figures.in_all(ALL[:2], BOOK).figures
    assert gpu.known == "measured"
    assert kwh.text.startswith("~")
    assert kwh.known.endswith("% measured energy")
    assert "PUE" in kwh.detail
    assert money.known == "measured"
    lost = figures.in_all(ALL[3:], BOOK).figures[1]
    assert lost.text.startswith("≥ ")
    assert "the GPU is lost" in lost.detail


def test_beyond_so_many_they_are_one_row_and_still_add_up() -> None:
    many = [spent("ada", f"/p{n}", f"/p{n}/n.ipynb", HOURS) for n in range(figures.ROWS + 5)]
    rows = figures.by_project(many, BOOK)
    assert len(rows) == figures.ROWS + 1
    assert rows[-1].name == "5 more"
    whole = figures.in_all(many, BOOK)
    for at in range(3):
        assert sum(row.figures[at].value or 0.0 for row in rows) == pytest.approx(whole.figures[at].value)


def bar(text: str, value: float | None) -> Figure:
    return Figure(text, "", "", value)


@pytest.mark.parametrize("draw", [month_chart.columns, month_chart.strips])
def test_a_chart_is_a_picture_whatever_is_named(draw: object) -> None:
    bars = [("<script>", bar("~3 kWh & more", 3.0)), ("a name that is much too long for its place", bar("—", None))]
    found = ElementTree.fromstring(draw(bars, "kWh", 'of "all"'))  # type: ignore[operator]
    assert found.get("aria-label", "").startswith('of "all"')
    heights = [float(one.get("height", 0)) * float(one.get("width", 0)) for one in found.iter("rect")]
    assert heights[0] > 0
    assert heights[1] == 0
    assert "<script>" in "".join(found.itertext())
    assert not list(found.iter("script"))


def test_of_nothing_nothing_is_drawn() -> None:
    for draw in (month_chart.columns, month_chart.strips):
        assert draw([], "kWh", "") == ""
        assert draw([("a", bar("0", 0.0)), ("b", bar("—", None))], "kWh", "") == ""


# The lab's budgets

TERMS = Terms("b1", "head", "gpu_hours", 10.0, "pool", None, None, "month", "UTC", None, None, "warn", (0.8,), "GPUs")


def gpu(hours: float) -> tuple[Sum, ...]:
    return (Sum("gpu_reserved_s", "measured", hours * 3600.0, 0.0, 1, 0),)


def test_how_far_ones_budgets_are() -> None:
    each = replace(TERMS, id="b2", whose="each", limit=4.0, name="")
    bens = replace(TERMS, id="b3", whose="person", person="ben")
    found = [Standing(one, 0, 700, gpu(6.0), (("s1", gpu(1.0)),)) for one in (TERMS, each, bens)]
    pool, mine = planned_rows.stands(Snapshot("ada", 0.0, tuple(found)))
    assert (pool.name, pool.used, pool.limit, pool.mine, pool.said, pool.full) == (
        "GPUs", "7 GPU-h", "10 GPU-h", "1 GPU-h", "70 %", 70,
    )  # fmt: skip
    assert (mine.used, mine.limit, mine.mine, mine.said) == ("1 GPU-h", "4 GPU-h", "", "25 %")
    over = Standing(replace(each, limit=0.5), 0, 700, (), (("s1", gpu(1.0)),))
    assert planned_rows.stands(Snapshot("ada", 0.0, (over,)))[0].full == 100


def test_who_used_how_much_of_each_budget() -> None:
    bens = replace(TERMS, id="b3", whose="person", person="ben", name="")
    used = {
        name: {"b1": Standing(TERMS, 0, 1, gpu(hours)).elsewhere(())[1]} for name, hours in (("ada", 3), ("eve", 1))
    }
    columns, rows = planned_rows.of_people([TERMS, bens], used, None)
    assert columns == ["person", "GPUs: 10 GPU-h"]
    assert rows == [["ada", "3 GPU-h (30 %)"], ["eve", "1 GPU-h (10 %)"]]
    columns, rows = planned_rows.of_people([TERMS, bens], used, ["ada", "ben"])
    assert len(columns) == 3
    assert rows == [["ada", "3 GPU-h (30 %)", ""], ["ben", "0 GPU-h (0 %)", "0 GPU-h (0 %)"]]
