"""CVPR's form: its fields, and a breakdown that holds every hour once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.norms.cvpr import CATEGORIES, CVPR, percentages
from jupyter_costmeter.statement import Form, Grid, Item, Statement
from jupyter_costmeter.tag import CATEGORIES as OURS


def item(form: Form, key: str) -> Item:
    return next(found for found in form.items if found.key == key)


def breakdown(form: Form) -> Grid:
    return next(found for found in form.tables if found.title.startswith("Development"))


FIELDS = [
    "cpu_model",
    "cpu_cores",
    "gpu_model",
    "num_gpus",
    "gpu_memory_gb",
    "system_ram_gb",
    "storage_type",
    "infrastructure_type",
    "cloud_provider",
    "instance_types",
    "task_category",
    "performance_metric",
    "method_performance",
    "baseline_method",
    "baseline_performance",
    "percentage_improvement",
    "model_params",
    "framework",
    "mixed_precision",
    "epochs",
    "batch",
    "steps",
    "compute_metric",
    "gpu_hours",
    "cpu_hours",
    "flops_per_forward",
    "flops_per_instance",
    "flops_tool",
    "flops_method_description",
    "inference_compute_per_1k",
    "efficiency_ratio",
    "training",
    "finetuning",
    "distillation",
    "hyper_search",
    "ablation",
    "inference_dev",
    "failed",
    "other",
    "total_dev_compute",
    "dev_start_date",
    "dev_end_date",
]


def test_each_field_of_the_form_is_there(golden: Statement) -> None:
    """FACTS §1.1."""
    assert set(FIELDS) <= {found.key for found in CVPR().form(golden).items}


def test_each_of_our_categories_has_one_place() -> None:
    assert sorted(c for categories in CATEGORIES.values() for c in categories) == sorted(OURS)
    assert len(CATEGORIES) == 8


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9), st.just(1 / 3)), max_size=14))
def test_percentages_sum_to_exactly_100(hours: list[float | None]) -> None:
    found = percentages(hours)
    tenths = [round(10 * p) for p in found if p is not None]
    assert len(found) == len(hours)
    assert sum(tenths) == (1000 if any(hours) else 0)
    for value, percent in zip(hours, found, strict=True):
        assert (percent is None) == (value is None or not any(hours))
        if percent is not None:
            assert percent == pytest.approx(100 * (value or 0.0) / sum(h or 0.0 for h in hours), abs=0.1001)


def test_the_breakdown_holds_every_hour_once(golden: Statement) -> None:
    grid = breakdown(CVPR().form(golden))
    hours = {row[0]: float(row[2].split(" ")[0]) for row in grid.rows}
    assert hours == {
        "training": 6.0, "finetuning": 0.0, "distillation": 0.0, "hyper_search": 7.5, "ablation": 2.0,
        "inference_dev": 0.5, "failed": 0.5, "other": 0.0, "not tagged": 0.5, "held idle between cells": 1.0,
    }  # fmt: skip
    assert sum(hours.values()) == pytest.approx(golden.whole.gpu_hours.value)
    assert sum(round(10 * float(row[1])) for row in grid.rows) == 1000
    assert grid.title == "Development, % of GPU-hours"
    assert {row[0]: row[5] for row in grid.rows if row[5] != "—"} == {"hyper_search": "5", "ablation": "2"}


def test_what_nobody_tagged_is_shown_as_such(untagged: Statement) -> None:
    form = CVPR().form(replace(untagged, held_idle=None, background=None))
    shown = {row[0]: row[1] for row in breakdown(form).rows}
    assert shown["not tagged"] == "100.0"
    assert {percent for name, percent in shown.items() if name != "not tagged"} == {"0.0"}
    assert "%cost tag hpo" in (item(form, "not tagged").todo or "")
    assert "not tagged 100.0 %" in form.text


def test_runs_without_parameters_are_of_an_unknown_number_of_configurations(golden: Statement) -> None:
    """Not of none; where there were no runs there were none."""
    shares = tuple(replace(share, configs=0) for share in golden.shares if share.category != "ablation")
    form = CVPR().form(replace(golden, shares=shares))
    search, ablation = item(form, "hyper_search"), item(form, "ablation")
    assert (search.answer or "").endswith("7.5 GPU-h ±1.0 %")
    assert search.asks.endswith("number of configurations")
    assert "say how many configurations" in (search.todo or "")
    assert (ablation.answer or "").endswith("0 configurations")
    assert ablation.todo is None
    shown = {row[0]: row[5] for row in breakdown(form).rows}
    assert (shown["hyper_search"], shown["ablation"]) == ("—", "0")
    assert item(CVPR().form(golden), "hyper_search").todo is None


def test_without_a_gpu_it_is_of_cpu_hours(no_gpu: Statement) -> None:
    form = CVPR().form(no_gpu)
    assert breakdown(form).title == "Development, % of CPU-hours"
    assert sum(round(10 * float(row[1])) for row in breakdown(form).rows) == 1000
    assert item(form, "gpu_model").answer == "none"
    assert item(form, "num_gpus").answer == "0"
    assert (item(form, "total_dev_compute").answer or "").endswith("CPU-h ±1.0 %")


def test_a_share_that_is_not_known_has_no_percentage(golden: Statement) -> None:
    lost = [
        replace(s, spent=replace(s.spent, gpu_hours=replace(s.spent.gpu_hours, value=None, missing=1)))
        if s.category == "ablation" else s
        for s in golden.shares
    ]  # fmt: skip
    form = CVPR().form(replace(golden, shares=tuple(lost)))
    shown = {row[0]: row[1] for row in breakdown(form).rows}
    assert shown.pop("ablation") == "—"
    assert sum(round(10 * float(percent)) for percent in shown.values()) == 1000
    assert item(form, "ablation").answer is None


def test_only_a_place_that_is_no_cloud_has_no_provider(golden: Statement, unplaced: Statement) -> None:
    assert item(CVPR().form(golden), "cloud_provider").answer == "none"
    assert item(CVPR().form(unplaced), "cloud_provider").answer is None
    cloud = tuple(replace(machine, kind="cloud", region="gcp/us-central1") for machine in golden.machines)
    assert item(CVPR().form(replace(golden, machines=cloud)), "cloud_provider").answer == "gcp"


def test_dates_are_of_the_records(golden: Statement) -> None:
    form = CVPR().form(golden)
    assert (item(form, "dev_start_date").answer, item(form, "dev_end_date").answer) == ("2026-09-21", "2026-09-23")
