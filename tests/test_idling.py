"""A GPU held idle between cells is spent from budgets while it is held, in all kernels, and counted once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from budgeted import Start, budget, spent_s
from kernels import ALL, Kernel, cells

from jupyter_costmeter import wire
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Figure

#: Until a kernel rests, and its ledger's thread has written (seconds).
RESTS_S = 3.0


def told_s(kernel: Kernel) -> tuple[float, float]:
    """GPU-seconds that are spent, as the kernel tells the panel, and when it had told it."""
    (one,) = kernel.ask(wire.REQUEST, {"notebook": None})["budgets"]
    return one["spent"]["value"] * 3600, time.monotonic()


def assert_goes(kernel: Kernel, seconds: float = 3.0) -> None:
    """For each second of the clock a GPU-second is spent."""
    kernel.ask(wire.REQUEST, {"notebook": None})  # loads what it needs
    first, began = told_s(kernel)
    time.sleep(seconds)
    last, ended = told_s(kernel)
    assert last - first == pytest.approx(ended - began, abs=0.3)


def reserved(record: CellRecord) -> Figure | None:
    """The GPU-seconds of a record."""
    return next((figure for figure in record.usage.figures if figure.name == "gpu_reserved_s"), None)


def held_s(ledger: Ledger) -> float:
    """GPU-seconds of what is held idle, in records."""
    found = [reserved(r) for r in ledger.records(ALL) if r.bucket == "held_idle"]
    return sum(figure.value or 0.0 for figure in found if figure)


def noted_in(ledger: Ledger) -> CellRecord:
    """What the ledger knows of a GPU that is held now."""
    (found,) = (r for _, r in ledger.open_windows() if r.bucket == "held_idle" and reserved(r))
    return found


def test_a_budget_goes_down_while_its_gpu_is_held_idle(start: Start, home: Path) -> None:
    budget(home, 1000.0)
    kernel = start()
    kernel.run("1")
    time.sleep(RESTS_S)
    assert_goes(kernel)


def test_another_kernel_sees_it_go_and_no_second_is_counted_twice(start: Start, home: Path, written: Ledger) -> None:
    budget(home, 1000.0)
    holder = start()
    holder.run("1")
    time.sleep(RESTS_S)
    other = start(JUPYTER_COSTMETER_REPLAY="")  # it holds no GPU
    assert_goes(other)
    noted = noted_in(written)
    assert reserved(noted).method == "modelled"  # type: ignore[union-attr]
    holder.run("2")
    holder.flush()
    assert not [one for one in written.open_windows() if one[1].bucket == "held_idle" and one[0].id == noted.session_id]
    assert noted.id in {record.id for record in written.records(ALL)}
    other.run("3")
    other.flush()
    time.sleep(0.5)
    mine = [r for r in written.records(ALL) if r.session_id == noted.session_id and r.bucket != "background"]
    alone_s = sum(r.wall_s for r in mine)
    assert spent_s(written) == pytest.approx(alone_s, abs=0.1)


def test_a_short_rest_is_a_record_once_it_has_been_told(start: Start, home: Path, written: Ledger) -> None:
    """Else it would wait for more such gaps, and be told by the journal and by its kernel."""
    budget(home, 1000.0)
    kernel = start()
    kernel.run("1")
    time.sleep(RESTS_S)
    kernel.run("2")
    kernel.run("3")
    time.sleep(0.5)
    one, two = cells(written)[1:3]
    assert held_s(written) >= two.started_at - one.started_at - one.wall_s - 0.1
    assert [r for _, r in written.open_windows() if r.bucket == "held_idle" and r.started_at < two.started_at] == []


def test_where_it_went_says_what_is_held_now(start: Start, home: Path) -> None:
    budget(home, 1000.0)
    holder = start()
    holder.run("1")
    time.sleep(RESTS_S)
    other = start(JUPYTER_COSTMETER_REPLAY="")
    other.run("%cost spent")
    assert "held idle now" in other.text


def test_what_a_killed_kernel_held_is_kept(start: Start, home: Path, written: Ledger) -> None:
    budget(home, 1000.0)
    kernel = start()
    kernel.run("1")
    time.sleep(RESTS_S)
    kernel.manager.shutdown_kernel(now=True)
    noted = noted_in(written)
    time.sleep(1.0)
    assert noted_in(written) == noted  # nobody holds it any more
    next_one = start()
    next_one.run("1")
    next_one.flush()
    assert noted.id in {record.id for record in written.records(ALL)}
    assert held_s(written) >= RESTS_S / 3


def test_a_threshold_that_is_reached_at_rest_is_told_when_the_panel_asks(start: Start, home: Path) -> None:
    budget(home, 8.0, warn=[1.0])
    kernel = start()
    assert kernel.ask(wire.REQUEST, {"notebook": None})["budgets"][0]["state"] in ("ok", "near")
    kernel.run("1")
    time.sleep(10)  # nothing runs, and nothing of ours wakes
    assert kernel.ask(wire.REQUEST, {"notebook": None})["budgets"][0]["state"] == "over"
    told = kernel.listen(lambda message: bool(message["notices"]))[-1]
    assert [(one["kind"], one["threshold"]) for one in told["notices"]] == [("warned", 1.0)]
    assert told["running"] == []
