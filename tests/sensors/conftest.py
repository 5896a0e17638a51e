"""A process of its own that meters simulated GPUs with the unmodified pynvml."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from nvml.gpm_probing import HELPERS  # noqa: E402
from nvml.probing import Probe  # noqa: E402
from nvml.sim import HOPPER, SimulatedNvml, build  # noqa: E402


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


@pytest.fixture
def hopper(gpus: Callable[..., SimulatedNvml]) -> Callable[..., SimulatedNvml]:
    """``hopper(n)``: n simulated H100s."""

    def make(count: int = 1, **kwargs: Any) -> SimulatedNvml:
        sim = gpus(count, **kwargs)
        sim.set(**HOPPER)
        return sim

    return make


@pytest.fixture
def traced(probe: Callable[..., Probe]) -> Callable[..., Probe]:
    """A process with an open tracer, which holds all GPUs; its ``clock[0]`` is moved by ``advance``."""

    def make(sim: SimulatedNvml, ready: bool = True, part: int = 0, **env: str) -> Probe:
        there = probe(sim, **env)
        there.ask(HELPERS)
        for gpu in range(len(sim.gpus)):
            sim.process(gpu, there.pid, 1 << 30, slice=part)
        there.ask("tracer.open()")
        if ready:
            there.ask("ready()")
        return there

    return make
