"""What sessions used: joules by the hour and by where they are from, GPU time by model, nothing twice."""

from __future__ import annotations

from itertools import pairwise
from math import fsum, inf

import pytest
from carbon_cases import A100, CLOCK, H100, HOUR, LOST, NO_GPU, NOON, NVML, TDP, held, joules, record, session, utc
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.accounting import Part
from jupyter_costmeter.record import Figure
from jupyter_costmeter.uses import WANTED, Use, Using, of_record, of_records, shares


def spread(at: float, wall_s: float, energy_j: float) -> list[tuple[int, float]]:
    """Joules by the hours of a record."""
    return [(hour, energy_j * share) for hour, share in shares(at, wall_s)]


instants = st.floats(NOON - 1e6, NOON + 1e6)
durations = st.floats(0, 72 * HOUR)
H = int(NOON // HOUR)


def value(of: tuple[Part, ...], name: str) -> float | None:
    found = [part.value for part in of if part.name == name]
    assert len(found) == 1, found
    return found[0]


# By the hour


@given(instants, durations, st.floats(0, 1e12))
def test_spreading_conserves_joules_and_stays_within_the_records_time(at: float, wall_s: float, j: float) -> None:
    found = list(spread(at, wall_s, j))
    assert fsum(part for _, part in found) == pytest.approx(j, rel=1e-9, abs=1e-3)
    assert all(part >= 0 for _, part in found)
    hours = [hour for hour, _ in found]
    last = int((at + wall_s) // HOUR)
    assert hours in (list(range(int(at // HOUR), end)) for end in (last, last + 1))


@given(instants, st.floats(1, 72 * HOUR), st.floats(0.01, 0.99), st.floats(1, 1e9))
def test_a_record_cut_in_two_has_the_same_hours(at: float, wall_s: float, cut: float, j: float) -> None:
    whole = dict(spread(at, wall_s, j))
    parts = [*spread(at, wall_s * cut, j * cut), *spread(at + wall_s * cut, wall_s * (1 - cut), j * (1 - cut))]
    for hour in whole.keys() | {hour for hour, _ in parts}:
        joined = fsum(part for of, part in parts if of == hour)
        assert joined == pytest.approx(whole.get(hour, 0.0), abs=1e-6 * j)


@pytest.mark.parametrize(
    ("at", "wall_s", "hours"),
    [
        (NOON, 3599.0, {H: 100.0}),
        (NOON, 7200.0, {H: 50.0, H + 1: 50.0}),
        (NOON + 1800, 3600.0, {H: 50.0, H + 1: 50.0}),
        (NOON + 2700, 4500.0, {H: 20.0, H + 1: 80.0}),
        (NOON - 900, 9000.0, {H - 1: 10.0, H: 40.0, H + 1: 40.0, H + 2: 10.0}),
        (NOON + 10, 0.0, {H: 100.0}),
    ],
)
def test_a_hundred_joules_by_hand(at: float, wall_s: float, hours: dict[int, float]) -> None:
    assert {hour: 100.0 * share for hour, share in shares(at, wall_s)} == pytest.approx(hours)
    made = record(joules(60.0), joules(40.0, TDP, "cpu_energy_j"), at=at, wall_s=wall_s)
    uses = of_record(made, session(), hourly=True)
    assert {use.hour: fsum(part.value or 0.0 for part in use.energy) for use in uses} == pytest.approx(hours)


def test_hours_are_of_the_records_not_of_the_session() -> None:
    """A kernel that was started in the evening and used in the morning."""
    night = session(at=utc(2026, 10, 1, 22))
    made = record(joules(5.0), at=utc(2026, 10, 2, 6))
    assert [use.at for use in of_record(made, night, hourly=True)] == [utc(2026, 10, 2, 6)]
    assert [use.at for use in of_record(made, night)] == [utc(2026, 10, 1, 22)]


def test_what_is_missing_is_missing_once_though_it_lies_in_several_hours() -> None:
    lost = of_record(record(joules(None, LOST), at=NOON, wall_s=3 * HOUR), session(), hourly=True)
    assert [part.missing for use in lost for part in use.energy] == [1, 0, 0]


# What is in it


def test_energy_by_where_it_is_from() -> None:
    both = (
        record(joules(1.0), joules(2.0, TDP, "cpu_energy_j")),
        record(joules(10.0), joules(20.0, NVML, "cpu_energy_j")),
    )
    (use,) = of_records(both, session("gpu07", partition="gpu-small"))
    assert (use.host, use.partition) == ("gpu07", "gpu-small")
    found = {(p.name, p.provenance): (p.value, p.count) for p in use.energy}
    assert found == {
        ("gpu_energy_j", NVML): (11.0, 2),
        ("cpu_energy_j", TDP): (2.0, 1),
        ("cpu_energy_j", NVML): (20.0, 1),
    }


def test_only_energy_is_multiplied_and_no_part_of_it_twice() -> None:
    """What idling took, and the whole device of which this kernel had a share, are in or beside the energy."""
    names = ("gpu_idle_energy_j", "gpu_device_energy_j", "cpu_idle_energy_j", "flops_bf16", "gpu_busy_s")
    (use,) = of_record(record(joules(5.0), *(Figure(name, 100.0, NVML) for name in names)), session())
    assert [(part.name, part.value) for part in use.energy] == [("gpu_energy_j", 5.0)]


def test_a_window_inside_another_is_left_out() -> None:
    """And is all there is when one asks for it alone."""
    inner = record(joules(3.0), held(1.0), Figure("peak_rss_bytes", 1e9, CLOCK), parent_id="outer")
    outer = record(joules(10.0), held(2.0), id="outer")
    (use,) = of_records([inner, outer], session())
    assert value(use.energy, "gpu_energy_j") == 10.0
    assert [part.value for _, part in use.gpu_s] == [2 * HOUR]
    assert use.memory_byte_s is None
    assert value(of_record(inner, session())[0].energy, "gpu_energy_j") == 3.0


def test_gpu_time_by_model() -> None:
    info = session(gpus={"G0": A100, "G1": H100})
    (use,) = of_records([record(held(1.0, "G0"), held(2.0, "G1")), record(held(4.0, "G1"), held(8.0, "G2"))], info)
    assert [(model, part.value) for model, part in use.gpu_s] == [(A100, HOUR), (H100, 6 * HOUR), ("G2", 8 * HOUR)]


def test_what_is_missing_is_counted_and_what_is_absent_is_not() -> None:
    lost = record(joules(None, LOST), joules(4.0, TDP, "cpu_energy_j"))
    (use,) = of_records([lost, lost, record(joules(7.0, NVML)), record(joules(None, NO_GPU))], session())
    missing = {(part.provenance, part.value): part.missing for part in use.energy}
    assert missing == {(LOST, None): 2, (TDP, 8.0): 0, (NVML, 7.0): 0, (NO_GPU, None): 0}


def test_memory_over_time_is_each_records_peak_times_its_time() -> None:
    """1 GB for an hour and 4 GB for a minute are 1.0667 GB-hours; nothing is made up where no peak was read."""
    peak = Figure("peak_rss_bytes", 1e9, CLOCK), Figure("peak_rss_bytes", 4e9, CLOCK)
    (use,) = of_records([record(peak[0]), record(peak[1], wall_s=60.0), record(joules(1.0))], session())
    assert use.memory_byte_s is not None
    assert use.memory_byte_s.value == pytest.approx(1e9 * HOUR + 4e9 * 60)
    unread = of_record(record(Figure("peak_rss_bytes", None, LOST)), session())[0].memory_byte_s
    assert unread is not None
    assert (unread.value, unread.missing) == (None, 1)


def test_nothing_is_nothing() -> None:
    (use,) = of_records([], session("h", 5.0))
    assert use == Use("h", 5.0)


# In a window


edges = st.floats(NOON - 1e5, NOON + 1e6)


@given(instants, durations, st.lists(edges, max_size=4))
def test_the_parts_of_windows_that_adjoin_add_up_to_the_whole(at: float, wall_s: float, cuts: list[float]) -> None:
    whole: dict[int, float] = dict(shares(at, wall_s))
    steps = [-inf, *sorted(cuts), inf]
    found: dict[int, float] = {}
    for start, end in pairwise(steps):
        for hour, share in shares(at, wall_s, start, end):
            assert share > 0
            found[hour] = found.get(hour, 0.0) + share
    exact = 1e-6 + 1e-6 / max(wall_s, 1e-6)  # seconds since 1970 are known to a quarter of a microsecond
    assert found.keys() == whole.keys() or fsum(found.values()) == pytest.approx(1.0, abs=exact)
    assert found == pytest.approx({hour: whole.get(hour, 0.0) for hour in found}, abs=exact)


@pytest.mark.parametrize(
    ("at", "wall_s", "start", "end", "share"),
    [
        (NOON, 100.0, NOON + 25, inf, 0.75),
        (NOON, 100.0, NOON - 25, NOON + 25, 0.25),
        (NOON - 90_000, 180_000.0, NOON, NOON + 18_000, 0.1),
        (NOON, 100.0, NOON + 100, inf, 0.0),
        (NOON, 100.0, -inf, NOON, 0.0),
        (NOON, 0.0, NOON, inf, 1.0),
        (NOON, 0.0, -inf, NOON, 0.0),
    ],
)
def test_shares_of_a_window_by_hand(at: float, wall_s: float, start: float, end: float, share: float) -> None:
    assert fsum(part for _, part in shares(at, wall_s, start, end)) == pytest.approx(share)


def test_a_record_over_a_windows_edge_counts_in_part_and_lacks_what_it_lacks_in_both() -> None:
    made = record(joules(400.0), joules(None, LOST, "cpu_energy_j"), held(2.0), at=NOON - 1800, wall_s=2 * HOUR)
    found = []
    for window in ((-inf, NOON), (NOON, inf)):
        using = Using(*window)
        using.add(made.started_at, made.usage)
        for hourly in (False, True):
            uses = using.uses(session(), hourly)
            energy = fsum(part.value or 0.0 for use in uses for part in use.energy)
            found.append((energy, sum(part.missing for use in uses for part in use.energy)))
    assert found == [(100.0, 1), (100.0, 1), (300.0, 1), (300.0, 1)]


def test_work_is_there_if_it_is_asked_for() -> None:
    figures = tuple(Figure(name, 7.0, NVML) for name in ("flops_bf16", "gpu_busy_s", "gpu_idle_energy_j"))
    using = Using(names=WANTED)
    using.add(NOON, record(*figures).usage)
    (use,) = using.uses(session())
    assert [(part.name, part.value) for part in use.work] == [("flops_bf16", 7.0), ("gpu_busy_s", 7.0)]
