"""Where budgets stand, by one clock that stands still: what is in the ledger, and what runs in several kernels."""

from __future__ import annotations

import os
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from budget_cases import BERLIN, HOUR, NOW, ONE, TWO, Make, budget, event, run, session, spent
from carbon_cases import LOST
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jupyter_costmeter import bins
from jupyter_costmeter.budget import Verdict
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.periods import Period, local
from jupyter_costmeter.record import CellRecord, Figure, SessionInfo, Usage
from jupyter_costmeter.spending import Spending, budget_selection

#: An example takes too long to be made smaller.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)


# Several kernels


def test_two_kernels_see_each_others_records_and_running_cells(make: Make, ledger: Ledger) -> None:
    mine, other = make("s1"), make("s2")
    assert (spent(mine, budget(), NOW, ONE), spent(other, budget(), NOW, TWO)) == (0.0, 0.0)
    ledger.append(ONE, [run(ONE, 1)])
    assert (spent(mine, budget(), NOW, ONE), spent(other, budget(), NOW, TWO)) == (1.0, 1.0)
    ledger.journal(TWO, [run(TWO, 1, 0.5)])
    now_running = [run(TWO, 1, 0.75)]  # its own memory is fresher than its journal
    assert spent(mine, budget(), NOW, ONE) == 1.5
    assert spent(other, budget(), NOW, TWO, now_running) == 1.75
    ledger.append(TWO, [run(TWO, 1, 0.8)])
    assert spent(mine, budget(), NOW, ONE) == 1.8
    assert spent(other, budget(), NOW, TWO, (), [run(TWO, 1, 0.8)]) == 1.8  # it waited, and is in the file by now
    assert spent(make(), budget(), NOW) == 1.8  # the server's


def test_a_window_inside_another_counts_once(make: Make, ledger: Ledger) -> None:
    inner = run(ONE, 2, parent_id="s1-1")
    assert spent(make("s1"), budget(), NOW, ONE, [run(ONE, 1), inner]) == 1.0
    ledger.append(ONE, [run(ONE, 1), inner])
    ledger.journal(TWO, [run(TWO, 2, parent_id="s2-1")])
    assert spent(make("s1"), budget(), NOW, ONE) == 1.0


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("seen", ["none", "before", "after"])
def test_a_cell_that_was_taken_for_killed_is_not_counted_twice(
    make: Make, ledger: Ledger, last: bool, seen: str
) -> None:
    """It lived, and its record is put right; whether it was read with all others, or when it came."""
    of, killed = make(), [run(ONE, 1, 0.5, outcome="killed"), *([] if last else [run(ONE, 2, 4.0)])]
    ledger.append(ONE, [run(ONE, 0, 0.0)])
    if seen == "before":
        spent(of, budget())
    ledger.append(ONE, killed)
    if seen != "none":
        assert spent(of, budget()) == (0.5 if last else 4.5)
    ledger.append(ONE, [run(ONE, 1, 2.0)])
    assert spent(of, budget()) == (2.0 if last else 6.0)


SCOPES = [
    budget(),
    budget(scope="project", key="/lab"),
    budget(scope="user", key=None),
    budget(scope="notebook", key=TWO.notebook),
    budget(scope="session", key=None),
    *(budget(per=per) for per in ("total", "24h", "day")),
    budget("kwh"),
    budget("flops"),
]


@settings(
    max_examples=30, phases=UNSHRUNK, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.tuples(st.sampled_from([ONE, TWO]), st.floats(0.0, 3.0), st.floats(-40 * HOUR, 0.0), st.booleans()),
        max_size=8,
    )
)
def test_looking_again_and_again_tells_what_one_look_tells(
    tmp_path: Path, made: list[tuple[SessionInfo, float, float, bool]]
) -> None:
    path = tmp_path / "ledger.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    costing = Costing(None, tmp_path)
    often, ledger = Spending(path, lambda: costing), open_ledger(path)
    for seq, (info, hours, ago, looks) in enumerate(made):
        ledger.append(info, [run(info, seq, hours, NOW + ago)])
        if looks:
            often.verdicts(SCOPES, NOW + seq, ONE)
    once = Spending(path, lambda: costing)
    pairs = zip(often.verdicts(SCOPES, NOW + 10, ONE), once.verdicts(SCOPES, NOW + 10, ONE), strict=True)
    for again, fresh in pairs:
        assert again.spent.value == pytest.approx(fresh.spent.value, rel=1e-9, abs=1e-9), again.budget.id
    for one in (often, once, ledger):
        one.close()


