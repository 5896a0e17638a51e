"""What goes wrong with a GPU or its driver, on simulated ones: never a silent zero, and why."""

from __future__ import annotations

import time

import pytest
from nvml.probing import assert_only_a_reason, devices, opened
from nvml.sim import DRIVER_NOT_LOADED, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, VERSION_MISMATCH

UNKNOWN = 999


FUNCTIONS = [
    f"nvmlDeviceGet{function}"
    for function in (
        *("TotalEnergyConsumption", "ComputeRunningProcesses_v3", "ComputeRunningProcesses_v2", "Samples"),
        *("ProcessUtilization", "MemoryInfo", "Name", "UUID", "PowerUsage"),
    )
]


def opened_with_a_clock(probe, sim):
    """Looks for a lost GPU go by ``clock[0]``, in seconds."""
    there = probe(sim)
    there.ask("clock = [0.0]; sensor = nvml.NvmlSensor(clock=lambda: clock[0]); sensor.open()")
    return there


def test_a_lost_gpu_is_not_measured_until_it_is_back_and_the_other_goes_on(gpus, probe):
    sim = gpus(2)
    sim.set(power_w=100.0)
    there = opened_with_a_clock(probe, sim)
    assert None not in there.ask("sensor.read()")
    for function in FUNCTIONS:
        sim.fail(function, GPU_IS_LOST, gpu=0)
    sim.advance(1.0)
    first, second = there.ask("sensor.read()")
    assert first is None
    assert second is not None
    lost, fine = there.ask("sensor.observe()")
    assert (lost.held, lost.used_bytes, lost.busy_s) == (None, None, None)
    assert fine.held is False
    assert "lost" in there.ask("sensor.channels[0].provenance.reason")
    assert there.ask("sensor.channels[1].provenance.reason") is None
    for function in FUNCTIONS:
        sim.fail(function, 0, gpu=0)
    there.ask("sensor.observe()")
    assert there.ask("sensor.read()")[0] is None  # it was looked for a moment ago
    sim.advance(1.0)
    there.ask("clock.__setitem__(0, 20.0); sensor.observe()")
    again = there.ask("sensor.read()")
    assert again[0] is not None
    assert again[1] - second == pytest.approx(100.0, abs=0.002)
    sim.advance(1.0)
    later = there.ask("sensor.read()")
    assert later[0] - again[0] == pytest.approx(100.0, abs=0.002)


def test_a_gpu_that_stays_lost_is_looked_for_ever_more_seldom(gpus, probe):
    """And NVML is not started again for it: the other GPU's counter would fail meanwhile."""
    sim = gpus(2)
    there = opened_with_a_clock(probe, sim)
    there.ask(
        """
sought, starts, original, start = [], [], nvml.devices.found, sensor._library.start
nvml.devices.found = lambda library: sought.append(clock[0]) or original(library)
sensor._library.start = lambda: starts.append(clock[0]) or start()
"""
    )
    for function in FUNCTIONS:
        sim.fail(function, GPU_IS_LOST, gpu=0)
    there.ask("sensor.read()")
    there.ask("[(clock.__setitem__(0, float(second)), sensor.observe()) for second in range(200)]")
    assert there.ask("sought") == [0, 10, 30, 70, 130, 190]
    assert there.ask("starts") == []


def test_after_a_driver_reload_later_windows_are_measured_again(gpus, probe):
    sim = gpus(2)
    sim.set(power_w=100.0)
    there = opened_with_a_clock(probe, sim)
    there.ask("start = sensor.read(); sensor.observe()")
    busy = there.ask("sensor.observe()[0].busy_s")
    sim.advance(1.0)
    sim.reload_driver()
    sim.advance(1.0)
    assert there.ask("sensor.read()") == (None, None)
    figures = "[list(accounting.figures(sensor.channels, start, end)) for end in [sensor.read()]][0]"
    for figure in there.ask(figures):
        assert figure.value is None
        assert "driver was reloaded" in figure.reason
    uses = there.ask("sensor.observe()")
    assert [use.held for use in uses] == [False, False]
    assert uses[0].busy_s >= busy
    for figure in there.ask(figures):  # the window that began before sees the counter's new start
        assert figure.value is None
        assert "driver was reloaded" in figure.reason
    there.ask("start = sensor.read()")
    sim.advance(2.0)
    values = [(f.value, f.method, f.reason) for f in there.ask(figures)]
    assert values == [(pytest.approx(200.0, abs=0.002), "measured", None)] * 2


