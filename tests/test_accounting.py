"""The arithmetic: differences of counters, shares, totals that say what they lack."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import accounting
from jupyter_costmeter.record import UNITS, Channel, DeviceUse, Figure, Provenance, Usage

COUNTED = Provenance("measured", "a counter", 0.05)
MODEL = Provenance("modelled", "a model", 0.5)
GUESS = Provenance("assumed", "a default", 1.0)
LOST = Provenance(None, "a counter", None, "the device is lost")
NO_GPU = Provenance(None, "NVML", None, "no GPU here", absent=True)
joules = st.floats(0, 1e9)


def total_of(name: str, *figures: Figure) -> accounting.Total:
    found = {t.name: t for t in accounting.totals(accounting.parts(figures))}
    return found[name]


@given(st.lists(joules, min_size=2, max_size=50))
def test_windows_side_by_side_sum_to_the_counters_own_difference(steps: list[float]) -> None:
    channel = Channel("gpu_energy_j", "counter", COUNTED)
    edges = [sum(steps[: i + 1]) for i in range(len(steps))]
    found = [f for a, b in zip(edges, edges[1:], strict=False) for f in accounting.figures([channel], [a], [b])]
    assert sum(f.value or 0.0 for f in found) == pytest.approx(edges[-1] - edges[0])


@given(st.floats(1, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_a_counter_that_wraps(wrap: float, before: float, after: float) -> None:
    channel = Channel("package_energy_j", "counter", COUNTED, wrap=wrap)
    (found,) = accounting.figures([channel], [before * wrap], [after * wrap])
    assert found.value is not None
    assert 0 <= found.value <= wrap


def test_a_counter_that_goes_backwards_is_not_measured_and_says_so() -> None:
    """Zeus reports -124,198 J here (PEERS, fault 11)."""
    (found,) = accounting.figures([Channel("gpu_energy_j", "counter", COUNTED)], [100.0], [3.0])
    assert found.value is None
    assert found.method is None
    assert "backwards" in (found.reason or "")


@pytest.mark.parametrize(("before", "after"), [(None, 1.0), (1.0, None), (None, None)])
def test_what_could_not_be_read_is_none(before: float | None, after: float | None) -> None:
    (found,) = accounting.figures([Channel("own_cpu_s", "counter", COUNTED)], [before], [after])
    assert found.value is None
    assert found.reason


def test_a_total_says_what_it_lacks() -> None:
    total = total_of("energy_j", Figure("cpu_energy_j", 10.0, COUNTED), Figure("gpu_energy_j", None, LOST, "GPU-1"))
    assert total.value == 10.0
    assert total.incomplete
    assert total.missing == 1
    assert total.reasons == ("the device is lost",)


def test_an_absent_device_leaves_a_total_complete() -> None:
    total = total_of("energy_j", Figure("cpu_energy_j", 10.0, COUNTED), Figure("gpu_energy_j", None, NO_GPU))
    assert not total.incomplete
    names = [t.name for t in accounting.totals(accounting.parts([Figure("gpu_energy_j", None, NO_GPU)]))]
    assert "gpu_energy_j" not in names


def test_nothing_known_is_none_and_never_zero() -> None:
    total = total_of("gpu_energy_j", Figure("gpu_energy_j", None, LOST, "GPU-1"))
    assert total.value is None
    assert total.method is None
    assert total.measured_share is None


@pytest.mark.parametrize(("modelled", "method"), [(5.0, "measured"), (9.9, "measured"), (20.0, "modelled")])
def test_a_total_takes_its_weakest_method_of_a_tenth_or_more(modelled: float, method: str) -> None:
    parts = Figure("gpu_energy_j", 100.0 - modelled, COUNTED, "GPU-1"), Figure("cpu_energy_j", modelled, MODEL)
    total = total_of("energy_j", *parts)
    assert total.method == method
    assert total.measured_share == pytest.approx(1 - modelled / 100)


@given(st.lists(joules, min_size=1, max_size=20), st.lists(joules, max_size=20))
def test_uncertainty_is_linear_within_a_source_and_in_quadrature_between(one: list[float], two: list[float]) -> None:
    figures = [Figure("cpu_energy_j", v, MODEL) for v in one] + [Figure("ram_energy_j", v, GUESS) for v in two]
    total = total_of("energy_j", *figures)
    expected = ((0.5 * sum(one)) ** 2 + (1.0 * sum(two)) ** 2) ** 0.5
    assert total.uncertainty == pytest.approx(expected)


@given(st.lists(joules, min_size=1, max_size=30), st.integers(1, 29))
def test_adding_up_in_pieces_is_adding_up(values: list[float], cut: int) -> None:
    figures = [Figure("cpu_energy_j", v, MODEL) for v in values]
    pieces = [*accounting.merged(accounting.parts(figures[:cut])), *accounting.parts(figures[cut:])]
    (whole,) = [t for t in accounting.totals(accounting.parts(figures)) if t.name == "energy_j"]
    (joined,) = [t for t in accounting.totals(pieces) if t.name == "energy_j"]
    assert joined.value == pytest.approx(whole.value)
    assert joined.uncertainty == pytest.approx(whole.uncertainty)


def test_peaks_do_not_add_up() -> None:
    assert total_of("peak_rss_bytes", *(Figure("peak_rss_bytes", v, COUNTED) for v in (3e9, 5e9, 1e9))).value == 5e9


def test_power_is_the_energy_between_two_looks() -> None:
    before = Usage(1.0, (Figure("cpu_energy_j", 10.0, COUNTED),))
    after = Usage(3.0, (Figure("cpu_energy_j", 40.0, COUNTED),))
    found = accounting.power(before, after)
    assert found is not None
    assert (found.value, found.unit, found.method) == (15.0, "W", "measured")
    assert accounting.power(after, after) is None


def test_several_looks_at_a_gpu_are_one() -> None:
    looks = [DeviceUse("G", False), DeviceUse("G", True, 1, 5.0), DeviceUse("G", True, 0, 3.0, 7.0)]
    seen = looks[0].and_then(looks[1]).and_then(looks[2])
    assert seen == DeviceUse("G", True, 1, 5.0, 7.0, partly=True)
    assert not looks[1].and_then(looks[2]).partly
    assert DeviceUse("G", True).and_then(DeviceUse("G", False)).partly


def figure_of(name: str) -> st.SearchStrategy[Figure]:
    return st.builds(Figure, st.just(name), st.none() | joules, st.sampled_from([COUNTED, MODEL, LOST, NO_GPU]))


@given(st.lists(st.sampled_from(sorted(UNITS)).flatmap(figure_of), max_size=12))
def test_some_totals_of_a_window_are_the_same_as_among_all(figures: list[Figure]) -> None:
    usage, wanted = Usage(1.0, tuple(figures)), ("cpu_s", "energy_j", "peak_rss_bytes", "flops")
    found = {t.name: t for t in accounting.cell_totals(usage)}
    assert {t.name: t for t in accounting.cell_totals(usage, wanted)} == {n: found[n] for n in wanted if n in found}
