"""What a cell had used when its loop began, by hand and as properties."""

from __future__ import annotations

from dataclasses import replace

import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.progressing import Progress
from jupyter_costmeter.record import CellRecord, Usage
from jupyter_costmeter.sights import Sights, between

START = golden.OPEN.started_at


def cell(wall_s: float, joules: float | None) -> CellRecord:
    return replace(golden.OPEN, usage=golden.usage(wall_s, joules))


def gpu_j(usage: Usage | None) -> float | None:
    figure = usage.figure("gpu_energy_j") if usage else None
    return figure.value if figure else None


def loop(fraction: float, began: float) -> Progress:
    return Progress(fraction, "epochs", "tqdm", 0.0, START + began)


def test_what_came_before_the_loop_is_told_apart() -> None:
    """100 J/s while it loads for 10 s, then 300 J/s from 10.5 s on."""
    sights = Sights()
    assert sights.look(cell(10.0, 1000.0), None) is None
    before = sights.look(cell(11.0, 1200.0), loop(0.01, 10.5))
    assert gpu_j(before) == pytest.approx(1100.0)  # half of what was used between the looks
    assert before is not None
    assert before.wall_s == 10.5
    assert sights.look(cell(40.0, 9900.0), loop(0.3, 10.5)) is before


def test_another_loop_begins_where_the_first_had_come_to() -> None:
    sights = Sights()
    sights.look(cell(2.0, 200.0), loop(0.5, 0.0))
    sights.look(cell(4.0, 400.0), loop(0.9, 0.0))
    assert gpu_j(sights.look(cell(6.0, 800.0), loop(0.1, 5.0))) == pytest.approx(600.0)


def test_a_cell_that_was_first_seen_in_its_loop() -> None:
    assert gpu_j(Sights().look(cell(1.0, 100.0), loop(0.2, 0.0))) == 0.0


def test_what_could_not_be_read_stays_unknown() -> None:
    assert gpu_j(Sights().look(cell(1.0, None), loop(0.2, 0.5))) is None


def test_cells_that_ended_are_forgotten() -> None:
    sights = Sights()
    sights.look(cell(2.0, 200.0), loop(0.5, 1.0))
    sights.keep([])
    assert (sights._last, sights._before) == ({}, {})


@given(st.floats(0.1, 1e3), st.floats(0.1, 1e3), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-10, 3e3))
def test_it_lies_between_the_two_looks(first_s: float, more_s: float, first_j: float, more_j: float, at: float) -> None:
    earlier, later = golden.usage(first_s, first_j), golden.usage(first_s + more_s, first_j + more_j)
    found = between(earlier, later, at)
    assert first_s <= found.wall_s <= first_s + more_s
    value = gpu_j(found)
    assert value is not None
    assert first_j * 0.999999 - 1e-6 <= value <= (first_j + more_j) * 1.000001 + 1e-6
