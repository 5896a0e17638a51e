"""RAPL on a made-up sysfs tree, through the accounting that a user's figures go through."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_costmeter import accounting, attribution
from jupyter_costmeter.record import Figure, Provenance
from jupyter_costmeter.sensors import rapl
from jupyter_costmeter.sensors.rapl import RaplSensor

MOST = 262_143_328_850  # µJ, a Xeon's max_energy_range_uj
MEMORY = 64 * 2**30


class Machine:
    """Two sockets as Linux shows them: packages, their core and DRAM parts, psys, and the mmio repeat."""

    def __init__(self, folder: Path) -> None:
        self.root, self.proc = folder / "powercap", folder / "proc"
        self.proc.mkdir(parents=True)
        self.cpu(0)
        (self.proc / "meminfo").write_text(f"MemTotal:       {MEMORY // 1024} kB\nMemFree: 1 kB\n")

    def two_sockets(self) -> Machine:
        for socket in (0, 1):
            self.domain(f"intel-rapl:{socket}", f"package-{socket}", 1_000_000_000 * (socket + 1))
            self.domain(f"intel-rapl:{socket}:0", "core", 7_000_000)
            self.domain(f"intel-rapl:{socket}:1", "dram", 50_000_000)
        self.domain("intel-rapl:2", "psys", 9_000_000_000)
        self.domain("intel-rapl-mmio:0", "package-0", 1_000_000_000)
        return self

    def domain(self, folder: str, name: str, energy_uj: int, most: int | None = MOST) -> None:
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "name").write_text(f"{name}\n")
        (path / "energy_uj").write_text(f"{energy_uj}\n")
        if most:
            (path / "max_energy_range_uj").write_text(f"{most}\n")

    def energy(self, folder: str, joules: float) -> None:
        (self.root / folder / "energy_uj").write_text(f"{round(joules * 1e6)}\n")

    def cpu(self, seconds: float) -> None:
        """That many busy seconds, over six kinds of time; idle and waiting are not among them."""
        ticks = round(seconds * os.sysconf("SC_CLK_TCK"))
        idle, waiting = 123456 + 3 * ticks, 789 + ticks
        parts = [ticks - 5, 1, 1, idle, waiting, 1, 1, 1, 55, 66] if ticks else [0, 0, 0, idle, waiting, 0, 0, 0, 0, 0]
        (self.proc / "stat").write_text("cpu  " + " ".join(map(str, parts)) + "\ncpu0 9 9 9 9 9 9 9 9 9 9\n")

    def sensor(self) -> RaplSensor:
        return RaplSensor(str(self.root), str(self.proc))


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp())  # not tmp_path: another user must be able to look into it
    folder.chmod(0o755)
    yield Machine(folder)
    shutil.rmtree(folder)


def figures(sensor: RaplSensor, start, end) -> list[tuple[str, str | None, float | None]]:
    return [(f.name, f.device, f.value) for f in accounting.figures(sensor.channels, start, end)]


def test_packages_and_their_dram_and_nothing_twice(machine: Machine):
    sensor = machine.two_sockets().sensor()
    status = sensor.open()
    assert status.ok
    assert status.message == "RAPL package-0, RAPL package-0 DRAM, RAPL package-1, RAPL package-1 DRAM"
    assert [(c.name, c.device) for c in sensor.channels] == [
        ("package_energy_j", "package-0"),
        ("dram_energy_j", "package-0"),
        ("package_energy_j", "package-1"),
        ("dram_energy_j", "package-1"),
        ("machine_cpu_s", None),
        ("machine_memory_bytes", None),
    ]
    assert {c.provenance.method for c in sensor.channels} == {"measured"}


def test_a_tree_that_nests_its_parts_and_names_a_package_twice(machine: Machine):
    """The parts lie below their package too, and only there where the class's links are left out."""
    for folder in ("intel-rapl:0", "intel-rapl:1"):
        machine.domain(folder, "package-0", 1_000_000)
    machine.domain("intel-rapl:0/intel-rapl:0:0", "dram", 2_000_000)
    sensor = machine.sensor()
    sensor.open()
    assert [(c.name, c.device) for c in sensor.channels[:-2]] == [
        ("package_energy_j", "package-0"),
        ("dram_energy_j", "package-0"),
    ]
    assert sensor.read()[:2] == (1.0, 2.0)


def test_a_cells_energy_with_all_dram(machine: Machine):
    """Both sockets, and DRAM, which codecarbon drops (FACTS §2.2, bug 1)."""
    sensor = machine.two_sockets().sensor()
    sensor.open()
    start = sensor.read()
    for folder, joules in (
        ("intel-rapl:0", 1240),
        ("intel-rapl:1", 2150),
        ("intel-rapl:0:1", 80),
        ("intel-rapl:1:1", 70),
    ):
        machine.energy(folder, joules)
    machine.cpu(4.0)
    found = figures(sensor, start, sensor.read())
    assert found == [
        ("package_energy_j", "package-0", pytest.approx(240)),
        ("dram_energy_j", "package-0", pytest.approx(30)),
        ("package_energy_j", "package-1", pytest.approx(150)),
        ("dram_energy_j", "package-1", pytest.approx(20)),
        ("machine_cpu_s", None, pytest.approx(4.0)),
        ("machine_memory_bytes", None, MEMORY),
    ]


