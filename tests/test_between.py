"""What lies between cells: each joule and second in exactly one bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.between import Pending, prolonged, split
from jupyter_costmeter.record import Bucket, Figure, Provenance, Usage

COUNTED = Provenance("measured", "a counter", 0.05)
SUMS = ("cpu_s", "cpu_energy_j", "ram_energy_j", "gpu_energy_j", "gpu_reserved_s", "gpu_busy_s")
amounts = st.floats(0, 1e6)


def gap(wall_s: float = 100.0, **figures: float | None) -> Usage:
    made = tuple(
        Figure(name, value, COUNTED, "GPU-1" if name.startswith("gpu") else None) for name, value in figures.items()
    )
    return Usage(wall_s, made)


def value(found: dict[Bucket, Usage], bucket: Bucket, name: str) -> float | None:
    figure = found[bucket].figure(name) if bucket in found else None
    return figure.value if figure else None


@given(st.floats(0.001, 1e5), st.floats(0, 1), st.lists(amounts, min_size=4, max_size=4), st.one_of(st.none(), amounts))
def test_what_is_split_adds_up_again(wall_s: float, busy: float, parts: list[float], idle: float | None) -> None:
    cpu_s, cpu_j, ram_j, gpu_j = parts
    whole = gap(
        wall_s,
        cpu_s=cpu_s,
        cpu_energy_j=cpu_j,
        ram_energy_j=ram_j,
        gpu_energy_j=gpu_j,
        gpu_idle_energy_j=None if idle is None else min(idle, gpu_j),
        gpu_reserved_s=wall_s,
        gpu_busy_s=busy * wall_s,
    )
    found = split(whole)
    for name in SUMS:
        total = sum(value(found, bucket, name) or 0.0 for bucket in found)
        figure = whole.figure(name)
        assert figure is not None
        assert total == pytest.approx(figure.value, rel=1e-9, abs=1e-12)
    assert all((f.value or 0.0) >= 0 for usage in found.values() for f in usage.figures)


def test_what_is_held_on_goes_on_at_its_rate() -> None:
    later = prolonged(gap(10.0, gpu_reserved_s=10.0, ram_energy_j=20.0, gpu_energy_j=None), 90.0)
    assert later.wall_s == 100.0
    assert [(f.name, f.value) for f in later.figures] == [
        ("gpu_reserved_s", 100.0), ("ram_energy_j", 200.0), ("gpu_energy_j", None)
    ]  # fmt: skip
    assert {f.method for f in later.figures if f.value is not None} == {"modelled"}


def test_a_gpu_that_is_held_on_draws_what_it_draws_idle() -> None:
    """Just after a cell it draws more: an H100 145 W instead of 116 in the first seconds (docs/gpu-checks.md)."""
    known = prolonged(gap(2.0, gpu_energy_j=290.0, gpu_idle_energy_j=232.0), 38.0).figure("gpu_energy_j")
    assert known is not None
    assert known.value == pytest.approx(290.0 + 38.0 * 116.0)
    unknown = prolonged(gap(2.0, gpu_energy_j=290.0, gpu_idle_energy_j=None), 38.0).figure("gpu_energy_j")
    assert unknown is not None
    assert unknown.value == pytest.approx(40.0 * 145.0)
    assert (unknown.uncertainty or 0) >= 0.25


def test_a_gpu_that_waits_is_held_idle() -> None:
    found = split(gap(gpu_energy_j=6000.0, gpu_reserved_s=100.0, gpu_busy_s=0.0, ram_energy_j=40.0))
    assert set(found) == {"held_idle"}
    assert value(found, "held_idle", "gpu_busy_s") == 0.0


def test_a_gpu_that_works_on_after_the_cell_is_background_above_what_it_draws_idle() -> None:
    whole = gap(gpu_energy_j=18_000.0, gpu_idle_energy_j=6000.0, gpu_reserved_s=100.0, gpu_busy_s=50.0)
    found = split(whole)
    assert value(found, "background", "gpu_energy_j") == pytest.approx(12_000.0)
    assert value(found, "held_idle", "gpu_energy_j") == pytest.approx(6000.0)
    assert value(found, "background", "gpu_reserved_s") == pytest.approx(50.0)
    assert value(found, "background", "gpu_busy_s") == 50.0


def test_threads_that_work_on_are_background() -> None:
    found = split(gap(cpu_s=5.0, cpu_energy_j=50.0, ram_energy_j=3.0))
    assert value(found, "background", "cpu_energy_j") == 50.0
    assert value(found, "held_idle", "ram_energy_j") == 3.0


def test_short_gaps_become_one_record_and_a_change_of_source_another() -> None:
    one = Pending(1.0, 3, gap(2.0, ram_energy_j=4.0))
    both = one.and_then(gap(3.0, ram_energy_j=6.0))
    assert both is not None
    assert (both.usage.wall_s, both.seq) == (5.0, 3)
    assert both.usage.figures[0].value == 10.0
    other = Usage(1.0, (Figure("ram_energy_j", 1.0, Provenance("modelled", "a model", 1.0)),))
    assert one.and_then(other) is None


def test_what_was_not_measured_stays_so_when_put_together() -> None:
    both = Pending(1.0, 3, gap(2.0, gpu_energy_j=None)).and_then(gap(3.0, gpu_energy_j=None))
    assert both is not None
    assert both.usage.figures[0].value is None
