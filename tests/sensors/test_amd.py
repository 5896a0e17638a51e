"""AMD GPUs by recorded answers of amdsmi (tests/data/replay): never run on such a GPU."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jupyter_costmeter import accounting
from jupyter_costmeter.sensors.amd import AmdSensor

DATA = Path(__file__).parents[1] / "data" / "replay"
THEIRS = 1  # a process that is there and is not ours
IDLE = os.getppid()


class AmdSmiError(Exception):
    """As ``AmdSmiLibraryException``: with a code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def get_error_code(self) -> int:
        return self.code


class Recorded(ModuleType):
    """An ``amdsmi`` that answers what was recorded: of a list one after the other, then the last again."""

    def __init__(self, name: str) -> None:
        super().__init__("amdsmi")
        self.__spec__ = ModuleSpec("amdsmi", None)
        text = (DATA / name).read_text()
        for word, pid in (("OURS", os.getpid()), ("THEIRS", THEIRS), ("IDLE", IDLE)):
            text = text.replace(f'"{word}"', str(pid))
        self.gpus: list[dict[str, Any]] = json.loads(text)["gpus"]
        self.asked: dict[tuple[int, str], int] = {}
        self.started = 0
        self.fails: Exception | None = None

    def amdsmi_init(self) -> None:
        if self.fails:
            raise self.fails
        self.started += 1

    def amdsmi_shut_down(self) -> None:
        self.started -= 1

    def amdsmi_get_processor_handles(self) -> list[int]:
        return list(range(len(self.gpus)))

    def __getattr__(self, function: str) -> Any:
        if not any(function in gpu for gpu in self.gpus):
            raise AttributeError(function)
        return lambda handle, *_: self._answer(handle, function)

    def _answer(self, handle: int, function: str) -> Any:
        answer = self.gpus[handle][function]
        if isinstance(answer, list) and function == "amdsmi_get_energy_count":
            number = self.asked.get((handle, function), 0)
            self.asked[handle, function] = number + 1
            answer = answer[min(number, len(answer) - 1)]
        if isinstance(answer, dict) and "error" in answer:
            raise AmdSmiError(answer["error"], answer["message"])
        return answer


