"""The lab's budgets in a real PostgreSQL: who may set and see them, what is told of others, and that nothing counts
twice, whatever was sent and asked in whichever order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labs import NUMBERS, Lab, a_record, peopled
from shared_ledgers import Postgres

from jupyter_costmeter.budget import called
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.labs import Terms, keep, kept_beside
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.periods import Kind, Period
from jupyter_costmeter.shared import planned
from jupyter_costmeter.shared.sending import send
from jupyter_costmeter.shared.store import ShareError
from jupyter_costmeter.spending import Spending

EACH = Terms(
    "b-each", "", "gpu_hours", 10.0, "each", None, None, "month", "UTC", None, None, "ask", (0.5, 0.8, 1.0), ""
)  # fmt: skip
POOL = replace(EACH, id="b-pool", whose="pool", limit=50.0)
PAPER = replace(POOL, id="b-paper", project="paper", limit=20.0)
ADA = replace(EACH, id="b-ada", whose="person", person="ada", limit=30.0)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    yield from peopled()


@pytest.fixture
def lab(postgres: Postgres) -> Iterator[Lab]:
    made = Lab(postgres)
    yield made
    made.close()


def amounts(lab: Lab, person: str, budget: str) -> tuple[float | None, float | None]:
    """What its database says of the own use and of all others', in hours."""
    standing = planned.snapshot(lab.of(person)).applying[budget]
    mine, others = standing.elsewhere(())
    return mine.value, others.value


# Who may what


def test_a_head_sets_and_all_read(lab: Lab) -> None:
    cleo = lab.of("cleo")
    assert planned.put(cleo, EACH)
    assert not planned.put(cleo, replace(EACH, limit=12.0))
    assert planned.put(cleo, ADA)
    (seen,) = planned.budgets(lab.of("ben"))  # not what is for ada alone
    assert seen == replace(EACH, limit=12.0, set_by="cleo")
    assert [one.id for one in planned.budgets(lab.of("ada"))] == ["b-each", "b-ada"]
    assert [one.id for one in planned.budgets(cleo)] == ["b-each", "b-ada"]
    assert "b-ada" not in planned.snapshot(cleo).applying  # cleo is a head, and not ada


def test_an_own_budget_takes_the_place_of_the_one_for_each(lab: Lab) -> None:
    for one in (EACH, ADA, POOL):
        planned.put(lab.of("cleo"), one)
    assert set(planned.snapshot(lab.of("ada")).applying) == {"b-ada", "b-pool"}
    assert set(planned.snapshot(lab.of("ben")).applying) == {"b-each", "b-pool"}


@pytest.mark.parametrize(
    "deed",
    [
        'UPDATE costmeter.budget SET "limit" = 1e9',
        "DELETE FROM costmeter.budget",
        "TRUNCATE costmeter.budget",
        "INSERT INTO costmeter.budget SELECT * FROM costmeter.budget",
        "SELECT * FROM costmeter.elsewhere('ben')",
        "SELECT * FROM costmeter.elsewhere('cleo')",
        "CREATE OR REPLACE FUNCTION costmeter.called(project text) RETURNS text LANGUAGE sql AS 'SELECT 1'",
        "INSERT INTO costmeter.budget_event VALUES ('ben', 'x', 'b', 'warned', 0, '', '', '', '', 1, 1, 1, 0, '', '')",
    ],
)
def test_a_member_neither_sets_one_nor_asks_for_another(lab: Lab, deed: str) -> None:
    planned.put(lab.of("cleo"), POOL)
    refused = pytest.raises(ShareError, match="permission denied|must be owner|violates row-level security")
    with refused, lab.of("ada").writing() as connection:
        connection.exec_driver_sql(deed)


def test_a_member_is_refused_by_the_database(lab: Lab) -> None:
    with pytest.raises(ShareError, match="permission denied"):
        planned.put(lab.of("ada"), POOL)


# What is told


def test_the_own_use_and_the_others_sum(lab: Lab) -> None:
    for one in (EACH, POOL, PAPER):
        planned.put(lab.of("cleo"), one)
    lab.used("ada", 3600.0)
    lab.used("ben", 7200.0, "/other/place/paper")
    lab.used("ben", 1800.0, "/of/ben/secret")
    assert amounts(lab, "ada", "b-pool") == (1.0, 2.5)
    assert amounts(lab, "ben", "b-pool") == (2.5, 1.0)
    assert amounts(lab, "ada", "b-paper") == (1.0, 2.0)
    assert amounts(lab, "cleo", "b-paper") == (0.0, 3.0)
    told = repr(planned.snapshot(lab.of("ada")))
    assert "ben" not in told
    assert "secret" not in told


