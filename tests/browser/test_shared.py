"""What waits for the lab's ledger is said in the panel where it does not get there; and goes by itself when it can."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from browsing import Server, dark, notebook, run_cell, serve, settled, shot, show_panel, visit
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).parents[1]))
from shared_ledgers import Postgres, running

from jupyter_costmeter.shared.store import SharedLedger

pytestmark = pytest.mark.browser
WAITS = '.jp-Costmeter-note[data-kind="share"]'


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    for made in running():
        made.run("CREATE DATABASE lab")
        with closing(SharedLedger(made.address("head_of_lab"))) as shared:
            shared.prepare()
        yield made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Server]:
    """A JupyterLab whose user shares."""
    root = tmp_path_factory.mktemp("shared")
    (root / "config").mkdir()
    text = f"c.CostMeter.ledger_share = {postgres.address('head_of_lab')!r}\n"
    (root / "config" / "jupyter_costmeter_config.py").write_text(text)
    yield from serve(root, "jupyterlab")


def there(postgres: Postgres) -> int:
    with closing(SharedLedger(postgres.address("head_of_lab"))) as shared:
        return sum(shared.counts().values())


def test_records_get_there_by_themselves_and_wait_while_it_is_away(lab: Server, postgres: Postgres, page: Page) -> None:
    (lab.work / "work.ipynb").write_text(notebook("%load_ext jupyter_costmeter", "1 + 1", "2 + 2", "3 + 3"))
    visit(page, lab, "work.ipynb")
    for index in (0, 1):
        run_cell(page, index)
        settled(page, "session", index + 1)
    expect(page.locator(WAITS)).to_have_count(0)
    for _ in range(100):
        if there(postgres) >= 2:
            break
        page.wait_for_timeout(300)
    assert there(postgres) >= 2
    postgres.stop()
    try:
        run_cell(page, 2)
        settled(page, "session", 3)
        page.wait_for_timeout(12_000)  # it is tried, and fails
        run_cell(page, 3)
        expect(page.locator(WAITS)).to_contain_text("for the lab's ledger", timeout=30_000)
        expect(page.locator(WAITS)).to_have_attribute("title", re.compile("cannot be used"))
        shot(page, "shared-waits")
        with dark(page):
            show_panel(page)
            shot(page, "shared-waits-dark")
    finally:
        postgres.start()
    for _ in range(200):
        if there(postgres) >= 4:
            break
        page.wait_for_timeout(300)
    assert there(postgres) >= 4
