"""Where a figure is from is said to who has no mouse: by the arrow keys, and by a finger."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from accessible import Hands, violations
from browsing import Server, narrow, notebook, run_cell, settled, shot, visit
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
SPIN = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"
PANEL = ".jp-Costmeter"
#: How many of the panel's elements Tab comes to.
STOPS = """e => [...e.querySelectorAll('button, [tabindex="0"], select, input')]
    .filter(one => one.tabIndex >= 0).length"""
OpenNotebook = Callable[..., Page]


def tip(page: Page) -> Locator:
    return page.locator("[role='tooltip']")


def run(page: Page, count: int) -> None:
    for index in range(count):
        run_cell(page, index)
        settled(page, "session", index + 1)


def test_the_focus_is_there_again_after_another_window_had_the_keyboard(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD)
    run(page, 1)
    page.keyboard.press("Alt+Shift+C")
    hands = Hands(page)
    for _ in range(20):
        hands.press("ArrowDown")
        if hands.focus.get_attribute("tabindex") == "-1":
            break
    hands.focus.evaluate("e => e.dispatchEvent(new FocusEvent('blur'))")  # all that the page is told
    page.wait_for_timeout(500)
    hands.assert_seen("another window")
    assert hands.focus.get_attribute("tabindex") == "-1"


def test_arrow_keys_say_where_each_figure_is_from(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, SPIN.format(1.5), "1 / 0")
    run(page, 3)
    stops = page.locator(PANEL).evaluate(STOPS)
    page.keyboard.press("Alt+Shift+C")
    hands = Hands(page)
    expect(page.locator(PANEL)).to_be_focused()
    said: dict[str, str] = {}
    for _ in range(60):
        hands.press("ArrowDown")
        name = hands.focus.evaluate("e => e.outerHTML")
        if tip(page).count():
            said[name] = tip(page).inner_text()
            assert hands.focus.get_attribute("aria-describedby") == tip(page).get_attribute("id")
    told = "\n".join(said.values())
    assert re.search(r"^Energy: ~.* J", told, re.M), told  # of the totals
    assert "From: " in told  # its source
    assert "Modelled, not measured." in told  # its method
    assert "Since the meter was loaded" in told  # a heading's
    assert "Ended with ZeroDivisionError" in told  # in a row that is a button
    assert "by where it runs" in page.locator(PANEL).inner_text()  # the range
    assert " to " in told
    # each of those that a mouse is told of
    titled = page.locator(PANEL).evaluate(
        "e => [...e.querySelectorAll('[title]')].filter(one => one.title && one.getClientRects().length)"
        ".map(one => one.title.split('\\n')[0])"
    )
    lacking = [one for one in titled if one not in told]
    assert len(titled) > 20
    assert not lacking, lacking
    # there and back, no further than the ends, and without a tab stop more
    hands.press("End", "ArrowDown", "Home", "ArrowUp")
    assert not (found := violations(page)), "\n".join(found)
    assert stops == page.locator(PANEL).evaluate(STOPS)


def test_escape_closes_it_and_the_figure_keeps_the_focus(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, SPIN.format(1.5))
    run(page, 2)
    page.keyboard.press("Alt+Shift+C")
    hands = Hands(page)
    energy = page.locator('tr[data-scope="session"] [data-name="energy_j"]').first
    hands.go_to(energy, "ArrowDown", 80)
    expect(tip(page)).to_contain_text("Energy: ~")
    shot(page, "explained")
    box, of = tip(page).bounding_box(), energy.bounding_box()
    assert box is not None
    assert of is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1400
    assert box["y"] >= of["y"] + of["height"]  # what it is about stays in view
    page.keyboard.press("Escape")
    expect(tip(page)).to_have_count(0)
    expect(energy).to_be_focused()
    assert energy.get_attribute("aria-describedby") is None
    hands.press("ArrowUp", "ArrowDown")
    expect(tip(page)).to_contain_text("Energy: ~")
    page.keyboard.press("Tab")  # on to the next control
    expect(page.locator("[role='tooltip']", has_text="Energy: ~")).to_have_count(0)
    assert energy.get_attribute("tabindex") is None
    narrow(page, 200)
    hands.go_to(energy, "ArrowUp", 80)
    shot(page, "explained-narrow")
    expect(tip(page)).to_be_visible()


def test_a_figure_that_changes_is_told_anew(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, SPIN.format(12))
    run(page, 1)
    run_cell(page, 1)
    power = page.locator('.jp-Costmeter-running [data-name="energy_j"]')
    expect(power).to_be_visible(timeout=20_000)
    power.click()
    expect(tip(page)).to_contain_text("Energy so far")
    before = tip(page).inner_text()
    expect(tip(page)).not_to_have_text(before, timeout=6000)
    settled(page, "session", 2)
    expect(tip(page)).to_have_count(0)  # it has gone with what it was about


def test_a_finger_is_told_too(chromium: Browser, lab: Server) -> None:
    context = chromium.new_context(has_touch=True, viewport={"width": 1100, "height": 800})
    page = context.new_page()
    (lab.work / "touch.ipynb").write_text(notebook(LOAD, SPIN.format(1)))
    visit(page, lab, "touch.ipynb")
    run(page, 2)
    energy = page.locator('tr[data-scope="session"] [data-name="energy_j"]').first
    energy.tap()
    expect(tip(page)).to_contain_text("Energy: ~")
    shot(page, "explained-touch")
    page.locator(".jp-Costmeter-header h2").tap()
    expect(tip(page)).to_have_count(0)
    # a row that is a button goes to its cell; a long press says what is in it
    row = page.locator('[data-section="spent"] button.jp-Costmeter-cell').first
    row.scroll_into_view_if_needed()
    press = "new PointerEvent('contextmenu', {pointerType: 'touch', bubbles: true, cancelable: true})"
    assert row.evaluate(f"e => e.dispatchEvent({press})") is False  # no menu comes over it
    expect(tip(page)).to_contain_text("Energy: ~")
    shot(page, "explained-row")
    context.close()
