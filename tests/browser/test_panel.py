"""The sidebar as a person uses it, against the ledger's own figures."""

from __future__ import annotations

import csv
import json
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browsing import (
    ROOT,
    SHOTS,
    Server,
    dark,
    figure,
    ledger_of,
    narrow,
    notebook,
    run_cell,
    settled,
    shot,
    show_panel,
    visit,
)
from playwright.sync_api import Browser, Page, expect

from jupyter_costmeter.ledger import Selection

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
OpenNotebook = Callable[..., Page]


def test_the_first_session(lab: Server, page: Page) -> None:
    """The README's story: load, run the quickstart, watch it, and find the same figures in the ledger."""
    name = f"{secrets.token_hex(4)}/quickstart.ipynb"
    (lab.work / name).parent.mkdir()
    shutil.copy(ROOT / "examples" / "quickstart.ipynb", lab.work / name)
    visit(page, lab, name)
    expect(page.locator(".jp-Costmeter-state")).to_contain_text("Not metered", timeout=20_000)
    shot(page, "not-metered")
    for index in range(3):
        run_cell(page, index)
        settled(page, "session", index + 1)
    settled(page, "project", 3)
    run_cell(page, 3)
    running = page.locator(".jp-Costmeter-running")
    expect(running).to_contain_text("search", timeout=1500 + 1000)
    shot(page, "running")
    seen, clock = [], running.locator(".jp-Costmeter-elapsed")
    while running.count() and len(seen) < 6:
        seen.append(float(clock.evaluate_all("found => found.map(e => e.dataset.elapsed)[0] ?? 1e9")))
        page.wait_for_timeout(400)
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
    settled(page, "session", 4)
    run_cell(page, 6)
    settled(page, "session", 5)
    settled(page, "project", 5)
    shot(page, "quickstart")
    summary = ledger_of(lab).summary(Selection("notebook", str(lab.work / name)))
    assert summary.failed == 1
    in_cells = summary.bucket("cell")
    assert in_cells is not None
    assert (energy := in_cells.total("energy_j")) is not None
    assert energy.value is not None
    for scope in ("session", "notebook", "project"):
        # the session knows what came since the last cells, the ledger only once it is 10 s long
        names = ("peak_rss_bytes",) if scope == "session" else ("energy_j", "cpu_s", "peak_rss_bytes")
        for total in summary.totals:
            if total.name in names:
                assert figure(page, scope, total.name) == pytest.approx(total.value)
        assert energy.value <= figure(page, scope, "energy_j") < 1.2 * energy.value
        assert figure(page, scope, "wall_s") == pytest.approx(summary.wall_s)
    dearest = page.locator(".jp-Costmeter-cell")
    expect(dearest.first).to_contain_text("search")
    expect(page.locator(".jp-Costmeter-note[data-kind=gpu]")).to_contain_text("No GPU")


def test_the_button_meters_a_notebook(open_notebook: OpenNotebook) -> None:
    page = open_notebook("1 + 1")
    page.locator(".jp-Costmeter-load").click(timeout=20_000)
    expect(page.locator(".jp-Costmeter-totals")).to_be_visible(timeout=10_000)
    run_cell(page, 0)
    settled(page, "session", 1)


def test_a_kernel_that_lacks_the_package_says_so(open_notebook: OpenNotebook) -> None:
    page = open_notebook(
        "import sys\nclass Lacks:\n    def find_spec(self, name, *_):\n"
        "        if name.startswith('jupyter_costmeter'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Lacks())"
    )
    run_cell(page, 0)
    page.locator(".jp-Costmeter-load").click(timeout=20_000)
    expect(page.locator(".jp-Costmeter-error")).to_contain_text("lacks jupyter_costmeter", timeout=10_000)


def test_a_reload_in_mid_cell(open_notebook: OpenNotebook, lab: Server) -> None:
    page = open_notebook(LOAD, "import time; time.sleep(25)")
    run_cell(page, 0)
    settled(page, "session", 1)
    run_cell(page, 1)
    running = page.locator(".jp-Costmeter-running")
    running.wait_for(timeout=10_000)
    before = float(running.locator(".jp-Costmeter-elapsed").get_attribute("data-elapsed") or "nan")
    page.reload()
    show_panel(page)
    running.wait_for(timeout=20_000)
    assert float(running.locator(".jp-Costmeter-elapsed").get_attribute("data-elapsed") or "nan") > before
    settled(page, "session", 2)
    expect(running).to_have_count(0)


