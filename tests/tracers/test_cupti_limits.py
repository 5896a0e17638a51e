"""Tracing that begins, steps aside and ends; what is a lower bound, and what is said when nothing can be known."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cupti.asking import busy, only, why
from cupti.build import simulation
from cupti.sim import SimulatedCupti, until

from jupyter_costmeter.tracers import library, native, profilers
from jupyter_costmeter.tracers.cupti import CuptiTracer

Begun = Callable[..., CuptiTracer]


# What is not known yet, or never


def test_what_still_runs_is_not_known_and_later_is(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    sim.kernel(0, 1)
    launch = sim.running()
    end = tracing.mark()
    assert "still running" in (why(tracing, start, end) or "")
    sim.ended(launch, 1, 4)
    assert busy(tracing, start, end) == {sim.uuid(): 4.0}


def test_a_window_is_known_although_a_later_one_still_runs(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    sim.kernel(0, 1)
    end = tracing.mark()
    tracing.figures(start, end)
    sim.lib.sim_marks_hang(1)
    after = tracing.mark()
    sim.kernel(2, 3)
    assert busy(tracing, start, end) == {sim.uuid(): 1.0}
    assert "still running" in (why(tracing, end, after) or "")
    sim.lib.sim_marks_hang(0)
    assert busy(tracing, end, after) == {sim.uuid(): 0.0}
    assert busy(tracing, after, tracing.mark()) == {sim.uuid(): 1.0}


def test_an_earlier_buffer_that_is_still_out_makes_a_lower_bound(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    launch = sim.running()  # in a buffer of its own, that stays with CUPTI while others come back
    sim.lib.sim_launch_many(6000, 0, 10**9, 10, 5)
    end = tracing.mark()
    figure = only(tracing, start, end)
    assert figure.method == "measured"
    assert "lower bound" in (figure.source or "")
    sim.ended(launch, 10, 14)
    figure = only(tracing, start, end)
    assert figure.value == pytest.approx(4 + 6000 * 5e-9)
    assert "lower bound" not in (figure.source or "")


def test_dropped_records_make_a_lower_bound_and_a_lost_edge_says_so(
    sim: SimulatedCupti, torch: object, tracer: CuptiTracer, begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = native.Buffers()
    small._pool.count = 1
    monkeypatch.setattr(native, "shared", lambda: small)
    begun(tracer)
    before = tracer.mark()
    start = tracer.mark()
    tracer.figures(before, start)
    launch = sim.running()  # keeps the only buffer with CUPTI
    sim.lib.sim_launch_many(6000, 0, 10**9, 10, 5)
    lost = tracer.mark()
    sim.ended(launch, 0.5, 0.75)
    until(lambda: small._pool.slots[0].state == native.FREE)
    end = tracer.mark()
    after = tracer.mark()
    figure = only(tracer, start, end)
    assert "lower bound" in (figure.source or "")
    assert figure.value == pytest.approx(0.25, abs=1e-4)
    assert "lost" in (why(tracer, start, lost) or "")
    assert "lower bound" not in (only(tracer, before, start).source or "")
    assert "lower bound" not in (only(tracer, end, after).source or "")


def test_a_kernel_without_times_makes_a_lower_bound(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    sim.lib.sim_launch(10, 0, 7, 0, 5)
    figure = only(tracing, start, tracing.mark())
    assert figure.value == 0.0
    assert "lower bound" in (figure.source or "")


@pytest.mark.parametrize(("registering", "enabling"), [(39, 0), (0, 39), (0, 35), (0, 15), (0, 999)])
def test_what_cupti_refuses_is_said_with_what_to_do(
    registering: int, enabling: int, sim: SimulatedCupti, torch: object, tracer: CuptiTracer
) -> None:
    sim.lib.sim_fail(registering, enabling, 0)
    tracer.mark()
    until(lambda: not tracer.status().ok)
    expected = {39: "another profiler", 35: "no permission", 15: "do not fit", 999: "CUPTI_ERROR_SIMULATED"}
    said = expected[registering or enabling]
    assert said in (why(tracer, tracer.mark(), tracer.mark()) or "")
    status = tracer.status()
    assert said in status.message
    assert status.remedy or enabling == 999
    assert not sim.lib.sim_enabled(10)
    assert not sim.lib.sim_enabled(2), "what had been allowed is given back"


def test_a_failed_mark_costs_its_windows_only(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    sim.lib.sim_fail(0, 0, 700)
    failed = tracing.mark()
    sim.lib.sim_fail(0, 0, 0)
    sim.kernel(0, 2)
    assert why(tracing, start, failed) == "CUDA error 700"
    assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 2.0}


def test_an_interrupt_in_a_mark_leaves_nothing_waiting(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    assert tracing._cuda
    place, tracing._cuda.place = tracing._cuda.place, interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        tracing.mark()
    tracing._cuda.place = place  # type: ignore[method-assign]
    assert tracing._trace
    assert not tracing._trace._waiting
    start = tracing.mark()
    sim.kernel(0, 2)
    assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 2.0}


def interrupted(size: int) -> int:
    raise KeyboardInterrupt


def test_another_tool_that_takes_the_buffers_ends_in_a_reason_not_in_a_leak(
    sim: SimulatedCupti, tracing: CuptiTracer
) -> None:
    tracing.patience_s = 0.0
    tracing.figures(tracing.mark(), tracing.mark())
    sim.lib.sim_taken_over()
    marks = [tracing.mark() for _ in range(200)]
    assert "another profiler" in (why(tracing, marks[-2], marks[-1]) or "")
    assert tracing._trace
    assert len(tracing._trace._waiting) <= 64


# When it begins, steps aside and ends


def test_without_torch_nothing_is_begun_nothing_is_said_and_a_mark_costs_nothing(tracer: CuptiTracer) -> None:
    began = time.perf_counter()
    marks = [tracer.mark() for _ in range(1000)]
    assert time.perf_counter() - began < 0.05
    assert tracer._thread is None
    assert tracer.status().ok
    assert tracer.figures(marks[0], object()) == ()


def test_the_first_window_of_cuda_says_that_tracing_began_after_it(
    sim: SimulatedCupti, torch: types.SimpleNamespace, tracer: CuptiTracer, begun: Begun
) -> None:
    torch.started = False
    before = tracer.mark()
    torch.started = True  # the cell imports torch and runs a kernel
    sim.kernel(0, 1)
    after = tracer.mark()
    begun(tracer)
    start = tracer.mark()
    sim.kernel(2, 4)
    end = tracer.mark()
    assert "began after" in (why(tracer, before, after) or "")
    assert "began after" in (why(tracer, before, end) or "")
    assert busy(tracer, start, end) == {sim.uuid(): 2.0}


def test_torch_that_has_made_no_context_yet_is_asked_again(
    sim: SimulatedCupti, torch: object, tracer: CuptiTracer, begun: Begun
) -> None:
    sim.reset(context=False)
    tracer.mark()
    until(lambda: tracer._thread is not None and not tracer._thread.is_alive())
    assert tracer.status().ok
    sim.reset()
    begun(tracer)


def test_cuda_without_torch_is_seen_off_the_path(sim: SimulatedCupti, tracer: CuptiTracer) -> None:
    assert tracer.figures(tracer.mark(), tracer.mark()) == ()
    until(lambda: tracer.status().message == "GPU kernels are traced")


def test_libraries_that_are_loaded_late_are_found(tmp_path: Path, torch: object) -> None:
    """In a process of its own: not loaded, torch's CUDA not up; then both."""
    names = "libcupti_late.so.12", "libcuda_late.so.1"
    path = simulation(tmp_path, *names)
    program = f"""
import sys, time, types
from pathlib import Path
from jupyter_costmeter.tracers.cupti import CuptiTracer
tracer = CuptiTracer(cupti=({names[0]!r},), cuda=({names[1]!r},))
print(tracer.open().ok, tracer.figures(tracer.mark(), tracer.mark()))
from cupti.sim import SimulatedCupti
sim = SimulatedCupti(Path({str(path)!r}), {names[0]!r})
sys.modules["torch"] = types.SimpleNamespace(cuda=types.SimpleNamespace(is_initialized=lambda: True))
tracer.mark()
while tracer.status().message != "GPU kernels are traced":
    time.sleep(0.01)
start = tracer.mark()
sim.kernel(0, 2)
print([f.value for f in tracer.figures(start, tracer.mark())])
assert "numpy" not in sys.modules
sim.kernel(0, 2)  # and the process ends without closing
"""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True ()\n[2.0]\n", "")


