"""ARR, AAAI and the reproducibility checklist: what trials answer, and what they leave open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from compared import runs, with_params

from jupyter_costmeter.norms import forms
from jupyter_costmeter.statement import Form, Item, Statement

SEEDS = with_params(runs("ours", [0.90, 0.92, 0.91]), [{"lr": 1, "seed": seed} for seed in range(3)])


def item(form: Form, key: str) -> Item:
    return next(found for found in form.items if found.key == key)


def filled(name: str, statement: Statement) -> Form:
    return forms(statement, [name])[0]


def test_arr_counts_all_experiments_with_those_that_failed(golden: Statement) -> None:
    form = filled("arr", golden)
    assert item(form, "C1 budget").answer == "18 GPU-h ±1.0 %"
    assert item(form, "C1 parameters").answer is None
    assert item(form, "C1 parallelism").answer == "at most 2 GPUs in one session"
    assert item(form, "C2 failed").answer == "2 runs, 0.5 GPU-h ±1.0 %, 0.5 CPU-h ±1.0 %"
    assert item(form, "C2 multiple").answer == "3 times what the paper shows (6 GPU-h)"
    assert item(form, "C2 best").answer == "ours: lr = 0.01; baseline: lr = 0.01"


def test_arr_never_says_by_which_criterion_the_best_was_chosen(golden: Statement, untagged: Statement) -> None:
    assert "criterion" in (item(filled("arr", golden), "C2 method").todo or "")
    found = item(filled("arr", untagged), "C2 method")
    assert found.answer is None
    assert "criterion" in (found.todo or "")


def test_arr_of_nothing_tagged_asks_for_tags(untagged: Statement) -> None:
    assert "%cost tag hpo" in filled("arr", untagged).text


def test_aaai_is_partial_as_long_as_the_libraries_are_not_known(golden: Statement) -> None:
    found = item(filled("aaai", golden), "infrastructure")
    assert found.answer == "partial"
    assert "Python 3.12.1; Python 3.11.7" in found.how
    assert "libraries" in (found.todo or "")


@pytest.mark.parametrize(("trials", "answer"), [(SEEDS, "yes"), (SEEDS[:1], "partial"), ([], None)])
def test_aaai_takes_only_seeds_for_variation(trials: list[object], answer: str | None, golden: Statement) -> None:
    found = item(filled("aaai", replace(golden, trials=tuple(trials))), "variation")  # type: ignore[arg-type]
    assert found.answer == answer
    assert (found.todo is None) == (answer == "yes")


def test_a_seed_that_was_a_parameter_is_said(golden: Statement) -> None:
    found = item(filled("aaai", replace(golden, trials=tuple(SEEDS))), "seeds")
    assert (found.answer, "seed = 0, 1, 2" in found.how) == ("partial", True)


def test_the_checklist_counts_runs_by_category_and_those_without(golden: Statement) -> None:
    found = item(filled("reproducibility", golden), "number of runs")
    assert (found.answer or "").startswith(
        "2 train, 10 hpo, 2 ablation, 1 inference, 1 prep, 2 failed, 2 not tagged; trials: ours: 8 runs"
    )
    assert "not tagged" in (found.todo or "")


def test_the_checklist_has_runtime_and_energy_of_each_result(golden: Statement) -> None:
    form = filled("reproducibility", golden)
    rows = {row[0]: row for row in form.tables[0].rows}
    assert rows["ours: hpo"][1:3] == ("5", "1 h 00 min ± 0 s")
    assert rows["ours: train"][3].startswith("~2.22 kWh")
    assert "of it measured" in item(form, "energy").how
