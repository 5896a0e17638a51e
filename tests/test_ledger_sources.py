"""A ledger is read where it lies, as it is at one moment, and a copy is made only where there is no other way."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from merged_ledgers import made, older
from shell import cell, session

from jupyter_costmeter.errors import LedgerUnwritable, UsageError
from jupyter_costmeter.ledger import Selection, open_ledger, sources
from jupyter_costmeter.ledger.sources import Changed, Source, opened

ALL = Selection("all")
INFO = session("aaa1", "/home/ada/paper/train.ipynb")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "far"
    folder.mkdir()
    return made(folder / "from", (INFO, [cell(INFO, 1)]))


@pytest.fixture
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise AssertionError("a copy is made")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)


def ids(source: Source) -> set[str]:
    return {record.id for record in source.records(ALL)}


def beside(source: Path) -> set[str]:
    return {path.name for path in source.parent.iterdir()}


@pytest.mark.usefixtures("no_copies")
@pytest.mark.parametrize("still", [True, False])
def test_it_is_read_where_it_lies(source: Path, still: bool) -> None:
    before = source.read_bytes()
    with opened(source, still) as found:
        assert ids(found) == {"aaa1-1"}
        assert set(found.every_session()) == {"aaa1"}
        assert not still or beside(source) == {"from"}
    assert source.read_bytes() == before


@pytest.mark.usefixtures("no_copies")
def test_of_one_that_is_written_to_one_state_is_read(source: Path) -> None:
    writer = open_ledger(source)
    writer.append(INFO, [cell(INFO, 2)])  # in the WAL only
    with opened(source) as found:
        assert ids(found) == {"aaa1-1", "aaa1-2"}
        writer.append(INFO, [cell(INFO, 3)])
        assert ids(found) == {"aaa1-1", "aaa1-2"}
        assert found.count(ALL) == 2
    writer.close()


def test_one_that_begins_to_be_written_to_is_told(source: Path) -> None:
    """What was read as it lay there may be wrong."""
    with pytest.raises(Changed), opened(source) as found:
        ids(found)
        made(source, (INFO, [cell(INFO, 2)]))
    with opened(source, still=False) as found:
        made(source, (INFO, [cell(INFO, 3)]))
        assert len(ids(found)) in (2, 3)


def test_nothing_is_written_to_it(source: Path) -> None:
    with opened(source) as found, pytest.raises(LedgerUnwritable, match="is only read"):
        found.add(infos=[INFO])


def test_an_empty_file_is_a_ledger_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with opened(tmp_path / "empty") as found:
        assert ids(found) == set()
        assert (found.every_session(), found.events(), found.running()) == ({}, [], 0)


@pytest.mark.parametrize(("make", "says"), [
    (lambda path: None, "there is no "),
    (Path.mkdir, "is a folder"),
    (lambda path: path.write_text("no ledger" * 100), "is no ledger, or broken"),
])  # fmt: skip
def test_what_is_no_ledger(make: Any, says: str, tmp_path: Path) -> None:
    make(tmp_path / "x")
    with pytest.raises(UsageError, match=says), opened(tmp_path / "x"):
        pass


# Copies


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite says of a WAL in a folder in which it can make no file (the tests may run as root, who can)."""
    real = sources._connected

    def refused(path: Path, how: str) -> sqlite3.Connection:
        if how == "mode=ro":
            raise sqlite3.OperationalError("unable to open database file")
        return real(path, how)

    monkeypatch.setattr(sources, "_connected", refused)


@pytest.fixture
def killed(source: Path, tmp_path: Path) -> Path:
    """Its writer was killed: what came last is in the WAL only."""
    (tmp_path / "crashed").mkdir()
    writer = open_ledger(source)
    writer.append(INFO, [cell(INFO, 2)])
    for name in ("from", "from-wal"):
        shutil.copyfile(source.parent / name, tmp_path / "crashed" / name)
    writer.close()
    return tmp_path / "crashed" / "from"


@pytest.mark.usefixtures("read_only")
def test_a_wal_on_a_read_only_mount_is_read_from_a_copy(killed: Path, home: Path) -> None:
    before = {name: (killed.parent / name).read_bytes() for name in beside(killed)}
    with opened(killed) as found:
        assert ids(found) == {"aaa1-1", "aaa1-2"}
        assert list(Path(tempfile.gettempdir()).glob("costmeter-merge-*"))
    assert {name: (killed.parent / name).read_bytes() for name in beside(killed)} == before
    assert not list(Path(tempfile.gettempdir()).glob("costmeter-merge-*"))


def test_without_room_for_a_copy_it_is_said_what_to_do(
    killed: Path, read_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 1000, 0))
    with pytest.raises(LedgerUnwritable, match=rf"{killed} cannot be read in place .* 0 B are free. Set TMPDIR to"):
        opened(killed).__enter__()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk is full")])
def test_room_that_runs_out_is_said_too(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(sources.Ledger, "running", full)
    with pytest.raises(LedgerUnwritable, match="is of an earlier version, .* has no room .* Set TMPDIR to"):
        opened(older(tmp_path / "old", 2)).__enter__()


def test_an_earlier_versions_is_brought_up_to_date_in_a_copy(tmp_path: Path) -> None:
    with opened(older(tmp_path / "old", 2)) as found:
        assert ids(found) == {"old-1"}
        assert found.path == tmp_path / "old"
