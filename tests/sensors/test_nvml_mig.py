"""MIG: the whole GPU's counter, and the slice's part of it; what the slice drew, nobody can know."""

from __future__ import annotations

import pytest
from nvml.probing import devices, opened
from nvml.sim import NO_PERMISSION, Slice

FIRST, SECOND = "MIG-aaaaaaaa-0000-0000-0000-000000000000", "MIG-bbbbbbbb-0000-0000-0000-000000000000"


@pytest.fixture
def sliced(gpus):
    """Two GPUs, the second in MIG mode: a slice of one and one of three sevenths."""

    def make(**kwargs):
        sim = gpus(2, **kwargs)
        parts = [Slice(FIRST, 7, 0, 1, 1, 14, 5 << 30), Slice(SECOND, 2, 0, 3, 3, 42, 20 << 30)]
        sim.set(1, slices=parts, power_w=280.0)
        return sim

    return make


def use_of(there):
    (use,) = there.ask("sensor.observe()")
    return use


@pytest.mark.parametrize(
    ("visible", "share"),
    [
        (FIRST, 1 / 7),
        (SECOND, 3 / 7),
        (f"{SECOND},{FIRST}", 3 / 7),  # of several CUDA takes the first
        ("MIG-b", 3 / 7),
        ("MIG-GPU-00000001-1111-2222-3333-444444444444/2/0", 3 / 7),
        ("MIG-GPU-00000001/7/0", 1 / 7),
        ("1", 1 / 7),  # a GPU in MIG mode: its first slice
        ("GPU-00000001", 1 / 7),
    ],
)
def test_a_slice_reads_its_gpus_counter_and_knows_its_share(sliced, probe, visible, share):
    sim = sliced()
    there, status = opened(probe, sim, CUDA_VISIBLE_DEVICES=visible)
    assert status.ok
    assert "MIG slice" in status.message
    assert devices(there) == [sim.gpus[1].uuid]
    (channel,) = there.ask("sensor.channels")
    assert channel.provenance.method == "measured"
    (before,) = there.ask("sensor.read()")
    sim.advance(1.0)
    assert there.ask("sensor.read()") == (pytest.approx(before + 280.0, abs=0.002),)
    assert use_of(there).slice_share == pytest.approx(share)


@pytest.mark.parametrize("visible", ["MIG-GPU-00000001/9/0", "MIG-GPU-00000000/7/0", "MIG-cc", "MIG-"])
def test_a_slice_that_there_is_not(sliced, probe, visible):
    there, status = opened(probe, sliced(), CUDA_VISIBLE_DEVICES=visible)
    assert not status.ok
    assert "CUDA_VISIBLE_DEVICES" in status.message


def test_without_the_variable_the_slice_of_a_container_is_taken(sliced, probe):
    there, _ = opened(probe, sliced())
    whole, part = there.ask("sensor.observe()")
    assert whole.slice_share is None
    assert part.slice_share == pytest.approx(1 / 7)
    assert None not in there.ask("sensor.read()")


def test_a_compute_instance_is_less_than_its_slice(sliced, probe):
    sim = sliced()
    sim.set(1, slices=[Slice(FIRST, 1, 0, 3, 1)])
    there, _ = opened(probe, sim, CUDA_VISIBLE_DEVICES=FIRST)
    assert use_of(there).slice_share == pytest.approx(1 / 7)


def test_an_a30_has_four_slices(sliced, probe):
    sim = sliced()
    sim.set(1, mig_slices=4)
    there, _ = opened(probe, sim, CUDA_VISIBLE_DEVICES=FIRST)
    assert use_of(there).slice_share == pytest.approx(1 / 4)


def test_where_the_parents_counter_refuses_the_reason_is_there(sliced, probe):
    sim = sliced()
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", NO_PERMISSION, gpu=1)
    there, _ = opened(probe, sim, CUDA_VISIBLE_DEVICES=FIRST)
    assert there.ask("sensor.read()") == (None,)
    (channel,) = there.ask("sensor.channels")
    assert channel.provenance.method is None
    assert "no permission" in channel.provenance.reason


@pytest.mark.parametrize(
    ("symbols", "share"),
    [
        (("nvmlDeviceGetAttributes_v2",), 5 / 40),  # of the memory, then
        (("nvmlDeviceGetMaxMigDeviceCount",), 1 / 7),
        (("nvmlDeviceGetMigDeviceHandleByIndex",), 1 / 7),
        (("nvmlDeviceGetDeviceHandleFromMigDeviceHandle",), 1 / 7),
        (("nvmlDeviceGetHandleByUUID",), 1 / 7),
        (("nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId"), 1 / 7),
        (("nvmlDeviceGetAttributes_v2", "nvmlDeviceGetMemoryInfo"), None),
    ],
)
def test_a_symbol_that_the_driver_lacks(sliced, probe, symbols, share):
    there, _ = opened(probe, sliced(without=symbols), CUDA_VISIBLE_DEVICES=FIRST)
    use, (joules,) = use_of(there), there.ask("sensor.read()")
    assert use.slice_share == (None if share is None else pytest.approx(share))
    assert (joules is None) == (share is None)  # the whole GPU's joules never stand for a slice's
    if share is None:
        assert "MIG slice" in there.ask("sensor.channels[0].provenance.reason")
        assert use.sampled_j is None
        assert there.ask("sensor.sampled_provenance") == {}


def test_memory_and_processes_are_the_slices(sliced, probe):
    sim = sliced()
    there, _ = opened(probe, sim, CUDA_VISIBLE_DEVICES=SECOND)
    sim.process(1, there.pid, 6 << 30, slice=1)
    sim.process(1, 1, 2 << 30, slice=1)
    sim.process(1, 2, 4 << 30, slice=0)
    use = use_of(there)
    assert there.ask("sensor.memory_bytes") == {sim.gpus[1].uuid: 20 << 30}
    assert (use.held, use.foreign, use.used_bytes, use.memory_share) == (True, 1, float(6 << 30), 0.75)
    assert (use.busy_s, use.own_sm_s, use.all_sm_s) == (None, None, None)  # NVML has none of a slice
