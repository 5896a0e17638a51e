"""What a monitoring system is told adds up to the ledger's totals, and is silent about what was not measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ALL
from repeated import SESSIONS, some_records
from running_cells import resting, running, verdict
from shell import cell, session

from jupyter_costmeter.budget import Verdict
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.metered import Metered
from jupyter_costmeter.metrics import Family, Marks, families
from jupyter_costmeter.record import CellRecord, Summary, Usage
from jupyter_costmeter.running import Now

NOTHING = Now((), (), (), ())
CPU, A100 = "Xeon E5-2683 v4", "NVIDIA A100-SXM4-40GB"


def told(*held: Metered, now: Now = NOTHING, verdicts: tuple[Verdict, ...] = ()) -> dict[str, Family]:
    return {family.name: family for family in families(held, now, verdicts)}


def looked(folder: Path, *records: CellRecord) -> tuple[list[Metered], Summary]:
    """What a ledger with these records holds."""
    ledger = open_ledger(folder / "ledger.sqlite")
    for info in SESSIONS:
        ledger.append(info, [one for one in records if one.session_id == info.id])
    try:
        return ledger.metered(), ledger.summary(ALL)
    finally:
        ledger.close()
        ledger.path.unlink(missing_ok=True)


def sums(family: Family, label: str) -> dict[str, float]:
    at = family.labels.index(label)
    found: dict[str, float] = {}
    for values, amount in family.samples.items():
        found[values[at]] = found.get(values[at], 0.0) + amount
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(some_records(), max_size=12))
def test_counters_add_up_to_the_totals(found: list[CellRecord], tmp_path: Path) -> None:
    held, summary = looked(tmp_path, *found)
    metrics = told(*held)
    for name, figure in {"energy_joules": "energy_j", "cpu_seconds": "cpu_s"}.items():
        total, samples = summary.total(figure), metrics[f"costmeter_{name}_total"].samples
        if total is None or total.value is None:
            assert not samples
        else:
            assert sum(samples.values()) == pytest.approx(total.value)
    missing = sums(metrics["costmeter_missing_total"], "figure")
    assert missing == {t.name: t.missing for t in summary.totals if t.missing and t.name != "energy_j"}
    outcomes = sums(metrics["costmeter_cells_total"], "outcome")
    assert outcomes == ({"ok": summary.cells - summary.failed, "failed": summary.failed} if summary.cells else {})
    assert sum(metrics["costmeter_cell_seconds_total"].samples.values()) == pytest.approx(summary.wall_s)


def test_whose_it_is_what_it_ran_on_and_how_it_is_known(tmp_path: Path) -> None:
    held, _ = looked(tmp_path, golden.FIRST)
    metrics = told(*held)
    whose = ("paper", "ada", "host", "cell")
    energy = metrics["costmeter_energy_joules_total"]
    assert energy.labels == ("project", "user", "host", "bucket", "device", "model", "method")
    assert set(energy.samples) == {
        (*whose, "cpu", CPU, "modelled"), (*whose, "ram", "", "modelled"), (*whose, "gpu", A100, "measured"),
    }  # fmt: skip
    assert metrics["costmeter_gpu_busy_seconds_total"].samples == {
        (*whose, A100, "modelled"): pytest.approx(0.8 * golden.FIRST.wall_s)
    }
    assert {key[-2:] for key in metrics["costmeter_flops_total"].samples} == {
        ("bf16", "measured"), ("fp32", "measured"),
    }  # fmt: skip


def test_what_was_not_measured_is_absent_and_counted(tmp_path: Path) -> None:
    held, _ = looked(tmp_path, golden.record(1, 2.0, None))
    metrics = told(*held)
    assert set(sums(metrics["costmeter_energy_joules_total"], "device")) == {"cpu", "ram"}
    assert sums(metrics["costmeter_missing_total"], "figure") == {
        "gpu_energy_j": 1, "gpu_idle_energy_j": 1, "flops_uncounted": 1,
    }  # fmt: skip


def test_the_sessions_own_devices_are_not_those_of_who_worked_for_it_elsewhere(tmp_path: Path) -> None:
    held, _ = looked(tmp_path, replace(golden.FIRST, bucket="remote"))
    energy = told(*held)["costmeter_energy_joules_total"]
    assert set(sums(energy, "model")) == {""}
    assert set(sums(energy, "bucket")) == {"remote"}


def test_gpus_of_several_models_are_one_without_a_name(tmp_path: Path) -> None:
    ledger, info = open_ledger(tmp_path / "ledger.sqlite"), session("mixed", "/p/a.ipynb")
    info = replace(info, environment={"devices": '{"GPU-1": "A", "GPU-2": "B"}'})
    ledger.append(info, [cell(info, 1, 100.0)])
    metrics = told(*ledger.metered())
    assert sums(metrics["costmeter_gpu_busy_seconds_total"], "model") == {"": pytest.approx(1.6)}
    ledger.close()


def test_what_runs_and_what_rests() -> None:
    one = replace(golden.FIRST, usage=golden.usage(2.0, 1000.0))
    metrics = told(now=Now((running(one), running(one)), (resting(),), (), ()))
    whose = ("paper", "ada", metrics_host(metrics))
    assert metrics["costmeter_cells_running"].samples == {whose: 2}
    assert metrics["costmeter_running_seconds"].samples == {whose: 4.0}
    assert metrics["costmeter_running_energy_joules"].samples == {whose: pytest.approx(2 * 1008.0)}
    assert metrics["costmeter_running_power_watts"].samples == {whose: pytest.approx(1008.0)}
    assert list(metrics["costmeter_kernels_resting"].samples.values()) == [1]
    assert not metrics["costmeter_energy_joules_total"].samples


def metrics_host(metrics: dict[str, Family]) -> str:
    return next(iter(metrics["costmeter_cells_running"].samples))[-1]


def test_a_running_cell_of_which_nothing_is_known_has_no_energy() -> None:
    metrics = told(now=Now((running(replace(golden.FIRST, usage=Usage(2.0))),), (), (), ()))
    assert list(metrics["costmeter_cells_running"].samples.values()) == [1]
    assert not metrics["costmeter_running_energy_joules"].samples
    assert not metrics["costmeter_running_power_watts"].samples


def test_budgets() -> None:
    unknown = verdict(0.5)
    unknown = replace(unknown, budget=replace(unknown.budget, name="lost", id="c"))
    unknown = replace(unknown, spent=replace(unknown.spent, value=None, missing=3))
    metrics = told(verdicts=(verdict(0.25), unknown))
    quota, lost = ((name, "gpu_hours", "user", "", "day") for name in ("quota", "lost"))
    assert metrics["costmeter_budget_spent_ratio"].samples == {quota: 0.25}
    assert metrics["costmeter_budget_limit"].samples == {(*quota, "GPU-h"): 10.0, (*lost, "GPU-h"): 10.0}
    assert metrics["costmeter_budget_missing"].samples[lost] == 3


def counter(**samples: float) -> Family:
    return Family("costmeter_x_total", "counter", "", ("a",), {(name,): value for name, value in samples.items()})


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e9)), max_size=6))
def test_a_counter_never_goes_back(looks: list[dict[str, float]]) -> None:
    marks, before = Marks(), dict[Any, float]()
    for look in looks:
        (found,) = marks.keep("one", [counter(**look)])
        assert all(found.samples[key] >= value for key, value in before.items())
        assert all(found.samples[key,] >= value for key, value in look.items())
        before = dict(found.samples)


def test_another_ledger_begins_anew_and_gauges_go_as_they_like() -> None:
    marks = Marks()
    marks.keep("one", [counter(a=5.0)])
    (found,) = marks.keep("another", [counter(a=2.0)])
    assert found.samples == {("a",): 2.0}
    gauge = Family("costmeter_y", "gauge", "", (), {(): 5.0})
    marks.keep("another", [gauge])
    assert marks.keep("another", [replace(gauge, samples={(): 1.0})])[0].samples == {(): 1.0}


def test_an_empty_ledger_has_all_names_and_no_sample(tmp_path: Path) -> None:
    held, _ = looked(tmp_path)
    assert held == []
    metrics = told()
    assert len(metrics) == 16
    assert not any(family.samples for family in metrics.values())
    assert all(name.endswith("_total") == (family.kind == "counter") for name, family in metrics.items())
