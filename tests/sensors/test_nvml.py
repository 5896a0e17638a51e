"""GPU readings through the real pynvml, on simulated GPUs (tests/nvml): joules, and of which GPUs."""

from __future__ import annotations

import time

import pytest
from nvml.probing import assert_only_a_reason, devices, opened

# Energy


@pytest.mark.parametrize("step_ms", [0, 20, 100])
def test_energy_is_power_times_time_within_one_step(gpus, probe, step_ms):
    sim = gpus()
    sim.set(power_w=300.0, step_ms=step_ms)
    there, status = opened(probe, sim)
    assert status.ok
    sim.at(100.03)
    (before,) = there.ask("sensor.read()")
    sim.advance(2.0)
    (after,) = there.ask("sensor.read()")
    assert after - before == pytest.approx(600.0, abs=300.0 * step_ms / 1000 + 0.002)


def test_energy_by_the_machines_clock(gpus, probe):
    sim = gpus(now=None)
    sim.set(power_w=250.0, step_ms=20)
    there, _ = opened(probe, sim)
    (before,), start = there.ask("sensor.read()"), time.monotonic()
    time.sleep(0.25)
    (after,), end = there.ask("sensor.read()"), time.monotonic()
    assert after - before == pytest.approx(250.0 * (end - start), abs=250 * 0.05)


def test_power_that_changes_is_integrated(gpus, probe):
    sim = gpus()
    sim.set(power_w=100.0)
    there, _ = opened(probe, sim)
    (before,) = there.ask("sensor.read()")
    sim.advance(3.0)
    sim.set(power_w=400.0)
    sim.advance(0.5)
    (after,) = there.ask("sensor.read()")
    assert after - before == pytest.approx(500.0, abs=0.002)


def test_two_gpus_are_told_apart(gpus, probe):
    sim = gpus(2)
    sim.set(0, power_w=100.0)
    sim.set(1, power_w=300.0, memory_bytes=80 << 30)
    there, status = opened(probe, sim)
    assert status.ok
    assert status.message == "2 GPUs: 2 × NVIDIA A100-SXM4-40GB, driver 580.1"
    assert devices(there) == [g.uuid for g in sim.gpus]
    assert there.ask("sensor.names") == {g.uuid: "NVIDIA A100-SXM4-40GB" for g in sim.gpus}
    assert there.ask("sensor.memory_bytes") == {sim.gpus[0].uuid: 40 << 30, sim.gpus[1].uuid: 80 << 30}
    before = there.ask("sensor.read()")
    sim.advance(1.0)
    after = there.ask("sensor.read()")
    assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx([100.0, 300.0], abs=0.002)


def test_one_gpu_is_named_and_measured(gpus, probe):
    there, status = opened(probe, gpus())
    assert status.message == "1 GPU: NVIDIA A100-SXM4-40GB, driver 580.1"
    (channel,) = there.ask("sensor.channels")
    assert (channel.name, channel.kind) == ("gpu_energy_j", "counter")
    assert (channel.provenance.method, channel.provenance.uncertainty) == ("measured", 0.05)


# Which GPUs


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2]),
        ("1", [1]),
        ("2,0", [2, 0]),
        (" 0 , 2", [0, 2]),
        ("GPU-00000001-1111-2222-3333-444444444444", [1]),
        ("GPU-00000002,GPU-00000000", [2, 0]),
        ("0,GPU-00000002", [0, 2]),
        ("0,9,1", [0]),  # CUDA stops at the first that it does not know
        ("0,-1,1", [0]),
        ("GPU-0", []),  # three begin so
        ("", []),
        ("-1", []),
        ("9", []),
        ("0,0", []),  # CUDA: a repeated one leaves none
        ("NoDevFiles", []),
        ("MIG-11111111-0000-0000-0000-000000000000", []),
    ],
)
def test_cuda_visible_devices(gpus, probe, value, expected):
    sim = gpus(3)
    there, status = opened(probe, sim, **({} if value is None else {"CUDA_VISIBLE_DEVICES": value}))
    if expected:
        assert status.ok
        assert devices(there) == [sim.gpus[i].uuid for i in expected]
        assert len(there.ask("sensor.read()")) == len(there.ask("sensor.observe()")) == len(expected)
    else:
        assert not status.ok
        assert "CUDA_VISIBLE_DEVICES" in status.message
        assert "CUDA_VISIBLE_DEVICES" in status.remedy
        assert_only_a_reason(there, "CUDA_VISIBLE_DEVICES", absent=True)


def test_unlike_gpus_by_index_are_all_read(gpus, probe):
    """CUDA counts them fastest first, NVML by bus: index 1 may be either."""
    sim = gpus(2)
    sim.set(0, name="NVIDIA T4")
    assert len(devices(opened(probe, sim, CUDA_VISIBLE_DEVICES="1")[0])) == 2
    by_bus = opened(probe, sim, CUDA_VISIBLE_DEVICES="1", CUDA_DEVICE_ORDER="PCI_BUS_ID")[0]
    assert devices(by_bus) == [sim.gpus[1].uuid]
    assert devices(opened(probe, sim, CUDA_VISIBLE_DEVICES=sim.gpus[1].uuid)[0]) == [sim.gpus[1].uuid]
