"""Where the pipe counters give nothing, what may go wrong with them, and that no cell waits for them."""

from __future__ import annotations

import time

import pytest
from nvml.gpm_probing import DMMA, FP16, FP32, FP64, HELPERS, HMMA, advance, assert_only_a_reason, only, window
from nvml.sim import DRIVER_NOT_LOADED, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, VERSION_MISMATCH

# Where there is none


def test_below_a_tenth_of_a_second(hopper, traced):
    sim = hopper()
    there = traced(sim)
    assert_only_a_reason(only(window(there, sim, 0.09)), "0.1 s")
    assert only(window(there, sim, 0.11)).value == 0.0


def test_before_hopper(gpus, traced):
    sim = gpus()
    there = traced(sim)
    assert_only_a_reason(only(window(there, sim)), "before Hopper")
    status = there.ask("tracer.status()")
    assert not status.ok
    assert "before Hopper" in status.message


def test_a_gpu_before_hopper_leaves_the_other(hopper, traced):
    sim = hopper(2)
    sim.set(0, gpm=False)
    there = traced(sim)
    old, new = window(there, sim)
    assert_only_a_reason(old, "before Hopper")
    assert new.value == 0.0
    assert "1 of 2 GPUs" in there.ask("tracer.status().message")


def test_a_gpu_that_we_know_nothing_of(hopper, traced):
    sim = hopper()
    sim.set(cc_major=13, cc_minor=7)
    assert_only_a_reason(only(window(traced(sim), sim)), "compute capability 13.7")


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("nvmlGpmQueryDeviceSupport", "525"),
        ("nvmlGpmSampleAlloc", "525"),
        ("nvmlGpmSampleGet", "525"),
        ("nvmlGpmMetricsGet", "NVML error 13"),
        ("nvmlDeviceGetNumGpuCores", "how many SMs"),
        ("nvmlDeviceGetCudaComputeCapability", "compute capability"),
        ("nvmlDeviceGetMaxClockInfo", None),
        ("nvmlGpmSampleFree", None),
        ("nvmlDeviceGetComputeRunningProcesses_v3", None),
    ],
)
def test_a_symbol_that_the_driver_lacks(hopper, traced, symbol, words):
    sim = hopper(without=(symbol,))
    figure = only(window(traced(sim), sim))
    assert figure.value == 0.0 if words is None else words in figure.reason
    assert (figure.method is None) == (words is not None)


def test_a_pynvml_from_before_gpm(hopper, traced):
    sim = hopper()
    there = traced(sim, ready=False)
    there.ask("import pynvml; [delattr(pynvml, name) for name in dir(pynvml) if 'Gpm' in name]; tracer.open(); ready()")
    assert_only_a_reason(only(window(there, sim)), "525")


@pytest.mark.parametrize(("metric", "pipe"), [(HMMA, "HMMA"), (FP32, "FP32"), (FP64, "FP64"), (FP16, "FP16")])
def test_a_pipe_that_the_driver_does_not_tell_is_no_zero(hopper, traced, metric, pipe):
    sim = hopper()
    there = traced(sim)
    sim.fail(f"gpm_metric_{metric}", NOT_SUPPORTED)
    assert_only_a_reason(only(window(there, sim)), f"the {pipe} pipe")


@pytest.mark.parametrize("percent", [250.0, -3.0, float("nan")])
def test_an_activity_that_cannot_be(hopper, traced, percent):
    sim = hopper()
    there = traced(sim)
    sim.pipe(0, FP32, percent)
    assert_only_a_reason(only(window(there, sim)), "no sensible activity")


@pytest.mark.parametrize(("code", "words"), [(NO_PERMISSION, "no permission"), (NOT_SUPPORTED, "set up"), (999, "999")])
def test_a_sample_that_is_refused(hopper, traced, code, words):
    sim = hopper()
    there = traced(sim)
    sim.fail("nvmlGpmSampleGet", code)
    assert_only_a_reason(only(window(there, sim)), words)
    assert there.ask("samples()") == 0
    sim.fail("nvmlGpmSampleGet", 0)
    again = only(window(there, sim))
    assert (again.value == 0.0) == (code == 999)  # what is refused for good is not asked for again


def test_a_gpu_of_others_is_not_this_kernels(hopper, traced):
    """A kernel that sees eight GPUs and uses one must not be given the FLOPs of the rest."""
    sim = hopper(2)
    there = traced(sim)
    sim.set(1, processes={})
    sim.process(1, 1, 1 << 30)
    sim.pipe(1, HMMA, 90.0)
    ours, others = window(there, sim)
    assert ours.value == 0.0
    assert_only_a_reason(others, "did not use")
    assert others.provenance.absent


