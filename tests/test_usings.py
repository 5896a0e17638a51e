"""What people used, from the lab's ledger: as much as the records say, however it is divided."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from math import inf

import golden
import pytest
from labs import of_hub

from jupyter_costmeter import amounts
from jupyter_costmeter.assumptions import Assumptions
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.record import Total
from jupyter_costmeter.shared.acting import Acting
from jupyter_costmeter.shared.store import Batch, SharedLedger
from jupyter_costmeter.shared.usings import Spent, mine, of_group
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import HOUR_S, Use, of_records

NUMBERS = itertools.count()
MONTH_S = 31 * 86_400.0
NOW = time.time()
TARIFF = tariff_of({"gpu_hour": 0.5, "gb_hour": 0.002, "kwh": 0.3}, "lab.toml:1", "EUR")
BOOK = Book(Assumptions(tariffs=(TARIFF,)))
MEASURES = [("gpu_hours", None), ("kwh", None), ("kgco2e", None), ("amount", "EUR")]


@pytest.fixture(scope="module")
def hub() -> Iterator[SharedLedger]:
    for made in of_hub():
        with closing(SharedLedger(made.address("hub"))) as shared:
            for name in ("ada", "ben"):
                for batch in WORK[name]:
                    shared.acting(Acting(name)).take(batch)
            yield shared


def session(name: str, at: float, notebook: str | None, project: str) -> Batch:
    """One, with a record that lies in several hours, one that failed, one whose GPU was lost, and held idle."""
    key = f"{name}-{next(NUMBERS)}"
    info = replace(golden.SESSION, id=key, started_at=at, notebook=notebook, project=project)
    made = [
        golden.record(1, 2.5 * HOUR_S, 4e6),
        golden.record(2, 600.0, 1e5, outcome="error"),
        golden.record(3, 40.0, None),
        replace(golden.record(4, 900.0, 5e4), bucket="held_idle"),
        replace(golden.record(5, 20.0, 1e4), parent_id=f"{key}-1"),
    ]
    records = [
        replace(r, id=f"{key}-{r.seq}", session_id=key, started_at=at + 4000.0 * r.seq, project=project) for r in made
    ]
    return Batch([info], records)


WORK = {
    "ada": [
        session("ada", NOW - 0.2 * HOUR_S, "/home/ada/a/one.ipynb", "/home/ada/a"),
        session("ada", NOW - 0.1 * HOUR_S, "/home/ada/a/two.ipynb", "/home/ada/a"),
        session("ada", NOW - 2 * MONTH_S, None, "/home/ada/b"),
        session("ada", NOW - 30 * MONTH_S, "/home/ada/a/old.ipynb", "/home/ada/a"),
    ],
    "ben": [session("ben", NOW - 300.0, "/home/ben/secret.ipynb", "/home/ben/s")],
}


def amount(uses: list[Use], measure: str, currency: str | None) -> Total:
    return amounts.amount(measure, currency, uses, costs_of(uses, BOOK, elsewhere=False))  # type: ignore[arg-type]


def local(batches: list[Batch], hourly: bool) -> list[Use]:
    return [use for one in batches for use in of_records(one.records, one.infos[0], hourly)]


def uses_of(found: list[Spent]) -> list[Use]:
    return [use for one in found for use in one.uses]


@pytest.mark.parametrize("hourly_before", [-inf, NOW - MONTH_S, inf], ids=["never", "a month ago", "always"])
@pytest.mark.parametrize(("measure", "currency"), MEASURES)
def test_it_is_what_the_records_say(
    hub: SharedLedger, measure: str, currency: str | None, hourly_before: float
) -> None:
    found = mine(hub.acting(Acting("ada")), 12, hourly_before)
    there = amount(uses_of(found), measure, currency)
    here = amount(local(WORK["ada"][:3], hourly_before == inf), measure, currency)
    assert there.value == pytest.approx(here.value)
    assert (there.method, there.missing) == (here.method, here.missing)
    assert there.measured_share == pytest.approx(here.measured_share)


def test_months_projects_and_notebooks_are_told_apart_and_add_up(hub: SharedLedger) -> None:
    found = mine(hub.acting(Acting("ada")), 12, -inf)
    assert {(one.project, one.notebook) for one in found} == {
        ("/home/ada/a", "/home/ada/a/one.ipynb"), ("/home/ada/a", "/home/ada/a/two.ipynb"), ("/home/ada/b", None),
    }  # fmt: skip
    parts = [amount(list(one.uses), "kwh", None).value or 0.0 for one in found]
    assert sum(parts) == pytest.approx(amount(uses_of(found), "kwh", None).value)
    assert [one.month for one in found] == sorted(one.month for one in found)


def test_only_the_months_that_are_asked_for(hub: SharedLedger) -> None:
    ada = hub.acting(Acting("ada"))
    projects = {months: {one.project for one in mine(ada, months, -inf)} for months in (1, 12)}
    assert "/home/ada/b" not in projects[1]
    assert "/home/ada/b" in projects[12]
    assert "/home/ada/a/old.ipynb" in {one.notebook for one in mine(ada, 40, -inf)}


def test_of_a_group_without_notebooks(hub: SharedLedger) -> None:
    seen = {
        group: of_group(hub.acting(Acting("cleo", group)), 12, inf) for group in ((), ("ben",), ("ada", "ben"))
    }  # fmt: skip
    assert {group: {one.person for one in found} for group, found in seen.items()} == {
        (): set(), ("ben",): {"ben"}, ("ada", "ben"): {"ada", "ben"},
    }  # fmt: skip
    both = seen["ada", "ben"]
    assert {one.notebook for one in both} == {None}
    here = amount([*local(WORK["ada"][:3], True), *local(WORK["ben"], True)], "kwh", None)
    assert amount(uses_of(both), "kwh", None).value == pytest.approx(here.value)
