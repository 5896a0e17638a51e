"""Rows of a TOML file, changed line by line: the values of any kind, and nothing else."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_costmeter import tables
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.toml_rows import File, rewrite

TEXT = """\
[[where]]
region = "FR"

[[budget]]  # one
"kwh" = 1   # little
warn = [ 0.5, 0.8 ]  # two
from = 2026-10-01 00:00:00Z  # an instant
name = 'a # b'  # said

[[ budget ]]
kwh = 2

[currency]
code = "EUR"
"""


def changed(index: int, **values: Any) -> str:
    file = File.of(TEXT, "budget")
    row = {**file.rows[index], **values}
    return file.with_changed(index, {key: value for key, value in row.items() if value is not None})


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("kwh", 2.5, '"kwh" = 1 ', '"kwh" = 2.5 '),
        ("warn", [0.9], "[ 0.5, 0.8 ]", "[0.9]"),
        ("from", date(2026, 11, 1), "2026-10-01 00:00:00Z", "2026-11-01"),
        ("name", 'c "d"', "'a # b'", '"c \\"d\\""'),
        ("warn", None, "warn = [ 0.5, 0.8 ]  # two\n", ""),
        ("paused", True, "# said\n", "# said\npaused = true\n"),
    ],
)
def test_a_value_of_any_kind_is_changed_where_it_stands(key: str, value: Any, before: str, after: str) -> None:
    assert changed(0, **{key: value}) == TEXT.replace(before, after)


def test_rows_of_other_names_are_not_touched() -> None:
    file = File.of(TEXT, "where")
    assert file.with_changed(0, {"region": "SE"}) == TEXT.replace("FR", "SE")
    assert File.of(TEXT, "budget").without({0, 1}) == '[[where]]\nregion = "FR"\n\n[currency]\ncode = "EUR"\n'


def test_a_row_that_is_added_is_below_all_else() -> None:
    more = File.of(TEXT, "budget").with_row({"kg": 3})
    assert more == f"{TEXT}\n[[budget]]\nkg = 3\n"
    assert File.of(more, "budget").without({2}) == TEXT


@pytest.mark.parametrize("text", ["budget = [{kwh = 1}]\n", "[budget]\nkwh = 1\n", "[[budget.x]]\n"])
def test_rows_that_are_written_otherwise_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"budget: write it as \[\[budget\]\], once for each row"):
        File.of(text, "budget")


def test_what_cannot_be_told_from_the_rest_is_refused() -> None:
    file = File.of("[[budget]]\nkwh = 1\nwarn = [\n  0.5,\n]\n", "budget")
    assert file.with_changed(0, {"kwh": 2, "warn": [0.5]}).startswith("[[budget]]\nkwh = 2\n")
    with pytest.raises(UsageError, match="budget: its rows cannot be told from the rest; change it by hand"):
        file.with_changed(0, {"kwh": 1, "warn": [0.9]})


values = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=20),
    st.dates(),
    st.datetimes(timezones=st.just(timezone.utc)).map(lambda d: d.replace(microsecond=0, fold=0)),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
)


@example({"name": "\x85"}, 0.0)  # a line's end to Python, not to TOML
@example({"name": "\u2028[[budget]]"}, "\x1c")
@given(st.dictionaries(st.sampled_from(["kwh", "name", "warn", "from", "zone"]), values), values)
def test_what_is_written_is_read_again(row: dict[str, Any], value: Any) -> None:
    text = File.of(TEXT, "budget").with_row(row)
    assert tables.parsed(text)["budget"][2] == row
    again = File.of(text, "budget").with_changed(2, {**row, "name": value})
    assert tables.parsed(again)["budget"][2] == {**row, "name": value}


def test_a_file_that_is_changed_into_itself_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(TEXT)
    before = path.stat().st_ino
    assert not rewrite(path, lambda text: text)
    assert path.stat().st_ino == before
    assert rewrite(path, lambda text: f"{text}# {datetime.now().year}\n")
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["a.toml"]
