"""``plot`` in words and as a file, for a scope."""

from __future__ import annotations

import json
from pathlib import Path

import golden
import pytest
from budgeted import path, start, written  # noqa: F401 (fixtures)
from shell import fill, here, said
from timelines import gap, run

from jupyter_costmeter import timeline_pages
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.recent import Recent, summary_of
from jupyter_costmeter.timeline_pages import page_of, read

ALL = Selection("all")
RECORDS = [run(1, 0, 10, 3000.0), gap(1, 10, 10), run(2, 20, 5, None, outcome="error")]


@pytest.fixture
def shown(home: Path, ledger_path: Path) -> Path:
    fill(ledger_path, golden.SESSION, *RECORDS)
    return ledger_path


def test_in_words(shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(here(capsys, "plot", "--all"))
    assert "2 runs of cells took ≥ 3.06 kJ at a mean of ≥ 204 W, 1 of them failed, the dearest In [1]" in text
    assert "between them 550 J held idle." in text
    assert "Highest mean power: NVIDIA A100-SXM4-40GB ≥ 300 W for 10.0 s, CPU ~3.75 W for 10.0 s," in text
    assert "memory ~250 mW for 10.0 s." in text
    assert "NVIDIA A100-SXM4-40GB: not measured everywhere (the GPU is lost)." in text
    assert "1 run of cells took" in said(here(capsys, "plot", "--all", "--last", "1"))


def test_as_a_file(shown: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "found.html"
    assert f"Wrote {file}." in said(here(capsys, "plot", str(file), "--all"))
    made = file.read_text()
    assert "2 runs of cells took" in made
    assert "data:image/svg+xml" in made
    assert "embed_item" in made
    assert "there already" in said(here(capsys, "plot", str(file), "--all"), 2)
    assert "Wrote" in said(here(capsys, "plot", str(file), "--all", "--force"))
    assert "name a file such as found.html" in said(here(capsys, "plot", "found.png", "--all"), 2)


def test_nothing_was_metered(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert timeline_pages.NOTHING in said(here(capsys, "plot", "--all"))


def test_what_runs_is_there(shown: Path) -> None:
    ledger = open_ledger(shown)
    ledger.journal(golden.SESSION, [run(3, 40, 7, 700.0), run(2, 20, 5)])
    along = read(ledger, ALL)
    ledger.close()
    assert [(b.dearest.seq, b.running) for b in along.found.bands["cell"]] == [(1, 0), (2, 0), (3, 1)]
    assert along.names["GPU-1"] == "NVIDIA A100-SXM4-40GB"


def test_from_a_session_s_memory() -> None:
    """Where the ledger cannot be read."""
    recent = Recent(golden.SESSION, RECORDS, summary_of(RECORDS))
    assert [b.dearest.seq for b in read(recent, ALL).found.bands["cell"]] == [1, 2]
    assert len(read(recent, ALL, 1).found.bands["cell"]) == 1


def test_a_notebooks_output_stays_small(home: Path, ledger_path: Path) -> None:
    fill(ledger_path, golden.SESSION, *(run(n, 2 * n, 1.0, 100.0 + n % 7) for n in range(3000)))
    ledger = open_ledger(ledger_path)
    page = page_of(read(ledger, ALL, most=timeline_pages.FEW), "All")
    ledger.close()
    assert len(page._repr_html_()) < 500_000
    assert json.dumps(page.text()).count("short ones stand together") == 1
