"""CUDA graphs and Triton's kernels, by classes that look as theirs do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch_metering import Window, held  # noqa: E402

from jupyter_costmeter.flops.aten.replays import Replays  # noqa: E402
from jupyter_costmeter.flops.aten.triton import WHAT, WHY, Triton  # noqa: E402

assert held  # a fixture
GPU = 0


@pytest.fixture
def module() -> Any:
    """As ``torch.cuda.graphs``."""

    class Base:
        def capture_end(self) -> str:
            return "ended"

        def replay(self) -> str:
            if self.broken:
                raise RuntimeError("CUDA error")
            return "replayed"

        broken = False

    class CUDAGraph(Base):
        def capture_begin(self, pool: Any = None, *, mode: str = "global") -> tuple[Any, str]:
            """Begins."""
            return pool, mode

    return SimpleNamespace(CUDAGraph=CUDAGraph)


@pytest.fixture
def replays(held: Any, module: Any) -> Iterator[Any]:
    found = Replays(held)
    found.install(module)
    yield found
    found.remove()


def on_gpu(kernels: Any, count: int) -> None:
    """As an operator on a GPU that was dispatched."""
    kernels.add("aten::mm", torch.float16, GPU, count)


def captured(kernels: Any, graph: Any, *counts: int) -> None:
    graph.capture_begin()
    for count in counts:
        on_gpu(kernels, count)
    graph.capture_end()


def test_what_is_captured_runs_when_it_is_replayed(held: Any, replays: Any, module: Any) -> None:
    window, graph = Window(), module.CUDAGraph()
    on_gpu(held, 7)
    captured(held, graph, 100, 20)
    assert window.total == 7
    for times in range(1, 4):
        assert graph.replay() == "replayed"
        assert window.total == 7 + 120 * times
    assert window.flops == {"aten::mm": 7 + 360}


def test_several_graphs_each_hold_their_own(held: Any, replays: Any, module: Any) -> None:
    window, one, other = Window(), module.CUDAGraph(), module.CUDAGraph()
    captured(held, one, 100)
    captured(held, other, 30)
    one.replay()
    other.replay()
    other.replay()
    assert window.total == 160
    captured(held, one, 5)  # anew
    one.replay()
    assert window.total == 165


def test_other_threads_go_on_while_one_captures(held: Any, replays: Any, module: Any) -> None:
    window, graph = Window(), module.CUDAGraph()
    graph.capture_begin()
    on_gpu(held, 100)
    thread = threading.Thread(target=on_gpu, args=(held, 3))
    thread.start()
    thread.join()
    graph.capture_end()
    assert window.total == 3
    replayed = threading.Thread(target=graph.replay)
    replayed.start()
    replayed.join()
    assert window.total == 103


def test_what_the_cpu_does_while_a_graph_is_captured_is_done_then(held: Any, replays: Any, module: Any) -> None:
    """No CUDA graph holds it, and no replay repeats it."""
    for run, flops in (
        (lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 4)), 48),
        (lambda: F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)), 72),
    ):
        window, graph = Window(), module.CUDAGraph()
        graph.capture_begin()
        run()
        on_gpu(held, 100)
        graph.capture_end()
        assert window.total == flops
        graph.replay()
        assert window.total == flops + 100


def test_a_replay_of_a_compiled_graph_that_knows_its_flops_adds_none(held: Any, replays: Any, module: Any) -> None:
    window, graph = Window(), module.CUDAGraph()
    captured(held, graph, 100)
    held.muted.add(threading.get_ident())
    graph.replay()
    held.muted.discard(threading.get_ident())
    assert window.total == 0


def test_graphs_captured_before_us_are_replayed_as_they_were(held: Any, module: Any) -> None:
    graph = module.CUDAGraph()
    graph.capture_begin()
    found = Replays(held)
    found.install(module)
    window = Window()
    on_gpu(held, 9)
    assert graph.capture_end() == "ended"
    assert graph.replay() == "replayed"
    assert window.total == 9
    found.remove()


def test_arguments_answers_and_errors_are_theirs(held: Any, replays: Any, module: Any) -> None:
    graph = module.CUDAGraph()
    assert graph.capture_begin("pool", mode="relaxed") == ("pool", "relaxed")
    assert graph.capture_begin.__doc__ == "Begins."
    on_gpu(held, 10)
    graph.capture_end()
    window = Window()
    graph.broken = True
    with pytest.raises(RuntimeError, match="CUDA error"):
        graph.replay()
    assert window.total == 0, "it did not run"


def test_a_fault_of_ours_is_a_note(held: Any, replays: Any, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    window, graph = Window(), module.CUDAGraph()
    captured(held, graph, 10)
    graph._costmeter_held = 5
    assert graph.replay() == "replayed"
    assert window.notes == {
        ("CUDA graphs", "counting it failed: AttributeError: 'int' object has no attribute 'items'")
    }


def test_graphs_without_room_for_attributes_still_run(held: Any) -> None:
    class CUDAGraph:
        __slots__ = ()

        def capture_begin(self) -> int:
            return 1

        def capture_end(self) -> int:
            return 2

        def replay(self) -> int:
            return 3

    found = Replays(held)
    found.install(SimpleNamespace(CUDAGraph=CUDAGraph))
    graph = CUDAGraph()
    assert (graph.capture_begin(), graph.capture_end(), graph.replay()) == (1, 2, 3)
    found.remove()


def test_installed_and_removed(held: Any, module: Any) -> None:
    before = dict(vars(module.CUDAGraph))
    found = Replays(held)
    found.install(module)
    ours = dict(vars(module.CUDAGraph))
    assert ours != before
    found.install(module)  # once
    assert dict(vars(module.CUDAGraph)) == ours
    found.remove()
    found.remove()
    graph = module.CUDAGraph()
    assert (graph.capture_begin(), graph.capture_end(), graph.replay()) == ((None, "global"), "ended", "replayed")
    left = dict(vars(module.CUDAGraph))
    assert {n: left[n] for n in before if n != "__doc__"} == {n: before[n] for n in before if n != "__doc__"}
    assert left == before, "nothing of ours, inherited methods neither"
    Replays(held).install(SimpleNamespace())  # a torch without any


# Triton


class Launched:
    def __init__(self) -> None:
        self.runs: list[tuple[Any, ...]] = []


@pytest.fixture
def triton() -> Any:
    """As ``triton.runtime.jit``."""

    class JITFunction(Launched):
        def run(self, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> str:
            if args == ("broken",):
                raise ValueError("no such kernel")
            self.runs.append((args, grid, kwargs))
            return "compiled"

    return SimpleNamespace(JITFunction=JITFunction)


def test_launches_of_triton_kernels_are_noted(held: Any, triton: Any) -> None:
    found = Triton(held)
    found.install(triton)
    kernel, window = triton.JITFunction(), Window()
    assert kernel.run(1, 2, grid=(1,), warmup=True) == "compiled"
    assert window.notes == set(), "compiled, not run"
    assert kernel.run(1, 2, grid=(1,), warmup=False, num_warps=4) == "compiled"
    assert window.notes == {(WHAT, WHY)}
    assert kernel.runs[-1] == ((1, 2), (1,), {"num_warps": 4})
    window.start()
    with pytest.raises(ValueError, match="no such kernel"):
        kernel.run("broken", grid=(1,), warmup=False)
    assert window.notes == set()
    found.remove()


def test_triton_installed_and_removed(held: Any, triton: Any) -> None:
    before = dict(vars(triton.JITFunction))
    found = Triton(held)
    found.install(triton)
    ours = triton.JITFunction.run
    found.install(triton)
    assert triton.JITFunction.run is ours
    found.remove()
    assert dict(vars(triton.JITFunction)) == before
    found.install(triton)
    theirs = triton.JITFunction.run = lambda *args, **kwargs: "theirs"  # somebody wraps ours
    found.remove()
    assert triton.JITFunction.run is theirs
    Triton(held).install(SimpleNamespace())  # a Triton without any
