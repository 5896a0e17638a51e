"""What ``report NORM …`` and ``report -o FILE`` answer: filled forms as a page, a statement as a file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from . import digests, norms, stating
from .context import Context, of_folder, selection_of, stored
from .errors import UsageError
from .form_pages import forms_page
from .pages import Page, counted
from .words import parse, parser

#: A norm's own file, and what stands beside it (``stating.NATIVE``).
OWN = {"boamps": "BoAmps' own JSON", "model-card": "the model card's own YAML"}
INSTEAD = "The verifiable file is export FILE.json."


def answer(asked: argparse.Namespace, context: Context) -> Page:
    """The forms of the norms that were named; with ``-o`` the file that was written."""
    _check(asked)
    return _written(asked, context) if asked.output else _shown(asked, context)


def write_statement(
    file: str | os.PathLike[str],
    norms: Sequence[str] = (),
    *,
    project: str = ".",
    notebook: str | None = None,
    anonymous: bool = False,
    force: bool = False,
    ledger: str | None = None,
) -> Path:
    """Write the statement of a project, or of one notebook, as ``jupyter costmeter report -o FILE`` does.

    Args:
        file: its suffix says the format: .md, .tex, .html, .csv, .yaml or .json (the verifiable one).
        norms: whose forms (``neurips``, ``arr``, …); all, unless some are named.
        project: a folder of it.
        notebook: only this notebook's.
        anonymous: without hosts, users, paths and notebooks' names.
        force: replace a file that is there.
        ledger: another ledger than this user's.

    Raises:
        UsageError: the suffix or a norm is none that is known, the file is there, or nothing was metered.
        ReportError: it cannot be written.
        LedgerError: the ledger cannot be read.
    """
    words = ["report", *norms, "-o", os.fspath(file), *(["--notebook", notebook] if notebook else [])]
    words += [*(["--anonymous"] if anonymous else []), *(["--force"] if force else [])]
    context = of_folder(ledger, project)
    try:
        answer(parse(words, parser("jupyter costmeter")), context)
    finally:
        context.close()
    return Path(file)


def _check(asked: argparse.Namespace) -> None:
    """Raises ``UsageError`` for a norm that is none; a file's name among them was meant for ``-o``."""
    files = [name for name in asked.norm if Path(name).suffix.lstrip(".").lower() in stating.formats()]
    if files and not asked.output:
        raise UsageError(f"there is no norm {files[0]!r}; report -o {files[0]} writes that file")
    for name in asked.norm:
        norms.known(name)


def _shown(asked: argparse.Namespace, context: Context) -> Page:
    selection = selection_of(asked, context)
    ledger, kept = stored(selection, context)
    found = stating.document(ledger, selection, context.costing, asked.norm, asked.anonymous)
    title = f"{found.statement.scope[:1].upper()}{found.statement.scope[1:]}"
    file = f"report {' '.join(asked.norm)} -o FILE writes it: {', '.join(f'.{one}' for one in stating.formats())}."
    return forms_page(title, found.forms, [*found.statement.problems, *_left_out(len(kept)), file])


def _written(asked: argparse.Namespace, context: Context) -> Page:
    selection, path = selection_of(asked, context), Path(os.path.expanduser(asked.output))
    ledger, kept = stored(selection, context)
    stating.export_statement(ledger, selection, path, context.costing, asked.norm, asked.anonymous, asked.force)
    cells, own = counted(ledger.summary(selection).cells), stating.native_norm(asked.norm, stating.suffix_of(path))
    said = f"Wrote {path}: {_what(own, asked.anonymous)} of {cells} of {selection.name}."
    return Page(f"{said} {INSTEAD}" if own else said, notes=[*digests.notes(path), *_left_out(len(kept))])


def _what(own: str | None, anonymous: bool) -> str:
    if own is not None:
        return f"{OWN[own]},{' anonymous,' if anonymous else ''}"
    return "an anonymous statement" if anonymous else "a statement"


def _left_out(kept: int) -> list[str]:
    """What a file's reader must know: cells that only this kernel's memory has."""
    return [f"Not in it, since the ledger could not take them: {counted(kept)}."] if kept else []
