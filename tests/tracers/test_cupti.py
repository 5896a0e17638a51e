"""Busy time by tracing: what is exact, and what it does to the process."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from cupti.asking import busy, only
from cupti.build import HERE, NAMES, callbacks
from cupti.sim import MEMCPY, MEMSET, SimulatedCupti
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_costmeter.tracers import native
from jupyter_costmeter.tracers.cupti import CuptiTracer

Begun = Callable[..., CuptiTracer]


# What is exact


def test_a_kernel_belongs_to_the_window_that_launched_it_also_when_it_ends_later(
    sim: SimulatedCupti, tracing: CuptiTracer
) -> None:
    first = tracing.mark()
    sim.kernel(0, 1)
    sim.kernel(1, 5)  # still running when the next window launches its own
    second = tracing.mark()
    sim.kernel(4, 6)
    third = tracing.mark()
    assert busy(tracing, first, second) == {sim.uuid(): 5.0}
    assert busy(tracing, second, third) == {sim.uuid(): 2.0}
    assert busy(tracing, first, third) == {sim.uuid(): 6.0}, "the second that both ran counts once"
    figure = only(tracing, first, second)
    assert (figure.name, figure.unit, figure.method) == ("gpu_busy_s", "s", "measured")
    assert "lower bound" not in (figure.source or "")


def test_windows_nest_and_overlap(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    outer = tracing.mark()
    sim.kernel(0, 1)
    inner = tracing.mark()
    sim.kernel(10, 12)
    inner_end = tracing.mark()
    other = tracing.mark()
    sim.kernel(20, 24)
    outer_end = tracing.mark()
    sim.kernel(30, 38)
    other_end = tracing.mark()
    assert busy(tracing, outer, outer_end) == {sim.uuid(): 7.0}
    assert busy(tracing, inner, inner_end) == {sim.uuid(): 2.0}
    assert busy(tracing, other, other_end) == {sim.uuid(): 12.0}


def test_each_gpu_has_its_own_figure_under_the_name_that_nvml_gives_it(
    sim: SimulatedCupti, torch: object, tracer: CuptiTracer, begun: Begun
) -> None:
    sim.reset(gpus=2)
    begun(tracer)
    start = tracer.mark()
    sim.kernel(0, 1, device=0)
    sim.kernel(0, 3, device=1)
    sim.kernel(5, 6, device=0)
    assert busy(tracer, start, tracer.mark()) == {sim.uuid(0): 2.0, sim.uuid(1): 3.0}
    assert sim.uuid(1) == "GPU-00000001-1111-1111-1111-111111111111"


def test_kernels_that_run_at_once_on_two_streams_count_once(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    sim.kernel(0, 2, stream=1)
    sim.kernel(1, 3, stream=2)
    sim.kernel(1.5, 1.75, stream=3)
    assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 3.0}


def test_copies_and_memsets_are_not_kernels(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    sim.kernel(0, 2)
    sim.kernel(3, 9, kind=MEMCPY)
    sim.kernel(10, 19, kind=MEMSET)
    assert not sim.lib.sim_enabled(MEMCPY), "nor do they cost the user anything"
    assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 2.0}


def test_a_window_that_launched_nothing_was_busy_for_zero_seconds(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    assert busy(tracing, tracing.mark(), tracing.mark()) == {sim.uuid(): 0.0}


def test_launches_of_other_threads_count(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    thread = threading.Thread(target=lambda: sim.kernel(0, 4))
    thread.start()
    thread.join()
    assert busy(tracing, start, tracing.mark()) == {sim.uuid(): 4.0}


@pytest.mark.parametrize("left", range(1, 9))
def test_correlation_ids_that_start_again_at_zero_change_nothing(
    left: int, sim: SimulatedCupti, tracing: CuptiTracer
) -> None:
    sim.lib.sim_correlation(2**32 - left)
    marks = []
    for at in range(4):
        marks.append(tracing.mark())
        for piece in range(3):
            sim.kernel(10 * at + 2 * piece, 10 * at + 2 * piece + at / 4)
    marks.append(tracing.mark())
    found = [only(tracing, *pair).value for pair in zip(marks, marks[1:], strict=False)]
    assert found == [0.0, 0.75, 1.5, 2.25]


Step = tuple[str, int, int, int]  # what, device, start and length in seconds
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.just(0), st.just(0), st.just(0)),
        st.tuples(st.just("kernel"), st.integers(0, 1), st.integers(0, 60), st.integers(0, 20)),
        st.tuples(st.just("drain"), st.just(0), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("code", ["the package's", "compiled here"])
def test_any_window_over_any_launches_is_as_calculated(
    code: str,
    sim: SimulatedCupti,
    torch: object,
    tracer: CuptiTracer,
    begun: Begun,
    compiled: native.Buffers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if code == "compiled here":
        monkeypatch.setattr(native, "shared", lambda: compiled)
    monkeypatch.setattr("jupyter_costmeter.tracers.spans.HORIZON", 10_000)
    sim.reset(gpus=2)
    begun(tracer)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS, st.data())
    def check(steps: list[Step], data: st.DataObject) -> None:
        marks, launched = [tracer.mark()], []
        for what, device, start, length in steps:
            if what == "mark":
                marks.append(tracer.mark())
            elif what == "kernel":
                sim.kernel(start, start + length, device)
                launched.append((len(marks) - 1, device, start, start + length))
            elif tracer._trace:
                tracer._trace.drain(flush=True)
        marks.append(tracer.mark())
        pairs = [(first, last) for last in range(len(marks)) for first in range(last)]
        chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=5))
        consecutive = [(i, i + 1) for i in range(len(marks) - 1)]
        for first, last in [*consecutive, *chosen]:
            found = {f.device: f.value for f in tracer.figures(marks[first], marks[last])}
            assert [found.get(sim.uuid(on), 0.0) for on in (0, 1)] == calculated(launched, first, last)

    check()


def calculated(launched: list[tuple[int, int, int, int]], first: int, last: int) -> list[float]:
    """Of each GPU, second by second, which no union is."""
    seconds: tuple[set[int], set[int]] = set(), set()
    for window, on, start, end in launched:
        if first <= window < last:
            seconds[on].update(range(start, end))
    return [float(len(found)) for found in seconds]


def test_the_bytes_in_the_package_are_of_the_source_beside_them(tmp_path: Path) -> None:
    """Where this compiler is the one that made them; another's do the same, as the property above shows."""
    code, starts = callbacks(tmp_path)
    known_starts, known = native._code()
    assert len(starts) == len(known_starts) == len(NAMES)
    if (code, starts) != (known, known_starts):
        print(f"this compiler makes {len(code)} other bytes of {HERE.name}'s callbacks.c; compared by behaviour only")
    assert known[:16] == bytes(16), "the pool's address goes there"


