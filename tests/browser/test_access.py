"""For everybody's eyes and hands: high contrast, colours of the system's own, no motion, no mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from accessible import Hands, violations
from browsing import Server, narrow, notebook, run_cell, serve, settled, shot, visit
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
SPIN = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"
BUDGETS = "\n".join(
    f"%cost budget kwh={limit} per=day name={name}" for name, limit in (("over", "0.0000001"), ("ample", "1000"))
)
PANEL = ".jp-Costmeter"
OpenNotebook = Callable[..., Page]
#: Where bars are drawn, and what lies under them.
BARS = {
    ".jp-Costmeter-track": ".jp-Costmeter-track > span",
    ".jp-Costmeter-bar": ".jp-Costmeter-bar > span",
    ".jp-Costmeter-buckets": ".jp-Costmeter-buckets > span",
}


def filled(open_notebook: OpenNotebook) -> Page:
    """With budgets, one of which is spent, a failed cell, totals with buckets, and one that runs."""
    page = open_notebook(LOAD, BUDGETS, "1 / 0", SPIN.format(2), SPIN.format(30))
    for index in range(4):
        run_cell(page, index)
        settled(page, "session", index + 1)
    expect(page.locator('.jp-Costmeter-track[data-state="over"]')).to_be_visible(timeout=30_000)
    run_cell(page, 4)
    expect(page.locator(".jp-Costmeter-spark")).to_be_visible(timeout=20_000)
    return page


@contextmanager
def theme(page: Page, name: str) -> Iterator[None]:
    """In that theme of JupyterLab's; afterwards it is light again."""
    for one, dark in ((name, "false"), ("JupyterLab Light", "true")):
        page.keyboard.press("Escape")
        page.keyboard.press("Control+Shift+C")
        page.locator(".lm-CommandPalette-input").fill(f"Theme: {one}")
        page.locator(".lm-CommandPalette-itemLabel", has_text="Theme: ").first.click()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", dark, timeout=10_000)
        expect(page.locator("body")).to_have_attribute("data-jp-theme-name", one)
        if dark == "false":
            yield


def colours(page: Page, selector: str) -> set[str]:
    """The computed background of each, over its image where it has one."""
    script = (
        "all => all.map(e => { const s = getComputedStyle(e); return s.backgroundColor + ' ' + s.backgroundImage })"
    )
    found: list[str] = page.locator(selector).evaluate_all(script)
    assert found, selector
    return set(found)


def test_high_contrast_has_no_violation(open_notebook: OpenNotebook) -> None:
    page = filled(open_notebook)
    shot(page, "contrast-light")
    with theme(page, "JupyterLab Dark"):
        shot(page, "contrast-dark")
    with theme(page, "JupyterLab Dark High Contrast"):
        shot(page, "contrast-high")
        assert not (found := violations(page)), "\n".join(found)
        for track, bar in BARS.items():
            assert not colours(page, track) & colours(page, bar), track


def test_with_the_systems_colours_all_is_seen(open_notebook: OpenNotebook) -> None:
    page = filled(open_notebook)
    for scheme in ("dark", "light"):
        page.emulate_media(forced_colors="active", color_scheme=scheme)  # type: ignore[arg-type]
        canvas = page.evaluate(
            "() => { const e = document.body.appendChild(document.createElement('i')); e.style.color = 'Canvas';"
            " const found = getComputedStyle(e).color; e.remove(); return found }"
        )
        shot(page, f"contrast-forced-{scheme}")
        for track, bar in BARS.items():
            assert not colours(page, track) & colours(page, bar), track
            assert not any(one.startswith(f"{canvas} none") for one in colours(page, bar)), bar
        assert len(colours(page, ".jp-Costmeter-track > span")) == 2  # plain and spent differ, in pattern or colour
        kinds = page.locator(".jp-Costmeter-swatch").evaluate_all("all => new Set(all.map(e => e.dataset.bucket)).size")
        assert len(colours(page, ".jp-Costmeter-swatch")) == kinds
        stroke = page.locator(".jp-Costmeter-spark polyline").evaluate("e => getComputedStyle(e).stroke")
        assert stroke != canvas
        icons = page.locator(f"{PANEL} .jp-icon3").evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
        assert icons
        assert canvas not in icons
        assert not (found := violations(page)), "\n".join(found)
    narrow(page, 200)
    shot(page, "contrast-forced-narrow")


