"""Records inside others: what each has once those inside it have theirs, and that it adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stated import TRAIN, golden_costing, record, usage

from jupyter_costmeter.gathering import gather
from jupyter_costmeter.grouping import Groups
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.nested import rests
from jupyter_costmeter.record import CellRecord, Usage
from jupyter_costmeter.statement import Document, Statement
from jupyter_costmeter.statement_pages import sections
from jupyter_costmeter.uses import WANTED


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


@given(st.lists(st.tuples(st.integers(-1, 8), st.none() | st.just(0.0) | st.floats(1e-3, 1e9)), max_size=9))
def test_what_the_ones_around_lack_counts_beside_them_and_is_marked(tree: list[tuple[int, float | None]]) -> None:
    parents = {str(n): str(parent) for n, (parent, _) in enumerate(tree) if 0 <= parent < n}
    values = {str(n): value for n, (_, value) in enumerate(tree)}
    chains = {key: _chain(key, parents) for key in parents}
    found = rests(chains, values)
    beside = {key for key, chain in chains.items() if values[key] and all(values[one] is None for one in chain)}
    assert {key for key, one in found.items() if one.beside} == beside
    roots = math.fsum(value or 0.0 for key, value in values.items() if key not in parents or key in beside)
    assert math.fsum(one.value for one in found.values()) == pytest.approx(roots, rel=1e-9, abs=1e-6)


def without(made: CellRecord, names: frozenset[str]) -> CellRecord:
    """As it would be if those figures of it could not be read."""
    kept = (figure for figure in made.usage.figures if figure.name not in names)
    return replace(made, usage=Usage(made.wall_s, tuple(kept)))


def family(lacks: frozenset[str], inner_lacks: frozenset[str] = frozenset()) -> list[CellRecord]:
    """A cell of an hour that lacks some figures, a trial in it, and a cell beside them."""
    cell = without(record(TRAIN, 1, 0.0, usage(3600.0, ("GPU-1",)), {"category": "train"}), lacks)
    trial = record(TRAIN, 2, 0.0, usage(1800.0, ("GPU-1",)), {"category": "hpo", "param.lr": 1}, parent_id=cell.id)
    other = record(TRAIN, 3, 2.0, usage(60.0, ("GPU-1",)), {"category": "prep"})
    return [cell, without(trial, inner_lacks), other]


LACKS = st.frozensets(st.sampled_from(["flops_bf16", "gpu_energy_j", "cpu_energy_j", "cpu_s", "gpu_reserved_s"]))


@given(LACKS, LACKS)
def test_a_note_says_of_what_the_parts_are_more_than_the_whole(
    lacks: frozenset[str], inner_lacks: frozenset[str]
) -> None:
    made = family(lacks, inner_lacks)
    groups = Groups(infos={TRAIN.id: TRAIN})
    groups.add(made)
    for name in WANTED:
        inside, whole = (
            math.fsum(f.value or 0.0 for r in records for f in r.usage.figures if f.name == name)
            for records in (made[1:2], [made[0], made[2]])
        )
        parts = math.fsum(_value(groups, name))
        assert parts == pytest.approx(whole + (inside if name in lacks else 0.0))
    assert len(groups.notes) == len(lacks - inner_lacks)


def _value(groups: Groups, name: str) -> list[float]:
    uses = [use for group in groups.kinds.values() for use in group.uses(groups.infos, -math.inf)]
    parts = [p for use in uses for p in (*use.energy, *use.cpu_s, *use.work, *(part for _, part in use.gpu_s))]
    return [part.value or 0.0 for part in parts if part.name == name]


def stated(folder: Path, made: list[CellRecord]) -> Statement:
    ledger = open_ledger(folder / "l.sqlite")
    ledger.append(TRAIN, made)
    found = gather(ledger, Selection("all"), golden_costing(folder))
    ledger.close()
    return found


def test_the_statement_says_so_and_no_percentage_is_over_100(tmp_path: Path) -> None:
    energy = frozenset(["gpu_energy_j", "cpu_energy_j", "ram_energy_j"])
    found = stated(tmp_path, family(energy | {"flops_bf16"}))
    said = [
        one.partition(": of some cells it was not read")[0] for one in found.problems if "more than the whole" in one
    ]
    assert sorted(said) == ["CPU energy", "FLOPs (bf16)", "GPU energy", "memory energy"]
    grids = (grid for section in sections(Document(found, ())) for grid in section.grids)
    (grid,) = (grid for grid in grids if grid.columns[0] == "category")
    column = grid.columns.index("of the electricity")
    shares = [float(row[column].removesuffix(" %")) for row in grid.rows if row[column] != "—"]
    assert len(shares) == 2
    assert 99.0 <= sum(shares) <= 101.0
    assert max(shares) <= 100.0


def test_where_nothing_lacks_nothing_is_said(tmp_path: Path) -> None:
    assert not any("more than the whole" in one for one in stated(tmp_path, family(frozenset())).problems)


def _chain(key: str, parents: dict[str, str]) -> list[str]:
    return [parents[key], *_chain(parents[key], parents)] if key in parents else []
