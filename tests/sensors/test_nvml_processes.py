"""Who uses the simulated GPUs, and how busy they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvml.probing import devices, opened
from nvml.sim import NO_PERMISSION, NOT_SUPPORTED

from jupyter_costmeter.sensors.nvml import samples

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
    raw = there.ask("forked(lambda: sensor._library._pynvml.nvmlDeviceGetCount())")
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
    there.ask("sensor._forks = -1")  # as after a fork
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


def test_the_share_of_memory_is_of_what_everybody_uses(gpus, probe):
    sim = gpus(2)
    there, _ = opened(probe, sim)
    sim.process(0, there.pid, 6 << 30)
    sim.process(0, 1, 2 << 30)
    sim.process(1, there.pid, 6 << 30)
    sim.process(1, 1, None)
    shared, untold = there.ask("sensor.observe()")
    assert shared.memory_share == 0.75
    assert untold.memory_share is None
    assert untold.used_bytes == float(6 << 30)


def test_who_draws_uses_the_gpu_too(gpus, probe):
    sim = gpus(2)
    there, _ = opened(probe, sim)
    sim.process(0, there.pid, 1 << 30)
    sim.process(0, 1, 1 << 30, graphics=True)
    sim.process(1, there.pid, 1 << 30, graphics=True)
    shared, ours = there.ask("sensor.observe()")
    assert (shared.held, shared.foreign, shared.memory_share) == (True, 1, 0.5)
    assert (ours.held, ours.foreign) == (True, 0)


def test_the_enforced_power_limit_is_known_where_the_driver_tells(gpus, probe):
    sim = gpus(2)
    sim.set(0, limit_w=250.0)
    sim.set(1, limit_w=0.0)
    there, _ = opened(probe, sim)
    assert there.ask("sensor.power_limit_w") == {sim.gpus[0].uuid: 250.0}


# SM time


def sm(there, device=0):
    use = there.ask(f"sensor.observe()[{device}]")
    return use.own_sm_s, use.all_sm_s


@pytest.mark.parametrize("sm_each", [False, True])
def test_the_sm_time_is_told_apart(gpus, probe, sm_each):
    """However often one looks, and whether the driver gives each of its samples or one for all."""
    sim = gpus()
    sim.set(sm_each=sm_each)
    there, _ = opened(probe, sim)
    sim.process(0, there.pid, sm=40.0)
    sim.process(0, 1, sm=20.0)
    for seconds in (1.0, 0.5, 3.0):
        sim.advance(seconds)
        sm(there)
    assert sm(there) == (pytest.approx(0.4 * 4.5, abs=0.1), pytest.approx(0.6 * 4.5, abs=0.1))
    sim.process(0, there.pid, sm=0.0)
    own, everybodys = sm(there)
    sim.advance(2.0)
    later = sm(there)
    assert later[0] - own == pytest.approx(0.0, abs=0.05)
    assert later[1] - everybodys == pytest.approx(0.4, abs=0.05)
    assert sm(there) == later  # no new sample, no new time


@pytest.mark.parametrize("seconds", [0.1, 1.0])
@pytest.mark.parametrize("sm_each", [False, True])
def test_time_in_which_nothing_ran_is_not_made_up(gpus, probe, sm_each, seconds):
    """A process that is idle has no sample; its next one is not for all the time since the last."""
    sim = gpus()
    sim.set(sm_each=sm_each)
    there, _ = opened(probe, sim)
    for _ in range(10):
        sim.advance(1.0)
        assert sm(there) == (0.0, 0.0)
    sim.process(0, there.pid, sm=100.0)
    sim.advance(seconds)
    assert sm(there) == (pytest.approx(seconds, abs=0.15), pytest.approx(seconds, abs=0.15))


def test_the_sm_time_of_a_child_that_has_ended_since_is_ours(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    child = there.ask("child = __import__('subprocess').Popen(['sleep', '60'])") or there.ask("child.pid")
    sim.process(0, child, sm=50.0)
    sim.advance(1.0)
    sm(there)
    sim.advance(1.0)
    there.ask("child.kill(), child.wait()")
    assert sm(there)[0] == pytest.approx(1.0, abs=0.1)


def test_whose_sm_time_it_is_cannot_be_told_in_a_container(gpus, probe, tmp_path):
    sim = gpus()
    there = probe(sim)
    in_a_container(there, tmp_path / "proc", cuda=True)
    sim.process(0, 3999999, sm=50.0)
    sim.advance(2.0)
    own, everybodys = sm(there)
    assert own is None
    assert everybodys == pytest.approx(1.0, abs=0.1)


def test_no_samples_of_processes_is_not_zero(gpus, probe):
    sim = gpus()
    sim.fail("nvmlDeviceGetProcessUtilization", NOT_SUPPORTED)
    there, _ = opened(probe, sim)
    sim.process(0, there.pid, sm=50.0)
    assert sm(there) == (None, None)


def test_what_the_driver_did_not_write_is_no_percentage(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    sim.process(0, 123456, sm=4711.0)
    sim.advance(1.0)
    assert sm(there) == (0.0, 0.0)


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
    shown = [(1_000_000 + 100_000 * (i + 1), share) for i, share in enumerate(shares)]
    edges = [0, *sorted(min(c, len(shown)) for c in cuts), len(shown)]
    seen, total = 1_000_000, 0.0
    for low, high in zip(edges, edges[1:], strict=False):
        part = shown[low:high]
        total += samples.integral(seen, part)
        seen = part[-1][0] if part else seen
    assert total == pytest.approx(sum(shares) * 0.1, abs=1e-9)