def test_nothing_moves_where_nothing_is_to(open_notebook: OpenNotebook) -> None:
    page = filled(open_notebook)
    page.add_style_tag(content="* { transition: all 3s; animation: spin 1s infinite; scroll-behavior: smooth }")
    moving = """() => [...document.querySelectorAll('.jp-Costmeter, .jp-Costmeter *')].filter(e => {
        const s = getComputedStyle(e)
        return s.animationName !== 'none' || (s.transitionDuration !== '0s' && s.transitionProperty !== 'none')
            || s.scrollBehavior !== 'auto'
    }).map(e => e.outerHTML.slice(0, 80))"""
    assert len(page.evaluate(moving)) > 50  # a theme's own, as this one
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == []
    page.locator('.jp-Costmeter [data-deed="dearest"]').first.click()
    assert page.evaluate(moving) == []
    ticks = page.locator(".jp-Costmeter-elapsed")
    expect(ticks).to_have_text("12 s", timeout=20_000)  # whole seconds, no tenths


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab whose settings are as we ship them."""
    yield from serve(tmp_path_factory.mktemp("plain"), "jupyterlab", whole=False)


def test_a_keyboard_alone_does_it(plain: Server, page: Page) -> None:
    (plain.work / "hands.ipynb").write_text(notebook(LOAD, SPIN.format(1)))
    visit(page, plain, "hands.ipynb")
    for index in range(2):
        run_cell(page, index)
        page.wait_for_timeout(2000)
    panel = page.locator(PANEL)
    page.keyboard.press("Alt+Shift+C")
    expect(panel).to_be_visible()
    hands = Hands(page)
    expect(panel).to_be_focused()
    hands.assert_seen("the shortcut")
    fold = panel.locator('[data-section="totals"] .jp-Costmeter-fold')
    hands.go_to(fold)
    shot(page, "keyboard-focus")
    hands.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "true")
    hands.press("Space")
    expect(fold).to_have_attribute("aria-expanded", "false")
    # a budget
    hands.go_to(panel.locator('[data-section="budgets"] .jp-Costmeter-fold'), "Shift+Tab")
    hands.press("Enter", "Tab")
    expect(hands.focus).to_contain_text("Add a budget")
    hands.press("Enter")
    form = panel.locator(".jp-Costmeter-budgetForm")
    expect(form).to_be_visible()
    measure = form.locator('[name="measure"]')
    hands.go_to(measure, "Shift+Tab")  # the limit has the focus
    hands.press("ArrowDown")
    limit = form.locator('[name="limit"]')
    hands.go_to(limit)
    page.keyboard.type("20")
    hands.go_to(form.locator('button[type="submit"]'))
    shot(page, "keyboard-form")
    hands.press("Enter")
    expect(panel.locator(".jp-Costmeter-budget")).to_be_visible(timeout=10_000)
    page.wait_for_timeout(500)
    hands.assert_seen("after the budget was added")
    # More, and less
    more = panel.locator(".jp-Costmeter-showMore")
    hands.go_to(more)
    hands.press("Enter")
    expect(more).to_have_text("Less")
    hands.press("Enter")
    expect(more).to_have_text("More")
    # a menu of exports, and out of it
    export = panel.locator(".jp-Costmeter-export")
    hands.go_to(export, "Shift+Tab")
    page.keyboard.press("Enter")
    menu = page.locator(".lm-Menu")
    expect(menu.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(menu.locator(".lm-mod-active").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    hands.assert_seen("after the menu")
    expect(export).to_be_focused()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        if menu.count():  # a menu of scopes, each with a menu of formats
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
    assert download.value.suggested_filename
    hands.assert_seen("after the export")
    page.keyboard.press("Alt+Shift+C")
    expect(panel).not_to_be_visible()
    assert page.locator(".jp-NotebookPanel").evaluate("e => e.contains(document.activeElement)")
    page.keyboard.press("Alt+Shift+C")
    expect(panel).to_be_focused()
