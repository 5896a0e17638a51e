"""Budgets in the sidebar: set, warned of, held, raised, paused and deleted, and what spent them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from browsing import Server, dark, narrow, notebook, run_cell, serve, settled, shot, show_panel, visit
from nvml.sim import SimulatedNvml, build
from playwright.sync_api import Locator, Page, expect

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
CONFIG = "jupyter_costmeter.toml"
#: A moment of the simulated GPU, and one that leaves a trace.
SLEEP = "import time; time.sleep({})"
TRACE = "import pathlib; pathlib.Path('trace').open('a').write('x'); print('it ran')"
SOON = 20_000


@pytest.fixture(scope="module")
def gpu_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, SimulatedNvml]]:
    """A JupyterLab on a machine with a (simulated) GPU, all whose time a kernel holds once it has been told of."""
    root = tmp_path_factory.mktemp("budgets")
    sim = SimulatedNvml(build(root / "library"), root / "nvml", gpus=1)
    sim.set(power_w=300.0, utilization=80.0)
    (root / "root").mkdir()
    for server in serve(root / "root", "jupyterlab", **sim.env()):
        yield server, sim


Opened = Callable[..., None]


@pytest.fixture
def opened(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> Opened:
    """Opens a project's notebook with the meter loaded, whose kernel holds the GPU; the cells count from 1."""
    server, sim = gpu_lab

    def open_it(name: str, *cells: str, holds: bool = True) -> None:
        before = kernels(server)
        (server.work / name).mkdir()
        (server.work / name / "pyproject.toml").write_text("")
        (server.work / name / "work.ipynb").write_text(notebook(LOAD, *cells))
        visit(page, server, f"{name}/work.ipynb")
        run_cell(page, 0)
        settled(page, "session", 1)
        if holds:
            (kernel,) = kernels(server) - before
            sim.process(0, kernel, 14 << 30)

    return open_it


def kernels(server: Server) -> set[int]:
    children = psutil.Process(server.process.pid).children()
    return {p.pid for p in children if "ipykernel" in " ".join(p.cmdline())}


def own_file(server: Server) -> Path:
    return server.data.parent / "config" / CONFIG


def rows(file: Path) -> list[dict[str, Any]]:
    return list(tomllib.loads(file.read_text()).get("budget", [])) if file.exists() else []


def set_budget(page: Page, limit: str, **more: str) -> None:
    """By the panel's form."""
    page.get_by_role("button", name="Add a budget").click()
    form = page.get_by_role("form", name="A new budget")
    for name, value in more.items():
        field = form.locator(f"[name={name}]")
        if field.evaluate("e => e.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    form.locator("[name=limit]").fill(limit)
    page.keyboard.press("Enter")
    expect(form).to_have_count(0, timeout=SOON)


def budget(page: Page, name: str) -> Locator:
    return page.locator(f'.jp-Costmeter-budget[data-name="{name}"]')


def toast(page: Page) -> Locator:
    return page.locator(".Toastify__toast", has_text="Budget")


def deed(page: Page, label: str) -> Locator:
    return toast(page).locator(".jp-toast-button", has_text=label)


def status(page: Page) -> Locator:
    return page.locator(".jp-Costmeter-statusBudget")


def output(page: Page, index: int) -> Locator:
    return page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-OutputArea")


def test_set_with_validation(gpu_lab: tuple[Server, SimulatedNvml], opened: Opened, page: Page) -> None:
    server, _ = gpu_lab
    opened("set", holds=False)
    panel = page.locator(".jp-Costmeter-budgets")
    expect(panel).to_contain_text("No budget is set.", timeout=SOON)
    page.get_by_role("button", name="Add a budget").click()
    limit = page.locator("form [name=limit]")
    expect(limit).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-mistake=limit]")).to_have_text("Say how much there is.")
    expect(limit).to_have_attribute("aria-invalid", "true")
    limit.fill("much")
    expect(page.locator("[data-mistake=limit]")).to_contain_text("a number, such as 20")
    shot(page, "budgets-mistake")
    limit.fill("2")
    expect(page.locator("[data-mistake]")).to_have_count(0)
    page.locator("form [name=name]").fill("thesis")
    page.keyboard.press("Enter")
    row = budget(page, "thesis")
    expect(row).to_have_attribute("data-state", "ok", timeout=SOON)
    expect(row).to_contain_text("of 2 GPU-h")
    (kept,) = rows(own_file(server))
    assert (kept["gpu_hours"], kept["per"], kept["scope"], kept["name"]) == (2, "week", "project", "thesis")
    # Escape leaves the form, and what the server refuses is told in it
    row.locator("[data-deed=edit]").click()
    page.keyboard.press("Escape")
    expect(page.locator(".jp-Costmeter-budgetForm")).to_have_count(0)
    delete(page, row)
    assert rows(own_file(server)) == []


