"""The files of records in each format, as they are written, and the lines of a CSV."""

from __future__ import annotations

import csv
import io

from kernels import ALL
from shell import session

from jupyter_costmeter import report
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

#: Whose records they are.
INFO = session("aaa1", "/home/ada/paper/train.ipynb")


def exported(ledger: Ledger, suffix: str, *records: CellRecord, selection: Selection = ALL) -> str:
    """What the file holds once these records are in the ledger, too."""
    ledger.append(INFO, records)
    out = io.StringIO(newline="")
    report.write(ledger, selection, suffix, out)
    return out.getvalue()


def lines(text: str) -> list[dict[str, str]]:
    """Of a CSV, by the names of its columns."""
    return list(csv.DictReader(io.StringIO(text, newline="")))