# Scopes and periods


def test_projects_inside_a_project_and_none_beside_it(make: Make, ledger: Ledger) -> None:
    beside = session("s3", "/lab/paper2/x.ipynb", "/lab/paper2")
    for info, hours in ((ONE, 1.0), (session("s4", "/lab/paper/in/y.ipynb", "/lab/paper/in"), 2.0), (beside, 4.0)):
        ledger.append(info, [run(info, 1, hours)])
    of = make()
    keys = ("/lab", "/lab/paper", "/lab/paper/in", "/lab/paper2")
    assert [spent(of, budget(key=key)) for key in keys] == [7.0, 3.0, 2.0, 4.0]
    assert spent(of, budget(scope="user", key=None)) == 7.0


def test_each_session_has_a_sessions_budget_by_itself(make: Make, ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, 1)])
    ledger.append(TWO, [run(TWO, 1, 2.0)])
    of, own = make(), budget(scope="session", key="/lab/paper", per="session")
    assert [spent(of, own, NOW, info) for info in (ONE, TWO)] == [1.0, 2.0]
    (nobodys,) = of.verdicts([own], NOW)
    assert (nobodys.state, nobodys.spent.value, len(nobodys.spent.reasons)) == ("unknown", None, 1)
    assert budget_selection(own, "s1").key == "s1"


@pytest.mark.parametrize(
    ("per", "value"),
    [("day", 16.0), ("week", 30.0), ("month", 30.0), ("24h", 24.0), ("7d", 30.0), ("total", 30.0)],
)
def test_a_run_over_a_periods_edge_counts_in_part(make: Make, ledger: Ledger, per: str, value: float) -> None:
    """30 hours until 15:00; the day began 16 hours ago, since clocks went back in it."""
    ledger.append(ONE, [run(ONE, 1, 30.0, NOW - 30 * HOUR)])
    found = spent(make(), budget(per=per))
    if per == "24h":  # it moves in steps, so it may be longer by less than one
        assert found is not None
        assert value <= found < value * (1 + 1 / 168) + 1e-9
    else:
        assert found == value


def test_with_the_next_period_it_begins_anew(make: Make, ledger: Ledger) -> None:
    of = make("s1")
    ledger.append(ONE, [run(ONE, 1, 2.0, NOW - 2 * HOUR)])
    midnight = NOW + 9 * HOUR
    assert local(midnight, BERLIN).hour == 0
    running = [run(TWO, 2, 3.0, midnight - 2 * HOUR)]
    ledger.journal(TWO, running)
    assert [spent(of, budget(), at, ONE) for at in (midnight - 1, midnight)] == [4.0, 1.0]
    assert spent(of, budget(per="total"), midnight, ONE) == 5.0


def test_a_rolling_window_forgets(make: Make, ledger: Ledger) -> None:
    of = make()
    ledger.append(ONE, [run(ONE, 1, 1.0, NOW - 20 * HOUR)])
    found = [spent(of, budget(per="24h"), NOW + hours * HOUR) for hours in (0, 3, 4.5, 6)]
    assert found[:2] == [1.0, 1.0]
    assert 0.5 <= (found[2] or 0.0) < 0.65
    assert found[3] == 0.0


# What it is derived of


def test_carbon_and_money_follow_the_assumptions(make: Make, ledger: Ledger, home: Path) -> None:
    """One GPU-hour of 1 kWh, with the PUE and the intensity of a file that changes meanwhile."""
    (home / "project").mkdir()
    file = home / "project" / "jupyter_costmeter.toml"
    costing = Costing(str(home / "project"), home)
    of = make("s1", costing)
    asked = [budget("kwh"), budget("kgco2e"), budget("amount", currency="EUR")]

    def values() -> list[float | None]:
        found = of.verdicts(asked, NOW, ONE)
        return [None if one.spent.value is None else round(one.spent.value, 9) for one in found]

    ledger.append(ONE, [run(ONE, 1)])
    ledger.append(TWO, [run(TWO, 1)])
    file.write_text('[[where]]\nregion = "FR"\npue = 1.0\n[[intensity]]\ng_per_kwh = 100\nsource = "bill"\n')
    assert values() == [2.0, 0.2, None]
    text = file.read_text().replace("1.0", "1.5")
    file.write_text(text + '[[rates]]\ngpu_hour = "0.5"\ncurrency = "EUR"\n')
    assert values() == [3.0, 0.3, 1.0]
    ledger.append(TWO, [run(TWO, 2)])
    assert values() == [4.5, 0.45, 1.5]


