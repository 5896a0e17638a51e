"""GPU readings through the real pynvml, on simulated GPUs (tests/nvml)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvml.sim import DRIVER_NOT_LOADED, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, VERSION_MISMATCH

from jupyter_costmeter.sensors import nvml as module

UNKNOWN = 999


def opened(probe, sim, **env):
    """A process with an open sensor, and what opening said."""
    there = probe(sim, **env)
    return there, there.ask("sensor.open()")


def devices(there):
    return there.ask("[c.device for c in sensor.channels]")


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


def assert_only_a_reason(there, words, absent):
    """One channel without a value says why, so that a record does."""
    (channel,) = there.ask("sensor.channels")
    assert channel.name == "gpu_energy_j"
    assert channel.provenance.method is None
    assert words in channel.provenance.reason
    assert channel.provenance.absent is absent
    assert there.ask("sensor.read()") == (None,)
    assert there.ask("sensor.observe()") == ()


def test_unlike_gpus_by_index_are_all_read(gpus, probe):
    """CUDA counts them fastest first, NVML by bus: index 1 may be either."""
    sim = gpus(2)
    sim.set(0, name="NVIDIA T4")
    assert len(devices(opened(probe, sim, CUDA_VISIBLE_DEVICES="1")[0])) == 2
    by_bus = opened(probe, sim, CUDA_VISIBLE_DEVICES="1", CUDA_DEVICE_ORDER="PCI_BUS_ID")[0]
    assert devices(by_bus) == [sim.gpus[1].uuid]
    assert devices(opened(probe, sim, CUDA_VISIBLE_DEVICES=sim.gpus[1].uuid)[0]) == [sim.gpus[1].uuid]


def test_a_mig_slice_has_no_energy_and_says_so(gpus, probe):
    sim = gpus(2)
    slice_uuid = "MIG-aaaaaaaa-0000-0000-0000-000000000000"
    sim.set(1, slices=[slice_uuid], power_w=300.0)
    there, status = opened(probe, sim, CUDA_VISIBLE_DEVICES=slice_uuid)
    assert "MIG slice" in status.message
    (channel,) = there.ask("sensor.channels")
    assert channel.device == sim.gpus[1].uuid
    assert "MIG slice" in channel.provenance.reason
    assert not channel.provenance.absent
    assert there.ask("sensor.read()") == (None,)


def test_a_gpu_in_mig_mode_has_no_energy_of_ours(gpus, probe):
    sim = gpus(2)
    sim.set(1, slices=["MIG-aaaaaaaa-0000-0000-0000-000000000000"])
    there, status = opened(probe, sim)
    assert status.ok
    first, second = there.ask("sensor.read()")
    assert first is not None
    assert second is None


# What goes wrong


def test_a_lost_gpu_stays_without_a_value_and_the_other_goes_on(gpus, probe):
    sim = gpus(2)
    sim.set(power_w=100.0)
    there, _ = opened(probe, sim)
    assert None not in there.ask("sensor.read()")
    functions = ("TotalEnergyConsumption", "ComputeRunningProcesses_v3", "Samples", "MemoryInfo", "Name", "UUID")
    for function in functions:
        sim.fail(f"nvmlDeviceGet{function}", GPU_IS_LOST, gpu=0)
    sim.advance(1.0)
    first, second = there.ask("sensor.read()")
    assert first is None
    assert second is not None
    lost, fine = there.ask("sensor.observe()")
    assert (lost.held, lost.used_bytes, lost.busy_s) == (None, None, None)
    assert fine.held is False
    assert "lost" in there.ask("sensor.channels[0].provenance.reason")
    for function in functions:
        sim.fail(f"nvmlDeviceGet{function}", 0, gpu=0)
    sim.advance(1.0)
    again = there.ask("sensor.read()")
    assert again[0] is None  # its counter may have started again
    assert again[1] - second == pytest.approx(100.0, abs=0.002)


def test_a_lost_gpus_cell_says_why(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    there.ask("start = sensor.read()")
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", GPU_IS_LOST)
    figure = there.ask("[list(accounting.figures(sensor.channels, start, end)) for end in [sensor.read()]][0][0]")
    assert figure.value is None
    assert "lost" in figure.reason


def test_one_failed_reading_is_one_missing_figure(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", UNKNOWN)
    assert there.ask("sensor.read()") == (None,)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", 0)
    assert there.ask("sensor.read()")[0] is not None


def test_a_counter_reset_is_no_negative_energy(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    there.ask("start = sensor.read()")
    sim.set(offset_j=-500.0)
    figure = there.ask("list(accounting.figures(sensor.channels, start, sensor.read()))[0]")
    assert figure.value is None
    assert "backwards" in figure.reason


def test_no_energy_counter(gpus, probe):
    sim = gpus()
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
    there, status = opened(probe, sim)
    assert not status.ok
    assert "no energy counter (before Volta)" in status.message
    (channel,) = there.ask("sensor.channels")
    assert channel.device == sim.gpus[0].uuid
    assert channel.provenance.reason == "this GPU has no energy counter (before Volta)"
    assert not channel.provenance.absent  # there is a GPU, and a total without it is incomplete
    assert there.ask("sensor.read()") == (None,)
    assert there.ask("sensor.observe()")[0].busy_s is not None


def test_one_of_two_without_a_counter(gpus, probe):
    sim = gpus(2)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED, gpu=0)
    there, status = opened(probe, sim)
    assert status.ok
    assert "before Volta" in status.message
    assert [r is None for r in there.ask("sensor.read()")] == [True, False]


@pytest.mark.parametrize(
    ("code", "words", "remedy"),
    [
        (NO_PERMISSION, "no permission", "access"),
        (VERSION_MISMATCH, "differ in version", "reboot"),
        (UNKNOWN, "does not start", None),
    ],
)
def test_nvml_that_does_not_start(gpus, probe, code, words, remedy):
    sim = gpus()
    sim.fail("nvmlInit", code)
    there, status = opened(probe, sim)
    assert not status.ok
    assert words in status.message
    assert (status.remedy is None) if remedy is None else (remedy in status.remedy)
    assert_only_a_reason(there, words, absent=False)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_library_without_its_driver(gpus, probe, loaded):
    """A login node has the library and no GPU; where there are device files, something is wrong."""
    sim = gpus()
    sim.fail("nvmlInit", DRIVER_NOT_LOADED)
    there = probe(sim)
    there.ask(f"nvml._driver_loaded = lambda: {loaded}")
    assert not there.ask("sensor.open()").ok
    assert_only_a_reason(there, "driver is not loaded", absent=not loaded)


def test_no_permission_for_one_gpu_leaves_the_other(gpus, probe):
    sim = gpus(2)
    sim.fail("nvmlDeviceGetHandleByIndex_v2", NO_PERMISSION, gpu=0)
    there, status = opened(probe, sim)
    assert status.ok
    assert devices(there) == [sim.gpus[1].uuid]


def test_no_permission_for_any_gpu(gpus, probe):
    sim = gpus(2)
    sim.fail("nvmlDeviceGetHandleByIndex_v2", NO_PERMISSION)
    there, status = opened(probe, sim)
    assert not status.ok
    assert_only_a_reason(there, "no permission", absent=False)


def test_a_gpu_lost_before_the_start_is_named(gpus, probe):
    sim = gpus(2)
    sim.fail("nvmlDeviceGetHandleByIndex_v2", GPU_IS_LOST, gpu=0)
    there, status = opened(probe, sim)
    assert status.ok
    assert "lost" in status.message
    assert [r is None for r in there.ask("sensor.read()")] == [True, False]
    assert [u.held for u in there.ask("sensor.observe()")] == [None, False]


def test_a_driver_without_gpus(gpus, probe):
    there, status = opened(probe, gpus(0))
    assert not status.ok
    assert_only_a_reason(there, "finds no GPU", absent=True)


def test_no_driver_costs_no_import(probe):
    there = probe()
    there.ask("nvml.LIBRARY = 'libnvidia-ml-absent.so.1'; nvml._driver_loaded = lambda: False")
    status = there.ask("sensor.open()")
    assert (status.ok, status.message) == (False, "no NVIDIA driver here (libnvidia-ml-absent.so.1 not found)")
    assert_only_a_reason(there, "no NVIDIA driver here", absent=True)
    assert there.ask("'pynvml' in sys.modules") is False


def test_a_container_that_hides_the_library_is_no_machine_without_gpu(probe):
    there = probe()
    there.ask("nvml.LIBRARY = 'libnvidia-ml-absent.so.1'; nvml._driver_loaded = lambda: True")
    status = there.ask("sensor.open()")
    assert "NVIDIA_DRIVER_CAPABILITIES" in status.remedy
    assert_only_a_reason(there, "management library", absent=False)


def test_no_python_package(gpus, probe):
    there = probe(gpus())
    there.ask("sys.modules['pynvml'] = None")
    status = there.ask("sensor.open()")
    assert status.remedy == "pip install nvidia-ml-py"
    assert_only_a_reason(there, "nvidia-ml-py", absent=False)


@pytest.mark.parametrize(
    ("symbol", "lost"),
    [
        ("nvmlDeviceGetTotalEnergyConsumption", "energy"),
        ("nvmlDeviceGetSamples", "busy"),
        ("nvmlDeviceGetComputeRunningProcesses_v3", "held"),
        ("nvmlDeviceGetMemoryInfo", "memory"),
        ("nvmlDeviceGetName", "name"),
        ("nvmlDeviceGetUUID", "uuid"),
        ("nvmlDeviceGetMigMode", None),
        ("nvmlSystemGetDriverVersion", "driver"),
    ],
)
def test_a_symbol_that_the_driver_lacks_costs_one_figure(gpus, probe, symbol, lost):
    sim = gpus(without=(symbol,))
    sim.set(utilization=50.0)
    there, status = opened(probe, sim)
    sim.process(0, there.pid, 1 << 20)
    (use,) = there.ask("sensor.observe()")
    ok = {
        "energy": status.ok and there.ask("sensor.read()") != (None,),
        "busy": use.busy_s is not None,
        "held": use.held is True,
        "memory": bool(there.ask("sensor.memory_bytes")),
        "name": "A100" in status.message,
        "uuid": use.device == sim.gpus[0].uuid,
        "driver": "580.1" in status.message,
    }
    assert [figure for figure, had in ok.items() if not had] == ([lost] if lost else [])


# Processes


def test_a_forked_child_measures_and_so_does_its_parent(gpus, probe):
    sim = gpus()
    sim.set(power_w=100.0)
    there, _ = opened(probe, sim)
    (before,) = there.ask("sensor.read()")
    there.ask(
        """
