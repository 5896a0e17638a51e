"""What ``report NORM …`` and ``report -o FILE`` answer: filled forms as a page, a statement as a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from . import norms, stating
from .context import Context, selection_of, stored
from .errors import UsageError
from .form_pages import forms_page
from .pages import Page, counted


def answer(asked: argparse.Namespace, context: Context) -> Page:
    """The forms of the norms that were named; with ``-o`` the file that was written."""
    _check(asked)
    return _written(asked, context) if asked.output else _shown(asked, context)


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
    count, what = ledger.summary(selection).cells, "an anonymous statement" if asked.anonymous else "a statement"
    return Page(f"Wrote {path}: {what} of {counted(count)} of {selection.name}.", notes=_left_out(len(kept)))


def _left_out(kept: int) -> list[str]:
    """What a file's reader must know: cells that only this kernel's memory has."""
    return [f"Not in it, since the ledger could not take them: {counted(kept)}."] if kept else []
