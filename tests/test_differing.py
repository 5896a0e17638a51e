"""Where two bodies of JSON differ: each difference once, by what it is called, whatever the order."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import differing
from jupyter_costmeter.differing import NOTHING, agreed, different, paired

ITEMS = [{"key": name, "asks": name.upper(), "answer": answer} for name, answer in
         (("runs", "29"), ("multiple", "9.33 times"), ("failed", "2"), ("start", "2026"))]  # fmt: skip
TABLE = {"title": "Compute", "columns": ["experiment", "runs", "hours"],
         "rows": [["a", "1", "2 h"], ["a", "3", "4 h"], ["b", "1", "4 h"]]}  # fmt: skip
FORM = {"name": "neurips", "items": ITEMS, "text": "", "tables": [TABLE]}


def found(stated: Any, made: Any, texts: bool = True) -> list[tuple[str, str]]:
    return [(fault.where, fault.what) for fault in different("f", stated, made, texts)]


def changed(path: tuple[Any, ...], value: Any) -> list[Any]:
    """Forms with one other value."""
    forms: Any = [copy.deepcopy(FORM), {**copy.deepcopy(FORM), "name": "arr"}]
    place = forms
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return list(forms)


@pytest.mark.parametrize(
    ("path", "value", "where", "follows"),
    [
        ((0, "items", 1, "answer"), "3.33 times", "f.neurips.items.multiple.answer", "9.33 times"),
        ((1, "items", 0, "asks"), "zzz", "f.arr.items.runs.asks", "RUNS"),
        ((1, "tables", 0, "rows", 1, 2), "9 h", "f.arr.tables.Compute.rows.a.hours", "4 h"),
        ((0, "tables", 0, "rows", 2, 0), "zz", "f.neurips.tables.Compute.rows.b.experiment", "b"),
        ((0, "tables", 0, "columns", 1), "x", "f.neurips.tables.Compute.columns", "runs"),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_one_change_is_one_line_with_its_key(
    path: tuple[Any, ...], value: str, where: str, follows: str, backwards: bool
) -> None:
    stated, made = changed(path, value), changed((0, "text"), "")
    if backwards:
        made = [{**form, "items": form["items"][::-1]} for form in reversed(made)]
    assert found(stated, made) == [(where, f"{value!r} is stated, {follows!r} follows from the records")]
    assert found(made, made[::-1]) == []


def test_a_cell_that_went_to_another_column_is_found() -> None:
    table = {**TABLE, "rows": [["a", "1", "2 h"], ["a", "4 h", "3"], ["b", "1", "4 h"]]}
    assert [where for where, _ in found(table, TABLE)] == ["f.rows.a.runs", "f.rows.a.hours"]


def test_rows_that_are_called_the_same_are_compared_with_the_most_alike() -> None:
    stated = {**TABLE, "rows": [["a", "3", "9 h"], ["a", "1", "8 h"], ["b", "1", "4 h"]]}
    assert found(stated, TABLE) == [
        ("f.rows.a.hours", "'9 h' is stated, '4 h' follows from the records"),
        ("f.rows.a.hours", "'8 h' is stated, '2 h' follows from the records"),
    ]


@pytest.mark.parametrize(
    ("stated", "made", "said"),
    [
        (ITEMS[1:], ITEMS, [("f.runs", "it is missing")]),
        (ITEMS, ITEMS[1:], [("f.runs", "it does not follow from the records")]),
        (["a", "b"], ["b", "c"], [("f", "'a' is stated, 'c' follows from the records")]),
        (["a", "b"], ["b"], [("f", "'a' does not follow from the records")]),
        (["b"], ["a", "b"], [("f", "'a' is missing")]),
        ([], ITEMS, [("f", "0 are stated, 4 follow from the records")]),
        ({"a": 1}, {"b": 1}, [("f.b", "it is missing"), ("f.a", "1 does not follow from the records")]),
        ([{"id": "a", "x": 1}], [{"id": "b", "x": 1}], [("f.a", "it does not follow from the records"),
                                                       ("f.b", "it is missing")]),
        ([{"id": "a", "x": 1}] * 2, [{"id": "a", "x": 1}], [("f.a", "it does not follow from the records")]),
        (True, 1, [("f", "True is stated, 1 follows from the records")]),
        ("3.50", "3.5", []),
        (None, [1], [("f", "None is stated, [1] follows from the records")]),
    ],
)  # fmt: skip
def test_what_is_on_one_side_only_is_told_of(stated: Any, made: Any, said: list[tuple[str, str]]) -> None:
    assert found(stated, made) == said


def test_words_do_not_count_where_they_are_another_versions() -> None:
    assert found({"a": ["x", "y"], "b": "z", "n": [1.0]}, {"a": ["q"], "b": "w", "n": [1.0]}, False) == []
    assert found({"a": ["x"], "n": [1.0]}, {"a": ["x"], "n": [2.0]}, False) != []


@pytest.mark.parametrize(
    ("stated", "made", "said"),
    [
        ("x " * 60 + "3.33 times what" + " y" * 60, "x " * 60 + "9.33 times what" + " y" * 60,
         ("'…x x x x x x x x x x x 3.33 times what y", "x x 9.33 times what y")),
        ("x" * 100, "x" * 100 + "y", (f"'…{'x' * 24}' is stated", f"'…{'x' * 24}y' follows")),
        ("a" * 100, "b", (f"'{'a' * 60}…' is stated", "'b' follows")),
        ([1] * 100, 7, ("[1, 1, ", "…")),
    ],
)  # fmt: skip
def test_of_long_texts_the_place_where_they_differ_is_shown(stated: Any, made: Any, said: tuple[str, str]) -> None:
    ((_, what),) = found(stated, made)
    assert said[0] in what
    assert said[1] in what
    assert len(what) < 220


# What agrees


def test_what_agrees_is_as_it_is_stated_and_the_rest_as_it_follows() -> None:
    stated = {"title": "mine", "made_at": 5.0, "whole": {"runs": 12, "wall_s": 1.0}, "shares": [
        {"category": "hpo", "wall_s": 3.0}, {"category": "forged", "wall_s": 4.0}]}  # fmt: skip
    made = {"title": "all", "made_at": 9.0, "whole": {"runs": 29, "wall_s": 1.0 + 1e-12}, "shares": [
        {"category": "train", "wall_s": 1.0}, {"category": "hpo", "wall_s": 3.0 + 1e-12}]}  # fmt: skip
    assert agreed("statement", stated, made) == {
        "title": "mine", "made_at": 5.0, "whole": {"runs": 29, "wall_s": 1.0},
        "shares": [{"category": "hpo", "wall_s": 3.0}, {"category": "train", "wall_s": 1.0}],
    }  # fmt: skip


def values() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["", "a", "1.5"])
    )
    names = st.sampled_from(["id", "name", "columns", "rows", "x"])
    return st.recursive(leaves, lambda of: st.lists(of, max_size=4) | st.dictionaries(names, of, max_size=3))


@given(values(), values())
def test_anything_is_itself_and_what_follows_is_what_agrees(stated: Any, made: Any) -> None:
    assert found(stated, stated) == []
    assert found(agreed("f", stated, made), made) == []


def test_near_numbers_are_not_taken_for_each_other() -> None:
    near = [{"x": 1.0}, {"x": 1.0 + 1e-8}]
    assert found(near, near[::-1]) == []


@given(st.lists(values(), max_size=6), st.lists(values(), max_size=6))
def test_pairs_hold_each_element_once(stated: list[Any], made: list[Any]) -> None:
    pairs = list(paired(stated, made))
    assert list(map(repr, (one for one, _ in pairs if one is not NOTHING))) == list(map(repr, stated))
    assert sorted(map(repr, (other for _, other in pairs if other is not NOTHING))) == sorted(map(repr, made))


def test_many_that_differ_take_no_long_time() -> None:
    rows = [["same", str(n), "x"] for n in range(3000)]
    stated, made = ({**TABLE, "rows": [[*row[:2], last] for row in rows]} for last in "yz")
    began = time.process_time()
    assert len(found(stated, made)) == 3000
    assert time.process_time() - began < 5
    assert len(rows) ** 2 > differing.MANY
