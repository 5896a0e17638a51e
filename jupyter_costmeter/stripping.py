"""Take the costs out of notebooks' files (docs/notebook-costs.md), and leave all else as it is, byte for byte.

A file is not read and written anew, which would change its indents, escapes and line ends: the member's own text is
cut out of it.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from pathlib import Path

from .errors import ReportError, UsageError
from .replacing import replacing

#: What the front end writes into a cell's metadata (labextension/src/carried.ts).
KEY = "costmeter"
_BLANK = " \t\r\n"
_DECODER = JSONDecoder()


@dataclass(frozen=True, slots=True)
class Member:
    """One ``"key": value`` of an object: where the key begins, the value begins and the value ends."""

    key: str
    start: int
    value: int
    end: int


def strip(paths: Sequence[Path], check: bool = False) -> tuple[list[str], int]:
    """Take the costs out of notebooks' files: a sentence for each, and how many cells of all had some.

    All are read before one is written. A file without any is not touched; with ``check`` none is.

    Raises:
        UsageError: one cannot be read, or is no notebook; then none is changed.
        ReportError: one cannot be written; then it is as it was.
    """
    counts = [stripped(_read(path), str(path))[1] for path in paths]
    for path, count in zip(paths, counts, strict=True):
        if count and not check:
            _replace(Path(os.path.realpath(path)), stripped(_read(path), str(path))[0])  # a link stays one
    return [_said(path, count, check) for path, count in zip(paths, counts, strict=True)], sum(counts)


def _said(path: Path, count: int, check: bool) -> str:
    cells = "1 cell" if count == 1 else f"{count} cells"
    if count == 0:
        return f"{path} carries no costs."
    return f"{path} carries the costs of {cells}." if check else f"The costs of {cells} were taken out of {path}."


def stripped(content: bytes, name: str) -> tuple[bytes, int]:
    """A notebook's bytes without costs, and from how many cells they were taken.

    Raises:
        UsageError: it is no notebook; ``name`` says which.
    """
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    try:
        text, count = content.removeprefix(mark).decode(), 0
        while cuts := list(_cuts(text)):  # again, for a key that an object has twice
            text, count = _without(text, cuts), max(count, len(cuts))
    except (ValueError, RecursionError) as error:  # JSON's errors, too
        raise UsageError(f"{name} is no notebook: {_why(error)}") from error
    return mark + text.encode(), count


def _why(error: Exception) -> str:
    if isinstance(error, JSONDecodeError):
        return f"no JSON at line {error.lineno} ({error.msg})"
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8"
    return "too deep" if isinstance(error, RecursionError) else str(error)


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    """Which parts of the text are the costs of its cells."""
    start = _skip(text, 0)
    found = _DECODER.decode(text)
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise ValueError("it has no nbformat")
    for cells in (one for one in _members(text, start) if one.key == "cells" and text[one.value] == "["):
        for cell in (at for at in _items(text, cells.value) if text[at] == "{"):
            for metadata in (one for one in _members(text, cell) if one.key == "metadata" and text[one.value] == "{"):
                yield from _cut(text, metadata)


def _cut(text: str, metadata: Member) -> Iterator[tuple[int, int]]:
    """The costs in a cell's metadata, with the comma that goes with them; so that an empty object is ``{}``."""
    members = list(_members(text, metadata.value))
    at = next((i for i, one in enumerate(members) if one.key == KEY), None)
    if at is None:
        return
    if len(members) == 1:
        yield metadata.value + 1, metadata.end - 1
    elif at + 1 < len(members):
        yield members[at].start, members[at + 1].start
    else:
        yield members[at - 1].end, members[at].end


def _without(text: str, cuts: list[tuple[int, int]]) -> str:
    edges = [0, *(edge for cut in cuts for edge in cut), len(text)]
    return "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


# Where things are in a text that is known to be JSON


def _members(text: str, start: int) -> Iterator[Member]:
    """The members of the object that begins there."""
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, colon = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, colon) + 1)
        end = _DECODER.raw_decode(text, value)[1]
        yield Member(key, at, value, end)
        at = _next(text, end)


def _items(text: str, start: int) -> Iterator[int]:
    """Where the items of the list begin that begins there."""
    at = _skip(text, start + 1)
    while text[at] != "]":
        yield at
        at = _next(text, _DECODER.raw_decode(text, at)[1])


def _next(text: str, end: int) -> int:
    """Where what comes after a value begins: the next one, or the bracket."""
    at = _skip(text, end)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


# The file


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _replace(path: Path, content: bytes) -> None:
    """Written beside it first: a full disk loses nothing."""
    try:
        with replacing(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error
