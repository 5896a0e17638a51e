"""A TOML file whose mistakes are each named with their line, and whose other rows are used."""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Made = TypeVar("Made")
#: More than that is no number that can be calculated with.
MOST = sys.float_info.max
Row = Mapping[str, Any]
#: What is wrong in a row.
WRONG = (UsageError, ValueError, TypeError, ArithmeticError)
HEADER, KEY = re.compile(r"\s*\["), re.compile(r"(\w+)(?: =|:) |there is no '(\w+)';")
#: Nobody writes so much by hand (bytes): what a project's file includes may be anything.
LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A file's tables; ``problems`` are sentences that begin with the file and line."""

    path: Path
    text: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def rows(self, name: str, make: Callable[[Row, str], Made]) -> Iterator[Made]:
        """What ``make(row, origin)`` makes of each ``[[name]]``; a row that it refuses is a problem, the rest go on."""
        found = self.tables.get(name, [])
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            self.problems.append(f"{self.origin(name)}: {name}: write it as [[{name}]], once for each row")
            return
        for i, row in enumerate(found):
            yield from self._made(self.origin(name, i), f"[[{name}]]", row, make)

    def table(self, name: str, make: Callable[[Row, str], Made]) -> Made | None:
        """What ``make`` makes of ``[name]``; ``None`` where there is none, or a wrong one."""
        found = self.tables.get(name)
        if found is not None and not isinstance(found, dict):
            self.problems.append(f"{self.origin(name)}: {name}: write it as [{name}]")
        if not isinstance(found, dict):
            return None
        return next(self._made(self.origin(name), f"[{name}]", found, make), None)

    def _made(self, origin: str, header: str, row: Row, make: Callable[[Row, str], Made]) -> Iterator[Made]:
        try:
            yield make(row, origin)
        except WRONG as error:
            said = ((self._of_key(origin, key), text) for key, text in _mistakes(row, origin, make, error))
            self.problems.extend(f"{where}: {header}: {text}" for where, text in said)

    def origin(self, name: str, index: int = 0) -> str:
        """``/lab/jupyter_costmeter.toml:12``: where that table, or the one of that index, begins."""
        numbered = list(enumerate(self.text.split("\n"), 1))
        header = re.compile(rf"\s*\[\[?\s*{re.escape(name)}\s*\]")
        lines = [i for i, line in numbered if header.match(line)]
        if not lines:  # a key of the file itself, before its first table
            first = next((i for i, line in numbered if HEADER.match(line)), len(numbered) + 1)
            lines = [i for i, line in numbered[: first - 1] if _says(line, name)]
        return f"{self.path}:{lines[min(index, len(lines) - 1)]}" if lines else str(self.path)

    def _of_key(self, origin: str, key: str | None) -> str:
        """Where that key stands in the table that begins there."""
        number = origin.removeprefix(f"{self.path}:")
        if key is None or not number.isdecimal():
            return origin
        for i, line in enumerate(self.text.split("\n")[int(number) :], int(number) + 1):
            if HEADER.match(line):
                break
            if _says(line, key):
                return f"{self.path}:{i}"
        return origin


def _says(line: str, key: str) -> bool:
    return re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line) is not None


def _mistakes(
    row: Row, origin: str, make: Callable[[Row, str], object], error: Exception
) -> Iterator[tuple[str | None, str]]:
    """The key that a mistake is in, where it says so, and the mistake; then those that are left without that key."""
    left = dict(row)
    key = _key_of(error, left)
    yield key, str(error)
    while key is not None:
        del left[key]
        try:
            make(left, origin)
            return
        except WRONG as other:
            key, text = _key_of(other, left), str(other)
        if key is not None:
            yield key, text


def _key_of(error: Exception, row: Row) -> str | None:
    """Which key a mistake is in: ``per = 'wek': …``, ``hold: …``, ``there is no 'limt'; …``."""
    named = KEY.match(str(error))
    key = next((part for part in named.groups() if part), None) if named else None
    return key if key in row else None


def parsed(text: str) -> dict[str, Any]:
    """The tables of a text.

    Raises:
        ValueError: it is no TOML (says where).
    """
    found: dict[str, Any] = tomllib.loads(text)
    return found


def read(path: Path, known: Sequence[str]) -> Document:
    """The file's tables; none where there is no file. A table that is not known is a problem."""
    try:
        _check_file(path)
        text = path.read_text(encoding="utf-8-sig")  # some editors write a mark before the first character
    except FileNotFoundError:
        return Document(path)
    except (OSError, UnicodeDecodeError) as error:
        return Document(path, problems=[f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"])
    try:
        document = Document(path, text, parsed(text))
    except (ValueError, RecursionError) as error:
        return Document(path, problems=[f"{path}: {error}; nothing of this file is used until that is mended"])
    for name in document.tables.keys() - set(known):
        document.problems.append(f"{document.origin(name)}: {unknown(name, known)}")
    return document


def _check_file(path: Path) -> None:
    """Raises ``OSError`` for what is no file, which may never end, and for one that is too large."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
        raise OSError(errno.EINVAL, f"it is no file of up to {LARGEST >> 20} MB")


def state(files: Iterable[Path]) -> tuple[Any, ...]:
    """Changes when one of the files does."""
    found = []
    for path in sorted(files):
        try:
            there = path.stat()
            found.append((path, there.st_mtime_ns, there.st_size, there.st_ino))
        except OSError:
            found.append((path, 0, 0, 0))
    return tuple(found)


def unknown(name: str, known: Sequence[str]) -> str:
    """``there is no 'regoin'; did you mean 'region'?``."""
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"there is no {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}")


def check_keys(row: Row, known: Sequence[str]) -> None:
    """Raises ``UsageError`` for a key that is not known, naming the near one."""
    for key in row:
        if key not in known:
            raise UsageError(unknown(key, known))


def number(row: Row, key: str, least: float = 0.0, most: float = MOST) -> float | None:
    """A finite number within bounds; ``None`` where the key is not there.

    Raises:
        UsageError: it is something else.
    """
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        wanted = f"from {least:g} on" if most == MOST else f"from {least:g} to {most:g}"
        raise UsageError(f"{key} = {value!r}: it wants a number {wanted}")
    return float(value)


def printable(value: str) -> str:
    """Without what a terminal would obey (escapes, marks that turn the writing round); line ends become spaces."""
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else " " for c in value if c.isprintable() or c.isspace())


def text(row: Row, key: str, choices: Sequence[str] = ()) -> str:
    """A text, only what can be printed of it; ``""`` where the key is not there.

    Raises:
        UsageError: it is something else, or none of the choices.
    """
    value = row.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{key} = {value!r}: it wants a text in quotes")
    if value and choices and value not in choices:
        raise UsageError(f"{key}: {unknown(value, choices)}")
    return printable(value)
