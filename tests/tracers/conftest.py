"""GPUs that the test plays, and a tracer that follows them, in this process."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from cupti.build import callbacks, simulation  # noqa: E402
from cupti.sim import SimulatedCupti, until  # noqa: E402

from jupyter_costmeter.tracers import native  # noqa: E402
from jupyter_costmeter.tracers.cupti import CuptiTracer  # noqa: E402


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCupti:
    """Loaded once: a library cannot be unloaded from a process."""
    name = "libcupti_sim.so.12"
    return SimulatedCupti(simulation(tmp_path_factory.mktemp("cupti"), name, "libcuda_sim.so.1"), name)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> native.Buffers:
    """The callbacks as this machine's compiler makes them, beside those that the package brings."""
    code, starts = callbacks(tmp_path_factory.mktemp("callbacks"))
    return native.Buffers(((starts[0], starts[1], starts[2]), code))


@pytest.fixture
def sim(simulated: SimulatedCupti) -> Iterator[SimulatedCupti]:
    simulated.reset()
    yield simulated
    simulated.reset()


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stands in for torch, its CUDA in use; ``started = False`` for one that has not begun."""
    fake = types.ModuleType("torch")
    state = types.SimpleNamespace(started=True)
    fake.cuda = types.SimpleNamespace(is_initialized=lambda: state.started)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", fake)
    return state


@pytest.fixture
def tracer(sim: SimulatedCupti) -> Iterator[CuptiTracer]:
    """Opened, before CUDA runs."""
    made = CuptiTracer(**sim.names)
    assert made.open().ok
    yield made
    made.close()


@pytest.fixture
def begun() -> Callable[[CuptiTracer], CuptiTracer]:
    """Has a tracer notice that CUDA runs, and waits until it traces."""

    def wait(tracer: CuptiTracer, message: str = "GPU kernels are traced") -> CuptiTracer:
        tracer.mark()
        until(lambda: tracer.status().message == message, lambda: tracer.status())
        return tracer

    return wait


@pytest.fixture
def tracing(torch: object, tracer: CuptiTracer, begun: Callable[[CuptiTracer], CuptiTracer]) -> CuptiTracer:
    return begun(tracer)
