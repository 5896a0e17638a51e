"""What a forecast says where something was not read, ran elsewhere, or does not fit; its digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from budget_cases import CODE, HOUR, ONE, TWO, budget, ran, run, verdict
from carbon_cases import LOST, NO_GPU
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.budget import Verdict
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.forecasts import Forecast, Leaves
from jupyter_costmeter.foretelling import Run, foretold, of_progress, of_runs, pricing, spread
from jupyter_costmeter.record import CellRecord, Figure, SessionInfo, Total, Usage
from jupyter_costmeter.toml_files import NAME

#: No budget of these tests wants it: GPU-hours are in the records.
UNPRICED = pricing(Costing(None, Path("/nowhere")))
ELSEWHERE = replace(ONE, id="s3", host="cluster")


def foretell(runs: Sequence[Run], *verdicts: Verdict, here: SessionInfo | None = ONE, code: str = CODE) -> Forecast:
    found = of_runs(runs, code, here, verdicts, UNPRICED)
    assert found is not None
    return found


def leaves(found: Forecast) -> Leaves:
    (one,) = found.budgets
    return one


# By the last runs


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (ELSEWHERE, "on A100 of cluster."),
        (replace(ONE, environment={"devices": '{"G": "T4"}'}), "on T4 of box."),
    ],
)
def test_where_there_are_none_on_this_device_others_are_taken_which_is_said(there: SessionInfo, said: str) -> None:
    found = foretell([ran(1e3 - 1, info=there), ran(1e3 - 1, info=there)])
    assert found.text == f"The last 2 runs took 1.00 kJ {said}"


def test_another_session_on_the_same_machine_is_the_same_device() -> None:
    assert foretell([ran(1e3, info=TWO)]).text == "The last run took 1.00 kJ on A100."


def test_what_could_not_be_read_makes_no_run_cheaper() -> None:
    """The mean of 1 J and 10 kJ would be half of what the run takes."""
    found = foretell([ran(None), ran(10e3 - 1), ran(12e3 - 1)])
    assert found.energy_j is not None
    assert (found.energy_j.value, found.energy_j.missing) == (pytest.approx(11e3), 1)
    assert "the GPU is lost" in found.energy_j.reasons
    assert found.text == (
        "The last 3 runs took ≥ 11 ± 1 kJ on A100 (1 of them left out: not all of it could be read)."
    )  # fmt: skip


def test_where_none_was_read_whole_it_is_a_lower_bound() -> None:
    found = foretell([ran(None), ran(None)])
    assert found.text == "The last 2 runs took ≥ 1.00 J on A100."


def test_without_any_energy_the_time_is_told_and_no_nought() -> None:
    info, record = ran(hours=0.01)
    found = foretell([(info, replace(record, usage=Usage(36.0, (Figure("gpu_energy_j", None, LOST, "G"),))))])
    assert found.energy_j is not None
    assert (found.energy_j.value, found.energy_j.reasons) == (None, ("the GPU is lost",))
    assert found.text.startswith("The last run took 36.0 s on ")


# What it leaves


@pytest.mark.parametrize(
    ("spent", "more", "text"),
    [
        (9.7, {}, "this one would overspend the 10 GPU-h per week by 0.2 GPU-h"),
        (9.5, {}, "this one leaves 0 % of the 10 GPU-h per week"),
        (9.48, {}, "this one leaves < 1 % of the 10 GPU-h per week"),
        (4.5, {"name": "GPU quota"}, "this one leaves 50 % of GPU quota"),
        (4.5, {"missing": 1, "name": "mine"}, "this one leaves at most 50 % of mine"),
        (9.7, {"missing": 1, "name": "mine"}, "this one would overspend mine by at least 0.2 GPU-h"),
        (4.5, {"per": "7d"}, "this one leaves 50 % of the 10 GPU-h in any 7 days"),
        (0.0, {"limit": 0.0, "name": "none"}, "this one would overspend none by 0.5 GPU-h"),
    ],
)
def test_what_it_leaves_in_words(spent: float, more: dict[str, object], text: str) -> None:
    assert leaves(foretell([ran()], verdict(spent, **more))).text == text  # type: ignore[arg-type]


def test_a_limit_of_nothing_is_left_alone_by_a_run_that_takes_nothing() -> None:
    info, record = ran()
    idle = replace(record, usage=Usage(1.0, (Figure("gpu_reserved_s", None, NO_GPU, "G"),)))
    one = leaves(foretell([(info, idle)], verdict(0.0, limit=0.0)))
    assert (one.amount.value, one.share_after) == (0.0, 1.0)  # a machine without a GPU takes no GPU-hours
    assert one.text == "this one leaves nothing of the 0 GPU-h per week"


def test_what_is_not_known_of_a_budget_is_said_and_is_no_nought() -> None:
    info, record = ran()
    lost = replace(record, usage=Usage(1.0, (Figure("gpu_reserved_s", None, LOST, "G"),)))
    one = leaves(foretell([(info, lost)], verdict(2.0)))
    assert (one.amount.value, one.left_after, one.share_after) == (None, None, None)
    assert one.text == "what it leaves is not known: the GPU is lost"
    unknown = leaves(foretell([ran()], verdict(None)))
    assert (unknown.amount.value, unknown.left_after) == (0.5, None)


def test_carbon_and_money_are_by_the_assumptions_of_now(tmp_path: Path) -> None:
    """1 kWh with a PUE of 1.2, at 0.2 EUR, and an hour of a GPU for 2 EUR."""
    (tmp_path / NAME).write_text(
        '[[where]]\nregion = "FR"\npue = 1.2\n[[rates]]\ngpu_hour = 2\nkwh = 0.2\ncurrency = "EUR"\n'
    )
    amount_of = pricing(Costing(str(tmp_path), tmp_path))
    record = run(ONE, 1)
    assert amount_of(budget("kwh"), ONE, record).value == pytest.approx(1.2)
    assert amount_of(budget("amount", currency="EUR"), ONE, record).value == pytest.approx(2.24)
    assert amount_of(budget("gpu_hours"), ONE, record).value == 1.0


# As properties

AMOUNTS = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=5)


@given(st.floats(0.01, 20.0), st.floats(0.0, 20.0), st.floats(0.01, 20.0))
def test_what_is_left_and_what_is_taken_make_up_the_limit(hours: float, spent: float, limit: float) -> None:
    one = leaves(foretell([ran(hours=hours)], verdict(spent, limit)))
    assert one.left_after is not None
    assert one.left_after == pytest.approx(max(0.0, limit - spent - hours), abs=1e-9)
    assert ("overspend" in one.text) is (one.share_after is not None and one.share_after > 1.0)


# Digits


@pytest.mark.parametrize(
    ("value", "width", "unit", "text"),
    [
        (41e3, 4e3, "J", "41 ± 4 kJ"),
        (41_234.0, 38.0, "J", "41.23 ± 0.04 kJ"),
        (141.0, 153.0, "J", "141 ± 153 J"),
        (12.5, 0.96, "s", "12.5 ± 1.0 s"),
        (200.0, 10.0, "s", "3 min 20 s ± 10.0 s"),
        (41e3, None, "J", "41.0 kJ"),
        (41e3, 0.0, "J", "41.0 kJ"),
        (0.0, 0.0, "J", "0 J"),
        (None, None, "J", "—"),
    ],
)
def test_a_spread_has_the_digits_that_it_leaves(value: float | None, width: float | None, unit: str, text: str) -> None:
    assert spread(Total("x", unit, value, "measured", None, 0, width)) == text


# By how far it is


def going(hours: float, joules: float = 0.0) -> tuple[SessionInfo, CellRecord]:
    return ran(joules, hours)


def progressed(done: float, now: float, before: float, *verdicts: Verdict, since: float | None = None) -> Forecast:
    """A cell that held a GPU for so many hours, of them ``before`` its loop began."""
    info, record = going(now, 4e6)
    usage = going(before, 1e6)[1].usage
    share = done if since is None else since
    found = of_progress(done, share, record, usage, info, verdicts, UNPRICED)
    assert found is not None
    return found


def test_it_says_when_it_will_not_fit() -> None:
    found = progressed(0.34, 1.7, 0.0, verdict(spent=7.6, name="quota"))
    assert found.text == (
        "34 % done; will cost ~5 GPU-h in all; now 2.4 GPU-h of quota are left; this one would overspend quota by"
        " 0.9 GPU-h"
    )


def test_a_loop_that_resumes_is_told_by_what_was_done_of_it_here() -> None:
    """From 50 % to 75 % in an hour: it is half through what there was to do."""
    found = progressed(0.75, 1.0, 0.0, verdict(spent=1.0), since=0.5)
    assert leaves(found).amount.value == pytest.approx(2.0)
    assert found.text.startswith("75 % done; ")


@pytest.mark.parametrize(
    ("done", "seconds"), [(0.0199, 100.0), (0.5, 2.9), (1.0, 100.0)], ids=["too little", "too soon", "at its end"]
)  # fmt: skip
def test_while_too_little_is_done_nothing_is_foretold(done: float, seconds: float) -> None:
    info, record = going(seconds / HOUR)
    assert of_progress(done, done, record, Usage(0.0), info, [verdict()], UNPRICED) is None
    if done < 1:
        info, record = going(100.0 / HOUR)
        assert of_progress(0.02, 0.02, record, Usage(0.0), info, [verdict()], UNPRICED) is not None


# From the ledger


def test_a_ledger_that_is_not_there_foretells_nothing(tmp_path: Path) -> None:
    told = ("c", CODE, ONE.notebook, ONE.project, ONE, [], pricing(Costing(None, tmp_path)))
    assert foretold(tmp_path / "none.sqlite", *told) is None
    assert not (tmp_path / "none.sqlite").exists()
