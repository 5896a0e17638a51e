"""What a statement says in sections: each figure with its marks, and nothing that is not known."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
import yaml
from stated import golden_statement

from jupyter_costmeter import plugins
from jupyter_costmeter.form_pages import form_section, forms_page
from jupyter_costmeter.record import Total
from jupyter_costmeter.statement import Document, Form, Grid, Item
from jupyter_costmeter.statement_pages import amount, headlines, number, pairs, said, sections
from jupyter_costmeter.statement_rows import figure_rows

GOLDEN = golden_statement()
FORM = Form(
    "norm", "A norm", "its page",
    (
        Item("a", "Asks a?", "yes", "measured"), Item("b", "Asks b?", None, "", "say b"),
        Item("c", "c?", "3", "", "check it"),
    ),
    "Prose.\nTODO(author): b.", (Grid("T", ("x",), (("1",),)),), {"x": {"y": 1.5}}, "yaml",
)  # fmt: skip


def total(value: float | None, unit: str = "kWh", method: str | None = "measured", missing: int = 0) -> Total:
    return Total("n", unit, value, method, 1.0, missing, None, ("s",), ("r",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.012345, "0.0123"), (1.5, "1.5"), (12345.6, "12346"), (0.999999, "1"), (1e-9, "0.000000001")],
)
def test_a_number_has_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "—"), (total(None), "—"), (total(1.5), "1.5"), (total(1.5, method="modelled"), "~1.5"),
        (total(1.5, missing=1), "≥ 1.5"), (total(3e15, "FLOP"), "3.00 PFLOP"), (total(0.0), "0"),
    ],
)  # fmt: skip
def test_an_amount_has_its_marks(found: Total | None, text: str) -> None:
    assert amount(found) == text


def test_parameters_are_told_shortly() -> None:
    assert (
        pairs({"lr": 3e-4, "n": 12, "opt": "adam", "on": True, "l": [1, 2]})
        == "lr=0.0003, n=12, opt=adam, on=true, l=[1, 2]"
    )
    assert said(None) == "null"


def test_the_headlines_have_the_figures_that_all_ask_for() -> None:
    text = " ".join(headlines(GOLDEN))
    assert "Project paper: 20 runs in 3 sessions, 2 of them failed, 14 h 37 min of computing" in text
    assert "18 GPU-hours reserved (~15.3 busy), 15.6 CPU-hours, ≥ 5.04 EFLOP counted" in text
    assert "~10.7 kWh of electricity with PUE, ~0.601 kgCO2e. Money: 9.90 EUR" in text


UNPLACED = replace(GOLDEN, region_g=(250.0, 9590.0))


def test_emissions_of_nobody_knows_where_are_a_range_and_those_of_parts_are_not_told() -> None:
    assert "PUE, 0.25 to 9.59 kgCO2e (nobody said where it ran). Money" in " ".join(headlines(UNPLACED))
    grids = {
        grid.title or section.title: grid for section in sections(Document(UNPLACED, ())) for grid in section.grids
    }
    row = next(row for row in grids["Totals"].rows if row[0].startswith("emissions"))
    assert row[1:4] == ("0.25 to 9.59", "", "a range")
    assert "nobody said where it ran" in row[4]
    of_it = [row[grids["Of it"].columns.index("kgCO2e")] for row in grids["Of it"].rows]
    assert of_it[0] == "0.25 to 9.59"
    assert set(of_it[1:]) == {"—"}
    for name in ("By category", "By experiment", "Trials"):
        assert "kgCO2e" not in grids[name].columns
    bound = replace(GOLDEN.whole, emissions_kg=replace(GOLDEN.whole.emissions_kg, missing=1, reasons=("lost",)))
    assert "≥ 0.25 to 9.59 kgCO2e" in " ".join(headlines(replace(UNPLACED, whole=bound)))


def test_no_format_has_the_worlds_average_as_emissions() -> None:
    """Every number of the placed statement's emissions is gone, in all formats; the charts have none either."""
    said = {amount(spent.emissions_kg) for spent in (GOLDEN.whole, *(share.spent for share in GOLDEN.shares))}
    raw = [repr(spent.emissions_kg.value) for spent in (GOLDEN.whole, *(trial.spent for trial in GOLDEN.trials))]
    for suffix in ("md", "tex", "html", "csv", "yaml"):
        out = io.StringIO()
        plugins.load("statements", suffix).write(out, Document(UNPLACED, ()))
        assert not [one for one in raw if one in out.getvalue()], suffix
        assert not [one for one in said if f"{one} kgCO2e" in out.getvalue()], suffix


