"""Numbers in a file that two processes have mapped: whole at any time, also when the writer is killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import published
from jupyter_costmeter.published import SLOTS, VOID, Published, Publisher

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0\x1f"), max_size=12).map(str.strip)
NAMES = st.tuples(WORD, WORD, WORD)


@given(st.lists(st.tuples(NAMES, st.floats(allow_nan=False)), max_size=40))
def test_what_is_put_is_read(numbers: list[tuple[published.Name, float]]) -> None:
    with TemporaryDirectory() as folder:
        writer = Publisher(folder)
        for name, value in numbers:
            writer.put(name, value)
        assert Published(writer.path).read() == dict(numbers)


def test_numbers_of_one_name_are_added_up_and_read_as_they_grow(tmp_path: Path) -> None:
    writer = Publisher(str(tmp_path))
    reader = Published(writer.path)
    one, other = (writer.place(("flops_fp32", "CPU", "")) for _ in range(2))
    writer.numbers[one], writer.numbers[other] = 3.0, 4.0
    assert reader.read() == {("flops_fp32", "CPU", ""): 7.0}
    writer.numbers[one] = 5.0
    assert reader.read() == {("flops_fp32", "CPU", ""): 9.0}


def test_nothing_is_lost_of_a_writer_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom jupyter_costmeter.published import Publisher\n"
        f"writer = Publisher({str(tmp_path)!r})\n"
        "for i in range(1000): writer.put(('flops_fp32', 'CPU', ''), i + 1.0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    (path,) = tmp_path.iterdir()
    reader = Published(str(path))
    assert reader.read() == {("flops_fp32", "CPU", ""): 1000.0}
    assert reader.ended_s is None


def test_what_finds_no_slot_is_said_and_harms_none(tmp_path: Path) -> None:
    writer = Publisher(str(tmp_path))
    for i in range(SLOTS):
        writer.put((f"flops {i}", "", ""), 1.0)
    assert not Published(writer.path).full
    writer.put(("one more", "", ""), 9.0)
    reader = Published(writer.path)
    assert reader.full
    assert sum(reader.read().values()) == SLOTS
    assert writer.numbers[VOID] == 9.0


def test_a_long_name_is_cut_and_its_neighbours_stay(tmp_path: Path) -> None:
    writer = Publisher(str(tmp_path))
    writer.put(("flops_uncounted", "é" * 200, "why"), 1.0)
    writer.put(("flops_fp32", "CPU", ""), 2.0)
    (cut, _), (whole, two) = Published(writer.path).read().items()
    assert cut[1].startswith("é" * 50)
    assert (whole, two) == (("flops_fp32", "CPU", ""), 2.0)


def test_no_room_is_an_error_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first count would end the user's process (SIGBUS)."""

    def full(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        Publisher(str(tmp_path))


def test_a_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(bytes(published.SIZE))
    with pytest.raises(ValueError, match="not whole"):
        Published(str(tmp_path / "half"))
    (tmp_path / "short").write_bytes(b"")
    with pytest.raises(ValueError):
        Published(str(tmp_path / "short"))