def forked(call):
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(theirs, repr(call()).encode())
        except BaseException as error:
            os.write(theirs, repr(error).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text
"""
    )
    raw = there.ask("forked(lambda: sensor._nvml.nvmlDeviceGetCount())")
    assert "NVMLError" in raw  # NVML itself does not survive a fork
    sim.advance(1.0)
    assert eval(there.ask("forked(sensor.read)")) == pytest.approx((before + 100.0,), abs=0.002)
    assert "held=False" in there.ask("forked(sensor.observe)")
    assert "ok=True" in there.ask("forked(sensor.open)")
    assert "None" in there.ask("forked(sensor.close)")
    assert there.ask("sensor.read()") == pytest.approx((before + 100.0,), abs=0.002)


def test_a_child_whose_gpus_are_gone_keeps_the_channels(gpus, probe):
    sim = gpus(2)
    there, _ = opened(probe, sim)
    sim.fail("nvmlInit", NO_PERMISSION)
    there.ask("sensor._pid = -1")  # as after a fork
    assert there.ask("sensor.read()") == (None, None)
    assert len(devices(there)) == 2


def test_our_process_and_its_children_hold_a_gpu(gpus, probe):
    sim = gpus(2)
    there, _ = opened(probe, sim)
    child = there.ask("__import__('subprocess').Popen(['sleep', '60']).pid")
    sim.process(0, there.pid, 3 << 30)
    sim.process(0, child, 1 << 30)
    first, second = there.ask("sensor.observe()")
    assert (first.held, first.foreign, first.used_bytes) == (True, 0, float(4 << 30))
    assert (second.held, second.foreign) == (False, 0)
    there.ask(f"os.kill({child}, 9)")


def test_a_foreign_process_is_counted_and_not_ours(gpus, probe):
    sim = gpus(2)
    there, _ = opened(probe, sim)
    sim.process(0, there.pid, 1 << 30)
    sim.process(0, 1, 7 << 30)
    sim.process(1, 1, 7 << 30)
    shared, theirs = there.ask("sensor.observe()")
    assert (shared.held, shared.foreign, shared.used_bytes) == (True, 1, float(1 << 30))
    assert (theirs.held, theirs.foreign) == (False, 1)


def test_memory_that_nvml_does_not_tell_is_not_zero(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    sim.process(0, there.pid, None)
    (use,) = there.ask("sensor.observe()")
    assert use.held is True
    assert use.used_bytes is None


def in_a_container(there, folder, cuda):
    """A ``/proc`` as a container shows it: another pid namespace, and perhaps CUDA's device open."""
    there.ask(
        f"""
proc, own = {str(folder)!r}, str(os.getpid())
for path in ("self/ns", "self/fd", own + "/fd"):
    os.makedirs(os.path.join(proc, path))
os.symlink("pid:[4026532999]", os.path.join(proc, "self/ns/pid"))
if {cuda}:
    os.symlink("/dev/nvidia-uvm", os.path.join(proc, own, "fd/9"))
sensor = nvml.NvmlSensor(proc=proc)
sensor.open()
"""
    )


def test_host_pids_in_a_container_leave_it_open_who_holds_the_gpu(gpus, probe, tmp_path):
    sim = gpus()
    there = probe(sim)
    in_a_container(there, tmp_path / "proc", cuda=True)
    sim.process(0, 3999999, 1 << 30)
    sim.process(0, 3999998, 1 << 30)
    (use,) = there.ask("sensor.observe()")
    assert use.held is None
    assert use.foreign == 1  # we are one process: at least one of the two is not ours
    assert use.used_bytes is None


def test_a_container_that_lists_nobody_while_we_use_cuda(gpus, probe, tmp_path):
    there = probe(gpus())
    in_a_container(there, tmp_path / "proc", cuda=True)
    assert there.ask("sensor.observe()[0].held") is None


def test_without_cuda_open_a_container_holds_no_gpu(gpus, probe, tmp_path):
    sim = gpus()
    there = probe(sim)
    in_a_container(there, tmp_path / "proc", cuda=False)
    sim.process(0, 3999999, 1 << 30)
    (use,) = there.ask("sensor.observe()")
    assert (use.held, use.foreign) == (False, 1)


def test_a_host_pid_that_proc_knows_is_ours(gpus, probe, tmp_path):
    sim = gpus()
    there = probe(sim)
    in_a_container(there, tmp_path / "proc", cuda=True)
    (tmp_path / "proc/self/status").write_text("Name:\tpython\nNSpid:\t3999999\t7\n")
    sim.process(0, 3999999, 1 << 30)
    (use,) = there.ask("sensor.observe()")
    assert (use.held, use.foreign, use.used_bytes) == (True, 0, float(1 << 30))


# Busy time


def test_busy_seconds_follow_the_utilisation(gpus, probe):
    sim = gpus()
    sim.set(utilization=50.0)
    there, _ = opened(probe, sim)
    start = there.ask("sensor.observe()[0].busy_s")
    sim.advance(2.0)
    half = there.ask("sensor.observe()[0].busy_s")
    sim.set(utilization=100.0)
    sim.advance(1.0)
    full = there.ask("sensor.observe()[0].busy_s")
    sim.set(utilization=0.0)
    sim.advance(1.0)
    idle = there.ask("sensor.observe()[0].busy_s")
    assert [half - start, full - half, idle - full] == pytest.approx([1.0, 1.0, 0.0], abs=0.06)
    assert there.ask("sensor.observe()[0].busy_s") == idle  # no new sample, no new time


def test_time_that_was_not_sampled_is_not_counted_busy(gpus, probe):
    sim = gpus()
    sim.set(utilization=100.0)
    there, _ = opened(probe, sim)
    sim.advance(3600.0)  # the driver keeps 12 s of samples
    assert there.ask("sensor.observe()[0].busy_s") == pytest.approx(12.0, abs=0.2)


def test_a_gpu_just_started_has_no_sample_yet(gpus, probe):
    sim = gpus(now=0.01)
    sim.set(utilization=100.0)
    there, _ = opened(probe, sim)
    sim.at(1.01)
    assert there.ask("sensor.observe()[0].busy_s") == pytest.approx(0.9, abs=0.01)


def test_no_utilisation_samples_is_not_zero(gpus, probe):
    sim = gpus()
    sim.set(sample_ms=0)
    there, _ = opened(probe, sim)
    assert there.ask("sensor.observe()[0].busy_s") is None


@given(
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=100),
    cuts=st.lists(st.integers(0, 100), max_size=5),
)
def test_busy_time_does_not_depend_on_when_one_looks(shares, cuts):
    samples = [(1_000_000 + 100_000 * (i + 1), share) for i, share in enumerate(shares)]
    edges = [0, *sorted(min(c, len(samples)) for c in cuts), len(samples)]
    seen, total = 1_000_000, 0.0
    for low, high in zip(edges, edges[1:], strict=False):
        part = samples[low:high]
        total += module._integral(seen, part)
        seen = part[-1][0] if part else seen
    assert total == pytest.approx(sum(shares) * 0.1, abs=1e-9)


# Leaving


def test_close_undoes_only_our_own_start(gpus, probe):
    there, _ = opened(probe, gpus())
    there.ask("import pynvml; pynvml.nvmlInit(); sensor.close()")
    assert there.ask("pynvml.nvmlDeviceGetCount()") == 1  # the user's own is still open
    there.ask("pynvml.nvmlShutdown(); sensor.close()")
    with pytest.raises(AssertionError, match="Uninitialized"):
        there.ask("pynvml.nvmlDeviceGetCount()")


def test_after_close_and_after_anothers_shutdown_nothing_raises(gpus, probe):
    there, _ = opened(probe, gpus())
    there.ask("import pynvml; pynvml.nvmlShutdown()")
    assert there.ask("sensor.read()") == (None,)
    there.ask("sensor.observe()")
    there.ask("sensor.close()")
    assert there.ask("sensor.read()") == (None,)
    assert there.ask("sensor.observe()") == ()
    assert there.ask("sensor.open()").ok
    assert there.ask("sensor.read()") != (None,)
