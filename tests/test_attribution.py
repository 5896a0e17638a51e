"""Whose joules: this process tree's part of what the machine's counters say, and by what it is known."""

from __future__ import annotations

import pytest

from jupyter_costmeter import accounting
from jupyter_costmeter.attribution import Device, attributed
from jupyter_costmeter.record import DeviceUse, Figure, Provenance, Usage

COUNTED = Provenance("measured", "a counter", 0.05)
SAMPLED = Provenance("modelled", "power samples", 0.1)


def total_of(name: str, *figures: Figure) -> accounting.Total:
    return next(t for t in accounting.totals(accounting.parts(figures)) if t.name == name)


def gpu(use: DeviceUse, before: DeviceUse | None = None, by: str = "auto", **more: float) -> Usage:
    """A GPU of which its counter says 500 J in 10 s."""
    raw = [Figure("gpu_energy_j", 500.0, COUNTED, "G")]
    return attributed(10.0, raw, [Device(use, before, **more)], gpu_share=by)  # type: ignore[arg-type]


def figure(usage: Usage, name: str) -> Figure:
    found = usage.figure(name)
    assert found is not None, name
    return found


def test_package_energy_is_split_by_cpu_time_and_called_modelled() -> None:
    raw = [
        Figure("own_cpu_s", 3.0, COUNTED),
        Figure("children_cpu_s", 1.0, COUNTED),
        Figure("meter_cpu_s", 1.0, COUNTED),
        Figure("machine_cpu_s", 12.0, COUNTED),
        Figure("package_energy_j", 100.0, COUNTED, "package-0"),
        Figure("package_energy_j", 60.0, COUNTED, "package-1"),
    ]
    usage = accounting.kept(attributed(10.0, raw, idle_w={"package-0": 5.0}))
    total = total_of("cpu_energy_j", *usage.figures)
    assert total_of("cpu_s", *usage.figures).value == 3.0  # the meter's own thread is nobody's cell
    assert total.value == pytest.approx(160 * 3 / 12)
    assert total.method == "modelled"
    idle = usage.figure("cpu_idle_energy_j")
    assert idle is not None
    assert idle.value == pytest.approx(5.0 * 10.0 * 3 / 12)


@pytest.mark.parametrize(
    ("use", "value", "method"),
    [
        (DeviceUse("GPU-1", held=True), 50.0, "measured"),
        (DeviceUse("GPU-1", held=True, foreign=2), 50.0, "modelled"),
        (DeviceUse("GPU-1", held=None), 50.0, "modelled"),
        (DeviceUse("GPU-1", held=False, foreign=2), None, None),
    ],
)
def test_whose_joules_a_gpus_are(use: DeviceUse, value: float | None, method: str | None) -> None:
    usage = attributed(2.0, [Figure("gpu_energy_j", 50.0, COUNTED, "GPU-1")], [Device(use)])
    energy = usage.figure("gpu_energy_j")
    assert energy is not None
    assert (energy.value, energy.method) == (value, method)
    reserved = usage.figure("gpu_reserved_s")
    assert (reserved.value if reserved else None) == (2.0 if use.held else None)


def test_busy_time_never_exceeds_the_windows() -> None:
    before, after = DeviceUse("G", True, busy_s=1.0), DeviceUse("G", True, busy_s=9.0)
    usage = attributed(2.0, [Figure("gpu_energy_j", 50.0, COUNTED, "G")], [Device(after, before)])
    busy = usage.figure("gpu_busy_s")
    assert busy is not None
    assert busy.value == 2.0


@pytest.mark.parametrize(("looked", "cpu_s", "missing"), [(False, 0.3, True), (False, 0.01, False), (True, 9.0, False)])
def test_a_child_that_nobody_saw_leaves_the_gpu_not_measured(looked: bool, cpu_s: float, missing: bool) -> None:
    raw = [
        Figure("own_cpu_s", 0.1, COUNTED),
        Figure("children_cpu_s", cpu_s, COUNTED),
        Figure("gpu_energy_j", 60.0, COUNTED, "G"),
    ]
    usage = attributed(0.2, raw, [Device(DeviceUse("G", held=False))], looked)
    energy = usage.figure("gpu_energy_j")
    assert energy is not None
    assert energy.value is None
    assert energy.provenance.absent is not missing
    assert energy.reason


BEFORE = DeviceUse("G", True, 1, own_sm_s=1.0, all_sm_s=2.0)
SHARED = DeviceUse("G", True, 1, own_sm_s=2.0, all_sm_s=6.0, memory_share=0.5)


