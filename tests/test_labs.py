"""A lab's budgets without a network: by the snapshot beside the ledger, fresh, old, broken or of another time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from pathlib import Path

import golden
import pytest
from labs import a_record

from jupyter_costmeter import budget_pages, budget_wire, budgeting, config, holding, planning
from jupyter_costmeter.budget import Budget, Offline, Verdict, applying, called
from jupyter_costmeter.budgets import Plans, plans_of
from jupyter_costmeter.context import of_folder
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.extending import extend
from jupyter_costmeter.labs import STALE_S, Snapshot, Standing, Sum, Terms, keep, kept_beside, read
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.spending import Spending
from jupyter_costmeter.watching import Watch

NOW = 1_790_000_000.0
MONTH = Terms(
    "lab1", "cleo", "gpu_hours", 10.0, "each", None, None, "month", "UTC", None, None, "ask", (0.5, 0.8, 1.0), ""
)  # fmt: skip
POOL = replace(MONTH, id="lab2", whose="pool", limit=50.0)
FIRST = 1_788_220_800 // 3600  # September 2026


def hours(value: float | None, method: str | None = "measured", missing: int = 0) -> Sum:
    seconds = None if value is None else value * 3600
    return Sum("gpu_reserved_s", method, seconds, None if seconds is None else 0.01 * seconds, 1, missing)  # type: ignore[arg-type]


def standing(terms: Terms, others: float = 0.0, **mine: float) -> Standing:
    own = tuple((session, (hours(value),)) for session, value in mine.items())
    return Standing(terms, FIRST, FIRST + 720, (hours(others),) if others else (), own)


@pytest.fixture
def shared(home: Path, ledger_path: Path) -> Callable[..., config.CostMeter]:
    """A machine on which something is shared, and what its lab's database said last."""

    def kept(*standings: Standing, as_of: float = NOW, offline: str = "ask") -> config.CostMeter:
        folder = home / "config_dir"
        folder.mkdir(exist_ok=True)
        said = (
            f"c.CostMeter.ledger_share = 'postgresql://127.0.0.1:1/lab'\nc.CostMeter.ledger_share_offline = {offline!r}"
        )
        (folder / "jupyter_costmeter_config.py").write_text(said)
        ledger_path.parent.mkdir(parents=True, exist_ok=True)
        keep(kept_beside(ledger_path), Snapshot("ada", as_of, standings))
        loaded, problems = config.load()
        assert problems == []
        return loaded

    return kept


@pytest.fixture
def spending(home: Path, ledger_path: Path) -> Iterator[Spending]:
    costing = Costing(None, home)
    made = Spending(ledger_path, lambda: costing)
    yield made
    made.close()


def used(ledger_path: Path, session: str, gpu_hours: float, project: str = "/home/ada/paper") -> None:
    ledger = open_ledger(ledger_path)
    record = replace(a_record(session, gpu_hours * 3600, project), started_at=NOW - 7200)
    ledger.append(replace(golden.SESSION, id=session), [record])
    ledger.close()


def verdicts(settings: config.CostMeter, spending: Spending, now: float = NOW) -> list[Verdict]:
    return spending.verdicts(plans_of(settings).of(None).budgets, now)


Shared = Callable[..., config.CostMeter]


def test_the_share_is_what_is_here_and_what_was_elsewhere(
    shared: Shared, spending: Spending, ledger_path: Path
) -> None:
    settings = shared(standing(MONTH, 7.0, cluster=2.0, s1=99.0), standing(POOL, 7.0, cluster=2.0, s1=99.0))
    used(ledger_path, "s1", 1.5)  # of which the database knows something else, or a part
    each, pool = verdicts(settings, spending)
    assert each.spent.value == pytest.approx(3.5)
    assert pool.spent.value == pytest.approx(10.5)
    assert pool.spent.method == "measured"
    assert pool.spent.uncertainty is not None
    assert each.lab is not None
    assert each.lab.pool.value == pytest.approx(10.5)


