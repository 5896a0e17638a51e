"""From a local ledger to a real PostgreSQL, through every break: nothing is lost, nothing doubled."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import golden
import httpx
import pytest
import sqlalchemy as sa
from shared_ledgers import Postgres, running

from jupyter_costmeter.errors import LedgerUnwritable
from jupyter_costmeter.labs import Snapshot
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.outbox import Waiting
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.server.sender import Sender
from jupyter_costmeter.shared import secret, sending, tables
from jupyter_costmeter.shared.posting import HubLedger
from jupyter_costmeter.shared.sending import Pace, Sent, send
from jupyter_costmeter.shared.store import Batch, Refused, SharedLedger, ShareError
from jupyter_costmeter.tag import tags_of

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    yield from running()


@pytest.fixture
def lab(postgres: Postgres) -> Iterator[SharedLedger]:
    name = f"lab{next(NUMBERS)}"
    postgres.run(f"CREATE DATABASE {name}")
    made = SharedLedger(postgres.address("head_of_lab", name))
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def local(tmp_path: Path) -> Ledger:
    made = open_ledger(tmp_path / "ledger.sqlite")
    made.begin_share("postgresql://here/lab", 1.0)
    return made


def write(ledger: Ledger, start: int, end: int) -> None:
    info = replace(golden.SESSION, id=f"s{start}")
    records = [replace(golden.record(n, 1.0, 2.0), session_id=info.id) for n in range(start, end)]
    ledger.append(info, records)


def ids(lab: SharedLedger) -> list[str]:
    with lab._begun() as connection:
        return list(connection.execute(sa.select(tables.cell.c.id).order_by(tables.cell.c.seq)).scalars())


def names(start: int, end: int) -> list[str]:
    return [f"r{n}" for n in range(start, end)]


def test_all_that_waits_goes_in_batches(local: Ledger, lab: SharedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 7)
    write(local, 0, 20)
    local.tag(tags_of("r3", {"category": "hpo", "method": "ours"}, 1.79e9, "later", "ada", "host"))
    assert send(local, lab) == Sent(22, 0)
    assert ids(lab) == names(0, 20)
    with lab._begun() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.tag)).scalar_one() == 2
    assert lab.check() == []
    assert send(local, lab) == Sent(0, 0)


def test_a_record_is_there_as_it_is_here(local: Ledger, lab: SharedLedger) -> None:
    write(local, 0, 3)
    send(local, lab)
    (mine,) = (one for one in local.of_ids(["r2"]).values())
    with lab._begun() as connection:
        row = connection.execute(sa.select(tables.cell).where(tables.cell.c.id == "r2")).mappings().one()
        joined = sa.select(tables.figure, tables.provenance).join(
            tables.provenance, tables.provenance.c.id == tables.figure.c.provenance_id
        )
        figures = connection.execute(joined.where(tables.figure.c.cell_id == "r2")).mappings().all()
    assert {name: row[name] for name in ("seq", "started_at", "wall_s", "outcome", "notebook", "code_hash")} == {
        "seq": 2, "started_at": mine.started_at, "wall_s": 1.0, "outcome": "ok", "notebook": mine.notebook,
        "code_hash": mine.code_hash,
    }  # fmt: skip
    assert {(f["name"], f["device"] or None, f["value"], f["method"], f["source"]) for f in figures} == {
        (f.name, f.device, f.value, f.method, f.source) for f in mine.usage.figures
    }


def test_away_and_back(local: Ledger, lab: SharedLedger, postgres: Postgres) -> None:
    write(local, 0, 5)
    assert send(local, lab).problem is None
    write(local, 5, 9)
    postgres.stop()
    try:
        sent = send(local, lab)
        assert sent.count == 0
        assert sent.waiting == 4
        assert "cannot be used" in (sent.problem or "")
        share = local.share()
        assert share is not None
        assert share.problem == sent.problem
        write(local, 9, 12)  # a laptop on a train
    finally:
        postgres.start()
    assert send(local, lab) == Sent(7, 0)
    assert ids(lab) == names(0, 12)
    assert lab.check() == []


def test_killed_between_the_commit_and_the_outbox(
    local: Ledger, lab: SharedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(local, 0, 5)

    def die(*_: object, **__: object) -> None:
        raise LedgerUnwritable("the disk is full")

    monkeypatch.setattr(local, "sent", die)
    with pytest.raises(LedgerUnwritable):
        send(local, lab)
    monkeypatch.undo()
    assert ids(lab) == names(0, 5)
    assert send(local, lab) == Sent(5, 0)
    assert ids(lab) == names(0, 5)
    assert lab.check() == []


def test_two_who_send_at_once(local: Ledger, lab: SharedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 3)
    write(local, 0, 60)
    problems: list[str | None] = []

    def one() -> None:
        own, there = open_ledger(local.path), SharedLedger(lab.address)
        problems.append(send(own, there).problem)
        own.close()
        there.close()

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [None] * 3
    assert ids(lab) == names(0, 60)
    assert local.share().waiting == 0  # type: ignore[union-attr]
    assert lab.check() == []


def test_a_failure_in_the_middle_keeps_the_rest_in_its_order(local: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 2)
    write(local, 0, 6)
    taken: list[str] = []

    class Fails(SharedLedger):
        def take(self, batch: Batch) -> None:
            if len(taken) == 2:
                raise ShareError("it broke")
            taken.extend(record.id for record in batch.records)

    assert send(local, Fails("postgresql://nowhere")) == Sent(2, 4, "it broke", away=True)
    assert [one.id for one in local.next_out(9)] == names(2, 6)


def test_what_was_taken_back_meanwhile_is_passed_over(local: Ledger, lab: SharedLedger) -> None:
    write(local, 0, 1)
    assert sending.read(local, [Waiting(1, "record", "gone"), Waiting(2, "tag", "gone")]) == Batch([], [], [], [])
    assert send(local, lab) == Sent(1, 0)


def test_what_postgresql_has_no_letters_for_is_sent_without_them(lab: SharedLedger) -> None:
    """A name with a zero byte, and a file's name that is no UTF-8."""
    info = replace(golden.SESSION, id="odd", notebook="/a/\udcff.ipynb", environment={"job": "a\x00b"})
    odd = replace(
        golden.record(1, 1.0, 2.0), session_id="odd", label="a\x00b", error_type="\ud800", notebook=info.notebook
    )
    there = Batch([info], [odd], tags_of("r1", {"method": "x\x00"}, 1.79e9, "later", "a\x00", "host"))
    lab.take(there)
    with lab._begun() as connection:
        row = connection.execute(sa.select(tables.cell)).mappings().one()
    assert (row["label"], row["error_type"], row["notebook"]) == ("a\ufffdb", "\ufffd", "/a/\ufffd.ipynb")


