"""Say where this machine stands: one ``[[where]]`` row in the user's own ``jupyter_costmeter.toml``.

The rest of the file stays as it is, comments too, and of that row all that was not said anew. Only the user says
where: what the environment suggests is shown and never used by itself.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from jupyter_core.paths import jupyter_config_dir

from . import tables
from .assumptions import NAME, Placed, place_of
from .errors import ReportError, UsageError
from .tables import Row, printable

#: The beginning of any table, of one of ours, and a line that is no table's.
HEAD, OWN, ASIDE = re.compile(r"\s*\["), re.compile(r"\s*\[\[\s*where\s*\]\]"), re.compile(r"\s*(#|$)")
#: A key with a value that is on one line, and what follows it there.
VALUE = re.compile(
    r"""(\s*["']?(?P<key>\w+)["']?\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#]+)(?P<after>[ \t]*(?:\#[^\r\n]*)?\r?\n?)"""
)
#: Seconds that another program's writing is waited for.
LOCK_S = 3.0


def own_file() -> Path:
    """The file that the user's own declarations are in."""
    return Path(jupyter_config_dir()) / NAME


def declare(
    region: str,
    kind: str = "",
    host: str | None = None,
    pue: float | None = None,
    since: date | None = None,
    known: Placed | None = None,
) -> Placed:
    """Say where a machine stands: changes what is named in its own row of now, or adds one where there is none.

    Args:
        region: by its id or name; ``""``: that of the row, or of ``known``.
        kind: laptop, lab or cloud; ``""``: not said.
        host: a host name or pattern; this machine's if ``None``.
        pue: the site's own.
        since: the row that begins on that day (UTC) is meant; earlier ones stay.
        known: what a new row says besides.

    Returns:
        What the row says now.

    Raises:
        UsageError: there is no such region or kind, no such host can be, or the file is no TOML.
        ReportError: the file cannot be written.
    """
    name = _host(host)
    said = _filled({"region": region, "kind": kind, "pue": pue})
    fresh = {"host": name, **_filled({**_besides(known), **said, "from": since})}
    placed = place_of(fresh, str(own_file()))
    fresh["region"] = placed.region
    said.update({"region": placed.region} if region else {})
    written: Row = fresh

    def change(text: str) -> str:
        nonlocal written
        file = File.of(text)
        i = _row_of(file.rows, placed, since)
        written = fresh if i is None else _changed(file.rows[i], said)
        return file.with_row(written) if i is None else file.with_changed(i, written)

    _rewrite(change)
    return place_of(written, str(own_file()))


def forget(host: str | None = None, since: date | None = None) -> bool:
    """Take this machine's rows away, or that of one day alone; whether there were any."""
    name = socket.gethostname() if host is None else host

    def change(text: str) -> str:
        file = File.of(text)
        return file.without(
            {i for i, row in enumerate(file.rows) if _is_of(row, name) and since in (None, row.get("from"))}
        )

    return _rewrite(change)


def _host(host: str | None) -> str:
    """Refused where it cannot be printed: without these characters it would be another, or any."""
    name = socket.gethostname() if host is None else host
    if not name.isprintable():
        raise UsageError(f"host = {name!r}: only printable characters can be written into {NAME}")
    return name


def _filled(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "")}