def test_it_is_said_whose_it_is(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    settings = shared(standing(MONTH, 7.0), standing(POOL, 7.0))
    used(ledger_path, "s1", 1.5)
    each, pool = (budget_pages.said(one) for one in verdicts(settings, spending))
    assert each.startswith("1.5 of 10 GPU-h this month (15 %), 8.5 GPU-h left; all together 8.5 GPU-h")
    assert pool.startswith("8.5 of 50 GPU-h this month (17 %), 41.5 GPU-h left; of it mine 1.5 GPU-h")
    assert budget_pages.title(POOL.budget()) == "50 GPU-h per month, the lab"
    assert budget_pages.title(MONTH.budget()) == "10 GPU-h per month, each of the lab"
    told = replace(MONTH, whose="person", person="ada", project="paper").budget()
    assert budget_pages.title(told) == "10 GPU-h per month, ada, project paper"


def test_a_projects_counts_where_a_folder_is_called_so(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    paper = replace(MONTH, project="paper")
    settings = shared(standing(paper))
    for session, folder in (("s1", "/home/ada/paper"), ("s2", "/scratch/paper"), ("s3", "/home/ada/wallpaper")):
        used(ledger_path, session, 1.0, folder)
    (one,) = verdicts(settings, spending)
    assert one.spent.value == pytest.approx(2.0)
    assert applying([one.budget], None, "/elsewhere/paper") == [one.budget]
    assert applying([one.budget], None, "/elsewhere/Paper") == []
    assert called("C:\\work\\paper") == "paper"


# While the database is away


def at_limit(
    offline: Offline, shared: Shared, spending: Spending, ledger_path: Path, gpu_hours: float = 11.0
) -> Verdict:
    settings = shared(standing(MONTH), as_of=NOW - 3 * 3600, offline=offline)
    used(ledger_path, "s1", gpu_hours)
    (one,) = verdicts(settings, spending)
    assert one.lab is not None
    assert one.lab.stale
    assert "as of 3 h 00 min ago: the lab's database is away" in budget_pages.said(one)
    return one


def test_a_fresh_cap_holds_and_cannot_be_extended(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    settings = shared(standing(MONTH))
    used(ledger_path, "s1", 11.0)
    (one,) = verdicts(settings, spending)
    assert (one.holds, one.offline) == (True, None)
    said = holding.refusal([one], NOW, False, None)
    assert "lab's ledger, by cleo" in said
    assert "the lab's heads alone can raise" in said
    assert "administrator" not in said
    assert not holding.may_go_on([one], False)
    with pytest.raises(UsageError, match="only a head of the lab raises it"):
        extend(spending, one, golden.SESSION)
    with pytest.raises(UsageError, match="set by cleo"):
        budgeting.delete(one.budget)


def test_allow_holds_nothing_while_it_is_away(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    one = at_limit("allow", shared, spending, ledger_path)
    assert one.state == "over"
    assert not one.holds


def test_ask_lets_who_insists_go_on_until_it_is_back(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    one = at_limit("ask", shared, spending, ledger_path)
    assert one.holds
    assert "run the cell again within a minute" in holding.refusal([one], NOW, False, None)
    assert holding.may_go_on([one], False)
    assert "within a minute" not in holding.refusal([one], NOW, True, None)  # nobody sits there
    assert budget_wire.verdict(one, NOW)["lab"]["goes_on"] is True
    event = extend(spending, replace(one, end=inf), golden.SESSION)
    ledger = open_ledger(ledger_path)
    ledger.log(replace(event, id="then", at=NOW))
    ledger.close()
    (again,) = spending.verdicts([one.budget], NOW)
    assert not again.holds
    keep(kept_beside(ledger_path), Snapshot("ada", NOW, (standing(MONTH),)))
    (back,) = spending.verdicts([one.budget], NOW)
    assert (back.granted, back.holds) == (0.0, True)


def test_ask_holds_nothing_that_is_not_spent(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    assert not at_limit("ask", shared, spending, ledger_path, 1.0).holds


def test_hold_holds_all_but_interrupts_nothing(shared: Shared, spending: Spending, ledger_path: Path) -> None:
    one = at_limit("hold", shared, spending, ledger_path, 1.0)
    assert one.holds
    said = holding.refusal([one], NOW, False, None)
    assert "the lab's database is away" in said
    assert "jupyter costmeter sync" in said
    assert not holding.may_go_on([one], False)
    assert not replace(one, budget=replace(one.budget, hold="stop")).stops
    warns = replace(one, budget=replace(one.budget, hold="warn"))
    assert not warns.holds


def test_another_period_than_it_spoke_of_is_a_lower_bound(
    shared: Shared, spending: Spending, ledger_path: Path
) -> None:
    settings = shared(standing(POOL, 40.0, cluster=9.0), as_of=NOW)
    ledger = open_ledger(ledger_path)
    october = NOW + 30 * 86400
    record = replace(a_record("s1", 3600.0, None), started_at=october - 60)
    ledger.append(replace(golden.SESSION, id="s1"), [record])
    ledger.close()
    (one,) = verdicts(settings, spending, october)
    assert one.spent.value == pytest.approx(1.0)
    assert one.spent.incomplete
    assert "not asked since it began" in " ".join(one.spent.reasons)
    assert one.offline == "ask"


@pytest.mark.parametrize("age_s", [0.0, STALE_S - 1, STALE_S + 1, -STALE_S - 1])
def test_when_it_is_old(shared: Shared, spending: Spending, age_s: float) -> None:
    """A clock that was set back tells no age, and so nothing fresh."""
    (one,) = verdicts(shared(standing(MONTH), as_of=NOW - age_s), spending)
    assert one.lab is not None
    assert one.lab.stale is (abs(age_s) > STALE_S)
    if age_s < -STALE_S:
        assert "clock" in budget_pages.said(one)


# The file


def test_what_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.lab.json"
    whole = Snapshot(
        "ada", NOW, (standing(MONTH, 1.0, s1=2.0), Standing(replace(POOL, per="span", starts=1.0), None, None))
    )
    assert read(path) is None
    keep(path, whole)
    assert read(path) == whole
    assert os.listdir(tmp_path) == ["x.lab.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"person": "a", "as_of": 1, "standings": [1]}', "\xff"])
def test_a_broken_file_is_said_and_the_other_budgets_hold(
    shared: Shared, ledger_path: Path, text: str, spending: Spending
) -> None:
    settings = shared(standing(MONTH))
    budget = plans_of(settings).of(None).budgets[0]
    kept_beside(ledger_path).write_bytes(text.encode("latin-1"))
    settings.caps = [({"gpu_hours": 1, "per": "day"}, "config.py")]
    declared = plans_of(settings).of(None)
    assert [one.cap for one in declared.budgets] == [True]
    assert "lab.json" in declared.problems[0]
    (one,) = spending.verdicts([budget], NOW)  # which somebody asks for that knew it before
    assert one.lab is None


def test_without_sharing_it_is_not_looked_at(shared: Shared, home: Path) -> None:
    shared(standing(MONTH))
    (home / "config_dir" / "jupyter_costmeter_config.py").write_text("")
    settings, _ = config.load()
    assert settings.lab_file is None
    assert plans_of(settings).of(None).budgets == ()


def test_a_kernel_sees_it_without_a_network_as_soon_as_it_changes(
    shared: Shared, ledger_path: Path, home: Path
) -> None:
    settings = shared(as_of=time.time())
    watch = Watch(settings, lambda: golden.SESSION, lambda: Costing(None, home), list)
    assert watch.read() == ()
    now = Standing(replace(MONTH, per="total"), None, None)
    keep(kept_beside(ledger_path), Snapshot("ada", time.time(), (now,)))
    watch.check()
    assert [one.id for one in watch.budgets] == ["lab1"]
    used(ledger_path, "s1", 11.0)
    assert [one.budget.id for one in watch.over(list)] == ["lab1"]
    keep(kept_beside(ledger_path), Snapshot("ada", time.time(), (replace(now, terms=replace(now.terms, limit=20.0)),)))
    watch.check()
    assert watch.over(list) == []


def test_the_list_has_them_with_all_others(shared: Shared, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared(Standing(replace(MONTH, per="total"), None, None), as_of=time.time() - 7300)
    monkeypatch.chdir(home)
    text = planning.list_page(of_folder()).text()
    assert "10 GPU-h in all, each of the lab" in text
    assert "the lab's ledger, by cleo" in text
    assert "as of 2 h 01 min ago: the lab's database is away" in text


def test_terms_without_a_plan_are_a_cap(tmp_path: Path) -> None:
    made: Budget = MONTH.budget()
    assert made.cap
    assert made.file is None
    assert Plans().of(None).budgets == ()
    assert json.dumps(budget_wire.verdict(golden.VERDICTS[0])["lab"]) == "null"
