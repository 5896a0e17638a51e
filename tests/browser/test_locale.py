"""Numbers and moments are in JupyterLab's own language, also where nobody has translated our words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from browsing import Server, run_cell, settled, shot
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
SPIN = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"
OpenNotebook = Callable[..., Page]
#: A decimal as English writes it.
POINT = re.compile(r"\d\.\d")


@pytest.fixture
def german(lab: Server) -> Iterator[None]:
    """JupyterLab is set to German; no language pack is there, so that words stay English."""
    file = lab.data.parent / "config/lab/user-settings/@jupyterlab/translation-extension/plugin.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"locale": "de_DE"}))
    yield
    file.unlink()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A German's browser, whose clipboard can be read."""
    context = chromium.new_context(locale="de-DE", viewport={"width": 1400, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


#: What the panel says.
OURS = "panel => panel.textContent"


@pytest.mark.usefixtures("german")
def test_german_numbers_are_shown_and_read(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, SPIN.format(1.2))
    for index in range(2):
        run_cell(page, index)
        settled(page, "session", index + 1)
    assert page.evaluate("document.documentElement.lang") == "de-DE"
    line = page.locator(".jp-Costmeter-below").first
    expect(line).to_contain_text(re.compile(r"1,\d\d\ss"), timeout=20_000)
    expect(page.locator(".jp-Costmeter-status")).to_contain_text(re.compile(r"\d,\d"))
    settled(page, "notebook", 2)
    panel = page.locator(".jp-Costmeter")
    expect(panel).to_contain_text(re.compile(r"\d,\d\d? g/kWh|\d{3} g/kWh"))
    assert not POINT.findall(panel.evaluate(OURS))
    assert re.search(r"\d\d\.\d\d\.\d{4}, \d\d:\d\d:\d\d", line.get_attribute("title") or "")
    # what is copied is as commands write it
    page.locator(".jp-CodeCell").nth(1).click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text="Copy Figures").click()
    page.wait_for_timeout(500)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.match(r"1\.\d\d\ss\s· ", copied), copied
    assert not re.search(r"\d,\d", copied)
    # what is typed
    panel.locator(".jp-Costmeter-add").click()
    form = panel.locator(".jp-Costmeter-budgetForm")
    form.locator('[name="measure"]').select_option("kwh")
    limit = form.locator('[name="limit"]')
    expect(form.locator('[name="warn"]')).to_have_value("50; 80; 100")
    limit.fill("1.250")
    limit.press("Enter")
    expect(form).to_contain_text("This wants a number, such as 20 or 0,5, without separators of thousands.")
    shot(page, "german-mistake")
    limit.fill("1,25")
    limit.press("Enter")
    expect(panel.locator(".jp-Costmeter-budget")).to_contain_text("of 1,25 kWh", timeout=10_000)
    panel.locator('[data-deed="edit"]').click()
    expect(panel.locator('.jp-Costmeter-budgetForm [name="limit"]')).to_have_value("1,25")
    shot(page, "german")
