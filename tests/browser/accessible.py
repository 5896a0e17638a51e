"""What everybody's eyes and hands need: that axe-core finds nothing wrong, and that a keyboard alone does it."""

from __future__ import annotations

from typing import Any

from browsing import ROOT
from playwright.sync_api import Locator, Page

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
OURS = [".jp-Costmeter", ".jp-Costmeter-status", ".jp-Costmeter-badge"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page, *where: str) -> list[str]:
    """What is wrong with which element of ours (or of other parts), one line each."""
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(path=AXE)
    there = [one for one in where or OURS if page.locator(one).count()]
    found: dict[str, Any] = page.evaluate(
        "([include, tags]) => axe.run({include}, {runOnly: tags})", [[[one] for one in there], TAGS]
    )
    assert found["passes"], "axe looked at nothing"
    return [f"{v['id']}: {v['help']}: {n['html'][:200]}" for v in found["violations"] for n in v["nodes"]]


class Hands:
    """Only a keyboard; after each press the focus is seen, and not lost."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def focus(self) -> Locator:
        return self.page.locator(":focus")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(80)
            self.assert_seen(key)

    def assert_seen(self, key: str) -> None:
        assert self.focus.count() == 1, f"{key}: the focus is lost"
        tag, inside, outline, name = self.focus.evaluate(
            "e => { const s = getComputedStyle(e); return [e.tagName, !!e.closest('.jp-Costmeter'),"
            " s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1, e.outerHTML.slice(0, 120)] }"
        )
        assert tag != "BODY", key
        assert outline or not inside, f"{key}: the focus is not seen on {name}"

    def go_to(self, target: Locator, key: str = "Tab", most: int = 40) -> None:
        for _ in range(most):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.press(key)
        raise AssertionError(f"{target} cannot be reached by {key}")
