"""The statement's HTML file in a real Chromium: it asks nobody, runs no name, and can be read without scripts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import ARGS, chromium_path, shot
from nasty import NASTY, document
from playwright.sync_api import Browser, Page, sync_playwright
from stated import golden_statement

from jupyter_costmeter import norms
from jupyter_costmeter.statement import Document
from jupyter_costmeter.statements.html import HtmlStatement

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
        yield browser
        browser.close()


def written(folder: Path, made: Document) -> str:
    out = io.StringIO()
    HtmlStatement().write(out, made)
    (folder / "statement.html").write_text(out.getvalue(), encoding="utf-8")
    return f"file://{folder}/statement.html"


def opened(chromium: Browser, url: str, charts: int, **options: object) -> tuple[Page, list[str]]:
    """The page, and whatever it asked for or complained of."""
    page = chromium.new_context(**options).new_page()  # type: ignore[arg-type]
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("dialog", lambda dialog: (seen.append("dialog"), dialog.dismiss()))
    page.on("console", lambda message: seen.append(message.text) if message.type == "error" else None)
    page.goto(url)
    if charts:
        page.wait_for_function(f"document.querySelectorAll('.chart [class*=bk-]').length >= {charts}", timeout=30_000)
    return page, seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_shows_charts_and_asks_nobody(scheme: str, chromium: Browser, tmp_path: Path) -> None:
    statement = golden_statement()
    url = written(tmp_path, Document(statement, norms.forms(statement)))
    page, seen = opened(chromium, url, 3, color_scheme=scheme, viewport={"width": 1000, "height": 1600})
    assert seen == [url]
    assert page.locator(".chart canvas").count() >= 3
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dark = page.evaluate("getComputedStyle(document.body).color") == "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    shot(page, f"statement-{scheme}")


def test_the_figures_need_no_script(chromium: Browser, tmp_path: Path) -> None:
    url = written(tmp_path, Document(golden_statement(), ()))
    page, _ = opened(chromium, url, 0, java_script_enabled=False)
    assert "18 GPU-h reserved" in page.inner_text("body")
    assert "the tables have all figures" in page.inner_text("body")


def test_no_name_is_run(chromium: Browser, tmp_path: Path) -> None:
    """Nor as a chart's label, tip or formula."""
    url = written(tmp_path, document(*NASTY, trials=len(NASTY)))
    page, seen = opened(chromium, url, 3, viewport={"width": 1000, "height": 900})
    for chart in page.locator(".chart").all():
        box = chart.bounding_box()
        assert box is not None
        chart.scroll_into_view_if_needed()
        for x in range(100, 700, 40):
            chart.hover(position={"x": x, "y": box["height"] / 2})
    assert seen == [url]
    assert page.evaluate("document.querySelectorAll('img, iframe, a[href], link[href]').length") == 0
