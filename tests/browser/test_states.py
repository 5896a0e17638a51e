"""Where the panel stands when not all is well: one sentence, and one button that helps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from browsing import Server, dark, narrow, notebook, run_cell, serve, settled, shot, show_panel, visit
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
TOTALS = "**/jupyter_costmeter/api/totals**"
OpenNotebook = Callable[..., Page]
#: A kernel without IPython: ipykernel's base class, which answers and runs nothing.
FOREIGN = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class Echo(Kernel):
    implementation, implementation_version, banner = "echo", "1", ""
    language_info = {"name": "text", "mimetype": "text/plain", "file_extension": ".txt"}

    async def do_execute(self, code, silent, *args, **kwargs):
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}

IPKernelApp.launch_instance(kernel_class=Echo)
"""
#: A kernel that starts only while its file is there.
MORTAL = """
import sys
from pathlib import Path
from ipykernel.kernelapp import launch_new_instance

if not Path(__file__).with_name("lives").exists():
    sys.exit(1)
launch_new_instance()
"""


@contextmanager
def kernelspec(server: Server, name: str, source: str) -> Iterator[Path]:
    """A kernel of that name whose program that is; answers its folder."""
    folder = server.data / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "program.py").write_text(source)
    argv = [sys.executable, str(folder / "program.py"), "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))
    try:
        yield folder
    finally:
        (folder / "kernel.json").unlink()


def open_with(page: Page, server: Server, kernel: str, *cells: str) -> None:
    """A new notebook for that kernel."""
    made = json.loads(notebook(*cells))
    made["metadata"]["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
    (server.work / f"{kernel}.ipynb").write_text(json.dumps(made))
    visit(page, server, f"{kernel}.ipynb")


def looks(page: Page, name: str) -> None:
    """How it looks, light, dark and narrow."""
    shot(page, f"state-{name}")
    with dark(page):
        shot(page, f"state-{name}-dark")
    before = page.locator(".jp-Costmeter").evaluate("panel => panel.style.cssText")
    narrow(page, 200)
    shot(page, f"state-{name}-narrow")
    page.locator("style").last.evaluate("style => style.remove()")
    assert page.locator(".jp-Costmeter").evaluate("panel => panel.style.cssText") == before


def test_without_a_notebook_it_makes_one(open_notebook: OpenNotebook) -> None:
    page = open_notebook("1")
    page.locator(".lm-TabBar-tabCloseIcon:visible").last.click()
    discard = page.locator(".jp-Dialog button", has_text="Discard")
    if discard.is_visible():
        discard.click()
    state = page.locator('.jp-Costmeter-state[data-state="no-notebook"]')
    expect(state).to_have_text("Open a notebook to see its cost.", timeout=10_000)
    shot(page, "state-no-notebook")
    page.locator('.jp-Costmeter [data-deed="help"]', has_text="New notebook").click()
    page.locator(".jp-CodeCell").first.wait_for(timeout=20_000)
    page.locator(".jp-Dialog", has_text="Select Kernel").locator(".jp-mod-accept").click(timeout=20_000)
    expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=20_000)


def test_without_a_kernel_it_offers_to_choose_one(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD)
    run_cell(page, 0)
    settled(page, "session", 1)
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").click()
    page.locator(".lm-Menu-itemLabel", has_text="Shut Down Kernel").click()
    state = page.locator('.jp-Costmeter-state[data-state="no-kernel"]')
    expect(state).to_have_text("This notebook has no kernel.", timeout=20_000)
    shot(page, "state-no-kernel")
    page.locator('.jp-Costmeter [data-deed="help"]').click()
    expect(page.locator(".jp-Dialog", has_text="Select Kernel")).to_be_visible(timeout=10_000)
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=30_000)


def test_offline_it_keeps_what_it_knew_and_tries_again(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD, "1 + 1", "2 + 2")
    for index in range(2):
        run_cell(page, index)
    settled(page, "notebook", 2)
    page.route(TOTALS, lambda route: route.abort())
    run_cell(page, 2)
    warning = page.locator('.jp-Costmeter-warning[data-kind="server"]')
    expect(warning).to_contain_text("Offline: the server does not answer", timeout=20_000)
    settled(page, "notebook", 2)  # as they last were
    settled(page, "session", 3)
    shot(page, "state-offline")
    page.unroute(TOTALS)
    warning.locator('[data-deed="retry"]').click()
    expect(warning).to_have_count(0, timeout=20_000)
    settled(page, "notebook", 3)


