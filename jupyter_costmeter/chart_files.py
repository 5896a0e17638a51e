"""A page with a chart as an HTML file of its own: the file that is named, and what is written into it."""

from __future__ import annotations

import os
from pathlib import Path

from . import report
from .errors import UsageError
from .pages import Page


def path_of(given: str, force: bool, what: str) -> Path:
    """The file for a timeline or a comparison (``what``).

    Raises:
        UsageError: its name is no HTML file's, or it is there and not ``force``.
    """
    path = Path(os.path.expanduser(given))
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"a {what} is written as HTML; name a file such as {path.stem or what}.html")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; --force replaces it")
    return path


def write(page: Page, path: Path) -> None:
    """Whole or not at all.

    Raises:
        ReportError: it cannot be written.
    """
    from . import chart_html

    with report.whole_file(path) as out:
        body = page._repr_html_()
        out.write(chart_html.whole(page.title, body, charts="<script>" in body))
