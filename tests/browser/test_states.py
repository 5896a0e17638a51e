"""Where the panel stands when not all is well: one sentence, and one button that helps."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from browsing import Server, run_cell, settled, shot, show_panel
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
TOTALS = "**/jupyter_costmeter/api/totals**"
OpenNotebook = Callable[..., Page]


def test_without_a_notebook_it_makes_one(open_notebook: OpenNotebook) -> None:
    page = open_notebook("1")
    page.locator(".lm-TabBar-tabCloseIcon:visible").last.click()
    discard = page.locator(".jp-Dialog button", has_text="Discard")
    if discard.is_visible():
        discard.click()
    state = page.locator('.jp-Costmeter-state[data-state="no-notebook"]')
    expect(state).to_have_text("Open a notebook to see its cost.", timeout=10_000)
    shot(page, "state-no-notebook")
    page.locator('.jp-Costmeter [data-deed="help"]', has_text="New notebook").click()
    page.locator(".jp-CodeCell").first.wait_for(timeout=20_000)
    page.locator(".jp-Dialog", has_text="Select Kernel").locator(".jp-mod-accept").click(timeout=20_000)
    expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=20_000)


def test_without_a_kernel_it_offers_to_choose_one(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD)
    run_cell(page, 0)
    settled(page, "session", 1)
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").click()
    page.locator(".lm-Menu-itemLabel", has_text="Shut Down Kernel").click()
    state = page.locator('.jp-Costmeter-state[data-state="no-kernel"]')
    expect(state).to_have_text("This notebook has no kernel.", timeout=20_000)
    shot(page, "state-no-kernel")
    page.locator('.jp-Costmeter [data-deed="help"]').click()
    expect(page.locator(".jp-Dialog", has_text="Select Kernel")).to_be_visible(timeout=10_000)
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=30_000)


def test_offline_it_keeps_what_it_knew_and_tries_again(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "1 + 1", "2 + 2")
    for index in range(2):
        run_cell(page, index)
    settled(page, "notebook", 2)
    page.route(TOTALS, lambda route: route.abort())
    run_cell(page, 2)
    warning = page.locator('.jp-Costmeter-warning[data-kind="server"]')
    expect(warning).to_contain_text("Offline: the server does not answer", timeout=20_000)
    settled(page, "notebook", 2)  # as they last were
    settled(page, "session", 3)
    shot(page, "state-offline")
    page.unroute(TOTALS)
    warning.locator('[data-deed="retry"]').click()
    expect(warning).to_have_count(0, timeout=20_000)
    settled(page, "notebook", 3)


def test_another_version_says_which_to_upgrade(open_notebook: OpenNotebook, lab: Server) -> None:
    page = open_notebook(LOAD)

    def newer(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps({**answer.json(), "schema": 2}))

    page.route(TOTALS, newer)
    run_cell(page, 0)
    warning = page.locator('.jp-Costmeter-warning[data-kind="server"]')
    expect(warning).to_contain_text("this page is older than the server's jupyter_costmeter", timeout=20_000)
    expect(warning).to_contain_text("reload it")
    settled(page, "session", 1)  # what the kernel tells is shown nevertheless
    page.unroute(TOTALS)
    page.reload()
    show_panel(page)
    settled(page, "notebook", 1)
