"""A terminal that is taken is given back as it was, whatever ends it; letters and colours are those that it has."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from jupyter_costmeter import screen

PROGRAM = """
import sys, time
from jupyter_costmeter import screen
drawn = 0
def frame():
    global drawn
    drawn += 1
    if drawn > {most}: raise ValueError("it broke")
    columns, rows = screen.size(sys.stdout)
    if drawn == {slow}:
        print("being made", end="", flush=True)
        time.sleep(1)
    return [f"frame {{drawn}} of {{columns}}x{{rows}}", *(f"line {{at}} " + "=" * 200 for at in range({lines}))], {{}}
code = screen.watch(frame, {every}, sys.stdout, sys.stdin)
print("ended with", code)
sys.exit(code)
"""
SHOWN, WRAPS, MAIN = b"\x1b[?25h", b"\x1b[?7h", b"\x1b[?1049l"


class Running:
    """A program in a pseudo-terminal of its own."""

    def __init__(
        self, columns: int = 40, rows: int = 8, every: float = 600.0, most: int = 99, lines: int = 0, slow: int = 0
    ) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(theirs)
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        code = PROGRAM.format(every=every, most=most, lines=lines, slow=slow)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm"},
            preexec_fn=take, start_new_session=True,
        )  # fmt: skip
        self.theirs, self.text = theirs, b""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, wanted: bytes) -> bytes:
        """What was written up to there, and not read before."""
        end = time.monotonic() + 30
        while wanted not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.ours], [], [], 0.2)[0]:
                self.text += os.read(self.ours, 65536)
        before, _, self.text = self.text.partition(wanted)
        return before + wanted

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def mode(self) -> list[object]:
        return termios.tcgetattr(self.theirs)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


def take() -> None:
    """The terminal is the program's own: Ctrl-C reaches it, and a new size does."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(**how: float) -> Running:
        started.append(Running(**how))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda one: one.type(b"q"), 0),
        (lambda one: one.type(b"Q"), 0),
        (lambda one: one.type(b"\x03"), 0),  # Ctrl-C
        (lambda one: one.process.send_signal(signal.SIGTERM), 128 + signal.SIGTERM),
        (lambda one: one.process.send_signal(signal.SIGHUP), 128 + signal.SIGHUP),
    ],
)
def test_it_ends_with_the_terminal_as_it_was(
    end: Callable[[Running], None], code: int, run: Callable[..., Running]
) -> None:
    one = run()
    taken = one.until(b"frame 1 of 40x8")
    assert taken.startswith(b"\x1b[?1049h")
    assert b"\x1b[?25l" in taken
    assert one.mode() != one.before
    end(one)
    left = one.until(b"ended with")
    assert left.index(WRAPS) < left.index(SHOWN) < left.index(MAIN)
    assert one.process.wait(timeout=30) == code
    assert one.mode() == one.before


def test_an_error_gives_the_terminal_back_before_it_is_told(run: Callable[..., Running]) -> None:
    one = run(every=0.05, most=2)
    told = one.until(b"ValueError: it broke")
    assert told.index(b"frame 2") < told.index(SHOWN) < told.index(MAIN) < told.index(b"Traceback")
    assert one.process.wait(timeout=30) == 1
    assert one.mode() == one.before


def test_another_size_is_drawn_at_once_and_another_key_is_not(run: Callable[..., Running]) -> None:
    one = run()
    one.until(b"frame 1 of 40x8")
    one.type(b"x\x1b[A")
    one.resize(60, 12)
    assert b"frame 2 of 60x12" in one.until(b"frame 2 of 60x12")
    one.type(b"q")
    one.until(b"ended with")


def test_another_size_while_a_frame_is_made_is_drawn_at_once(run: Callable[..., Running]) -> None:
    one = run(slow=1)
    one.until(b"being made")
    one.resize(60, 12)
    one.until(b"frame 1 of 40x8")
    one.until(b"frame 2 of 60x12")


