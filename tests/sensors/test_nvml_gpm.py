"""FLOPs by the GPU's pipe counters, by the real pynvml, on simulated H100s: never mixed up, never a silent zero."""

from __future__ import annotations

import pytest
from nvml.gpm_probing import DFMA, DMMA, FP16, FP32, FP64, HMMA, IMMA, advance, assert_only_a_reason, only, window
from nvml.sim import Slice

from jupyter_costmeter.plugins import BUILT_IN
from jupyter_costmeter.record import UNITS

FIRST, SECOND = "MIG-aaaaaaaa-0000-0000-0000-000000000000", "MIG-bbbbbbbb-0000-0000-0000-000000000000"


# The value


def above(width, seconds=2.0):
    """Half a width upwards, with what the driver's counters may lag behind."""
    return (1 + width) * (1 + 0.2 / seconds) - 1


def below(width, seconds=2.0):
    return 1 - (1 - width) * (1 - 0.2 / seconds)


def test_an_h100s_tensor_cores(hopper, traced):
    sim = hopper()
    sim.set(max_sm_mhz=1830.0)
    there = traced(sim)
    sim.pipe(0, HMMA, 41.0)
    figure = only(window(there, sim, 2.5))
    assert figure.device == sim.gpus[0].uuid
    assert figure.value == pytest.approx(0.41 * 989.4e12 * 2.5, rel=1e-3)  # of the data sheet's peak at 1.83 GHz
    assert (figure.unit, figure.method) == ("FLOP", "modelled")
    assert figure.uncertainty == pytest.approx(above(1.0, 2.5), abs=0.011)  # if all of it were FP8, it would be twice
    for words in ("whole device", "between 0.4 and 2.2 times", "BF16", "TF32", "without int8"):
        assert words in figure.source


@pytest.mark.parametrize(
    ("metric", "peak", "half"),
    [
        (FP32, 66.9e12, 0.5),
        (FP64, 33.5e12, 0.5),
        (FP16, 133.8e12, 0.5),
        (DMMA, 66.9e12, 0.0),
        (DFMA, 66.9e12, 0.0),  # the same pipe by its other name
        (IMMA, 0.0, 0.0),  # int8 is no FLOP
    ],
)
def test_each_pipe_by_the_data_sheets_peak_at_its_clock(hopper, traced, metric, peak, half):
    sim = hopper()
    sim.set(sm_mhz=1980.0)
    there = traced(sim)
    sim.pipe(0, metric, 50.0)
    figure = only(window(there, sim))
    assert figure.value == pytest.approx(0.5 * peak, rel=2e-3)
    expected = below(half, 1.0) if half else max(0.05, above(0.0, 1.0))
    assert figure.uncertainty == pytest.approx(expected if peak else 0.05, abs=0.011)


def test_pipes_are_added_up_and_their_double_name_counts_once(hopper, traced):
    sim = hopper()
    there = traced(sim)
    for metric in (HMMA, DMMA, DFMA, FP64, FP32, FP16):
        sim.pipe(0, metric, 10.0)
    per_cycle = 4096 + 256 + 128 + 256 + 512
    assert only(window(there, sim)).value == pytest.approx(0.1 * per_cycle * 132 * 1.83e9)


def test_activity_that_changes_in_the_window_is_averaged(hopper, traced):
    sim = hopper()
    there = traced(sim)
    sim.pipe(0, HMMA, 80.0)
    there.ask("start = tracer.mark()")
    advance(there, sim, 1.0)
    sim.pipe(0, HMMA, 0.0)
    advance(there, sim, 3.0)
    figure = only(there.ask("tracer.figures(start, tracer.mark())"))
    assert figure.value == pytest.approx(0.8 * 4096 * 132 * 1.83e9)


def test_an_idle_gpu_is_a_true_zero(hopper, traced):
    sim = hopper()
    figure = only(window(traced(sim), sim))
    assert (figure.value, figure.method) == (0.0, "modelled")


def test_windows_nest(hopper, traced):
    sim = hopper()
    there = traced(sim)
    sim.pipe(0, HMMA, 50.0)
    there.ask("outer = tracer.mark()")
    advance(there, sim, 1.0)
    inner = only(window(there, sim, 1.0))
    advance(there, sim, 2.0)
    outer = only(there.ask("tracer.figures(outer, tracer.mark())"))
    assert outer.value == pytest.approx(4 * inner.value)


