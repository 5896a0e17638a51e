"""What a statement says of single trials: what was judged, what was tried, what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gathered import of, share
from stated import TRAIN, record, usage

from jupyter_costmeter import footprint, money
from jupyter_costmeter.tag import tags_of


def test_what_failed_inside_a_cell_that_was_judged_has_failed(tmp_path: Path) -> None:
    """Whoever tags a cell that ended well says nothing of the trials in it that did not."""
    outer = record(TRAIN, 1, 0.0, usage(100.0), {})
    inside = [
        record(TRAIN, n, 0.0, usage(10.0), {"param.lr": n}, "error" if n < 4 else "ok", parent_id=outer.id)
        for n in range(2, 6)
    ]
    later = tags_of(outer.id, {"category": "hpo"}, 2e9, "later", "ada", "host", "x#")
    found = of(tmp_path / "a", TRAIN, outer, *inside, later=later)
    assert [trial.category for trial in found.trials] == ["failed", "failed", "hpo", "hpo"]
    assert {one.category: one.spent.failed for one in found.shares} == {"hpo": 0, "failed": 2}
    itself = tags_of(inside[0].id, {"category": "ablation"}, 2e9, "later", "ada", "host", "y#")
    found = of(tmp_path / "b", TRAIN, outer, *inside, later=[*later, *itself])
    assert [trial.category for trial in found.trials] == ["ablation", "failed", "hpo", "hpo"]


def test_configurations_differ_in_more_than_a_seed(tmp_path: Path) -> None:
    params = [{"lr": 1, "seed": 1}, {"lr": 1.0, "seed": 2}, {"lr": 2, "seed": 1, "search": "random"}]
    made = [
        record(TRAIN, n, 10.0 * n, usage(5.0), {"category": "hpo", **{f"param.{k}": v for k, v in one.items()}})
        for n, one in enumerate(params, 1)
    ]
    assert share(of(tmp_path, TRAIN, *made), "hpo").configs == 2


def test_trials_share_what_is_equal_and_are_priced_by_their_totals_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be ten thousand: none makes a bill where nothing is priced, nor says by which factors."""
    asked: list[str] = []

    def seen(module: Any, name: str) -> None:
        inner = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: (asked.append(name), inner(*given))[1])

    seen(money, "bills")
    seen(footprint, "_lives")
    made = [record(TRAIN, n, 10.0 * n, usage(5.0 + n, ("GPU-1",)), {"param.lr": n}) for n in range(1, 4)]
    one, *rest = of(tmp_path, TRAIN, *made).trials
    assert sorted(asked) == ["_lives", "bills"]  # once, of the whole
    for other in rest:
        for name in ("energy_kwh", "electricity_kwh", "emissions_kg"):
            assert getattr(other.spent, name).sources is getattr(one.spent, name).sources
