"""The JupyterLabs of ``ui.py``: with a front end that is built for production, or without it, and with a past."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ledger as made

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.record import CellRecord

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from browsing import PANEL, Server, notebook, serve  # noqa: E402

#: Of the panel's sections.
EVERYTHING = {"sections": ["now", "budgets", "totals", "spent", "paper"], "showMore": True}
EVERYTHING["openSections"] = EVERYTHING["sections"]


def built(checkout: Path, into: Path) -> Path:
    """The front end as it is released; the checkout's own build stays as it is."""
    (into / "labextension").mkdir(parents=True)
    shutil.copy(checkout / "package.json", into)
    for name in ("src", "style", "schema"):
        shutil.copytree(checkout / "labextension" / name, into / "labextension" / name)
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(checkout / "labextension" / name, into / "labextension")
    (into / "node_modules").symlink_to(ROOT / "node_modules")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["npm", "run", "-s", "build:prod"], cwd=into, check=True, capture_output=True, env=env)
    return into / "jupyter_costmeter" / "labextension"


def gzipped(labextension: Path) -> int:
    """Bytes of all that a page may load of it."""
    files = [*labextension.glob("static/*.js"), *labextension.glob("static/*.css")]
    return sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)


@contextmanager
def jupyterlab(root: Path, extension: Path | None) -> Iterator[Server]:
    """With the built front end of a folder, or with the extension disabled."""
    (root / "config").mkdir(parents=True)
    if extension is not None:
        (root / "labextensions").mkdir()
        (root / "labextensions" / "jupyter-costmeter").symlink_to(extension)
        told = {"LabServerApp": {"extra_labextensions_path": [str(root / "labextensions")]}}
        (root / "config" / "jupyter_server_config.json").write_text(json.dumps(told))
    with contextmanager(serve)(root, "jupyterlab", whole=False) as server:
        folder = root / "config" / "labconfig"
        if extension is None:
            (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": {"jupyter-costmeter": True}}))
        (folder / "default_setting_overrides.json").write_text(json.dumps({PANEL: EVERYTHING}))
        yield server
        server.process.kill()  # it would wait for its kernels


def write(server: Server, name: str, *cells: str) -> Path:
    path = server.work / name / "work.ipynb"
    path.parent.mkdir()
    path.write_text(notebook(*cells))
    return path


def fill(server: Server, path: Path, count: int, cells: int, ago_s: float = 40 * 3600) -> None:
    """So many runs of a notebook's cells in an earlier session, with pauses between them."""
    name = f"{path.parent.name}-{ago_s:.0f}"
    info = replace(made.session(1), id=name, notebook=str(path), project=str(path.parent))
    draw, at, found = random.Random(1), time.time() - ago_s, list[CellRecord]()
    for n, one in enumerate(made.records(info, range(1, count + 1))):
        wall_s = draw.expovariate(1 / 3) + 0.05
        usage = replace(made.usage(draw, wall_s), wall_s=wall_s)
        own = {"id": f"{name}-{n}", "bucket": "cell", "parent_id": None, "label": None, "cell_id": f"cell-{n % cells}"}
        found.append(replace(one, started_at=at, usage=usage, **own))
        at += wall_s + draw.expovariate(1 / 5)
    ledger = open_ledger(server.data / "costmeter" / "ledger.sqlite")
    ledger.append(info, found)
    ledger.close()
