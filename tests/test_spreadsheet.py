"""What no spreadsheet runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.spreadsheet import FORMULA, harmless


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\xa0@x", "＝1", "﹢1", "\x00=1"],
)
def test_a_formula_is_a_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a;=1", "a;'=1"), ('a; "=1', "a;' \"=1"), ("a\n-1", "a\n'-1"), ("a;\u200b=1", "a;'\u200b=1"),
        (";=1;=2", ";'=1;'=2"), ("a; b", "a; b"), ("a;1-2", "a;1-2"),
    ],
)  # fmt: skip
def test_nor_where_another_separator_begins_a_cell(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize("value", ["train", "a=1", "", "1-2", "'=1", None, 0, -1.5, True])
def test_all_else_stays(value: object) -> None:
    assert harmless(value) == value
    assert type(harmless(value)) is type(value)


@given(st.text())
def test_nothing_begins_like_a_formula(text: str) -> None:
    assert not harmless(text).startswith(FORMULA)
    assert harmless(text).lstrip().startswith(FORMULA) is False
