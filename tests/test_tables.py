"""A TOML file: each mistake with its file and line, and the rest is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import tables
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.tables import Document, number, read, text

KNOWN = ("where", "live", "rates")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.toml"


def written(path: Path, content: str) -> Document:
    path.write_text(content, encoding="utf-8")
    return read(path, KNOWN)


def region(row: Mapping[str, Any], origin: str) -> tuple[str, str]:
    if "region" not in row:
        raise UsageError("region is missing")
    return row["region"], origin


def test_no_file_is_no_tables_and_no_problem(path: Path) -> None:
    found = read(path, KNOWN)
    assert (found.tables, found.problems, found.text) == ({}, [], "")
    assert list(found.rows("where", region)) == []
    assert found.table("live", region) is None


def test_a_wrong_row_is_named_with_its_line_and_the_others_are_used(path: Path) -> None:
    found = written(path, '# mine\n[[where]]\nregion = "FR"\n\n[[where]]\nhost = "x"\n\n  [[ where ]]\nregion = "SE"\n')
    assert list(found.rows("where", region)) == [("FR", f"{path}:2"), ("SE", f"{path}:8")]
    assert found.problems == [f"{path}:5: [[where]]: region is missing"]


@pytest.mark.parametrize("error", [UsageError("wrong"), ValueError("wrong"), TypeError("wrong")])
def test_whatever_a_row_is_refused_with_is_its_problem(error: Exception, path: Path) -> None:
    def refuse(row: Mapping[str, Any], origin: str) -> None:
        raise error

    found = written(path, "\n[live]\na = 1\n")
    assert found.table("live", refuse) is None
    assert found.problems == [f"{path}:2: [live]: wrong"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ('\n[where]\nregion = "FR"\n', "where", "where: write it as [[where]], once for each row"),
        ('\nwhere = "FR"\n', "where", "where: write it as [[where]], once for each row"),
        ('\nwhere = ["FR"]\n', "where", "where: write it as [[where]], once for each row"),
        ('\n[[live]]\nsource = "uk"\n', "live", "live: write it as [live]"),
        ('\nlive = "uk"\n', "live", "live: write it as [live]"),
    ],
)
def test_a_table_that_is_rows_or_the_other_way_round(content: str, name: str, said: str, path: Path) -> None:
    found = written(path, content)
    made = list(found.rows(name, region)) if name == "where" else found.table(name, region)
    assert not made
    assert found.problems == [f"{path}:2: {said}"]


def test_an_empty_list_is_no_mistake(path: Path) -> None:
    found = written(path, "where = []\n")
    assert list(found.rows("where", region)) == []
    assert found.problems == []


def test_a_table_that_is_not_known_is_named_with_the_near_one(path: Path) -> None:
    found = written(path, '[live]\nsource = "uk"\n\n[[rate]]\nkwh = 0.3\n\n[[zzz]]\na = 1\n')
    assert sorted(found.problems) == [
        f"{path}:4: there is no 'rate'; did you mean 'rates'?",
        f"{path}:7: there is no 'zzz'; there are where, live, rates",
    ]
    assert found.table("live", lambda row, _: row["source"]) == "uk"


@pytest.mark.parametrize("content", ["[live\n", 'a = 1\na = 2\n[live]\nsource = "uk"\n', 'x = "\n'])
def test_a_syntax_error_says_where_and_that_nothing_is_used(content: str, path: Path) -> None:
    found = written(path, content)
    (problem,) = found.problems
    assert problem.startswith(f"{path}: ")
    assert "at line " in problem
    assert problem.endswith("; nothing of this file is used until that is mended")
    assert found.tables == {}


def test_a_file_that_cannot_be_read_says_so(path: Path) -> None:
    path.write_bytes(b'region = "K\xf6ln"\n')
    (problem,) = read(path, KNOWN).problems
    assert problem.startswith(f"{path}: cannot be read: ")
    path.unlink()
    path.mkdir()
    assert read(path, KNOWN).problems == [f"{path}: cannot be read: Is a directory"]


@given(st.binary(max_size=60))
def test_no_bytes_make_reading_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.toml"
    path.write_bytes(content)
    found = read(path, KNOWN)
    assert list(found.rows("where", region)) == []
    assert all(problem.startswith(str(path)) for problem in found.problems)


def test_a_mark_before_the_first_character_is_no_mistake(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbf[[where]]\nregion = "FR"\n')
    found = read(path, KNOWN)
    assert list(found.rows("where", region)) == [("FR", f"{path}:1")]
    assert found.problems == []


# Values


@pytest.mark.parametrize("wrong", ["1", True, [1], -0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_number_within_bounds(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"^use = .*: it wants a number from 0 to 1$"):
        number({"use": wrong}, "use", 0, 1)


def test_numbers() -> None:
    assert [number({"a": value}, "a") for value in (0, 2, 2.5)] == [0.0, 2.0, 2.5]
    assert number({}, "a") is None
    with pytest.raises(UsageError, match=r"^a = -1: it wants a number from 0 on$"):
        number({"a": -1}, "a")


def test_an_endless_number_is_none() -> None:
    with pytest.raises(UsageError, match="it wants a number from 0 on"):
        number({"a": float("inf")}, "a")


def test_texts() -> None:
    assert (text({"a": "b"}, "a"), text({}, "a"), text({"a": ""}, "a", ("x",))) == ("b", "", "")
    with pytest.raises(UsageError, match=r"^a = 5: it wants a text in quotes$"):
        text({"a": 5}, "a")
    with pytest.raises(UsageError, match=r"^a: there is no 'laptpo'; did you mean 'laptop'\?$"):
        text({"a": "laptpo"}, "a", ("laptop", "lab"))


def test_a_text_has_nothing_that_a_terminal_obeys() -> None:
    nasty = "the \x1b[31mred\x07 \u202ereport\u200b,\npage\t5 é 電"
    assert text({"a": nasty}, "a") == "the [31mred report, page 5 é 電"


@given(st.text())
def test_any_text_is_one_printable_line(value: str) -> None:
    found = text({"a": value}, "a")
    assert found.isprintable()
    assert not value.isprintable() or found == value


def test_a_key_that_is_not_known_is_named_with_the_near_one() -> None:
    tables.check_keys({"host": 1}, ("host", "region"))
    with pytest.raises(UsageError, match=r"^there is no 'regoin'; did you mean 'region'\?$"):
        tables.check_keys({"host": 1, "regoin": 2}, ("host", "region"))
