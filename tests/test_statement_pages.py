"""What a statement says in sections: each figure with its marks, and nothing that is not known."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
import yaml
from stated import golden_statement

from jupyter_costmeter import plugins
from jupyter_costmeter.form_pages import CODE, form_section, forms_page
from jupyter_costmeter.record import Total
from jupyter_costmeter.statement import Document, Form, Grid, Item
from jupyter_costmeter.statement_pages import BETWEEN, amount, headlines, pairs, said, sections
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
    ("found", "text"),
    [
        (None, "—"), (total(None), "—"), (total(1.5), "1.50 kWh"), (total(1.95e-5, method="modelled"), "~19.5 mWh"),
        (total(1.5, missing=1), "≥ 1.50 kWh"), (total(3e15, "FLOP"), "3.00 PFLOP"), (total(0.0), "0"),
        (total(1.5, "GPU-h", "modelled", 1), "≥ ~1.5 GPU-h"), (total(4.56e-7, "kgCO2e"), "456 µgCO2e"),
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
    assert "GPU time: 18 GPU-h reserved, ~15.3 GPU-h busy; CPU time: 15.6 CPU-h; FLOPs: ≥ 5.04 EFLOP counted." in text
    assert "Electricity with PUE: ~10.7 kWh; emissions: ~601 gCO2e. Money: 9.90 EUR" in text


def test_what_there_was_none_of_has_no_headline() -> None:
    none = replace(GOLDEN.whole, flops=total(None, "FLOP"), gpu_hours=total(0.0, "GPU-h"))
    text = " ".join(headlines(replace(GOLDEN, whole=none)))
    assert "No GPU was held; CPU time: 15.6 CPU-h. Electricity" in text
    assert "counted" not in text


def grids(document: Document) -> dict[str, Grid]:
    """By their titles, or by their sections'."""
    return {grid.title or section.title: grid for section in sections(document) for grid in section.grids}


PART = "All of it, and parts of it; time is that of runs"


def test_what_lay_between_runs_is_no_run_and_has_no_time_of_runs() -> None:
    rows = {row[0]: row for row in grids(Document(GOLDEN, ()))[PART].rows}
    idle = rows["held idle between runs, 1 h 00 min"]
    assert idle[1:4] == ("—", "—", "—")
    assert rows["all of it"][1:4] == ("20", "2", "14 h 37 min")
    assert BETWEEN["held_idle"] in idle[0]


def test_categories_with_what_lay_between_them_are_all_of_the_electricity() -> None:
    grid = grids(Document(GOLDEN, ()))["By category"]
    shares = [float(row[-1].removesuffix(" %")) for row in grid.rows]
    assert grid.columns[-1] == "of the electricity"
    assert round(sum(shares), 1) == 100.0
    assert [row[0] for row in grid.rows if row[0].startswith("held idle")]


def test_machines_without_a_gpu_have_no_column_of_it() -> None:
    nothing = total(0.0, "GPU-h")
    shares = tuple(replace(one, spent=replace(one.spent, gpu_hours=nothing)) for one in GOLDEN.shares)
    dark = replace(GOLDEN, shares=shares, held_idle=None, background=None)
    assert "GPU time" not in grids(Document(dark, ()))["By category"].columns
    assert {"GPU time", "failed"} <= set(grids(Document(GOLDEN, ()))["By category"].columns)


UNPLACED = replace(GOLDEN, region_g=(250.0, 9590.0))


def test_emissions_of_nobody_knows_where_are_a_range_and_those_of_parts_are_not_told() -> None:
    assert "emissions: 0.25 to 9.59 kgCO2e (nobody said where it ran). Money" in " ".join(headlines(UNPLACED))
    found = grids(Document(UNPLACED, ()))
    row = next(row for row in found["Totals"].rows if row[0].startswith("emissions"))
    assert row[1:4] == ("0.25 to 9.59 kgCO2e", "", "a range")
    assert "nobody said where it ran" in row[4]
    of_it = [row[found[PART].columns.index("CO2e")] for row in found[PART].rows]
    assert of_it[0] == "0.25 to 9.59 kgCO2e"
    assert set(of_it[1:]) == {"—"}
    for name in ("By category", "By experiment", "Trials"):
        assert "CO2e" not in found[name].columns
    bound = replace(GOLDEN.whole, emissions_kg=replace(GOLDEN.whole.emissions_kg, missing=1, reasons=("lost",)))
    assert "≥ 0.25 to 9.59 kgCO2e" in " ".join(headlines(replace(UNPLACED, whole=bound)))


def test_no_format_has_the_worlds_average_as_emissions() -> None:
    """Every number of the placed statement's emissions is gone, in all formats; the charts have none either."""
    said = {amount(spent.emissions_kg) for spent in (GOLDEN.whole, *(share.spent for share in GOLDEN.shares))}
    said -= {amount(GOLDEN.whole.embodied_kg)}  # which is known
    raw = [repr(spent.emissions_kg.value) for spent in (GOLDEN.whole, *(trial.spent for trial in GOLDEN.trials))]
    for suffix in ("md", "tex", "html", "csv", "yaml"):
        out = io.StringIO()
        plugins.load("statements", suffix).write(out, Document(UNPLACED, ()))
        assert not [one for one in raw if one in out.getvalue()], suffix
        assert not [one for one in said if one in out.getvalue()], suffix


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
    assert "; emissions: —." in " ".join(headlines(dark))


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


def test_a_form_is_read_in_a_terminal_line_by_line() -> None:
    long = replace(FORM, items=(*FORM.items, Item("d", "Asks " * 60, "word " * 60, "", "do " * 60)))
    for width in (80, 120):
        text = forms_page("Title", (long,)).text(width)
        assert max(map(len, text.splitlines())) <= width
        assert "\na: yes\n    Asks a?\nb: —\n    Asks b?\n    TODO: say b\nc: 3\n    c?\n    TODO: check" in text
    whole = forms_page("Title", (long,)).text()  # as a notebook shows it
    assert "norm    question" in whole


def test_commands_in_a_text_are_code_and_names_are_not() -> None:
    assert CODE.sub(r"<\1>", "say `%cost where FR`, or `in_paper=no`; not `x` nor `%cost <b>`") == (
        "say <%cost where FR>, or <in_paper=no>; not `x` nor `%cost <b>`"
    )


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
    assert shown[0] == "GPU time, reserved"
    assert shown[3] == "there was none"
