"""A TOML file whose mistakes are each named with their line, and whose other rows are used."""

from __future__ import annotations

import difflib
import re
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
        except (UsageError, ValueError, TypeError, ArithmeticError) as error:
            self.problems.append(f"{origin}: {header}: {error}")

    def origin(self, name: str, index: int = 0) -> str:
        """``/lab/jupyter_costmeter.toml:12``: where that table, or the one of that index, begins."""
        header = re.compile(rf"\s*(\[\[?\s*{re.escape(name)}\s*\]|{re.escape(name)}\s*=)")
        lines = [i for i, line in enumerate(self.text.split("\n"), 1) if header.match(line)]
        return f"{self.path}:{lines[min(index, len(lines) - 1)]}" if lines else str(self.path)


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
        text = path.read_text(encoding="utf-8-sig")  # some editors write a mark before the first character
    except FileNotFoundError:
        return Document(path)
    except (OSError, UnicodeDecodeError) as error:
        return Document(path, problems=[f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"])
    try:
        document = Document(path, text, parsed(text))
    except ValueError as error:
        return Document(path, problems=[f"{path}: {error}; nothing of this file is used until that is mended"])
    for name in document.tables.keys() - set(known):
        document.problems.append(f"{document.origin(name)}: {unknown(name, known)}")
    return document


def state(files: Iterable[Path]) -> tuple[Any, ...]:
    """Changes when one of the files does."""
    found = []
    for path in sorted(files):
        try:
            stat = path.stat()
            found.append((path, stat.st_mtime_ns, stat.st_size, stat.st_ino))
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
