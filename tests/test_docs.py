"""What the pages of docs/ and the README show can be done: each of their blocks is run, or said here why not."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import yaml
from fenced import FENCE
from kernels import Kernel
from traitlets.config import Config

from jupyter_costmeter import assumptions, budgets, config
from jupyter_costmeter.sensors.trace import read_trace

ROOT = Path(__file__).resolve().parent.parent
#: A cell up to the next empty line, else a line (or several, where a quote goes on).
PIECE = re.compile(r'^(?:%%.*(?:\n.+)*|[^\n"]+(?:"[^"]*"[^\n"]*)*)$', re.MULTILINE)
SHELL = re.compile(r"jupyter costmeter|git |echo |sqlite3 |\./lab|pip ")
#: What is not run here, by how it begins, and why.
LEFT_OUT = {
    "jupyter costmeter demo": "opens a JupyterLab (test_demo.py)",
    "jupyter costmeter top": "goes on until q is pressed (test_terminal.py); with --once it is run",
    "jupyter costmeter enable": "changes the user's IPython (test_startup.py)",
    "jupyter costmeter tag other --record": "of a record that only its ledger has",
    "jupyter costmeter sync": "asks a database (docs/shared.md)",
    "jupyter costmeter lab": "asks one, too (test_lab_pages.py)",
    "createdb ": "makes one",
    "#!/bin/sh": "begins a batch script",
    "#SBATCH": "is read by sbatch",
    "psql ": "asks one",
    "./lab": "is what runs the tests",
    "pip install": "is what the wheel's tests do (test_packaging.py)",
}
#: A block of these is no code: a formula, a line of the panel, an answer, messages and requests (test_wire.py).
SHOWN = {
    "carbon.md": r"electricity = energy",
    "compare.md": r"Project paper: ours against baseline",
    "wire.md": r"\{schema, event|\{status: |\{schema, version, notebook",
}
#: What somebody who reads these pages has: a notebook, trials of two methods, files that they name.
SETTING = """
import jupyter_costmeter
name, draws, model, x = "ours", [0.1, 0.2], abs, -1
def train(lr=0.1): return sum(i * lr for i in range(20_000))
def evaluate(model): return float(model(x).sum()) if hasattr(model, "parameters") else 0.5
"""
TRIALS = """
for method in ("ours", "baseline"):
    with jupyter_costmeter.trial(method=method, category="train") as t:
        train()
        t.score("accuracy", 0.9)
"""
AT_HAND = [
    "%load_ext jupyter_costmeter",
    SETTING,
    "%%cost load data\n1 + 1",
    *["train()"] * 4,
    TRIALS,
    "%cost export cost.json",
]
TORCH = "import torch\nmodel, x = torch.nn.Linear(8, 1), torch.ones(4, 8)"
#: What else a page speaks of.
SPOKEN_OF = {
    "hub.md": "from traitlets.config import Config\nc = Config()",
    "compare.md": """
