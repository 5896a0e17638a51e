"""The demo: a simulated GPU in a real kernel, and a real JupyterLab that leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import ALL, Kernel
from shell import costmeter, here, said

from jupyter_costmeter import demo
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.record import CellRecord, Figure

GPU_FIGURES = ("gpu_energy_j", "gpu_idle_energy_j", "gpu_device_energy_j", "gpu_reserved_s", "gpu_busy_s",
               "gpu_share", "peak_gpu_bytes")  # fmt: skip


def read(path: Path) -> list[CellRecord]:
    ledger = open_ledger(path)
    try:
        return list(ledger.records(ALL))
    finally:
        ledger.close()


def energy(record: CellRecord) -> Figure:
    figure = record.usage.figure("gpu_energy_j")
    assert figure is not None
    return figure


# A trace in a real kernel


@pytest.fixture
def play(start_kernel: Callable[..., Kernel], home: Path) -> Callable[[dict[str, Any]], tuple[Kernel, Path]]:
    """A kernel whose GPU plays that trace, and its ledger."""

    def start(trace: dict[str, Any]) -> tuple[Kernel, Path]:
        (home / "trace.json").write_text(json.dumps(trace))
        ledger = home / "simulated.sqlite"
        env = {"JUPYTER_COSTMETER_REPLAY": str(home / "trace.json"), "JUPYTER_COSTMETER_LEDGER": str(ledger)}
        return start_kernel(**env), ledger

    return start


def test_a_cells_energy_is_the_traces_integral(
    play: Callable[[dict[str, Any]], tuple[Kernel, Path]], ledger_path: Path
) -> None:
    segments = [{"seconds": 0.35, "power_w": 300, "utilization": 0.8, "used_bytes": 14e9},
                {"seconds": 0.25, "power_w": 60, "used_bytes": 14e9}]  # fmt: skip
    kernel, path = play({"loop": True, "devices": [{"uuid": "SIM", "name": "Test GPU", "segments": segments}]})
    assert kernel.value("[s.name for s in get_ipython().costmeter.session.sensors if s.ok]").count("replay") == 1
    kernel.run("import time; time.sleep(1.2)", cell_id="a")
    kernel.run("time.sleep(0.6)", cell_id="b")
    kernel.run("1/0", cell_id="c")
    kernel.flush()
    first, second, third = (r for r in read(path) if r.bucket == "cell")
    mean_w = (0.35 * 300 + 0.25 * 60) / 0.6
    for record in (first, second):
        # whole turns of the trace, and at most a turn's ripple about its mean at the edges
        assert energy(record).value == pytest.approx(mean_w * record.wall_s, abs=0.35 * (300 - mean_w) + 1)
    assert 0 < (energy(third).value or 0) <= 300 * third.wall_s + 0.1
    assert third.outcome == "error"
    busy = first.usage.figure("gpu_busy_s")
    assert busy is not None
    assert busy.value == pytest.approx(first.wall_s * 0.8 * 0.35 / 0.6, abs=0.35)
    peak = first.usage.figure("peak_gpu_bytes")
    assert peak is not None
    assert peak.value == 14e9
    assert not ledger_path.exists()  # the user's own


def test_a_constant_gpu_is_exact_to_the_microsecond(play: Callable[[dict[str, Any]], tuple[Kernel, Path]]) -> None:
    kernel, path = play({"devices": [{"uuid": "SIM", "segments": [{"seconds": 1, "power_w": 123}]}]})
    for code in ("import time; time.sleep(0.5)", "1", "sum(range(10**6))"):
        kernel.run(code)
    kernel.flush()
    cells = [r for r in read(path) if r.bucket == "cell"]
    assert len(cells) == 3
    for record in cells:
        assert energy(record).value == pytest.approx(123 * record.wall_s, abs=123 * 200e-6)


def test_every_figure_of_the_gpu_says_that_it_is_simulated(
    play: Callable[[dict[str, Any]], tuple[Kernel, Path]],
) -> None:
    kernel, path = play({"devices": [{"uuid": "SIM", "segments": [{"seconds": 1, "power_w": 99, "used_bytes": 1e9}]}]})
    kernel.run("import time; time.sleep(1.5)")
    kernel.run("1")
    kernel.run("%cost last")
    assert "simulated" in kernel.text
    kernel.flush()
    figures = [f for r in read(path) for f in r.usage.figures if f.name in GPU_FIGURES]
    assert {f.name for f in figures} >= {"gpu_energy_j", "gpu_reserved_s", "gpu_busy_s", "peak_gpu_bytes"}
    assert {(f.name, f.source) for f in figures if "simulated" not in (f.source or "")} == set()
    assert not [f for f in figures if "NVML" in (f.source or "")]
    assert not [f.name for f in figures if f.method == "measured"], "nothing of a GPU that is not there"


def test_a_bad_trace_is_named_and_the_kernel_works(
    play: Callable[[dict[str, Any]], tuple[Kernel, Path]],
) -> None:
    kernel, path = play({"devices": [{"uuid": "SIM", "segments": [{"seconds": 1, "power_w": "hot"}]}]})
    assert kernel.run("6 * 7")["status"] == "ok"
    kernel.run("%cost doctor")
    assert "power_w = 'hot'" in kernel.text
    kernel.flush()
    figure = energy(next(r for r in read(path) if r.bucket == "cell"))
    assert figure.value is None
    assert "power_w = 'hot'" in (figure.reason or "")


# The demo's notebook


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo's notebook was executed, as ``jupyter costmeter demo`` would have it."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "demo.ipynb").write_bytes(demo.NOTEBOOK.read_bytes())
    env = {k: v for k, v in demo.environment(folder).items() if k not in ("JPY_SESSION_NAME",)}
    (folder / "home").mkdir()
    env |= {f"JUPYTER_{n}_DIR": str(folder / "home" / n.lower()) for n in ("DATA", "CONFIG", "RUNTIME")}
    shown = said(costmeter("run", "demo.ipynb", cwd=folder, timeout=120, **env, IPYTHONDIR=str(folder / "home")))
    assert "1 of them failed" in shown
    return folder


def test_the_notebook_tells_its_story(ran: Path) -> None:
    records = {r.cell_id: r for r in read(ran / ".costmeter-demo" / "ledger.sqlite") if r.bucket == "cell"}
    model, train, wait, short, fail = (records[name] for name in ("model", "train", "wait", "short", "fail"))
    assert train.label == "training"
    assert (fail.outcome, fail.error_type) == ("error", "MemoryError")
    assert 60 * train.wall_s < (energy(train).value or 0) <= 300 * train.wall_s + 1
    # a process that shares its CPU with others is not all of the time busy, and so is its GPU not
    cpu = train.usage.figure("cpu_s")
    assert cpu is not None
    assert energy(train).value == pytest.approx(60 * train.wall_s + 240 * (cpu.value or 0), rel=0.1)
    assert energy(wait).value == pytest.approx(60 * wait.wall_s, rel=0.15)
    assert short.wall_s < 0.2
    assert 0 < (energy(short).value or 0) <= 300 * short.wall_s + 0.1
    peaks = [r.usage.figure("peak_gpu_bytes") for r in (train, wait)]
    assert all(p is not None and (p.value or 0) > 5e9 for p in peaks)
    assert model.wall_s < 5


def test_the_notebook_shows_what_it_cost(ran: Path) -> None:
    notebook = nbformat.read(ran / "demo.run.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    shown = {
        cell.id: "".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    assert "simulated" in shown["last"]
    assert "MemoryError" in shown["last"]
    assert "simulated" in shown["summary"]
    assert "held" in shown["summary"]
    assert "replay" in shown["doctor"]


def test_the_notebook_ships_clean() -> None:
    notebook = nbformat.read(demo.NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)  # type: ignore[no-untyped-call]
    assert not any(c.get("outputs") or c.get("execution_count") for c in notebook.cells)
    assert "**The GPU in this demo is simulated**" in notebook.cells[0].source


# ``jupyter costmeter demo``


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def asked(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
        return json.loads(reply.read())


@pytest.fixture
def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """``opened(words)``: a demo in a process of its own, when its JupyterLab answers."""
    started: list[subprocess.Popen[str]] = []
    monkeypatch.setenv("TMPDIR", str(home / "tmp"))
    (home / "tmp").mkdir()

    def start(*words: str) -> tuple[subprocess.Popen[str], int]:
        port = free_port()
        command = [sys.executable, "-m", "jupyter_costmeter.cli", "demo", "--no-browser", f"--port={port}",
                   "--IdentityProvider.token=", "--allow-root", *words]  # fmt: skip
        lab = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home)
        started.append(lab)
        end = time.monotonic() + 60
        while True:
            assert lab.poll() is None, lab.communicate()
            assert time.monotonic() < end
            try:
                asked(port, "/api/status")
                return lab, port
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)

    yield start
    for lab in started:
        if lab.poll() is None:
            for pid in [*children(lab.pid), lab.pid]:  # its JupyterLab holds our pipes
                os.kill(pid, signal.SIGKILL)
            lab.communicate()


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_opens_and_ends_and_leaves_nothing(way: signal.Signals, opened: Any, home: Path) -> None:
    lab, port = opened()
    names = [entry["name"] for entry in asked(port, "/api/contents")["content"]]
    assert names == ["demo.ipynb"]
    (folder,) = (home / "tmp").glob("costmeter-demo-*")
    (server,) = children(lab.pid)
    words = environment_of(server)
    assert words["JUPYTER_COSTMETER_REPLAY"] == "demo"
    for name in (
        "JUPYTER_COSTMETER_LEDGER",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "JUPYTER_CONFIG_DIR",
    ):
        assert words[name].startswith(str(folder))
    lab.send_signal(way)
    out, errors = lab.communicate(timeout=15)
    assert lab.returncode == 0, errors
    assert "each figure's source say so" in out
    assert out.rstrip().endswith("The demo has ended. Nothing is left of it.")
    assert "Traceback" not in errors
    assert not folder.exists()
    assert not (home / "config_dir").exists() or not list((home / "config_dir").rglob("*.json"))
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def test_a_demo_in_a_folder_of_the_users(opened: Any, home: Path) -> None:
    (home / "mine").mkdir()
    changed = demo.NOTEBOOK.read_text().replace("320 MB", "321 MB")
    (home / "mine" / "demo.ipynb").write_text(changed)
    lab, _ = opened("--folder", "mine", "--ledger", "mine/own.sqlite")
    (server,) = children(lab.pid)
    assert environment_of(server)["JUPYTER_COSTMETER_LEDGER"] == str(home / "mine" / "own.sqlite")
    lab.send_signal(signal.SIGINT)
    out, _ = lab.communicate(timeout=30)
    assert f"Its notebook stays in {home / 'mine'}." in out
    assert (home / "mine" / "demo.ipynb").read_text() == changed  # what the user has changed stays


def test_what_jupyterlab_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[list[str]] = []

    class Lab:
        def __init__(self, command: list[str], **_: Any) -> None:
            told.append(command)

        def __enter__(self) -> Lab:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self) -> int:
            return 7

    monkeypatch.setattr(demo.subprocess, "Popen", Lab)
    assert here(capsys, "demo", "--no-browser", "--port", "9999", "--ServerApp.ip=0.0.0.0").returncode == 7
    assert told[0][1:3] == ["-m", "jupyterlab"]
    assert told[0][3].endswith("/demo.ipynb")
    assert told[0][4:] == ["-y", "--LabApp.default_url=/lab/tree/demo.ipynb",
                           "--no-browser", "--port", "9999", "--ServerApp.ip=0.0.0.0"]  # fmt: skip
    here(capsys, "demo", "--LabApp.default_url=/lab")
    assert told[1][4:] == ["-y", "--LabApp.default_url=/lab"]


def test_help_and_faults(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--folder FOLDER" in said(here(capsys, "demo", "--help"))
    assert "demo" in said(here(capsys, "help"))
    (home / "file").touch()
    assert f"the demo cannot be put into {home / 'file'}" in said(
        here(capsys, "demo", "--folder", str(home / "file")), 2
    )
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    assert "the demo needs JupyterLab" in said(here(capsys, "demo"), 1)
