"""What is written to: how wide it is, which letters and colours it has; and a whole terminal, as ``top`` takes it.

Colour is never alone: what is coloured says the same in words. https://no-color.org
"""

from __future__ import annotations

import codecs
import os
import select
import signal
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from re import MULTILINE, compile, escape
from types import FrameType, TracebackType
from typing import Any, Literal, TextIO

from .layout import clipped

if sys.platform == "win32":
    import msvcrt
else:
    import termios
    import tty

#: Columns of what goes into a pipe or a file: so many that each sentence and row is one line, which grep finds.
PIPED = 10_000
#: Of a terminal that does not say its size.
SIZE = (80, 24)
Tone = Literal["near", "bad"]
#: Cells of a table that are coloured, by what they say.
Tones = Mapping[str, Tone]
COLOURS: dict[Tone, str] = {"near": "\x1b[33m", "bad": "\x1b[31m"}
NORMAL = "\x1b[0m"
#: What is written where a letter cannot be: what it means, as far as ASCII can say it.
SPELLED = {
    "≥": ">=", "≤": "<=", "±": "+-", "×": "x", "÷": ":", "—": "-", "–": "-", "−": "-", "…": "...", "·": "-", "µ": "u",
    "²": "2", "³": "3", "↳": "->", "→": "->", "✓": "+", "✗": "x", "■": "#", "─": "-", "├": "|", "└": "`", "│": "|",
    "°": " deg", "Σ": "sum", "≈": "~",
}  # fmt: skip
#: The other screen, without a cursor and without wrapping; and back.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST = "\x1b[H", "\x1b[K", "\x1b[J"
#: Letters that end a watch.
ENDS = b"qQ"
#: Seconds between two looks at a keyboard that cannot be waited for.
KEYS_S = 0.05


# What is written to


def width(out: TextIO) -> int | None:
    """The columns of a terminal; ``None`` of a file, a pipe or a notebook."""
    return size(out)[0] if out.isatty() else None


def shell_width(out: TextIO) -> int:
    """Of what a shell prints: the terminal's, else what a pipe is given at most."""
    return width(out) or PIPED


def size(out: TextIO) -> tuple[int, int]:
    """A terminal's columns and lines; ``COLUMNS`` and ``LINES`` are believed, as everywhere."""
    try:
        found = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        found = os.terminal_size(SIZE)
    return _said("COLUMNS") or found.columns or SIZE[0], _said("LINES") or found.lines or SIZE[1]


