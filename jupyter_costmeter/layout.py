"""Tables and sentences as plain text, in as many columns as a terminal has."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

#: A column is not folded to less.
LEAST = 16
#: Between two columns.
GAP = 2
#: What tabulate adds to a head.
PADDING = 2
Rows = Sequence[Sequence[str]]


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """A sentence in lines of at most ``width`` characters, but no word broken, which may be a path; else as it is."""
    if width is None:
        return [indent + text]
    wrap = textwrap.TextWrapper(
        max(LEAST, width), initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return wrap.wrap(text) or [""]


def table(columns: Sequence[str], rows: Rows, right: frozenset[str], width: int | None = None) -> str:
    """In so many characters a line, if it must be: wide columns are folded.

    A table of too many columns for that is set as several, each of which begins with the first column.
    """
    if width is None:
        return _set(columns, rows, right, None)
    heads = [" " * PADDING + column for column in columns]
    sizes = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    parts = []
    for part in _parts(sizes, width):
        picked = [[row[i] for i in part] for row in (columns, *rows)]
        parts.append(_set(picked[0], picked[1:], right, _folds([sizes[i] for i in part], width)))
    return "\n\n".join(parts)


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