def _besides(known: Placed | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {"region": known.region, "kind": known.kind, "pue": known.pue.value if known.pue else None}


def _is_of(row: Row, host: str) -> bool:
    return printable(str(row.get("host", ""))).lower() == printable(host).lower()


def _row_of(rows: Sequence[Row], placed: Placed, since: date | None) -> int | None:
    """The host's own row that counts now, or that begins on the same day; ``None`` where there is none."""
    now, found = time.time(), []
    for i, row in enumerate(rows):
        with suppress(UsageError, ValueError, TypeError, ArithmeticError):  # a mistake, which counts nothing
            one = place_of(row, "")
            meant = one.span[0] <= now < one.span[1] if since is None else one.span[0] == placed.span[0]
            found += [(one.rank, i)] if _is_of(row, placed.host) and meant else []
    return max(found)[1] if found else None


def _changed(row: Row, said: Row) -> Row:
    """The row with what is said, without what was about another PUE, or of a cloud where that is none any more."""
    found = {**row, **said}
    if found.get("pue") != row.get("pue"):
        found.pop("pue_source", None)
    clouds = {"/" in place_of({"region": one["region"]}, "").region for one in (row, found)}
    if len(clouds) > 1 and "kind" not in said:
        found.pop("kind", None)
    return found


# The file's lines


@dataclass(frozen=True, slots=True)
class File:
    """A file's text with its ``[[where]]`` rows, and from and up to which line each goes."""

    text: str
    tables: Mapping[str, Any]
    spans: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, text: str) -> File:
        """Raises ``UsageError`` where it is no TOML, or its rows are written otherwise than as ``[[where]]``."""
        known, spans = _parsed(text), _spans(text.splitlines(keepends=True))
        if len(known.get("where", [])) != len(spans) or ("where" in known and not spans):
            raise UsageError("where: write it as [[where]], once for each row")
        return cls(text, known, spans)

    @property
    def rows(self) -> list[Row]:
        return list(self.tables.get("where", []))

    def with_row(self, row: Row) -> str:
        """The text with one more row, below all else."""
        return self._checked(self.text + "".join(_written(row, self.text)), [*self.rows, row])

    def with_changed(self, index: int, row: Row) -> str:
        """The text with other values in one row."""
        lines, span = self.text.splitlines(keepends=True), slice(*self.spans[index])
        lines[span] = _edited(lines[span], self.rows[index], row, _end(self.text))
        return self._checked("".join(lines), [row if i == index else one for i, one in enumerate(self.rows)])

    def without(self, gone: Collection[int]) -> str:
        """The text without some rows."""
        lines = self.text.splitlines(keepends=True)
        for i in sorted(gone, reverse=True):
            del lines[slice(*self.spans[i])]
        return self._checked("".join(lines), [row for i, row in enumerate(self.rows) if i not in gone])

    def _checked(self, found: str, rows: Sequence[Row]) -> str:
        """Nothing but the rows may have changed, whatever the lines looked like."""
        try:
            same = _shown({"where": [], **tables.parsed(found)}) == _shown({**self.tables, "where": rows})
        except ValueError:
            same = False
        if not same:
            raise UsageError("where: its rows cannot be told from the rest; change it by hand")
        return found


def _shown(known: Mapping[str, Any]) -> str:
    """To compare by: a value that is no number is not itself, but looks like itself."""
    return repr(sorted(known.items()))


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tables.parsed(text)
    except ValueError as error:
        raise UsageError(f"{error}; mend it first") from error


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """From and up to which line each ``[[where]]`` goes, without what stands between it and the next table."""
    heads = [i for i, line in enumerate(lines) if HEAD.match(line)]
    found = []
    for i in heads:
        if OWN.match(lines[i]):
            end = next((head for head in heads if head > i), len(lines))
            found.append((i, max(n for n in range(i, end) if not ASIDE.match(lines[n])) + 1))
    return found


def _written(row: Row, text: str) -> list[str]:
    """The row's lines, as they stand below that text."""
    end = _end(text)
    before = ["", ""][text.endswith("\n") :] if text and not text.endswith(("\n\n", "\r\n\r\n")) else []
    return [*(f"{line}{end}" for line in (*before, "[[where]]")), *_pairs(row, row, end)]


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


def _rewrite(change: Callable[[str], str]) -> bool:
    """Change the user's file, whole or not at all, one program at a time; whether that changed anything."""
    path = Path(os.path.realpath(own_file()))  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S):
            before = path.read_bytes() if path.exists() else b""
            after = _bytes(before, change)
            if after != before:
                _replace(path, after)
            return after != before
    except (UsageError, UnicodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, Timeout) as error:
        raise ReportError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def _bytes(before: bytes, change: Callable[[str], str]) -> bytes:
    """The file's bytes with its text changed; a mark before the first character stays."""
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    return mark + change(before.removeprefix(mark).decode()).encode()


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        if path.exists():
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
