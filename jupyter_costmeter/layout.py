"""Tables and sentences as plain text, in as many columns as a terminal has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

#: A column is not folded to less.
LEAST = 16
#: Between two columns.
GAP = 2
#: What tabulate adds to a head.
PADDING = 2
#: Makes a picture of the sign before it.
PICTURED = "\ufe0f"
Rows = Sequence[Sequence[str]]


def columns_of(text: str) -> int:
    """The columns that a terminal gives it: two to each East Asian sign or picture, none to a mark on another."""
    if text.isascii():
        return len(text)
    found = before = 0
    for sign in text:
        if sign == PICTURED:
            before, found = 2, found + max(0, 2 - before)
        elif unicodedata.category(sign) not in ("Mn", "Me", "Cf"):
            before = 2 if unicodedata.east_asian_width(sign) in "WF" else 1
            found += before
    return found


def clipped(text: str, width: int) -> str:
    """No more of it than so many columns."""
    if columns_of(text) <= width:
        return text
    return text[: next(end for end in range(len(text)) if columns_of(text[: end + 1]) > width)]


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """A sentence in lines of at most ``width`` columns, but no word broken, which may be a path; else as it is."""
    if width is None:
        return [indent + text]
    found, line, room = list[str](), "", max(LEAST, width) - len(indent)
    for space, word in re.findall(r"(\s*)(\S+)", text):
        for at, piece in enumerate(_pieces(word, room)):
            longer = f"{line}{'' if at else ' ' * len(space)}{piece}"
            if line and columns_of(longer) > room:
                found.append(line)
                longer = piece
            line = longer
    return [indent + one for one in (*found, line)]


def sentences(texts: Iterable[str], width: int | None) -> list[str]:
    """Several, one below the other."""
    return [line for one in texts for line in wrapped(one, width)]


def _pieces(word: str, width: int) -> list[str]:
    """Where a word may be broken: nowhere, but one of signs that need no spaces between them, where it is too long."""
    return re.findall(r"[\x00-\u2e7f]+|.", word) if columns_of(word) > width else [word]


def block(text: str, width: int | None) -> list[str]:
    """Lines as they are, but those that are too long, which are wrapped with their own indentation."""
    found = list[str]()
    for line in text.split("\n"):
        if width is None or columns_of(line) <= width:
            found.append(line)
        else:
            indent = min(len(line) - len(line.lstrip(" ")), width // 4)
            found += wrapped(line.strip(), width, " " * indent)
    return found


def table(columns: Sequence[str], rows: Rows, right: frozenset[str], width: int | None = None) -> str:
    """In so many characters a line, if it must be: wide columns are folded.

    A table of too many columns for that is set as several, each of which begins with the first column.
    """
    if width is None:
        return _set(columns, rows, right, None)
    sizes = _sizes(columns, rows)
    parts = []
    for part in _parts(sizes, width):
        picked = [[row[i] for i in part] for row in (columns, *rows)]
        parts.append(_set(picked[0], picked[1:], right, _folds([sizes[i] for i in part], width)))
    return "\n\n".join(parts)


def parts_of(columns: Sequence[str], rows: Rows, width: int) -> int:
    """How many tables it is set as."""
    return len(list(_parts(_sizes(columns, rows), width)))


def _sizes(columns: Sequence[str], rows: Rows) -> list[int]:
    heads = [" " * PADDING + column for column in columns]
    return [max(map(columns_of, column)) for column in zip(heads, *rows, strict=True)]


def _set(columns: Sequence[str], rows: Rows, right: frozenset[str], folds: list[int | None] | None) -> str:
    from tabulate import tabulate

    heads = None if folds is None else [None if fold is None else fold - PADDING for fold in folds]
    align = ["right" if c in right else "left" for c in columns]
    found: str = tabulate(
        rows, columns, "simple", colalign=align, disable_numparse=True, maxcolwidths=folds, maxheadercolwidths=heads
    )
    return found


def _folds(sizes: Sequence[int], width: int) -> list[int | None]:
    """The widest columns are folded, all to the same size: so far that the table fits, but not below the least."""
    room, most = width - GAP * (len(sizes) - 1), max(sizes)
    while most > LEAST and sum(min(size, most) for size in sizes) > room:
        most -= 1
    return [most if size > most else None for size in sizes]


def _parts(sizes: Sequence[int], width: int) -> Iterator[list[int]]:
    """The numbers of the columns that stand side by side: all of them, where the table can be folded to the width."""
    if sum(min(size, LEAST) for size in sizes) + GAP * (len(sizes) - 1) <= width:
        yield list(range(len(sizes)))
        return
    claims = [min(size, max(LEAST, width // 3)) + GAP for size in sizes]
    part = [0]
    for i in range(1, len(sizes)):
        if len(part) > 1 and sum(claims[at] for at in (*part, i)) - GAP > width:
            yield part
            part = [0]
        part.append(i)
    yield part
