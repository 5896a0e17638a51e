"""A process of its own that meters simulated GPUs with the unmodified pynvml."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from nvml.sim import SimulatedNvml, build  # noqa: E402

LOOP = """
import base64, os, pickle, sys
from jupyter_costmeter import accounting
from jupyter_costmeter.sensors import nvml
scope = {"os": os, "sys": sys, "nvml": nvml, "accounting": accounting}
for line in sys.stdin:
    text = base64.b64decode(line).decode()
    try:
        try:
            code = compile(text, "probe", "eval")
        except SyntaxError:
            code = compile(text, "probe", "exec")
        answer = True, eval(code, scope)
    except BaseException as error:
        answer = False, repr(error)
    print(base64.b64encode(pickle.dumps(answer)).decode(), flush=True)
"""


class Probe:
    """A Python process with ``nvml`` (our module) in scope."""

    def __init__(self, env: dict[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
        root = str(Path(__file__).parents[2])
        env = {**kept, "PYTHONPATH": root, **env}
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, code: str) -> Any:
        """What the expression gives there (or ``None``, of statements). Anything raised there is a failure."""
        assert self._process.stdin
        assert self._process.stdout
        print(base64.b64encode(code.encode()).decode(), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the probe died with {self._process.wait()}"
        fine, value = pickle.loads(base64.b64decode(answer))
        assert fine, value
        return value

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``nvml_library("symbol", …)``: the folder of a simulated NVML that lacks those symbols; built once each."""
    built: dict[tuple[str, ...], Path] = {}

    def library(*without: str) -> Path:
        if without not in built:
            built[without] = build(tmp_path_factory.mktemp("nvml"), without)
        return built[without]

    return library


@pytest.fixture
def gpus(nvml_library: Callable[..., Path], tmp_path: Path) -> Callable[..., SimulatedNvml]:
    """``gpus(n)``: n simulated GPUs at simulated time 100 s; ``now=None`` for the machine's clock."""

    def make(count: int = 1, now: float | None = 100.0, without: tuple[str, ...] = ()) -> SimulatedNvml:
        return SimulatedNvml(nvml_library(*without), tmp_path / "nvml", count, now)

    return make


@pytest.fixture
def probe() -> Iterator[Callable[..., Probe]]:
    """``probe(sim, NAME=value)``: a new process that sees those GPUs, with ``sensor`` made but not opened."""
    started: list[Probe] = []

    def start(sim: SimulatedNvml | None = None, **env: str) -> Probe:
        started.append(Probe({**(sim.env() if sim else {}), **env}))
        started[-1].ask("sensor = nvml.NvmlSensor()")
        return started[-1]

    yield start
    for one in started:
        one.end()