def delete(page: Page, row: Locator) -> None:
    row.locator("[data-deed=delete]").click()
    page.locator(".jp-Dialog .jp-mod-warn").click()
    expect(row).to_have_count(0, timeout=SOON)


def test_shared_with_the_project(gpu_lab: tuple[Server, SimulatedNvml], opened: Opened, page: Page) -> None:
    server, _ = gpu_lab
    opened("shared", holds=False)
    page.get_by_role("button", name="Add a budget").click()
    page.locator("form [name=limit]").fill("3")
    page.locator("form [name=name]").fill("ours")
    page.locator("form [name=shared]").check()
    page.keyboard.press("Enter")
    expect(budget(page, "ours")).to_have_count(1, timeout=SOON)
    (kept,) = rows(server.work / "shared" / CONFIG)
    assert kept["name"] == "ours"
    delete(page, budget(page, "ours"))


def test_warned_held_raised_paused_and_deleted(
    gpu_lab: tuple[Server, SimulatedNvml], opened: Opened, page: Page
) -> None:
    server, _ = gpu_lab
    opened("hold", SLEEP.format(20), TRACE)
    # 14.4 s of the GPU
    set_budget(page, "0.004", name="small")
    row = budget(page, "small")
    run_cell(page, 1)
    expect(toast(page)).to_contain_text("small", timeout=SOON)
    expect(status(page)).to_have_class(re.compile("jp-mod-near"), timeout=SOON)
    expect(row).to_have_attribute("data-state", "near", timeout=SOON)
    expect(toast(page)).to_have_count(1, timeout=SOON)  # the one of 80 % has taken the place of that of 50 %
    shot(page, "budgets-warned")
    expect(status(page)).to_have_class(re.compile("jp-mod-over"), timeout=SOON)
    expect(status(page)).to_contain_text("of the week's budget")
    settled(page, "session", 2)
    assert toast(page).count() == 1
    deed(page, "Hold").click()
    expect(row.locator("[data-deed=extend]")).to_be_visible(timeout=SOON)
    (kept,) = rows(own_file(server))
    assert kept["hold"] == "ask"

    run_cell(page, 2)
    expect(deed(page, "Go on")).to_be_visible(timeout=SOON)
    expect(output(page, 2)).to_contain_text("small")
    assert not (server.work / "hold" / "trace").exists()
    shot(page, "budgets-held")
    deed(page, "Go on").click()
    expect(row.locator("[data-deed=extend]")).to_have_count(0, timeout=SOON)
    run_cell(page, 2)
    expect(output(page, 2)).to_contain_text("it ran", timeout=SOON)
    assert (server.work / "hold" / "trace").read_text() == "x"

    row.locator("[data-deed=edit]").click()
    expect(page.locator("form [name=limit]")).to_be_focused()
    page.keyboard.type("1")  # the old limit is selected
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("data-state", "ok", timeout=SOON)
    assert rows(own_file(server))[0]["gpu_hours"] == 1
    row.locator("[data-deed=pause]").click()
    expect(row).to_have_attribute("data-state", "paused", timeout=SOON)
    assert rows(own_file(server))[0]["paused"] is True
    row.locator("[data-deed=pause]").click()
    expect(row).to_have_attribute("data-state", "ok", timeout=SOON)
    delete(page, row)
    assert rows(own_file(server)) == []


def test_raised_from_a_notification_with_the_panel_hidden(opened: Opened, page: Page) -> None:
    opened("raise", SLEEP.format(9))
    set_budget(page, "0.002", name="tiny")
    page.locator('.jp-SideBar [data-id="jupyter-costmeter"]').click()
    expect(page.locator(".jp-Costmeter")).not_to_be_visible()
    run_cell(page, 1)
    expect(deed(page, "Raise")).to_be_visible(timeout=SOON)
    deed(page, "Raise").click()
    limit = page.locator("form [name=limit]")
    expect(limit).to_be_focused(timeout=SOON)
    limit.fill("1")
    page.keyboard.press("Enter")
    expect(budget(page, "tiny")).to_have_attribute("data-state", "ok", timeout=SOON)
    delete(page, budget(page, "tiny"))