def test_what_is_before_the_period_is_not_in_it(lab: Lab) -> None:
    planned.put(lab.of("cleo"), POOL)
    lab.used("ben", 7200.0, at=1.0e9)
    assert amounts(lab, "ada", "b-pool") == (0.0, 0.0)
    planned.put(lab.of("cleo"), replace(POOL, per="span", starts=0.9e9, ends=1.1e9))
    assert amounts(lab, "ada", "b-pool") == (0.0, 2.0)


def test_the_head_sees_who_is_where(lab: Lab) -> None:
    planned.put(lab.of("cleo"), EACH)
    planned.put(lab.of("cleo"), ADA)
    lab.used("ada", 3600.0)
    lab.used("ben", 7200.0)
    assert planned.people(lab.of("ada")) is None
    found = {one.name: one for one in planned.people(lab.of("cleo")) or []}
    assert {name: {key: total.value for key, total in one.used.items()} for name, one in found.items()} == {
        "ada": {"b-each": 1.0, "b-ada": 1.0}, "ben": {"b-each": 2.0},
    }  # fmt: skip
    assert found["ben"].project == "/home/x/paper"


def test_an_older_database_says_what_to_do(postgres: Postgres, lab: Lab) -> None:
    postgres.run("DELETE FROM costmeter.migration WHERE number > 1", database=lab.name)
    with pytest.raises(ShareError, match="sync --init"):
        planned.snapshot(lab.of("ada"))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Sydney"])
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_its_periods_are_ours(postgres: Postgres, zone: str, data: st.DataObject) -> None:
    """Around changes of clocks, too."""
    if not hasattr(postgres, "periods"):
        postgres.periods = Lab(postgres)  # type: ignore[attr-defined]
    per: Kind = data.draw(st.sampled_from(("day", "week", "month")))
    at = data.draw(st.floats(1.7e9, 1.9e9)) // 1
    with postgres.periods.of("ada").reading() as connection:  # type: ignore[attr-defined]
        asked = f"SELECT * FROM costmeter.period('{per}', '{zone}', NULL, NULL, to_timestamp({at}))"
        found = connection.exec_driver_sql(asked).one()
    start, end = Period(per, zone=zone).at(at)
    assert tuple(found) == (start // 3600, end // 3600), datetime.fromtimestamp(at, ZoneInfo(zone))


@given(
    name=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
    | st.from_regex(r"[/\\a]{0,6}", fullmatch=True)
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_calls_projects_as_we_do(postgres: Postgres, name: str) -> None:
    if not hasattr(postgres, "periods"):
        postgres.periods = Lab(postgres)  # type: ignore[attr-defined]
    with postgres.periods.of("ada").reading() as connection:  # type: ignore[attr-defined]
        found = connection.exec_driver_sql("SELECT costmeter.called(%s)", (name,)).scalar_one()
    assert found == called(name)


#: Hours around the turns of UTC months of a few years, and the years themselves.
HOUR = st.builds(
    lambda month, more: (
        int(datetime(2024 + month // 12, 1 + month % 12, 1, tzinfo=timezone.utc).timestamp()) // 3600 + more
    ),
    st.integers(0, 40),
    st.integers(-3, 3) | st.integers(-800, 800),
)


@given(since=st.none() | HOUR, until=st.none() | HOUR, hours=st.lists(HOUR, min_size=5, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_hour_of_a_period_is_read_once(
    postgres: Postgres, since: int | None, until: int | None, hours: list[int]
) -> None:
    """In a whole month of the monthly rollup, or by itself before or after these."""
    if since is not None and until is not None and since > until:
        since, until = until, since
    if not hasattr(postgres, "periods"):
        postgres.periods = Lab(postgres)  # type: ignore[attr-defined]
    with postgres.periods.of("ada").reading() as connection:  # type: ignore[attr-defined]
        asked = "SELECT * FROM costmeter.whole_months(CAST(%s AS bigint), CAST(%s AS bigint))"
        first, after, month, end_month = connection.exec_driver_sql(asked, (since, until)).one()
    least, most = since or 0, until if until is not None else 4_000_000_000
    for hour in {*hours, least, most - 1, most, first, first - 1, after, after - 1}:
        if hour > 200_000_000:
            continue  # beyond Python's calendar
        day = datetime.fromtimestamp(3600 * hour, timezone.utc).date()
        ways = [least <= hour < min(first, most), month <= day < end_month, after <= hour < most]
        assert sum(ways) == (least <= hour < most), (hour, ways)


# Nothing twice

LEDGERS = {"laptop": "ada", "cluster": "ada", "bens": "ben"}
STEP = st.tuples(st.sampled_from(["run", "run", "send", "ask", "ask"]), st.sampled_from(sorted(LEDGERS)))


class World:
    """Three ledgers of two people, what a bookkeeper would say of them, and what we say."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.now = lab, datetime.now().timestamp()
        self.paths = {name: folder / f"{name}-{next(NUMBERS)}.sqlite" for name in LEDGERS}
        self.ledgers = {name: open_ledger(path) for name, path in self.paths.items()}
        for ledger in self.ledgers.values():
            ledger.begin_share("postgresql://lab/lab", 1.0)
        costing = Costing(None, folder)
        self.spendings = {name: Spending(path, lambda: costing) for name, path in self.paths.items()}
        self.here = dict.fromkeys(LEDGERS, 0.0)  # GPU-hours in each
        self.there = dict.fromkeys(LEDGERS, 0.0)  # of them in the database
        self.known = {name: dict[str, float]() for name in LEDGERS}  # that, as each ledger was told last

    def do(self, what: str, name: str) -> None:
        ledger, person = self.ledgers[name], LEDGERS[name]
        if what == "run":
            session = f"{name}{next(NUMBERS) % 3}"
            ledger.append(replace(golden.SESSION, id=session), [a_record(session, 3600.0, "/home/x/paper")])
            self.here[name] += 1.0
        elif what == "send":
            assert send(ledger, self.lab.of(person)).problem is None
            self.there[name] = self.here[name]
        else:
            keep(kept_beside(self.paths[name]), planned.snapshot(self.lab.of(person)))
            self.known[name] = dict(self.there)

    def check(self) -> None:
        for name, person in LEDGERS.items():
            known = self.known[name]
            if not known:
                continue
            mine = self.here[name] + sum(known[o] for o, p in LEDGERS.items() if p == person and o != name)
            others = sum(known[o] for o, p in LEDGERS.items() if p != person)
            budgets = [terms.budget() for terms in (replace(EACH, set_by="cleo"), replace(POOL, set_by="cleo"))]
            each, pool = self.spendings[name].verdicts(budgets, self.now)
            assert (each.spent.value, pool.spent.value) == pytest.approx((mine, mine + others)), name
            assert each.lab is not None
            assert each.lab.pool.value == pytest.approx(mine + others)

    def close(self) -> None:
        for ledger in self.ledgers.values():
            ledger.close()
        for spending in self.spendings.values():
            spending.close()


@given(steps=st.lists(STEP, max_size=14))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_counts_twice_and_nothing_is_lost(
    postgres: Postgres, tmp_path: Path, steps: list[tuple[str, str]]
) -> None:
    lab = Lab(postgres)
    for one in (EACH, POOL):
        planned.put(lab.of("cleo"), one)
    world = World(lab, tmp_path)
    try:
        for what, name in steps:
            world.do(what, name)
            world.check()
    finally:
        world.close()
        lab.close()


def test_what_came_of_budgets_is_sent(lab: Lab, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    ledger.begin_share("postgresql://lab/lab", 1.0)
    for event in golden.EVENTS:
        ledger.log(event)
    assert send(ledger, lab.of("ada")).problem is None
    assert send(ledger, lab.of("ada")).count == 0
    query = "SELECT owner, id, kind, text FROM costmeter.budget_event ORDER BY id"
    told = {}
    for person in ("ada", "ben", "cleo"):
        with lab.of(person).reading() as connection:
            told[person] = [tuple(row) for row in connection.exec_driver_sql(query)]
    assert told["ada"] == sorted(("ada", one.id, one.kind, one.text) for one in golden.EVENTS)
    assert (told["ben"], told["cleo"]) == ([], told["ada"])
