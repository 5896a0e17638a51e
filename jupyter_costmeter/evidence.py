"""What a selection came to and by which factors, as the verifiable file has it; made again when it is verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from . import bookkeeping, gathering, norms
from .conditions import Book
from .costing import Settled
from .derived import Evidence
from .ledger import Selection
from .recent import Reader
from .record import SessionInfo
from .uses import HOUR_S


def evidence(
    ledger: Reader, selection: Selection, book: Book, title: str | None = None, names: Sequence[str] = ()
) -> Evidence:
    """The statement and the norms' forms (all, unless some are named), with the factors behind them.

    Raises:
        LedgerError: it cannot be read.
    """
    statement = gathering.gather(ledger, selection, Settled(book), title)
    factors = bookkeeping.written(book, set(_wanted(ledger, selection, book)))
    return filled(Evidence(factors, statement), names)


def filled(one: Evidence, names: Sequence[str] = ()) -> Evidence:
    """With the forms of its statement: of an anonymous one they never see whose it is."""
    return one if one.statement is None else replace(one, forms=norms.forms(one.statement, names))


def _wanted(ledger: Reader, selection: Selection, book: Book) -> Iterator[tuple[str, int]]:
    """The machines with the hours in which anything may be looked up: of each session's start, and of what ran."""
    sessions: Sequence[SessionInfo] = ledger.sessions(selection)
    for info in sessions:
        yield info.host, int(info.started_at // HOUR_S) if book.varies else 0
    for use in ledger.uses(selection, hourly_before=bookkeeping.NEVER_ENDS) if book.varies else ():
        yield use.host, use.hour
