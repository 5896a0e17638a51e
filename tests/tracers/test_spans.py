"""Unions over spans, against a count second by second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.tracers import spans
from jupyter_costmeter.tracers.spans import Device, Row

ROWS = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 15), st.integers(1, 6)), max_size=80).map(
    lambda found: [(start, start + length, span) for start, length, span in found]
)


def counted(rows: list[Row], first: int, last: int) -> int:
    return len({at for start, end, span in rows if first <= span < last for at in range(start, end)})


def filled(rows: list[Row], step: int) -> tuple[Device, set[int]]:
    device, late = Device(), set()
    for at in range(0, len(rows), step):
        late |= device.add(rows[at : at + step])
    return device, late


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "HORIZON", 12)


@given(ROWS, st.integers(1, 30), st.integers(1, 6), st.integers(1, 6))
def test_a_range_of_spans_is_busy_while_any_of_its_kernels_runs(
    rows: list[Row], step: int, first: int, more: int
) -> None:
    device, late = filled(sorted(rows), step)
    assert not late
    assert device.busy_ns(first, first + more) == counted(rows, first, first + more)


@given(ROWS, st.integers(1, 30), st.integers(1, 6), st.integers(1, 6))
def test_out_of_order_it_is_never_too_much_and_what_is_too_little_is_named(
    rows: list[Row], step: int, first: int, more: int
) -> None:
    device, late = filled(rows, step)
    found, true = device.busy_ns(first, first + more), counted(rows, first, first + more)
    assert found <= true
    if not late & set(range(first, first + more)):
        assert found == true


@given(ROWS, st.integers(1, 30), st.sets(st.integers(1, 6), min_size=2))
def test_letting_marks_go_changes_no_window_between_those_that_stay(
    rows: list[Row], step: int, marks: set[int]
) -> None:
    device, _ = filled(sorted(rows), step)
    kept = sorted(marks)
    device.keep(kept)
    for first in kept:
        for last in [mark for mark in kept if mark > first]:
            assert device.busy_ns(first, last) == counted(rows, first, last)


def test_a_million_kernels_of_two_spans_are_three_numbers() -> None:
    device = Device()
    for at in range(0, 40_000, 8):
        device.add([(at + i, at + i + 2, 1 + (at + i) % 2) for i in range(8)])
    assert set(device.settled) <= {(1,), (2,), (1, 2)}
    assert len(device.recent) <= 12
    assert device.busy_ns(1, 3) == 40_001


def test_a_kernel_reported_long_after_its_time_is_named_and_counted_from_where_nothing_is_settled() -> None:
    device = Device()
    device.add([(at, at + 1, 1) for at in range(0, 200, 10)])
    assert device.until == 100
    assert device.add([(55, 105, 2), (150, 155, 3)]) == {2}
    assert device.busy_ns(2, 3) == 5
    assert device.busy_ns(1, 2) == 20
    assert device.busy_ns(1, 4) == 20 + 4 + 4
