"""CSV: a line for each figure of the statement, then one for each field of each form.

Texts stand on one line, and none begins as a formula does.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any

from ..spreadsheet import harmless
from ..statement import Document
from ..statement_rows import Range, Row, figure_rows
from ..tables import printable

COLUMNS = ("norm", "key", "asks", "answer", "how", "todo")
#: Stands for a norm in the lines of the statement's own figures.
OWN = "statement"


class CsvStatement:
    suffix = "csv"
    media_type = "text/csv"

    def write(self, out: IO[str], document: Document) -> None:
        lines = csv.writer(out)
        lines.writerow(COLUMNS)
        for line in _lines(document):
            lines.writerow(harmless(printable(value) if isinstance(value, str) else value) for value in line)


def _lines(document: Document) -> Iterator[tuple[Any, ...]]:
    for row in figure_rows(document.statement):
        yield from _line(row)
    for form in document.forms:
        for item in form.items:
            yield form.name, item.key, item.asks, item.answer, item.how, item.todo


def _line(row: Row) -> Iterator[tuple[Any, ...]]:
    """One; of a range two, for its ends."""
    if isinstance(row.value, Range):
        yield OWN, f"{row.key}.low", f"{row.what}, at least", row.value.low, row.how, ""
        yield OWN, f"{row.key}.high", f"{row.what}, at most", row.value.high, row.how, ""
    else:
        yield OWN, row.key, row.what, row.value, row.how, ""
