"""torch's peak per window, and what the user reads of torch meanwhile: as if we were not there."""

from __future__ import annotations

import importlib.util
import sys
import threading
import timeit
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.sensors import torch_memory
from jupyter_costmeter.sensors.torch_memory import TorchMemory


class Statistic:
    """One ``Stat`` of torch's allocator."""

    def __init__(self) -> None:
        self.current = self.peak = self.allocated = self.freed = 0

    def change(self, by: int) -> None:
        self.current += by
        self.peak = max(self.peak, self.current)
        if by > 0:
            self.allocated += by
        else:
            self.freed -= by


class Allocator:
    """The statistics of CUDA's caching allocator of one device: segments are kept when blocks are freed."""

    NAMES = ("allocation", "allocated_bytes", "reserved_bytes", "active_bytes")

    def __init__(self) -> None:
        self.pools = {name: {pool: Statistic() for pool in ("all", "small_pool", "large_pool")} for name in self.NAMES}
        self.oversize = Statistic()
        self.private = Statistic()

    def change(self, by: int) -> None:
        pool = "small_pool" if abs(by) < 1 << 20 else "large_pool"
        for which in ("all", pool):
            self.pools["allocation"][which].change(1 if by > 0 else -1)
            self.pools["allocated_bytes"][which].change(by)
            self.pools["active_bytes"][which].change(by)
            missing = self.pools["allocated_bytes"][which].current - self.pools["reserved_bytes"][which].current
            self.pools["reserved_bytes"][which].change(max(0, missing))
        self.oversize.change(by)
        self.private.change(by)

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: {k: dict(vars(s)) for k, s in p.items()} for name, p in self.pools.items()}
        found["oversize_allocations"] = dict(vars(self.oversize))
        found["reserved_bytes_by_private_pools"] = {(0, 1): {"all": dict(vars(self.private))}}
        return {**found, "num_ooms": 0, "max_split_size": -1}

    def reset(self) -> None:
        """As in torch, which leaves the private pools' peaks."""
        for statistic in [self.oversize, *(s for pool in self.pools.values() for s in pool.values())]:
            statistic.peak = statistic.current


class Torch(types.ModuleType):
    """A torch with so many GPUs: ``cuda`` as torch/cuda/memory.py has it, over ``_C``."""

    def __init__(self, gpus: int = 1, without: tuple[str, ...] = ()) -> None:
        super().__init__("torch")
        self.gpus, self.started, self.looked_for = [Allocator() for _ in range(gpus)], True, 0
        self._C = types.ModuleType("torch._C")
        for prefix, stats in (("_cuda_", "memoryStats"), ("_accelerator_", "getDeviceStats")):
            reset = "resetPeakMemoryStats" if prefix == "_cuda_" else "resetPeakStats"
            setattr(self._C, prefix + stats, lambda device: self.gpus[device].stats())
            setattr(self._C, prefix + reset, lambda device: self.gpus[device].reset())
        self.functions = dict(vars(self._C))
        self.cuda = types.SimpleNamespace(
            is_initialized=lambda: self.started,
            device_count=lambda: len(self.gpus),
            get_device_properties=self.properties,
            max_memory_allocated=lambda device=0: self.user(device)["allocated_bytes"]["all"]["peak"],
            max_memory_reserved=lambda device=0: self.user(device)["reserved_bytes"]["all"]["peak"],
            reset_peak_memory_stats=lambda device=0: self._C._cuda_resetPeakMemoryStats(device),
        )
        for name in without:
            delattr(self._C, name)

    def user(self, device: int = 0) -> dict[str, Any]:
        """``torch.cuda.memory_stats_as_nested_dict``."""
        if not hasattr(self._C, "_cuda_memoryStats"):
            return self.gpus[device].stats()
        return self._C._cuda_memoryStats(device)  # type: ignore[no-any-return]

    def properties(self, device: int) -> types.SimpleNamespace:
        self.looked_for += 1
        return types.SimpleNamespace(uuid=uuid(device).removeprefix("GPU-"))


