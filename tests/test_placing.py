"""``%cost where FR``: one row in the user's own file, and all else in it stays as it is."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_costmeter import placing, toml_rows
from jupyter_costmeter.assumptions import load
from jupyter_costmeter.errors import ReportError, UsageError
from jupyter_costmeter.toml_files import NAME

FILE = """\
# What we know of our machines.   (tabs\there, too)

include = []    # nothing yet

[[where]]
host = 'gpu-*'  # all of them
region   =  "FR"

# The old one:

[[where]]
host = "old"
# it was moved
region = "DE"
from = 2025-01-01

# prices of 2026
[[rates]]
kwh = 0.30      # with tax
currency = "EUR"


[embodied]
gpu_kg = {"A100*" = 150, "H100*" = 1_64}
source = \"\"\"
our own
 inventory\"\"\"
# the end
"""


@pytest.fixture
def own(home: Path) -> Path:
    (home / "config_dir").mkdir()
    return home / "config_dir" / NAME


def without(text: str, *lines: str) -> str:
    for line in lines:
        assert line in text
        text = text.replace(line, "", 1)
    return text


def test_the_first_time_makes_the_file_and_its_folder(own: Path) -> None:
    own.parent.rmdir()
    placed = placing.declare("france", "lab", pue=1.2)
    assert (placed.region, placed.kind, placed.host) == ("FR", "lab", socket.gethostname())
    assert own.read_text() == f'[[where]]\nhost = "{socket.gethostname()}"\nregion = "FR"\nkind = "lab"\npue = 1.2\n'
    found = load().place(socket.gethostname(), 0.0)
    assert found
    assert found.pue
    assert (found.region, found.pue.value, found.origin) == ("FR", 1.2, f"{own}:1")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_else_survives_byte_for_byte(end: str, own: Path) -> None:
    before = FILE.replace("\n", end).encode()
    own.write_bytes(before)
    placing.declare("SE", host="new")
    row = '\n[[where]]\nhost = "new"\nregion = "SE"\n'.replace("\n", end).encode()
    assert own.read_bytes() == before + row
    placing.declare("NO", host="NEW")  # hosts are alike in any case
    assert own.read_bytes() == before + row.replace(b"SE", b"NO")
    assert placing.forget("new")
    assert own.read_bytes() == before


def test_a_row_is_replaced_where_it_stands(own: Path) -> None:
    own.write_text(FILE)
    placing.declare("PL", host="gpu-*")
    assert own.read_text() == FILE.replace('region   =  "FR"', 'region   =  "PL"')
    placing.forget("old")
    assert without(FILE, '[[where]]\nhost = "old"\n# it was moved\nregion = "DE"\nfrom = 2025-01-01\n').endswith(
        own.read_text().partition("# The old one:")[2]
    )


def test_a_row_of_a_day_leaves_the_earlier_ones(own: Path) -> None:
    own.write_text(FILE)
    placing.declare("PL", host="old", since=date(2100, 10, 1))
    assert own.read_text() == f'{FILE}\n[[where]]\nhost = "old"\nregion = "PL"\nfrom = 2100-10-01\n'
    placing.declare("SE", host="old", since=date(2100, 10, 1))
    assert own.read_text() == f'{FILE}\n[[where]]\nhost = "old"\nregion = "SE"\nfrom = 2100-10-01\n'
    placed = placing.declare("NO", host="old")  # the row of now
    assert placed.span[0] == datetime(2025, 1, 1, tzinfo=timezone.utc).timestamp()
    assert [p.region for p in load().places if p.host == "old"] == ["NO", "SE"]
    assert placing.forget("old")
    assert not placing.forget("old")
    assert [p.host for p in load().places] == ["gpu-*"]


def test_saying_and_forgetting_again_and_again_does_not_make_it_grow(own: Path) -> None:
    own.write_text("# mine\n")
    for _ in range(5):
        placing.declare("FR", host="box")
        placing.forget("box")
    assert own.read_text() == "# mine\n"


def test_what_is_there_already_is_not_written_again(own: Path) -> None:
    placing.declare("FR", host="box")
    before = own.stat()
    placing.declare("FR", host="box")
    assert not placing.forget("other")
    assert (own.stat().st_mtime_ns, own.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_forgetting_makes_no_file(own: Path) -> None:
    assert not placing.forget()
    assert not own.exists()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.text(max_size=8), st.sampled_from(["FR", "SE"]), st.none() | st.dates()), max_size=4),
    st.sampled_from(["", "# mine", FILE]),
)
def test_any_host_comes_back(own: Path, said: list[tuple[str, str, date | None]], before: str) -> None:
    own.write_text(before)
    expected: dict[tuple[str, date | None], str] = {}
    for name, region, since in said:
        if not name.isprintable():
            with pytest.raises(UsageError, match="only printable characters"):
                placing.declare(region, host=name, since=since)
            continue
        placing.declare(region, host=name, since=since)
        host, today = name.lower(), datetime.now(timezone.utc).date()
        past = [day for one, day in expected if one == host and day and day <= today]
        expected[host, since or max(past, default=None)] = region
    found = load()
    assert found.problems == ()
    shown = own.read_text()
    assert all(line in shown for line in before.splitlines())
    mine = [p for p in found.places if p.host not in ("gpu-*", "old")]
    assert sorted((p.host.lower(), p.region) for p in mine) == sorted((host, r) for (host, _), r in expected.items())


# What is known stays

KEPT = """\
[[where]]
host = "box"
region = "DE"   # until the move
until = 2020-01-01

