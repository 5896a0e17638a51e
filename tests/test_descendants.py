"""What child processes did, inside of their cell's record."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import accounting
from jupyter_costmeter.descendants import LABEL, MOST, records_of
from jupyter_costmeter.meter import Window
from jupyter_costmeter.reading import Sample
from jupyter_costmeter.record import CellRecord, Figure, Provenance, Usage

CLOCK = Provenance("measured", "a test", 0.01)
WINDOW = Window(Sample(100.0, []), (), 1e9, [], end=Sample(110.0, []))
CELL = CellRecord("s-1", "s", 1, 1e9, Usage(10.0), "ok", notebook="/n.ipynb", project="/p", cell_id="a")


@dataclass(frozen=True)
class Child:
    pid: int
    began_s: float
    ended_s: float | None
    figures: tuple[Figure, ...]


def child(
    pid: int, began_s: float = 101.0, ended_s: float | None = 105.0, flops: float = 0.0, cpu_s: float = 0.0
) -> Child:
    counted = (Figure("flops_fp32", flops, CLOCK, "CPU"),) if flops else ()
    return Child(pid, began_s, ended_s, (*counted, Figure("cpu_s", cpu_s, CLOCK)))


def test_each_is_a_record_inside_the_cells() -> None:
    one, two = records_of(CELL, WINDOW, [child(8, 103.0, None, flops=2.0), child(7, flops=1.0)])
    assert (one.parent_id, one.session_id, one.label, one.notebook, one.project) == (
        "s-1",
        "s",
        LABEL,
        "/n.ipynb",
        "/p",
    )
    assert (one.started_at, one.wall_s) == (1e9 + 1.0, 4.0)
    assert (two.started_at, two.wall_s) == (1e9 + 3.0, 7.0)
    assert one.id != two.id
    assert one.cell_id is None


def test_one_that_lived_before_and_lives_on_was_there_all_the_time() -> None:
    (found,) = records_of(CELL, WINDOW, [child(7, 1.0, None, flops=1.0)])
    assert (found.started_at, found.wall_s) == (1e9, 10.0)


def test_one_that_did_nothing_worth_telling_is_left_out() -> None:
    assert records_of(CELL, WINDOW, [child(7, cpu_s=0.9)]) == []
    (found,) = records_of(CELL, WINDOW, [child(7, cpu_s=1.1)])
    assert found.usage.figure("cpu_s") is not None


@given(st.lists(st.floats(1.0, 1e15), max_size=80))
def test_of_many_those_that_did_most_are_kept(counts: list[float]) -> None:
    found = records_of(CELL, WINDOW, [child(i, flops=count) for i, count in enumerate(counts)])
    kept = [t.value for r in found for t in accounting.cell_totals(r.usage) if t.name == "flops"]
    assert sorted(kept, key=lambda v: v or 0.0) == sorted(counts)[-MOST:]
