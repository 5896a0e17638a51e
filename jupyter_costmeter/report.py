"""A selection of records as a file in a format. Behind the magic, the CLI and the server alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from . import bars, plugins
from .derived import Content
from .errors import ReportError, UsageError
from .evidence import evidence, filled
from .ledger import Selection
from .replacing import replacing

if TYPE_CHECKING:
    from .anonymous import Names
    from .costing import Costing
    from .recent import Reader

T = TypeVar("T")


def name_of(selection: Selection) -> str:
    """``session 1a2b3c4d``, ``notebook train.ipynb``, ``project paper``, ``everything in the ledger``."""
    return selection.name


def formats() -> list[str]:
    """The suffixes that can be exported to."""
    return list(plugins.BUILT_IN["exporters"])


def write(
    ledger: Reader, selection: Selection, suffix: str, out: IO[str], costing: Costing | None = None,
    bar: bars.Bar[Any] = bars.none, anonymous: bool = False, norms: Sequence[str] = (),
) -> None:  # fmt: skip
    """The selected records in the format of that suffix, streamed; with what they cost, if there is who derives it.

    All of it is of one state of the ledger, however many kernels write to it meanwhile. ``anonymous`` leaves out whose
    records they are; ``norms`` are those whose forms the verifiable file holds (all, unless said).

    Raises:
        UsageError: there is no such format.
    """
    if suffix not in formats():
        raise UsageError(f"there is no format {suffix!r}; there are {', '.join(formats())}")
    with ledger.at_once(), uncollected():
        content = content_of(ledger, selection, costing, bar, norms)
        if anonymous:
            content = _veiled(content, ledger.names(selection), norms)
        plugins.load("exporters", suffix).write(out, content)


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for cycles meanwhile, a fifth of the time: many small records come and go, and none is in a cycle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def content_of(
    ledger: Reader, selection: Selection, costing: Costing | None = None, bar: bars.Bar[Any] = bars.none,
    norms: Sequence[str] = (),
) -> Content:  # fmt: skip
    """What an exporter writes of a selection."""
    title, sessions = f"Cost of {name_of(selection)}", tuple(ledger.sessions(selection))
    count = ledger.count(selection)

    def shown(read: Callable[[Selection], Iterator[T]]) -> Callable[[], Iterator[T]]:
        return lambda: iter(bar(read(selection), count, "exporting"))

    content = Content(title, ledger.summary(selection), sessions, shown(ledger.records), stored=shown(ledger.stored))
    return content if costing is None else _costed(content, ledger, selection, costing, norms)


def _costed(
    content: Content, ledger: Reader, selection: Selection, costing: Costing, norms: Sequence[str] = ()
) -> Content:
    """With what the records cost, all of them under the assumptions of now, also if these change meanwhile."""
    from .singly import Singly

    infos, book = {info.id: info for info in content.sessions}, costing.book
    costs = costing.of(ledger.uses(selection, **costing.wants), book)
    return replace(
        content,
        costs=costs,
        problems=book.assumptions.problems,
        costs_of=Singly(infos, book).costs_of,
        evidence=lambda: evidence(ledger, selection, book, names=norms),
    )


def _veiled(content: Content, names: Names, norms: Sequence[str]) -> Content:
    """Without whose records they are."""
    from .anonymous import Veil

    veiled = Veil(names).content(content)
    return replace(veiled, evidence=lambda: filled(veiled.evidence(), norms))


def export(
    ledger: Reader, selection: Selection, path: Path, force: bool = False, costing: Costing | None = None,
    bar: bars.Bar[Any] = bars.shown, anonymous: bool = False, norms: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write the selection to a file, whole or not at all; one that is there is kept unless ``force``.

    Raises:
        UsageError: the suffix is no format's, the file is there, or there is nothing to write.
        ReportError: it cannot be written.
    """
    suffix = suffix_of(path, force)
    refuse_nothing(ledger, selection, path)
    with whole_file(path) as out:
        write(ledger, selection, suffix, out, costing, bar, anonymous, norms)


def refuse_nothing(ledger: Reader, selection: Selection, path: Path) -> None:
    """Raises ``UsageError`` where nothing was metered: a file of nothing would pass for an export that worked."""
    summary = ledger.summary(selection)
    if not summary.cells and not summary.buckets:
        where = "yet" if selection.scope == "all" else f"in {name_of(selection)}"
        raise UsageError(f"nothing was metered {where}, so {path} was not written")


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """Write a file whole or not at all; one that is there stays as it is until then.

    Raises:
        ReportError: it cannot be written.
    """
    try:
        with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as out:
            yield out
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error


def suffix_of(path: Path, force: bool = False, known: Sequence[str] = ()) -> str:
    """The format that a file's name asks for: of an export, unless others are ``known``.

    Raises:
        UsageError: there is none such, or the file is there.
    """
    suffix, there = path.suffix.lstrip(".").lower(), known or formats()
    if suffix not in there:
        suffixes = ", ".join(f".{f}" for f in there)
        raise UsageError(f"cannot tell the format of {path.name!r} by its suffix; use one of {suffixes}")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; --force replaces it")
    return suffix