from pathlib import Path
from kernels import ALL
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger import open_ledger
statement = gather(open_ledger(Path("ledger.sqlite")), ALL, Costing(None, Path("intensity")))
""",
}


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str

    @property
    def is_shown(self) -> bool:
        return not self.language and bool(re.match(SHOWN.get(self.page, "$^"), self.text))


def blocks(page: Path) -> list[Block]:
    return [Block(page.name, *found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


PAGES = {path.name: blocks(path) for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
PAGES.pop("index.md")  # the book's own; guide/ is executed by it (test_guide.py)
RUN = {"python", "sh", "bash", ""}


def steps(block: Block) -> Iterator[tuple[str, str]]:
    """What is to be run, one after the other: in the kernel or in a shell."""
    if block.language == "python":
        yield "cell", block.text
    else:
        for piece in PIECE.findall(block.text):
            yield "cell" if piece.startswith("%") else "shell", piece


@dataclass
class Stage:
    """Where a page is played: a kernel with a history, and its folder."""

    kernel: Kernel
    folder: Path

    def cell(self, text: str) -> None:
        if re.search(r"^c\.CostMeter", text, re.MULTILINE):
            self.settings(text)
            return
        reply = self.kernel.run(text)
        assert reply["status"] == "ok", f"{text}\n{self.kernel.text}"

    def settings(self, text: str) -> None:
        """It is read without complaint, and changes something."""
        said = Config()
        exec(text, {"c": said})
        settings, problems = config.load(said)
        assert problems == []
        (name,) = said.CostMeter
        assert getattr(settings, name) != getattr(config.load()[0], name)

    def shell(self, line: str) -> None:
        if any(line.startswith(left) for left in LEFT_OUT) and "--once" not in line:
            return
        assert SHELL.match(line), f"neither run nor left out: {line}"
        command = re.sub(r"\[--.*?\]|…", "", line)
        ran = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


@pytest.fixture
def stage(home: Path, start_kernel: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    def play(more: str, torch: bool) -> Stage:
        folder = home / "paper"
        folder.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        kernel = start_kernel("paper/train.ipynb", load=False)
        kernel.run(f"import os; os.chdir({str(folder)!r})")
        found = Stage(kernel, folder)
        for text in [*AT_HAND, *([TORCH] if torch else [])]:
            found.cell(text)
        kernel.flush()
        files(folder, home / "data_dir" / "costmeter" / "ledger.sqlite")
        if more:
            found.cell(more)
        return found

    return play


def files(folder: Path, ledger: Path) -> None:
    """Those that the pages name."""
    cells = [nbformat.v4.new_code_cell(f"{number} + 1") for number in range(7)]  # type: ignore[no-untyped-call]
    made = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    for name in ("train.ipynb", "paper.ipynb", "other.ipynb", "in.ipynb"):
        nbformat.write(made, folder / name)  # type: ignore[no-untyped-call]
    for name in ("ledger.sqlite", "node1.sqlite", "node2.sqlite", *(f"ledger.{task}.sqlite" for task in (1, 2, 3))):
        with closing(sqlite3.connect(ledger)) as whole, closing(sqlite3.connect(folder / name)) as copy:
            whole.backup(copy)
    (folder / "rates.toml").write_text('[[rates]]\nkwh = 0.3\ncurrency = "EUR"\n')
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)


@pytest.mark.parametrize("page", [name for name, found in PAGES.items() if any(one.language in RUN for one in found)])
def test_what_a_page_shows_can_be_done(page: str, stage: Callable[..., Stage]) -> None:
    todo = [one for one in PAGES[page] if one.language in RUN and not one.is_shown]
    torch = any("count_flops" in one.text for one in todo)
    if torch:
        pytest.importorskip("torch")
    played = stage(SPOKEN_OF.get(page, ""), torch)
    for block in todo:
        for where, text in steps(block):
            getattr(played, where)(text)


DATA = [one for found in PAGES.values() for one in found if one.language not in RUN]


@pytest.mark.parametrize("block", DATA, ids=lambda one: f"{one.page}-{one.language}-{DATA.index(one)}")
def test_what_a_page_declares_is_read(block: Block, tmp_path: Path) -> None:
    assert block.language in ("toml", "json", "yaml"), block
    globals()[f"reads_{block.language}"](block.text, tmp_path)


def reads_toml(text: str, folder: Path) -> None:
    """Each row without a complaint; a file of others that is included is there."""
    (folder / "rates.toml").write_text("")
    path = folder / "jupyter_costmeter.toml"
    path.write_text(text.replace("/lab/rates.toml", str(folder / "rates.toml")))
    assert list(assumptions.of_file(path).problems) == []
    found, problems = budgets.of_file(path, str(folder))
    assert problems == []
    assert len(found) == text.count("[[budget]]")


def reads_json(text: str, folder: Path) -> None:
    body = json.loads(text if text.startswith("{") else "{" + text + "}")
    if "devices" in body:
        (folder / "trace.json").write_text(text)
        assert read_trace(folder / "trace.json").devices
    else:
        assert body["metadata"]["costmeter"]["schema"] == 1


def reads_yaml(text: str, folder: Path) -> None:
    if "scrape_configs" in text:
        return  # what it asks is there: test_server_metrics.py
    assert set(yaml.safe_load(text)["co2_eq_emissions"]) >= {"emissions", "source", "hardware_used"}
