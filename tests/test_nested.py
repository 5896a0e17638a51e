"""Records inside others: what each has once those inside it have theirs, and that it adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.nested import rests


@pytest.mark.parametrize(
    ("inside", "values", "left"),
    [
        ({}, {"cell": 10.0}, {"cell": 10.0}),
        ({"a": ["cell"]}, {"cell": 10.0, "a": 4.0}, {"cell": 6.0, "a": 4.0}),
        ({"a": ["cell"], "b": ["a", "cell"]}, {"cell": 10.0, "a": 6.0, "b": 2.0}, {"cell": 4.0, "a": 4.0, "b": 2.0}),
        # of two threads beside each other each one's window holds the whole process's
        ({"a": ["cell"], "b": ["cell"]}, {"cell": 10.0, "a": 8.0, "b": 8.0}, {"cell": 0.0, "a": 5.0, "b": 5.0}),
        ({"a": ["cell"], "b": ["a", "cell"]}, {"cell": 4.0, "a": 8.0, "b": 4.0}, {"cell": 0.0, "a": 2.0, "b": 2.0}),
        # what the one around it lacks is the next one's
        ({"a": ["cell"], "b": ["a", "cell"]}, {"cell": 10.0, "a": None, "b": 3.0}, {"cell": 7.0, "b": 3.0}),
        ({"a": ["cell"]}, {"cell": None, "a": 3.0}, {"a": 3.0}),
        ({"a": ["cell"]}, {"cell": 0.0, "a": 0.0}, {"cell": 0.0, "a": 0.0}),
        ({"a": ["cell"]}, {"cell": 0.0, "a": 3.0}, {"cell": 0.0, "a": 0.0}),
    ],
)
def test_what_is_left(inside: dict[str, list[str]], values: dict[str, float | None], left: Mapping[str, float]) -> None:
    found = rests(inside, values)
    assert {key: one.value for key, one in found.items()} == pytest.approx(left)
    assert {key for key, one in found.items() if one.gave} <= {"cell", "a"}


@given(st.lists(st.tuples(st.integers(-1, 8), st.none() | st.floats(0, 1e9)), min_size=1, max_size=9))
def test_it_adds_up_to_the_outermost(tree: list[tuple[int, float | None]]) -> None:
    """Whatever the windows inside say, if the outermost ones could be read."""
    parents = {str(n): str(parent) for n, (parent, _) in enumerate(tree) if 0 <= parent < n}
    values = {str(n): value if str(n) in parents else value or 1.0 for n, (_, value) in enumerate(tree)}
    chains = {key: _chain(key, parents) for key in parents}
    found = rests(chains, values)
    roots = math.fsum(value or 0.0 for key, value in values.items() if key not in parents)
    assert math.fsum(one.value for one in found.values()) == pytest.approx(roots, rel=1e-9, abs=1e-6)
    assert all(one.value >= 0 for one in found.values())


def _chain(key: str, parents: dict[str, str]) -> list[str]:
    return [parents[key], *_chain(parents[key], parents)] if key in parents else []