@pytest.fixture
def kfd(tmp_path: Path) -> str:
    path = tmp_path / "kfd"
    path.touch()
    return str(path)


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``smi(name)``: that recording stands for the installed amdsmi."""

    def install(name: str = "amd_rocm6.json") -> Recorded:
        recorded = Recorded(name)
        monkeypatch.setitem(sys.modules, "amdsmi", recorded)
        return recorded

    return install


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_machine_without_one_shows_nothing_of_it(smi: Any, tmp_path: Path) -> None:
    recorded = smi()
    sensor = AmdSensor(kfd=str(tmp_path / "nothing"))
    status = sensor.open()
    assert not status.ok
    assert status.message.startswith("no AMD GPU here")
    assert (sensor.channels, sensor.read(), sensor.observe()) == ((), (), ())
    assert recorded.started == 0  # nothing is imported, nothing is started


def test_the_counter_in_joules(smi: Any, kfd: str) -> None:
    smi()
    sensor = AmdSensor(kfd=kfd)
    status = sensor.open()
    assert status.ok
    assert status.message == "AMD Instinct MI300X, AMD GPU; no energy: this GPU has no energy counter (AMD SMI)"
    first, second = (c.device for c in sensor.channels)
    assert first == "a4ff74a1-0000-1000-80e5-d1a2b3c4d5e6"
    assert second == f"{first} #1"  # two boards that say the same are two
    assert sensor.memory_bytes == {first: 196592 * 2**20, second: 196592 * 2**20}
    assert sensor.names[first] == "AMD Instinct MI300X"
    reading = sensor.read()
    assert reading == (pytest.approx(1000065536 * 15.259e-6), None)
    assert sensor.read() == (None, None)  # a time-out: this reading only
    raw = list(accounting.figures(sensor.channels, reading, sensor.read()))
    assert raw[0].value == pytest.approx(65536 * 15.259e-6)
    assert raw[0].source == "AMD SMI energy counter"
    assert (raw[1].value, raw[1].reason) == (None, "this GPU has no energy counter")


def test_who_uses_it(smi: Any, kfd: str, clock: list[float]) -> None:
    smi()
    sensor = AmdSensor(kfd=kfd)
    sensor.open()
    sensor.observe()
    clock[0] += 1.0
    use, other = sensor.observe()
    assert (use.held, use.foreign, use.used_bytes) == (True, 1, 6 * 2**30)  # who uses no memory there does not hold it
    assert use.memory_share == pytest.approx(0.75)
    assert use.busy_s == pytest.approx(0.5)
    assert (other.held, other.foreign, other.busy_s) == (False, 0, None)
    clock[0] += 3600.0  # nobody looked for an hour: what it did then is not known
    assert sensor.observe()[0].busy_s == pytest.approx(0.5 + 0.5 * 2.5)


def test_rocm_6_0_and_a_counter_that_stands_still(smi: Any, kfd: str, clock: list[float]) -> None:
    smi("amd_rocm60.json")
    sensor = AmdSensor(kfd=kfd)
    assert sensor.open().ok
    joules = 8152136 * 15.300000190734863e-6
    assert sensor.read() == (pytest.approx(joules),)
    assert sensor.observe()[0].used_bytes == 2**30
    clock[0] += 4
    assert sensor.read() == (pytest.approx(joules),)
    clock[0] += 2
    assert sensor.read() == (None,)  # and no silent zero
    assert sensor.channels[0].provenance.reason == "this GPU's energy counter stands still (a fault of its driver)"
    clock[0] += 2
    assert sensor.read() == (None,)


@pytest.mark.parametrize(
    ("code", "why", "for_good"),
    [
        (10, "no permission to read this GPU's energy counter", True),
        (34, "the amdgpu driver is not loaded", True),
        (8, None, False),
    ],
)
def test_an_error_in_mid_cell(code: int, why: str | None, for_good: bool, smi: Any, kfd: str) -> None:
    recorded = smi()
    sensor = AmdSensor(kfd=kfd)
    sensor.open()
    before = sensor.read()[0]
    recorded.gpus[0]["amdsmi_get_energy_count"] = {"error": code, "message": "…"}
    assert sensor.read()[0] is None
    assert sensor.channels[0].provenance.reason == why
    recorded.gpus[0]["amdsmi_get_energy_count"] = {"energy_accumulator": 2 * 10**9, "counter_resolution": 15.259}
    assert (sensor.read()[0] is None) == for_good
    assert before is not None


@pytest.mark.parametrize("answer", [{"energy_accumulator": "N/A", "counter_resolution": 15.3}, {}, {"power": 5}])
def test_answers_without_a_counter(answer: dict[str, Any], smi: Any, kfd: str) -> None:
    recorded = smi("amd_rocm60.json")
    recorded.gpus[0]["amdsmi_get_energy_count"] = answer
    sensor = AmdSensor(kfd=kfd)
    assert not sensor.open().ok
    assert sensor.channels[0].provenance.reason == "this GPU has no energy counter"


@pytest.mark.parametrize(
    "missing",
    [
        "amdsmi_get_gpu_device_uuid",
        "amdsmi_get_gpu_asic_info",
        "amdsmi_get_gpu_vram_usage",
        "amdsmi_get_gpu_activity",
        "amdsmi_get_gpu_process_list",
        "amdsmi_get_energy_count",
    ],
)
def test_one_missing_function_costs_one_figure(missing: str, smi: Any, kfd: str) -> None:
    recorded = smi()
    for gpu in recorded.gpus:
        del gpu[missing]
    sensor = AmdSensor(kfd=kfd)
    sensor.open()
    use = sensor.observe()[0]
    assert (sensor.read()[0] is None) == (missing == "amdsmi_get_energy_count")
    assert (use.busy_s is None) == (missing == "amdsmi_get_gpu_activity")
    assert (use.held is None) == (missing == "amdsmi_get_gpu_process_list")
    assert sensor.channels[0].device == ("AMD GPU 0" if "uuid" in missing else "a4ff74a1-0000-1000-80e5-d1a2b3c4d5e6")


def test_ids_of_another_namespace(smi: Any, kfd: str, tmp_path: Path) -> None:
    """In a container ROCm may name processes by the host's ids: then our own cannot be found among them."""
    recorded = smi()
    proc = tmp_path / "proc"
    (proc / str(os.getpid()) / "fd").mkdir(parents=True)
    recorded.gpus[0]["amdsmi_get_gpu_process_list"] = [{"pid": 4194999, "memory_usage": {"vram_mem": 5}}]
    sensor = AmdSensor(str(proc), kfd)
    sensor.open()
    assert sensor.observe()[0].held is False  # nobody of us has opened what ROCm needs
    (proc / str(os.getpid()) / "fd" / "7").symlink_to(kfd)
    assert sensor.observe()[0].held is None
    (proc / "4194999").mkdir()
    assert sensor.observe()[0].held is False  # the ids are ours, and none is us
    assert sensor.observe()[0].foreign == 1


@pytest.mark.parametrize("fault", ["missing", "import", "init"])
def test_a_gpu_that_cannot_be_read_is_missing_only_where_it_is_used(
    fault: str, smi: Any, kfd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "missing":
        monkeypatch.setattr("jupyter_costmeter.sensors.amd.find_spec", lambda _: None)
    elif fault == "import":
        (tmp_path / "amdsmi.py").write_text("raise OSError('libamd_smi.so: cannot open shared object file\\nmore')")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    else:
        smi().fails = AmdSmiError(34, "AMDSMI_STATUS_DRIVER_NOT_LOADED")
    fds = tmp_path / "proc" / str(os.getpid()) / "fd"
    fds.mkdir(parents=True)
    sensor = AmdSensor(str(tmp_path / "proc"), kfd)
    status = sensor.open()
    assert not status.ok
    named = {"missing": "not the Python package amdsmi", "import": "libamd_smi.so", "init": "DRIVER_NOT_LOADED"}
    assert named[fault] in status.message
    assert "\n" not in status.message
    assert "pip install amdsmi" in (status.remedy or "")
    assert sensor.channels[0].provenance.reason == status.message
    assert sensor.read() == (None,)
    assert sensor.observe()[0].held is False
    (fds / "5").symlink_to(kfd)
    assert sensor.observe()[0].held is True


def test_no_gpu_behind_the_driver(smi: Any, kfd: str) -> None:
    smi().gpus = []
    sensor = AmdSensor(kfd=kfd)
    assert "lists none" in sensor.open().message
    assert (sensor.channels, sensor.observe()) == ((), ())


def test_it_is_started_once_and_ended_once_and_again_in_a_child(smi: Any, kfd: str) -> None:
    recorded = smi()
    sensor = AmdSensor(kfd=kfd)
    sensor.open()
    sensor.open()
    assert recorded.started == 1
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        there = sensor.read()[0] is not None
        os.write(write, f"{there} {recorded.started}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 99) == b"True 2"
    sensor.close()
    assert recorded.started == 0
    assert sensor.read() == (None, None)
