"""A comparison's charts stand below its table in JupyterLab, in both themes, and the table stays without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import Server, dark, run_cell, shot, visit
from playwright.sync_api import Browser, Error, Locator, Page, expect

pytestmark = pytest.mark.browser
TRIALS = """%load_ext jupyter_costmeter
import jupyter_costmeter as jc
for method, base in (("ours", 0.80), ("baseline", 0.78)):
    for at in range(7):
        with jc.trial(method=method, lr=0.1 + at**1.5, search="random") as t:
            sum(range(10**6 * (1 + at)))
            t.score("accuracy", base + 0.1 * (7 * at % 5) / 5)
"""
COMPARE = "%cost compare ours baseline"


def output(page: Page) -> Locator:
    return page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-OutputArea-output").first


def charts(page: Page) -> Locator:
    return output(page).locator("[id^=costmeter-] .bk-Tabs")


def in_view(page: Page) -> None:
    """Also while Bokeh draws them anew: the element that was found may be gone when it is scrolled to."""
    for _ in range(20):
        try:
            charts(page).scroll_into_view_if_needed()
            return
        except Error:
            page.wait_for_timeout(250)
    charts(page).scroll_into_view_if_needed()


@pytest.fixture
def compared(open_notebook: Callable[..., Page]) -> Page:
    page = open_notebook(TRIALS, COMPARE)
    run_cell(page, 0)
    run_cell(page, 1)
    expect(output(page)).to_contain_text("ours against baseline, by accuracy", timeout=60_000)
    return page


def test_the_charts_are_below_the_table_in_both_themes(compared: Page) -> None:
    expect(charts(compared)).to_be_visible(timeout=30_000)
    in_view(compared)
    shot(compared, "compare-light")
    with dark(compared):
        expect(charts(compared)).to_be_visible(timeout=30_000)
        in_view(compared)
        shot(compared, "compare-dark")


def test_a_saved_notebook_has_the_table_without_a_kernel(compared: Page, lab: Server) -> None:
    expect(charts(compared)).to_be_visible(timeout=30_000)
    compared.keyboard.press("Control+s")
    path = lab.work / compared.notebook  # type: ignore[attr-defined]
    for _ in range(40):
        compared.wait_for_timeout(250)
        if "points per decade" in path.read_text():
            break
    (shown,) = json.loads(path.read_text())["cells"][1]["outputs"]
    assert "points per decade" in "".join(shown["data"]["text/plain"])
    assert len("".join(shown["data"]["text/html"])) < 200_000
    moved = path.with_name("read.ipynb")
    moved.write_text(path.read_text())
    visit(compared, lab, str(moved.relative_to(lab.work)))
    expect(output(compared)).to_contain_text("points per decade", timeout=60_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_file_is_drawn_without_a_network(chromium: Browser, tmp_path: Path, scheme: str) -> None:
    from compared import runs, statement, with_params

    from jupyter_costmeter import chart_html
    from jupyter_costmeter.comparing import compare
    from jupyter_costmeter.comparing_pages import page_of

    drawn = [{"lr": 0.1 + at**1.5, "search": "random"} for at in range(8)]
    ours = with_params(runs("ours", [0.8 + 0.01 * (5 * at % 8) for at in range(8)], 3.0), drawn)
    grid = [{"lr": 10.0**-at} for at in range(5)]
    baseline = with_params(runs("baseline", [0.78, 0.79, 0.82, 0.8, 0.81], 0.4), grid)
    found = page_of(compare(statement(*ours, *baseline), "ours", "baseline"), "Project <b>$$x$$</b>")
    path = tmp_path / "compare.html"
    path.write_text(chart_html.whole(found.title, found._repr_html_()))
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 900, "height": 1300})  # type: ignore[arg-type]
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.locator(".bk-Tabs").wait_for(timeout=20_000)
    page.get_by_text("FLOPs", exact=True).last.click()
    page.wait_for_timeout(700)
    shot(page, f"compare-file-{scheme}")
    page.close()
    assert asked == [path.as_uri()]
    assert not said
