"""The timeline's steps have the ledger's energy, whatever is put together, and no zero where nothing was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timelines import AT, GPU, gap, run

from jupyter_costmeter import timeline_fewer as t
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Figure, Provenance, Usage
from jupyter_costmeter.timeline import Growing, Step, Timeline, timeline
from jupyter_costmeter.timeline_fewer import Looked

ALL = Selection("all")


def steps(found: Timeline, device: str = GPU) -> list[tuple[float, float, float | None]]:
    """Since when, until when, watts."""
    (line,) = [line for line in found.lines if line.device == device]
    return [(round(s.start - AT, 3), round(s.end - AT, 3), s.watts and round(s.watts, 3)) for s in line.steps]


def joules(found: Timeline, device: str = GPU) -> float:
    return sum(s.joules or 0.0 for line in found.lines if line.device == device for s in line.steps)


def test_a_cells_power_is_its_energy_over_its_time() -> None:
    found = timeline([run(1, 0, 10, 3000.0), run(2, 20, 5, 500.0)])
    assert steps(found) == [(0, 10, 300), (20, 25, 100)]
    assert [line.device for line in found.lines] == [GPU, "CPU", "memory"]
    assert steps(found, "CPU") == [(0, 10, 3.75), (20, 25, 3.75)]
    assert [(b.runs, b.failed, b.dearest.seq) for b in found.bands["cell"]] == [(1, 0, 1), (1, 0, 2)]
    assert (found.start, found.end) == (AT, AT + 25)


def test_two_kernels_at_once_add_up() -> None:
    other = replace(run(2, 4, 4, 400.0), session_id="s2")
    assert steps(timeline([run(1, 0, 10, 3000.0), other])) == [(0, 4, 300), (4, 8, 400), (8, 10, 300)]


def test_what_was_not_measured_is_no_step_of_zero() -> None:
    found = timeline([run(1, 0, 10), run(2, 10, 10, None)])
    assert steps(found) == [(0, 10, 10), (10, 20, None)]
    assert found.lines[0].steps[1].reason == "the GPU is lost"
    energy = found.bands["cell"][1].by_device[GPU]
    assert (energy.value, energy.missing, energy.reasons) == (None, 1, ("the GPU is lost",))


def test_a_part_that_was_not_measured_makes_a_lower_bound() -> None:
    other = replace(run(2, 0, 10, None), session_id="s2")
    (step,) = timeline([run(1, 0, 10), other]).lines[0].steps
    assert (step.watts, step.reason) == (pytest.approx(10), "the GPU is lost")


def test_a_device_that_is_not_there_has_no_line() -> None:
    absent = Figure("gpu_energy_j", None, Provenance(None, "NVML", reason="no GPU", absent=True))
    found = timeline([replace(run(1, 0, 2), usage=Usage(2.0, (absent,)))])
    assert (found.lines, len(found.bands["cell"])) == ((), 1)
    assert found.bands["cell"][0].energy is None


def test_a_gap_lies_between_the_cells() -> None:
    """Several short gaps are one record, whose seconds are not one stretch."""
    records = [run(1, 0, 2), gap(1, 2, 3), run(2, 3, 2), run(3, 6, 4), gap(3, 12, 5)]
    found = timeline(records)
    assert [(b.start - AT, b.end - AT) for b in found.bands["held_idle"]] == [(2, 3), (5, 6), (10, 11), (12, 17)]
    assert joules(found) == pytest.approx(300 + 55 * 8)
    assert found.whole["held_idle"].energy.value == pytest.approx(55 * 8)  # type: ignore[union-attr]


def test_clocks_that_differ_a_little_make_no_peak() -> None:
    """A gap begins some milliseconds before the cell that it comes after has ended, and ends in the next."""
    found = timeline([run(1, 0, 2.014, 604.2), gap(1, 2, 7.5, gpu_energy_j=2250.0), run(2, 9.49, 1, 300.0)])
    assert max(watts or 0 for _, _, watts in steps(found)) == pytest.approx(301, abs=1)
    assert [len(bands) for bands in found.bands.values()] == [2, 1]
    assert joules(found) == pytest.approx(604.2 + 2250 + 300)


def test_two_short_gaps_in_one_record_make_no_peak() -> None:
    """Their joules are not those of the first alone, however short both are."""
    gaps = gap(1, 2, 0.017, gpu_energy_j=4.59)  # 7 ms, and 10 ms behind the next cell, at 270 W
    found = timeline([run(1, 0, 2, 600.0), gaps, run(2, 2.007, 2, 600.0), run(3, 4.017, 2, 600.0)])
    assert max(watts or 0 for _, _, watts in steps(found)) == pytest.approx(300, abs=1)
    assert joules(found) == pytest.approx(1804.59)


def test_held_idle_and_background_are_told_apart_and_add_up() -> None:
    found = timeline([gap(1, 0, 10), gap(1, 0, 10, "background", gpu_energy_j=100.0), run(2, 10, 1)])
    assert steps(found)[0] == (0, 10, 65)
    assert {bucket: len(bands) for bucket, bands in found.bands.items()} == {
        "cell": 1, "held_idle": 1, "background": 1,
    }  # fmt: skip


def test_a_run_without_a_duration_keeps_its_energy() -> None:
    assert joules(timeline([run(1, 0, 0.0, 5.0)])) == pytest.approx(5.0)


def test_what_runs_is_told() -> None:
    found = timeline([run(1, 0, 2), run(2, 3, 4, outcome="error")], running={"r2"})
    assert [(b.running, b.failed) for b in found.bands["cell"]] == [(0, 0), (1, 0)]


def test_nothing() -> None:
    assert not timeline([])


# Many

spans = st.lists(
    st.tuples(
        st.floats(0, 100) | st.just(0.0), st.floats(0, 50) | st.just(0.0), st.none() | st.floats(0, 1e5),
        st.sampled_from(["cell", "held_idle", "background"]), st.sampled_from(["s1", "s2"]),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def made(found: Sequence[tuple[float, float, float | None, str, str]]) -> list[CellRecord]:
    at, records = 0.0, []
    for seq, (pause, wall_s, gpu_j, bucket, session) in enumerate(found):
        at += pause
        one = run(seq, at, wall_s, gpu_j) if bucket == "cell" else gap(seq, at, wall_s, bucket, gpu_energy_j=gpu_j or 0)
        records.append(replace(one, session_id=session))
        at += wall_s * (session == "s1")
    return records


@given(spans, st.integers(1, 12), st.booleans())
def test_the_area_stays_the_energy(
    found: list[tuple[float, float, float | None, str, str]], most: int, zoom: bool
) -> None:
    records = made(found)
    looked = Looked(AT + 50, AT + 200) if zoom else None
    drawn = timeline(records, looked=looked, most=most)
    whole = sum(f.value or 0.0 for r in records for f in r.usage.figures if f.name == "gpu_energy_j")
    assert joules(drawn) == pytest.approx(whole, rel=1e-6, abs=1e-6)
    in_bands = sum(part.value or 0.0 for b in drawn.whole.values() for part in b.sums_of(GPU))
    assert in_bands == pytest.approx(whole, rel=1e-6, abs=1e-6)
    assert drawn.whole["cell"].runs == sum(r.bucket == "cell" for r in records) if "cell" in drawn.whole else True
    for line in drawn.lines:
        assert all(one.end <= later.start for one, later in pairwise(line.steps))
        assert all(step.start < step.end for step in line.steps)
        assert len(line.steps) <= most + (2 * max(1, most // 4) if zoom else 0)


def test_a_long_one_stays_as_it_is_among_short_ones() -> None:
    records = [run(at, at, 0.5, 1.0) for at in range(500)] + [run(500, 500, 5000, 10.0)]
    found = timeline(records, most=50)
    assert steps(found)[-1] == (500, 5500, 0.002)
    assert len(found.lines[0].steps) <= 50
    assert found.more


def test_what_is_zoomed_into_is_told_one_by_one() -> None:
    records = [run(at, at, 0.5, 1.0) for at in range(1000)]
    found = timeline(records, looked=Looked(AT + 400, AT + 440), most=50)
    inside = [band for band in found.bands["cell"] if AT + 400 <= band.start < AT + 440]
    assert [band.runs for band in inside] == [1] * 40
    assert sum(band.runs for band in found.bands["cell"]) == 1000


def test_several_as_one_say_which_was_the_dearest() -> None:
    records = [run(at, at, 0.5, 7.0 if at == 3 else 1.0, outcome="error" if at == 5 else "ok") for at in range(10)]
    (band,) = timeline(records, most=1).bands["cell"]
    assert (band.runs, band.failed, band.dearest.seq, band.wall_s) == (10, 1, 3, pytest.approx(5))


def test_steps_are_put_together_with_what_is_not_known() -> None:
    assert Step.several([Step(0, 1, None, "lost"), Step(1, 3, 4.0)]) == Step(0, 3, 4.0, "lost")
    assert Step.several([Step(0, 1, None, "lost"), Step(1, 3, None)]).joules is None


def test_memory_does_not_grow_with_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0

    def watched(self: t.Few[Step], one: Step) -> None:
        nonlocal longest
        add(self, one)
        longest = max(longest, *map(len, self._found))

    add = t.Few.add
    monkeypatch.setattr(t.Few, "add", watched)
    timeline((run(at, at, 0.5, 1.0) for at in range(3000)), most=100)
    assert longest <= t.KEPT * 100


# While it grows


@given(spans, st.integers(1, 12), st.integers(0, 60))
def test_a_copy_goes_on_alone(found: list[tuple[float, float, float | None, str, str]], most: int, cut: int) -> None:
    records, growing = made(found), Growing(most=most)
    for record in records[:cut]:
        growing.add(record)
    if cut:
        assert growing.copy().done() == timeline(records[:cut], most=most)
    for record in records[cut:]:
        growing.add(record)
    assert growing.done() == timeline(records, most=most)


def test_what_is_as_it_was_is_the_same_object_again() -> None:
    growing = Growing(most=50)
    for at in range(140):
        growing.add(run(at, at, 0.5, 1.0))
    first = growing.copy().done().bands["cell"]
    later = growing.copy()
    later.add(run(140, 140, 0.5, 1.0))
    same = [one is other for one, other in zip(first, later.done().bands["cell"], strict=False)]
    assert sum(same) > 30


# From the ledger


def test_records_come_with_their_energy_only(ledger: Ledger) -> None:
    inner = replace(run(3, 1, 1), parent_id="r1", id="r3")
    ledger.append(golden.SESSION, [run(2, 20, 5, None), run(1, 0, 10, 3000.0), gap(1, 10, 10), inner])
    found = list(ledger.along(ALL))
    assert [(r.seq, r.bucket) for r in found] == [(1, "cell"), (1, "held_idle"), (2, "cell")]
    assert {f.name for r in found for f in r.usage.figures} == {"gpu_energy_j", "cpu_energy_j", "ram_energy_j"}
    assert found[2].usage.figure("gpu_energy_j").reason == "the GPU is lost"  # type: ignore[union-attr]
    assert joules(timeline(found)) == pytest.approx(3000 + 550)
    assert list(ledger.along(Selection("session", "another"))) == []


def test_the_last_cells(ledger: Ledger) -> None:
    ledger.append(golden.SESSION, [run(seq, 10 * seq, 5) for seq in range(1, 6)] + [gap(3, 35, 5)])
    assert [(r.seq, r.bucket) for r in ledger.along(ALL, 2)] == [(4, "cell"), (5, "cell")]
    assert len(list(ledger.along(ALL, 100))) == 6


def test_a_record_without_any_energy_is_there(ledger: Ledger) -> None:
    ledger.append(golden.SESSION, [replace(run(1, 0, 2), usage=Usage(2.0, ()))])
    (found,) = ledger.along(ALL)
    assert found.usage.figures == ()


def test_no_ledger_yet(ledger: Ledger) -> None:
    assert list(ledger.along(ALL)) == []
