"""The sidebar as a person uses it, against the ledger's own figures."""

from __future__ import annotations

import csv
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from browsing import ROOT, SHOTS, Server, dark, narrow, notebook, run_cell, serve, settled, shot, show_panel, visit
from nvml.sim import SimulatedNvml, build
from playwright.sync_api import Browser, Page, expect

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
OpenNotebook = Callable[..., Page]


def ledger_of(server: Server) -> Ledger:
    return open_ledger(server.data / "costmeter" / "ledger.sqlite")


def figure(page: Page, scope: str, name: str) -> float:
    text = page.locator(f'tr[data-scope="{scope}"] [data-name="{name}"]').first.get_attribute("data-value")
    assert text, f"{scope} {name} is empty"
    return float(text)


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


@pytest.fixture
def gpu_lab(tmp_path: Path) -> Iterator[tuple[Server, SimulatedNvml]]:
    """A JupyterLab on a machine with two (simulated) GPUs at 300 W."""
    sim = SimulatedNvml(build(tmp_path / "library"), tmp_path / "nvml", gpus=2)
    sim.set(power_w=300.0, utilization=80.0)
    (tmp_path / "root").mkdir()
    for server in serve(tmp_path / "root", "jupyterlab", **sim.env()):
        yield server, sim


def test_a_gpu_in_the_panel(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    server, sim = gpu_lab
    (server.work / "work.ipynb").write_text(notebook(LOAD, "import time, os; time.sleep(6)", "time.sleep(2)"))
    visit(page, server, "work.ipynb")
    run_cell(page, 0)
    settled(page, "session", 1)
    (kernel,) = [p for p in psutil.Process(server.process.pid).children() if "ipykernel" in " ".join(p.cmdline())]
    sim.process(0, kernel.pid, 14 << 30)
    run_cell(page, 1)
    page.wait_for_timeout(2000)
    expect(page.locator(".jp-Costmeter-running .jp-Costmeter-power")).to_contain_text("30")  # 300 W and the CPU's
    shot(page, "gpu-running")
    settled(page, "session", 2)
    settled(page, "notebook", 2)
    shot(page, "gpu")
    records = list(ledger_of(server).records(Selection("all")))
    before, record = (next(r for r in records if r.cell_id == f"cell-{i}") for i in (0, 1))
    joules = {r.id: sum(f.value or 0.0 for f in r.usage.figures if f.name == "gpu_energy_j") for r in records}
    cell = joules.pop(record.id)
    assert cell == pytest.approx(300 * record.wall_s, rel=0.02)
    # the GPU was the kernel's for some of the time between the cells, too: held idle
    between = sum(joules.values())
    assert 0 <= between <= 300 * 1.02 * (record.started_at - before.started_at - before.wall_s)
    assert figure(page, "session", "gpu_energy_j") == pytest.approx(cell + between)
    expect(page.locator(".jp-Costmeter-note[data-kind=gpu]")).to_have_count(0)


#: What the kernel says of its idle GPUs, as if its clock were ahead by as much as the file says.
AHEAD = """
from dataclasses import replace
session = get_ipython().costmeter.session
held = session.held
ahead = lambda: float(open("ahead").read())
session.held = lambda: tuple(replace(h, idle_s=h.idle_s + ahead(), busy_share=h.busy_share) for h in held())
"""
#: The page's clock is ahead by as much.
CLOCK = """
window.ahead = 0;
const now = performance.now.bind(performance);
performance.now = () => now() + 1000 * window.ahead;
"""


def test_where_it_went_and_a_gpu_that_is_held_idle(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    server, sim = gpu_lab
    (server.work / "ahead").write_text("0")
    (server.work / "work.ipynb").write_text(notebook(LOAD, AHEAD, "import time; time.sleep(5)", "time.sleep(3)"))
    page.add_init_script(CLOCK)
    visit(page, server, "work.ipynb")
    run_cell(page, 0)
    settled(page, "session", 1)
    (kernel,) = [p for p in psutil.Process(server.process.pid).children() if "ipykernel" in " ".join(p.cmdline())]
    run_cell(page, 1)
    settled(page, "session", 2)
    sim.process(0, kernel.pid, 14 << 30)
    run_cell(page, 2)
    settled(page, "session", 3)
    sim.set(power_w=55.0, utilization=0.0)
    idle_since = time.monotonic()
    page.wait_for_timeout(11_000)  # a gap of 10 s is a record of its own
    sim.set(power_w=300.0, utilization=80.0)
    idle_s = time.monotonic() - idle_since
    run_cell(page, 3)
    settled(page, "session", 4)
    sim.set(power_w=55.0, utilization=0.0)
    settled(page, "notebook", 4)
    page.wait_for_timeout(3000)
    assert_as_simulated(page, server, sim, idle_s)
    shot(page, "buckets")

    expect(page.locator(".jp-Costmeter-held")).to_have_count(0)  # not a minute yet
    page.locator('.jp-SideBar [data-id="jupyter-costmeter"]').click()
    (server.work / "ahead").write_text("3000")
    page.evaluate("window.ahead = 3000")
    page.locator('.jp-SideBar [data-id="jupyter-costmeter"]').click()
    note = page.locator(".jp-Costmeter-held")
    expect(note).to_contain_text("This kernel has held 15.0 GB on a GPU (NVIDIA A100-SXM4-40GB) for 50 min")
    expect(note).to_contain_text(re.compile(r"cell\. (At most )?(< 1|\d) % of it was used"))
    expect(note).to_contain_text("torch.cuda.empty_cache()")
    shot(page, "held")
    before = float(note.locator("[data-idle]").get_attribute("data-idle") or "nan")
    page.wait_for_timeout(10_500)
    after = float(note.locator("[data-idle]").get_attribute("data-idle") or "nan")
    assert 0 < after - before <= 20  # each ten seconds
    narrow(page, 200)
    assert page.locator(".jp-Costmeter").evaluate("e => e.scrollWidth <= e.clientWidth")
    shot(page, "held-narrow")
    run_cell(page, 3)
    expect(note).to_have_count(0)
    settled(page, "session", 5)
    expect(note).to_have_count(1)  # the clocks are still ahead
    sim.process(0, kernel.pid, None)


def assert_as_simulated(page: Page, server: Server, sim: SimulatedNvml, idle_s: float) -> None:
    """What the panel shows of the GPU, against the simulation's exact integral over the ledger's times.

    The CPU's and the memory's joules are few.
    """
    ahead = time.time() - time.monotonic()
    cells = [r for r in ledger_of(server).records(Selection("all")) if r.bucket == "cell"]
    (third, fourth) = [(r.started_at - ahead, r.started_at - ahead + r.wall_s) for r in cells[2:]]
    truth = [sim.energy_j(0, end) - sim.energy_j(0, start) for start, end in (third, fourth, (third[1], fourth[0]))]
    for scope in ("session", "notebook", "project"):
        parts = {name: figure(page, scope, f"energy_j.{name}") for name in ("cell", "held_idle", "background")}
        assert parts["cell"] == pytest.approx(truth[0] + truth[1], rel=0.03)
        assert parts["held_idle"] + parts["background"] == pytest.approx(truth[2], rel=0.05)
        assert parts["held_idle"] > 55.0 * idle_s * 0.9
        assert sum(parts.values()) == pytest.approx(figure(page, scope, "energy_j"))
        bar = page.locator(f'tr[data-scope="{scope}"] .jp-Costmeter-buckets [data-bucket=held_idle]')
        share = float(bar.get_attribute("data-share") or "nan")
        assert share == pytest.approx(parts["held_idle"] / sum(parts.values()))
    used = page.locator(".jp-Costmeter-used")
    expect(used).to_contain_text("used ~")  # not a bound
    held_s = fourth[1] - third[0]
    assert float(used.get_attribute("data-held") or "nan") == pytest.approx(held_s, rel=0.05)
    assert float(used.get_attribute("data-share") or "nan") == pytest.approx(0.8 * (1 - idle_s / held_s), rel=0.1)


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