def test_a_reload_that_only_a_look_sees(gpus, probe):
    """No counter was read meanwhile: handles and start are renewed before anybody misses them."""
    sim = gpus()
    sim.set(power_w=100.0)
    there = opened_with_a_clock(probe, sim)
    sim.reload_driver()
    there.ask("sensor.observe(); clock.__setitem__(0, 20.0); sensor.observe()")
    assert there.ask("sensor.read()") == (pytest.approx(0.0),)


def test_a_driver_that_is_away_for_a_while(gpus, probe):
    sim = gpus()
    there = opened_with_a_clock(probe, sim)
    sim.reload_driver()
    sim.fail("nvmlInit", DRIVER_NOT_LOADED)
    there.ask("sensor.read(); sensor.observe()")
    assert there.ask("sensor.read()") == (None,)
    assert there.ask("sensor.observe()")[0].held is None
    assert "not loaded" in there.ask("sensor.channels[0].provenance.reason")
    sim.fail("nvmlInit", 0)
    there.ask("clock.__setitem__(0, 20.0); sensor.observe()")
    assert there.ask("sensor.read()") != (None,)


def test_reading_never_starts_nvml_again(gpus, probe):
    """That may take seconds, and a cell waits."""
    sim = gpus()
    there = opened_with_a_clock(probe, sim)
    sim.reload_driver()
    there.ask("clock.__setitem__(0, 100.0)")
    sim.hang("nvmlInit", 2000)
    began = time.monotonic()
    assert there.ask("[sensor.read() for _ in range(5)]") == [(None,)] * 5
    assert time.monotonic() - began < 1.0


def test_a_reload_leaves_the_users_own_start_alone(gpus, probe):
    """Theirs came after the reload, ours before it: only ours is void, and not ours to undo."""
    sim = gpus()
    there = opened_with_a_clock(probe, sim)
    sim.reload_driver()
    there.ask("import pynvml; pynvml.nvmlInit(); sensor.read(); sensor.observe()")
    assert there.ask("sensor.read()") != (None,)
    there.ask("sensor.close()")
    assert there.ask("pynvml.nvmlDeviceGetCount()") == 1


def test_anothers_shutdown_is_no_end(gpus, probe):
    """A library that shuts NVML down once too often (its users are only counted)."""
    sim = gpus()
    sim.set(power_w=100.0)
    there = opened_with_a_clock(probe, sim)
    (before,) = there.ask("sensor.read()")
    there.ask("import pynvml; pynvml.nvmlShutdown()")
    assert there.ask("sensor.read()") == (None,)
    sim.advance(1.0)
    there.ask("sensor.observe()")
    assert there.ask("sensor.read()") == (pytest.approx(before + 100.0, abs=0.002),)


def test_a_counter_that_is_gone_for_good_is_not_asked_again(gpus, probe):
    sim = gpus()
    there = opened_with_a_clock(probe, sim)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", NO_PERMISSION)
    assert there.ask("sensor.read()") == (None,)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", 0)
    there.ask("clock.__setitem__(0, 100.0); sensor.observe()")
    assert there.ask("sensor.read()") == (None,)
    assert "no permission" in there.ask("sensor.channels[0].provenance.reason")


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


