"""What counts as a run, and which runs failed: of records that are read one by one and of those that SQL adds up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gathered import ALL, experiment, of, remembered
from stated import TRAIN, record, usage

from jupyter_costmeter.costing import Costing
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.record import CellRecord, Outcome
from jupyter_costmeter.runs import is_meters
from jupyter_costmeter.statement import Statement
from jupyter_costmeter.tag import METER, tags_of

HPO: dict[str, Any] = {"category": "hpo", "method": "ours"}


def cell(seq: int, seconds: float, said: dict[str, Any], outcome: Outcome = "ok", **more: Any) -> CellRecord:
    return record(TRAIN, seq, float(seq), usage(seconds), said, outcome, **more)


@pytest.fixture(params=["by SQL", "one by one"])
def gathered(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def gathered(*made: CellRecord) -> Statement:
        if request.param == "by SQL":
            return of(tmp_path, TRAIN, *made)
        return gather(remembered(made, TRAIN), ALL, Costing(None, tmp_path))

    return gathered


def test_a_cell_of_cost_alone_is_no_run(gathered: Any) -> None:
    """Nor does a mistake in it count as a failed experiment; what it took is still in the sums."""
    found = gathered(
        cell(1, 1.0, {**HPO, METER: True}), cell(2, 60.0, HPO), cell(3, 2.0, {**HPO, METER: True}, "error")
    )
    ours = experiment(found, "ours: hpo")
    assert (ours.spent.runs, ours.spent.failed, ours.mean_s, ours.spent.wall_s) == (1, 0, 60.0, 63.0)
    assert (found.whole.runs, found.whole.failed) == (1, 0)
    assert [share.category for share in found.shares] == ["hpo"]


def test_a_cell_of_cost_alone_may_score_a_named_run(gathered: Any) -> None:
    said = {**HPO, "run": "1"}
    score = cell(2, 1.0, {**said, METER: True, "score.loss": 0.5}, "error")
    found = gathered(cell(1, 60.0, said), score)
    (trial,) = found.trials
    assert (trial.scores, trial.outcome, trial.spent.runs, trial.spent.wall_s) == ({"loss": 0.5}, "ok", 1, 60.0)


def test_what_a_cell_of_cost_alone_says_is_no_trial(gathered: Any) -> None:
    """``%cost tag hpo lr=0.1`` says so of the cells below it, and a run's name without a cell is no run."""
    found = gathered(
        cell(1, 1.0, {**HPO, "param.lr": 0.1, METER: True}),
        cell(2, 60.0, {**HPO, "param.lr": 0.1}),
        cell(3, 1.0, {**HPO, "run": "never", METER: True}),
    )
    assert [trial.spent.wall_s for trial in found.trials] == [60.0]
    assert found.whole.runs == 1


def test_a_named_run_counts_once(gathered: Any) -> None:
    """However many cells it has; it has failed if its newest cell has."""
    first, second = {**HPO, "run": "1"}, {**HPO, "run": "2"}
    found = gathered(
        cell(1, 10.0, first), cell(2, 10.0, first, "error"), cell(3, 30.0, second, "error"), cell(4, 40.0, second)
    )
    assert (found.whole.runs, found.whole.failed) == (2, 1)
    failed = next(share.spent for share in found.shares if share.category == "failed")
    assert (failed.runs, failed.failed, failed.wall_s) == (2, 2, 40.0)
    hpo = experiment(found, "ours: hpo")
    assert (hpo.spent.runs, hpo.mean_s) == (2, 25.0)


@pytest.mark.parametrize(
    ("code", "alone"),
    [
        ("%cost", True),
        ("# how good?\n\n  %cost score accuracy=0.9\n%cost last", True),
        ("%%cost in_paper=no", True),
        ("%load_ext jupyter_costmeter", True),
        ("%cost tag hpo\ntrain()", False),
        ("# a comment", False),
        ("%costly", False),
        ("x = 1", False),
        ("", False),
        (None, False),
    ],
)
def test_which_cells_hold_nothing_but_cost(code: str | None, alone: bool) -> None:
    assert is_meters(code) is alone


def test_who_tags_a_failed_run_afterwards_has_judged_it(gathered: Any) -> None:
    """All counts of a statement agree on it, of named runs, too."""
    made = [cell(1, 10.0, HPO, "error"), cell(2, 10.0, {**HPO, "run": "1"}, "interrupted")]
    judged = {one.id: tags_of(one.id, {"category": "train"}, 9e9, "later", "ada", "gpu07", "1#") for one in made}
    later = [replace(one, tags=(*one.tags, *judged[one.id])) for one in made]
    for records, failed in ((made, 2), (later, 0)):
        found = gathered(*records)
        shares = sum(share.spent.runs for share in found.shares if share.category == "failed")
        assert (found.whole.runs, found.whole.failed, shares) == (2, failed, failed)


@pytest.mark.parametrize("said", [{"param.lr": 0.1}, {"run": "1"}])
def test_a_trial_with_a_tagged_block_in_it_is_one_run_all_the_same(gathered: Any, said: dict[str, Any]) -> None:
    """The block says nothing of how the trial ended, nor what it was."""
    outer = cell(1, 100.0, {**HPO, **said, "score.loss": 0.5}, "error")
    inner = record(TRAIN, 2, 5.0, usage(40.0), {"category": "inference"}, parent_id=outer.id)
    found = gathered(outer, inner)
    (trial,) = found.trials
    assert (trial.outcome, trial.category, trial.spent.runs, trial.spent.failed) == ("error", "failed", 1, 1)
    failed = experiment(found, "ours: failed")
    assert (failed.spent.runs, failed.spent.failed, failed.spent.wall_s) == (1, 1, 60.0)
    assert experiment(found, "ours: inference").spent.runs == 1
    assert found.whole.failed == 1


def test_a_cell_around_trials_is_no_run_unless_it_is_one(gathered: Any) -> None:
    for said, runs in (({}, 1), ({"param.depth": 3}, 2)):
        outer = cell(1, 100.0, {**HPO, **said})
        inner = record(TRAIN, 2, 5.0, usage(40.0), {"param.lr": 0.1}, parent_id=outer.id)
        assert gathered(outer, inner).whole.runs == runs