def test_a_look_without_anything_new_derives_nothing(
    make: Make, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_costmeter import costing

    of, asked = make("s1"), [budget("kwh"), budget("kgco2e", scope="user", key=None)]
    ledger.append(ONE, [run(ONE, 1)])
    before = of.verdicts(asked, NOW, ONE)
    monkeypatch.setattr(costing, "costs_of", None)
    monkeypatch.setattr(Ledger, "base", None)
    assert of.verdicts(asked, NOW + 1, ONE)[0].spent == before[0].spent


def test_what_could_not_be_read_makes_a_lower_bound_or_nothing(make: Make, ledger: Ledger) -> None:
    lost = run(ONE, 1, usage=Usage(HOUR, (Figure("gpu_reserved_s", None, LOST, "G"),)))
    of = make()
    ledger.append(ONE, [lost])
    (verdict,) = of.verdicts([budget()], NOW)
    assert (verdict.state, verdict.spent.missing, verdict.spent.reasons) == ("unknown", 1, ("the GPU is lost",))
    ledger.append(TWO, [run(TWO, 1, 9.0)])
    (verdict,) = of.verdicts([budget()], NOW)
    assert (verdict.state, verdict.spent.value, verdict.spent.missing) == ("near", 9.0, 1)


def test_a_paused_budget_is_not_looked_at(make: Make, ledger_path: Path) -> None:
    ledger_path.parent.mkdir(parents=True)
    ledger_path.write_text("this is no ledger, and whoever read it would move it aside\n" * 9)
    (verdict,) = make().verdicts([budget(paused=True)], NOW)
    assert verdict.state == "paused"
    assert ledger_path.exists()


# The pace


def test_the_pace_is_the_periods_so_far(make: Make, ledger: Ledger) -> None:
    """5 of 10 in six days and 16 hours: the week ends first; per total it is that of its first record on."""
    ledger.append(ONE, [run(ONE, 1, 5.0, NOW - 50 * HOUR)])
    week, whole = make().verdicts([budget(), budget(per="total")], NOW)
    assert week.burn is not None
    assert (week.burn.per_day, week.burn.ends_at) == (pytest.approx(5.0 / (160 / 24)), None)
    assert whole.burn is not None
    assert whole.burn.ends_at is not None
    assert NOW + 49 * HOUR <= whole.burn.ends_at <= NOW + 52 * HOUR


def test_what_runs_now_spends_it_sooner_than_the_pace_says(make: Make, ledger: Ledger) -> None:
    """5 of 10 in most of a week, and now four GPUs at once for half an hour: the rest is gone in 45 minutes more."""
    ledger.append(ONE, [run(ONE, 1, 5.0, NOW - 50 * HOUR)])
    runs = run(ONE, 2, 2.0, NOW - HOUR / 2)
    runs = replace(runs, usage=replace(runs.usage, wall_s=HOUR / 2))
    of = make("s1")
    (week,) = of.verdicts([budget()], NOW, ONE, running=[runs])
    assert week.burn is not None
    assert week.burn.ends_at is None or week.burn.ends_at > NOW + 3 * HOUR
    assert week.burn.now_ends_at == pytest.approx(NOW + 45 * 60)
    (week,) = of.verdicts([budget()], NOW, ONE, waiting=[runs])  # it has ended
    assert week.burn is not None
    assert week.burn.now_ends_at is None


# Extensions and warnings


def test_an_extension_counts_in_all_kernels_until_the_period_ends(make: Make, ledger: Ledger) -> None:
    mine, other = make("s1"), make("s2")
    ledger.append(ONE, [run(ONE, 1, 10.5)])
    (start, end) = budget().period.at(NOW)
    assert [one.state for one in other.verdicts([budget()], NOW)] == ["over"]
    assert mine.log(event(budget(), "extended", NOW - 60, amount=1.0), start)
    (verdict,) = other.verdicts([budget()], NOW)
    assert (verdict.granted, verdict.limit, verdict.state) == (1.0, 11.0, "near")
    assert other.verdicts([budget()], end + 1)[0].granted == 0.0
    assert other.verdicts([replace(budget(), id="another")], NOW)[0].granted == 0.0


def test_one_of_two_kernels_warns(make: Make) -> None:
    mine, other = make("s1"), make("s2")
    assert mine.log(event(budget(), "warned", NOW), NOW - HOUR)
    assert not other.log(event(budget(), "warned", NOW + 1, 2), NOW - HOUR)
    assert [one.id for one in other.events(NOW - HOUR)] == ["e1"]


def test_a_sessions_extension_raises_no_others_limit(make: Make, ledger: Ledger) -> None:
    of, each = make("s1"), budget(scope="session", key=None, per="session")
    assert of.log(event(each, "extended", NOW - 60, amount=1.0, session_id="s2"), ONE.started_at)
    assert [of.verdicts([each], NOW, info)[0].granted for info in (ONE, TWO)] == [0.0, 1.0]


def test_who_is_no_kernel_counts_the_running_cell_of_the_session_that_it_asks_for(make: Make, ledger: Ledger) -> None:
    """The server asks for a notebook's newest session, and knows of its running cell by the journal alone."""
    server, kernel = make(), make("s1")
    ledger.append(ONE, [run(ONE, 1)])
    ledger.journal(ONE, [run(ONE, 2, 0.5)])
    assert spent(server, budget(), NOW, ONE) == 1.5
    assert spent(kernel, budget(), NOW, ONE, [run(ONE, 2, 0.75)]) == 1.75


def test_an_interrupt_in_the_midst_of_a_look_counts_nothing_twice(
    make: Make, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = make()
    ledger.append(ONE, [run(ONE, 1)])
    assert spent(of, budget()) == 1.0
    ledger.append(ONE, [run(ONE, 2), run(ONE, 3)])
    add = bins.Bin.add

    def interrupted(one: bins.Bin, info: SessionInfo, record: CellRecord) -> None:
        add(one, info, record)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bins.Bin, "add", interrupted)
        spent(of, budget())
    assert spent(of, budget()) == 3.0


def test_a_span_that_is_over_or_has_not_begun_is_not_current(make: Make, ledger: Ledger) -> None:
    span = replace(budget(), period=Period("span", start=NOW - 2 * 86400, end=NOW))
    found = [make().verdicts([span], at)[0].current for at in (NOW - 60, NOW, NOW - 3 * 86400)]
    assert found == [True, False, False]


# A ledger that cannot be read


def test_a_ledger_that_cannot_be_read_leaves_what_this_kernel_knows(make: Make, ledger_path: Path) -> None:
    ledger_path.mkdir(parents=True)  # no file will ever be there
    of = make("s1")
    (verdict,) = of.verdicts([budget()], NOW, ONE, [run(ONE, 2)], [run(ONE, 1, 2.0)])
    assert (verdict.spent.value, verdict.spent.missing) == (3.0, 1)
    assert str(ledger_path) in verdict.spent.reasons[0]
    (nothing,) = of.verdicts([budget()], NOW, ONE)
    assert nothing.state == "unknown"
    assert of.log(event(budget(), "warned", NOW), NOW - HOUR)
    assert not of.log(event(budget(), "warned", NOW + 1, 2), NOW - HOUR)
    assert of.log(event(budget(), "extended", NOW, 3, amount=1.0), NOW - HOUR)
    assert of.verdicts([budget()], NOW, ONE)[0].granted == 1.0
    os.rmdir(ledger_path)
    assert of.log(event(budget(), "refused", NOW + 2, 4), NOW - HOUR)
    assert [one.id for one in make().events(-inf)] == ["e1", "e3", "e4"]


def test_another_file_is_read_anew(make: Make, ledger: Ledger, ledger_path: Path) -> None:
    of = make()
    ledger.append(ONE, [run(ONE, 1)])
    assert spent(of, budget()) == 1.0
    ledger.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{ledger_path}{suffix}").unlink(missing_ok=True)
    assert spent(of, budget()) == 0.0
    ledger.append(ONE, [run(ONE, 1, 5.0)])
    assert spent(of, budget()) == 5.0


def test_a_verdict_of_many_budgets_is_in_their_order(make: Make, ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, 1)])
    found: list[Verdict] = make().verdicts(SCOPES, NOW, ONE)
    assert [one.budget for one in found] == SCOPES
