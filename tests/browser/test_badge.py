"""The line below a cell: live, afterwards, after a reload; of what failed; and nowhere else."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import Server, dark, notebook, run_cell, settled, shot, visit
from playwright.sync_api import Locator, Page, expect
from shell import cell, fill, session

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
OpenNotebook = Callable[..., Page]
SOON = 30_000
BUSY = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: sum(range(1000))"
CARRIED = {
    "schema": 1, "at": "2026-09-22T10:00:00Z", "seconds": 12.5, "joules": 3650, "joules_method": "modelled",
}  # fmt: skip


def line(page: Page, index: int) -> Locator:
    """Of the cell at that place."""
    return page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-Costmeter-badge:visible")


def told(pattern: str) -> re.Pattern[str]:
    """A text whose figures do not break."""
    return re.compile(pattern.replace(" ", r"\s"))


def interrupt(page: Page) -> None:
    page.locator(".jp-Notebook .jp-CodeCell").first.locator(".jp-InputArea-prompt").click()
    page.keyboard.press("i")
    page.keyboard.press("i")


@contextmanager
def settings(lab: Server, **said: object) -> Iterator[None]:
    folder = lab.data.parent / "config" / "lab" / "user-settings" / "jupyter-costmeter"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "panel.jupyterlab-settings"
    file.write_text(json.dumps(said))
    try:
        yield
    finally:
        file.unlink()


def test_a_cells_line_from_its_start_to_after_a_reload(open_notebook: OpenNotebook, lab: Server, page: Page) -> None:
    open_notebook(LOAD, BUSY.format(4), "1 + 1", "import time; time.sleep(1); 1 / 0", BUSY.format(60), "never = 'run'")
    run_cell(page, 0)
    settled(page, "session", 1)
    run_cell(page, 1)
    running = line(page, 1)
    expect(running).to_contain_text(told(r"^Running · \d+ s"), timeout=SOON)
    first = running.text_content()
    expect(running).not_to_have_text(first or "", timeout=SOON)  # it goes on by itself
    shot(page, "badge-running")
    expect(running).to_have_text(told(r"^[\d.]+ s · ~?[\d.]+ k?J · ~[\d.]+ [mµ]?g CO₂e$"), timeout=SOON)
    for index in (2, 3):
        run_cell(page, index)
        settled(page, "session", index + 1)
    failed, short = line(page, 3), line(page, 2)
    expect(failed).to_have_text(told(r"^✗ failed with ZeroDivisionError · [\d.]+ s · "), timeout=SOON)
    expect(failed).to_have_attribute("role", "note")
    expect(short).to_have_count(0)
    run_cell(page, 4)
    expect(line(page, 4)).to_contain_text("Running", timeout=SOON)
    interrupt(page)
    expect(line(page, 4)).to_have_text(told(r"^■ interrupted · "), timeout=SOON)
    assert running.evaluate("e => e === e.closest('.jp-Cell').lastElementChild")
    assert running.evaluate("e => e.getBoundingClientRect().height") < 20  # small, and one line
    edge = "(e, of) => e.closest('.jp-Cell').querySelector(of).getBoundingClientRect().left"
    assert running.evaluate("e => e.firstChild.getBoundingClientRect().left") > running.evaluate(edge, ".cm-editor")
    shot(page, "badge-light")
    with dark(page):
        shot(page, "badge-dark")

    def all_told() -> list[str]:
        expect(page.locator(".jp-Costmeter-badge:visible")).to_have_count(3, timeout=SOON)
        return page.locator(".jp-Costmeter-badge:visible").all_text_contents()

    before = all_told()
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    page.reload()
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    assert all_told() == before
    nowhere_else(lab.work / page.notebook)  # type: ignore[attr-defined]


def nowhere_else(path: Path) -> None:
    """Neither in the file nor in what is made of it."""
    cells = json.loads(path.read_text())["cells"]
    assert [one["metadata"] for one in cells] == [{}] * len(cells)
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--stdout", str(path)]
    html = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "ZeroDivisionError" in html
    assert not re.search(
        "costmeter-b|CO₂e|role=.note|failed with", html.replace("jupyter_costmeter", ""), re.IGNORECASE
    )


def test_the_last_runs_on_hover_also_those_of_an_earlier_session(
    open_notebook: OpenNotebook, page: Page, lab: Server
) -> None:
    with settings(lab, energyUnit="Wh", cellLineFrom=0, cellLineFigures=["energy", "time", "memory"]):
        open_notebook(LOAD, "sum(range(10**6))")
        run_cell(page, 0)
        for count in range(3):
            settled(page, "session", count + 1)
            run_cell(page, 1)
        settled(page, "session", 4)
        badge = line(page, 1)
        expect(badge).to_have_text(told(r"^~?[\d.]+ [mµ]?Wh · [\d.]+ ms · [\d.]+ MB RAM$"), timeout=SOON)
        hover = re.compile(r"^The last 3 runs:\n(20\d\d-\d\d-\d\d [\d:]+: .*\n){3}The 3 complete ones of this code: ")
        expect(badge).to_have_attribute("title", hover)
        shot(page, "badge-figures")
        before = badge.text_content()
        kernel = lab.get("/api/sessions")
        ours = next(one for one in kernel if one["path"] == page.notebook)  # type: ignore[attr-defined]
        page.evaluate(
            "([base, id, token]) => fetch(`${base}/api/kernels/${id}/restart?token=${token}`, {method: 'POST'})",
            [lab.base, ours["kernel"]["id"], lab.token],
        )
        page.wait_for_timeout(3000)
        visit(page, lab, page.notebook)  # type: ignore[attr-defined]
        expect(page.locator(".jp-Costmeter-state")).to_contain_text("Not metered", timeout=SOON)
        expect(badge).to_have_text(before or "", timeout=SOON)
        expect(badge).to_have_attribute("title", hover)


def test_what_was_lost_with_its_kernel(open_notebook: OpenNotebook, page: Page) -> None:
    open_notebook(LOAD, "import os, time\ntime.sleep(4)\nos.kill(os.getpid(), 9)")
    run_cell(page, 0)
    settled(page, "session", 1)
    run_cell(page, 1)
    expect(line(page, 1)).to_have_text(told(r"^† the kernel was killed · [\d.]+ s · "), timeout=SOON)


def test_what_ran_here_stands_in_the_place_of_what_the_notebook_says(lab: Server, page: Page) -> None:
    name = f"{secrets.token_hex(4)}/theirs.ipynb"
    made = json.loads(notebook(LOAD, "import time; time.sleep(0.8)"))
    for one in made["cells"]:
        one["metadata"] = {"costmeter": CARRIED}
    (lab.work / name).parent.mkdir()
    (lab.work / name).write_text(json.dumps(made))
    visit(page, lab, name)
    carried = page.locator(".jp-Costmeter-carried:visible")
    expect(carried).to_have_count(2, timeout=SOON)
    for index in range(2):
        run_cell(page, index)
        settled(page, "session", index + 1)
    expect(line(page, 1)).to_have_count(1, timeout=SOON)
    lines = page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-Costmeter-below")
    expect(lines).to_have_count(1)
    expect(lines).not_to_contain_text("From the notebook")
    # deleted, it goes; brought back, it is there again
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputArea-prompt").click()
    page.keyboard.press("d")
    page.keyboard.press("d")
    expect(page.locator(".jp-Costmeter-badge:visible")).to_have_count(0)
    page.keyboard.press("z")
    expect(line(page, 1)).to_have_count(1, timeout=SOON)


def long_notebook(lab: Server, length: int) -> str:
    """One whose cells have all run in a session of last week."""
    name = f"{secrets.token_hex(4)}/long.ipynb"
    path = lab.work / name
    path.parent.mkdir()
    path.write_text(notebook(LOAD, "import time; time.sleep(3)", *(f"x{i} = {i}" for i in range(2, length))))
    info = session(secrets.token_hex(4), str(path))
    fill(lab.data / "costmeter" / "ledger.sqlite", info, *(cell(info, i, 500.0) for i in range(length)))
    return name


def test_in_a_long_notebook_only_what_changes_is_drawn(lab: Server, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visit(page, lab, long_notebook(lab, 500))
    newest = line(page, 2)
    expect(newest).to_have_text(told(r"^2\.00 s · 200 TFLOP bf16 · 32 % of peak · ~?[\d.]+ J · "), timeout=SOON)
    expect(newest).to_have_attribute("title", re.compile(r"^Peak: .*A100", re.MULTILINE))
    shot(page, "badge-long")
    run_cell(page, 0)
    settled(page, "session", 1)
    page.evaluate(
        """() => {
          window.drawn = new Set();
          const look = changes => changes.forEach(({ target }) =>
            (target.parentElement ?? target).closest('.jp-Costmeter-below') &&
            window.drawn.add((target.parentElement ?? target).closest('.jp-Costmeter-below')));
          const what = { subtree: true, childList: true, characterData: true, attributes: true };
          new MutationObserver(look).observe(document.querySelector('.jp-Notebook'), what);
        }"""
    )
    run_cell(page, 1)
    settled(page, "session", 2)
    expect(line(page, 1)).to_have_text(told(r"^3\.\d+ s · "), timeout=SOON)
    assert page.evaluate("window.drawn.size") == 1
    # of those further down more is asked, and drawn, when they come into view
    assert len([url for url in asked if "/api/runs" in url]) == 1
    last = page.locator(".jp-CodeCell", has_text="x499 = 499")
    last.wait_for(state="attached", timeout=60_000)  # JupyterLab takes its time
    last.scroll_into_view_if_needed()
    expect(last.locator(".jp-Costmeter-below")).to_have_text(told(r"^2\.00 s · "), timeout=SOON)
    assert len([url for url in asked if "/api/runs" in url]) <= 5


def test_off_there_is_none(open_notebook: OpenNotebook, page: Page, lab: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with settings(lab, cellLine=False):
        open_notebook(LOAD, "import time; time.sleep(1)")
        for index in range(2):
            run_cell(page, index)
            settled(page, "session", index + 1)
        page.wait_for_timeout(1500)
        expect(page.locator(".jp-Costmeter-badge")).to_have_count(0)
        assert not [url for url in asked if "/api/runs" in url]


def test_a_cells_menu_says_and_copies_what_it_cost(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "1 + 1", "never = 'run'")
    for index in range(2):
        run_cell(page, index)
        settled(page, "session", index + 1)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def menu(index: int, label: str) -> None:
        page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-InputArea-prompt").click(button="right")
        page.locator(".lm-Menu-itemLabel", has_text=label).click()

    menu(1, "Cost of This Cell")
    dialog = page.locator(".jp-Dialog")
    expect(dialog.locator(".jp-Costmeter-cost")).to_contain_text("ms ·")  # however short: it was asked for
    expect(dialog.locator(".jp-Costmeter-cost")).to_contain_text(re.compile(r"Ran \d{4}-\d\d-\d\d"))
    told = dialog.locator(".jp-Costmeter-cost").inner_text()
    shot(page, "cell-cost")
    dialog.locator("button", has_text="Close").click()
    menu(1, "Copy Figures")
    assert page.evaluate("navigator.clipboard.readText()").split("\n")[0] == told.split("\n")[0]
    menu(2, "Cost of This Cell")
    expect(dialog).to_contain_text("This cell has not been metered yet.")
    dialog.locator("button", has_text="Close").click()
    page.locator(".jp-SideBar [data-id=jupyter-costmeter]").click()  # hides the panel
    expect(page.locator(".jp-Costmeter")).to_be_hidden()
    page.keyboard.press("Alt+Shift+C")
    expect(page.locator(".jp-Costmeter")).to_be_visible()
