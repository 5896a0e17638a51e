"""Sharing as its users meet it: a setting, a writer, the shell's words, the server's thread; and a real PostgreSQL."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import golden
import pytest
from shared_ledgers import Postgres, running

from jupyter_costmeter import cli, config, sharing
from jupyter_costmeter.errors import LedgerError, UsageError
from jupyter_costmeter.labs import Terms, kept_beside, read
from jupyter_costmeter.ledger import Share, open_ledger
from jupyter_costmeter.ledger.writer import Writer
from jupyter_costmeter.overhead import Overhead
from jupyter_costmeter.server.sender import Sender
from jupyter_costmeter.shared.planned import put
from jupyter_costmeter.shared.sending import Pace
from jupyter_costmeter.shared.store import SharedLedger

HERE = "postgresql://db.lab.example/costmeter"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    yield from running()


@pytest.fixture
def address(postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    name = f"lab{abs(hash(tmp_path))}"
    postgres.run(f"CREATE DATABASE {name}")
    yield postgres.address("head_of_lab", name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


def shares(home: Path, address: str) -> None:
    """As the user sets it."""
    folder = home / "config_dir"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_costmeter_config.py").write_text(f"c.CostMeter.ledger_share = {address!r}\n")


def metered(path: Path, *numbers: int, share: str = "") -> None:
    """As a kernel writes it."""
    writer = Writer(path, golden.SESSION, Overhead(), share)
    writer.append([golden.record(number, 2.0, 3.0) for number in numbers])
    assert writer.flush(30)


def there(address: str) -> int:
    with closing(SharedLedger(address)) as shared:
        return sum(shared.counts().values())


def test_from_the_setting_to_the_database(
    home: Path, ledger_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    metered(ledger_path, 1)
    shares(home, address)
    settings, problems = config.load()
    assert problems == []
    assert settings.ledger_share == address
    metered(ledger_path, 2, share=settings.ledger_share)
    assert cli.main(["sync"]) == 1
    assert "sync --init" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["sync", "--init"]) == 0
    assert "is prepared" in capsys.readouterr().out
    assert cli.main(["sync", "--init"]) == 0
    assert "up to date already" in capsys.readouterr().out
    metered(ledger_path, 3, share=settings.ledger_share)
    assert cli.main(["sync", "--status"]) == 1
    assert "2 records wait for" in capsys.readouterr().out
    assert cli.main(["sync"]) == 0
    assert "2 records sent" in capsys.readouterr().out
    assert cli.main(["sync", "--status"]) == 0
    assert "nothing waits" in capsys.readouterr().out
    assert there(address) == 2
    assert cli.main(["sync", "--all"]) == 0
    assert "3 records sent" in capsys.readouterr().out
    assert there(address) == 3


def test_what_was_written_before_stays_unless_all_is_asked_for(
    home: Path, ledger_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    metered(ledger_path, 1)
    assert cli.main(["sync", "--init", address]) == 0
    assert cli.main(["sync", address]) == 0
    assert "0 records sent" in (said := capsys.readouterr().out)
    assert "unless you say --all" in " ".join(said.split())
    assert there(address) == 0


def test_a_setting_that_is_taken_away_ends_it(ledger_path: Path) -> None:
    metered(ledger_path, 1, share=HERE)
    metered(ledger_path, 2)
    with closing(open_ledger(ledger_path)) as ledger:
        assert ledger.share() is None
        assert [one.id for one in ledger.next_out(9)] == ["r1"]


def test_a_password_in_the_setting_is_refused_and_never_told(
    home: Path, ledger_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shares(home, "postgresql://ada:hunter2@db.lab.example/costmeter")
    settings, problems = config.load()
    assert settings.ledger_share == ""
    assert "take it out" in problems[0]
    assert cli.main(["sync"]) == 2
    cli.main(["doctor"])
    assert cli.main(["sync", "postgresql://ada:hunter2@db.lab.example/x"]) == 2
    said = capsys.readouterr()
    assert "take it out" in said.err
    assert "hunter2" not in "".join([*problems, said.out, said.err])


def test_without_an_address_it_says_how_to_give_one(home: Path, ledger_path: Path) -> None:
    with pytest.raises(UsageError, match="ledger_share"):
        sharing.shared_address("")
    assert "Nothing of this ledger is shared" in sharing.standing(ledger_path).text()
    assert sharing.status(ledger_path) == []


def test_simulated_figures_are_never_shared(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares(home, HERE)
    monkeypatch.setenv("JUPYTER_COSTMETER_REPLAY", "demo")
    assert config.load()[0].ledger_share == ""


def test_without_the_driver_it_says_how_to_get_it(ledger_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metered(ledger_path, 1, share=HERE)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    page = sharing.sync(ledger_path, HERE)
    assert not page.ok
    assert "jupyter_costmeter[shared]" in page.text()


def test_how_it_stands_in_words() -> None:
    now = time.time()
    assert sharing.sentence(Share(HERE, 1.0)) == f"nothing waits for {HERE}; nothing was sent yet."
    told = sharing.sentence(Share(HERE, 1.0, waiting=1, sent_at=now - 61))
    assert told == f"1 record waits for {HERE}; last sent 1 min 00 s ago."
    assert sharing.sentence(Share(HERE, 1.0, waiting=1200, sent_at=now)).startswith("1,200 records wait for")


def test_the_doctor_says_why_it_does_not_go(home: Path, ledger_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metered(ledger_path, 1, share="postgresql://127.0.0.1:1/x")
    assert cli.main(["sync", "postgresql://127.0.0.1:1/x"]) == 1
    capsys.readouterr()
    cli.main(["doctor"])
    said = " ".join(capsys.readouterr().out.split())
    assert "1 record waits for postgresql://127.0.0.1:1/x" in said
    assert "refused" in said


def test_the_servers_thread_sends_what_comes_and_survives_what_fails(
    ledger_path: Path, address: str, postgres: Postgres
) -> None:
    with closing(SharedLedger(address)) as shared:
        shared.prepare()
    metered(ledger_path, 1, share=address)
    sender = Sender(ledger_path, address, Pace(0.05))
    sender.start()
    try:
        until(lambda: there(address) == 1)
        postgres.stop()
        metered(ledger_path, 2, 3, share=address)
        until(lambda: problem(ledger_path) is not None)
        postgres.start()
        until(lambda: problem(ledger_path) is None)
        assert there(address) == 3
    finally:
        sender.stop()


def problem(path: Path) -> str | None:
    with closing(open_ledger(path)) as ledger:
        share = ledger.share()
    return share.problem if share else None


def until(holds: object, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_servers_thread_asks_where_the_labs_budgets_stand(ledger_path: Path, address: str) -> None:
    terms = Terms("b", "", "gpu_hours", 5.0, "each", None, None, "month", "UTC", None, None, "ask", (1.0,), "")
    with closing(SharedLedger(address)) as shared:
        shared.prepare()
        put(shared, terms)
    metered(ledger_path, 1, share=address)
    sender = Sender(ledger_path, address, Pace(0.05))
    sender.start()
    try:
        until(lambda: kept_beside(ledger_path).exists())
    finally:
        sender.stop()
    found = read(kept_beside(ledger_path))
    assert found is not None
    assert found.person == "head_of_lab"
    assert [(one.terms.id, one.terms.limit) for one in found.standings] == [("b", 5.0)]


def test_what_cannot_be_kept_is_said(ledger_path: Path, address: str) -> None:
    with closing(SharedLedger(address)) as shared:
        shared.prepare()
    metered(ledger_path, 1, share=address)
    kept_beside(ledger_path).mkdir()
    with pytest.raises(LedgerError, match="cannot be kept"):
        sharing.sync(ledger_path, address)
