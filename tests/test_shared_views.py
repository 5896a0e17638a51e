"""What a member and a head see of the lab's ledger, in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from labs import Lab, peopled
from shared_ledgers import Postgres

from jupyter_costmeter.record import Total
from jupyter_costmeter.shared.store import ShareError
from jupyter_costmeter.shared.views import head_view, member_view

THIS_MONTH = datetime.now(timezone.utc).date().replace(day=1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    yield from peopled()


@pytest.fixture
def lab(postgres: Postgres) -> Iterator[Lab]:
    made = Lab(postgres)
    made.used("ada", 3600.0)
    made.used("ada", 1800.0, "/home/x/thesis")
    made.used("ben", 7200.0, "/secret/of/ben")
    yield made
    made.close()


def seconds(total: Total | None) -> float | None:
    return None if total is None else total.value


def test_a_member_sees_the_own_use_and_the_pools_sum(lab: Lab) -> None:
    view = member_view(lab.of("ada"))
    assert view.person == "ada"
    mine = {(used.person, used.month, used.project): seconds(used.total("gpu_reserved_s")) for used in view.mine}
    assert mine == {
        ("ada", THIS_MONTH, "/home/x/paper"): 3600.0,
        ("ada", THIS_MONTH, "/home/x/thesis"): 1800.0,
    }
    assert [(month.month, seconds(month.total("gpu_reserved_s"))) for month in view.pool] == [(THIS_MONTH, 12600.0)]
    assert view.pool[0].total("energy_j") is not None
    total = view.pool[0].total("gpu_reserved_s")
    assert total is not None
    assert total.method == "measured"
    assert total.uncertainty == pytest.approx(126.0)
    assert "ben" not in repr(view)
    assert "secret" not in repr(view)


def test_the_head_sees_everyone_by_project(lab: Lab) -> None:
    found = {(used.person, used.project): seconds(used.total("gpu_reserved_s")) for used in head_view(lab.of("cleo"))}
    assert found == {
        ("ada", "/home/x/paper"): 3600.0, ("ada", "/home/x/thesis"): 1800.0, ("ben", "/secret/of/ben"): 7200.0,
    }  # fmt: skip
    assert {used.person for used in head_view(lab.of("ben"))} == {"ben"}


def test_older_months_are_seen_when_they_are_asked_for(lab: Lab) -> None:
    lab.used("ada", 60.0, at=datetime(2026, 1, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp() - 0.6)
    months = member_view(lab.of("ada"), months=120).pool
    assert len(months) == 2
    assert str(months[0].month) == "2026-01-01"
    assert len(member_view(lab.of("ada")).pool) == 1


def test_nobody_else_may_ask(lab: Lab, postgres: Postgres) -> None:
    postgres.run("CREATE USER stranger")
    for query in ("SELECT * FROM costmeter.pool(1)", "SELECT * FROM costmeter.elsewhere('stranger')"):
        with pytest.raises(ShareError, match="permission denied"), lab.of("stranger").reading() as connection:
            connection.exec_driver_sql(query)