@pytest.mark.parametrize(("code", "why"), [(NOT_SUPPORTED, "before Volta"), (NO_PERMISSION, "no permission")])
def test_no_energy_counter(gpus, probe, code, why):
    sim = gpus()
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", code)
    there, status = opened(probe, sim)
    assert status.ok  # there are still the driver's power samples
    assert why in status.message
    assert "power samples" in status.message
    (channel,) = there.ask("sensor.channels")
    assert channel.device == sim.gpus[0].uuid
    assert channel.provenance.method is None
    assert why in channel.provenance.reason
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
    there.ask(f"nvml.library.driver_loaded = lambda: {loaded}")
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
    there.ask("nvml.library.LIBRARY = 'libnvidia-ml-absent.so.1'; nvml.library.driver_loaded = lambda: False")
    status = there.ask("sensor.open()")
    assert (status.ok, status.message) == (False, "no NVIDIA driver here (libnvidia-ml-absent.so.1 not found)")
    assert_only_a_reason(there, "no NVIDIA driver here", absent=True)
    assert there.ask("'pynvml' in sys.modules") is False


def test_a_container_that_hides_the_library_is_no_machine_without_gpu(probe):
    there = probe()
    there.ask("nvml.library.LIBRARY = 'libnvidia-ml-absent.so.1'; nvml.library.driver_loaded = lambda: True")
    status = there.ask("sensor.open()")
    assert "NVIDIA_DRIVER_CAPABILITIES" in status.remedy
    assert_only_a_reason(there, "management library", absent=False)


def test_no_python_package(gpus, probe):
    there = probe(gpus())
    there.ask("sys.modules['pynvml'] = None")
    status = there.ask("sensor.open()")
    assert status.remedy == "pip install nvidia-ml-py"
    assert_only_a_reason(there, "nvidia-ml-py", absent=False)


PROCESSES = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")


@pytest.mark.parametrize(
    ("symbols", "lost"),
    [
        (("nvmlDeviceGetTotalEnergyConsumption",), ["energy"]),
        (("nvmlDeviceGetSamples",), ["busy"]),
        (("nvmlDeviceGetProcessUtilization",), ["sm"]),
        (PROCESSES[:1], []),
        (PROCESSES, ["held", "share", "sm"]),  # whose SM time it was, nobody can say then
        (("nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2"), []),
        (("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2"), ["memory"]),
        (("nvmlDeviceGetEnforcedPowerLimit",), ["limit"]),
        (("nvmlDeviceGetName",), ["name"]),
        (("nvmlDeviceGetUUID",), ["uuid"]),
        (("nvmlDeviceGetMigMode",), []),
        (("nvmlDeviceGetPowerUsage",), []),
        (("nvmlSystemGetDriverVersion",), ["driver"]),
        (("nvmlShutdown",), []),
    ],
)
def test_a_symbol_that_the_driver_lacks_costs_one_figure(gpus, probe, symbols, lost):
    sim = gpus(without=symbols)
    sim.set(utilization=50.0)
    there, status = opened(probe, sim)
    sim.process(0, there.pid, 1 << 20, sm=50.0)
    sim.advance(1.0)
    (use,) = there.ask("sensor.observe()")
    ok = {
        "energy": there.ask("sensor.read()") != (None,),
        "busy": use.busy_s is not None,
        "held": use.held is True,
        "share": use.memory_share == 1.0,
        "sm": use.own_sm_s is not None,
        "memory": bool(there.ask("sensor.memory_bytes")),
        "limit": bool(there.ask("sensor.power_limit_w")),
        "name": "A100" in status.message,
        "uuid": use.device == sim.gpus[0].uuid,
        "driver": "580.1" in status.message,
    }
    assert [figure for figure, had in ok.items() if not had] == lost
    there.ask("sensor.close()")


@pytest.mark.parametrize("symbol", ["nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlInitWithFlags"])
def test_without_what_nobody_can_do_without_there_is_a_reason(gpus, probe, symbol):
    there, status = opened(probe, gpus(without=(symbol,)))
    assert_only_a_reason(there, "NVML", absent=False) if symbol != "nvmlDeviceGetHandleByIndex_v2" else None
    assert not status.ok
    assert status.message


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
    there.ask("sensor.close()")
    assert there.ask("sensor.read()") == (None,)
    assert there.ask("sensor.observe()") == ()
    assert there.ask("sensor.open()").ok
    assert there.ask("sensor.read()") != (None,)
