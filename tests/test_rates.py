"""Rates: by hand, at the edges, and what they say where they cannot know."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.rates import Rates, rates
from jupyter_costmeter.record import Figure, Method, Provenance, Usage

COUNT = Provenance("measured", "dispatch counts", 0.0)
SAMPLES = Provenance("modelled", "NVML utilisation samples, whole device", 0.1)
JOULES = Provenance("measured", "NVML energy counter", 0.05)
LOST = Provenance(None, "NVML", None, "the device is lost")
MIG_SHARE = Provenance("modelled", "mig_slice: this slice's part of the GPU's compute slices", 1.0)
ONE, TWO = "GPU-1", "GPU-2"
NAMES = {ONE: "NVIDIA A100-SXM4-80GB", TWO: "NVIDIA GeForce RTX 4090"}


def flops(value: float | None, precision: str = "bf16", device: str | None = ONE) -> Figure:
    return Figure(f"flops_{precision}", value, COUNT, device)


def busy(value: float | None, device: str = ONE) -> Figure:
    return Figure("gpu_busy_s", value, SAMPLES, device)


def energy(value: float | None, device: str = ONE) -> Figure:
    return Figure("gpu_energy_j", value, JOULES if value is not None else LOST, device)


def of(*figures: Figure, wall_s: float = 10.0, declared: dict[str, dict[str, float]] | None = None) -> Rates:
    found = rates(Usage(wall_s, figures), NAMES, declared or {})
    assert found is not None
    return found


def test_by_hand() -> None:
    """312e12 FLOPs of bf16 take an A100 1 s at its peak; here they took 10 s, 4 of them busy, and 1560 J."""
    found = of(flops(312e12), busy(4.0), energy(1560.0))
    assert found.flops_per_s_wall == pytest.approx(31.2e12)
    assert found.flops_per_s_busy == pytest.approx(78e12)
    assert found.flops_per_j == pytest.approx(2e11)
    assert found.mfu_wall == pytest.approx(0.1)
    assert found.mfu_busy == pytest.approx(0.25)
    assert found.why is None
    assert found.source == "NVIDIA A100 data sheet (2021)"
    assert (found.method, found.busy_method, found.per_j_method) == ("measured", "modelled", "measured")
    assert (found.incomplete, found.mfu_bound, found.per_j_bound) == (False, "", "")


def test_each_precision_at_its_own_peak() -> None:
    """1 s of bf16, 2 s of TF32 and 1 s of FP64."""
    found = of(flops(312e12), flops(312e12, "tf32"), flops(19.5e12, "fp64"), busy(8.0))
    assert found.mfu_wall == pytest.approx(0.4)
    assert found.mfu_busy == pytest.approx(0.5)


def test_two_devices_have_twice_the_time() -> None:
    found = of(flops(312e12), flops(2 * 165.2e12, device=TWO), busy(2.0), busy(4.0, TWO))
    assert found.mfu_wall == pytest.approx(3 / 20)
    assert found.mfu_busy == pytest.approx(3 / 6)
    assert found.flops_per_s_busy == pytest.approx((312e12 + 330.4e12) / 6)
    assert found.source == "NVIDIA A100 data sheet (2021); NVIDIA Ada GPU architecture white paper v2 (2023)"


def test_a_gpu_that_counted_nothing_is_not_in_it() -> None:
    found = of(flops(312e12), flops(0.0, device=TWO), busy(4.0), busy(10.0, TWO))
    assert found.mfu_wall == pytest.approx(0.1)
    assert found.mfu_busy == pytest.approx(0.25)


@given(st.floats(1e-3, 1e5), st.sampled_from(["fp64", "fp32", "tf32", "bf16", "fp16", "int8"]))
def test_at_exactly_the_peak_it_is_one(seconds: float, precision: str) -> None:
    peaks = {"fp64": 19.5, "fp32": 19.5, "tf32": 156, "bf16": 312, "fp16": 312, "int8": 624}
    found = of(flops(peaks[precision] * 1e12 * seconds, precision), busy(seconds), wall_s=seconds)
    assert found.mfu_wall == pytest.approx(1.0)
    assert found.mfu_busy == pytest.approx(1.0)


@given(st.floats(1e6, 1e18), st.floats(1e-3, 1e3), st.floats(1e-3, 1e4), st.floats(1e-3, 1e6), st.floats(1e-2, 1e6))
def test_more_flops_are_as_many_times_the_rates(n: float, k: float, wall: float, joules: float, part: float) -> None:
    def at(factor: float) -> Rates:
        work = flops(n * factor), flops(n * factor, "fp32", TWO)
        return of(*work, busy(wall / (1 + part)), busy(wall, TWO), energy(joules), wall_s=wall)

    one, many = at(1.0), at(k)
    for name in ("flops_per_s_wall", "flops_per_s_busy", "flops_per_j", "mfu_wall", "mfu_busy"):
        assert getattr(many, name) == pytest.approx(k * getattr(one, name))


# Unknown peaks


def test_an_unknown_device_says_so_and_how_to_declare_it() -> None:
    name = "NVIDIA GeForce RTX 4070"
    found = rates(Usage(1.0, (flops(1e12), flops(1e12, "fp32"))), {ONE: name}, {})
    assert found is not None
    assert found.flops_per_s_wall == 2e12
    assert (found.mfu_wall, found.mfu_busy, found.source) == (None, None, None)
    assert found.why == (
        f"no peak is known of {name} at bf16, fp32; "
        f"say what it is in jupyter_costmeter_config.py: "
        f'c.CostMeter.peak_flops = {{"{name}": {{"bf16": 1e12, "fp32": 1e12}}}}'
    )


def test_a_device_without_a_name_is_called_by_its_id_and_can_be_declared_by_it() -> None:
    assert 'peak_flops = {"GPU-9": {"bf16": 1e12}}' in (of(flops(1e12, device="GPU-9")).why or "")
    found = of(flops(1e12, device="GPU-9"), declared={"GPU-9": {"bf16": 1e12}})
    assert found.mfu_wall == pytest.approx(0.1)


def test_a_declared_peak_is_labelled_so() -> None:
    found = of(flops(1e12), busy(1.0), declared={"NVIDIA A100*": {"bf16": 1e12}})
    assert found.mfu_wall == pytest.approx(0.1)
    assert (found.method, found.busy_method) == ("declared", "declared")
    assert found.source == "declared (CostMeter.peak_flops)"


def test_one_of_two_devices_unknown_leaves_mfu_unknown() -> None:
    found = of(flops(1e12), flops(1e12, device="GPU-9"), busy(1.0), busy(1.0, "GPU-9"))
    assert found.mfu_wall is None
    assert "GPU-9 at bf16" in (found.why or "")
    assert "A100" not in (found.why or "")
    assert found.flops_per_s_busy == pytest.approx(1e12)


def test_a_little_without_a_peak_is_left_out_and_makes_a_lower_bound() -> None:
    found = of(flops(312e12), flops(1e12, "int"), busy(4.0))
    assert found.mfu_wall == pytest.approx(0.1)
    assert found.mfu_bound == "≥"
    assert not found.incomplete
    assert of(flops(312e12), flops(4e12, "int")).mfu_wall is None


def test_two_of_one_model_are_named_once() -> None:
    found = rates(Usage(1.0, (flops(1.0), flops(1.0, device=TWO))), {ONE: "a GPU", TWO: "a GPU"}, {})
    assert found is not None
    assert (
        found.why == "no peak is known of a GPU at bf16; say what it is in jupyter_costmeter_config.py:"
        ' c.CostMeter.peak_flops = {"a GPU": {"bf16": 1e12}}'
    )


# The CPU


def test_little_on_the_cpu_beside_a_gpu_does_not_matter() -> None:
    found = of(flops(312e12), flops(3e12, "fp32", "CPU"), busy(4.0))
    assert found.flops_per_s_wall == pytest.approx(31.5e12)
    assert found.flops_per_s_busy == pytest.approx(78e12)
    assert found.mfu_wall == pytest.approx(0.1)
    assert found.mfu_busy == pytest.approx(0.25)
    assert found.mfu_bound == ""


def test_much_on_the_cpu_leaves_mfu_unknown_unless_declared() -> None:
    work = flops(312e12), flops(10e12, "fp32", "CPU"), busy(4.0)
    found = of(*work)
    assert (found.mfu_wall, found.mfu_busy) == (None, None)
    assert 'c.CostMeter.peak_flops = {"CPU": {"fp32": 1e12}}' in (found.why or "")
    both = of(*work, declared={"CPU": {"fp32": 10e12}})
    assert both.mfu_wall == pytest.approx(2 / 20)
    assert both.mfu_busy == pytest.approx(0.25)


def test_the_cpu_alone() -> None:
    work = Usage(10.0, (flops(1e12, "fp32", "CPU"),))
    names = {"CPU": "AMD EPYC 7763 64-Core Processor"}
    found = rates(work, names, {})
    assert found is not None
    assert found.flops_per_s_wall == pytest.approx(1e11)
    assert found.flops_per_s_busy is None
    assert "AMD EPYC 7763 64-Core Processor at fp32" in (found.why or "")
    for key in ("CPU", "AMD EPYC 7763*"):
        declared = rates(work, names, {key: {"fp32": 2e12}})
        assert declared is not None
        assert declared.mfu_wall == pytest.approx(0.05)
        assert declared.mfu_busy is None


# Slices


def test_a_slice_has_its_part_of_the_peak() -> None:
    names = {ONE: "NVIDIA A100-SXM4-80GB (a MIG slice)"}
    share = Figure("gpu_share", 2 / 7, MIG_SHARE, ONE)
    for called in (names, NAMES):
        found = rates(Usage(1.0, (flops(312e12 / 7), share)), called, {})
        assert found is not None
        assert found.mfu_wall == pytest.approx(0.5)
        assert found.method == "modelled"
    other = Figure("gpu_share", 1.0, Provenance("modelled", "whole device: upper bound", 0.05), ONE)
    for figures in ((flops(1e12),), (flops(1e12), other)):
        unknown = rates(Usage(1.0, figures), names, {})
        assert unknown is not None
        assert unknown.mfu_wall is None
        assert "(a MIG slice)" in (unknown.why or "")


def test_a_share_of_a_whole_gpu_is_not_of_its_peak() -> None:
    shared = Figure("gpu_share", 0.5, Provenance("modelled", "sm_util: …", 0.2), ONE)
    assert of(flops(312e12), shared).mfu_wall == pytest.approx(0.1)


# Bounds


def test_leading_order_flops_count_in_the_rate_and_not_in_mfu() -> None:
    leading = Figure("flops_fp32_leading", 312e12, COUNT, ONE)
    found = of(flops(312e12), leading, busy(4.0))
    assert found.flops_per_s_wall == pytest.approx(62.4e12)
    assert found.flops_per_s_busy == pytest.approx(156e12)
    assert found.mfu_wall == pytest.approx(0.1)
    assert found.mfu_bound == "≥"
    only = of(leading)
    assert only.mfu_wall is None
    assert only.why == "only leading-order FLOPs were counted, and MFU takes exact counts"


def test_what_was_not_counted_makes_lower_bounds() -> None:
    uncounted = Figure("flops_uncounted", None, Provenance(None, "dispatch", None, "no formula"), "aten::x")
    found = of(flops(312e12), uncounted, energy(100.0))
    assert found.incomplete
    assert (found.mfu_bound, found.per_j_bound) == ("≥", "≥")
    assert found.mfu_wall == pytest.approx(0.1)


def test_flops_per_joule_where_energy_is_missing() -> None:
    uncounted = Figure("flops_uncounted", None, Provenance(None, "dispatch", None, "no formula"), "aten::x")
    half = of(flops(1e12), energy(100.0), energy(None, TWO))
    assert (half.flops_per_j, half.per_j_bound) == (1e10, "≤")
    assert of(flops(1e12), uncounted, energy(100.0), energy(None, TWO)).flops_per_j is None
    assert of(flops(1e12), energy(None)).flops_per_j is None


def test_a_busy_time_that_one_gpu_lacks_is_none() -> None:
    """The others' seconds alone would make all of them look faster than they were."""
    for lacking in ((busy(2.0),), (busy(2.0), busy(None, TWO))):
        found = of(flops(312e12), flops(165.2e12, device=TWO), *lacking)
        assert (found.flops_per_s_busy, found.mfu_busy) == (None, None)
        assert found.mfu_wall == pytest.approx(0.1)


