"""What a statement says of a ledger: shares, experiments and trials that add up to the ledger's own totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from math import fsum
from pathlib import Path
from typing import Any

import pytest
from gathered import ALL, PROCESS_CLOCK, experiment, of, remembered, share
from hypothesis import HealthCheck, given, settings
from recorded import filled
from stated import (
    ABLATION,
    FLOP_PER_S,
    HOUR,
    OURS,
    PREPARE,
    PROJECT,
    TRAIN,
    golden_costing,
    golden_ledger,
    golden_records,
    golden_statement,
    record,
    usage,
)  # fmt: skip
from told import told

from jupyter_costmeter import tally
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.record import CellRecord, Figure, Summary, Usage
from jupyter_costmeter.statement import Spent, Statement, Trial
from jupyter_costmeter.tag import METER, tags_of

many = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def golden() -> Statement:
    return golden_statement()


# The golden ledger


@pytest.mark.parametrize(
    ("category", "runs", "failed", "gpu_hours", "kwh", "configs"),
    [
        ("train", 2, 0, 6.0, 2.13, 1),
        ("hpo", 10, 0, 7.5, 3.075, 5),
        ("ablation", 2, 0, 2.0, 0.82, 2),
        ("inference", 1, 0, 0.5, 0.205, 0),
        ("prep", 1, 0, 0.0, 0.055, 0),
        ("failed", 2, 2, 0.5, 0.205, 2),
        (None, 2, 0, 0.5, 0.205 + (HOUR / 10 + 60.0) * 110 / 3.6e6, 0),
    ],
)
def test_shares(
    golden: Statement, category: str | None, runs: int, failed: int, gpu_hours: float, kwh: float, configs: int
) -> None:
    found = share(golden, category)
    assert (found.spent.runs, found.spent.failed, found.configs) == (runs, failed, configs)
    assert found.spent.gpu_hours.value == pytest.approx(gpu_hours)
    assert found.spent.energy_kwh.value == pytest.approx(kwh)


def test_the_whole(golden: Statement) -> None:
    whole = golden.whole
    assert (whole.runs, whole.failed, golden.sessions) == (20, 2, 3)  # what is left of the cell around trials is no run
    assert whole.gpu_hours.value == pytest.approx(18.0)
    assert whole.gpu_busy_hours.value == pytest.approx(0.9 * 17)
    assert whole.flops.value == pytest.approx(FLOP_PER_S * 14 * HOUR)
    assert whole.flops.missing == 3  # the CPU's cells
    assert whole.electricity_kwh.value == pytest.approx(1.56 * (whole.energy_kwh.value or 0))
    assert whole.emissions_kg.value == pytest.approx(56.039e-3 * (whole.electricity_kwh.value or 0))
    assert [(bill.currency, float(bill.amount or 0)) for bill in whole.bills] == [("EUR", pytest.approx(9.9))]
    assert (whole.peak_rss_bytes, whole.peak_gpu_bytes) == (2e9 + 7.2e9, 2e10 + 7.2e9)
    assert whole.wall_s == pytest.approx(golden.summary.wall_s)
    assert golden.held_idle is not None
    assert golden.held_idle.gpu_hours.value == 1.0
    assert golden.background is None
    assert (golden.first_at, golden.last_at) == (PREPARE.started_at, ABLATION.started_at + 3 * HOUR)
    assert [factor.name for factor in golden.factors] == ["intensity", "pue", "embodied"]
    assert (golden.title, golden.scope) == ("Compute of project paper", "project paper")


def test_what_is_in_the_paper(golden: Statement) -> None:
    assert golden.reported is not None
    assert golden.preliminary is not None
    assert (golden.reported.runs, golden.reported.gpu_hours.value) == (2, 6.0)
    assert (golden.preliminary.runs, golden.preliminary.gpu_hours.value) == (2, 2.0)


def test_experiments(golden: Statement) -> None:
    names = ["prep", "look", "prepare.ipynb", "ours: hpo", "baseline: hpo", "ours: failed", "ours: train",
             "baseline: train", "ablation", "evaluate", "inference"]  # fmt: skip
    assert [one.name for one in golden.experiments] == names
    ours = experiment(golden, "ours: hpo")
    assert (ours.method, ours.category, ours.in_paper, ours.mean_s, ours.sd_s) == ("ours", "hpo", None, HOUR, 0.0)
    final = experiment(golden, "baseline: train")
    assert (final.in_paper, final.mean_s, final.sd_s) == (True, HOUR, None)
    assert experiment(golden, "evaluate").mean_s is None  # what is left of it is no run of its own


def test_trials(golden: Statement) -> None:
    ours = [t for t in golden.trials if t.method == "ours" and t.category == "hpo"]
    assert tuple(t.scores["accuracy"] for t in ours) == OURS
    assert [t.params["lr"] for t in ours] == [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
    assert [t.spent.gpu_hours.value for t in ours] == [1.0] * 5
    lost = [(t.outcome, t.category) for t in golden.trials if t.outcome != "ok"]
    assert lost == [("error", "failed"), ("interrupted", "failed")]
    final = [t for t in golden.trials if t.run == "final"]
    assert [(t.method, t.in_paper, t.spent.gpu_hours.value) for t in final] == [
        ("ours", True, 4.0),
        ("baseline", True, 2.0),
    ]
    assert [t.started_at for t in golden.trials] == sorted(t.started_at for t in golden.trials)


def test_machines(golden: Statement) -> None:
    desk, gpu07 = golden.machines
    assert (desk.host, desk.gpus, desk.cpus, desk.sessions) == ("desk.lab.example", {}, 8, 1)
    assert (gpu07.gpus, gpu07.sessions) == ({"NVIDIA A100-SXM4-40GB": 2}, 2)
    assert gpu07.gpu_bytes == {"NVIDIA A100-SXM4-40GB": 40 * 2**30}
    assert (gpu07.region, gpu07.kind, gpu07.system, gpu07.partition) == ("FR", "lab", "Ubuntu 22.04.4 LTS", "gpu-small")


def test_of_a_part_only_that(golden: Statement) -> None:
    found = golden_statement(Selection("notebook", f"{PROJECT}/ablation.ipynb"))
    assert [one.category for one in found.shares] == ["ablation", "inference", None]
    assert found.whole.gpu_hours.value == 3.0


# What counts as what


@pytest.mark.parametrize(
    ("outcome", "said", "later", "category"),
    [
        ("ok", {}, {}, None),
        ("ok", {"category": "hpo"}, {}, "hpo"),
        ("error", {}, {}, "failed"),
        ("error", {"category": "hpo"}, {}, "failed"),
        ("killed", {"category": "hpo"}, {}, "failed"),
        ("interrupted", {"category": "hpo"}, {"category": "train"}, "train"),  # somebody judged it
        ("ok", {"category": "hpo"}, {"category": "failed"}, "failed"),
        ("ok", {"category": "hpo"}, {"category": None}, None),
        ("error", {}, {"method": "ours"}, "failed"),
    ],
)
def test_what_failed(
    tmp_path: Path, outcome: Any, said: dict[str, Any], later: dict[str, Any], category: str | None
) -> None:
    made = record(TRAIN, 1, 0.0, usage(60.0), said, outcome)
    found = of(tmp_path, TRAIN, made, later=tags_of(made.id, later, made.started_at + 99, "later", "ada", "box", "1#"))
    assert [one.category for one in found.shares] == [category]
    assert found.shares[0].spent.failed == (category == "failed")


def test_a_trial_that_was_tagged_afterwards(tmp_path: Path) -> None:
    made = record(TRAIN, 1, 0.0, usage(60.0, ("GPU-1",)))
    said = {"method": "ours", "score.accuracy": 0.9, "param.lr": 0.1}
    found = of(tmp_path, TRAIN, made, later=tags_of(made.id, said, made.started_at + 99, "later", "ada", "box", "1#"))
    (trial,) = found.trials
    assert (trial.id, trial.method, trial.scores, trial.params) == (made.id, "ours", {"accuracy": 0.9}, {"lr": 0.1})
    assert [one.name for one in found.experiments] == ["ours"]


def test_a_named_run_is_one_trial_of_several_records(tmp_path: Path) -> None:
    """Its length is that of all of them; the newest says how it ended and what it is."""
    said = {"method": "ours", "run": "seed 1", "category": "train"}
    made = [
        record(TRAIN, 1, 0.0, usage(60.0), {**said, "param.lr": 0.1}, "error"),
        record(TRAIN, 2, 1.0, usage(30.0), said),
        record(TRAIN, 3, 2.0, usage(10.0), {**said, "category": "inference", "score.loss": 0.5, "in_paper": True}),
        record(TRAIN, 4, 3.0, usage(20.0), {**said, "run": "seed 2"}),
    ]
    found = of(tmp_path, TRAIN, *made)
    first, second = found.trials
    assert (first.id, first.spent.runs, first.spent.failed, first.spent.wall_s) == (made[0].id, 1, 0, 100.0)
    assert (first.category, first.outcome, first.in_paper) == ("inference", "ok", True)
    assert (first.params, first.scores, second.params) == ({"lr": 0.1}, {"loss": 0.5}, {})
    train = experiment(found, "ours: train")
    assert (train.spent.runs, train.mean_s) == (2, 25.0)


# Inside others


def nest(*spans: tuple[float, dict[str, Any]], gpus: Sequence[str] = ("GPU-1",)) -> list[CellRecord]:
    """Each inside the one before."""
    made: list[CellRecord] = []
    for n, (seconds, said) in enumerate(spans, 1):
        parent = made[-1].id if made else None
        made.append(record(TRAIN, n, 0.0, usage(seconds, tuple(gpus)), said, parent_id=parent))
    return made


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([(100.0, {"category": "train"}), (40.0, {})], {"train": 100.0}),
        ([(100.0, {}), (40.0, {"category": "hpo"})], {"hpo": 40.0, None: 60.0}),
        ([(100.0, {"category": "train"}), (40.0, {"category": "hpo"})], {"train": 60.0, "hpo": 40.0}),
        ([(100.0, {}), (60.0, {}), (40.0, {"category": "hpo"})], {"hpo": 40.0, None: 60.0}),
        ([(100.0, {}), (60.0, {"category": "train"}), (40.0, {"category": "hpo"})],
         {"train": 20.0, "hpo": 40.0, None: 40.0}),
        ([(100.0, {"category": "hpo"}), (40.0, {"score.loss": 1.0})], {"hpo": 100.0}),  # its parent's category
    ],
)  # fmt: skip
def test_what_is_inside_another_is_taken_from_it(
    tmp_path: Path, spans: list[tuple[float, dict[str, Any]]], seconds: dict[str | None, float]
) -> None:
    found = of(tmp_path, TRAIN, *nest(*spans))
    assert {one.category: one.spent.wall_s for one in found.shares} == pytest.approx(seconds)
    for one in found.shares:
        assert one.spent.gpu_hours.value == pytest.approx(one.spent.wall_s / HOUR)
        assert one.spent.flops.value == pytest.approx(FLOP_PER_S * one.spent.wall_s)
    assert found.whole.gpu_hours.value == pytest.approx(100.0 / HOUR)


def test_trials_in_a_cell_that_failed_are_what_they_were(tmp_path: Path) -> None:
    outer = record(TRAIN, 1, 0.0, usage(100.0), {"category": "hpo", "method": "ours"}, "error")
    ended = record(TRAIN, 2, 0.0, usage(60.0), {"param.lr": 0.1, "score.loss": 1.0}, parent_id=outer.id)
    broke = record(TRAIN, 3, 0.0, usage(30.0), {"param.lr": 9.9}, "error", parent_id=outer.id)
    found = of(tmp_path, TRAIN, outer, ended, broke)
    assert {one.category: one.spent.wall_s for one in found.shares} == pytest.approx({"hpo": 60.0, "failed": 40.0})
    assert [(t.method, t.category) for t in found.trials] == [("ours", "hpo"), ("ours", "failed")]
    assert (found.whole.runs, found.whole.failed) == (2, 1)
    assert experiment(found, "ours: failed").mean_s == 30.0  # not what is left of the cell


def test_of_an_inner_trial_a_part_that_is_tagged_stays_its_own(tmp_path: Path) -> None:
    """A block of another category inside a trial is still that trial's, unless it is another method's."""
    spans = [(100.0, {"method": "ours", "run": "1", "category": "train"}), (40.0, {"category": "inference"})]
    assert [t.spent.wall_s for t in of(tmp_path / "a", TRAIN, *nest(*spans)).trials] == pytest.approx([100.0])
    spans[1] = (40.0, {"method": "baseline"})
    assert [t.spent.wall_s for t in of(tmp_path / "b", TRAIN, *nest(*spans)).trials] == pytest.approx([60.0])


# Conservation


def value(spent: Spent, name: str) -> float:
    total = getattr(spent, name)
    return float(total if isinstance(total, float) else total.value or 0.0)


def in_ledger(summary: Summary, name: str) -> float:
    figure, per = {"energy_kwh": ("energy_j", 3.6e6), "gpu_hours": ("gpu_reserved_s", HOUR), "flops": ("flops", 1.0),
                   "cpu_hours": ("cpu_s", HOUR), "gpu_busy_hours": ("gpu_busy_s", HOUR)}[name]  # fmt: skip
    total = summary.total(figure)
    return (total.value or 0.0) / per if total else 0.0


def with_flops(made: list[CellRecord]) -> list[CellRecord]:
    """Some FLOPs in each record, in those inside others no more than the outermost one has."""
    counted = golden_records()[1][1][0].usage.figure("flops_bf16")
    assert counted is not None
    more = [replace(counted, value=1e12 * (n + 1), device=None) for n in range(len(made))]
    return [replace(r, usage=Usage(r.wall_s, (*r.usage.figures, f))) for r, f in zip(made, more, strict=True)]


@many
@given(told())
def test_however_it_is_grouped_it_adds_up_to_the_ledgers_totals(tmp_path: Path, made: list[CellRecord]) -> None:
    made = with_flops(made)
    ledger = filled(tmp_path / "l.sqlite", made)
    found, summary = gather(ledger, ALL, Costing(None, tmp_path)), ledger.summary(ALL)
    ledger.close()
    between = [spent for spent in (found.held_idle, found.background) if spent is not None]
    for groups in (found.shares, found.experiments):
        told_of = [*(one.spent for one in groups), *between]
        for name in ("energy_kwh", "gpu_hours", "flops", "cpu_hours", "gpu_busy_hours"):
            summed = fsum(value(spent, name) for spent in told_of)
            assert summed == pytest.approx(in_ledger(summary, name), rel=1e-9, abs=1e-9), name
            assert summed == pytest.approx(value(found.whole, name), rel=1e-9, abs=1e-9), name
        for name in ("electricity_kwh", "emissions_kg"):
            assert fsum(value(spent, name) for spent in told_of) == pytest.approx(value(found.whole, name), rel=1e-9)
        assert fsum(one.spent.wall_s for one in groups) == pytest.approx(summary.wall_s, rel=1e-9, abs=1e-6)
        assert sum(one.spent.runs for one in groups) >= found.whole.runs  # a named run may be of several
        assert all(value(spent, name) >= 0 for spent in told_of for name in ("energy_kwh", "gpu_hours", "flops"))


# Nothing, and what a session remembers


def test_an_empty_ledger(tmp_path: Path) -> None:
    found = gather(open_ledger(tmp_path / "none.sqlite"), ALL, Costing(None, tmp_path))
    assert (found.whole.runs, found.shares, found.experiments, found.trials, found.machines) == (0, (), (), (), ())
    assert (found.first_at, found.last_at, found.reported, found.held_idle) == (None, None, None, None)


def test_a_cell_that_a_budget_held_is_no_run_and_has_not_failed(tmp_path: Path) -> None:
    held = record(TRAIN, 2, 0.1, usage(0.1), {METER: True}, "error", error_type="BudgetHold")
    found = of(tmp_path, TRAIN, record(TRAIN, 1, 0.0, usage(60.0), {}), held)
    assert (found.whole.runs, found.whole.failed) == (1, 0)
    assert experiment(found, "train.ipynb").mean_s == pytest.approx(60.0)
    assert found.whole.wall_s == pytest.approx(60.1), "its seconds are still somebody's"


def test_a_gpu_that_is_not_there_belongs_in_no_paper(tmp_path: Path) -> None:
    info = replace(TRAIN, environment={**TRAIN.environment, "devices": '{"GPU-1": "Simulated GPU"}'})
    found = of(tmp_path, info, record(info, 1, 0.0, usage(60.0), {}))
    assert found.problems == ("A GPU is simulated: its figures are invented, and belong in no paper.",)


def test_what_was_not_read_is_no_zero(tmp_path: Path) -> None:
    found = of(tmp_path, PREPARE, record(PREPARE, 1, 0.0, Usage(60.0, (Figure("cpu_s", 1.0, PROCESS_CLOCK),))))
    whole = found.whole
    assert (whole.cpu_hours.value, whole.gpu_hours.value, whole.embodied_kg) == (1 / HOUR, 0.0, None)
    for total in (whole.flops, whole.energy_kwh, whole.electricity_kwh, whole.emissions_kg):
        assert (total.value, bool(total.reasons), total.missing) == (None, True, 1)


def plain(statement: Statement) -> dict[str, Any]:
    """All but when it was made, and when held idle began, which a session does not remember by the second."""

    def told_of(spent: Spent | None) -> Any:
        if spent is None:
            return None
        names = ("gpu_hours", "gpu_busy_hours", "cpu_hours", "flops", "energy_kwh", "electricity_kwh", "emissions_kg")
        totals = {name: pytest.approx(getattr(spent, name).value) for name in names}
        return totals, spent.runs, spent.failed, pytest.approx(spent.wall_s), [bill.amount for bill in spent.bills]

    return {
        "whole": [told_of(statement.whole), told_of(statement.held_idle)],
        "paper": [told_of(statement.reported), told_of(statement.preliminary)],
        "shares": [(one.category, one.configs, told_of(one.spent)) for one in statement.shares],
        "experiments": [(one.name, one.mean_s, one.sd_s, told_of(one.spent)) for one in statement.experiments],
        "trials": [(*_said(one), told_of(one.spent)) for one in statement.trials],
        "rest": (statement.machines, statement.title, statement.first_at, statement.last_at, statement.problems),
    }


def _said(trial: Trial) -> tuple[Any, ...]:
    return tuple(getattr(trial, field.name) for field in fields(trial) if field.name != "spent")


@pytest.mark.parametrize("number", range(3))
def test_what_a_session_remembers_says_the_same(tmp_path: Path, number: int) -> None:
    info, made = golden_records()[number]
    ledger, selection = golden_ledger(tmp_path / "l.sqlite"), Selection("session", info.id)
    costing = golden_costing(tmp_path)
    whole, mine = gather(ledger, selection, costing), gather(remembered(made, info), selection, costing)
    ledger.close()
    assert plain(mine) == plain(whole)


def test_a_session_that_forgot_cells_says_so(tmp_path: Path) -> None:
    made = [record(TRAIN, n, n / 100, usage(10.0)) for n in range(tally.NEWEST + tally.DEAREST + 30)]
    found = gather(remembered(made, TRAIN), ALL, Costing(None, tmp_path))
    assert found.whole.runs == len(made)
    assert "200 newest and dearest cells of 250" in found.problems[-1]