def test_no_driver_is_no_figure(probe):
    there = probe()
    there.ask("nvml.library.LIBRARY = 'libnvidia-ml-absent.so.1'; nvml.library.driver_loaded = lambda: False")
    there.ask(HELPERS)
    assert there.ask("tracer.open().ok")
    assert "no NVIDIA driver" in there.ask("ready().message")
    assert there.ask("tracer.figures(tracer.mark(), tracer.mark())") == ()
    assert there.ask("'pynvml' in sys.modules") is False


def test_a_login_nodes_library_is_no_figure(hopper, traced):
    sim = hopper()
    sim.fail("nvmlInit", DRIVER_NOT_LOADED)
    there = traced(sim, ready=False)
    there.ask("nvml.library.driver_loaded = lambda: False; tracer.open(); ready()")
    assert there.ask("tracer.figures(tracer.mark(), tracer.mark())") == ()


def test_nvml_that_does_not_start_is_a_reason(hopper, traced):
    sim = hopper()
    sim.fail("nvmlInit", VERSION_MISMATCH)
    there = traced(sim)
    figure = only(window(there, sim))
    assert_only_a_reason(figure, "differ in version")
    assert figure.device is None
    assert "reboot" in there.ask("tracer.status().remedy")


# Lost and found


def test_a_lost_gpu_and_the_other_goes_on(hopper, traced):
    sim = hopper(2)
    there = traced(sim)
    sim.pipe(1, HMMA, 10.0)
    there.ask("start = tracer.mark()")
    advance(there, sim, 1.0)
    sim.fail("nvmlGpmSampleGet", GPU_IS_LOST, gpu=0)
    lost, fine = there.ask("tracer.figures(start, tracer.mark())")
    assert_only_a_reason(lost, "lost")
    assert fine.value == pytest.approx(0.1 * 4096 * 132 * 1.83e9)
    sim.fail("nvmlGpmSampleGet", 0, gpu=0)
    advance(there, sim, 20.0)
    there.ask("tracer.figures(start, tracer.mark()); found_again()")  # found again, off the user's path
    assert_only_a_reason(there.ask("tracer.figures(start, tracer.mark())[0]"), "not there all the time")
    assert [figure.value is None for figure in window(there, sim)] == [False, False]


def test_after_a_driver_reload_later_windows_have_a_value(hopper, traced):
    sim = hopper()
    there = traced(sim)
    there.ask("start = tracer.mark()")
    advance(there, sim, 1.0)
    sim.reload_driver()
    assert_only_a_reason(only(there.ask("tracer.figures(start, tracer.mark())")), "driver was reloaded")
    there.ask("found_again()")
    sim.pipe(0, DMMA, 100.0)
    assert_only_a_reason(only(there.ask("tracer.figures(start, tracer.mark())")), "not there all the time")
    assert only(window(there, sim)).value == pytest.approx(256 * 132 * 1.83e9)


def test_a_reload_leaves_the_users_own_start_alone(hopper, traced):
    """Theirs came after the reload, ours before it: only ours is void, and not ours to undo."""
    sim = hopper()
    there = traced(sim)
    sim.reload_driver()
    there.ask("import pynvml; pynvml.nvmlInit(); tracer.figures(tracer.mark(), tracer.mark()); found_again()")
    assert only(window(there, sim)).value == 0.0
    there.ask("tracer.close()")
    assert there.ask("pynvml.nvmlDeviceGetCount()") == 1


def test_a_mark_never_starts_nvml(hopper, traced):
    sim = hopper()
    there = traced(sim)
    sim.reload_driver()
    sim.hang("nvmlInit", 2000)
    began = time.monotonic()
    there.ask("[tracer.mark() for _ in range(5)] and None")
    assert time.monotonic() - began < 1.0


# Waiting for nobody


def test_opening_and_marking_do_not_wait_for_nvml(hopper, traced):
    sim = hopper()
    sim.hang("nvmlInit", 3000)
    there = traced(sim, ready=False)
    assert_only_a_reason(only(window(there, sim)), "still starting")
    there.ask("before = tracer.mark(); ready()")
    advance(there, sim, 1.0)
    assert_only_a_reason(only(there.ask("tracer.figures(before, tracer.mark())")), "still starting")
    assert only(window(there, sim)).value == 0.0


