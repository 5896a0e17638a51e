"""The simulated GPU that ships as a test double: what it shows is what its trace says."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jupyter_costmeter import accounting, plugins
from jupyter_costmeter.sensors.replay import Device, Fault, Follow, ReplaySensor, Segment, Trace, TraceError, read_trace

SHARED = Path(__file__).parents[1] / "data" / "replay" / "shared.json"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def playing(trace: Trace | str | Path) -> tuple[ReplaySensor, Clock]:
    clock = Clock()
    sensor = ReplaySensor(trace, clock)
    assert sensor.open().ok
    return sensor, clock


def device(*segments: tuple[float, float], **more: Any) -> Device:
    return Device("SIM", segments=tuple(Segment(s, w) for s, w in segments), **more)


def at(clock: Clock, seconds: float) -> None:
    clock.now = 1000.0 + seconds


def test_a_trace_from_a_file() -> None:
    sensor, clock = playing(SHARED)
    assert [c.device for c in sensor.channels] == ["SIM-A", "SIM-B"]
    assert [c.stepped for c in sensor.channels] == [True, False]
    assert sensor.memory_bytes["SIM-A"] == 40 * 2**30
    at(clock, 5.05)
    assert sensor.read() == pytest.approx((2 * 60 + 3 * 300, 5.05 * 50 - 3.5 * 50))
    use, unseen = sensor.observe()
    assert (use.held, use.foreign, use.used_bytes) == (True, 0, 14 * 2**30)
    assert use.busy_s == pytest.approx(3.05 * 0.9)
    assert unseen.held is None
    assert unseen.used_bytes is None


def test_what_others_use_is_told_apart() -> None:
    sensor, clock = playing(SHARED)
    at(clock, 7.0)
    use, _ = sensor.observe()
    assert (use.held, use.foreign) == (True, 1)
    assert use.memory_share == pytest.approx(0.75)
    assert use.own_sm_s == pytest.approx(4 * 0.9 + 0.3)
    assert use.all_sm_s == pytest.approx(4 * 0.9 + 0.9)
    assert use.busy_s == pytest.approx(4 * 0.9 + 0.9)


def test_every_source_says_that_it_is_simulated() -> None:
    sensor, _ = playing(SHARED)
    assert all("simulated" in (c.provenance.source or "") for c in sensor.channels)
    assert all("simulated" in name.lower() for name in sensor.names.values())
    assert "simulated" in sensor.open().message


def test_the_end_of_a_trace_goes_on_or_begins_again() -> None:
    once, clock = playing(Trace((device((1, 100), (1, 10)),)))
    at(clock, 10)
    assert once.read() == pytest.approx((100 + 9 * 10,))
    again, clock = playing(Trace((device((1, 100), (1, 10)),), loop=True))
    at(clock, 10.5)
    assert again.read() == pytest.approx((5 * 110 + 50,))


def test_a_stepped_counter_stands_still_between_its_refreshes() -> None:
    sensor, clock = playing(Trace((device((10, 100), step_ms=100),)))
    shown = []
    for ms in range(0, 1000, 10):
        at(clock, ms / 1000)
        shown.append(sensor.read()[0])
    assert shown == sorted(shown)  # type: ignore[type-var]
    assert len(set(shown)) == 10
    assert max(shown) == pytest.approx(90.0)  # type: ignore[type-var]


@given(
    parts=some.lists(some.tuples(some.floats(0.01, 5), some.floats(0, 700)), min_size=1, max_size=6),
    times=some.lists(some.floats(0, 60), min_size=2, max_size=8),
    step_ms=some.sampled_from((0, 20, 100)),
    loop=some.booleans(),
)
def test_the_counter_is_the_traces_integral_within_a_step(
    parts: list[tuple[float, float]], times: list[float], step_ms: float, loop: bool
) -> None:
    trace = Trace((device(*parts, step_ms=step_ms),), loop)
    sensor, clock = playing(trace)
    highest = max(w for _, w in parts)
    before = None
    for now in sorted(times):
        at(clock, now)
        (shown,) = sensor.read()
        assert shown is not None
        drawn = sum(brute(parts, loop, tick / 500, 1 / 500) for tick in range(int(now * 500)))
        assert trace.energy_j("SIM", 0, now) == pytest.approx(drawn, abs=highest * 0.1 + 1e-6)
        missing = trace.energy_j("SIM", 0, now) - shown
        assert -1e-6 <= missing <= highest * (step_ms / 1000 + 1e-6) + 1e-6
        assert before is None or shown >= before - 1e-9
        before = shown


def brute(parts: list[tuple[float, float]], loop: bool, at_s: float, over_s: float) -> float:
    """The power of that moment, by looking along the trace."""
    total = sum(s for s, _ in parts)
    rest = math.fmod(at_s, total) if loop else at_s
    for seconds, watts in parts:
        if rest < seconds:
            return watts * over_s
        rest -= seconds
    return parts[-1][1] * over_s


@pytest.mark.parametrize("loop", [False, True])
def test_a_reset_sets_the_counter_to_zero(loop: bool) -> None:
    trace = Trace((device((4, 100), resets_s=(1.0, 3.0)),), loop)
    sensor, clock = playing(trace)
    for now, joules in ((0.5, 50), (1.5, 50), (2.9, 190), (3.1, 10), (4.5, 150), (7.5, 50 if loop else 450)):
        at(clock, now)
        assert sensor.read()[0] == pytest.approx(joules), now
    assert trace.energy_j("SIM", 0, 7.5) == pytest.approx(750)


def test_an_error_costs_the_reading_and_says_why_while_it_lasts() -> None:
    sensor, clock = playing(Trace((device((9, 100), errors=(Fault(1, 2, "fell off"), Fault(5, message="gone"))),)))
    for now, joules, why in (
        (0.5, 50, None),
        (1.5, None, "fell off"),
        (2.5, 250, None),
        (8, None, "gone"),
        (99, None, "gone"),
    ):
        at(clock, now)
        assert sensor.read()[0] == (None if joules is None else pytest.approx(joules))
        assert sensor.channels[0].provenance.reason == why
        assert (sensor.observe()[0].held is None) == (why is not None)
    (figure,) = accounting.figures(sensor.channels, (1.0,), (None,))
    assert (figure.value, figure.reason) == (None, "gone")


def test_a_window_is_billed_what_its_trace_draws() -> None:
    sensor, clock = playing(Trace((device((1, 60), (2, 300), (5, 60)),)))
    at(clock, 0.5)
    start = sensor.read()
    at(clock, 3.5)
    (energy,) = accounting.figures(sensor.channels, start, sensor.read())
    assert energy.value == pytest.approx(30 + 600 + 30)
    assert "simulated" in (energy.source or "")


# What is wrong with a trace

GOOD: dict[str, Any] = {"devices": [{"uuid": "SIM", "segments": [{"seconds": 1, "power_w": 100}]}]}


def changed(path: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(GOOD))
    *way, last = path.split("/")
    found: Any = made
    for step in way:
        found = found[int(step)] if step.isdigit() else found[step]
    found[int(last) if last.isdigit() else last] = value
    return made


@pytest.mark.parametrize(
    ("trace", "named"),
    [
        ("{\n 'devices': []}", "line 2, column 2"),
        ("", "line 1, column 1"),
        ("\x80", "codec"),
        ("[]", "the trace = []: it wants an object"),
        ({}, "devices is missing"),
        ({"devices": []}, "devices: it wants at least one"),
        ({"devices": {}}, "devices = {}: it wants a list"),
        (changed("loop", "yes"), "loop = 'yes': it wants true, false"),
        (changed("looop", True), "looop: there is no such field; there are devices, loop, name"),
        (changed("devices/0", 5), "devices[0] = 5: it wants an object"),
        (changed("devices/0/uuid", ""), "devices[0].uuid = '': it wants text"),
        (changed("devices/0/name", "\ud800"), "devices[0].name"),
        (changed("devices/0/segments", []), "devices[0].segments: it wants some, or else follow"),
        (changed("devices/0/segments", 1), "devices[0].segments = 1: it wants a list"),
        (
            changed("devices/0/segments/0/power_w", -5),
            "devices[0].segments[0].power_w = -5: it wants a number, 0 or more",
        ),
        (changed("devices/0/segments/0/power_w", "hot"), "devices[0].segments[0].power_w = 'hot'"),
        (changed("devices/0/segments/0/power_w", True), "devices[0].segments[0].power_w = True"),
        (changed("devices/0/segments/0/power_w", float("nan")), "devices[0].segments[0].power_w = nan"),
        (changed("devices/0/segments/0/power_w", 10**400), "devices[0].segments[0].power_w = 1000"),
        (
            changed("devices/0/segments/0/seconds", 0),
            "devices[0].segments[0].seconds = 0: it wants a number, more than 0",
        ),
        (changed("devices/0/segments/0/utilization", 90), "utilization = 90: it wants a number, 0 or more, at most 1"),
        (changed("devices/0/segments/0/held", "us"), "held = 'us': it wants true, false, null"),
        (changed("devices/0/segments/0/foreign", 1.5), "foreign = 1.5: it wants a whole number"),
        (
            changed("devices/0/segments/0/watts", 5),
            "devices[0].segments[0].watts: there is no such field; there are seconds",
        ),
        (changed("devices/0/step_ms", -1), "devices[0].step_ms = -1"),
        (changed("devices/0/resets_s", ["soon"]), "devices[0].resets_s[0] = 'soon'"),
        (
            changed("devices/0/errors", [{"from_s": 5, "until_s": 4}]),
            "devices[0].errors[0].until_s = 4: it wants a number, more than 5",
        ),
        (changed("devices/0/follow", {"busy_w": 300}), "devices[0].segments: it wants some, or else follow"),
        (
            {"devices": [{"uuid": "A", "follow": {"busy_w": 1}}]},
            "devices[0].follow.busy_w = 1: it wants a number, 60 or more",
        ),
        ({"devices": [{"uuid": "A", "follow": {}, "step_ms": 5}]}, "devices[0].follow: such a device has no step_ms"),
        ({"devices": GOOD["devices"] * 2}, "devices: it wants at least one, each with a uuid of its own"),
    ],
)
def test_a_bad_trace_is_named_and_nothing_is_raised(trace: Any, named: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(trace.encode("latin-1") if isinstance(trace, str) else json.dumps(trace).encode())
    sensor = ReplaySensor(path)
    status = sensor.open()
    assert not status.ok
    assert str(path) in status.message
    assert named in status.message
    assert status.remedy
    assert sensor.read() == ()
    assert sensor.observe() == ()
    (channel,) = sensor.channels  # missing, and no silent zero
    assert channel.provenance.method is None
    assert named in (channel.provenance.reason or "")


@pytest.mark.parametrize("name", ["no-such.json", ".", "a\0b", "x" * 5000])
def test_a_trace_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    status = ReplaySensor(f"{tmp_path}/{name}").open()
    assert not status.ok
    assert status.message.startswith(f"{tmp_path}")


def test_which_trace_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_COSTMETER_REPLAY", raising=False)
    assert "no trace is named" in plugins.load("sensors", "replay").open().message
    monkeypatch.setenv("JUPYTER_COSTMETER_REPLAY", str(SHARED))
    assert "Simulated A100" in plugins.load("sensors", "replay").open().message
    monkeypatch.setenv("JUPYTER_COSTMETER_REPLAY", "demo")
    assert "follows this process" in plugins.load("sensors", "replay").open().message


def test_a_wrong_trace_in_python_is_refused_when_it_is_made() -> None:
    with pytest.raises(TraceError, match="power_w = -1"):
        Segment(1, -1)
    with pytest.raises(KeyError):
        read_trace(SHARED).energy_j("SIM-C", 0, 1)


def test_the_page_about_it_is_true(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "replay.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "trace.json").write_text(example)
    assert ReplaySensor(tmp_path / "trace.json").open().ok
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(program, {})
    named = {f.name for kind in (Trace, Device, Segment, Follow) for f in fields(kind)} - {"devices"}
    assert {name for name in named if f"`{name}`" not in page} == set()


# The demo's GPU, which follows this process

FOLLOWING = Trace((Device("SIM", memory_bytes=20 * 2**30, follow=Follow()),))


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_it_is_busy_when_this_process_is() -> None:
    sensor = ReplaySensor(FOLLOWING)
    sensor.open()
    began, cpu, start = time.perf_counter(), time.process_time(), sensor.read()[0]
    spin(0.3)
    time.sleep(0.3)
    end = sensor.read()[0]
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    assert start is not None
    assert end is not None
    assert end - start == pytest.approx(60 * wall_s + 240 * cpu_s, rel=0.02)
    assert sensor.observe()[0].busy_s == pytest.approx(cpu_s, rel=0.1)


def test_it_is_never_busier_than_all_of_the_time() -> None:
    clock = Clock()
    sensor = ReplaySensor(FOLLOWING, clock)
    sensor.open()
    spin(0.2)
    at(clock, 0.1)
    assert sensor.read()[0] == pytest.approx(0.1 * 300, abs=0.01)
    at(clock, 0.1)
    spin(0.05)
    assert sensor.read()[0] == pytest.approx(0.1 * 300, abs=0.01)  # no time has passed, so nothing was drawn


def test_it_is_held_while_the_memory_has_grown() -> None:
    sensor = ReplaySensor(FOLLOWING)
    sensor.open()
    assert sensor.observe()[0].held is False
    weights = bytes(range(256)) * (1 << 19)  # 128 MiB
    use = sensor.observe()[0]
    assert use.held is True
    assert use.used_bytes == pytest.approx(512 * 2**20 + 32 * len(weights), rel=0.1)
    assert use.memory_share == 1.0
    more = weights * 6
    assert sensor.observe()[0].used_bytes == 20 * 2**30  # no more than there is
    del weights, more
    assert sensor.observe()[0].held is False


def test_it_never_goes_back_when_two_threads_read() -> None:
    sensor = ReplaySensor(FOLLOWING)
    sensor.open()
    backwards = []

    def read() -> None:
        highest = 0.0
        for _ in range(20_000):
            joules = sensor.read()[0] or 0.0
            if joules < highest - 1e-6:
                backwards.append((highest, joules))
            highest = max(highest, joules)

    threads = [threading.Thread(target=read) for _ in range(3)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not backwards
    assert (sensor.read()[0] or 0.0) <= 300 * (time.perf_counter() - began) + 10


@pytest.mark.parametrize("trace", ["demo", Trace((device(*[(0.1, 100.0)] * 500, step_ms=100),), loop=True)])
def test_a_reading_takes_microseconds(trace: Trace | str) -> None:
    sensor = ReplaySensor(trace)
    sensor.open()
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(1000):
            sensor.read()
        spent.append((time.perf_counter() - began) / 1000)
    assert min(spent) < 20e-6


def test_opening_again_begins_again() -> None:
    sensor, clock = playing(Trace((device((10, 100)),)))
    at(clock, 5)
    assert sensor.read() == pytest.approx((500,))
    sensor.open()
    assert sensor.read() == pytest.approx((0,))
    sensor.close()
    assert sensor.read() == ()
    assert replace(Segment(1, 1), power_w=2).power_w == 2
