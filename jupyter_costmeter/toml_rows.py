"""Rows of a TOML file (``[[where]]``, ``[[budget]]``), changed line by line: all else in it stays, comments too.

It is written whole or not at all, one program at a time.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import tables
from .errors import ReportError, UsageError
from .replacing import replacing
from .tables import Row

#: The beginning of any table, and a line that is no table's.
HEAD, ASIDE = re.compile(r"\s*\["), re.compile(r"\s*(#|$)")
#: A key with a value that is on one line, and what follows it there.
VALUE = re.compile(
    r"""(\s*["']?(?P<key>\w+)["']?\s*=\s*)
    ("(?:[^"\\]|\\.)*"|'[^']*'|\[[^\[\]"'#\r\n]*\]|\d{4}-\d\d-\d\d[ ]\d[^\s"'#]+|[^\s"'#]+)
    (?P<after>[ \t]*(?:\#[^\r\n]*)?\r?\n?)""",
    re.VERBOSE,
)
#: Seconds that another program's writing is waited for.
LOCK_S = 3.0


# The file's lines


@dataclass(frozen=True, slots=True)
class File:
    """A file's text with its rows of one name, and from and up to which line each goes."""

    name: str
    text: str
    tables: Mapping[str, Any]
    spans: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, text: str, name: str) -> File:
        """Raises ``UsageError`` where it is no TOML, or its rows are written otherwise than as ``[[name]]``."""
        known, spans = _parsed(text), _spans(_lines(text), name)
        if len(known.get(name, [])) != len(spans) or (name in known and not spans):
            raise UsageError(f"{name}: write it as [[{name}]], once for each row")
        return cls(name, text, known, spans)

    @property
    def rows(self) -> list[Row]:
        """In their order."""
        return list(self.tables.get(self.name, []))

    def with_row(self, row: Row) -> str:
        """The text with one more row, below all else."""
        return self._checked(self.text + "".join(_written(row, self.name, self.text)), [*self.rows, row])

    def with_changed(self, index: int, row: Row) -> str:
        """The text with other values in one row."""
        lines, span = _lines(self.text), slice(*self.spans[index])
        lines[span] = _edited(lines[span], self.rows[index], row, _end(self.text))
        return self._checked("".join(lines), [row if i == index else one for i, one in enumerate(self.rows)])

    def without(self, gone: Collection[int]) -> str:
        """The text without some rows, and of the empty lines around each without one."""
        lines = _lines(self.text)
        for i in sorted(gone, reverse=True):
            start, end = self.spans[i]
            before, after = lines[:start], lines[end:]
            if before and not before[-1].strip() and not (after and after[0].strip()):
                before.pop()
            lines = before + after
        return self._checked("".join(lines), [row for i, row in enumerate(self.rows) if i not in gone])

    def _checked(self, found: str, rows: Sequence[Row]) -> str:
        """Nothing but the rows may have changed, whatever the lines looked like."""
        try:
            same = _shown({self.name: [], **tables.parsed(found)}) == _shown({**self.tables, self.name: rows})
        except ValueError:
            same = False
        if not same:
            raise UsageError(f"{self.name}: its rows cannot be told from the rest; change it by hand")
        return found


def _lines(text: str) -> list[str]:
    """With their ends, which in TOML are LF and CRLF alone: other separators may stand in a name."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _shown(known: Mapping[str, Any]) -> str:
    """To compare by: a value that is no number is not itself, but looks like itself."""
    return repr(sorted(known.items()))


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tables.parsed(text)
    except ValueError as error:
        raise UsageError(f"{error}; mend it first") from error


def _spans(lines: Sequence[str], name: str) -> list[tuple[int, int]]:
    """From and up to which line each row goes, without what stands between it and the next table."""
    own = re.compile(rf"\s*\[\[\s*{re.escape(name)}\s*\]\]")
    heads = [i for i, line in enumerate(lines) if HEAD.match(line)]
    found = []
    for i in heads:
        if own.match(lines[i]):
            end = next((head for head in heads if head > i), len(lines))
            found.append((i, max(n for n in range(i, end) if not ASIDE.match(lines[n])) + 1))
    return found


def _written(row: Row, name: str, text: str) -> list[str]:
    """The row's lines, as they stand below that text."""
    end = _end(text)
    before = ["", ""][text.endswith("\n") :] if text and not text.endswith(("\n\n", "\r\n\r\n")) else []
    return [*(f"{line}{end}" for line in (*before, f"[[{name}]]")), *_pairs(row, row, end)]


def _edited(lines: Sequence[str], old: Row, new: Row, end: str) -> list[str]:
    """A row's lines with other values: its comments stay, what it has not any more goes, what is new comes last."""
    changed = {key for key in {*old, *new} if repr(old.get(key)) != repr(new.get(key))}
    found = [_line(line, new, changed) for line in lines]
    added = list(_pairs(new, [key for key in new if key not in old], end))
    return [*found[:-1], _ended(found[-1], end) if added else found[-1], *added]


def _line(line: str, row: Row, changed: Collection[str]) -> str:
    match = VALUE.fullmatch(line)
    if match is None or match["key"] not in changed:
        return line
    return f"{match[1]}{_toml(row[match['key']])}{match['after']}" if match["key"] in row else ""


def _ended(line: str, end: str) -> str:
    return line if not line or line.endswith("\n") else f"{line}{end}"


def _pairs(row: Row, keys: Collection[str], end: str) -> Iterator[str]:
    yield from (f"{key} = {_toml(row[key])}{end}" for key in keys)


def _toml(value: object) -> str:
    return str(value) if isinstance(value, (float, date)) else json.dumps(value, ensure_ascii=False)


def _end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


# The file


def rewrite(file: Path, change: Callable[[str], str]) -> bool:
    """Change a file's text, whole or not at all, one program at a time; whether that changed anything.

    Raises:
        UsageError: what ``change`` raised, with the file's name.
        ReportError: it cannot be written.
    """
    path = Path(os.path.realpath(file))  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S):
            before = path.read_bytes() if path.exists() else b""
            after = _bytes(before, change)
            if after != before:
                with replacing(path) as part:
                    part.write_bytes(after)
            return after != before
    except (UsageError, UnicodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, Timeout) as error:
        raise ReportError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def _bytes(before: bytes, change: Callable[[str], str]) -> bytes:
    """The file's bytes with its text changed; a mark before the first character stays."""
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    return mark + change(before.removeprefix(mark).decode()).encode()