def test_many_budgets_at_once_are_no_storm_and_all_are_in_the_panel(
    gpu_lab: tuple[Server, SimulatedNvml], opened: Opened, page: Page
) -> None:
    server, _ = gpu_lab
    opened("storm", SLEEP.format(6))
    file = server.work / "storm" / CONFIG
    file.write_text("".join(f'[[budget]]\ngpu_hours = {n / 1e4}\nname = "b{n}"\n' for n in range(1, 7)))
    expect(budget(page, "b6")).to_be_visible(timeout=2 * SOON)  # a file is looked at now and then
    page.locator('.jp-SideBar [data-id="jupyter-costmeter"]').click()
    expect(page.locator(".jp-Costmeter")).not_to_be_visible()
    run_cell(page, 1)
    rest = page.locator(".Toastify__toast", has_text="more budgets have reached a threshold")
    expect(rest).to_be_visible(timeout=SOON)
    expect(page.locator(".jp-Notebook .jp-InputPrompt").nth(1)).to_have_text("[2]:", timeout=SOON)
    page.wait_for_timeout(3000)  # they fade away
    toasts = page.locator(".Toastify__toast", has_text=re.compile("budget", re.IGNORECASE))
    assert toasts.count() == 4, toasts.all_inner_texts()
    shot(page, "budgets-storm")
    rest.locator(".jp-toast-button", has_text="All budgets").click()
    expect(page.locator(".jp-Costmeter")).to_be_visible()
    expect(budget(page, "b1")).to_be_in_viewport(timeout=SOON)
    for n in range(1, 7):
        expect(budget(page, f"b{n}")).to_have_attribute("data-state", "over", timeout=SOON)
    file.unlink()
    expect(budget(page, "b1")).to_have_count(0, timeout=2 * SOON)


def test_a_gpu_held_idle_spends_the_sessions_own_budget_and_is_warned_of(opened: Opened, page: Page) -> None:
    """Nothing runs: the panel, which is open, is the only one that looks."""
    opened("rest", SLEEP.format(1))
    run_cell(page, 1)
    settled(page, "session", 2)
    set_budget(page, "0.008", name="resting", scope="session", per="session")  # 29 GPU-s
    expect(toast(page).filter(has_text="resting")).to_be_visible(timeout=3 * SOON)
    expect(budget(page, "resting")).to_have_attribute("data-state", "over", timeout=3 * SOON)
    expect(toast(page).filter(has_text=re.compile(r"resting.* over"))).to_be_visible(timeout=2 * SOON)
    delete(page, budget(page, "resting"))
    expect(toast(page).filter(has_text="resting")).to_have_count(0, timeout=SOON)


PICTURE = "display(Image(base64.b64decode('{}')))"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
MADE = "import base64, time; from IPython.display import Image; time.sleep({}); print('first\\nprecious'); "


def test_a_hold_costs_no_cell_its_output(gpu_lab: tuple[Server, SimulatedNvml], opened: Opened, page: Page) -> None:
    server, _ = gpu_lab
    opened("kept", MADE.format(3) + PICTURE.format(PIXEL), "print('next'); 1234", "print('without'); 'ran'", "")
    for index, words in ((1, "precious"), (2, "1234")):
        run_cell(page, index)
        expect(output(page, index)).to_contain_text(words, timeout=SOON)
    set_budget(page, "0.0003", name="spent")
    row = budget(page, "spent")
    row.locator("[data-deed=edit]").click()
    page.locator("form").get_by_label("Ask").check()
    page.locator("form [name=limit]").press("Enter")
    expect(row.locator("[data-deed=extend]")).to_be_visible(timeout=SOON)

    page.keyboard.press("Escape")
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputPrompt").click()
    run_all(page)
    expect(output(page, 1)).to_contain_text("BudgetHold", timeout=SOON)
    expect(output(page, 1)).to_contain_text("first\nprecious", timeout=SOON)
    expect(output(page, 1).locator("img")).to_have_count(1)
    expect(output(page, 2)).to_contain_text("next", timeout=SOON)  # it was cancelled
    expect(output(page, 2)).not_to_contain_text("BudgetHold")
    shot(page, "budgets-kept")

    run_cell(page, 2)
    expect(output(page, 2)).to_contain_text("BudgetHold", timeout=SOON)
    expect(output(page, 2)).to_contain_text("1234", timeout=SOON)
    page.keyboard.press("Control+s")
    held, cancelled = (kept_outputs(server, index) for index in (1, 2))
    assert [one["output_type"] for one in held] == ["error", "stream", "display_data"]
    assert held[1]["text"] == ["first\n", "precious\n"]
    assert held[2]["data"]["image/png"].strip() == PIXEL
    assert [one["output_type"] for one in cancelled] == ["error", "stream", "execute_result"]
    run_cell(page, 2)  # within the minute: it goes on, and has its own output alone
    expect(output(page, 2)).not_to_contain_text("BudgetHold", timeout=SOON)
    expect(output(page, 2)).to_contain_text("1234", timeout=SOON)
    delete(page, row)