def test_one_that_the_database_refuses_does_not_hold_up_the_others(local: Ledger, lab: SharedLedger) -> None:
    write(local, 0, 4)
    info = replace(golden.SESSION, id="big")
    local.append(info, [replace(golden.record(7, 1.0, 2.0), id="big", session_id="big", execution_count=2**40)])
    write(local, 4, 8)
    sent = send(local, lab)
    assert ids(lab) == names(0, 8)
    assert (sent.count, sent.waiting) == (8, 1)
    assert "record big" in (sent.problem or "")
    assert "out of range" in (sent.problem or "")
    assert [one.id for one in local.next_out(9)] == ["big"]
    write(local, 9, 10)
    assert send(local, lab).count == 1
    assert ids(lab) == [*names(0, 8), "r9"]


def test_the_pace_slackens_after_failures_and_recovers() -> None:
    pace = Pace(5.0)
    assert pace.after(Sent(3, 0)) == 5.0
    assert [pace.after(Sent(3, 1, "one is refused")) for _ in range(3)] == [5.0] * 3
    rests = [pace.after(Sent(0, 3, "away", away=True)) for _ in range(12)]
    assert 5.0 <= rests[0] <= 10.0
    assert 10.0 <= rests[1] <= 20.0
    assert all(150.0 <= rest <= 300.0 for rest in rests[6:])
    assert all(pace.after(Sent(0, 3, "away", away=True)) <= 300.0 for _ in range(2000))  # a week away
    assert pace.after(Sent(3, 0)) == 5.0


@pytest.mark.parametrize(("said", "rest_s"), [("120", 120.0), ("9999", 300.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)])
def test_who_asks_to_be_left_alone_is(local: Ledger, monkeypatch: pytest.MonkeyPatch, said: str, rest_s: float) -> None:
    monkeypatch.setattr(secret, "token", lambda _: "t")
    answer = httpx.Response(503, headers={"Retry-After": said}, json={"message": "the database is away"})
    there = HubLedger("https://hub.lab.example/services/costmeter")
    there._client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    write(local, 0, 2)
    sent = send(local, there)
    assert (sent.count, sent.waiting) == (0, 2)
    assert "the database is away" in (sent.problem or "")
    assert Pace(0.001).after(sent) == pytest.approx(rest_s, abs=0.01)
    with pytest.raises(ShareError) as asked:
        there.standing()
    assert asked.value.rest_s == sent.rest_s


class _Picky(HubLedger):
    """Takes all but the records of these ids, and knows where the budgets stand unless it is away."""

    def __init__(self, *refused: str) -> None:
        super().__init__("https://hub.lab.example/services/costmeter")
        self.refused, self.asked, self.away = set(refused), 0, False

    def take(self, batch: Batch) -> None:
        if self.refused & {record.id for record in batch.records}:
            raise Refused("no")

    def standing(self) -> Snapshot:
        self.asked += 1
        if self.away:
            raise ShareError("away")
        return Snapshot("ada", 1.0, ())

    def close(self) -> None:
        pass


def test_a_record_that_is_refused_keeps_no_budget_waiting(local: Ledger, tmp_path: Path) -> None:
    there, sender = _Picky("r2"), Sender(tmp_path / "ledger.sqlite", "postgresql://here/lab")
    write(local, 0, 6)
    sent = sender._asked(local, there, send(local, there))
    assert (sent.count, sent.waiting, sent.away) == (5, 1, False)
    assert there.asked == 1
    share = local.share()
    assert share is not None
    assert "r2 is refused" in (share.problem or ""), "it is still said"


def test_what_was_away_and_is_back_is_said_no_more(local: Ledger, tmp_path: Path) -> None:
    there, sender = _Picky(), Sender(tmp_path / "ledger.sqlite", "postgresql://here/lab")
    there.away = True
    assert sender._asked(local, there, send(local, there)).away
    assert local.share().problem == "away"  # type: ignore[union-attr]
    there.away = False
    assert sender._asked(local, there, send(local, there)) == Sent(0, 0)
    assert local.share().problem is None  # type: ignore[union-attr]
