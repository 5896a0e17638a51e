"""Text in a terminal: no line is longer than it, and nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.layout import LEAST, block, clipped, columns_of, table, wrapped

WORDS = st.text("abc ", max_size=60)


@given(st.integers(1, 12), st.integers(40, 160), st.data())
def test_no_line_is_longer_than_the_terminal(count: int, width: int, data: st.DataObject) -> None:
    columns = [f"a column of numbers {i}" for i in range(count)]
    rows = data.draw(st.lists(st.tuples(*[WORDS] * count), min_size=1, max_size=3))
    made = table(columns, rows, frozenset(), width)
    assert max(map(columns_of, made.splitlines())) <= width
    assert all(name.split()[-1] in re.findall(r"\d+", made) for name in columns)


def test_a_table_of_too_many_columns_is_set_as_several_that_begin_alike() -> None:
    rows = [[f"row {at}", *(f"{'x' * 14}{i}" for i in range(9))] for at in range(2)]
    made = table(["name", *(f"c{i}" for i in range(9))], rows, frozenset({"c0"}), 80)
    parts = made.split("\n\n")
    assert [part.split()[0] for part in parts] == ["name"] * len(parts)
    assert len(parts) == 3
    assert [re.findall(r"c\d", part) for part in parts] == [["c0", "c1", "c2", "c3"], ["c4", "c5", "c6", "c7"], ["c8"]]
    assert "row 1" in parts[2]


def test_what_fits_is_as_it_is() -> None:
    assert table(["a"], [["x" * 500]], frozenset()) == f"a\n{'-' * 500}\n{'x' * 500}"
    assert table(["a", "b"], [["x", "y"]], frozenset(), 80) == table(["a", "b"], [["x", "y"]], frozenset())


@pytest.mark.parametrize(("width", "lines"), [(None, 1), (30, 2), (LEAST, 3), (3, 3)])
def test_a_sentence_is_wrapped(width: int | None, lines: int) -> None:
    found = wrapped("a sentence of some words that goes on and on", width)
    assert " ".join(found) == "a sentence of some words that goes on and on"
    assert len(found) == lines
    assert wrapped("", width) == [""]
    assert wrapped("in /a-path/that-must-be-copied.sqlite", 16) == ["in", "/a-path/that-must-be-copied.sqlite"]
    assert wrapped("a b", 20, "  ") == ["  a b"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("学習", 4), ("ｱ", 1), ("🚀", 2), ("❤\ufe0f", 2), ("±≥—", 3)],
)  # fmt: skip
def test_signs_take_as_many_columns_as_a_terminal_gives_them(text: str, columns: int) -> None:
    assert columns_of(text) == columns


@given(st.text("ab 学e\u0301🚀", max_size=80), st.integers(LEAST, 40))
def test_wide_sentences_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrapped(text, width)
    kept = "".join("".join(lines).split())
    assert kept == "".join(text.split())
    assert all(columns_of(line) <= width or len(line.split()) == 1 for line in lines)
    assert columns_of(clipped(text, width)) <= width
    assert text.startswith(clipped(text, width))


def test_wide_names_leave_columns_in_line() -> None:
    made = table(["name", "x"], [["学習率の探索と評価をするためのラベル" * 2, "1"], ["short", "2"]], frozenset("x"), 40)
    lines = made.splitlines()
    assert {columns_of(lines[at]) for at in (0, 1, 2, -1)} == {max(map(columns_of, lines))}
    assert max(map(columns_of, lines)) <= 40


def test_lines_that_are_too_long_are_wrapped_with_their_own_indentation() -> None:
    text = "usage: a b\n  an option   what it does, in some words that go on"
    assert block(text, None) == text.split("\n")
    assert block(text, 30) == ["usage: a b", "  an option   what it does, in", "  some words that go on"]
