"""Nobody is kept out: axe-core, the checker of accessibility (WCAG 2.2 A and AA), finds nothing in what we draw."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from accessible import violations
from browsing import dark, narrow, run_cell, settled, shot
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
SPIN = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"
OpenNotebook = Callable[..., Page]


def test_the_panel_has_no_violation(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "%cost budget kwh=0.000001 per=day name=tight", "1 / 0", SPIN.format(20))
    for index in range(3):
        run_cell(page, index)
        settled(page, "session", index + 1)
    expect(page.locator(".jp-Costmeter-budget")).to_be_visible(timeout=20_000)
    assert not (found := violations(page)), "\n".join(found)
    page.locator('.jp-Costmeter-paper [data-deed="tag"]').click()
    page.locator('.jp-Costmeter-paper [data-deed="statement"]').click()
    page.locator(".jp-Costmeter-add").click()
    page.locator('.jp-Costmeter-budget [data-deed="dearest"]').click()
    page.wait_for_timeout(1500)
    assert not (found := violations(page)), "\n".join(found)
    shot(page, "axe-forms")
    run_cell(page, 3)
    expect(page.locator(".jp-Costmeter-spark")).to_be_visible(timeout=20_000)
    assert not (found := violations(page)), "\n".join(found)
    with dark(page):
        assert not (found := violations(page)), "\n".join(found)
    narrow(page, 200)
    assert not (found := violations(page)), "\n".join(found)


def test_a_panel_without_a_meter_has_no_violation(open_notebook: OpenNotebook) -> None:
    page = open_notebook("1 + 1")
    expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=20_000)
    assert not (found := violations(page)), "\n".join(found)
    with dark(page):
        assert not (found := violations(page)), "\n".join(found)


def test_the_checker_finds_what_is_wrong(open_notebook: OpenNotebook) -> None:
    """It looks, indeed: a button without a name is found."""
    page = open_notebook("1 + 1")
    expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=20_000)
    page.locator(".jp-Costmeter").evaluate("panel => panel.append(document.createElement('button'))")
    assert any("button-name" in one for one in violations(page))
