"""The Hub's service in a browser: each signs in with the Hub and sees the own use, and no notebook of another's."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from browsing import ROOT, shot
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1]))
import golden
import hubs
from hubs import PASSWORD, Hub
from labs import of_hub
from shared_ledgers import Postgres

from jupyter_costmeter.labs import Terms
from jupyter_costmeter.shared.acting import Acting
from jupyter_costmeter.shared.planned import put
from jupyter_costmeter.shared.store import Batch, SharedLedger

pytestmark = pytest.mark.browser
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
#: Whose work it is: project, notebook, GPU-hours in each of the last months, the newest first.
WORK = {
    "ada": [("paper", "train.ipynb", (310.0, 220.0, 90.0)), ("paper", "ablation.ipynb", (80.0, 40.0, 0.0)),
            ("survey", "plots.ipynb", (3.0, 0.0, 0.0))],
    "ben": [("side", "private-idea.ipynb", (120.0, 60.0, 0.0))],
    "cleo": [("grant", "figures.ipynb", (14.0, 30.0, 0.0))],
}  # fmt: skip
BUDGETS = [
    Terms("b1", "head_of_lab", "gpu_hours", 1000.0, "pool", None, None, "month", "UTC", None, None, "warn", (0.8,), ""),
    Terms("b2", "head_of_lab", "gpu_hours", 400.0, "each", None, None, "month", "UTC", None, None, "ask", (0.8,), ""),
    Terms("b3", "head_of_lab", "gpu_hours", 130.0, "person", "ben", None, "month", "UTC", None, None, "ask", (0.8,),
          "agreed with Ben"),
]  # fmt: skip
TOML = """
[[where]]
region = "FR"

