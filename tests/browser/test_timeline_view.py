"""The timeline in JupyterLab: it opens, has bands, a click leads to the cell, and a new cell comes by itself."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from accessible import Hands, violations
from browsing import Server, dark, narrow, notebook, run_cell, serve, settled, shot, visit
from nvml.sim import SimulatedNvml, build
from playwright.sync_api import Locator, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1]))
import golden

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.record import CellRecord

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
WORK = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"
FAR = "\n".join(f"# line {n}" for n in range(40))
MANY = 10_000


@pytest.fixture(scope="module")
def gpu_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, SimulatedNvml]]:
    """A JupyterLab on a machine with a (simulated) GPU."""
    root = tmp_path_factory.mktemp("timeline")
    sim = SimulatedNvml(build(root / "library"), root / "nvml", gpus=1)
    sim.set(power_w=300.0, utilization=80.0)
    (root / "root").mkdir()
    for server in serve(root / "root", "jupyterlab", **sim.env()):
        yield server, sim


def opened(page: Page, server: Server, name: str, *cells: str) -> None:
    (server.work / name).mkdir()
    (server.work / name / "work.ipynb").write_text(notebook(*cells))
    visit(page, server, f"{name}/work.ipynb")


def kernel_of(server: Server, name: str) -> int:
    """The process of that notebook's kernel."""
    (session,) = (one for one in server.get("/api/sessions") if one["path"].startswith(f"{name}/"))
    children = psutil.Process(server.process.pid).children()
    (found,) = (p.pid for p in children if session["kernel"]["id"] in " ".join(p.cmdline()))
    return found


def chart(page: Page) -> Locator:
    return page.locator(".jp-Costmeter-timelineChart")


def open_timeline(page: Page) -> None:
    page.locator('.jp-Costmeter [data-deed="timeline"]').click()
    drawn(page)


def drawn(page: Page) -> None:
    """One drawing, and no older one below it."""
    expect(chart(page).locator(":scope > div")).to_have_count(1, timeout=60_000)
    expect(chart(page).locator(":scope > div > *").first).to_be_visible(timeout=60_000)


def says(page: Page, words: str, timeout: float = 40_000) -> None:
    expect(chart(page)).to_have_attribute("aria-label", re.compile(words), timeout=timeout)


def test_a_new_cell_comes_by_itself_and_a_click_leads_to_it(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    server, sim = gpu_lab
    opened(page, server, "live", LOAD, WORK.format(2), FAR, FAR, "1 / 0", WORK.format(4))
    run_cell(page, 0)
    settled(page, "session", 1)
    sim.process(0, kernel_of(server, "live"), 14 << 30)
    run_cell(page, 1)
    settled(page, "session", 2)
    open_timeline(page)
    says(page, "2 runs of cells took")
    run_cell(page, 4)
    says(page, "3 runs of cells took .*1 of them failed")
    run_cell(page, 5)
    settled(page, "session", 4)
    says(page, r"4 runs of cells took .*the dearest In \[4\].*Highest mean power: .* ~?(29\d|30\d) W")
    page.wait_for_timeout(5000)  # the record of what lay between
    drawn(page)
    shot(page, "timeline-light")
    page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".cm-content").click()
    box = chart(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 150)
    page.wait_for_timeout(500)
    expect(page.get_by_text("mean power").last).to_be_visible()
    shot(page, "timeline-hover")
    page.mouse.click(box["x"] + box["width"] - 30, box["y"] + 150)
    last = page.locator(".jp-Notebook .jp-CodeCell").nth(5)
    expect(last).to_have_class(re.compile("jp-mod-active"), timeout=10_000)
    with dark(page):
        page.wait_for_timeout(4000)
        drawn(page)
        shot(page, "timeline-dark")
    narrow(page, 200)
    expect(page.locator('.jp-Costmeter [data-deed="timeline"]')).to_be_visible()
    shot(page, "timeline-button-narrow")


