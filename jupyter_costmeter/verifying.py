"""Verify an exported file: that it is whole, and that its figures follow from its records (docs/verify.md).

It does not prove that the records are true, and whoever can edit the file can make a new chain: so a head proves
something where it was published before the doubt. No Jupyter is needed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import bars, verifiable
from .accounting import DERIVED, weakest
from .conditions import Book
from .costing import Settled
from .errors import ReportError, UsageError
from .footprint import footprint
from .format import NAMES, quantity
from .json_pieces import NotJson, pieces
from .linked import LINK, Fault, Links
from .pages import Page, Table
from .recomputed import ALL, Recomputed
from .record import HIGHEST, Method, Total
from .uses import Use
from .version import __version__

RECORDS_ONLY = (
    "The digest that was given is that of the records alone: factors, statement and forms may be others than when it"
    " was published. The digest of the whole file holds them, too."
)
METHODS: tuple[Method, ...] = ("measured", "modelled", "declared", "assumed")
#: So many faults of the records are listed, and so many of the figures.
SHOWN = 20
#: What a file of this schema has beside its records, with the types of JSON.
PARTS: dict[str, type] = {"software": dict, "sessions": list, "provenances": dict, "summary": dict, "forms": list}
PROVES = (
    "The file is whole, and its figures follow from its records and factors. That the records are true it does not"
    " prove, and whoever can edit the file can make a new chain, too: so publish the digest of the whole file, and"
    " verify against it with --head DIGEST."
)


def verify(path: Path, head: str | None = None, bar: bars.Bar[Any] = bars.shown) -> Page:
    """What is wrong with an exported file, and how each of its totals is known; not ``ok`` where something is wrong.

    Args:
        path: of a JSON file that ``export`` wrote; it may have been formatted anew since.
        head: what was published: the digest of the whole file, or that of its records alone (the chain's head).
        bar: shows how far it is.

    Raises:
        UsageError: there is no such file, it is no such file, or of another schema.
        ReportError: it cannot be read.
    """
    try:
        links, body = _linked(path, bar)
        faults = [*_published(head, links, body), *links.faults(body.get("chain")), *_sealed(body, links)]
        with tempfile.TemporaryDirectory(prefix="costmeter-verify-") as folder:
            page = _page(path, links, body, faults, Path(folder), bar)
        return replace(page, notes=[*page.notes, RECORDS_ONLY]) if _same(head, links.made) else page
    except NotJson as error:
        raise UsageError(f"{path} is not a whole JSON file: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no JSON file: it is not text in UTF-8") from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no {path}") from error
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror or error}") from error


# Reading


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        yield from pieces(file, "cells")


def _records(path: Path) -> Iterator[Any]:
    return (value for key, value in _read(path) if key == "cells")


def _linked(path: Path, bar: bars.Bar[Any]) -> tuple[Links, dict[str, Any]]:
    """The chain of the file's records, and all else that is in it."""
    links, body = Links(), dict[str, Any]()
    for key, value in bar(_read(path), None, "reading"):
        if key == "cells":
            links.add(value)
        else:
            body[key] = value
        if key == "schema":
            _check_schema(path, value)  # before a long file is read
    if "schema" not in body:
        raise UsageError(f"{path} is no export of jupyter_costmeter: it names no schema")
    lacking = [name for name, kind in PARTS.items() if not isinstance(body.get(name), kind)]
    if lacking:
        raise UsageError(
            f"{path} is not whole: it has no {' and no '.join(lacking)} as schema {verifiable.SCHEMA} says"
        )
    return links, body


def _check_schema(path: Path, schema: Any) -> None:
    known = verifiable.SCHEMA
    if schema == 1 and not isinstance(schema, bool):
        raise UsageError(f"{path} is of schema 1, which had no chain: export it again (this is schema {known})")
    if type(schema) is int and schema > known:
        raise UsageError(
            f"{path} is of schema {schema}, and jupyter_costmeter {__version__} knows up to {known}. "
            "Upgrade it: pip install -U jupyter_costmeter"
        )
    if schema != known or isinstance(schema, bool):
        raise UsageError(f"{path} is no export of jupyter_costmeter: its schema is {schema!r}")


def _sealed(body: Mapping[str, Any], links: Links) -> Iterator[Fault]:
    """Whether what stands beside the records is as it was written."""
    ends = body.get("chain")
    if isinstance(ends, dict) and ends.get("whole") != _whole(str(ends.get("head")), body):
        yield Fault("chain.whole", "something that stands beside the records was changed")


def _whole(head: str, body: Mapping[str, Any]) -> str:
    """The digest; none where a number in it is none that JSON has."""
    try:
        return verifiable.whole(head, body)
    except (ValueError, OverflowError):
        return ""


def _published(head: str | None, links: Links, body: Mapping[str, Any]) -> Iterator[Fault]:
    """The digest of the whole file binds its factors and its statement, too; the chain's head only its records.

    Both are made of what is there: what the file says of itself is no witness.
    """
    whole = _whole(links.made, body)
    if head is not None and not _same(head, links.made) and not _same(head, whole):
        yield Fault("chain.head", f"it is {links.made} (of the whole file {whole}), not the one that was given: this is"
                    " not that file")  # fmt: skip


def _same(given: str | None, digest: str) -> bool:
    return given is not None and given.strip().lower() == digest


# Telling


def _page(
    path: Path, links: Links, body: Mapping[str, Any], faults: list[Fault], folder: Path, bar: bars.Bar[Any]
) -> Page:
    """After the records were read again, and everything derived of them."""
    figures: list[Fault] = []
    tables: list[Table] = []
    try:
        made = Recomputed(folder, body)
        faults += made.take(bar(_records(path), links.count, "verifying"))
        figures += made.differences()
        tables = [_known(made)]
        made.ledger.close()
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        figures.append(Fault("file", f"its figures cannot be derived again: {error}"))
    wrong = len(faults) + len(figures)
    verdict = _counted(wrong) if wrong else f"whole, and its figures follow from its records{_but(body)}"
    many = f"{links.count:,} record{'' if links.count == 1 else 's'}"
    heads = [
        f"{many}, written by jupyter_costmeter {_version(body)}.",
        f"Digest of the whole file: {_beside(_whole(links.made, body), body, 'whole')}",
        f"Head of its records: {_beside(links.made, body, 'head')}",
    ]
    tables = [_wrong("record", faults), _wrong("figure", figures), *tables]
    notes = [*_cut(faults, "records"), *_cut(figures, "figures"), *([] if wrong else [PROVES]), *_notes(body)]
    return Page(f"{path}: {verdict}", tables, notes, heads, not wrong)


def _beside(made: str, body: Mapping[str, Any], name: str) -> str:
    """A digest of what is there, and what the file says where that is another."""
    ends = body.get("chain")
    stated = ends.get(name) if isinstance(ends, dict) else None
    said = stated if isinstance(stated, str) and LINK.fullmatch(stated) else "none"
    return made or "none" if stated == made else f"{made or 'none'} (the file states {said})"


def _but(body: Mapping[str, Any]) -> str:
    return "" if _version(body) == __version__ else "; its forms were NOT verified (another version wrote them)"


def _counted(count: int) -> str:
    return "1 thing is wrong" if count == 1 else f"{count:,} things are wrong"


def _version(body: Mapping[str, Any]) -> str:
    return str(body["software"].get("version"))


def _wrong(of: str, faults: list[Fault]) -> Table:
    return Table([of, "what is wrong"], [[fault.where, fault.what] for fault in faults[:SHOWN]])


def _cut(faults: list[Fault], of: str) -> Iterator[str]:
    if len(faults) > SHOWN:
        yield f"Of the {of} {len(faults) - SHOWN:,} more things are wrong."


def _notes(body: Mapping[str, Any]) -> Iterator[str]:
    if _version(body) != __version__:
        yield (
            f"This is jupyter_costmeter {__version__}: words that may differ between versions, and the forms"
            " (which are made of words), were not compared."
        )
    if body.get("factors") is None:
        yield "The file was written without factors, so it has no carbon and no money to verify."


def _known(made: Recomputed) -> Table:
    """Of each total the part that is known in each way."""
    totals = made.ledger.summary(ALL).totals
    rows = [_row(total, _parts(total.name, made.sums)) for total in totals]
    rows += list(_derived(made.ledger.uses(ALL, **Settled(made.book).wants), made.book)) if made.book else []
    return Table(["figure", "value", *METHODS, "missing in"], rows, frozenset({"value", *METHODS, "missing in"}))


def _row(total: Total, parts: Mapping[str, float]) -> list[str]:
    shown = [quantity(parts[method], total.unit) if method in parts else "" for method in METHODS]
    return [NAMES[total.name], quantity(total.value, total.unit), *shown, str(total.missing) if total.missing else ""]


def _parts(name: str, sums: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """By method; of a highest there are no parts."""
    names = () if name in HIGHEST else DERIVED.get(name, (name,))
    found: dict[str, float] = {}
    for (one, method), value in sums.items():
        if one in names:
            found[method] = found.get(method, 0.0) + value
    return found


def _derived(uses: list[Use], book: Book) -> Iterator[list[str]]:
    """Electricity and emissions: each joule's by the weakest of its figure and its factors."""
    for name, with_grid in (("electricity_wh", False), ("emissions_g", True)):
        whole = footprint(uses, book).total(name)
        split: dict[Method | None, list[Use]] = {}
        for use in uses:
            for method, part in _by_method(use, book, with_grid):
                split.setdefault(method, []).append(part)
        parts = {str(method): footprint(found, book).total(name) for method, found in split.items()}
        if whole is not None:
            yield _row(whole, {key: t.value for key, t in parts.items() if t is not None and t.value is not None})


def _by_method(use: Use, book: Book, with_grid: bool) -> Iterator[tuple[Method | None, Use]]:
    conditions = book.at(use.host, use.hour)
    factors = (conditions.pue.method, conditions.intensity.method if with_grid else None)
    for part in use.energy:
        if part.value is not None:
            yield weakest(part.provenance.method, *factors), replace(use, energy=(part,))