def test_a_range_is_two_lines_of_csv_and_a_mapping_of_yaml() -> None:
    csv_, yaml_ = io.StringIO(newline=""), io.StringIO()
    plugins.load("statements", "csv").write(csv_, Document(UNPLACED, ()))
    plugins.load("statements", "yaml").write(yaml_, Document(UNPLACED, ()))
    found = {line["key"]: line for line in csv.DictReader(io.StringIO(csv_.getvalue()))}
    low, high = found["whole.emissions_kg.low"], found["whole.emissions_kg.high"]
    assert (float(low["answer"]), float(high["answer"])) == (0.25, 9.59)
    assert low["asks"] == "emissions, kgCO2e, at least"
    assert "nobody said where it ran" in low["how"]
    assert "whole.emissions_kg" not in found
    assert found["category.hpo.emissions_kg"]["answer"] == ""
    assert found["trial.1.emissions_kg"]["how"].startswith("not known: nobody said where it ran")
    figures = yaml.safe_load(yaml_.getvalue())["statement"]
    assert (figures["whole.emissions_kg"]["from"], figures["whole.emissions_kg"]["to"]) == (0.25, 9.59)
    assert "a range" in figures["whole.emissions_kg"]["how"]
    assert figures["reported.emissions_kg"]["value"] is None
    assert figures["whole.embodied_kg"]["value"] > 0


def test_without_energy_there_is_no_range() -> None:
    lost = replace(GOLDEN.whole.emissions_kg, value=None, reasons=("lost",))
    dark = replace(UNPLACED, whole=replace(GOLDEN.whole, emissions_kg=lost))
    row = next(row for row in figure_rows(dark) if row.key == "whole.emissions_kg")
    assert (row.value, row.how) == (None, "not known: lost")
    assert ", — kgCO2e." in " ".join(headlines(dark))


def test_the_sections_are_those_that_hold_something() -> None:
    titles = [section.title for section in sections(Document(GOLDEN, (FORM,)))]
    assert titles == [
        "What it took", "By category", "By experiment", "Trials", "Machines", "Factors, with their sources",
        "What to know", "A norm",
    ]  # fmt: skip
    untagged = tuple(replace(share, category=None) for share in GOLDEN.shares[-1:])
    bare = replace(GOLDEN, shares=untagged, experiments=(), trials=(), machines=(), factors=())
    assert [section.title for section in sections(Document(bare, ()))] == ["What it took", "What to know"]


def test_columns_with_nothing_in_them_are_left_out() -> None:
    trials = next(section for section in sections(Document(GOLDEN, ())) if section.title == "Trials").grids[0]
    assert "run" in trials.columns
    nameless = replace(GOLDEN, trials=tuple(replace(one, run=None) for one in GOLDEN.trials))
    grid = next(section for section in sections(Document(nameless, ())) if section.title == "Trials").grids[0]
    assert "run" not in grid.columns
    assert {len(row) for row in grid.rows} == {len(grid.columns)}


def test_a_form_says_what_is_left_to_the_author() -> None:
    section = form_section(FORM)
    assert section.grids[0].rows[1] == ("b", "Asks b?", "TODO", "")
    assert section.todos == ("b: say b", "c: check it")
    assert section.code == "x:\n  y: 1.5\n"
    assert section.language == "yaml"
    page = forms_page("Title", (FORM,))
    assert page.headlines == ["norm: A norm", "2 fields left to you: TODO says what."]
    assert "Prose." in page.notes
    assert page.tables[0].rows[1] == ("b", "Asks b?", "—", "say b")


def test_each_figure_is_a_row_with_a_key_of_its_own() -> None:
    rows = list(figure_rows(GOLDEN))
    keys = [row.key for row in rows]
    assert len(keys) == len(set(keys))
    found = {row.key: row for row in rows}
    assert found["whole.gpu_hours"].value == 18.0
    assert found["category.hpo.gpu_hours"].value == 7.5
    assert found["reported.runs"].value == 2
    assert found["trial.1.score.accuracy"].value == 0.7
    assert found["machine.2.gpus"].value == "2 × NVIDIA A100-SXM4-40GB (42.9 GB)"
    assert found["factor.1.intensity"].how.startswith("modelled: Our World in Data")
    assert "a lower bound: numpy" in found["whole.flops"].how


def test_what_is_not_known_has_no_value_and_its_reason() -> None:
    lost = replace(GOLDEN.whole, flops=Total("flops", "FLOP", None, None, None, 3, None, (), ("lost",)))
    row = next(row for row in figure_rows(replace(GOLDEN, whole=lost)) if row.key == "whole.flops")
    assert row.value is None
    assert row.how == "not known: lost"


def test_what_there_was_none_of_is_neither_measured_nor_unknown() -> None:
    """Of a machine without a GPU the hours are 0, which nobody needed to measure."""
    none = replace(GOLDEN, whole=replace(GOLDEN.whole, gpu_hours=Total("gpu_hours", "GPU-h", 0.0, None, None, 0, None)))
    row = next(row for row in figure_rows(none) if row.key == "whole.gpu_hours")
    assert (row.value, row.how) == (0.0, "there was none")
    shown = next(row for section in sections(Document(none, ())) for grid in section.grids for row in grid.rows)
    assert shown[0].startswith("GPU-hours")
    assert shown[3] == "there was none"
