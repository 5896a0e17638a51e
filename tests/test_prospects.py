"""What a kernel is told of its running cells: by their last runs, until their loops say it better."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from budget_cases import CODE, HOUR, NOW, ONE, ran, verdict

from jupyter_costmeter import foretelling, progressing, prospects
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.prospects import Prospects
from jupyter_costmeter.record import CellRecord

Make = Callable[..., Prospects]


@pytest.fixture
def make(ledger_path: Path, tmp_path: Path) -> Make:
    def one(wanted: bool = True, spent: float = 1.0) -> Prospects:
        costing = Costing(None, tmp_path)
        return Prospects(ledger_path, lambda: ONE, lambda: costing, lambda: [verdict(spent=spent)], lambda: wanted)

    return one


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress by hand; what other tests told is forgotten, before and after."""
    monkeypatch.setattr(progressing, "_told", None)


def running(hours: float, number: int = 9) -> CellRecord:
    """A cell that holds a GPU since then, until now."""
    return replace(ran(4e6, hours)[1], id=f"now-{number}", started_at=time.time() - hours * HOUR)


def filled(ledger: Ledger, hours: float = 2.0) -> None:
    past = replace(ran(4e6, hours)[1], started_at=NOW - 9000, cell_id="c", code_hash=CODE)
    ledger.append(ONE, [replace(past, id=f"past-{n}", seq=n) for n in (1, 2)])


@pytest.mark.usefixtures("told")
def test_the_history_speaks_until_the_loop_does(make: Make, ledger: Ledger) -> None:
    filled(ledger)
    one = make()
    progress, forecast = one.of(running(0.1))
    assert forecast is not None
    assert (progress, forecast.source, forecast.budgets[0].amount.value) == (None, "history", 2.0)
    progressing.progress(0, 100)
    progressing.progress(1, 100)
    progress, forecast = one.of(running(0.2))
    assert progress is not None
    assert forecast is not None
    assert (progress.fraction, forecast.source) == (0.01, "history")  # too little is done


@pytest.mark.usefixtures("told")
def test_a_loop_that_goes_on_says_it_better(make: Make, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """At half an hour it begins; half of it is done at an hour: it will take an hour and a half."""
    filled(ledger)
    one, began = make(), time.time() - 0.5 * HOUR
    first, last = progressing._Told(began, 0.0, 100.0), progressing._Told(time.time(), 50.0, 100.0)
    one.of(replace(running(0.5), started_at=began - 0.5 * HOUR))
    monkeypatch.setattr(progressing, "_told", (first, last))
    progress, forecast = one.of(replace(running(1.0), started_at=began - 0.5 * HOUR))
    assert progress is not None
    assert forecast is not None
    assert (progress.fraction, forecast.source) == (0.5, "progress")
    assert forecast.budgets[0].amount.value == pytest.approx(1.5, rel=1e-3)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("ran_h", [0.001, 0.75])
def test_what_the_cell_has_used_so_far_counts_once(make: Make, ledger: Ledger, ran_h: float) -> None:
    """An hour was spent before it and it takes two, however long it had run when its budget was set."""
    filled(ledger)
    _, forecast = make(spent=1.0 + ran_h).of(running(ran_h))
    assert forecast is not None
    (left,) = forecast.budgets
    assert left.left_after == pytest.approx(verdict(spent=0.0).limit - 3.0)


@pytest.mark.usefixtures("told")
def test_where_nobody_reads_forecasts_none_is_made(make: Make, ledger: Ledger) -> None:
    filled(ledger)
    assert make(wanted=False).of(running(0.1)) == (None, None)


@pytest.mark.usefixtures("told")
def test_a_short_cell_and_one_inside_another_are_not_foretold(make: Make, ledger: Ledger) -> None:
    filled(ledger)
    assert make().of(running(prospects.SHORT_S / HOUR / 2)) == (None, None)
    assert make().of(replace(running(0.1), parent_id="outer")) == (None, None)


@pytest.mark.usefixtures("told")
def test_the_ledger_is_read_once_for_each_run(make: Make, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(ledger)
    asked: list[str | None] = []
    real = foretelling.foretold

    def counted(path: Path, cell_id: str | None, *more: object) -> object:
        asked.append(cell_id)
        return real(path, cell_id, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(foretelling, "foretold", counted)
    one = make()
    for number in (1, 1, 1, 2, 2):
        assert one.of(running(0.1, number))[1] is not None
    assert len(asked) == 2


@pytest.mark.usefixtures("told")
def test_what_fails_is_not_tried_each_second_and_raises_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def broken(*more: object) -> None:
        asked.append(more)
        raise RuntimeError("broken")

    monkeypatch.setattr(foretelling, "foretold", broken)
    one = make()
    for _ in range(3):
        assert one.of(running(0.1))[1] is None
    assert len(asked) == 1


@pytest.mark.usefixtures("told")
def test_many_cells_are_not_kept(make: Make, ledger: Ledger) -> None:
    filled(ledger)
    one = make()
    for number in range(3 * prospects.KEPT):
        one.of(running(0.1, number))
    assert len(one._of_history) == prospects.KEPT
