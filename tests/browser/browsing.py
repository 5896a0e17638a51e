"""A real JupyterLab and Notebook 7 on free ports, with folders of their own, and a real Chromium.

Screenshots go to ``test-artifacts`` (or to ``$SHOTS``), to be looked at; some are the guide's (``pictures.py``).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pictures
import pytest
from playwright.sync_api import Page, expect

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.store import Ledger

ROOT = Path(__file__).resolve().parents[2]
ARGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = Path(os.environ.get("SHOTS") or ROOT / "test-artifacts")
#: Tests look at all of the panel, unless they say otherwise.
OPEN: dict[str, object] = {"sections": ["now", "budgets", "totals", "paper", "spent"]}
OPEN["openSections"] = OPEN["sections"]
PANEL = "jupyter-costmeter:panel"
NEWS = json.dumps({"fetchNews": "false", "checkForUpdates": False})


@dataclass
class Server:
    """A running server, and what a test needs to know of it."""

    base: str
    token: str
    work: Path
    data: Path
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return f"{self.base}{path}?token={self.token}"

    def get(self, path: str) -> Any:
        joint = "&" if "?" in path else "?"
        with urllib.request.urlopen(f"{self.base}{path}{joint}token={self.token}", timeout=20) as answer:
            return json.load(answer)


def chromium_path() -> str:
    """Fails, and does not skip, where there is none: the panel is the product."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((shutil.which(name) for name in names if name and shutil.which(name)), None)
    if found is None:
        pytest.fail("no Chromium on this machine: `./lab test` installs it, or set CHROMIUM")
    return found


def serve(root: Path, app: str, whole: bool = True, **more: str) -> Iterator[Server]:
    """With all of the panel open, unless not ``whole``: then our settings are as we ship them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    work = root / "work"
    work.mkdir()
    settings = root / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(NEWS)
    defaults = root / "config" / "labconfig"
    defaults.mkdir(parents=True)
    (defaults / "default_setting_overrides.json").write_text(json.dumps({PANEL: OPEN if whole else {}}))
    token = secrets.token_hex(16)
    env = {
        **os.environ,
        "IPYTHONDIR": str(root / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(root / "config/lab/user-settings"),
        **more,
    }
    env |= {f"JUPYTER_{name.upper()}_DIR": str(root / name) for name in ("runtime", "config", "data")}
    command = [
        sys.executable, "-m", app, "--no-browser", "--allow-root", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={work}",
    ]  # fmt: skip
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    server = Server(f"http://127.0.0.1:{port}", token, work, root / "data", process)
    try:
        _wait(server, root / "server.log")
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _wait(server: Server, log: Path) -> None:
    for _ in range(300):
        try:
            server.get("/api/status")
            return
        except OSError:
            assert server.process.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def notebook(*cells: str) -> str:
    """A notebook's file with these code cells, with ids ``cell-0``, ``cell-1``, …"""
    made = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "outputs": [], "execution_count": None, "source": text}
        for i, text in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def visit(page: Page, server: Server, name: str) -> None:
    page.goto(server.url(f"/lab/workspaces/{secrets.token_hex(4)}/tree/{name}"))
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    show_panel(page)


def show_panel(page: Page) -> None:
    """Open the panel, and again if JupyterLab, still restoring its layout, closes it."""
    tab = page.locator('.jp-SideBar [data-id="jupyter-costmeter"]')
    tab.wait_for(timeout=60_000)
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    panel = page.locator(".jp-Costmeter")
    for _ in range(20):
        if not panel.is_visible():
            tab.click()
        page.wait_for_timeout(500)
        if panel.is_visible():
            break
    expect(panel).to_be_visible()


def run_cell(page: Page, index: int) -> None:
    """Run the cell; again if the kernel was not connected yet, which JupyterLab forgets, or asks which one."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(index)
    which_kernel = page.locator(".jp-Dialog", has_text="Select Kernel").locator(".jp-mod-accept")
    for _ in range(12):
        if which_kernel.is_visible():
            which_kernel.click()
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        try:
            expect(cell.locator(".jp-InputArea-prompt").first).to_have_text(re.compile(r"\[(\*|\d+)\]:"), timeout=2500)
            return
        except AssertionError:
            continue
    raise AssertionError(f"cell {index} did not run")


def settled(page: Page, scope: str, cells: int) -> None:
    """The panel knows of so many cells."""
    cell_count = page.locator(f'tr[data-scope="{scope}"] [data-name="cells"]').first
    expect(cell_count).to_have_attribute("data-value", str(cells), timeout=60_000)


def narrow(page: Page, width: int) -> None:
    """As wide as that; JupyterLab itself stops at 250 px."""
    page.add_style_tag(content=f".jp-Costmeter {{ width: {width}px !important; min-width: 0 !important }}")


def widen(page: Page, width: int) -> None:
    """Drag the sidebar's edge until it is as wide as that."""
    box = page.locator(".jp-Costmeter").bounding_box()
    assert box is not None
    edge = box["x"] - 2
    page.mouse.move(edge, 500)
    page.mouse.down()
    page.mouse.move(edge + box["width"] - width, 500, steps=5)
    page.mouse.up()


@contextmanager
def dark(page: Page) -> Iterator[None]:
    """In the dark theme; afterwards it is light again, as the setting is the server's."""
    _theme(page, "Dark")
    yield
    _theme(page, "Light")


def _theme(page: Page, name: str) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill(f"Theme: JupyterLab {name}")
    page.locator(".lm-CommandPalette-itemLabel", has_text=re.compile(f"{name}$")).first.click()
    light = str(name == "Light").lower()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light, timeout=10_000)


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(500)
    page.screenshot(path=str(SHOTS / f"{name}.png"))
    pictures.keep(page, name)


def ledger_of(server: Server) -> Ledger:
    return open_ledger(server.data / "costmeter" / "ledger.sqlite")


def figure(page: Page, scope: str, name: str) -> float:
    """What a row of the panel's totals holds, unrounded."""
    text = page.locator(f'tr[data-scope="{scope}"] [data-name="{name}"]').first.get_attribute("data-value")
    assert text, f"{scope} {name} is empty"
    return float(text)
