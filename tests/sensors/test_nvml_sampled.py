"""A GPU without an energy counter: the driver's power samples, integrated, and labelled so."""

from __future__ import annotations

import pytest
from nvml.sim import GPU_IS_LOST, NOT_SUPPORTED


@pytest.fixture
def old(gpus, probe):
    """A GPU from before Volta, and its sensor, whose clock is the simulation's."""

    def make(**fields):
        sim = gpus()
        sim.set(power_w=100.0, **fields)
        sim.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
        there = probe(sim)
        there.ask("clock = [100.0]; sensor = nvml.NvmlSensor(clock=lambda: clock[0]); sensor.open()")
        return sim, there

    return make


def look(sim, there):
    return there.ask(f"clock.__setitem__(0, {sim.clock()!r}) or sensor.observe()[0].sampled_j")


def test_power_samples_are_integrated(old):
    sim, there = old(rise_ms=20.0, fall_ms=150.0)
    start, truth = look(sim, there), sim.energy_j(0, sim.clock())
    for watts, seconds in ((300.0, 1.0), (80.0, 1.0), (400.0, 0.4), (60.0, 1.4)):
        sim.set(power_w=watts)
        sim.advance(seconds)
        assert look(sim, there) - start == pytest.approx(sim.energy_j(0, sim.clock()) - truth, abs=0.5)


def test_where_it_comes_from_is_said(old):
    sim, there = old()
    origin = there.ask("sensor.sampled_provenance")[sim.gpus[0].uuid]
    assert (origin.method, origin.uncertainty) == ("modelled", 0.1)
    assert "power samples" in origin.source
    assert "counter" in origin.source


@pytest.mark.parametrize("power_sample_ms", [20.0, 0.0])
def test_time_in_which_nobody_looked_is_no_cells(old, power_sample_ms):
    """The driver keeps 2.4 s of samples; an hour between two cells is not the second one's."""
    sim, there = old(power_sample_ms=power_sample_ms)
    sim.advance(1.0)
    start = look(sim, there)
    sim.advance(3600.0)
    assert look(sim, there) - start == pytest.approx(245.0, abs=6.0)


def test_no_new_sample_no_new_joule(old):
    sim, there = old()
    sim.advance(1.0)
    assert look(sim, there) == look(sim, there) > 0


def test_without_samples_power_is_read_at_each_look(old):
    sim, there = old(power_sample_ms=0.0)
    origin = there.ask("sensor.sampled_provenance")[sim.gpus[0].uuid]
    assert (origin.method, origin.uncertainty) == ("modelled", 0.2)
    start = look(sim, there)
    sim.advance(1.0)
    assert look(sim, there) - start == pytest.approx(100.0)
    sim.set(power_w=300.0)
    sim.advance(1.0)
    assert look(sim, there) - start == pytest.approx(100.0 + 200.0)  # the mean of the two readings
    sim.fail("nvmlDeviceGetPowerUsage", GPU_IS_LOST)
    sim.advance(1.0)
    assert look(sim, there) is None


def test_with_neither_it_is_not_measured(gpus, probe):
    sim = gpus()
    sim.set(power_sample_ms=0.0)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
    sim.fail("nvmlDeviceGetPowerUsage", NOT_SUPPORTED)
    there = probe(sim)
    assert not there.ask("sensor.open()").ok
    assert there.ask("sensor.sampled_provenance") == {}
    assert there.ask("sensor.observe()")[0].sampled_j is None


def test_a_gpu_with_a_counter_is_not_sampled(gpus, probe):
    there = probe(gpus())
    there.ask("sensor.open()")
    assert there.ask("sensor.sampled_provenance") == {}
    assert there.ask("sensor.observe()")[0].sampled_j is None
