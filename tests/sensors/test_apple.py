"""Apple silicon by recorded answers of zeus-apple-silicon (tests/data/replay): never run on a Mac."""

from __future__ import annotations

import json
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jupyter_costmeter import accounting
from jupyter_costmeter.sensors.apple import AppleSensor

ANSWERS = json.loads((Path(__file__).parents[1] / "data" / "replay" / "apple.json").read_text())


class Recorded(ModuleType):
    """A ``zeus_apple_silicon`` that answers what was recorded, one after the other, then the last again."""

    def __init__(self, name: str) -> None:
        super().__init__("zeus_apple_silicon")
        self.__spec__ = ModuleSpec("zeus_apple_silicon", None)
        self.answers: list[dict[str, Any]] = list(ANSWERS[name])
        self.fails: Exception | None = None

    def AppleEnergyMonitor(self) -> Any:  # noqa: N802
        return SimpleNamespace(get_cumulative_energy=self.cumulative)

    def cumulative(self) -> Any:
        if self.fails:
            raise self.fails
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return SimpleNamespace(**answer)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(name: str = "m1_pro") -> Recorded:
        recorded = Recorded(name)
        monkeypatch.setitem(sys.modules, "zeus_apple_silicon", recorded)
        return recorded

    return install


def mac() -> AppleSensor:
    return AppleSensor("darwin", "arm64")


@pytest.mark.parametrize(("system", "machine"), [("linux", "aarch64"), ("darwin", "x86_64"), ("linux", "arm64")])
def test_another_machine_shows_nothing_of_it(system: str, machine: str, chip: Any) -> None:
    chip().fails = RuntimeError("must not be asked")
    sensor = AppleSensor(system, machine)
    status = sensor.open()
    assert (status.ok, status.message) == (False, "no Apple silicon here")
    assert (sensor.channels, sensor.read(), sensor.observe()) == ((), (), ())


def test_this_machine_shows_nothing_of_it() -> None:
    if sys.platform == "darwin":
        pytest.skip("this is a Mac")
    sensor = AppleSensor()
    assert not sensor.open().ok
    assert sensor.channels == ()


def test_the_counters_in_joules(chip: Any) -> None:
    recorded = chip()
    recorded.answers.insert(0, recorded.answers[0])  # the one that is looked at on opening
    sensor = mac()
    status = sensor.open()
    assert status.ok
    assert status.message == "Apple energy counter (IOReport): CPU, DRAM, GPU"
    figures = {f.name: f for f in accounting.figures(sensor.channels, sensor.read(), sensor.read())}
    assert figures["package_energy_j"].value == pytest.approx(12.0)
    assert figures["dram_energy_j"].value == pytest.approx(1.5)
    assert figures["gpu_energy_j"].value == pytest.approx(6.25)  # with its SRAM, a rail of its own
    assert figures["gpu_energy_j"].device == "Apple GPU"
    assert figures["package_energy_j"].source == "Apple energy counter (IOReport), CPU"
    # what it takes to find this kernel's share is there, as with RAPL
    assert figures["machine_cpu_s"].value is not None
    assert (figures["machine_memory_bytes"].value or 0) > 2**28


def test_who_uses_the_gpu_cannot_be_seen(chip: Any) -> None:
    chip()
    sensor = mac()
    sensor.open()
    (use,) = sensor.observe()
    assert (use.device, use.held, use.busy_s) == ("Apple GPU", None, None)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("no_dram", ["package_energy_j", "gpu_energy_j"]),
        ("first_release", ["package_energy_j", "dram_energy_j", "gpu_energy_j"]),
    ],
)
def test_other_chips_and_releases(name: str, there: list[str], chip: Any) -> None:
    chip(name)
    sensor = mac()
    assert sensor.open().ok
    assert [c.name for c in sensor.channels][:-2] == there
    assert None not in sensor.read()


def test_a_chip_without_any_counter(chip: Any) -> None:
    chip().answers = [{}]
    sensor = mac()
    assert not sensor.open().ok
    assert (sensor.channels, sensor.observe()) == ((), ())


def test_a_counter_that_stands_still_is_not_zero(chip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    recorded = chip()
    sensor = mac()
    sensor.open()
    assert None not in sensor.read()
    now[0] += 9
    recorded.answers[-1] = {**recorded.answers[-1], "dram_mj": 21600}
    assert None not in sensor.read()
    now[0] += 9
    cpu, dram, gpu, *_ = sensor.read()
    assert (cpu, dram) == (None, pytest.approx(21.6))
    assert gpu is not None  # a GPU may rest
    assert "stands still" in (sensor.channels[0].provenance.reason or "")


def test_what_goes_wrong_costs_a_reading(chip: Any) -> None:
    recorded = chip()
    sensor = mac()
    sensor.open()
    recorded.fails = RuntimeError("Failed to create IOReport subscription.")
    assert sensor.read() == (None,) * len(sensor.channels)
    recorded.fails = None
    assert None not in sensor.read()
    sensor.close()
    assert sensor.read() == ()


@pytest.mark.parametrize("fault", ["missing", "refused"])
def test_a_mac_that_cannot_be_read(fault: str, chip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chip().fails = RuntimeError("Failed to create IOReport subscription.")
    if fault == "missing":
        monkeypatch.setattr("jupyter_costmeter.sensors.apple.find_spec", lambda _: None)
    sensor = mac()
    status = sensor.open()
    assert not status.ok
    assert {"missing": "is missing", "refused": "IOReport subscription"}[fault] in status.message
    assert status.remedy
    assert sensor.channels == ()
