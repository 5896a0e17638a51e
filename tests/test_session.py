"""Conservation: each joule and second of a session is in exactly one bucket."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_costmeter.config import CostMeter
from jupyter_costmeter.ledger import LedgerState
from jupyter_costmeter.meter import Meter
from jupyter_costmeter.parts import Parts
from jupyter_costmeter.record import CellRecord, Channel, DeviceUse, Provenance, Reading, SessionInfo, Status
from jupyter_costmeter.session import Run, Session

COUNTED = Provenance("measured", "a counter", 0.05)
GPU = "GPU-1"


class Machine:
    """A clock that only the test moves, and counters that follow it; the one wraps, the other moves in steps."""

    name = "machine"
    may_hang = False
    wrap_j = 500.0

    def __init__(self, step_s: float, stepped: bool = False) -> None:
        self.step_s = step_s
        self.now = 1000.0
        self.gpu_j, self.package_j, self.cpu_s, self.busy_s = 7.0, 3.0, 0.0, 0.0
        self._shown = self.gpu_j
        self.begin = (self.gpu_j, self.package_j, self.cpu_s)
        self.channels = (
            Channel("gpu_energy_j", "counter", COUNTED, GPU, stepped=stepped),
            Channel("package_energy_j", "counter", COUNTED, "package-0", wrap=self.wrap_j),
            Channel("own_cpu_s", "counter", COUNTED),
            Channel("machine_cpu_s", "counter", COUNTED),
        )

    def pass_(self, seconds: float, watts: float, cpus: float) -> None:
        before = self.now
        self.now += seconds
        self.gpu_j += watts * seconds
        self.package_j += 20.0 * seconds
        self.cpu_s += cpus * seconds
        self.busy_s += seconds if watts > 100 else 0.0
        if not self.step_s or before // self.step_s != self.now // self.step_s:
            self._shown = self.gpu_j

    def open(self) -> Status:
        return Status(self.name, True, "")

    def read(self) -> Reading:
        return (self._shown, self.package_j % self.wrap_j, self.cpu_s, self.cpu_s * 2 + 1e-9 * self.now)

    def observe(self) -> tuple[DeviceUse, ...]:
        return (DeviceUse(GPU, held=True, used_bytes=14e9, busy_s=self.busy_s),)

    def close(self) -> None: ...


class Kept:
    """A writer that only keeps."""

    def __init__(self, info: SessionInfo) -> None:
        self.info = info
        self.records: list[CellRecord] = []
        self.noted: list[CellRecord] = []
        self.state = LedgerState(True, "")

    def append(self, records: list[CellRecord]) -> None:
        self.records += records

    def journal(self, records: list[CellRecord]) -> None:
        self.noted += records

    def flush(self, timeout_s: float) -> bool:
        return True


class Still:
    """A sampler without a thread."""

    def opened(self) -> None: ...

    def closed(self) -> None: ...

    def flush(self, timeout_s: float) -> bool:
        return False


def session_on(machine: Machine, folder: Path) -> tuple[Session, Kept]:
    settings_ = CostMeter(ledger_path=str(folder / "ledger.sqlite"))
    session = Session(settings_, parts=Parts())
    session.meter = Meter(Parts(sensors=[machine]), clock=lambda: machine.now)  # type: ignore[list-item]
    session.gaps = type(session.gaps)(session.meter, session.tally.add)
    kept = Kept(session.info)
    session.writer, session.sampler = kept, Still()  # type: ignore[assignment]
    rests = session.idling._rests
    session.idling = type(session.idling)(session.gaps, session.watch, kept, rests)  # type: ignore[arg-type]
    session.meter.observe()
    return session, kept


seconds = st.floats(0.001, 20.0)
actions = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "wait", "work", "settle", "tick", "flush", "rest", "ask"]),
        seconds,
        st.sampled_from([60.0, 300.0]),
        st.floats(0, 2),
    ),
    max_size=40,
)


def play(session: Session, machine: Machine, schedule: list[tuple[str, float, float, float]]) -> None:
    """Cells nest, blocks lie in cells and outside of them, some are left open; whatever the order."""
    opened: list[Run] = []
    numbers = itertools.count()
    looks = {"settle": session.settle, "flush": session.flush, "tick": session._tick}
    for action, length, watts, cpus in schedule:
        if action == "open":
            opened.append(session.open(code="code" if session.cells_only and next(numbers) % 3 else None))
        elif action == "close" and opened:
            session.close(opened.pop(-1 if length > 5 else 0), "error" if watts > 100 else "ok")
        elif action in ("wait", "work"):
            machine.pass_(length, watts, cpus)
        elif action == "rest" and not opened:
            session.settle()
            session.idling.end()
            session.idling.note()
        elif action == "ask" and not opened:  # the panel asks, before the kernel has come to rest
            session.settle()
            session.idling.note()
        elif action in looks:
            looks[action]()


@settings(max_examples=150, deadline=None)
@given(schedule=actions, step=st.sampled_from([0.0, 0.1, 5.0]), in_kernel=st.booleans(), stepped=st.booleans())
def test_the_buckets_sum_to_the_counters_own_difference(
    tmp_path_factory: pytest.TempPathFactory,
    schedule: list[tuple[str, float, float, float]],
    step: float,
    in_kernel: bool,
    stepped: bool,
) -> None:
    machine = Machine(step, stepped)
    session, kept = session_on(machine, tmp_path_factory.getbasetemp())
    session.cells_only = in_kernel
    shown = machine.read()[0]
    play(session, machine, schedule)
    session.close_all()
    session.gaps.close()
    session.flush()
    own = machine.cpu_s - machine.begin[2]
    expected = {
        "gpu_energy_j": (machine.read()[0] or 0.0) - (shown or 0.0),
        "gpu_reserved_s": machine.now - 1000.0,
        "cpu_s": own,
    }
    counted = [r for r in kept.records if r.parent_id is None]
    for name, value in expected.items():
        total = session.summary().total(name)
        found = total.value if total and total.value is not None else 0.0
        assert found == pytest.approx(value, rel=1e-6, abs=1e-6), name
        written = [f.value for r in counted for f in r.usage.figures if f.name == name and f.value is not None]
        assert sum(written) == pytest.approx(value, rel=1e-6, abs=1e-6), name
    assert len({r.id for r in kept.records}) == len(kept.records)
    held = {r.id for r in kept.noted if r.bucket == "held_idle"}
    assert held <= {r.id for r in kept.records}  # what was told before it had ended is told by a record


def test_a_gap_that_was_told_is_no_part_of_one_before_it(tmp_path: Path) -> None:
    """The panel asked while a short gap still waited: put together, what was told would be told for ever."""
    machine = Machine(0.0)
    session, kept = session_on(machine, tmp_path)
    cell, rest = (
        [("open", 1.0, 60.0, 0.0), ("work", 1.0, 300.0, 0.0), ("close", 9.0, 60.0, 0.0)],
        ("wait", 2.0, 60.0, 0.0),
    )
    settle, ask = ("settle", 1.0, 60.0, 0.0), ("ask", 1.0, 60.0, 0.0)
    play(session, machine, [*3 * [*cell, settle, rest], *cell, settle, rest, ask, *cell, settle])
    noted = {r.id for r in kept.noted if r.bucket == "held_idle"}
    assert noted
    assert noted <= {r.id for r in kept.records}


@pytest.fixture
def machine() -> Machine:
    return Machine(0.0)


@pytest.fixture
def kept(machine: Machine, tmp_path: Path) -> tuple[Session, Kept]:
    return session_on(machine, tmp_path)


def buckets(kept: Kept) -> dict[str, Any]:
    return {(r.bucket, r.seq): {f.name: f.value for f in r.usage.figures} for r in kept.records}


def test_a_gpu_held_between_cells_is_in_no_cell(machine: Machine, kept: tuple[Session, Kept]) -> None:
    session, writer = kept
    for pause in (30.0, 60.0):
        machine.pass_(pause, 60.0, 0.0)
        run = session.open(code="train()")
        machine.pass_(10.0, 300.0, 1.0)
        session.close(run, "ok")
        session.settle()
    found = buckets(writer)
    assert found["cell", 1]["gpu_energy_j"] == pytest.approx(3000.0)
    assert found["cell", 2]["gpu_energy_j"] == pytest.approx(3000.0)
    assert found["held_idle", 1]["gpu_energy_j"] == pytest.approx(3600.0)
    assert found["held_idle", 1]["gpu_busy_s"] == 0.0


def test_what_is_held_is_told_with_its_time_and_use(machine: Machine, kept: tuple[Session, Kept]) -> None:
    session, _ = kept
    run = session.open(code="train()")
    machine.pass_(10.0, 300.0, 1.0)
    assert session.held() == ()
    session.close(run, "ok")
    session.settle()
    machine.pass_(3000.0, 60.0, 0.0)
    (held,) = session.held()
    assert (held.used_bytes, held.idle_s, held.busy_share) == (14e9, 3000.0, 0.0)
    asking = session.open(code="%cost")
    machine.pass_(0.1, 60.0, 0.0)
    (held,) = session.held()  # as the pause before the cell that asks
    assert held.idle_s == pytest.approx(3000.0)
    session.close(asking, "ok")


def test_quick_cells_do_not_triple_the_ledger(machine: Machine, kept: tuple[Session, Kept]) -> None:
    session, writer = kept
    for _ in range(100):
        run = session.open(code="1")
        machine.pass_(0.05, 60.0, 1.0)
        session.close(run, "ok")
        session.settle()
        machine.pass_(0.02, 60.0, 0.0)
    session.flush()
    assert len([r for r in writer.records if r.bucket != "cell"]) <= 4


def test_a_failure_of_ours_while_reading_on_costs_no_record(
    machine: Machine, kept: tuple[Session, Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, writer = kept
    monkeypatch.setattr(session.meter, "settle", lambda *_: 1 / 0)
    for _ in range(2):
        run = session.open(code="1")
        machine.pass_(1.0, 60.0, 1.0)
        session.close(run, "ok")
        session.settle()
    assert [r.seq for r in writer.records if r.bucket == "cell"] == [1, 2]
    assert session.unsettled == 0


def test_an_interrupt_while_records_are_handed_over_loses_none(
    machine: Machine, kept: tuple[Session, Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ``%cost`` on the user's thread, say: they are made again with the next settling, and count once."""
    session, writer = kept
    whole = writer.append

    def interrupted(records: list[CellRecord]) -> None:
        if records and records[0].bucket == "cell":
            monkeypatch.setattr(writer, "append", whole)
            raise KeyboardInterrupt

    monkeypatch.setattr(writer, "append", interrupted)
    for _ in range(2):
        run = session.open(code="1")
        machine.pass_(1.0, 60.0, 1.0)
        session.close(run, "ok")
    with pytest.raises(KeyboardInterrupt):
        session.settle()
    session.settle()
    assert [r.seq for r in writer.records if r.bucket == "cell"] == [1, 2]
    assert (session.unsettled, session.summary().cells) == (0, 2)


def test_a_session_knows_its_gpus_and_their_memory(tmp_path: Path) -> None:
    """Of a slice whose memory is not told nothing is said."""
    machine = Machine(0.1)
    machine.names, machine.memory_bytes = {GPU: "A100", "MIG-1": "A100 1g"}, {GPU: 40 * 2**30, "MIG-1": 0}  # type: ignore[attr-defined]
    session, kept = session_on(machine, tmp_path)
    session._name_devices()
    facts = session.info.environment
    assert json.loads(facts["devices"]) == {GPU: "A100", "MIG-1": "A100 1g"}
    assert json.loads(facts["devices_bytes"]) == {GPU: 40 * 2**30}
    assert kept.info is session.info  # type: ignore[attr-defined]
