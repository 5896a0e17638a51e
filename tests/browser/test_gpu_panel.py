"""The panel with two simulated GPUs: against the simulation's own joules, and a GPU that is held idle."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from browsing import (
    Server,
    figure,
    ledger_of,
    narrow,
    notebook,
    run_cell,
    serve,
    settled,
    shot,
    visit,
)
from nvml.sim import SimulatedNvml, build
from playwright.sync_api import Page, expect

from jupyter_costmeter.ledger import Selection

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"


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