def test_a_library_that_is_not_there_is_the_reason(torch: object) -> None:
    tracer = CuptiTracer(cupti=("libcupti_none.so",), cuda=("libcuda_none.so",))
    tracer.open()
    tracer.mark()
    until(lambda: not tracer.status().ok)
    assert "libcuda is not loaded" in (why(tracer, tracer.mark(), tracer.mark()) or "")
    tracer.close()


@pytest.fixture
def torch_profiler(monkeypatch: pytest.MonkeyPatch, sim: SimulatedCupti) -> Iterator[types.ModuleType]:
    """As torch.autograd.profiler: each entry is looked up in the module, and takes CUPTI."""
    module = types.ModuleType(profilers.MODULE)
    seen: list[bool] = []
    entries = {
        "_prepare_profiler": lambda *args: seen.append(bool(sim.lib.sim_enabled(10))),
        "_enable_profiler": lambda *args: sim.lib.sim_taken_over(),
        "_disable_profiler": lambda: "its results",
    }
    for name, entry in entries.items():
        setattr(module, name, entry)
    module._is_profiler_enabled, module.ours_was_on = False, seen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, profilers.MODULE, module)
    yield module
    assert {name: getattr(module, name) for name in entries} == entries, "torch is left as it was"


def test_it_steps_aside_for_torchs_profiler_says_so_and_comes_back(
    sim: SimulatedCupti, torch: object, torch_profiler: types.ModuleType, tracer: CuptiTracer, begun: Begun
) -> None:
    begun(tracer)
    earlier = tracer.mark()
    sim.kernel(0, 1)
    start = tracer.mark()
    torch_profiler._prepare_profiler("config")
    assert torch_profiler.ours_was_on == [False], "CUPTI is free by the time that the profiler wants it"
    torch_profiler._enable_profiler("config")
    sim.kernel(2, 3)
    inside = tracer.mark()
    assert torch_profiler._disable_profiler() == "its results"
    until(lambda: tracer.status().message == "GPU kernels are traced")
    again = tracer.mark()
    sim.kernel(4, 7)
    end = tracer.mark()
    assert busy(tracer, earlier, start) == {sim.uuid(): 1.0}
    for window in [(start, inside), (inside, again), (start, end), (earlier, end)]:
        assert "torch.profiler" in (why(tracer, *window) or "")
    assert busy(tracer, again, end) == {sim.uuid(): 3.0}
    tracer.close()


