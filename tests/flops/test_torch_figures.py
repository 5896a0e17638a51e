"""The tracer's figures of torch's FLOPs between marks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch_metering import held, metered  # noqa: E402

from jupyter_costmeter.flops.aten.formulas import Partly  # noqa: E402
from jupyter_costmeter.flops.counts import Counts, Snapshot, between  # noqa: E402
from jupyter_costmeter.flops.torch_flops import COUNTING, WAITING, Counting, TorchFlops  # noqa: E402
from jupyter_costmeter.record import FLOPS, UNCOUNTED, Figure  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
assert held  # a fixture


@pytest.fixture
def tracer() -> Iterator[TorchFlops]:
    made = TorchFlops()
    assert made.open().ok
    yield made
    made.close()


def figures(tracer: TorchFlops, *work: Callable[[], Any]) -> dict[str, Figure]:
    start = tracer.mark()
    for run in work:
        run()
    found = tracer.figures(start, tracer.mark())
    assert {figure.name for figure in found} <= set(FLOPS)
    return {figure.name: figure for figure in found}


def mm(dtype: Any = torch.float32) -> Any:
    return torch.mm(torch.ones(2, 3, dtype=dtype), torch.ones(3, 4, dtype=dtype))


def cholesky(dtype: Any = torch.float32) -> Any:
    return torch.linalg.cholesky(torch.eye(6, dtype=dtype))


def test_figures_by_precision_with_their_origin(tracer: TorchFlops) -> None:
    found = figures(tracer, mm, mm, lambda: mm(torch.bfloat16), lambda: mm(torch.complex128), cholesky)
    assert {name: figure.value for name, figure in found.items()} == {
        "flops_fp32": 96.0,
        "flops_bf16": 48.0,
        "flops_fp64": 192.0,
        "flops_fp32_leading": 72.0,
    }
    exact, order = found["flops_fp32"].provenance, found["flops_fp32_leading"].provenance
    assert (exact.method, exact.uncertainty) == ("measured", 0.0)
    assert (order.method, order.uncertainty) == ("modelled", 0.3)
    assert "leading order" in order.source
    assert {figure.device for figure in found.values()} == {"CPU"}


def test_nothing_ran_nothing_to_say(tracer: TorchFlops) -> None:
    assert figures(tracer, lambda: torch.ones(3) + 1) == {}
    assert tracer.figures(None, None) == ()
    assert tracer.figures(tracer.mark(), None) == ()
    assert tracer.figures(tracer.mark(), object()) == ()


def test_no_mark_at_the_start_is_one_from_before_torch_was_there() -> None:
    counting = Counting()
    tracer = TorchFlops(counting)
    assert tracer.open().ok
    try:
        mm()
        end = tracer.mark()
    finally:
        tracer.close()
    assert [(f.name, f.value) for f in tracer.figures(None, end)] == [("flops_fp32", 48.0)]


def test_what_was_not_counted_has_no_value_but_a_reason(tracer: TorchFlops) -> None:
    found = figures(tracer, lambda: torch.eye(3).to_sparse() @ torch.ones(3, 2), mm)
    figure = found[UNCOUNTED]
    assert figure.value is None
    assert figure.device == "sparse operators"
    assert figure.provenance.reason == "sparse operators: their FLOPs do not follow from shapes"
    assert found["flops_fp32"].value == 48.0


def test_a_lower_bound_says_why(tracer: TorchFlops) -> None:
    kernels = tracer.counting.kernels
    assert kernels is not None
    found = figures(
        tracer, lambda: kernels.add("aten::_flash_attention_forward", torch.float16, 0, Partly(90, "packed"))
    )
    assert found["flops_fp16"].value == 90.0
    assert found[UNCOUNTED].provenance.reason == "aten::_flash_attention_forward: packed"


def test_devices_and_their_tf32(tracer: TorchFlops) -> None:
    kernels = tracer.counting.kernels
    assert kernels is not None
    tracer._names.update({0: "GPU 0 A100", 1: "GPU 1 T4"})
    tracer._capability.update({0: 8, 1: 7})
    start = tracer.mark()
    for device in (0, 1):
        kernels.add("aten::mm", "tf32", device, 10)
        kernels.add("aten::mm", torch.float16, device, 5)
    found = {(f.device, f.name): f.value for f in tracer.figures(start, tracer.mark())}
    assert found == {
        ("GPU 0 A100", "flops_tf32"): 10.0,
        ("GPU 0 A100", "flops_fp16"): 5.0,
        ("GPU 1 T4", "flops_fp32"): 10.0,
        ("GPU 1 T4", "flops_fp16"): 5.0,
    }


def test_a_device_without_cuda_has_a_number(tracer: TorchFlops) -> None:
    kernels = tracer.counting.kernels
    assert kernels is not None
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert figures(tracer, lambda: kernels.add("aten::mm", "tf32", 3, 8))["flops_fp32"].device == "GPU 3"


def test_windows_hold_what_other_threads_did(tracer: TorchFlops) -> None:
    def work() -> None:
        threads = [threading.Thread(target=run) for run in (mm, cholesky, mm)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = figures(tracer, work)
    assert {name: figure.value for name, figure in found.items()} == {"flops_fp32": 96.0, "flops_fp32_leading": 72.0}


def test_opened_and_closed_as_often_as_one_likes() -> None:
    tracer = TorchFlops()
    assert tracer.counting.kernels is None
    for _ in range(2):
        assert tracer.open().message == COUNTING
        tracer.open()
        assert figures(tracer, mm)["flops_fp32"].value == 48.0
        tracer.close()
        tracer.close()
        assert tracer.counting.kernels is None
        assert figures(tracer, mm) == {}
        assert tracer.status().message == WAITING


def test_two_tracers_share_what_is_installed() -> None:
    one, other = TorchFlops(), TorchFlops()
    one.open()
    other.open()
    one.close()
    assert figures(other, mm)["flops_fp32"].value == 48.0
    assert figures(one, mm)["flops_fp32"].value == 48.0, "its counts are the process's"
    other.close()
    assert other.counting.kernels is None


def test_a_mark_makes_good_what_an_interrupt_left(tracer: TorchFlops) -> None:
    kernels = tracer.counting.kernels
    assert kernels is not None
    kernels.muted.add(threading.get_ident())
    assert figures(tracer, mm)["flops_fp32"].value == 48.0


def test_a_torch_that_is_too_old_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.3.1+cu121")
    tracer = TorchFlops(Counting())
    status = tracer.open()
    assert not status.ok
    assert status.message == "torch 2.3 is too old to count FLOPs in (they are from 2.4 on)"
    assert status.remedy == "use a later torch, or CostMeter.flops = False"
    assert figures(tracer, mm) == {}
    tracer.close()


@pytest.mark.parametrize("version", ["2.10.0a0+git1234", "3.0.0.dev20270101", "2.4.0"])
def test_versions_are_compared_as_numbers(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    tracer = TorchFlops(Counting())
    assert tracer.open().message == COUNTING
    tracer.close()


@pytest.mark.parametrize("version", ["unknown", "", None])
def test_something_else_called_torch_is_no_error(version: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("torch")
    if version is not None:
        fake.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", fake)
    tracer = TorchFlops(Counting())
    status = tracer.open()
    assert not status.ok
    assert "Error" in status.message
    assert tracer.figures(tracer.mark(), tracer.mark()) == ()
    tracer.close()


def test_torch_is_waited_for_and_noticed_at_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    tracer = TorchFlops(Counting())
    status = tracer.open()
    assert (status.ok, status.message) == (True, WAITING)
    monkeypatch.setitem(sys.modules, "torch", torch)  # by a loader that could not be watched
    tracer.mark()
    assert tracer.status().message == COUNTING
    assert figures(tracer, mm)["flops_fp32"].value == 48.0
    tracer.close()


def test_a_half_imported_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    half = ModuleType("torch")
    half.__spec__ = SimpleNamespace(_initializing=True)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "torch", half)
    tracer = TorchFlops(Counting())
    assert tracer.open().message == WAITING
    tracer.mark()
    assert tracer.status().message == WAITING
    tracer.close()


def test_operators_that_could_not_be_replaced_are_named(tracer: TorchFlops) -> None:
    kernels = tracer.counting.kernels
    assert kernels is not None
    kernels.failed["aten::mm"] = "RuntimeError: taken"
    assert tracer.status().message == f"{COUNTING}; not aten::mm"


def test_marks_are_quick(tracer: TorchFlops) -> None:
    from time import perf_counter

    def took() -> float:
        start = perf_counter()
        for _ in range(100):
            tracer.mark()
        return (perf_counter() - start) / 100

    assert min(took() for _ in range(5)) < 200e-6


# Conservation

WORK: dict[str, Callable[[], Any]] = {
    "mm": mm,
    "complex": lambda: mm(torch.cfloat),
    "conv": lambda: F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)),
    "dot": lambda: torch.dot(torch.ones(5), torch.ones(5)),
    "cholesky": cholesky,
    "sparse": lambda: torch.eye(3).to_sparse() @ torch.ones(3, 2),
    "nothing": lambda: torch.ones(3) * 2,
}


@settings(max_examples=40)
@given(st.lists(st.sampled_from([*WORK, "mark", "thread"]), max_size=30))
def test_windows_add_up_to_the_whole(steps: list[str]) -> None:
    tracer = TorchFlops()
    with metered():
        tracer.open()
        marks = [tracer.mark()]
        for step in steps:
            if step == "mark":
                marks.append(tracer.mark())
            elif step == "thread":
                thread = threading.Thread(target=mm)
                thread.start()
                thread.join()
            else:
                WORK[step]()
        marks.append(tracer.mark())
        parts: dict[str, float] = {}
        reasons: set[str | None] = set()
        for start, end in zip(marks, marks[1:], strict=False):
            for figure in tracer.figures(start, end):
                parts[figure.name] = parts.get(figure.name, 0.0) + (figure.value or 0.0)
                reasons.add(figure.provenance.reason)
        whole = tracer.figures(marks[0], marks[-1])
        assert parts == {figure.name: figure.value or 0.0 for figure in whole}
        assert reasons == {figure.provenance.reason for figure in whole}
        plain = sum(48 for step in steps if step in ("mm", "thread")) + sum(72 for step in steps if step == "conv")
        plain += sum({"dot": 10, "complex": 4 * 48}.get(step, 0) for step in steps)
        assert parts.get("flops_fp32", 0) == plain
        tracer.close()


KEYS = st.tuples(st.integers(1, 3), st.sampled_from(["aten::mm", "aten::bmm"]), st.just("float32"), st.just(-1))


@given(st.lists(st.one_of(st.none(), st.tuples(KEYS, st.integers(0, 9)))))
def test_counts_only_grow_and_differences_add_up(steps: list[Any]) -> None:
    counts = Counts()
    marks = [counts.snapshot()]
    for step in steps:
        if step is None:
            marks.append(counts.snapshot())
        else:
            counts.flops[step[0]] += step[1]
    marks.append(counts.snapshot())
    sums: dict[Any, int] = {}
    for start, end in zip(marks, marks[1:], strict=False):
        for key, n in between(start, end).flops.items():
            assert n > 0
            sums[key] = sums.get(key, 0) + n
    assert sums == between(marks[0], marks[-1]).flops
    assert isinstance(marks[0], Snapshot)


def test_a_snapshot_is_of_its_instant() -> None:
    counts = Counts()
    before = counts.snapshot()
    counts.flops[1, "aten::mm", "float32", -1] += 5
    counts.of_cpu("aten::bmm")["float32"] += 3
    counts.notes[1, "what", "why"] += 1
    after = counts.snapshot()
    assert (before.flops, before.notes) == ({}, {})
    assert sorted(between(before, after).flops.values()) == [3, 5]
    assert list(between(before, after).notes.values()) == [1]
    assert between(after, after) == Snapshot({}, {})