def _said(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0


def coloured(out: TextIO) -> bool:
    """Whether what is written there may have colours: what the user says, else whether it is a terminal with some."""
    said = os.environ.get
    if said("NO_COLOR"):
        return False
    if said("FORCE_COLOR", "0") not in ("", "0") or said("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return out.isatty() and not dumb() and said("CLICOLOR") != "0"


def dumb() -> bool:
    """Whether the terminal is one that knows no commands."""
    return os.environ.get("TERM", "") == "dumb"


def painted(text: str, tones: Tones) -> str:
    """A text with the cells of its tables that have a tone in colour; they stand alone, between columns."""
    if not tones:
        return text
    cells = "|".join(map(escape, sorted(tones, key=len, reverse=True)))
    cell = compile(rf"(?:(?<=  )|^)(?:{cells})(?=  | *$)", MULTILINE)
    return cell.sub(lambda found: f"{COLOURS[tones[found[0]]]}{found[0]}{NORMAL}", text)


def spelled(text: str, encoding: str | None) -> str:
    """A text with what cannot be written in an encoding spelled in ASCII."""
    try:
        text.encode(encoding or "utf-8", "strict" if encoding else "surrogatepass")
    except UnicodeEncodeError:
        return "".join(_spelled(sign, encoding or "utf-8") for sign in text)
    return text


def _spelled(sign: str, encoding: str) -> str:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return _ascii(sign)
    return sign


def _ascii(sign: str) -> str:
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return SPELLED.get(sign) or bare or ("" if unicodedata.combining(sign) else "?")


def _on_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


def spelling(stream: TextIO) -> None:
    """Let a stream spell what it cannot write, so that nothing fails for a letter."""
    codecs.register_error("costmeter", _on_error)
    reconfigure: Any = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="costmeter")


# A whole terminal


class Ended(Exception):
    """A signal ends the program: the terminal must be left as it was, first."""


class Screen:
    """The whole terminal, until the end of the ``with``, whatever ends it; then it is as it was before.

    Args:
        out: the terminal.
        keys: where keys come from; not listened to if it is no terminal.
    """

    def __init__(self, out: TextIO, keys: TextIO) -> None:
        self._out = out
        self._keys: int | None = keys.fileno() if keys.isatty() else None
        self._before: dict[int, Any] = {}  # what signals did
        self._mode: Any = None  # of the keyboard
        self._woken, self._waker = -1, -1
        self._wakes = -1  # what was woken before

    def __enter__(self) -> Screen:
        try:
            self._catch()
            self._take()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError, ValueError):  # it may be gone
            self._leave()
        for number, before in self._before.items():
            signal.signal(number, before)
        if self._waker >= 0:
            signal.set_wakeup_fd(self._wakes)
            os.close(self._woken)
            os.close(self._waker)

    def draw(self, lines: Sequence[str], tones: Tones) -> None:
        """Show these lines from the top, as far as they fit."""
        columns, rows = size(self._out)
        shown = list(lines[:rows])
        if len(lines) > rows:
            shown[-1] = f"… {len(lines) - rows + 1} more lines: a taller terminal shows them, --once prints all"
        text = "\n".join(clipped(line, columns) for line in shown)
        text = painted(text, tones) if coloured(self._out) else text
        self._write(HOME + text.replace("\n", f"{REST_OF_LINE}\n") + REST_OF_LINE + REST)

    def wait(self, seconds: float) -> bytes:
        """What was typed, at most so long; sooner if the terminal has another size."""
        if sys.platform == "win32":
            return self._poll(seconds)
        ready, _, _ = select.select([*([] if self._keys is None else [self._keys]), self._woken], [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, 512)
        return self._typed() if self._keys in ready else b""

    def _typed(self) -> bytes:
        assert self._keys is not None
        try:
            found = os.read(self._keys, 512)
        except OSError:
            found = b""
        if not found:  # the terminal is gone
            raise Ended(signal.SIGHUP)
        return found

    def _poll(self, seconds: float) -> bytes:
        end, before, found = time.monotonic() + seconds, size(self._out), b""
        if sys.platform == "win32":
            while not found and time.monotonic() < end and size(self._out) == before:
                time.sleep(KEYS_S)
                found = msvcrt.getch() if msvcrt.kbhit() else b""
        return found

    # Taking and leaving it

    def _catch(self) -> None:
        """What ends, stops or resizes us."""
        if sys.platform == "win32":
            return
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._wakes = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        does: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGWINCH: lambda number, frame: None,  # a signal without a handler wakes nobody
            signal.SIGTERM: _end, signal.SIGHUP: _end, signal.SIGTSTP: self._stop,
        }  # fmt: skip
        for number, handler in does.items():
            self._before[number] = signal.signal(number, handler)

    def _take(self) -> None:
        if sys.platform == "win32":
            os.system("")  # a console that was never asked for colours takes commands from here on
        elif self._keys is not None:
            self._mode = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys, termios.TCSANOW)
        self._write(ENTER)

    def _leave(self) -> None:
        try:
            self._write(LEAVE)
        finally:
            if sys.platform != "win32" and self._mode is not None and self._keys is not None:
                termios.tcsetattr(self._keys, termios.TCSANOW, self._mode)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell has its screen back until we go on."""
        if sys.platform != "win32":
            self._leave()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._stop)
            self._take()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(number)


def watch(frame: Callable[[], tuple[Sequence[str], Tones]], every_s: float, out: TextIO, keys: TextIO) -> int:
    """Show a frame each so many seconds until ``q`` or Ctrl-C; the exit status."""
    try:
        with Screen(out, keys) as screen:
            while True:
                drawn = size(out)  # before the frame: what is resized while it is made is drawn again
                screen.draw(*frame())
                if _ended(screen, time.monotonic() + every_s, drawn, partial(size, out)):
                    return 0
    except KeyboardInterrupt:
        return 0
    except Ended as signalled:
        return 128 + int(signalled.args[0])


def _ended(screen: Screen, until: float, drawn: tuple[int, int], now: Callable[[], tuple[int, int]]) -> bool:
    """Wait for the next frame, which is due at once where the terminal has another size; whether it ends."""
    while (left := until - time.monotonic()) > 0 and now() == drawn:
        if set(screen.wait(left)) & set(ENDS):
            return True
    return False