def test_it_counts_by_the_clock_that_the_profiler_has_left_in_cupti(
    sim: SimulatedCupti, torch: object, torch_profiler: types.ModuleType, tracer: CuptiTracer, begun: Begun
) -> None:
    """Seen on an H200 with torch 2.11: twice the time, as the records were in ticks of a 2.1 GHz processor."""
    begun(tracer)
    torch_profiler._prepare_profiler("config")
    sim.lib.sim_ticks(2.097)
    torch_profiler._disable_profiler()
    until(lambda: tracer.status().message == "GPU kernels are traced")
    start = tracer.mark()
    sim.kernel(4 * 2.097, 7 * 2.097)
    end = tracer.mark()
    assert busy(tracer, start, end)[sim.uuid()] == pytest.approx(3.0, rel=0.005)
    tracer.close()


def test_a_busy_machine_is_not_taken_for_another_clock(
    sim: SimulatedCupti, torch: object, tracer: CuptiTracer, begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is put off for 5 ms between our clock and CUPTI's: its looks are too slow to tell."""
    instants = iter([(9_000_000, 0, 5_000_000), (9_000_000, 20_000_000, 35_000_000)])
    monkeypatch.setattr(library.Cupti, "_instant", lambda self: next(instants))
    begun(tracer)
    start = tracer.mark()
    sim.kernel(4, 7)
    assert busy(tracer, start, tracer.mark()) == {sim.uuid(): 3.0}
    tracer.close()


def test_a_profiler_that_already_runs_is_left_alone(
    sim: SimulatedCupti, torch: object, torch_profiler: types.ModuleType, tracer: CuptiTracer, begun: Begun
) -> None:
    torch_profiler._is_profiler_enabled = True  # type: ignore[attr-defined]
    begun(tracer, "torch.profiler had CUPTI, which serves one at a time")
    assert not sim.lib.sim_ours()
    torch_profiler._disable_profiler()
    until(lambda: tracer.status().message == "GPU kernels are traced")
    tracer.close()


def test_a_forked_child_traces_nothing_and_says_so(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    marks = sim.lib.sim_marks()
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            end = tracing.mark()
            said = f"{sim.lib.sim_marks() - marks} {[(f.value, f.reason) for f in tracing.figures(start, end)]}"
            tracing.close()
            os.write(writing, said.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 4096).startswith(b"0 [(None, 'in a forked process")
    sim.kernel(0, 2)
    assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 2.0}, "the parent goes on"


def test_after_closing_nothing_is_recorded_and_no_thread_is_left(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    thread = tracing._thread
    tracing.close()
    assert not sim.lib.sim_enabled(10)
    assert not sim.lib.sim_enabled(2)
    assert thread
    assert not thread.is_alive()
    assert "ended" in (why(tracing, start, tracing.mark()) or "")


def test_opened_again_it_traces_again(sim: SimulatedCupti, torch: object, tracing: CuptiTracer, begun: Begun) -> None:
    for _ in range(3):
        tracing.close()
        tracing.open()
        begun(tracing)
        start = tracing.mark()
        sim.kernel(0, 2)
        assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 2.0}
