"""The panel as a whole: three lines for who sees it first, all of it for who wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from browsing import Server, dark, narrow, notebook, run_cell, serve, shot, show_panel, visit
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
SPIN = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab whose settings are as we ship them."""
    yield from serve(tmp_path_factory.mktemp("plain"), "jupyterlab", whole=False)


@pytest.fixture
def first(plain: Server, page: Page) -> Iterator[Visit]:
    """Somebody's first look, at a notebook of these cells."""
    settings = plain.data.parent / "config/lab/user-settings/jupyter-costmeter/panel.jupyterlab-settings"

    def look(*cells: str) -> Page:
        (plain.work / "look").mkdir(exist_ok=True)
        (plain.work / "look" / "work.ipynb").write_text(notebook(*cells))
        visit(page, plain, "look/work.ipynb")
        return page

    yield look
    settings.unlink(missing_ok=True)


def section(page: Page, name: str) -> Locator:
    return page.locator(f'.jp-Costmeter-section[data-section="{name}"]')


def turn(page: Page, name: str) -> None:
    section(page, name).locator(".jp-Costmeter-fold").click()


def seen(page: Page) -> list[str]:
    found: list[str] = page.locator(".jp-Costmeter-section").evaluate_all("all => all.map(e => e.dataset.section)")
    return found


def test_where_the_computer_stands_is_asked_in_one_quiet_line(first: Visit) -> None:
    page = first(LOAD, SPIN.format(1))
    for index in range(2):
        run_cell(page, index)
    ask = page.locator('.jp-Costmeter [data-deed="where"]')
    expect(ask).to_have_text("Where does this computer stand?", timeout=30_000)
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0
    shot(page, "where-asked")
    narrow(page, 200)
    shot(page, "where-asked-narrow")
    ask.click()
    card = section(page, "totals").locator(".jp-Costmeter-card")
    expect(card.locator("input").first).to_be_focused()
    expect(ask).to_have_count(0)
    turn(page, "totals")
    expect(ask).to_be_visible()
    page.locator('.jp-Costmeter [data-deed="never"]').click()
    expect(ask).to_have_count(0)
    expect(section(page, "totals").locator(".jp-Costmeter-fold")).to_be_focused()
    page.reload()
    show_panel(page)
    expect(section(page, "totals")).to_contain_text("J", timeout=20_000)
    page.wait_for_timeout(2000)
    expect(ask).to_have_count(0)


def test_a_first_look_is_three_lines_and_a_button(first: Visit) -> None:
    page = first(LOAD, SPIN.format(6), "1 / 0")
    run_cell(page, 0)
    expect(section(page, "now")).to_be_visible(timeout=20_000)  # the ledger may have told of the cell before the kernel
    expect(section(page, "totals")).to_contain_text("J", timeout=20_000)
    assert seen(page) == ["now", "budgets", "totals"]
    for name, gist in (("now", "Nothing runs"), ("budgets", "None is set")):
        expect(section(page, name)).to_contain_text(gist)
    heights = page.locator(".jp-Costmeter-section").evaluate_all("all => all.map(e => e.offsetHeight)")
    assert all(height < 45 for height in heights), heights
    assert page.locator(".jp-Costmeter .jp-Costmeter-button:visible").count() == 1  # Export
    shot(page, "sections-first")
    run_cell(page, 1)
    now = section(page, "now").locator('[role="timer"]')
    expect(now).to_contain_text(" s", timeout=10_000)
    before = now.inner_text()
    expect(now).not_to_have_text(before, timeout=4000)
    shot(page, "sections-first-running")
    expect(section(page, "now")).to_contain_text("Nothing runs", timeout=20_000)


def test_what_is_opened_stays_open(first: Visit, plain: Server) -> None:
    page = first(LOAD, SPIN.format(8), "1 / 0")
    run_cell(page, 0)
    turn(page, "now")
    turn(page, "totals")
    page.locator(".jp-Costmeter-showMore").click()
    turn(page, "spent")
    assert seen(page) == ["now", "budgets", "totals", "spent", "paper"]
    run_cell(page, 1)
    expect(page.locator(".jp-Costmeter-running .jp-Costmeter-spark")).to_be_visible(timeout=15_000)
    shot(page, "sections-open-running")
    run_cell(page, 2)
    lost = page.locator('[data-lost="failed"]')
    expect(lost).to_contain_text("one failed cell", timeout=20_000)
    failed = page.locator('.jp-Costmeter-cell:has([data-outcome="error"]) [data-name="energy_j"]')
    told = float(failed.get_attribute("data-value") or "nan")
    assert float(lost.locator("[data-name=failed]").get_attribute("data-value") or "nan") == pytest.approx(told)
    shot(page, "sections-open")
    with dark(page):
        shot(page, "sections-dark")
    narrow(page, 200)
    shot(page, "sections-narrow")
    assert page.locator(".jp-Costmeter").evaluate("e => e.scrollWidth <= e.clientWidth")
    page.reload()
    show_panel(page)
    expect(section(page, "spent")).to_have_attribute("data-open", "true", timeout=20_000)
    expect(section(page, "budgets")).to_have_attribute("data-open", "false")
    file = plain.data.parent / "config/lab/user-settings/jupyter-costmeter/panel.jupyterlab-settings"
    said = json.loads("\n".join(line for line in file.read_text().splitlines() if not line.strip().startswith("//")))
    assert said == {"openSections": ["now", "totals", "spent"], "showMore": True}


def test_the_keyboard_opens_a_section(first: Visit) -> None:
    page = first(LOAD)
    run_cell(page, 0)
    button = section(page, "totals").locator(".jp-Costmeter-fold")
    expect(button).to_have_attribute("aria-expanded", "false", timeout=20_000)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".jp-Costmeter-totals")).to_be_visible()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-expanded", "false")


def test_what_is_asked_for_from_elsewhere_is_opened(first: Visit) -> None:
    page = first(LOAD, "1 + 1")
    run_cell(page, 0)
    run_cell(page, 1)
    expect(section(page, "totals")).to_contain_text("J", timeout=20_000)
    assert "paper" not in seen(page)
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputArea-prompt").click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text="Tag Cells").click()
    form = page.locator(".jp-Costmeter-paper form")
    expect(form).to_be_visible(timeout=10_000)
    form.locator("input").first.press("Escape")
    expect(form).to_have_count(0)
    expect(section(page, "paper")).to_have_attribute("data-open", "true")  # with what came of it
    turn(page, "paper")
    expect(section(page, "paper")).to_have_attribute("data-open", "false")
