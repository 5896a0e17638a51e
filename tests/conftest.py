"""What the tests share: folders of their own, a real ipykernel, a ledger to look into."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest
from budget_cases import make  # noqa: F401 (a fixture of several modules)
from budgeted import path, start, written  # noqa: F401 (fixtures of several modules)
from costing_words import metered, words  # noqa: F401 (fixtures of several modules)
from jupyter_core.paths import jupyter_config_path
from kernels import LOAD, Kernel, cells
from serving import SUGGEST, filled, one_server, server  # noqa: F401 (fixtures of several modules)

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.toml_files import NAME

# Started in the background of a script, a process ignores Ctrl-C, and so does what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """No test, nor what it starts, reads or writes the assumptions and settings of whoever runs the tests."""
    own = TemporaryDirectory(prefix="costmeter-config-")
    config.add_cleanup(own.cleanup)
    os.environ["JUPYTER_CONFIG_DIR"] = own.name
    os.environ.pop("JUPYTER_CONFIG_PATH", None)
    for folder in jupyter_config_path():  # the machine's, which no variable takes away
        if (Path(folder) / "jupyter_costmeter.toml").exists():
            raise pytest.UsageError(f"{folder}/jupyter_costmeter.toml would change what the tests see: move it aside")


#: What starts kernels, JupyterLab or a browser, or measures times: in a round of its own, two files at a time.
LIVE = {"start_kernel", "page", "server", "one_server"}
ALONE = (
    "test_demo.py", "test_examples.py", "test_gpu_faults.py", "test_guide.py", "test_headless.py",
    "test_headless_budget.py", "test_hub.py", "test_interrupts.py", "test_ledger_faults.py", "test_measuring.py",
    "test_meter.py", "test_packaging.py", "test_speed.py", "test_startup.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last what runs JAX in this process: its threads do not go together with tests that fork."""
    items.sort(key=lambda item: "flops" in item.path.parts)
    for item in items:
        if item.path.name in ALONE or LIVE & set(getattr(item, "fixturenames", ())):
            item.add_marker("alone")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jupyter's and IPython's folders are this test's own."""
    for name in ("DATA_DIR", "CONFIG_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    slurm = [name for name in os.environ if name.startswith("SLURM_")]
    for name in (
        "JPY_SESSION_NAME",
        "VIRTUAL_ENV",
        *SUGGEST,
        *slurm,
    ):  # what the shell that runs the tests may have set
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def ledger_path(home: Path) -> Path:
    return home / "data_dir" / "costmeter" / "ledger.sqlite"


@pytest.fixture
def ledger(ledger_path: Path) -> Iterator[Ledger]:
    found = open_ledger(ledger_path)
    yield found
    found.close()


@pytest.fixture
def start_kernel(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Kernel]]:
    """Starts kernels, and stops them when the test ends."""
    started: list[Kernel] = []

    def launch(notebook: str | None = "train.ipynb", load: bool = True, **env: str) -> Kernel:
        names = {"JPY_SESSION_NAME": str(home / notebook)} if notebook else {}
        kernel = Kernel({**os.environ, **names, **env}, home)
        started.append(kernel)
        if load:
            kernel.run(LOAD, silent=True)
        return kernel

    yield launch
    for kernel in started:
        kernel.stop(now=True)


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel that is metered."""
    return start_kernel()


@pytest.fixture
def records(ledger: Ledger) -> Callable[[Kernel], list[CellRecord]]:
    """What the ledger holds once the kernel has written all of it; a cell after its child processes."""

    def read(kernel: Kernel) -> list[CellRecord]:
        kernel.flush()
        return sorted(cells(ledger), key=lambda r: (r.seq, r.parent_id is None))

    return read


@pytest.fixture
def own(home: Path) -> Path:
    """The user's own file, which is not there yet."""
    (home / "config_dir").mkdir()
    return home / "config_dir" / NAME