def run_all(page: Page) -> None:
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()


def kept_outputs(server: Server, index: int) -> list[dict[str, Any]]:
    """Those of a cell in the notebook's file, once it has been saved with an error in it."""
    file = server.work / "kept" / "work.ipynb"
    for _ in range(100):
        outputs = json.loads(file.read_text())["cells"][index]["outputs"]
        if any(one["output_type"] == "error" for one in outputs):
            return list(outputs)
        time.sleep(0.1)
    raise AssertionError("it was not saved")


def choose(tab: Locator) -> None:
    """Again if the panel, which has news every few seconds, moved it from under the pressed button."""
    for timeout in (1500, 5000):
        tab.click()
        with suppress(AssertionError):
            expect(tab).to_have_attribute("aria-selected", "true", timeout=timeout)
            return
    expect(tab).to_have_attribute("aria-selected", "true")


def test_what_spent_it(opened: Opened, page: Page) -> None:
    opened("spent", SLEEP.format(6), SLEEP.format(2) + "; raise ValueError('no')", SLEEP.format(1))
    for index in (1, 2, 3):
        run_cell(page, index)
        settled(page, "session", index + 1)
    set_budget(page, "0.01", name="known")
    row = budget(page, "known")
    row.locator("[data-deed=dearest]").click()
    spent = row.locator(".jp-Costmeter-spent")
    expect(spent.locator(".jp-Costmeter-chart canvas").first).to_be_visible(timeout=SOON)
    dearest = spent.locator("button.jp-Costmeter-cell").first
    expect(dearest).to_have_attribute("data-cell-id", "cell-1")
    expect(spent.locator('[data-outcome="error"]').first).to_be_visible()
    between = spent.locator(".jp-Costmeter-cell", has_text=re.compile("held idle|background"))
    expect(between.first).to_be_visible()
    expect(between.locator('[data-name="runs"]').filter(has_text="run")).to_have_count(0)  # nothing is run there
    shot(page, "budgets-spent")
    dearest.click()
    expect(page.locator(".jp-Notebook .jp-Cell.jp-mod-active")).to_contain_text("time.sleep(6)")
    for by in ("notebook", "day", "outcome", "device", "label", "category", "method", "run"):
        choose(spent.locator(f'[data-by="{by}"]'))
        expect(spent).to_have_attribute("aria-busy", "false", timeout=SOON)
        expect(spent.locator(".jp-Costmeter-error")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(spent.locator('[data-by="cell"]')).to_be_focused()
    assert page.evaluate("typeof window.Bokeh") == "undefined"  # a notebook's own is not ours
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".cm-content").click()
    expect(page.locator(".jp-Costmeter-forecast")).to_contain_text("Next run of this cell", timeout=SOON)
    narrow(page, 200)
    shot(page, "budgets-narrow")
    with dark(page):
        show_panel(page)
        shot(page, "budgets-dark")
    fold = page.locator('[data-section="budgets"] .jp-Costmeter-fold')
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "false")  # although something in it is open
    fold.click()
    expect(spent).to_be_visible()
    row.locator("[data-deed=dearest]").click()
    expect(spent).to_have_count(0)
    row.locator("[data-deed=dearest]").click()
    expect(spent).to_be_visible(timeout=SOON)
    delete(page, row)
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "false")