def test_a_server_that_dies_is_said_and_the_clock_stands(page: Page, tmp_path: Path) -> None:
    for server in serve(tmp_path, "jupyterlab"):
        (server.work / "work.ipynb").write_text(notebook(LOAD, "import time; time.sleep(120)"))
        visit(page, server, "work.ipynb")
        run_cell(page, 0)
        settled(page, "session", 1)
        page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        clock = page.locator(".jp-Costmeter-elapsed")
        expect(clock).to_be_visible(timeout=20_000)
        server.process.kill()
        warning = page.locator('.jp-Costmeter-warning[data-kind="server"]')
        expect(warning).to_contain_text("Offline: the server does not answer", timeout=60_000)
        expect(warning.locator("button")).to_have_text("Try again")
        expect(clock).to_contain_text("≥", timeout=30_000)
        stood = clock.get_attribute("data-elapsed")
        page.wait_for_timeout(3000)
        assert clock.get_attribute("data-elapsed") == stood
        assert page.locator(".jp-Costmeter-warning").count() == 1
        page.locator(".jp-Dialog button", has_text="Close").click(timeout=60_000)  # JupyterLab's own
        shot(page, "state-server-gone")  # the dark theme would have to come from the server
        narrow(page, 200)
        shot(page, "state-server-gone-narrow")


def test_another_version_says_which_to_upgrade(open_notebook: OpenNotebook, lab: Server) -> None:
    page = open_notebook(LOAD)

    def newer(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps({**answer.json(), "schema": 2}))

    page.route(TOTALS, newer)
    run_cell(page, 0)
    warning = page.locator('.jp-Costmeter-warning[data-kind="server"]')
    expect(warning).to_contain_text("This page is older than the server's jupyter_costmeter", timeout=20_000)
    expect(warning.locator('[data-deed="reload"]')).to_have_text("Reload the page")
    settled(page, "session", 1)  # what the kernel tells is shown nevertheless
    page.unroute(TOTALS)
    page.reload()
    show_panel(page)
    settled(page, "notebook", 1)


def test_a_dead_kernel_is_said_and_can_be_restarted(page: Page, lab: Server) -> None:
    with kernelspec(lab, "mortal", MORTAL) as folder:
        (folder / "lives").touch()
        open_with(page, lab, "mortal", LOAD, "1 + 1")
        run_cell(page, 0)
        settled(page, "session", 1)
        (folder / "lives").unlink()
        children = psutil.Process(lab.process.pid).children()
        next(p for p in children if "mortal" in " ".join(p.cmdline())).kill()
        state = page.locator('.jp-Costmeter-state[data-state="dead"]')
        dialog = page.locator(".jp-Dialog", has_text="Kernel Restarting")  # JupyterLab's, at each of its tries
        page.add_locator_handler(dialog, lambda found: found.locator(".jp-mod-accept").click())
        expect(state).to_have_text("The kernel has died.", timeout=90_000)
        page.wait_for_timeout(2000)
        shot(page, "state-dead")
        page.locator('.jp-Costmeter [data-deed="help"]', has_text="Restart the kernel").click()
        expect(page.locator(".jp-Dialog", has_text="Restart Kernel?")).to_be_visible(timeout=10_000)


def test_a_kernel_without_ipython_is_said_and_another_can_be_chosen(page: Page, lab: Server) -> None:
    with kernelspec(lab, "foreign", FOREIGN):
        open_with(page, lab, "foreign", "anything")
        state = page.locator('.jp-Costmeter-state[data-state="foreign"]')
        expect(state).to_have_text("This kernel is not IPython, so its cells cannot be metered.", timeout=30_000)
        assert page.locator(".jp-Costmeter button:visible").count() == 1
        looks(page, "foreign")
        page.locator('.jp-Costmeter [data-deed="help"]', has_text="Choose another kernel").click()
        dialog = page.locator(".jp-Dialog", has_text="Select Kernel")
        expect(dialog).to_be_visible(timeout=10_000)
        dialog.locator("select").select_option(label="Python 3 (ipykernel)")
        dialog.locator(".jp-mod-accept").click()
        expect(page.locator(".jp-Costmeter-load")).to_be_visible(timeout=30_000)


def test_a_ledger_that_cannot_be_written_is_said_until_it_can(page: Page, tmp_path: Path) -> None:
    """A file stands where its folder is to be, which stops root as well."""
    folder = tmp_path / "ledgers"
    folder.write_text("")
    for server in serve(tmp_path, "jupyterlab", JUPYTER_COSTMETER_LEDGER=str(folder / "ledger.sqlite")):
        (server.work / "work.ipynb").write_text(notebook(LOAD, "1 + 1"))
        visit(page, server, "work.ipynb")
        for index in range(2):
            run_cell(page, index)
            settled(page, "session", index + 1)
        warning = page.locator(".jp-Costmeter-warning")
        expect(warning).to_have_count(1, timeout=40_000)  # kernel and server say the same
        expect(warning).to_contain_text("The ledger ledger.sqlite cannot be used (File exists)")
        assert warning.get_attribute("title") == str(folder / "ledger.sqlite")
        expect(warning).to_contain_text("check the folder's permissions and free space")
        expect(warning).to_contain_text("wait in memory until it can be written")
        looks(page, "unwritable")
        again = warning.locator("button", has_text="Try again")
        again.focus()
        page.keyboard.press("Enter")
        expect(again).to_have_text("Try again", timeout=10_000)
        assert again.evaluate("button => button === document.activeElement")
        folder.unlink()
        again.click()
        expect(warning).to_have_count(0, timeout=10_000)  # at once, not with the writer's own next try
        settled(page, "notebook", 2)


