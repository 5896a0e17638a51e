"""JupyterLab, Notebook 7 and Chromium, each started once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from browsing import ARGS, Server, chromium_path, notebook, serve, visit
from playwright.sync_api import Browser, Page, sync_playwright


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("lab"), "jupyterlab")


@pytest.fixture(scope="session")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("notebook7"), "notebook")


@pytest.fixture(scope="module")  # its event loop would be in the way of other tests'
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page; a test fails when the page has logged an error."""
    errors: list[str] = []
    found = chromium.new_page(viewport={"width": 1400, "height": 900})
    found.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    found.on("pageerror", lambda e: errors.append(str(e)))
    yield found
    found.close()
    ours = [e for e in errors if "costmeter" in e.lower() or "TypeError" in e]
    assert not ours, ours


@pytest.fixture
def open_notebook(lab: Server, page: Page) -> Callable[..., Page]:
    """Opens a new notebook of these cells in JupyterLab, with the panel in view."""

    def open_it(*cells: str, folder: str = "") -> Page:
        name = f"{folder or secrets.token_hex(4)}/work.ipynb"
        path = lab.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook(*cells))
        visit(page, lab, name)
        page.notebook = name  # type: ignore[attr-defined]
        return page

    return open_it