def test_a_kernel_gets_its_share(machine: Machine):
    """A quarter of the machine's CPU time, an eighth of its memory."""
    sensor = machine.two_sockets().sensor()
    sensor.open()
    start = sensor.read()
    machine.energy("intel-rapl:0", 1400)
    machine.energy("intel-rapl:1:1", 130)
    machine.cpu(8.0)
    own = (
        Figure("cpu_s", 2.0, Provenance("measured")),
        Figure("rss_bytes", MEMORY / 8, Provenance("measured")),
        Figure("peak_rss_bytes", MEMORY / 8, Provenance("measured")),
    )
    raw = (*own, *accounting.figures(sensor.channels, start, sensor.read()))
    usage = accounting.kept(attribution.attributed(1.0, raw))
    by_name = {t.name: t.value for t in accounting.cell_totals(usage)}
    assert by_name["cpu_energy_j"] == pytest.approx(100.0)
    assert by_name["ram_energy_j"] == pytest.approx(10.0)


def test_the_counter_starts_again_within_a_cell(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    """262,143.0 J to 1.0 J with a range of 262,143.328850 J is 1.328850 J (FACTS §6.10)."""
    machine.domain("intel-rapl:0", "package-0", 262_143_000_000)
    sensor = machine.sensor()
    sensor.open()
    start = sensor.read()
    machine.energy("intel-rapl:0", 1.0)
    assert figures(sensor, start, sensor.read())[0][2] == pytest.approx(1.32885)


def test_a_long_cell_loses_no_turn(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    """150 W for three hours is six turns: read each minute, all are counted."""
    now = [0.0]
    monkeypatch.setattr(rapl.time, "monotonic", lambda: now[0])
    machine.domain("intel-rapl:0", "package-0", 1_000_000)
    sensor = machine.sensor()
    sensor.open()
    start = sensor.read()
    for minute in range(1, 181):
        now[0] = 60.0 * minute
        machine.energy("intel-rapl:0", (1 + 150 * now[0]) % (MOST / 1e6))
        end = sensor.read()
    assert figures(sensor, start, end)[0][2] == pytest.approx(150 * 10800, abs=0.001)


def test_a_reset_is_no_turn(machine: Machine):
    """After a suspend the counter is at 0 again: 162 kJ in a moment are not believed."""
    machine.domain("intel-rapl:0", "package-0", 100_000_000_000)
    sensor = machine.sensor()
    sensor.open()
    start = sensor.read()
    machine.energy("intel-rapl:0", 2.0)
    end = sensor.read()
    assert figures(sensor, start, end)[0][2] is None
    machine.energy("intel-rapl:0", 5.0)
    assert figures(sensor, end, sensor.read())[0][2] == pytest.approx(3.0)


@settings(max_examples=50, deadline=None)
@given(start=st.floats(0, 262_143), used=st.lists(st.floats(0, 100_000), max_size=20))
def test_whatever_the_start_the_sum_is_right(start: float, used: list[float]):
    domain = rapl._Domain("package_energy_j", "package-0", Path(), MOST / 1e6)
    at, clock, total = start, 0.0, 0.0
    domain._read_at = 0.0
    first = domain._counted(at, clock)
    for joules in used:
        clock += 60.0
        at = (at + joules) % (MOST / 1e6)
        total += joules
        assert domain._counted(at, clock) - first == pytest.approx(total, abs=1e-3)


def test_only_root_may_read(machine: Machine):
    machine.two_sockets()
    for path in machine.root.glob("*/energy_uj"):
        path.chmod(0o400)
    with as_nobody():
        sensor = machine.sensor()
        status = sensor.open()
    assert not status.ok
    assert "only root may read" in status.message
    assert status.remedy.startswith("sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj")
    assert "next boot" in status.remedy
    assert sensor.channels == ()
    assert sensor.read() == ()


def test_the_remedy_helps(machine: Machine):
    """The command's pattern covers packages and their DRAM."""
    machine.two_sockets()
    for path in machine.root.glob("*/energy_uj"):
        path.chmod(0o400)
    pattern = rapl.REMEDY.split()[3].replace(rapl.ROOT + "/", "")
    for path in machine.root.glob(pattern):
        path.chmod(0o444)
    with as_nobody():
        sensor = machine.sensor()
        assert sensor.open().ok
        assert None not in sensor.read()


def test_what_may_not_be_read_says_so(machine: Machine):
    machine.two_sockets()
    for path in machine.root.glob("intel-rapl:?:1/energy_uj"):
        path.chmod(0o400)
    with as_nobody():
        sensor = machine.sensor()
        status = sensor.open()
        reading = sensor.read()
    assert status.ok
    assert status.remedy
    assert [value is None for value in reading] == [False, True, False, True, False, False]
    assert "only root" in sensor.channels[1].provenance.reason
    assert sensor.channels[1].provenance.method is None


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root reads everything, so become someone else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("there", [False, True])
def test_no_rapl(machine: Machine, there: bool):
    """No powercap at all, or one with folders that a container empties."""
    if there:
        (machine.root / "intel-rapl:0").mkdir(parents=True)
        machine.domain("dtpm", "dtpm", 1)
    sensor = machine.sensor()
    status = sensor.open()
    assert not status.ok
    assert "no RAPL on this machine" in status.message
    assert sensor.channels == ()
    assert sensor.read() == ()
    assert sensor.observe() == ()
    sensor.close()


def test_a_counter_that_never_counts_is_no_zero(machine: Machine):
    """A client chip's DRAM part: there, and 0 for ever."""
    machine.domain("intel-rapl:0", "package-0", 1_000_000)
    machine.domain("intel-rapl:0:1", "dram", 0)
    sensor = machine.sensor()
    status = sensor.open()
    assert status.ok
    assert status.remedy is None
    assert "does not count" in status.message
    start = sensor.read()
    machine.energy("intel-rapl:0", 3.0)
    (package, dram), channels = figures(sensor, start, sensor.read())[:2], sensor.channels
    assert package[2] == pytest.approx(2.0)
    assert dram[2] is None
    assert "does not count" in channels[1].provenance.reason


def test_a_virtual_machine_whose_counters_never_count(machine: Machine):
    machine.domain("intel-rapl:0", "package-0", 0)
    sensor = machine.sensor()
    status = sensor.open()
    assert (status.ok, status.remedy) == (False, None)
    assert "does not count" in status.message
    assert sensor.channels == ()
    assert sensor.read() == ()


def test_the_dies_of_one_package_are_told_apart(machine: Machine):
    for die in (0, 1):
        machine.domain(f"intel-rapl:{die}", f"package-0-die-{die}", 1_000_000 * (die + 1))
        machine.domain(f"intel-rapl:{die}:0", "dram", 5_000_000 * (die + 1))
    sensor = machine.sensor()
    sensor.open()
    assert sensor.read()[:4] == (1.0, 5.0, 2.0, 10.0)


def test_a_counter_that_does_not_say_where_it_turns(machine: Machine):
    machine.domain("intel-rapl:0", "package-0", 9_000_000, most=None)
    sensor = machine.sensor()
    sensor.open()
    start = sensor.read()
    machine.energy("intel-rapl:0", 1.0)
    assert figures(sensor, start, sensor.read())[0][2] is None


@pytest.mark.parametrize("text", [None, "", "intr 1 2 3\n", "cpu  1 2 3\n"])
def test_without_the_machines_cpu_time_the_joules_stay(machine: Machine, text: str | None):
    """And only the share is missing."""
    machine.two_sockets()
    stat = machine.proc / "stat"
    stat.unlink() if text is None else stat.write_text(text)
    sensor = machine.sensor()
    assert sensor.open().ok
    *joules, busy_s, memory = sensor.read()
    assert None not in joules
    assert busy_s is None
    assert memory == MEMORY


def test_without_meminfo_the_joules_stay(machine: Machine):
    machine.two_sockets()
    (machine.proc / "meminfo").unlink()
    sensor = machine.sensor()
    assert sensor.open().ok
    *others, memory = sensor.read()
    assert None not in others
    assert memory is None


def test_as_many_cpus_as_one_likes(machine: Machine):
    """Only the first line is read, however long the file is."""
    sensor = machine.two_sockets().sensor()
    with (machine.proc / "stat").open("a") as stat:
        stat.writelines(f"cpu{n} {n} 2 3 4 5 6 7 8 9 10\n" for n in range(1, 1024))
    sensor.open()
    start = sensor.read()
    machine.cpu(3.0)
    assert figures(sensor, start, sensor.read())[4][2] == pytest.approx(3.0)


def test_a_file_that_goes_away_costs_one_figure(machine: Machine):
    sensor = machine.two_sockets().sensor()
    sensor.open()
    start = sensor.read()
    (machine.root / "intel-rapl:0" / "energy_uj").write_text("")
    machine.energy("intel-rapl:1", 2005)
    values = [value for _, _, value in figures(sensor, start, sensor.read())]
    assert values[0] is None
    assert values[2] == pytest.approx(5.0)


def test_opened_again_and_closed(machine: Machine):
    sensor = machine.two_sockets().sensor()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert sensor.open().ok
    assert None not in sensor.read()
    assert sensor.observe() == ()
    sensor.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert set(sensor.read()[:5]) == {None}


def test_this_machine_whatever_it_has():
    """Real paths: a status in words, and readings that fit the channels."""
    sensor = RaplSensor()
    status = sensor.open()
    assert status.message
    assert len(sensor.read()) == len(sensor.channels)
    assert status.ok == bool(sensor.channels)
    sensor.close()
