"""What tests of verified files share: a golden file, and what is said of one that was changed."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stated
from hypothesis import settings

from jupyter_costmeter import bars, chain, report, verifiable, verifying
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.pages import Page

ALL = Selection("all")
Body = dict[str, Any]
SLOW = settings(max_examples=8, deadline=None)
QUICK = settings(max_examples=100, deadline=None)


@pytest.fixture(name="golden", scope="module")
def golden_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden ledger's file, which nobody changed."""
    folder = tmp_path_factory.mktemp("golden")
    ledger = stated.golden_ledger(folder / "ledger.sqlite")
    report.export(ledger, ALL, folder / "all.json", costing=stated.golden_costing(folder))
    ledger.close()
    return folder / "all.json"


def verified(body: Body, head: str | None = None) -> Page:
    """What is said of a file of that content."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_text(json.dumps(body).replace("Infinity", "1e999"))  # which is a number in JSON
        return verifying.verify(path, head, bars.none)


def faults(page: Page) -> list[tuple[str, str]]:
    """Where, and what is wrong there."""
    return [(row[0], row[1]) for table in page.tables[:2] for row in table.rows]


def loaded(path: Path) -> Body:
    found: Body = json.loads(path.read_text())
    return found


def linked(body: Body) -> None:
    """A new chain, as somebody makes who knows how it is made."""
    before = chain.START
    for number, record in enumerate(body["cells"], 1):
        record["number"] = number
        record.pop("hash", None)
        before = record["hash"] = chain.link(before, chain.canonical(record))
    body["chain"] |= {"head": before, "records": len(body["cells"]), "whole": verifiable.whole(before, body)}
