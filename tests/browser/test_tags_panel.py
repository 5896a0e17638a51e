"""Cells tagged in the sidebar, and the statement's form."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import Server, dark, narrow, run_cell, settled, shot, show_panel
from playwright.sync_api import Locator, Page, expect

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import Tagged, tagged

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
OpenNotebook = Callable[..., Page]
SOON = 30_000


def form(page: Page) -> Locator:
    return page.get_by_role("form", name="Tag cells")


def row(page: Page, cell: str) -> Locator:
    return page.locator(f'.jp-Costmeter-cell[data-cell-id="{cell}"]').first


def records(lab: Server, page: Page) -> list[CellRecord]:
    ledger = open_ledger(lab.data / "costmeter" / "ledger.sqlite")
    try:
        return list(ledger.records(Selection("notebook", str(lab.work / page.notebook))))  # type: ignore[attr-defined]
    finally:
        ledger.close()


def said(lab: Server, page: Page) -> dict[str, list[Tagged]]:
    found: dict[str, list[Tagged]] = {}
    for one in records(lab, page):
        if one.cell_id is not None:
            found.setdefault(one.cell_id, []).append(tagged(one.tags))
    return found


def select(page: Page, *cells: int) -> None:
    """By their prompts, as a person does: the first, and the others with Shift."""
    for at, cell in enumerate(cells):
        prompt = page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-InputPrompt")
        prompt.click(modifiers=["Shift"] if at else [])


def test_selected_cells_are_tagged(open_notebook: OpenNotebook, lab: Server) -> None:
    page = open_notebook(LOAD, "sum(range(10**6))", "sum(range(10**5))", "1 / 0")
    for index in range(4):
        run_cell(page, index)
        settled(page, "session", index + 1)
    settled(page, "notebook", 4)
    select(page, 1, 3)
    page.get_by_role("button", name="Tag cells…").click()
    expect(form(page)).to_contain_text("3 cells: [2], [3], [4] (3 runs)", timeout=SOON)
    select(page, 1, 2)
    expect(form(page)).to_contain_text("2 cells: [2], [3] (2 runs)", timeout=SOON)
    select(page, 1, 3)
    expect(form(page)).to_contain_text("3 cells: [2], [3], [4] (3 runs)", timeout=SOON)
    category = form(page).locator("[name=category]")
    category.focus()
    expect(category.locator("option")).to_have_count(10)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-mistake=form]")).to_contain_text("Nothing is said")
    shot(page, "tags-mistake")
    category.select_option("hpo")
    form(page).locator("[name=method]").fill("ours")
    form(page).locator("[name=run]").fill("seed 1")
    form(page).get_by_label("yes").check()
    expect(form(page).get_by_label(re.compile("also of runs that failed"))).not_to_be_checked()
    shot(page, "tags-form")
    form(page).locator("[name=method]").press("Enter")
    expect(form(page)).to_have_count(0, timeout=SOON)
    expect(page.locator(".jp-Costmeter-paper")).to_contain_text("3 runs were tagged.")
    expect(page.get_by_role("button", name="Tag cells…")).to_be_focused()
    mark = row(page, "cell-1").locator(".jp-Costmeter-tag")
    expect(mark).to_have_text("hpo", timeout=SOON)
    expect(mark).to_have_attribute("title", re.compile("Method: ours\nRun: seed 1\nIn the paper"))
    expect(row(page, "cell-3").locator(".jp-Costmeter-tag")).to_have_text("failed")
    expect(row(page, "cell-0").locator(".jp-Costmeter-tag")).to_have_count(0)
    all_of_it = Tagged("hpo", "ours", "seed 1", True, judged=True)
    assert said(lab, page) == {
        "cell-0": [Tagged(meter=True)], "cell-1": [all_of_it], "cell-2": [all_of_it],
        "cell-3": [Tagged(None, "ours", "seed 1", True)],
    }  # fmt: skip
    shot(page, "tags-shown")


def test_the_newest_run_by_the_context_menu(open_notebook: OpenNotebook, lab: Server) -> None:
    """Names in use are offered, what was said is filled in, and Escape leaves all as it was."""
    page = open_notebook(LOAD, "x = 1")
    for count, index in enumerate((0, 1, 1), 1):
        run_cell(page, index)
        settled(page, "session", count)
    settled(page, "notebook", 3)
    menu(page)
    method = form(page).locator("[name=method]")
    method.fill("theirs", timeout=SOON)
    form(page).get_by_label("the newest run").check()
    method.press("Enter")
    expect(form(page)).to_have_count(0, timeout=SOON)
    assert [one.method for one in said(lab, page)["cell-1"]] == [None, "theirs"]
    menu(page)
    expect(method).to_have_attribute("placeholder", "several, as they are", timeout=SOON)
    names = method.evaluate("e => [...e.list.options].map(o => o.value)")
    assert "theirs" in names
    page.keyboard.press("Escape")
    expect(form(page)).to_have_count(0)
    assert [one.method for one in said(lab, page)["cell-1"]] == [None, "theirs"]


def menu(page: Page) -> None:
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputPrompt").click(button="right")
    page.locator(".lm-Menu-item", has_text="Tag Cells…").click()


def test_a_cell_that_has_not_run(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "x = 1")
    run_cell(page, 0)
    settled(page, "session", 1)
    select(page, 1)
    page.get_by_role("button", name="Tag cells…").click()
    expect(form(page)).to_contain_text("There is no run to tag", timeout=SOON)
    expect(form(page).get_by_role("button", name="Tag")).to_have_count(0)
    form(page).get_by_role("button", name="Cancel").click()
    expect(form(page)).to_have_count(0)


def test_narrow_and_dark(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "sum(range(10**6))")
    for index in range(2):
        run_cell(page, index)
        settled(page, "session", index + 1)
    settled(page, "notebook", 2)
    select(page, 1)
    page.get_by_role("button", name="Tag cells…").click()
    form(page).locator("[name=category]").select_option("finetune", timeout=SOON)
    form(page).locator("[name=method]").fill("a method with a name that is long")
    form(page).locator("[name=method]").press("Enter")
    expect(row(page, "cell-1").locator(".jp-Costmeter-tag")).to_have_text("finetune", timeout=SOON)
    page.get_by_role("button", name="Tag cells…").click()
    expect(form(page).locator("[name=category]")).to_have_value("finetune", timeout=SOON)
    page.get_by_role("button", name="Statement…").click()
    narrow(page, 200)
    for name in ("tags-narrow", "tags-narrow-dark"):
        if name.endswith("dark"):
            with dark(page):
                show_panel(page)
                look(page, name)
        else:
            look(page, name)


def look(page: Page, name: str) -> None:
    """All of the section is in view, and nothing of it is wider than the panel."""
    page.locator(".jp-Costmeter-paper").evaluate("e => e.scrollIntoView()")
    width = page.locator(".jp-Costmeter").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert width[0] <= width[1]
    shot(page, name)


def test_the_statement_is_downloaded(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    """What goes wrong is said in the form, and the file is of what was chosen."""
    page = open_notebook(LOAD)
    run_cell(page, 0)
    settled(page, "session", 1)
    settled(page, "notebook", 1)
    asked: list[str] = []

    def answer(route: object) -> None:
        asked.append(route.request.url)  # type: ignore[attr-defined]
        if len(asked) == 1:
            route.fulfill(status=400, json={"message": "nothing was metered"})  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    page.route("**/jupyter_costmeter/api/statement*", answer)
    page.get_by_role("button", name="Statement…").click()
    statement = page.get_by_role("form", name="A statement for a paper")
    statement.get_by_label("CVPR").check()
    statement.locator("[name=format]").select_option("tex")
    statement.get_by_label("Anonymous").check()
    shot(page, "statement-form")
    statement.get_by_role("button", name="Download").click()
    expect(statement.locator(".jp-Costmeter-error")).to_have_text("nothing was metered")
    shot(page, "statement")
    with page.expect_download() as download:
        statement.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "got")
    got = (tmp_path / "got").read_text()
    assert "NeurIPS" in got
    assert "CVPR" in got
    assert "BoAmps" not in got
    assert page.notebook.partition("/")[0] not in got  # type: ignore[attr-defined]
    assert re.fullmatch(r"[\w.-]*statement[\w.-]*\.tex", download.value.suggested_filename)
    expect(statement.locator(".jp-Costmeter-error")).to_have_count(0)
    query = parse_qs(urlsplit(asked[-1]).query)
    assert {key: query[key] for key in ("scope", "format", "norm", "anonymous", "path")} == {
        "scope": ["project"], "format": ["tex"], "norm": ["neurips", "cvpr"], "anonymous": ["1"],
        "path": [page.notebook],  # type: ignore[attr-defined]
    }  # fmt: skip
    page.keyboard.press("Escape")
