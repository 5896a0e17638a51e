"""What the ledger says that was spent in a window of time is what adding up its records says, in any scope."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ALL
from recorded import GPU, SCOPES, SESSIONS, START, filled, joules, later, record, records, run, summed

from jupyter_costmeter.accounting import totals
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.recent import selected
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Total, Usage
from jupyter_costmeter.uses import HOUR_S, WANTED, By, Use, Using

INF, ENDLESS = "Inf", "9e999"  # as SQLite tells it, and as it reads it
GROUPS: tuple[By, ...] = ("notebook", "cell", "label", "day", "device", "outcome")
edges = st.sampled_from([START, START + 3600.0]) | st.floats(START - 1e4, START + 2e5)
windows = st.tuples(edges, edges).map(sorted) | st.sampled_from(
    [(-inf, inf), (START + 1800.0, inf), (-inf, START + 9e3)]
)
many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def added(made: list[CellRecord], start: float, end: float) -> dict[str, Using]:
    """The same by the records themselves."""
    found: dict[str, Using] = {}
    for one in made:
        if one.parent_id is None:
            found.setdefault(one.session_id, Using(start, end, WANTED)).add(one.started_at, one.usage)
    return found


def alike(one: list[Use], other: list[Use], skipping: str = "") -> None:
    ours, theirs = summed(one), summed(other)
    ours.pop(skipping, None)
    theirs.pop(skipping, None)
    assert {name: missing for name, (_, missing) in ours.items()} == {n: m for n, (_, m) in theirs.items()}
    assert {n: v for n, (v, _) in ours.items()} == pytest.approx({n: v for n, (v, _) in theirs.items()}, abs=1e-3)


@many
@given(records(), st.sampled_from(SCOPES), windows, st.booleans())
def test_a_windows_sums_are_those_of_the_records(
    tmp_path: Path, made: list[CellRecord], scope: Selection, window: tuple[float, float], tallied: bool
) -> None:
    """From the records by the hour, and from the tallies where no hour is asked for."""
    made = later(made)
    ledger = filled(tmp_path / "l.sqlite", made)
    found, mark = ledger.base(scope, *window, *((-inf, False) if tallied else ()))
    ledger.close()
    assert mark == len(made)
    wanted = added(list(selected(made, scope)), *window)
    for key in wanted.keys() | found.keys():
        info = SESSIONS[key]
        ours = found[key][1].uses(info, not tallied) if key in found else []
        theirs = wanted[key].uses(info, not tallied) if key in wanted else []
        alike(ours, theirs, skipping="memory_byte_s" if tallied else "")
        if not tallied and summed(theirs):
            there = [use.at for use in theirs if summed([use])]
            assert [use.at for use in ours if summed([use])] == there


@many
@given(records(), st.sampled_from(SCOPES), windows, st.sampled_from(GROUPS))
def test_the_rows_of_where_it_went_add_up_to_the_whole(
    tmp_path: Path, made: list[CellRecord], scope: Selection, window: tuple[float, float], by: By
) -> None:
    ledger = filled(tmp_path / "l.sqlite", made)
    rows = ledger.went(scope, *window, by, "Asia/Kolkata")
    whole, _ = ledger.base(scope, *window)
    assert ledger.went(scope, *window, by, "Asia/Kolkata") == rows
    ledger.close()
    uses = [use for info, using in whole.values() for use in using.uses(info)]
    told = [use for row in rows for use in row.uses]
    if by == "day":  # a record over midnight that lacks a figure lacks it on both days
        values = ({n: v for n, (v, _) in summed(x).items() if v} for x in (told, uses))
        assert next(values) == pytest.approx(next(values), rel=1e-9, abs=1e-3)
    else:
        alike(told, uses)


# By hand


def used(found: dict[str, tuple[SessionInfo, Using]], name: str) -> float:
    uses = [use for info, using in found.values() for use in using.uses(info)]
    return summed(uses).get(name, (0.0, 0))[0]


def test_a_weeks_edge_cuts_a_record(ledger: Ledger) -> None:
    """Ten hours, of which four lie before midnight; so long a run is found though it began long before."""
    midnight = START + 40 * HOUR_S
    ledger.append(SESSIONS["s1"], [record(1, 10 * HOUR_S, midnight - 4 * HOUR_S, gpu_reserved_s=36_000.0)])
    assert used(ledger.base(ALL, midnight, inf)[0], "gpu_reserved_s") == pytest.approx(6 * HOUR_S)
    assert used(ledger.base(ALL, -inf, midnight)[0], "gpu_reserved_s") == pytest.approx(4 * HOUR_S)
    assert used(ledger.base(ALL, midnight + 7 * HOUR_S, inf)[0], "gpu_reserved_s") == 0.0


def test_an_edge_within_an_hour_cuts_a_record_that_lies_in_that_hour(ledger: Ledger) -> None:
    edge = START + 1800.0
    ledger.append(SESSIONS["s1"], [record(1, 400.0, edge - 100.0, cpu_s=8.0), record(2, 0.0, edge, cpu_s=1.0)])
    assert used(ledger.base(ALL, -inf, edge)[0], "cpu_s") == pytest.approx(2.0)
    assert used(ledger.base(ALL, edge, inf)[0], "cpu_s") == pytest.approx(7.0)
    assert used(ledger.base(ALL, edge, edge + 100.0)[0], "cpu_s") == pytest.approx(3.0)


def test_projects_inside_a_project_count_in_it(ledger: Ledger) -> None:
    made = [
        replace(record(n, 1.0, cpu_energy_j=10.0**n), project=project)
        for n, project in enumerate(("/lab", "/lab/paper", "/lab/paper/deep", "/labs"))
    ]
    ledger.append(SESSIONS["s1"], made)
    found = [
        used(ledger.base(Selection("project", project), START, inf)[0], "cpu_energy_j")
        for project in ("/lab", "/lab/paper", "/labs", "/none")
    ]
    assert found == [111.0, 110.0, 1000.0, 0.0]


def test_only_what_came_after_a_mark_is_read(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [record(1, 1.0, cpu_s=1.0)])
    _, mark = ledger.base(ALL, -inf, inf)
    assert ledger.after(mark) == ([], mark)
    inner = replace(record(3, 1.0), parent_id="r2")
    ledger.append(SESSIONS["s1"], [inner, record(2, 2.0, cpu_s=2.0)])
    ((info, found),), later_mark = ledger.after(mark)
    assert (info, found.id, found.usage.figure("cpu_s").value) == (SESSIONS["s1"], "r2", 2.0)  # type: ignore[union-attr]
    assert ledger.after(later_mark) == ([], later_mark)


def test_open_windows_of_all_processes_and_what_is_in_the_file(ledger: Ledger) -> None:
    for name in ("s1", "s2"):
        ledger.journal(SESSIONS[name], [replace(record(1, 1.0), id=name, session_id=name)])
    assert [(info.id, one.id) for info, one in ledger.open_windows()] == [("s1", "s1"), ("s2", "s2")]
    ledger.append(SESSIONS["s1"], [replace(record(1, 2.0), id="s1")])
    assert [one.id for _, one in ledger.open_windows()] == ["s2"]
    assert ledger.there(["s1", "s2", "s3"]) == {"s1"}


def test_reading_makes_no_file_and_finds_nothing(ledger: Ledger) -> None:
    with ledger.at_once():
        assert (ledger.base(ALL, -inf, inf), ledger.after(0), ledger.open_windows()) == (({}, 0), ([], 0), [])
    assert (ledger.there(["x"]), ledger.events(), ledger.history("c", "h", None, 3)) == (set(), [], [])
    assert ledger.went(ALL, -inf, inf, "cell") == []
    assert not ledger.path.exists()


@pytest.mark.parametrize("scope", [ALL, Selection("project", "/p"), Selection("notebook", "/p/a.ipynb")])
def test_no_window_reads_the_whole_ledger(ledger: Ledger, scope: Selection) -> None:
    """By the plans of SQLite for what is asked: each searches by an index that holds the time, or a session."""
    from jupyter_costmeter.ledger import file

    ledger.append(SESSIONS["s1"], [record(1, 1.0, cpu_s=1.0)])
    asked: list[str] = []
    with ledger._reading() as connection:
        assert connection is not None
        file.driver(connection).set_trace_callback(asked.append)
    ledger.base(scope, START + 1.0, inf)
    ledger.went(scope, START + 1.0, inf, "notebook")
    with sqlite3.connect(ledger.path) as other:
        plans = [
            row[3]
            for q in asked
            if " figure" in q
            for row in other.execute(f"EXPLAIN QUERY PLAN {q.replace(INF, ENDLESS)}")
        ]
    other.close()
    cells = [plan for plan in plans if " cell" in plan]
    assert cells
    assert all("started_at>" in plan or "cell_of_session" in plan for plan in cells), plans
    assert not [plan for plan in plans if plan.startswith("SCAN figure")]


# Where it went


def test_failed_and_superseded_runs_are_told_apart(ledger: Ledger) -> None:
    """Of the runs that ended well only the newest of each cell is not superseded; a later failure changes nothing."""
    runs = [
        run(0, "a"),
        run(1, "a", "error"),
        run(2, "a"),
        run(3, "a", "interrupted"),
        run(4, "b"),
        run(5, "c", "killed"),
    ]
    ledger.append(SESSIONS["s1"], [*runs, run(6, "", bucket="held_idle")])
    found = [(row.name, row.runs, joules(row.uses), row.superseded) for row in ledger.went(ALL, -inf, inf, "outcome")]
    assert found == [
        ("ok", 2, 10_100.0, False), ("superseded", 1, 1.0, True), ("error", 1, 10.0, False),
        ("interrupted", 1, 1000.0, False), ("killed", 1, 100_000.0, False), ("held idle", 0, 1e6, False),
    ]  # fmt: skip
    # in a window that ends before it was run again it was the newest
    (ok,) = ledger.went(ALL, -inf, START + 60, "outcome")
    assert (ok.name, ok.runs) == ("ok", 1)


def test_a_cell_is_called_by_its_newest_run(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [run(0, "a", label="draft"), run(1, "a", "error", label="train"), run(2, "b")])
    rows = ledger.went(ALL, -inf, inf, "cell")
    found = [(row.name, row.detail, row.runs, row.outcome, row.cell_id, row.notebook, row.id) for row in rows]
    assert found == [
        ("train", "a.ipynb", 2, "error", "a", "/p/a.ipynb", "r1"),
        ("In [2]", "a.ipynb", 1, "ok", "b", "/p/a.ipynb", "r2"),
    ]
    assert [row.name for row in ledger.went(ALL, -inf, inf, "label")] == ["draft", "train", "no label"]


def test_days_are_the_zones_and_a_run_over_midnight_lies_in_both(ledger: Ledger) -> None:
    """The night in which clocks in Berlin go back: 22:00 to 6:00 local are nine hours, seven of them on Sunday."""
    at = 1792872000.0  # 2026-10-24 20:00 UTC
    ledger.append(SESSIONS["s1"], [run(3, "a", at=at, usage=Usage(9 * 3600.0, (Figure("gpu_energy_j", 900.0, GPU),)))])
    rows = ledger.went(ALL, -inf, inf, "day", "Europe/Berlin")
    assert [(row.name, row.detail, row.runs, round(joules(row.uses))) for row in rows] == [
        ("2026-10-24", "Sat", 1, 200),
        ("2026-10-25", "Sun", 1, 700),
    ]
    assert [row.start for row in rows] == [1792792800.0, 1792879200.0]


def test_by_device_are_the_gpus_that_were_held(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [run(0, "a")])
    ledger.append(SESSIONS["s3"], [replace(record(9, 5.0, cpu_energy_j=3.0), session_id="s3")])
    found = {row.name: joules(row.uses) for row in ledger.went(ALL, -inf, inf, "device")}
    assert found == {"CPU": 3.0, "NVIDIA A100-SXM4-40GB": 1.0}


def test_a_total_of_a_window_is_complete(ledger: Ledger) -> None:
    """What is absent is not missing, what is lost is."""
    lost, absent = Provenance(None, "NVML", None, "lost"), Provenance(None, "NVML", None, "no GPU", absent=True)
    made = [run(n, "a", usage=Usage(1.0, (Figure("gpu_energy_j", None, o),))) for n, o in enumerate((lost, absent))]
    ledger.append(SESSIONS["s1"], made)
    ((info, using),) = ledger.base(ALL, -inf, inf)[0].values()
    (use,) = using.uses(info)
    found: dict[str, Total] = {total.name: total for total in totals(use.energy)}
    assert (found["energy_j"].value, found["energy_j"].missing, found["energy_j"].reasons) == (None, 1, ("lost",))