def test_it_draws_again_after_a_while(run: Callable[..., Running]) -> None:
    one = run(every=0.05)
    one.until(b"frame 3 of")
    one.type(b"q")
    assert one.process.wait(timeout=30) == 0


def test_ctrl_z_shows_the_shells_screen_until_it_goes_on(run: Callable[..., Running]) -> None:
    """In a session of its own nobody could wake it: such a process is not stopped, so it goes on at once."""
    one = run(every=0.05)
    one.until(b"frame 1 of")
    one.type(b"\x1a")
    stopped = one.until(b"\x1b[?1049h")
    assert MAIN in stopped
    one.until(b"frame ")
    one.type(b"q")
    assert one.process.wait(timeout=30) == 0
    assert one.mode() == one.before


def test_a_frame_is_no_larger_than_the_terminal(run: Callable[..., Running]) -> None:
    one = run(columns=30, rows=6, lines=20)
    drawn = one.until(b"\x1b[J").decode()
    lines = [line.replace("\x1b[K", "").replace("\x1b[J", "") for line in drawn.split("\x1b[H")[1].split("\r\n")]
    assert len(lines) == 6
    assert max(map(len, lines)) == 30
    assert lines[1].startswith("line 0 ==")
    assert lines[-1].startswith("… 16 more lines")
    one.type(b"q")
    one.until(b"ended with")


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("env", "terminal", "colours"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),  # https://no-color.org: if it is not empty
        ({"NO_COLOR": "0"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, True, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colours_are_where_the_user_has_and_wants_them(
    env: dict[str, str], terminal: bool, colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert screen.coloured(Stream(terminal)) is colours


def test_only_a_cell_of_its_own_is_painted() -> None:
    text = "100 %  it says 100 % of all\n82 %   x  100 %\n"
    painted = screen.painted(text, {"100 %": "bad", "82 %": "near"})
    assert painted == ("\x1b[31m100 %\x1b[0m  it says 100 % of all\n\x1b[33m82 %\x1b[0m   x  \x1b[31m100 %\x1b[0m\n")
    assert screen.painted(text, {}) == text


@pytest.mark.parametrize(
    ("text", "encoding", "spelled"),
    [
        ("≥ ~3.42 kJ ±5.0 %", "utf-8", "≥ ~3.42 kJ ±5.0 %"),
        ("≥ ~3.42 kJ ±5.0 %", "ascii", ">= ~3.42 kJ +-5.0 %"),
        ("≥ ~3.42 kJ ±5.0 %", "cp1252", ">= ~3.42 kJ ±5.0 %"),
        ("— 5 µJ ×/÷ 3 ✗ error ↳", "ascii", "- 5 uJ x/: 3 x error ->"),
        ("café, cafe\u0301, 学習", "ascii", "cafe, cafe, ??"),
        ("≥", None, "≥"),
    ],
)
def test_letters_that_are_not_there_are_spelled(text: str, encoding: str | None, spelled: str) -> None:
    assert screen.spelled(text, encoding) == spelled


def test_no_letter_fails_a_stream() -> None:
    made = io.BytesIO()
    stream = io.TextIOWrapper(made, encoding="ascii")
    screen.spelling(stream)
    stream.write("≥ 学 \udcff")
    stream.flush()
    assert made.getvalue() == b">= ? ?"
    screen.spelling(io.StringIO())  # has none


def test_the_width_is_the_terminals_or_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "47")
    monkeypatch.setenv("LINES", "11")
    assert screen.size(Stream(True)) == (47, 11)
    assert screen.width(Stream(True)) == 47
    assert screen.width(Stream(False)) is None
    assert screen.shell_width(Stream(False)) == screen.PIPED
    monkeypatch.setenv("COLUMNS", "nonsense")
    monkeypatch.delenv("LINES")
    assert screen.size(Stream(True)) == screen.SIZE