# Never an error

ODD = [None, 0.0, -1.0, math.nan, math.inf, 5e-324, 1e308]


@pytest.mark.parametrize("figures", [(), (flops(0.0),), (flops(None),), (flops(math.nan),), (busy(1.0), energy(1.0))])
def test_none_where_nothing_was_counted(figures: tuple[Figure, ...]) -> None:
    assert rates(Usage(1.0, figures), NAMES, {}) is None


@given(
    st.sampled_from([v for v in ODD if v is not None]),
    *(st.sampled_from(ODD) for _ in range(5)),
    st.sampled_from([ONE, TWO, "CPU", None, "GPU-9"]),
)
def test_odd_numbers_give_no_error_and_no_odd_rate(
    wall: float, a: float | None, b: float | None, used: float | None, j: float | None, p: float | None, where: str
) -> None:
    declared = {"CPU": {"fp32": p}, "GPU-9": {"fp32": p}}
    figures = flops(a), flops(b, "fp32", where), busy(used), busy(used, TWO), energy(j)
    found = rates(Usage(wall, figures), NAMES, declared)  # type: ignore[arg-type]
    for name in ("flops_per_s_wall", "flops_per_s_busy", "flops_per_j", "mfu_wall", "mfu_busy"):
        value = getattr(found, name, None)
        assert value is None or (math.isfinite(value) and value >= 0)


@pytest.mark.parametrize("wall", [0.0, math.nan, -1.0, math.inf])
def test_no_wall_time_no_rate(wall: float) -> None:
    found = of(flops(312e12), busy(4.0), energy(0.0), wall_s=wall)
    assert (found.flops_per_s_wall, found.mfu_wall, found.flops_per_j) == (None, None, None)
    assert found.mfu_busy == pytest.approx(0.25)


@pytest.mark.parametrize("method", ["modelled", "assumed"])
def test_a_rate_is_as_sure_as_what_it_is_made_of(method: Method) -> None:
    joules = Figure("gpu_energy_j", 10.0, Provenance(method, "a model", 0.5), ONE)
    found = of(flops(1e12), busy(1.0), joules)
    assert (found.method, found.per_j_method) == ("measured", method)
