"""What children count, read from outside: each window's part of it, and all of it once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_costmeter import attribution, inheriting
from jupyter_costmeter.flops.children import LEAVING, REPORTED, SILENT, ChildrenFlops
from jupyter_costmeter.published import COUNTS, PID, SLOTS, Publisher
from jupyter_costmeter.record import UNCOUNTED, Figure, Provenance, Usage

FLOPS = ("flops_fp32", "CPU", "")
#: A process whose counts this test writes, as if it were that process.
STAND_IN = "import sys; sys.stdin.read()"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[inheriting.Folder]:
    monkeypatch.setattr(inheriting, "_memory", lambda: str(tmp_path))
    made = inheriting.begin("5e" * 16)
    assert made is not None
    inheriting.pause()
    yield made
    inheriting.end()


@pytest.fixture
def start(folder: inheriting.Folder) -> Iterator[Callable[[], tuple[Publisher, subprocess.Popen[bytes]]]]:
    """Begins a process, with the file in which it counts."""
    started = []

    def begin() -> tuple[Publisher, subprocess.Popen[bytes]]:
        process = subprocess.Popen([sys.executable, "-c", STAND_IN], stdin=subprocess.PIPE)
        writer = Publisher(folder.path)
        writer.numbers[PID], writer.numbers[COUNTS] = process.pid, 1.0
        folder.begun()
        started.append(process)
        return writer, process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def value(figures: tuple[Figure, ...], name: str) -> float | None:
    found = [f.value for f in figures if f.name == name]
    assert len(found) <= 1
    return found[0] if found else None


Start = Callable[[], tuple[Publisher, "subprocess.Popen[bytes]"]]


def test_without_children_an_edge_looks_at_nothing(folder: inheriting.Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = ChildrenFlops()
    first = tracer.mark()
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", None)
        assert tracer.mark() is first
    assert tracer.figures(first, tracer.mark()) == ()


def test_a_child_that_lives_through_windows_is_in_each(start: Start) -> None:
    tracer = ChildrenFlops()
    marks = [tracer.mark()]
    writer, process = start()
    for count in (10.0, 10.0, 25.0):
        writer.put(FLOPS, count)
        marks.append(tracer.mark())
    process.communicate(b"")
    writer.put(FLOPS, 30.0)  # what it had counted when it ended
    marks += [tracer.mark(), tracer.mark()]
    found = [value(tracer.figures(a, b), "flops_fp32") for a, b in zip(marks, marks[1:], strict=False)]
    assert found == [10.0, None, 15.0, 5.0, None]
    assert value(tracer.figures(marks[0], marks[-1]), "flops_fp32") == 30.0
    assert not os.path.exists(writer.path)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_windows_parts_add_up_to_what_was_counted(start: Start, data: st.DataObject) -> None:
    tracer, children, marks = ChildrenFlops(), list[list[object]](), [object()]
    marks[0] = first = tracer.mark()
    total = 0.0
    for _ in range(data.draw(st.integers(1, 8))):
        step = data.draw(st.sampled_from(["start", "count", "end"]))
        if step == "start" or not children:
            children.append([*start(), 0.0])
        writer, process, counted = chosen = children[data.draw(st.integers(0, len(children) - 1))]
        more = float(data.draw(st.integers(0, 1000)))
        chosen[2] = counted + more  # type: ignore[operator]
        writer.put(FLOPS, chosen[2])  # type: ignore[attr-defined]
        total += more
        if step == "end":
            process.communicate(b"")  # type: ignore[attr-defined]
            children.remove(chosen)
        if data.draw(st.booleans()):
            marks.append(tracer.mark())
    marks.append(tracer.mark())
    parts = [value(tracer.figures(a, b), "flops_fp32") or 0.0 for a, b in zip(marks, marks[1:], strict=False)]
    assert sum(parts) == total == (value(tracer.figures(first, marks[-1]), "flops_fp32") or 0.0)
    one_by_one = [value(p.figures, "flops_fp32") or 0.0 for p in tracer.parts((first,), (marks[-1],))]
    assert sum(one_by_one) == total


def test_what_a_child_could_not_count_is_said(start: Start) -> None:
    tracer = ChildrenFlops()
    before = tracer.mark()
    writer, _ = start()
    writer.put((UNCOUNTED, "Triton", "Triton: its kernels are not seen"), 3.0)
    (figure,) = [f for f in tracer.figures(before, tracer.mark()) if f.name == UNCOUNTED]
    assert (figure.device, figure.value, figure.reason) == ("Triton", None, "Triton: its kernels are not seen")
    after = tracer.mark()
    assert not [f for f in tracer.figures(after, tracer.mark()) if f.name == UNCOUNTED]


def test_a_child_that_counts_more_than_fits_makes_a_lower_bound(start: Start) -> None:
    tracer = ChildrenFlops()
    before = tracer.mark()
    writer, _ = start()
    for i in range(SLOTS + 1):
        writer.put(("flops_fp32", f"GPU {i}", ""), 1.0)
    (figure,) = [f for f in tracer.figures(before, tracer.mark()) if f.name == UNCOUNTED]
    assert "more kinds of work" in (figure.reason or "")


def test_who_was_ended_by_a_signal_is_known_to_be_silent(start: Start) -> None:
    tracer = ChildrenFlops()
    before = tracer.mark()
    (told, one), (_, other) = start(), start()
    told.end(2.5, None)
    tracer.mark()
    one.communicate(b"")
    other.send_signal(signal.SIGKILL)
    other.wait()
    figures = tracer.figures(before, tracer.mark())
    assert value(figures, SILENT) == 1.0
    assert 2.5 <= (value(figures, REPORTED) or 0.0) < 4.0
    assert value(figures, LEAVING) == 1.0


def test_of_who_does_not_count_nothing_is_taken_for_known(start: Start) -> None:
    """It has imported no torch, and may compute with numpy."""
    tracer = ChildrenFlops()
    before = tracer.mark()
    writer, process = start()
    writer.numbers[COUNTS] = 0.0
    writer.end(5.0, None)
    process.communicate(b"")
    assert tracer.figures(before, tracer.mark()) == ()
    (part,) = tracer.parts((before,), (tracer.mark(),))
    assert value(part.figures, "cpu_s") == 5.0


COUNTED = Provenance("measured", "a test", 0.0)


def uncounted(**seconds: float) -> list[str | None]:
    usage = Usage(9.0, tuple(Figure(name, value, COUNTED) for name, value in seconds.items()))
    return [f.device for f in attribution.with_children(usage).figures if f.name == UNCOUNTED]


def test_only_who_does_not_count_makes_a_lower_bound() -> None:
    assert uncounted(children_cpu_s=5.0) == ["child processes"]
    assert uncounted(children_cpu_s=5.0, reported_cpu_s=4.5) == []
    assert uncounted(children_cpu_s=5.0, reported_cpu_s=3.0) == ["child processes"]
    assert uncounted(children_cpu_s=5.0, reported_cpu_s=3.0, silent_children=1.0) == []
    assert uncounted(children_cpu_s=5.0, reported_cpu_s=3.0, leaving_cpu_s=1.5) == []


def test_flops_of_both_are_one_figure() -> None:
    own, theirs = Provenance("measured", "here", 0.0), Provenance("measured", "there", 0.0)
    figures = [
        Figure("flops_fp32", 1.0, own, "CPU"), Figure("flops_fp32", 2.0, theirs, "CPU"),
        Figure("flops_fp32", 4.0, theirs, "GPU 0"), Figure(UNCOUNTED, None, Provenance(None, "here", reason="a"), "x"),
        Figure(UNCOUNTED, None, Provenance(None, "there", reason="b"), "x"), Figure("cpu_s", 1.0, own),
    ]  # fmt: skip
    found = attribution.with_children(Usage(1.0, tuple(figures))).figures
    assert [(f.name, f.device, f.value, f.source, f.reason) for f in found] == [
        ("cpu_s", None, 1.0, "here", None),
        ("flops_fp32", "CPU", 3.0, "here; there", None),
        ("flops_fp32", "GPU 0", 4.0, "there", None),
        (UNCOUNTED, "x", None, "here", "a; b"),
    ]