[[where]]
host = "Box"
region = "FR"   # the cellar
kind = "lab"
pue = 1.2
pue_source = "the report of 2025"
from = 2020-01-01
note = "rack 3"

[[where]]
host = "box"
region = "PL"
from = 2100-01-01
"""


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ({"region": "SE"}, [('"FR"', '"SE"')]),
        ({"region": "FR"}, []),
        ({"region": "SE", "kind": "laptop"}, [('"FR"', '"SE"'), ('"lab"', '"laptop"')]),
        ({"region": "FR", "pue": 1.3}, [("pue = 1.2", "pue = 1.3"), ('pue_source = "the report of 2025"\n', "")]),
        ({"region": "FR", "pue": 1.2}, []),
        ({"region": "gcp/us-central1"}, [('"FR"', '"gcp/us-central1"'), ('kind = "lab"\n', "")]),
        ({"region": "gcp/us-central1", "kind": "cloud"}, [('"FR"', '"gcp/us-central1"'), ('"lab"', '"cloud"')]),
    ],
)
def test_only_what_is_named_changes_in_the_row_of_now(
    asked: dict[str, object], changes: list[tuple[str, str]], own: Path
) -> None:
    own.write_text(KEPT)
    placing.declare(**asked, host="box")  # type: ignore[arg-type]
    expected = KEPT
    for old, new in changes:
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert own.read_text() == expected


def test_a_kind_alone_changes_the_row_or_makes_one_of_what_is_known(own: Path) -> None:
    own.write_text(KEPT)
    known = load().place("box", datetime.now(timezone.utc).timestamp())
    placed = placing.declare("", "laptop", "box", known=known)
    assert (placed.region, placed.kind, placed.pue and placed.pue.value) == ("FR", "laptop", 1.2)
    assert own.read_text() == KEPT.replace('"lab"', '"laptop"')
    placing.declare("", "laptop", "other", known=known)
    row = '\n[[where]]\nhost = "other"\nregion = "FR"\nkind = "laptop"\npue = 1.2\n'
    assert own.read_text() == KEPT.replace('"lab"', '"laptop"') + row


def test_leaving_a_cloud_takes_its_kind_along(own: Path) -> None:
    own.write_text('[[where]]\nhost = "vm"\nregion = "GCP:us-central1"\nkind = "cloud"')  # no last line end
    assert placing.declare("FR", host="vm", pue=1.3).kind is None
    assert own.read_text() == '[[where]]\nhost = "vm"\nregion = "FR"\npue = 1.3\n'


def test_a_day_without_a_row_of_its_own_adds_one_and_all_others_stay(own: Path) -> None:
    own.write_text(KEPT)
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    placing.declare("SE", host="box", since=yesterday)
    assert own.read_text() == f'{KEPT}\n[[where]]\nhost = "box"\nregion = "SE"\nfrom = {yesterday}\n'
    placing.declare("NO", host="box", since=date(2020, 1, 1))  # the day of a row that is there
    assert own.read_text().startswith(KEPT.replace('"FR"', '"NO"'))
    assert placing.forget("box")
    assert load().places == ()


def test_a_mark_before_the_first_character_stays(own: Path) -> None:
    own.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    placing.declare("SE", host="gpu-*")
    assert own.read_bytes() == b"\xef\xbb\xbf" + FILE.replace('"FR"', '"SE"').encode()


# What is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"region": "Frnace"}, "there is no region 'Frnace'; near it are .*FR"),
        ({"region": "georgia"}, "several regions are called 'georgia': .*GE.*US-GA.*; give the id"),
        ({"region": "FR", "kind": "laptpo"}, "kind: there is no 'laptpo'; did you mean 'laptop'"),
        ({"region": "FR", "pue": 0.5}, "pue = 0.5: it wants a number from 1 to 10"),
        ({"region": "FR", "pue": float("nan")}, "pue = nan: it wants a number"),
        ({"region": ""}, "region is missing"),
    ],
)
def test_what_cannot_be_said_leaves_the_file(words: dict[str, object], said: str, own: Path) -> None:
    own.write_text(FILE)
    with pytest.raises(UsageError, match=said):
        placing.declare(**words)  # type: ignore[arg-type]
    assert own.read_text() == FILE


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"[[where\n", "mend it first"),
        (b'region = "K\xf6ln"\n', "can't decode byte 0xf6"),
        (b'[where]\nregion = "FR"\n', r"write it as \[\[where\]\]"),
        (b'where = "FR"\n', r"write it as \[\[where\]\]"),
        (b"where = []\n", r"write it as \[\[where\]\]"),
        (b'where = [{host = "box", region = "FR"}]\n', r"write it as \[\[where\]\]"),
        (b'note = """\n[[where]]\n"""\n[[where]]\nregion = "FR"\n', r"write it as \[\[where\]\]"),
        (b'[[where]]\nhost = "box"\nregion = """FR"""\n', "change it by hand"),
        (b'[[where]]\nhost = "box"\nregion = "FR"\nnote = """\nregion = "FR"\n"""\n', "change it by hand"),
    ],
)
def test_a_file_that_we_cannot_change_is_not_overwritten(broken: bytes, said: str, own: Path) -> None:
    own.write_bytes(broken)
    with pytest.raises(UsageError, match=said) as raised:
        placing.declare("SE", host="box")
    assert str(raised.value).startswith(f"{own}: ")
    assert own.read_bytes() == broken
    assert not list(own.parent.glob(".*.part"))


@pytest.mark.parametrize("function", ["replace", "mkdir"])
def test_where_nothing_can_be_written_the_old_file_stays(
    function: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write_text(FILE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os if function == "replace" else Path, function, refuse)
    with pytest.raises(ReportError, match=f"cannot write {own}: Read-only file system"):
        placing.declare("FR")
    monkeypatch.undo()
    assert own.read_text() == FILE
    assert not list(own.parent.glob(".*.part"))


def test_a_folder_that_cannot_be(own: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(home / "file" / "config"))
    with pytest.raises(ReportError, match="cannot write .*: Not a directory"):
        placing.declare("FR")


def test_one_that_is_locked_is_not_waited_for_without_end(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toml_rows, "LOCK_S", 0.1)
    with FileLock(own.with_name(f".{NAME}.lock")), pytest.raises(ReportError, match="cannot write"):
        placing.declare("FR")
    assert not own.exists()


def test_a_link_and_the_files_mode_stay(own: Path, home: Path) -> None:
    (home / "dotfiles").write_text(FILE)
    (home / "dotfiles").chmod(0o600)
    own.symlink_to(home / "dotfiles")
    placing.declare("SE", host="new")
    assert own.is_symlink()
    assert '"new"' in (home / "dotfiles").read_text()
    assert stat.S_IMODE((home / "dotfiles").stat().st_mode) == 0o600


def test_processes_that_write_at_once_lose_nothing(own: Path) -> None:
    own.write_text(FILE)
    code = (
        "import sys\nfrom jupyter_costmeter import placing\n"
        "for i in range(8): placing.declare('SE', host=f'{sys.argv[1]}-{i}')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert own.read_text().startswith(FILE)
    hosts = {placed.host for placed in load().places}
    assert hosts == {"gpu-*", "old", *(f"{name}-{i}" for name in "abc" for i in range(8))}


def test_a_reader_never_sees_half_a_file(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    whole: Callable[..., None] = os.replace

    def watched(part: Path, path: Path) -> None:
        seen.append((own.read_text(), Path(part).parent == own.parent))
        whole(part, path)

    own.write_text(FILE)
    monkeypatch.setattr(os, "replace", watched)
    placing.declare("SE", host="new")
    assert seen == [(FILE, True)]