@pytest.mark.parametrize(
    ("use", "by", "share", "source", "method"),
    [
        (DeviceUse("G", True), "auto", 1.0, "exclusive", "measured"),
        (SHARED, "auto", 0.25, "sm_util", "modelled"),
        (SHARED, "memory", 0.5, "memory", "modelled"),
        (SHARED, "upper_bound", 1.0, "upper bound", "modelled"),
        (SHARED, "mig_slice", 1.0, "upper bound", "modelled"),
        (SHARED, "exclusive", 1.0, "declared", "declared"),
        (DeviceUse("G", True, 1, memory_share=0.5), "auto", 0.5, "memory", "modelled"),
        (DeviceUse("G", True, 1), "auto", 1.0, "upper bound", "modelled"),
        (DeviceUse("G", None), "auto", 1.0, "cannot be seen", "modelled"),
        (DeviceUse("G", True, slice_share=3 / 7), "auto", 3 / 7, "cannot be known", "modelled"),
    ],
)
def test_a_gpus_energy_is_split_by_a_stated_share(
    use: DeviceUse, by: str, share: float, source: str, method: str
) -> None:
    usage = gpu(use, BEFORE, by)
    found, energy = figure(usage, "gpu_share"), figure(usage, "gpu_energy_j")
    assert found.value == pytest.approx(share)
    assert source in (found.source or "")
    assert found.method == method
    assert energy.value == pytest.approx(500.0 * share)
    alone = "exclusive:" in (found.source or "")
    assert (energy.method == "measured") is alone
    whole = usage.figure("gpu_device_energy_j")
    assert (whole is None) is alone
    assert alone or (whole and whole.value) == 500.0


def test_a_slices_figure_says_what_cannot_be_known() -> None:
    energy = figure(gpu(DeviceUse("G", True, slice_share=1 / 7)), "gpu_energy_j")
    assert (energy.uncertainty or 0) >= 1.0


def test_idle_and_above_idle() -> None:
    idle = figure(gpu(DeviceUse("G", True), idle_w=20.0), "gpu_idle_energy_j")
    assert (idle.value, idle.method) == (200.0, "modelled")
    assert figure(gpu(DeviceUse("G", True), idle_w=80.0), "gpu_idle_energy_j").value == 500.0
    unknown = figure(gpu(DeviceUse("G", True)), "gpu_idle_energy_j")
    assert unknown.value is None
    assert unknown.reason


def test_a_gpu_without_a_counter_has_its_power_samples() -> None:
    raw = [Figure("gpu_energy_j", None, Provenance(None, "NVML", reason="no counter (before Volta)"), "G")]
    use, before = DeviceUse("G", True, sampled_j=90.0), DeviceUse("G", True, sampled_j=20.0)
    energy = figure(attributed(10.0, raw, [Device(use, before, sampled=SAMPLED)]), "gpu_energy_j")
    assert (energy.value, energy.method, energy.source) == (70.0, "modelled", "power samples")


def test_traced_busy_time_goes_before_samples_and_says_why_where_it_is_not_there() -> None:
    use, before = DeviceUse("G", True, busy_s=5.0), DeviceUse("G", True, busy_s=1.0)
    energy = Figure("gpu_energy_j", 500.0, COUNTED, "G")
    traced = Figure("gpu_busy_s", 2.5, Provenance("measured", "CUPTI", 0.01), "G")
    exact = figure(attributed(10.0, [energy, traced], [Device(use, before)]), "gpu_busy_s")
    assert (exact.value, exact.method) == (2.5, "measured")
    aside = Figure("gpu_busy_s", None, Provenance(None, "CUPTI", reason="torch.profiler ran"), "G")
    sampled = figure(attributed(10.0, [energy, aside], [Device(use, before)]), "gpu_busy_s")
    assert (sampled.value, sampled.method) == (4.0, "modelled")
    assert "torch.profiler ran" in (sampled.source or "")


def test_torchs_own_peak_goes_before_nvmls() -> None:
    energy = Figure("gpu_energy_j", 500.0, COUNTED, "G")
    peak = Figure("peak_gpu_bytes", 3e9, Provenance("measured", "torch", 0.01), "G")
    use = DeviceUse("G", True, used_bytes=5e9)
    assert figure(attributed(10.0, [energy, peak], [Device(use)]), "peak_gpu_bytes").value == 3e9
    assert figure(attributed(10.0, [energy], [Device(use)]), "peak_gpu_bytes").value == 5e9


@pytest.mark.parametrize(
    ("busy_s", "idle_w", "value"),
    [(0.0, 50.0, 0.0), (0.0, 20.0, None), (9.0, 50.0, None), (0.0, None, None)],
)
def test_a_long_gap_was_idle_if_its_power_and_its_last_samples_say_so(
    busy_s: float, idle_w: float | None, value: float | None
) -> None:
    """The driver keeps some 20 s of samples: of an hour they tell the end only."""
    use, before = DeviceUse("G", True, busy_s=5.0 + busy_s), DeviceUse("G", True, busy_s=5.0)
    busy = figure(gpu(use, before, idle_w=idle_w, watched=False), "gpu_busy_s")  # type: ignore[arg-type]
    assert busy.value == value
    assert busy.method == ("modelled" if value is not None else None)
    assert value is not None or "nobody looked" in (busy.reason or "")
