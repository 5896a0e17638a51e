"""Which families a selection has: those whose outermost record is selected, at the cost of its own sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import SCOPES, filled, later
from stated import TRAIN, record, usage
from told import told

from jupyter_costmeter.grouping import Said
from jupyter_costmeter.ledger import Selection, families, file, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.recent import selected
from jupyter_costmeter.record import CellRecord

many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
#: Steps of SQLite's machine between two counts.
STEPS = 100


def found(ledger: Ledger, selection: Selection) -> list[set[str]]:
    with ledger._reading() as connection:
        assert connection is not None
        return families.found(connection, selection)


def by_hand(made: list[CellRecord], selection: Selection) -> list[set[str]]:
    said, chosen = Said(made), {r.id for r in selected(made, selection)}
    families: dict[str, set[str]] = {}
    for inner in made:
        way = said.way(inner)
        if inner.tags and way and way[-1] in chosen:
            families.setdefault(way[-1], set()).update([inner.id, *way])
    return [families[root] for root in sorted(families)]


@many
@given(told(), st.sampled_from([*SCOPES, Selection("all", label="train"), Selection("project", "/p", "eval")]))
def test_those_of_the_selected_outermost_records(tmp_path: Path, made: list[CellRecord], scope: Selection) -> None:
    made = later(made)
    ledger = filled(tmp_path / "l.sqlite", made)
    assert found(ledger, scope) == by_hand(made, scope)
    ledger.close()


def steps(ledger: Ledger, selection: Selection) -> int:
    """What it takes to find a selection's families, in steps of SQLite's machine; and that there is one."""
    count = [0]
    with ledger._reading() as connection:
        assert connection is not None
        file.driver(connection).set_progress_handler(lambda: count.__setitem__(0, count[0] + 1), STEPS)
        assert len(families.found(connection, selection)) == 1
        file.driver(connection).set_progress_handler(None, 0)
    return count[0] * STEPS


def family(ledger: Ledger, name: str, inside: int) -> None:
    info = replace(TRAIN, id=name, notebook=f"/{name}.ipynb", project=f"/{name}")
    outer = record(info, 0, 0.0, usage(60.0), label=name)
    trials = (record(info, n, 0.0, usage(1.0), {"param.lr": n}, parent_id=outer.id) for n in range(1, inside + 1))
    ledger.append(info, [outer, *trials])


@pytest.mark.parametrize(
    "selection",
    [
        Selection("session", "mine"),
        Selection("notebook", "/mine.ipynb"),
        Selection("project", "/mine"),
        Selection("all", label="mine"),
    ],
)
def test_other_sessions_cost_nothing(tmp_path: Path, selection: Selection) -> None:
    ledger = open_ledger(tmp_path / "l.sqlite")
    family(ledger, "mine", 20)
    alone = steps(ledger, selection)
    for n in range(10):
        family(ledger, f"other{n}", 100)
    among = steps(ledger, selection)
    ledger.close()
    assert among < 2 * alone + 10 * STEPS


def test_of_one_session_only_those_of_the_notebook(tmp_path: Path) -> None:
    """It was renamed while the kernel ran, and a block was tagged in either."""
    ledger = open_ledger(tmp_path / "l.sqlite")
    outer = [record(TRAIN, n, 0.0, usage(60.0)) for n in (1, 2)]
    outer[1] = replace(outer[1], notebook="/renamed.ipynb")
    inner = [record(TRAIN, n + 2, 0.0, usage(1.0), {"run": "1"}, parent_id=outer[n - 1].id) for n in (1, 2)]
    ledger.append(TRAIN, [*outer, *inner])
    for n, notebook in enumerate((TRAIN.notebook, "/renamed.ipynb")):
        assert found(ledger, Selection("notebook", notebook)) == [{outer[n].id, inner[n].id}]
    ledger.close()