def test_it_grows_while_a_cell_runs(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    """Although nothing else is new all that time."""
    asked: list[str] = []
    opened(page, gpu_lab[0], "grows", LOAD, "import time; time.sleep(60)")
    run_cell(page, 0)
    settled(page, "session", 1)
    run_cell(page, 1)
    open_timeline(page)
    page.wait_for_timeout(8000)  # what is asked for as it is opened, and once again after
    page.on("request", lambda request: asked.append(request.url) if "/api/timeline" in request.url else None)
    page.wait_for_timeout(14_000)
    assert asked


def test_the_keyboard_goes_from_cell_to_cell(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    opened(page, gpu_lab[0], "keys", LOAD, WORK.format(1), FAR, "1 / 0", WORK.format(2))
    for index, count in ((0, 1), (1, 2), (3, 3), (4, 4)):
        run_cell(page, index)
        settled(page, "session", count)
    open_timeline(page)
    says(page, "4 runs of cells took")
    page.wait_for_timeout(5000)
    drawn(page)
    assert not (found := violations(page)), "\n".join(found)
    page.locator('.jp-Costmeter-timeline select[name="scope"]').focus()
    hands = Hands(page)
    hands.press("Tab")
    expect(chart(page)).to_be_focused()
    keys, band = page.locator(".jp-Costmeter-timelineKeys"), page.locator(".jp-Costmeter-timelineBand")
    expect(keys).to_be_visible()
    hands.press("End")
    expect(band).to_contain_text(re.compile(r"In \[4\], ended well: ~\d.* W, ~\d.* J"))
    assert band.get_attribute("role") == "status"  # so that it is spoken
    hands.press("ArrowLeft")
    expect(band).to_contain_text("In [3], error")
    hands.press("ArrowRight", "+", "+")
    page.wait_for_timeout(1500)  # more may be asked of what is zoomed into
    drawn(page)
    expect(band).to_contain_text("In [4]")
    shot(page, "timeline-keys")
    assert not (found := violations(page)), "\n".join(found)
    hands.press("0", "-")
    with dark(page):
        page.wait_for_timeout(4000)
        drawn(page)
        chart(page).focus()
        page.keyboard.press("ArrowRight")
        shot(page, "timeline-keys-dark")
    chart(page).focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator(".jp-Notebook .jp-CodeCell").nth(4)).to_have_class(re.compile("jp-mod-active"), timeout=10_000)


def test_nothing_yet(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    opened(page, gpu_lab[0], "empty", "1")
    page.wait_for_timeout(8000)  # nothing changes any more: it is read without being told to
    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill("Cost Meter: Timeline")
    page.locator(".lm-CommandPalette-itemLabel", has_text="Timeline").first.click()
    expect(page.locator(".jp-Costmeter-timeline")).to_contain_text("Nothing was metered yet.", timeout=40_000)
    shot(page, "timeline-empty")


def many(notebook: str, info: golden.SessionInfo) -> Iterator[CellRecord]:
    """Ten thousand runs in bursts, with what lay between them."""
    draw, at = random.Random(1), time.time() - 40 * 3600
    for n in range(MANY):
        wall_s = draw.expovariate(1 / 3) + 0.05
        gpu_j = None if n % 100 == 7 else draw.uniform(60, 300) * wall_s
        ran = golden.record(n + 1, wall_s, gpu_j, outcome="error" if n % 33 == 5 else "ok")
        own = {"session_id": info.id, "notebook": notebook, "project": info.project}
        yield replace(ran, id=f"many-{n}", started_at=at, cell_id=f"cell-{n % 3}", **own)
        at += wall_s
        pause = draw.expovariate(1 / 5) + (3000 if n % 700 == 9 else 0)
        if pause > 10:
            held = golden.between(n + 1, pause, "held_idle", gpu_energy_j=55 * pause, gpu_reserved_s=pause)
            yield replace(held, id=f"held-{n}", started_at=at, **own)
        at += pause


def test_ten_thousand_cells(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    server, _ = gpu_lab
    path = str(server.work / "many" / "work.ipynb")
    info = replace(golden.SESSION, id="many", notebook=path, project=str(server.work / "many"))
    ledger = open_ledger(server.data / "costmeter" / "ledger.sqlite")
    ledger.append(info, list(many(path, info)))
    ledger.close()
    opened(page, server, "many", LOAD, "1", "2")
    run_cell(page, 0)
    settled(page, "session", 1)
    answers: list[tuple[int, float]] = []
    page.on(
        "response",
        lambda r: "api/timeline" in r.url and answers.append((len(r.body()), r.request.timing["responseStart"])),
    )
    open_timeline(page)
    page.locator(".jp-Costmeter-timeline select").select_option("notebook")
    says(page, "1000[01] runs of cells took", 60_000)
    drawn(page)
    shot(page, "timeline-many")
    size, waited_ms = answers[-1]
    print(f"\n{MANY} cells: {size / 1e6:.2f} MB of JSON, answered after {waited_ms:.0f} ms")
    assert size < 3_000_000
    # zoomed into, it tells more
    box = chart(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    with page.expect_response(re.compile("api/timeline.*from="), timeout=60_000):
        for _ in range(6):
            page.mouse.wheel(0, -200)
            page.wait_for_timeout(100)
    page.wait_for_timeout(1000)
    drawn(page)
    shot(page, "timeline-zoomed")
    says(page, "1000[01] runs of cells took")
