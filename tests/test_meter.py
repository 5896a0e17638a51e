"""What the meter asks at edges, and what it loads when nobody waits for it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jupyter_costmeter import guard, plugins
from jupyter_costmeter import session as sessions
from jupyter_costmeter.config import CostMeter
from jupyter_costmeter.meter import Meter
from jupyter_costmeter.parts import Parts, built_in
from jupyter_costmeter.record import Figure, Provenance, Status, Usage
from jupyter_costmeter.session import Session

EXACT = Provenance("measured", "counted by the test", 0.0)
#: Figures, and the tracers that give them.
LATE, ALWAYS = "flops_fp32", "flops_fp64"


class Tracer:
    """Counts how often it is marked; its figure is what was counted since the window's start."""

    working: Any = nullcontext

    def __init__(self, name: str) -> None:
        self.name, self.count, self.marks = name, 0, 0

    def open(self) -> Status:
        return self.status()

    def status(self) -> Status:
        return Status(self.name, True, "")

    def mark(self) -> int:
        self.marks += 1
        return self.count

    def figures(self, start: Any, end: Any) -> tuple[Figure, ...]:
        return () if end is None else (Figure(self.name, float(end - (start or 0)), EXACT),)

    def close(self) -> None: ...


class Late(Tracer):
    awaits = "costmeter_test_module"


class Model:
    name = "model"

    def open(self) -> Status:
        return Status(self.name, True, "estimates")

    def estimate(self, usage: Usage) -> Usage:
        return Usage(usage.wall_s, (*usage.figures, Figure("ram_energy_j", 1.0, EXACT)))


@pytest.fixture
def arrive(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setitem(sys.modules, Late.awaits, ModuleType(Late.awaits))


def figures(meter: Meter, *, during: Callable[[], object] = lambda: None) -> dict[str, float | None]:
    window = meter.open_window()
    during()
    meter.close_window(window)
    assert window.end is not None
    return {figure.name: figure.value for figure in meter.usage(window, window.end).figures}


def test_a_tracer_is_not_asked_before_what_it_waits_for(arrive: Callable[[], None]) -> None:
    late, always = Late(LATE), Tracer(ALWAYS)
    meter = Meter(Parts(tracers=[late, always]))
    assert figures(meter) == {ALWAYS: 0.0}
    assert (late.marks, always.marks) == (0, 2)
    arrive()
    assert figures(meter) == {ALWAYS: 0.0, LATE: 0.0}
    assert late.marks == 2


def test_the_window_in_which_it_comes_is_counted_from_its_start(arrive: Callable[[], None]) -> None:
    late, always = Late(LATE), Tracer(ALWAYS)
    meter = Meter(Parts(tracers=[late, always]))

    def work() -> None:
        arrive()
        late.count += 7

    outer, before = meter.open_window(), meter.boundary()
    assert figures(meter, during=work) == {ALWAYS: 0.0, LATE: 7.0}
    late.count += 2
    meter.close_window(outer)
    assert outer.end is not None
    assert {f.name: f.value for f in meter.usage(outer, outer.end).figures} == {ALWAYS: 0.0, LATE: 9.0}
    gap = meter.gap(before, meter.open_window())
    assert gap.end is not None
    assert {f.name: f.value for f in meter.usage(gap, gap.end).figures} == {ALWAYS: 0.0, LATE: 9.0}


def test_a_window_that_ended_before_it_came_has_none_of_it(arrive: Callable[[], None]) -> None:
    late = Late(LATE)
    meter = Meter(Parts(tracers=[late]))
    window = meter.open_window()
    meter.close_window(window)
    arrive()
    late.count = 5
    meter.boundary()
    assert window.end is not None
    assert meter.usage(window, window.end).figures == ()


def test_what_was_there_before_the_meter_is_marked_from_the_first_edge(arrive: Callable[[], None]) -> None:
    arrive()
    late = Late(LATE)
    late.count = 1000
    assert figures(Meter(Parts(tracers=[late]))) == {LATE: 0.0}


def test_an_interrupt_while_a_tracer_begins_neither_loses_nor_doubles_it(arrive: Callable[[], None]) -> None:
    """At each line of the noticing."""
    arrive()
    for at in range(1, 8):
        late = Late(LATE)
        meter = Meter(Parts(tracers=[late]))

        def interrupt(frame: Any, event: str, _: Any, at: int = at) -> Any:
            nonlocal lines
            if frame.f_code.co_name == "_notice":
                lines += event == "line"
                if lines == at:
                    raise KeyboardInterrupt
                return interrupt
            return None

        lines = 0
        sys.settrace(interrupt)
        try:
            meter.sample()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        assert len(meter.sample().marks) == 1


def test_figures_that_no_cell_waits_for_are_loaded_once_by_whoever_wants_them_first() -> None:
    loads: list[int] = []

    def more() -> Parts:
        loads.append(1)
        return Parts(models=[Model()], problems=[Status("gone", False, "ImportError", "install the package again")])

    meter = Meter(Parts(more=more), wait=False)
    assert not loads
    assert figures(meter) == {"ram_energy_j": 1.0}  # though its drivers have not joined, and may hang in it
    loads.clear()
    meter = Meter(Parts(more=more), wait=False)
    threads = [threading.Thread(target=meter.join), threading.Thread(target=lambda: meter.states)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]
    assert [status.name for status in meter.states] == ["gone", "model"]


def test_loading_the_extension_loads_no_drivers_and_no_models() -> None:
    code = (
        "import sys; from jupyter_costmeter import plugins; from jupyter_costmeter.config import CostMeter;"
        "from jupyter_costmeter.session import Session; Session(CostMeter(ledger_path='unused'));"
        "print([m for m in sys.modules if m.rpartition('.')[2] in ('model', 'nvml', 'amd', 'apple')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_those_that_may_hang_are_the_drivers() -> None:
    hang = {name for name in plugins.BUILT_IN["sensors"] if plugins.load("sensors", name).may_hang}
    assert hang == set(plugins.DRIVERS)


def test_a_driver_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN["sensors"], "amd", "jupyter_costmeter.sensors.nowhere:AmdSensor")
    monkeypatch.setattr(guard, "report", lambda *_: None)
    meter = Meter(built_in(["amd"]))
    found = next(status for status in meter.states if status.name == "amd")
    assert (found.ok, found.remedy) == (False, "install the package again")
    assert "nowhere" in found.message


@pytest.mark.parametrize("asked", [True, False])
def test_the_drivers_come_when_the_first_cell_asks_or_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    monkeypatch.setattr(sessions, "REPLY_S", 60.0 if asked else 0.01)
    session = Session(CostMeter(ledger_path=str(tmp_path / "ledger.sqlite"), flops=False))
    session.start()
    if asked:
        assert not session.meter.joined.wait(0.05)
        session.ready()
    assert session.meter.joined.wait(10)


def test_no_two_parts_have_one_name() -> None:
    """``%cost doctor`` tells of each by its name; a tracer's word took that of a sensor called the same."""
    meter = Meter(built_in(CostMeter().sensors, CostMeter().tracers))
    names = [status.name for status in meter.states]
    meter.close()
    assert len(names) == len(set(names))