# What it does to the process


def test_a_mark_leaves_the_threads_cuda_context_as_it_was(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    relaxed = sim.lib.sim_relaxed()
    tracing.mark()
    assert sim.lib.sim_depth() == 0
    assert relaxed == 1, "what is allocated at the beginning breaks nobody's capture of a CUDA graph"
    assert sim.lib.sim_relaxed() == relaxed


def test_launching_with_the_interpreter_lock_never_waits_for_the_tracer(
    sim: SimulatedCupti, tracing: CuptiTracer
) -> None:
    """CUPTI calls back while it holds the lock that this launch takes while it holds Python's."""
    start = tracing.mark()
    launch, ended = sim.holding_the_lock.sim_launch, threading.Event()

    def flushing() -> None:
        while not ended.is_set():
            sim.lib.cuptiActivityFlushAll(0)

    threads = [threading.Thread(target=flushing) for _ in range(2)]
    for thread in threads:
        thread.start()
    for at in range(20_000):
        launch(10, 0, 7, 10**9 + at * 100, 10**9 + at * 100 + 60)
    ended.set()
    for thread in threads:
        thread.join()
    assert only(tracing, start, tracing.mark()).value == pytest.approx(20_000 * 60e-9)


def test_a_million_kernels_take_no_memory(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    start = tracing.mark()
    tracing.figures(start, tracing.mark())
    gc.collect()
    before = psutil.Process().memory_info().rss
    for at in range(200):
        sim.lib.sim_launch_many(5000, 0, 10**9 + at * 5_000_000, 1000, 600)
        tracing.figures(start, start)  # as the meter does each second, and CUPTI's thread meanwhile
    figure = only(tracing, start, tracing.mark())
    assert figure.value == pytest.approx(0.6)
    assert "lower bound" not in (figure.source or "")
    assert psutil.Process().memory_info().rss - before < 90e6, "64 MB are CUPTI's buffers; the rows would be 160"
    assert tracing._trace
    assert all(len(device.recent) < 20_000 for device in tracing._trace.devices.values())


def test_what_lies_between_marks_that_nobody_keeps_is_let_go(sim: SimulatedCupti, tracing: CuptiTracer) -> None:
    first = tracing.mark()
    for at in range(1000):
        mark = tracing.mark()
        sim.kernel(at, at + 0.5)
        if at % 50 == 0:
            assert only(tracing, first, mark).value == at * 0.5
    assert tracing._trace
    assert len(tracing._trace._known) < 200
    assert all(len(device.settled) < 200 for device in tracing._trace.devices.values())
    assert only(tracing, first, tracing.mark()).value == 500.0