def test_two_gpus_are_told_apart(hopper, traced):
    sim = hopper(2)
    there = traced(sim)
    sim.pipe(0, HMMA, 10.0)
    sim.pipe(1, HMMA, 30.0)
    first, second = window(there, sim)
    assert [first.device, second.device] == [g.uuid for g in sim.gpus]
    assert second.value == pytest.approx(3 * first.value)


def test_a_blackwell_may_have_multiplied_fp4(hopper, traced):
    sim = hopper()
    sim.set(name="NVIDIA B200", cores=148 * 128, cc_major=10, sm_mhz=1856.0, max_sm_mhz=1856.0)
    there = traced(sim)
    sim.pipe(0, HMMA, 100.0)
    figure = only(window(there, sim))
    assert figure.value == pytest.approx(2250e12, rel=1e-3)
    assert figure.uncertainty == pytest.approx(above(3.0, 1.0), abs=0.011)


# The clock


def test_of_two_readings_the_clock_in_between_may_have_been_the_highest(hopper, traced):
    sim = hopper()
    sim.set(sm_mhz=990.0)
    there = traced(sim)
    sim.pipe(0, DMMA, 100.0)
    figure = only(window(there, sim))
    assert figure.value == pytest.approx(256 * 132 * 0.99e9)
    assert figure.uncertainty == pytest.approx(above(1.0, 1.0), abs=0.011)  # it may have been 1980 MHz


def test_the_clock_is_the_mean_of_all_readings_in_the_window(hopper, traced):
    """A running cell is looked at each second."""
    sim = hopper()
    there = traced(sim)
    sim.pipe(0, DMMA, 100.0)
    advance(there, sim, 1.0)
    there.ask("start = tracer.mark()")
    for mhz in (1000.0, 1400.0):
        advance(there, sim, 1.0)
        sim.set(sm_mhz=mhz)
        there.ask("end = tracer.mark()")
    figure = only(there.ask("tracer.figures(start, end)"))
    assert figure.value == pytest.approx(256 * 132 * (1830 + 1000 + 1400) / 3 * 1e6 * 2)
    assert figure.uncertainty == pytest.approx(above(1830 / 1410 - 1), abs=0.011)


def test_without_a_clock_there_is_a_reason(hopper, traced):
    sim = hopper(without=("nvmlDeviceGetClockInfo",))
    assert_only_a_reason(only(window(traced(sim), sim)), "SM clock")


# MIG


@pytest.fixture
def sliced(hopper):
    sim = hopper()
    sim.set(slices=[Slice(FIRST, 7, 0, 1, 1, 16), Slice(SECOND, 2, 0, 3, 3, 60)])
    return sim


@pytest.mark.parametrize(("visible", "sms", "part"), [(FIRST, 16, 0), (SECOND, 60, 1)])
def test_a_mig_slice(sliced, traced, visible, sms, part):
    there = traced(sliced, part=part, CUDA_VISIBLE_DEVICES=visible)
    sliced.pipe(0, HMMA, 90.0, slice=1 - part)
    sliced.pipe(0, HMMA, 40.0, slice=part)
    figure = only(window(there, sliced))
    assert figure.device == sliced.gpus[0].uuid == only_device(there)
    assert figure.value == pytest.approx(0.4 * 4096 * sms * 1.83e9)
    assert "whole MIG slice" in figure.source


def only_device(there):
    """As the sensor names it."""
    (channel,) = there.ask("(sensor.open(), sensor.channels)[1]")
    return channel.device


def test_a_compute_instance_that_is_less_than_its_slice(hopper, traced):
    sim = hopper()
    sim.set(slices=[Slice(FIRST, 2, 0, 3, 1, 16)])
    assert_only_a_reason(only(window(traced(sim, CUDA_VISIBLE_DEVICES=FIRST), sim)), "only a part of the SMs")


@pytest.mark.parametrize("symbol", ["nvmlGpmMigSampleGet", "nvmlDeviceGetAttributes_v2", "nvmlDeviceGetGpuInstanceId"])
def test_a_mig_symbol_that_the_driver_lacks(hopper, traced, symbol):
    sim = hopper(without=(symbol,))
    sim.set(slices=[Slice(FIRST, 7, 0, 1, 1, 16)])
    figure = only(window(traced(sim, CUDA_VISIBLE_DEVICES=FIRST), sim))
    assert figure.value is None
    assert figure.reason


def test_its_figure_is_its_own_and_it_is_known_by_name():
    assert BUILT_IN["tracers"]["gpm"] == "jupyter_costmeter.sensors.nvml.gpm:GpmTracer"
    assert UNITS["flops_hardware"] == "FLOP"
