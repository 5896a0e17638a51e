"""A progress bar on stderr, for what takes long: at once in a terminal, after some seconds in a notebook, else none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
#: Gives back what it is given, one by one, and shows how far that is: of how many (``None``: not known), and of what.
Bar = Callable[[Iterable[T], "int | None", str], Iterable[T]]
#: Seconds after which a notebook shows one: a bar of a moment would only flicker.
PATIENCE_S = 3.0


def none(items: Iterable[T], total: int | None, what: str) -> Iterable[T]:
    """No bar: for a server, whose stderr is a log."""
    return items


def shown(items: Iterable[T], total: int | None, what: str) -> Iterable[T]:
    """One where a person can see it: a terminal's, or (with what a cell prints) a notebook's."""
    terminal = sys.stderr.isatty()
    if not terminal and "ipykernel" not in type(sys.stderr).__module__:
        return items  # a file or a pipe
    from tqdm import tqdm

    delay = 0.0 if terminal else PATIENCE_S
    bar: Iterable[T] = tqdm(items, total=total, desc=what, unit=" records", delay=delay, leave=False, file=sys.stderr)
    return bar
