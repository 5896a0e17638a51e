"""FLOPs in the sidebar: a cell's line, a scope's total, and what was not counted."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from browsing import ROOT, dark, narrow, run_cell, settled, shot, widen
from playwright.sync_api import Locator, Page, expect

pytest.importorskip("torch", reason="torch is not installed: nothing counts FLOPs without it")
pytestmark = pytest.mark.browser

LOAD = "%load_ext jupyter_costmeter"
PEAK = 1e10  # FLOP/s, as the user declares it
DECLARED = f"get_ipython().config.CostMeter.peak_flops = {{'CPU': {{'fp32': {PEAK}}}}}\n{LOAD}"
#: 100 products of 640×320 by 320×160, a multiply-add being 2.
FLOPS = 100 * 2 * 640 * 320 * 160
TORCH = """import torch
a, b = torch.ones(640, 320), torch.ones(320, 160)
for _ in range(100): a @ b"""
NUMPY = """import numpy as np
np.ones((640, 320)) @ np.ones((320, 160));"""
BOTH = "for _ in range(100): a @ b\nnp.ones(3) @ np.ones(3);"
MIXED = """low = a.bfloat16(), b.bfloat16()
for _ in range(10): a @ b; low[0] @ low[1]"""
LONG = """import time
until = time.monotonic() + 6
while time.monotonic() < until: a @ b"""

OpenNotebook = Callable[..., Page]


def run_all(page: Page, count: int) -> None:
    for index in range(count):
        run_cell(page, index)
        settled(page, "session", index + 1)


def line_of(page: Page, index: int) -> Locator:
    return page.locator(f'.jp-Costmeter-cell[data-cell-id="cell-{index}"] .jp-Costmeter-work')


def hover(found: Locator) -> str:
    return found.get_attribute("title") or ""


def number(found: Locator, name: str = "data-value") -> float:
    return float(found.get_attribute(name) or "nan")


def test_a_cells_flops_and_what_was_not_counted(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, TORCH, NUMPY, BOTH, MIXED)
    run_all(page, 5)
    expect(line_of(page, 0)).to_have_count(0)
    expect(line_of(page, 1)).to_have_text("6.55 GFLOP fp32")
    assert number(line_of(page, 1)) == FLOPS == 6_553_600_000
    assert hover(line_of(page, 1)).startswith("FLOPs: 6.55 GFLOP, exact\nMeasured.\nfp32: 6.55 GFLOP\nPer second: ")
    assert "Of peak (MFU): not known: no peak is known of" in hover(line_of(page, 1))
    expect(line_of(page, 2)).to_have_text("— FLOP")
    assert hover(line_of(page, 2)).startswith("FLOPs: not counted: numpy: its arithmetic leaves no trace")
    expect(line_of(page, 3)).to_have_text("≥ 6.55 GFLOP fp32")
    assert "\n≥ Not counted: numpy: its arithmetic" in hover(line_of(page, 3))
    expect(line_of(page, 4)).to_have_text("1.31 GFLOP mixed precision")

    for scope in ("session", "notebook"):
        total = page.locator(f'tr[data-scope="{scope}"] [data-name="flops"]')
        expect(total).to_have_text("≥14.4 GFLOP", timeout=30_000)
        assert number(total) == 22 * FLOPS // 10
        assert "\nfp32: 13.8 GFLOP\nbf16: 655 MFLOP\n≥ Not counted: numpy: " in hover(total)
    views(page)


def views(page: Page) -> None:
    """In both themes, and as narrow and as wide as a sidebar is."""
    page.set_viewport_size({"width": 1200, "height": 900})
    shot(page, "flops-light")
    for width in (340, 310, 450):
        widen(page, width)
        fits(page, width)
        aligned(page)
        shot(page, f"flops-{width}")
    with dark(page):
        shot(page, "flops-dark")
        narrow(page, 200)
        fits(page, 200)
        shot(page, "flops-dark-narrow")


def fits(page: Page, width: int) -> None:
    panel = page.locator(".jp-Costmeter")
    page.wait_for_timeout(500)
    assert (panel.bounding_box() or {"width": 0})["width"] == pytest.approx(width, abs=8)
    assert panel.evaluate("e => e.scrollWidth <= e.clientWidth")
    clipped = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    assert page.locator(".jp-Costmeter-work, .jp-Costmeter-totals td").evaluate_all(clipped) == []


def aligned(page: Page) -> None:
    """Where there is room, each scope's figures stand beside their labels, whatever else the scope lacks."""
    read = "all => all.map(row => [...row.children].slice(1).map(e => [e.getBoundingClientRect().top, e.innerText]))"
    labels, *scopes = page.locator(".jp-Costmeter-totals tr").evaluate_all(read)
    if any(top for top, _ in labels):  # else they are not shown
        for figures in scopes:
            off = [text for (top, text), (line, _) in zip(figures, labels, strict=True) if text and abs(top - line) > 5]
            assert off == []


def test_the_hardwares_view_stands_apart(open_notebook: OpenNotebook, page: Page) -> None:
    """Of a ledger with the golden figures, and the GPU's counters."""
    totals = json.loads((ROOT / "tests/data/totals.json").read_text())
    for scope in totals["scopes"].values():
        counted = next(t for t in scope["totals"] if t["name"] == "flops")
        counters = {"name": "flops_hardware", "value": 1.52e15, "method": "modelled", "sources": ["NVML GPM"]}
        scope["totals"].append({**counted, **counters, "missing": 0, "reasons": []})
    totals["scopes"]["project"]["buckets"] = []  # its line of the bar is empty
    page.route("**/jupyter_costmeter/api/totals**", lambda route: route.fulfill(json=totals))
    open_notebook("1")
    row = page.locator('tr[data-scope="project"]')
    expect(row.locator('[data-name="flops"]')).to_have_text("≥1.45 PFLOP", timeout=30_000)
    expect(row.locator('[data-name="flops_hardware"]')).to_have_text("~1.52 PFLOP")
    assert "no part of the counted FLOPs" in hover(row.locator('[data-name="flops_hardware"]'))
    shot(page, "flops-hardware-narrow")
    widen(page, 450)
    fits(page, 450)
    aligned(page)
    shot(page, "flops-hardware")


def test_a_running_cells_flops_of_a_declared_peak(open_notebook: OpenNotebook) -> None:
    page = open_notebook(DECLARED, TORCH, LONG)
    run_all(page, 1)
    expect(page.locator(".jp-Costmeter-totals")).not_to_contain_text("FLOPs")
    run_cell(page, 1)
    settled(page, "session", 2)
    wall_s = number(page.locator('.jp-Costmeter-cell[data-cell-id="cell-1"] [data-name="wall_s"]'))
    share = FLOPS / PEAK / wall_s
    assert number(line_of(page, 1), "data-mfu") == pytest.approx(share)
    shown = f"~{100 * share:.0f}" if 0.01 <= share <= 0.99 or share >= 1 else ""
    expect(line_of(page, 1)).to_contain_text(f"6.55 GFLOP fp32 · {shown}")
    assert "Peak: declared (CostMeter.peak_flops)" in hover(line_of(page, 1))

    run_cell(page, 2)
    line = page.locator(".jp-Costmeter-running .jp-Costmeter-work")
    expect(line).to_contain_text("of peak", timeout=5000)
    before = number(line)
    shot(page, "flops-running")
    page.wait_for_timeout(2000)
    assert number(line) > before
