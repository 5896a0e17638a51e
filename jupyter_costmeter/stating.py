"""A selection's statement as a file in a format, or as filled forms. Behind the magic, the shell and the server alike.

The verifiable ``.json`` holds the statement, too, so it is the same file as an export's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import bars, norms, plugins, report
from .anonymous import Veil
from .errors import UsageError
from .gathering import gather
from .ledger import Selection
from .statement import Document

if TYPE_CHECKING:
    from .costing import Costing
    from .recent import Reader

#: The verifiable file: records and all.
VERIFIABLE = "json"


def formats() -> tuple[str, ...]:
    """The suffixes that a statement can be written in."""
    return (*plugins.BUILT_IN["statements"], VERIFIABLE)


def media_type(suffix: str) -> str:
    """Of the file of that suffix, which must be one of ``formats``."""
    found: str = plugins.load("exporters" if suffix == VERIFIABLE else "statements", suffix).media_type
    return found


def document(
    ledger: Reader, selection: Selection, costing: Costing, names: Sequence[str] = (), anonymous: bool = False,
    bar: bars.Bar[Any] = bars.none,
) -> Document:  # fmt: skip
    """The statement of a selection and the forms of these norms (all, unless some are named).

    An anonymous one is made anonymous before the forms are filled, so that these never see whose it is.

    Raises:
        UsageError: there is no norm of that name (says the near one).
        LedgerError: the ledger cannot be read.
    """
    with ledger.at_once():
        statement = gather(ledger, selection, costing, bar=bar)
        if anonymous:
            statement = Veil(ledger.names(selection)).statement(statement)
    return Document(statement, norms.forms(statement, names))


def write_statement(
    ledger: Reader, selection: Selection, suffix: str, out: IO[str], costing: Costing, names: Sequence[str] = (),
    anonymous: bool = False, bar: bars.Bar[Any] = bars.none,
) -> None:  # fmt: skip
    """The statement in the format of that suffix; nothing is written to ``out`` where it cannot be made.

    Raises:
        UsageError: there is no such format, or no such norm.
        LedgerError: the ledger cannot be read.
    """
    if suffix not in formats():
        raise UsageError(f"there is no format {suffix!r}; there are {', '.join(formats())}")
    names = [norms.known(name) for name in names]  # before much is read
    if suffix == VERIFIABLE:
        report.write(ledger, selection, suffix, out, costing, bar, anonymous, names)
        return
    plugins.load("statements", suffix).write(out, document(ledger, selection, costing, names, anonymous, bar))


def export_statement(
    ledger: Reader, selection: Selection, path: Path, costing: Costing, names: Sequence[str] = (),
    anonymous: bool = False, force: bool = False,
) -> None:  # fmt: skip
    """Write the statement to a file, whole or not at all; one that is there is kept unless ``force``.

    Raises:
        UsageError: the suffix is no format's, there is no such norm, the file is there, or nothing was metered.
        ReportError: it cannot be written.
        LedgerError: the ledger cannot be read.
    """
    suffix = report.suffix_of(path, force, formats())
    report.refuse_nothing(ledger, selection, path)
    with report.whole_file(path) as out:
        write_statement(ledger, selection, suffix, out, costing, names, anonymous, bars.shown)