def test_a_driver_that_hangs_is_waited_for_a_quarter_of_a_second_once(hopper, traced):
    sim = hopper()
    there = traced(sim)
    there.ask("time.sleep(1.6); start = tracer.mark(); time.sleep(1.6)")  # it answered too long ago to be trusted
    advance(there, sim, 1.0)
    sim.hang("nvmlGpmSampleGet", 3000)
    took = [there.ask("[time.monotonic(), tracer.mark(), time.monotonic()][0::2]") for _ in range(4)]
    lengths = [end - begin for begin, end in took]
    assert 0.2 < lengths[0] < 1.0
    assert max(lengths[1:]) < 0.2
    assert_only_a_reason(only(there.ask("tracer.figures(start, tracer.mark())")), "too long")


def test_a_slow_driver_is_left_alone_for_a_minute(hopper, traced):
    sim = hopper()
    there = traced(sim)
    sim.hang("nvmlGpmSampleGet", 400)
    there.ask("tracer.mark() and None")  # it had answered a moment ago, so this one waits for it
    sim.hang("nvmlGpmSampleGet", 0)
    assert_only_a_reason(only(window(there, sim)), "too long")
    there.ask("tracer._patience._rests_until = time.monotonic()")  # a minute later
    assert only(window(there, sim)).value == 0.0


# Fork, and leaving


def test_in_a_forked_child_there_is_a_reason_and_the_parent_goes_on(hopper, traced):
    sim = hopper()
    there = traced(sim)
    there.ask("start = tracer.mark()")
    advance(there, sim, 1.0)
    there.ask("end = tracer.mark()")
    there.ask(
        """
there, back = os.pipe()
if os.fork() == 0:
    try:
        marked = tracer.mark()
        inherited = tracer.figures(start, end)
        del start, end
        tracer.close()
        tracer.open()
        fresh = tracer.mark() if ready().ok else None
        said = [inherited[0].value, inherited[0].reason, marked.why, fresh.why, len(fresh.parts), fresh.parts[0].why]
        os.write(back, repr(said).encode())
    except BaseException as error:
        os.write(back, repr(error).encode())
    os._exit(0)
told = eval(os.read(there, 10000).decode())
os.wait()
"""
    )
    value, reason, why, *fresh = there.ask("told")
    assert value is None
    assert "forked" in reason
    assert why == reason  # the driver is not asked
    assert fresh == [None, 1, None]
    assert only(there.ask("tracer.figures(start, end)")).value == 0.0


def test_samples_go_back_when_nobody_needs_them(hopper, traced):
    sim = hopper(2)
    there = traced(sim)
    assert there.ask("samples()") == 0  # the first, by which support is known, too
    there.ask("marks = [tracer.mark() for _ in range(5)]")
    assert there.ask("samples()") == 10
    there.ask("del marks[1:]")
    assert there.ask("samples()") == 2
    there.ask("marks.clear(); [tracer.mark() for _ in range(1000)] and None")
    assert there.ask("samples()") == 0


def test_close_gives_all_back_and_undoes_only_our_own_start(hopper, traced):
    sim = hopper()
    there = traced(sim)
    there.ask("import pynvml; pynvml.nvmlInit(); marks = [tracer.mark()]")
    advance(there, sim, 1.0)
    there.ask("marks += [tracer.mark(), tracer.mark()]; tracer.close()")
    assert there.ask("samples()") == 0
    assert there.ask("pynvml.nvmlDeviceGetCount()") == 1  # the user's own is still open
    assert_only_a_reason(only(there.ask("tracer.figures(marks[0], marks[1])")), "has ended")
    there.ask("tracer.close(); marks.clear(); pynvml.nvmlShutdown()")
    with pytest.raises(AssertionError, match="Uninitialized"):
        there.ask("pynvml.nvmlDeviceGetCount()")
    assert there.ask("tracer.mark().why") == "sampling has ended"
    assert not there.ask(
        "[t for t in threading.enumerate() if t.name == 'costmeter-gpm' and not t.join(2) and t.is_alive()]"
    )


def test_closed_while_nvml_starts(hopper, traced):
    sim = hopper()
    sim.hang("nvmlInit", 500)
    there = traced(sim, ready=False)
    there.ask("tracer.close(); time.sleep(1.0)")
    assert there.ask("tracer.status().message") == "sampling has ended"
    with pytest.raises(AssertionError, match="Uninitialized"):
        there.ask("__import__('pynvml').nvmlDeviceGetCount()")


def test_it_can_be_opened_again(hopper, traced):
    sim = hopper()
    there = traced(sim)
    there.ask("old = tracer.mark(); tracer.open(); ready()")
    assert only(window(there, sim)).value == 0.0
    assert_only_a_reason(only(there.ask("tracer.figures(old, tracer.mark())")), "not there all the time")
