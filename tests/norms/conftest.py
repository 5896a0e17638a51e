"""The statement that all norms are tested by, and what becomes of it when less is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stated import PROJECT, golden_statement

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.statement import Share, Statement


@pytest.fixture(scope="session")
def golden() -> Statement:
    return golden_statement()


@pytest.fixture(scope="session")
def nothing() -> Statement:
    """Of a project in which nothing was metered."""
    return golden_statement(Selection("project", "/nowhere"))


@pytest.fixture(scope="session")
def no_gpu() -> Statement:
    """Of the machine without a GPU."""
    return golden_statement(Selection("notebook", f"{PROJECT}/prepare.ipynb"))


@pytest.fixture
def unplaced(golden: Statement) -> Statement:
    """Nobody said where it ran."""
    machines = tuple(replace(machine, region=None, kind=None, partition="") for machine in golden.machines)
    return replace(golden, machines=machines, region_g=(120.0, 8400.0))


@pytest.fixture
def untagged(golden: Statement) -> Statement:
    """Nobody said what any of it was."""
    cells = [share.spent for share in golden.shares if share.category == "train"][0]
    return replace(golden, shares=(Share(None, cells),), reported=None, preliminary=None, experiments=(), trials=())
