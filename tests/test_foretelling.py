"""What a run will cost: known answers from simulated histories, and properties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.budget import Budget, Verdict
from jupyter_costmeter.foretelling import Run, foretold, of_progress, of_runs, spread
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.periods import Period
from jupyter_costmeter.record import CellRecord, Figure, Outcome, Provenance, SessionInfo, Total, Usage

MEASURED = Provenance("measured", "a counter", 0.05)
LOST = Provenance(None, None, None, "the driver did not answer")
A100 = {"devices": '{"GPU-0": "NVIDIA A100"}', "cpu": "EPYC"}
HERE = SessionInfo("one", 0.0, "node1", "ann", 1, 0.0, "/p/a.ipynb", "/p", A100)
ELSEWHERE = replace(HERE, id="two", host="node2", environment={"devices": '{"GPU-9": "NVIDIA H100"}'})
WEEK = Budget("b", "gpu_hours", 20.0, "project", "/p", Period("week"), "quota")


def run(
    energy_j: float | None, hours: float = 1.0, code: str = "now", outcome: Outcome = "ok", info: SessionInfo = HERE
) -> Run:
    device = next(iter(info.device_names.keys() - {"CPU"}))
    figures = (
        Figure("gpu_energy_j", energy_j, LOST if energy_j is None else MEASURED, device),
        Figure("gpu_reserved_s", 3600 * hours, MEASURED, device),
    )
    usage = Usage(3600 * hours, figures)
    return info, CellRecord("r", info.id, 1, 0.0, usage, outcome, cell_id="c", code_hash=code)


def hours_of(budget: Budget, info: SessionInfo, record: CellRecord) -> Total:
    held = record.usage.figure("gpu_reserved_s")
    value = None if held is None or held.value is None else held.value / 3600
    return Total("gpu_hours", "GPU-h", value, "measured", 1.0, 0, None)


def verdict(spent: float | None, limit: float = 20.0, **more: object) -> Verdict:
    total = Total("gpu_hours", "GPU-h", spent, "measured", 1.0, 0, None, (), () if spent else ("it is lost",))
    return Verdict(replace(WEEK, limit=limit, **more), 0.0, inf, total)  # type: ignore[arg-type]


def told(runs: Sequence[Run], *verdicts: Verdict, here: SessionInfo | None = HERE) -> str:
    found = of_runs(runs, "now", here, verdicts, hours_of)
    return "nothing" if found is None else found.text


def test_the_last_runs_with_their_spread_and_what_is_left() -> None:
    """37, 41 and 45 kJ are 41 ± 4 kJ (sample standard deviation); 3 of 20 GPU-h after 14 leave 15 %."""
    runs = [run(37e3, 3), run(41e3, 3), run(45e3, 3)]
    assert told(runs, verdict(14.0)) == "The last 3 runs took 41 ± 4 kJ on NVIDIA A100; this one leaves 15 % of quota."
    found = of_runs(runs, "now", HERE, [verdict(14.0)], hours_of)
    assert found is not None
    assert found.energy_j is not None
    assert (found.runs, found.basis, found.energy_j.value, found.energy_j.uncertainty) == (3, "same code", 41e3, 4e3)
    (left,) = found.budgets
    assert (left.amount.value, left.left_after) == (3.0, 3.0)
    assert left.share_after == pytest.approx(0.85)


def test_what_does_not_fit_is_said() -> None:
    assert told([run(1e3, 3)], verdict(18.0)).endswith("this one would overspend quota by 1 GPU-h.")
    assert told([run(1e3, 3)], verdict(18.0, name="")).endswith("overspend the 20 GPU-h per week by 1 GPU-h.")


def test_one_run_has_no_spread_and_none_is_no_forecast() -> None:
    assert told([run(41e3)]) == "The last run took 41.0 kJ on NVIDIA A100."
    assert told([]) == "nothing"


def test_what_runs_took_that_was_assumed_is_told_so_and_what_comes_is_modelled_at_best() -> None:
    info, seen = run(41e3)
    thought = [replace(f, provenance=replace(f.provenance, method="assumed")) for f in seen.usage.figures]
    guessed = (info, replace(seen, usage=replace(seen.usage, figures=tuple(thought))))
    assert told([guessed]) == "The last run took ~41.0 kJ on NVIDIA A100."
    methods = [
        one.energy_j.method
        for runs in ([run(41e3)], [guessed])
        if (one := of_runs(runs, "now", HERE, [], hours_of)) and one.energy_j
    ]
    assert methods == ["modelled", "assumed"]


def test_runs_that_did_not_end_well_do_not_count() -> None:
    bad = [run(1.0, outcome=outcome) for outcome in ("error", "interrupted", "killed")]
    assert told([*bad, run(41e3)]) == "The last run took 41.0 kJ on NVIDIA A100."
    assert told(bad) == "nothing"


def test_no_more_than_five_count_the_newest() -> None:
    runs = [*(run(10e3) for _ in range(5)), run(99e3)]
    found = of_runs(runs, "now", HERE, [], hours_of)
    assert found is not None
    assert found.energy_j is not None
    assert (found.runs, found.energy_j.value, found.energy_j.uncertainty) == (5, 10e3, 0.0)


def test_earlier_versions_count_where_the_code_is_new_and_it_says_so() -> None:
    old = [run(10e3, code="old"), run(12e3, code="old")]
    assert told(old).startswith("The last 2 runs of earlier versions took 11 ± 1 kJ")
    assert told([run(50e3), *old]) == "The last run took 50.0 kJ on NVIDIA A100."


def test_runs_on_other_devices_count_only_where_there_are_no_others_and_it_says_so() -> None:
    there = run(99e3, info=ELSEWHERE)
    assert told([there, run(41e3)]) == "The last run took 41.0 kJ on NVIDIA A100."
    assert told([there]) == "The last run took 99.0 kJ on NVIDIA H100 of node2."
    assert told([there, run(41e3)], here=None) == "The last run took 99.0 kJ on NVIDIA H100."


def test_what_was_not_measured_is_not_nothing() -> None:
    """The mean is of the runs that have it; where none has, the time is told, and no joules."""
    found = of_runs([run(None), run(10e3)], "now", HERE, [], hours_of)
    assert found is not None
    assert found.energy_j is not None
    assert (found.energy_j.value, found.energy_j.missing) == (10e3, 1)
    lost = of_runs([run(None)], "now", HERE, [verdict(None)], hours_of)
    assert lost is not None
    assert lost.energy_j is not None
    assert lost.energy_j.value is None
    assert "the driver did not answer" in lost.energy_j.reasons
    assert lost.text == "The last run took 1 h 00 min on NVIDIA A100."
    assert lost.budgets[0].left_after is None
    assert "it is lost" in lost.budgets[0].text


def test_a_paused_budget_is_left_out_and_the_tightest_is_told() -> None:
    tight, loose = verdict(19.0), replace(verdict(1.0), budget=replace(WEEK, id="l", name="loose"))
    found = of_runs([run(1e3)], "now", HERE, [loose, tight, verdict(19.0, paused=True)], hours_of)
    assert found is not None
    assert [one.title for one in found.budgets] == ["loose", "quota"]
    assert found.text.endswith("leaves 0 % of quota.")


@given(st.lists(st.floats(1.0, 1e9), min_size=2, max_size=5), st.floats(0.01, 100.0), st.randoms())
def test_it_scales_and_does_not_depend_on_the_order(joules: list[float], factor: float, random: object) -> None:
    shuffled = list(joules)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other, more = (
        of_runs([run(j) for j in some], "now", HERE, [], hours_of)
        for some in (joules, shuffled, [factor * j for j in joules])
    )
    assert one
    assert other
    assert more
    assert one.energy_j
    assert other.energy_j
    assert more.energy_j
    assert other.energy_j.value == pytest.approx(one.energy_j.value)
    assert other.energy_j.uncertainty == pytest.approx(one.energy_j.uncertainty)
    assert more.energy_j.value == pytest.approx(factor * (one.energy_j.value or 0.0))
    mean = sum(joules) / len(joules)
    by_hand = sqrt(sum((j - mean) ** 2 for j in joules) / (len(joules) - 1))
    assert one.energy_j.uncertainty == pytest.approx(by_hand, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (41e3, 4e3, "41 ± 4 kJ"),
        (41.2e3, 0.31e3, "41.2 ± 0.3 kJ"),
        (2.0, 3.0, "2 ± 3 J"),
        (5.0, None, "5.00 J"),
        (0.0, 0.0, "0 J"),
    ],
)
def test_a_spread_is_told_to_its_first_digit(value: float, width: float | None, text: str) -> None:
    assert spread(Total("energy_j", "J", value, "measured", None, 0, width)) == text
    assert spread(Total("energy_j", "J", value, "assumed", None, 0, width)) == f"~{text}"


# While it runs


def running(energy_j: float, hours: float) -> tuple[SessionInfo, CellRecord]:
    return run(energy_j, hours)


def test_the_whole_is_what_came_before_and_what_came_since_over_its_part() -> None:
    """1 h before the loop, 1 h in it for 34 % of it: 1 + 1 / 0.34 = 3.94 GPU-h; 2.4 of 20 are left now."""
    _, record = running(20e3, 2.0)
    before = run(10e3, 1.0)[1].usage
    found = of_progress(0.34, 0.34, record, before, HERE, [verdict(17.6)], hours_of)
    assert found is not None
    assert found.energy_j is not None
    assert found.energy_j.value == pytest.approx(10e3 + 10e3 / 0.34)
    (left,) = found.budgets
    assert left.amount.value == pytest.approx(1 + 1 / 0.34)
    assert left.share_after == pytest.approx((17.6 - 2.0 + 1 + 1 / 0.34) / 20)
    assert found.text == "34 % done; will cost ~3.94 GPU-h in all; now 2.4 GPU-h of quota are left"


def test_a_loop_that_has_just_begun_says_nothing_yet() -> None:
    _, record = running(20e3, 2.0)
    began = record.usage
    assert of_progress(0.5, 0.5, record, began, HERE, [], hours_of) is None  # no time has gone since
    assert of_progress(0.01, 0.01, record, Usage(0.0), HERE, [], hours_of) is None
    assert of_progress(1.0, 1.0, record, Usage(0.0), HERE, [], hours_of) is None


def test_without_a_budget_the_joules_and_the_time_are_told() -> None:
    _, record = running(20e3, 0.5)
    found = of_progress(0.5, 0.5, record, Usage(0.0), HERE, [], hours_of)
    assert found is not None
    assert found.text == "50 % done; will take ~40.0 kJ, ~1 h 00 min in all"


@given(st.floats(0.02, 0.99), st.floats(0.1, 100.0), st.floats(0.0, 1.0))
def test_a_loop_at_an_even_pace_is_foretold_exactly(done: float, hours: float, before: float) -> None:
    """Whatever came before it."""
    _, record = running(1e6, before + hours * done)
    found = of_progress(done, done, record, run(0.0, before)[1].usage, HERE, [verdict(1.0)], hours_of)
    if found is not None:
        assert found.budgets[0].amount.value == pytest.approx(before + hours)


def test_the_ledger_is_asked_for_the_code_and_else_for_the_cell(ledger: Ledger) -> None:
    runs = [replace(run(joules)[1], id=f"r{i}", seq=i, notebook="/p/a.ipynb", project="/p", started_at=100.0 * i)
            for i, joules in enumerate((10e3, 20e3))]  # fmt: skip
    old = replace(run(99e3, code="old")[1], id="old", seq=9, notebook="/p/a.ipynb", project="/p")
    ledger.append(HERE, [old, *runs])
    known = ("/p/a.ipynb", "/p", HERE, (), hours_of)
    same = foretold(ledger.path, "c", "now", *known)
    edited = foretold(ledger.path, "c", "newer", *known)
    assert same is not None
    assert same.energy_j is not None
    assert same.energy_j.value == 15e3
    assert edited is not None
    assert edited.basis == "earlier versions"
    assert foretold(ledger.path, "other", "newest", *known) is None
