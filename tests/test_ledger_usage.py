"""What the ledger says that sessions used is what adding up their records says, in any scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import fsum, inf
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ALL
from recorded import ORIGINS, SCOPES, SESSIONS, record, records

from jupyter_costmeter.accounting import Part
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.recent import selected
from jupyter_costmeter.record import CellRecord, Figure, Usage
from jupyter_costmeter.uses import HOUR_S, Use, of_records


def plain(parts: Iterable[tuple[str, Part]]) -> dict[tuple[object, ...], list[object]]:
    """By model, figure and method: value, count and windows that lack it. None but the absent is left out."""
    found: dict[tuple[object, ...], list[Part]] = {}
    for model, part in parts:
        origin = part.provenance
        model = "" if origin.absent else model  # no model has what is not there
        found.setdefault((model, part.name, origin.method, origin.source, origin.reason), []).append(part)
    return {
        key: [
            fsum(p.value or 0.0 for p in ps) if any(p.value is not None for p in ps) else None,
            sum(p.count for p in ps),
            sum(p.missing for p in ps),
        ]
        for key, ps in found.items()
    }


def same(one: Use, other: Use, memory: bool) -> None:
    assert (one.host, one.at, one.partition) == (other.host, other.at, other.partition)
    pairs = [
        (plain(("", p) for p in (*use.energy, *use.cpu_s)), plain(use.gpu_s)) for use in (one, other)
    ]  # fmt: skip
    for ours, theirs in zip(*pairs, strict=True):
        assert set(ours) == set(theirs)
        for key, (value, *counts) in ours.items():
            assert counts == theirs[key][1:], key
            assert value == pytest.approx(theirs[key][0]), key
    for mine, yours in ((one.memory_byte_s, other.memory_byte_s),) if memory else ():
        assert (mine is None) == (yours is None)
        if mine and yours:
            assert (mine.name, mine.missing, mine.count) == (yours.name, yours.missing, yours.count)
            assert mine.value == pytest.approx(yours.value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    records(),
    st.sampled_from(SCOPES),
    st.sampled_from([None, "train"]),
    st.sampled_from([-inf, 1e9 + 1, inf]),
    st.booleans(),
)
def test_the_ledgers_sums_are_those_of_the_records(
    tmp_path: Path, made: list[CellRecord], scope: Selection, label: str | None, before: float, memory: bool
) -> None:
    selection = replace(scope, label=label)
    path = tmp_path / "l.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    ledger = open_ledger(path)
    for session in SESSIONS.values():
        ledger.append(session, [r for r in made if r.session_id == session.id])
    found = ledger.uses(selection, before, memory)
    ledger.close()
    wanted: list[Use] = []
    for session in sorted(SESSIONS.values(), key=lambda s: s.started_at):
        own = [r for r in selected(made, selection) if r.session_id == session.id]
        uses = of_records(own, session, session.started_at < before)
        if any(use.energy or use.gpu_s or use.cpu_s for use in uses):
            wanted += uses
    assert [(use.host, use.at) for use in found] == [(use.host, use.at) for use in wanted]
    for use, other in zip(found, wanted, strict=True):
        same(use, other, memory)


# By hand


def test_a_record_over_midnight_counts_in_each_of_its_hours(ledger: Ledger) -> None:
    """23:30 to 1:30 UTC: half an hour, an hour, half an hour."""
    midnight = 20_708 * 24
    start = midnight * HOUR_S - 1800.0
    ledger.append(
        SESSIONS["s1"], [record(1, 7200.0, start, gpu_energy_j=4000.0), record(2, 60.0, start, cpu_energy_j=5)]
    )
    hours = {use.hour: fsum(part.value or 0.0 for part in use.energy) for use in ledger.uses(ALL, inf)}
    assert hours == pytest.approx({midnight - 1: 1005.0, midnight: 2000.0, midnight + 1: 1000.0})
    assert len(ledger.uses(ALL)) == 1


def test_only_sessions_that_began_before_are_told_by_the_hour(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [record(1, 7200.0, gpu_energy_j=4.0)])
    began = SESSIONS["s1"].started_at
    assert [len(ledger.uses(ALL, before)) for before in (began, began + 1.0)] == [1, 2]


def test_gb_hours_are_by_each_records_peak_over_its_time(ledger: Ledger) -> None:
    inner = replace(record(3, 5.0, peak_rss_bytes=9e9), parent_id="r1")
    rows = [record(1, 10.0, cpu_s=1.0, peak_rss_bytes=2e9), record(2, 100.0, cpu_s=1.0, peak_rss_bytes=1e9), inner]
    ledger.append(SESSIONS["s1"], rows)
    (use,) = ledger.uses(ALL, memory=True)
    assert use.memory_byte_s
    assert use.memory_byte_s.value == 1.2e11


def test_gpus_of_two_models_in_one_session_are_told_apart(ledger: Ledger) -> None:
    figures = tuple(Figure("gpu_reserved_s", s, ORIGINS[0], d) for d, s in (("GPU-1", 10.0), ("GPU-2", 30.0)))
    ledger.append(SESSIONS["s2"], [replace(record(1, 30.0), session_id="s2", usage=Usage(30.0, figures))])
    (use,) = ledger.uses(ALL)
    assert {model: part.value for model, part in use.gpu_s} == {"NVIDIA A100-SXM4-40GB": 10.0, "Tesla T4": 30.0}
    assert (use.host, use.partition) == ("gpu07", "gpu-small")


def test_a_project_counts_those_inside_it_and_none_beside_it(ledger: Ledger) -> None:
    made = [
        replace(record(n, 1.0, cpu_energy_j=10.0**n), notebook=place, project=str(Path(place).parent))
        for n, place in enumerate(("/p/a.ipynb", "/p/in/c.ipynb", "/p/in/deep/c.ipynb", "/pq/d.ipynb"))
    ]
    ledger.append(SESSIONS["s1"], made)

    def joules(folder: str) -> float:
        return fsum(p.value or 0.0 for use in ledger.uses(Selection("project", folder)) for p in use.energy)

    assert [joules(folder) for folder in ("/p", "/p/in", "/pq", "/none")] == [111.0, 110.0, 1000.0, 0.0]


def test_without_a_file_nothing_was_used(ledger: Ledger) -> None:
    assert ledger.uses(ALL, inf, memory=True) == []
    assert not ledger.path.exists()


def test_what_is_of_no_project_is_in_none_nor_in_that_of_the_root(ledger: Ledger) -> None:
    made = [replace(record(1, 1.0, cpu_s=1.0), project=None), record(2, 1.0, cpu_s=2.0)]
    ledger.append(SESSIONS["s1"], made)
    root = Selection("project", "/")
    assert [r.seq for r in selected(made, root)] == [r.seq for r in ledger.records(root)] == [2]
    assert [part.value for use in ledger.uses(root) for part in use.cpu_s] == [2.0]