def uuid(device: int) -> str:
    return f"GPU-{device:08x}-1111-2222-3333-444444444444"


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Torch]:
    def make(*args: Any, **kwargs: Any) -> Torch:
        made = Torch(*args, **kwargs)
        monkeypatch.setitem(sys.modules, "torch", made)
        return made

    return make


def opened() -> TorchMemory:
    sensor = TorchMemory()
    assert sensor.open().ok
    return sensor


def test_each_window_has_its_own_peak(torch: Callable[..., Torch]) -> None:
    sensor, gpu = opened(), torch().gpus[0]
    gpu.change(500)
    gpu.change(-400)
    assert sensor.take() == (500.0,)
    gpu.change(50)
    gpu.change(-50)
    assert sensor.take() == (150.0,)
    assert sensor.take() == (100.0,), "what is held"
    assert [(c.name, c.kind, c.device) for c in sensor.channels] == [("peak_gpu_bytes", "peak", uuid(0))]
    assert sensor.channels[0].provenance.method == "measured"
    assert sensor.channels[0].provenance.source == "torch's allocator, peak in the window"


def test_gpus_appear_as_they_are_used_and_those_that_are_not_stay_away(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(gpus=4), opened()
    assert sensor.take() == ()
    fake.gpus[2].change(7)
    assert sensor.take(quick=True) == (), "on the user's path nothing new is looked for"
    assert sensor.take() == (7.0,)
    fake.gpus[0].change(5)
    assert sensor.take() == (7.0, 5.0), "new ones stand at the end"
    assert [c.device for c in sensor.channels] == [uuid(2), uuid(0)]
    assert sensor.take(quick=True) == (7.0, 5.0)
    assert fake.looked_for == 2


def test_without_torch_or_before_its_cuda_nothing_is_touched(
    torch: Callable[..., Torch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    sensor = opened()
    assert sensor.take() == ()
    assert timeit.timeit(sensor.take, number=10_000) < 0.1, "10 µs"
    assert "torch" not in sys.modules
    fake = torch()
    fake.started = False
    fake.gpus[0].change(9)
    assert sensor.take() == ()
    assert dict(vars(fake._C)) == fake.functions
    fake.started = True
    assert sensor.take() == (9.0,)


def test_a_torch_that_is_still_being_imported_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    assert opened().take() == ()


def test_a_forked_child_of_torch_reads_none(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(), opened()
    fake.gpus[0].change(5)
    sensor.take()
    fake.started = False  # is_initialized() is false after a fork
    assert sensor.take() == (None,)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["alloc", "free", "take", "quick", "reset", "accelerator's reset", "reopen", "read"]),
        st.integers(0, 1),
        st.integers(1, 3 << 20),
    ),
    max_size=60,
)


@given(CHANGES)
def test_the_user_reads_what_he_would_without_us_and_we_read_the_truth(steps: list[tuple[str, int, int]]) -> None:
    fake, shadow = Torch(gpus=2), Torch(gpus=2)
    blocks: list[list[int]] = [[], []]
    true = [0, 0]  # the peak since the last take, counted here
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", fake)
        sensor = opened()
        fake.gpus[0].change(1), shadow.gpus[0].change(1)
        fake.gpus[1].change(1), shadow.gpus[1].change(1)
        assert sensor.take() == (1.0, 1.0)
        held = [1, 1]
        for what, on, size in steps:
            if what == "alloc" or (what == "free" and blocks[on]):
                by = size if what == "alloc" else -blocks[on].pop()
                blocks[on] += [size] if what == "alloc" else []
                held[on] += by
                true[on] = max(true[on], held[on])
                fake.gpus[on].change(by), shadow.gpus[on].change(by)
            elif what in ("take", "quick"):
                assert sensor.take(what == "quick") == tuple(max(t, h) for t, h in zip(true, held, strict=True))
                true = list(held)
            elif what == "reset":
                fake.cuda.reset_peak_memory_stats(on), shadow.cuda.reset_peak_memory_stats(on)
            elif what == "accelerator's reset":
                fake._C._accelerator_resetPeakStats(on), shadow._C._accelerator_resetPeakStats(on)
            elif what == "reopen":
                sensor.close()
                sensor = opened()
                sensor.take()
                true = list(held)
            for device in (0, 1):
                assert fake.user(device) == shadow.user(device)
                assert fake._C._accelerator_getDeviceStats(device) == shadow.user(device)
        sensor.close()
        assert [fake.user(device) for device in (0, 1)] == [shadow.user(device) for device in (0, 1)]


def test_closing_restores_torch_as_soon_as_nothing_is_hidden_any_more(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(), opened()
    fake.gpus[0].change(500)
    fake.gpus[0].change(-400)
    sensor.take()
    sensor.close()
    assert fake.cuda.max_memory_allocated() == 500, "after us, too"
    fake.cuda.reset_peak_memory_stats()
    assert dict(vars(fake._C)) == fake.functions
    assert fake.cuda.max_memory_allocated() == 100


def test_another_ones_wrapper_is_left_in_place(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(), opened()
    fake.gpus[0].change(5)
    sensor.take()
    ours = fake._C._cuda_memoryStats
    theirs = fake._C._cuda_memoryStats = lambda device: ours(device)
    sensor.close()
    fake.cuda.reset_peak_memory_stats()
    assert fake._C._cuda_memoryStats is theirs
    assert fake.cuda.max_memory_allocated() == 5


def test_a_thread_that_reads_between_our_reading_and_our_resetting_reads_right(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(), opened()
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(fake.cuda.max_memory_allocated()))

    def reset(device: int) -> None:
        fake.gpus[device].reset()
        reader.start()
        reader.join(0.1)

    fake._C._cuda_resetPeakMemoryStats = reset
    fake.gpus[0].change(500)
    fake.gpus[0].change(-400)
    assert sensor.take() == (500.0,)
    reader.join()
    assert found == [500]


@pytest.mark.parametrize("missing", ["_cuda_memoryStats", "_cuda_resetPeakMemoryStats"])
def test_without_torchs_private_functions_only_a_new_high_is_known(missing: str, torch: Callable[..., Torch]) -> None:
    fake = torch(without=(missing,))
    sensor, functions = opened(), dict(vars(fake._C))
    fake.gpus[0].change(500)
    fake.gpus[0].change(-400)
    assert sensor.take() == (500.0,)
    fake.gpus[0].change(100)
    assert sensor.take() == (None,)
    fake.gpus[0].change(900)
    assert sensor.take() == (1100.0,)
    assert "no new high" in (sensor.channels[0].provenance.reason or "")
    assert dict(vars(fake._C)) == functions
    sensor.close()


def test_an_allocator_of_the_users_own_that_keeps_no_statistics_has_no_figure(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(), opened()

    def refuses(device: int) -> dict[str, Any]:
        raise RuntimeError("CUDAPluggableAllocator does not yet support getDeviceStats")

    fake._C._cuda_memoryStats = fake.cuda.max_memory_allocated = refuses
    assert sensor.take() == ()
    assert fake._C._cuda_memoryStats is refuses


def test_a_torch_without_uuids_still_names_its_gpus(torch: Callable[..., Torch]) -> None:
    fake, sensor = torch(), opened()
    fake.cuda.get_device_properties = lambda device: types.SimpleNamespace()
    fake.gpus[0].change(5)
    sensor.take()
    assert [c.device for c in sensor.channels] == ["GPU 0"]


def test_the_functions_are_those_that_torch_itself_uses() -> None:
    """In the sources of the torch that is installed here; nothing is imported."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        pytest.skip("torch is not installed here: its private functions' names are not compared")
    root = Path(found.origin).parent
    declared = (root / "_C" / "__init__.pyi").read_text()
    for name in (torch_memory.READS[0], torch_memory.RESETS[0]):
        assert f"def {name}(device: _int)" in declared
        assert f"return torch._C.{name}(device)" in (root / "cuda" / "memory.py").read_text()
    if (accelerator := root / "accelerator" / "memory.py").exists():
        for name in (torch_memory.READS[1], torch_memory.RESETS[1]):
            assert f"torch._C.{name}(device_index)" in accelerator.read_text()