def test_a_restart_begins_a_session_and_keeps_the_notebooks_totals(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "1")
    run_cell(page, 0)
    run_cell(page, 1)
    settled(page, "notebook", 2)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-item", has_text=re.compile("^Restart Kernel…")).click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.locator(".jp-Costmeter-state")).to_contain_text("Not metered", timeout=20_000)
    run_cell(page, 0)
    settled(page, "session", 1)
    settled(page, "notebook", 3)


def test_two_notebooks_have_their_own_figures_and_one_project(lab: Server, page: Page) -> None:
    folder = lab.work / secrets.token_hex(4)
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    for name, cells in (("one.ipynb", (LOAD, "1")), ("two.ipynb", (LOAD,))):
        (folder / name).write_text(notebook(*cells))
    visit(page, lab, f"{folder.name}/one.ipynb")
    run_cell(page, 0)
    run_cell(page, 1)
    settled(page, "session", 2)
    page.goto(lab.url(f"/lab/workspaces/{secrets.token_hex(4)}/tree/{folder.name}/two.ipynb"))
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    show_panel(page)
    run_cell(page, 0)
    settled(page, "session", 1)
    settled(page, "notebook", 1)
    settled(page, "project", 3)
    page.locator(".jp-DirListing-item", has_text="one.ipynb").dblclick()
    settled(page, "session", 2)
    settled(page, "notebook", 2)
    page.locator(".lm-TabBar-tab", has_text="two.ipynb").first.click()
    settled(page, "session", 1)


def test_a_second_tab_sees_the_same(open_notebook: OpenNotebook, lab: Server, chromium: Browser) -> None:
    page = open_notebook(LOAD, "import time; time.sleep(9)")
    run_cell(page, 0)
    settled(page, "session", 1)
    other = chromium.new_page()
    visit(other, lab, page.notebook)  # type: ignore[attr-defined]
    settled(other, "session", 1)
    run_cell(page, 1)
    other.locator(".jp-Costmeter-running").wait_for(timeout=9000)
    for tab in (page, other):
        settled(tab, "session", 2)
    other.close()


def test_a_click_scrolls_to_the_cell(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "sum(range(10**6))", *["#\n" * 12] * 12)
    run_cell(page, 0)
    run_cell(page, 1)
    settled(page, "session", 2)
    target = page.locator(".jp-Notebook .jp-CodeCell").nth(1)
    for _ in range(12):
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowDown")
    page.locator(".jp-Costmeter-cell[data-cell-id='cell-1']").click()
    expect(target).to_be_in_viewport()
    expect(target).to_have_class(re.compile("jp-mod-active"))


@pytest.mark.parametrize("suffix", ["json", "csv", "md"])
def test_the_exported_file_holds_what_the_ledger_holds(open_notebook: OpenNotebook, lab: Server, suffix: str) -> None:
    page = open_notebook(LOAD, "sum(range(10**6))")
    run_cell(page, 0)
    run_cell(page, 1)
    settled(page, "notebook", 2)
    page.locator(".jp-Costmeter-export").click()
    if suffix == "json":
        shot(page, "export-menu")
    path = exported(page, suffix)
    selection = Selection("notebook", str(lab.work / page.notebook))  # type: ignore[attr-defined]
    found = {r.id: r for r in ledger_of(lab).records(selection)}  # and maybe a gap that has ended since
    cells = [r for r in found.values() if r.bucket == "cell"]
    if suffix == "json":
        content = json.loads(path.read_text())["cells"]
        assert [c["id"] for c in content if c["bucket"] == "cell"] == [r.id for r in cells]
        for made in content:
            figures = found[made["id"]].usage.figures
            assert {f["name"]: f["value"] for f in made["figures"]} == {f.name: f.value for f in figures}
    elif suffix == "csv":
        rows = list(csv.DictReader(path.open()))
        assert [float(r["wall_s"]) for r in rows] == [found[r["id"]].wall_s for r in rows]
        assert [r["id"] for r in rows if r["bucket"] == "cell"] == [r.id for r in cells]
        assert all(r["gpu_energy_j"] == "" for r in rows)
        assert all("libnvidia-ml" in r["gpu_energy_j_how"] for r in rows if r["bucket"] == "cell")
    else:
        assert f"{len(cells)} cells" in path.read_text()


def exported(page: Page, suffix: str) -> Path:
    """Choose the notebook's export in that format from the open menu, and answer the downloaded file."""
    names = {"json": "JSON", "csv": "CSV", "md": "Markdown"}
    with page.expect_download(timeout=15_000) as download:
        page.locator(".lm-Menu-item", has_text=f"This Notebook as {names[suffix]}").click()
    path = SHOTS / f"export.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    download.value.save_as(path)
    return path


