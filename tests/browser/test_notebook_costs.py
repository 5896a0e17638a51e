"""Costs that a notebook carries: written only where that is wanted, shown to whoever opens it, and harmless."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import Server, dark, notebook, run_cell, settled, shot, visit
from playwright.sync_api import Page, expect

from jupyter_costmeter import stripping

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
OpenNotebook = Callable[..., Page]
SOON = 30_000
CARRIED = {
    "schema": 1, "at": "2026-09-22T10:00:00Z", "category": "train", "seconds": 12.5, "joules": 3650,
    "joules_method": "modelled", "gpu_seconds": None, "flops": 1.251e15, "flops_method": "measured",
    "gco2e": 0.0682, "gco2e_method": "assumed", "at_least": ["flops"],
}  # fmt: skip
HARMFUL = "<img src=x onerror=\"document.body.dataset.harmed='yes'\">"


@contextmanager
def wanted(lab: Server) -> Iterator[None]:
    """With the setting on, and no other line in their place."""
    folder = lab.data.parent / "config" / "lab" / "user-settings" / "jupyter-costmeter"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "panel.jupyterlab-settings"
    file.write_text(json.dumps({"notebookCosts": True, "cellLine": False}))
    try:
        yield
    finally:
        file.unlink()


def saved(page: Page, path: Path) -> dict[str, Any]:
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_cells_costs_are_written_where_that_is_wanted(open_notebook: OpenNotebook, lab: Server, page: Page) -> None:
    with wanted(lab):
        open_notebook(LOAD, "sum(range(10**7))", "1 / 0", "never = 'run'")
        for index in range(3):
            run_cell(page, index)
            settled(page, "session", index + 1)
        badges = page.locator(".jp-Costmeter-carried:visible")
        expect(badges).to_have_count(3, timeout=SOON)
        expect(badges.nth(0)).to_contain_text("CO₂e", timeout=SOON)  # told when what derives it was loaded
        shot(page, "carried-written")
        path = lab.work / page.notebook  # type: ignore[attr-defined]
        cells = saved(page, path)["cells"]
        assert [list(cell["metadata"]) for cell in cells] == [["costmeter"], ["costmeter"], ["costmeter"], []]
        written = [cell["metadata"]["costmeter"] for cell in cells[:3]]
        assert written[1]["seconds"] > 0
        assert written[1]["joules_method"] in ("measured", "modelled", "assumed")
        assert written[2]["category"] == "failed"
        for one in written:
            assert len(json.dumps(one)) < 400
            assert not re.search(r"work|/|root|costmeter|host", json.dumps(one))
        # and undo is about what the user typed
        before = path.read_bytes()
        assert stripping.strip([path])[1] == 3
        assert "costmeter" not in json.dumps([cell["metadata"] for cell in json.loads(path.read_text())["cells"]])
        assert len(path.read_bytes()) < len(before)


def test_off_nothing_is_written(open_notebook: OpenNotebook, lab: Server, page: Page) -> None:
    open_notebook(LOAD, "1")
    for index in range(2):
        run_cell(page, index)
        settled(page, "session", index + 1)
    page.wait_for_timeout(3500)
    cells = saved(page, lab.work / page.notebook)["cells"]  # type: ignore[attr-defined]
    assert [cell["metadata"] for cell in cells] == [{}, {}]
    expect(page.locator(".jp-Costmeter-carried")).to_have_count(0)


def carrying(lab: Server, *metadata: object) -> str:
    """A notebook that somebody else has sent, whose cells carry that."""
    name = f"{secrets.token_hex(4)}/theirs.ipynb"
    made = json.loads(notebook(*(f"x = {i}" for i in range(len(metadata)))))
    for cell, one in zip(made["cells"], metadata, strict=True):
        cell["metadata"] = {"tags": ["mine"]} if one is None else {"tags": ["mine"], "costmeter": one}
    (lab.work / name).parent.mkdir()
    (lab.work / name).write_text(json.dumps(made, indent=1) + "\n")
    return name


def test_whoever_opens_it_sees_them(lab: Server, page: Page) -> None:
    """Without our meter in the kernel; and looking changes nothing."""
    name = carrying(lab, CARRIED, None, {**CARRIED, "category": None, "seconds": 7200})
    before = (lab.work / name).read_bytes()
    visit(page, lab, name)
    badges = page.locator(".jp-Costmeter-carried")
    expect(badges).to_have_count(2, timeout=SOON)
    told = "From the notebook, 2026-09-22: 12.5 s · ~3.65 kJ · — GPU-s · ≥ 1.25 PFLOP · ~68.2 mg CO₂e · training"
    expect(badges.first).to_have_text(told)
    expect(badges.first).to_have_attribute("title", re.compile("as the notebook says: 2026-09-22 10:00 UTC"))
    assert badges.first.evaluate("e => e === e.closest('.jp-Cell').lastElementChild")
    assert badges.first.evaluate("e => e.getBoundingClientRect().height") < 25
    shot(page, "carried-shown")
    with dark(page):
        shot(page, "carried-dark")
    expect(page.locator(".jp-Costmeter-state")).to_contain_text("Not metered")
    assert (lab.work / name).read_bytes() == before


def test_what_is_malformed_is_left_alone(lab: Server, page: Page) -> None:
    odd = [
        HARMFUL, {**CARRIED, "at": HARMFUL}, {**CARRIED, "category": HARMFUL}, {**CARRIED, "joules_method": HARMFUL},
        {**CARRIED, "schema": 2}, [CARRIED], 3, {**CARRIED, "seconds": "12.5"}, {**CARRIED, HARMFUL: HARMFUL},
    ]  # fmt: skip
    visit(page, lab, carrying(lab, *odd))
    expect(page.locator(".jp-Costmeter-carried")).to_have_count(1, timeout=SOON)  # the last: only what is known is read
    assert page.evaluate("document.body.dataset.harmed") is None
    assert page.locator(".jp-Costmeter-carried img").count() == 0