[[rates]]
currency = "EUR"
gpu_hour = 0.55
"""


def month(back: int) -> float:
    """The first instant of a UTC month, seconds since 1970."""
    now = datetime.now(timezone.utc)
    years, at = divmod(now.year * 12 + now.month - 1 - back, 12)
    return datetime(years, at + 1, 1, tzinfo=timezone.utc).timestamp()


def work_of(name: str) -> Batch:
    infos, records = [], []
    for project, notebook, hours in WORK[name]:
        for back, held in enumerate(hours):
            if held:
                folder = f"/home/{name}/{project}"
                session = f"{name}-{notebook}-{back}"
                path = f"{folder}/{notebook}"
                infos.append(replace(golden.SESSION, id=session, started_at=month(back), notebook=path, project=folder))
                run = golden.record(1, held * 3600.0, held * 3600.0 * 290.0)
                records.append(
                    replace(run, id=session, session_id=session, started_at=month(back), notebook=path, project=folder)
                )
    return Batch(infos, records)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    for made in of_hub():
        with closing(SharedLedger(made.address("hub"))) as shared:
            for name in WORK:
                shared.acting(Acting(name)).take(work_of(name))
        with closing(SharedLedger(made.address("head_of_lab"))) as shared:
            for terms in BUDGETS:
                put(shared, terms)
        yield made


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Hub]:
    root = tmp_path_factory.mktemp("hub-pages")
    (root / "config").mkdir()
    (root / "config" / "jupyter_costmeter.toml").write_text(TOML)
    with hubs.running(root, postgres) as made:
        yield made


@pytest.fixture
def visitor(chromium: Browser, hub: Hub) -> Iterator[Any]:
    """Signs somebody in, in a browser of their own, and shows a page of the service; its errors fail the test."""
    errors, opened = list[str](), list[Any]()

    def visit(name: str, path: str = "", **more: Any) -> Page:
        context = chromium.new_context(viewport={"width": 1100, "height": 900}, **more)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" and "403" not in m.text else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(f"{hub.service}/{path}")
        page.locator("#username_input").fill(name)
        page.locator("#password_input").fill(PASSWORD)
        page.locator("#login_submit").click()
        page.wait_for_url(re.compile("/services/costmeter/"))
        return page

    yield visit
    for context in opened:
        context.close()
    assert not errors, errors


def words(page: Page) -> str:
    """All that the page holds, seen or not: its source."""
    return page.content()


def row(page: Page, caption: str, name: str) -> str:
    table = page.get_by_role("region", name=caption, exact=True)
    return table.locator("tbody tr").filter(has=page.get_by_role("rowheader", name=name, exact=True)).first.inner_text()


def test_each_sees_the_own_and_nothing_of_the_other(visitor: Any) -> None:
    ada, ben = visitor("ada"), visitor("ben")
    expect(ada.get_by_role("heading", name="My use")).to_be_visible()
    now = datetime.now(timezone.utc)
    assert "393 GPU-h" in row(ada, "By month", f"{now:%Y-%m}")
    assert "216.15 EUR" in row(ada, "By month", f"{now:%Y-%m}")  # 393 × 0.55
    assert "740 GPU-h" in row(ada, "By project", "paper")
    assert "620 GPU-h" in row(ada, "The dearest notebooks", "train.ipynb")
    assert "180 GPU-h" in row(ben, "The dearest notebooks", "private-idea.ipynb")
    assert "393 GPU-h of 400 GPU-h (98 %)" in ada.locator(".budgets").inner_text()
    assert "527 GPU-h of 1000 GPU-h (53 %), 393 GPU-h of it mine" in ada.locator(".budgets").inner_text()
    assert "120 GPU-h of 130 GPU-h (92 %)" in ben.locator(".budgets").inner_text()
    for page, others in ((ada, ("ben", "private-idea", "cleo")), (ben, ("ada", "train.ipynb", "ablation", "cleo"))):
        assert not [word for word in others if word in words(page)]
        expect(page.get_by_role("link", name="The lab")).to_have_count(0)
        page.goto(f"{page.url.split('?')[0]}lab")
        expect(page.get_by_text("administrators")).to_be_visible()


def test_a_lead_sees_the_group_by_person_and_project(visitor: Any) -> None:
    cleo = visitor("cleo", "lab?months=3")
    expect(cleo.get_by_role("heading", name="vision")).to_be_visible()
    assert "743 GPU-h" in row(cleo, "By person", "ada")
    assert "44 GPU-h" in row(cleo, "By person", "cleo")
    assert "393 GPU-h (98 %)" in row(cleo, "Budgets", "ada")
    assert "paper" in row(cleo, "By person and project", "ada")
    assert not [word for word in ("ben", "Ben", "side", "train.ipynb", "/home/") if word in words(cleo)]


def test_an_administrator_sees_all_of_the_lab_and_no_notebook(visitor: Any) -> None:
    dora = visitor("dora", "lab?months=3")
    for name, hours in (("ada", 743), ("ben", 180), ("cleo", 44)):
        assert f"{hours} GPU-h" in row(dora, "By person", name)
    assert not [word for word in (".ipynb", "/home/") if word in words(dora)]
    assert "120 GPU-h (92 %)" in row(dora, "Budgets", "ben")
    dora.get_by_role("link", name="this month").click()
    assert "393 GPU-h" in row(dora, "By person", "ada")
    dora.get_by_role("link", name="My use").click()
    expect(dora.get_by_text("Nothing of yours")).to_be_visible()


def test_signing_out_is_out_of_both(visitor: Any, hub: Hub) -> None:
    ada = visitor("ada")
    ada.get_by_role("link", name="Sign out").click()
    ada.goto(f"{hub.service}/")
    expect(ada.locator("#username_input")).to_be_visible()


def test_no_script_runs_and_no_other_page_frames_it(visitor: Any, hub: Hub) -> None:
    ada = visitor("ada")
    answer = ada.request.get(f"{hub.service}/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"


@contextmanager
def dark(page: Page) -> Iterator[None]:
    page.emulate_media(color_scheme="dark")
    yield
    page.emulate_media(color_scheme="light")


def test_ones_own_reads_well_in_light_dark_and_narrow(visitor: Any) -> None:
    page = visitor("ada", bypass_csp=True)  # axe is a script
    shot(page, "hub-mine")
    accessible(page)
    with dark(page):
        shot(page, "hub-mine-dark")
        accessible(page)
    narrow(page)
    shot(page, "hub-mine-narrow")


def test_the_labs_reads_well_in_light_dark_and_narrow(visitor: Any) -> None:
    page = visitor("dora", "lab?months=3", bypass_csp=True)
    shot(page, "hub-lab")
    accessible(page)
    with dark(page):
        shot(page, "hub-lab-dark")
        accessible(page)
    narrow(page)
    shot(page, "hub-lab-narrow")


def narrow(page: Page) -> None:
    """On a telephone only tables and charts scroll sideways."""
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def accessible(page: Page) -> None:
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})")
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found["violations"]] == []
