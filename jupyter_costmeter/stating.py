"""A selection's statement as a file in a format, or as filled forms. Behind the magic, the shell and the server alike.

The verifiable ``.json`` holds the statement, too, so it is the same file as an export's. A norm that has a file of its
own (``NATIVE``) is written as that one, where it alone is named and the suffix is that file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import bars, norms, plugins, report
from .anonymous import Veil
from .errors import UsageError
from .form_pages import own_file
from .gathering import gather
from .ledger import Selection
from .statement import Document, Form

if TYPE_CHECKING:
    from .costing import Costing
    from .recent import Reader

#: The verifiable file: records and all.
VERIFIABLE = "json"
#: Norms that have a file of their own, each with its suffix (``Form.native_suffix``).
NATIVE = {"boamps": "json", "model-card": "yaml"}

#: What these cannot be without.
MUST = {"boamps": ("measures.powerConsumption", "infrastructure.components"), "model-card": ("emissions",)}


def native_norm(names: Sequence[str], suffix: str) -> str | None:
    """The norm whose own file is asked for: the only one that is named, if its file has that suffix."""
    named = {norms.known(name) for name in names}
    return next((name for name in named if len(named) == 1 and NATIVE.get(name) == suffix), None)


def formats() -> tuple[str, ...]:
    """The suffixes that a statement can be written in."""
    return (*plugins.BUILT_IN["statements"], VERIFIABLE)


def suffix_of(path: Path) -> str:
    """As a format's is written."""
    return path.suffix.lstrip(".").lower()


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
        UsageError: there is no such format, no such norm, or a norm's own file lacks what it must hold.
        LedgerError: the ledger cannot be read.
    """
    if suffix not in formats():
        raise UsageError(f"there is no format {suffix!r}; there are {', '.join(formats())}")
    names = [norms.known(name) for name in names]  # before much is read
    if native_norm(names, suffix):
        out.write(_own(document(ledger, selection, costing, names, anonymous, bar).forms[0]))
        return
    if suffix == VERIFIABLE:
        report.write(ledger, selection, suffix, out, costing, bar, anonymous, names)
        return
    plugins.load("statements", suffix).write(out, document(ledger, selection, costing, names, anonymous, bar))


def _own(form: Form) -> str:
    """A norm's own file. Raises ``UsageError`` where it cannot be made, with what is lacking."""
    if form.native is not None:
        return own_file(form)
    lacking = next((item for item in form.items if item.answer is None and item.key in MUST.get(form.name, ())), None)
    why = f" without {lacking.key}: {lacking.todo}" if lacking else ""
    others = ", ".join(f".{one}" for one in formats() if one != NATIVE.get(form.name))
    raise UsageError(
        f"there is no .{NATIVE.get(form.name)} of {form.name}{why}. Another suffix ({others}) writes the form"
    )


def export_statement(
    ledger: Reader, selection: Selection, path: Path, costing: Costing, names: Sequence[str] = (),
    anonymous: bool = False, force: bool = False,
) -> None:  # fmt: skip
    """Write the statement to a file, whole or not at all; one that is there is kept unless ``force``.

    Raises:
        UsageError: the suffix is no format's, there is no such norm, the file is there, nothing was metered, or a
            norm's own file lacks what it must hold.
        ReportError: it cannot be written.
        LedgerError: the ledger cannot be read.
    """
    suffix = report.suffix_of(path, force, formats())
    report.refuse_nothing(ledger, selection, path)
    with report.whole_file(path) as out:
        write_statement(ledger, selection, suffix, out, costing, names, anonymous, bars.shown)