def test_a_failed_download_says_why(open_notebook: OpenNotebook, lab: Server) -> None:
    page = open_notebook(LOAD)
    run_cell(page, 0)
    settled(page, "notebook", 1)
    page.route(
        "**/jupyter_costmeter/api/export**",
        lambda route: route.fulfill(status=503, body='{"message": "the ledger sleeps"}'),
    )
    page.locator(".jp-Costmeter-export").click()
    page.locator(".lm-Menu-item", has_text="This Notebook as CSV").click()
    expect(page.get_by_text("the ledger sleeps").first).to_be_visible(timeout=5000)


def test_a_ledger_that_cannot_be_written_is_said(open_notebook: OpenNotebook) -> None:
    page = open_notebook(
        LOAD,
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))",
        "1",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))",
        "2",
    )
    for index in range(3):
        run_cell(page, index)
    settled(page, "session", 3)
    run_cell(page, 2)
    expect(page.locator(".jp-Costmeter-warning").first).to_contain_text("cannot be used", timeout=40_000)
    shot(page, "ledger-full")
    run_cell(page, 3)
    run_cell(page, 4)
    page.wait_for_timeout(1000)
    run_cell(page, 4)
    expect(page.locator(".jp-Costmeter-warning")).to_have_count(0, timeout=10_000)
    settled(page, "notebook", 7)


def test_a_long_c_call_that_holds_the_lock_is_filled_in_afterwards(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "import re; re.match(r'(a+)+$', 'a' * 25 + 'b')")
    run_cell(page, 0)
    settled(page, "session", 1)
    run_cell(page, 1)
    settled(page, "session", 2)
    assert figure(page, "session", "wall_s") > 0.5


def test_the_palette_and_the_status_bar(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD)
    run_cell(page, 0)
    settled(page, "session", 1)
    status = page.locator(".jp-Costmeter-status")
    expect(status).to_contain_text("J")
    page.locator('.jp-SideBar [data-id="jupyter-costmeter"]').click()
    expect(page.locator(".jp-Costmeter")).to_be_hidden()
    status.click()
    expect(page.locator(".jp-Costmeter")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill("Show the Cost Meter")
    expect(page.locator(".lm-CommandPalette-itemLabel", has_text="Cost Meter").first).to_be_visible()


def test_themes_and_a_narrow_sidebar(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "%%cost a label that is rather long for two hundred pixels\nsum(range(10**7))", "1/0")
    for index in range(3):
        run_cell(page, index)
    settled(page, "notebook", 3)
    page.set_viewport_size({"width": 1200, "height": 800})
    shot(page, "light")
    narrow(page, 200)
    panel = page.locator(".jp-Costmeter")
    page.wait_for_timeout(500)
    assert (panel.bounding_box() or {"width": 0})["width"] == 200
    assert panel.evaluate("e => e.scrollWidth <= e.clientWidth")
    shot(page, "narrow")
    with dark(page):
        shot(page, "dark-narrow")


def test_notebook_7(notebook7: Server, page: Page) -> None:
    (notebook7.work / "work.ipynb").write_text(notebook(LOAD, "import time; time.sleep(9)"))
    page.goto(notebook7.url("/notebooks/work.ipynb"))
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="View", exact=True).click()
    page.locator(".lm-Menu-item", has_text="Right Sidebar").click()
    page.locator(".lm-Menu-item", has_text=re.compile("Cost [Mm]eter")).first.click()
    expect(page.locator(".jp-Costmeter")).to_be_visible()
    run_cell(page, 0)
    settled(page, "session", 1)
    run_cell(page, 1)
    page.locator(".jp-Costmeter-running").wait_for(timeout=9000)
    shot(page, "notebook7")
    settled(page, "notebook", 2)


def test_the_saved_notebook_holds_nothing_of_ours(open_notebook: OpenNotebook, lab: Server) -> None:
    page = open_notebook(LOAD, "print('mine')")
    run_cell(page, 0)
    run_cell(page, 1)
    settled(page, "session", 2)
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    saved: dict[str, Any] = json.loads((lab.work / page.notebook).read_text())  # type: ignore[attr-defined]
    outputs = [c["outputs"] for c in saved["cells"]]
    assert outputs[0] == []
    assert [o["text"] for o in outputs[1]] == [["mine\n"]]
    assert "costmeter" not in json.dumps([c["metadata"] for c in saved["cells"]])