def test_a_simulated_gpu_is_always_said(page: Page, tmp_path: Path) -> None:
    for server in serve(tmp_path, "jupyterlab", JUPYTER_COSTMETER_REPLAY="demo"):
        (server.work / "work.ipynb").write_text(notebook(LOAD, "1 + 1"))
        visit(page, server, "work.ipynb")
        run_cell(page, 0)
        note = page.locator('.jp-Costmeter-note[data-kind="simulated"]')
        expect(note).to_contain_text("The GPU is simulated: its figures are invented.", timeout=20_000)
        settled(page, "notebook", 1)
        note.locator("button", has_text="What is this?").click()
        expect(note).to_contain_text("unset JUPYTER_COSTMETER_REPLAY where JupyterLab is started")
        looks(page, "simulated")


def test_no_gpu_is_a_quiet_line(open_notebook: OpenNotebook) -> None:
    page = open_notebook(LOAD)
    run_cell(page, 0)
    settled(page, "session", 1)
    note = page.locator('.jp-Costmeter-note[data-kind="gpu"]')
    expect(note).to_contain_text("No GPU", timeout=20_000)
    assert page.locator(".jp-Costmeter-warning").count() == 0
    assert note.locator("button").count() == 1
    note.locator("button", has_text="What is needed?").focus()
    page.keyboard.press("Enter")
    expect(note).to_contain_text("%cost doctor in a cell says what each part lacks")
    looks(page, "no-gpu")


#: A kernel whose ledger is not the server's, as on another machine, and one whose meter speaks a newer language.
REMOTE = """
import os, socket
from pathlib import Path
from ipykernel.kernelapp import launch_new_instance

os.environ["JUPYTER_COSTMETER_LEDGER"] = str(Path(__file__).with_name("ledger.sqlite"))
socket.gethostname = lambda: "node7"
launch_new_instance()
"""
NEWER = """
from ipykernel.kernelapp import launch_new_instance
from jupyter_costmeter import wire

wire.SCHEMA = 2
launch_new_instance()
"""


def test_a_remote_kernel_tells_its_own_and_the_ledger_says_what_it_lacks(page: Page, lab: Server) -> None:
    with kernelspec(lab, "remote", REMOTE) as folder:
        open_with(page, lab, "remote", LOAD, "1 + 1", "2 + 2")
        for index in range(2):
            run_cell(page, index)
            settled(page, "session", index + 1)  # by the kernel's own messages
        warning = page.locator('.jp-Costmeter-warning[data-kind="lacking"]')
        expect(warning).to_contain_text(
            "This kernel's records are not in the server's ledger (it runs on node7).", timeout=60_000
        )
        assert page.locator(".jp-Costmeter-warning").count() == 1
        expect(warning.locator("button")).to_have_text("Ask again")
        figure = page.locator('tr[data-scope="notebook"] [data-name="energy_j"]').first
        expect(figure).to_have_attribute("data-value", "")  # not known, and no zero
        looks(page, "remote")
        warning.locator("button").click()
        expect(warning.locator("button")).to_have_text("Ask again", timeout=20_000)
        run_cell(page, 2)
        settled(page, "session", 3)
        assert (folder / "ledger.sqlite").exists()


def test_a_newer_kernel_says_that_jupyterlab_is_to_be_upgraded(page: Page, lab: Server) -> None:
    with kernelspec(lab, "newer", NEWER):
        open_with(page, lab, "newer", LOAD)
        run_cell(page, 0)
        warning = page.locator('.jp-Costmeter-warning[data-kind="wire"]')
        expect(warning).to_contain_text(
            "The kernel's jupyter_costmeter is newer than JupyterLab's: upgrade it where JupyterLab runs.",
            timeout=30_000,
        )
        expect(warning.locator("button")).to_have_text("Reload the page")
        assert page.locator(".jp-Costmeter-warning").count() == 1
        looks(page, "newer-kernel")


def test_a_kernel_that_is_restarted_more_than_once_can_be_metered(page: Page, lab: Server) -> None:
    """It dies while it is restarted, and is then on other ports than JupyterLab's connection leads to."""
    with kernelspec(lab, "again", MORTAL) as folder:
        (folder / "lives").touch()
        open_with(page, lab, "again", LOAD)
        run_cell(page, 0)
        settled(page, "session", 1)
        (folder / "lives").unlink()
        children = psutil.Process(lab.process.pid).children()
        next(p for p in children if "again" in " ".join(p.cmdline())).kill()
        page.wait_for_timeout(5000)
        (folder / "lives").touch()
        load = page.locator(".jp-Costmeter-load")
        for _ in range(60):
            if load.count():
                break
            page.wait_for_timeout(1000)
        expect(load).to_have_count(1)  # JupyterLab's dialogs may lie over it
