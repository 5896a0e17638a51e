"""The digest that is to be published, read from what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_costmeter import digests

WHOLE = "ab" * 32


@pytest.mark.parametrize("before", ["", "x" * 5000])
def test_it_stands_at_the_end(before: str, tmp_path: Path) -> None:
    path = tmp_path / "cost.JSON"
    chain = {"algorithm": "sha256", "records": 1, "head": "cd" * 32, "whole": WHOLE}
    path.write_text(f'{{"title": "{before}", "chain": {json.dumps(chain)}\n}}\n')
    assert digests.notes(path)[0] == f"Digest of the whole file: {WHOLE}"
    assert "verify FILE --head DIGEST" in digests.notes(path)[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cost.csv", f'"whole": "{WHOLE}"}}\n}}\n'),
        ("b.json", "{}"),
        ("e.json", ""),
        ("w.json", f'"whole": "{WHOLE}"}}'),
    ],
)
def test_other_files_have_none(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert digests.notes(tmp_path / name) == []
