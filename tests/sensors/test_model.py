"""Modelled CPU and memory energy, against codecarbon's own functions."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.record import Figure, Provenance, Usage
from jupyter_costmeter.sensors import model
from jupyter_costmeter.sensors.model import PowerModel

MEASURED = Provenance("measured", "a test")
GIB = 2**30
EPYC = "AMD EPYC 7543 32-Core Processor"
TABLE = model._codecarbon_table()


def cpuinfo(folder: Path, name: str | None, cpus: int = 4, sockets: int = 1, flags: str = "fpu sse2") -> str:
    blocks = []
    for cpu in range(cpus):
        lines = [f"processor\t: {cpu}", f"physical id\t: {cpu % sockets}", f"flags\t\t: {flags}"]
        blocks.append("\n".join(lines + ([f"model name\t: {name}"] if name else [])))
    path = folder / "cpuinfo"
    path.write_text("\n\n".join(blocks) + "\n")
    return str(path)


def usage(wall_s: float = 10.0, **values: float | None) -> Usage:
    return Usage(wall_s, tuple(Figure(name, value, MEASURED) for name, value in values.items()))


@pytest.fixture
def power(tmp_path: Path):
    def make(
        name: str | None = EPYC, cpus: int = 64, memory_gib: float = 64, table: str | None = None, **info
    ) -> PowerModel:
        return PowerModel(cpuinfo(tmp_path, name, **info), cpus, memory_gib * GIB, table)

    return make


# The CPU


def test_a_known_cpu(power):
    """225 W over 64 threads, 32 CPU seconds: 112.5 J."""
    figure = power().estimate(usage(cpu_s=32.0, rss_bytes=GIB)).figure("cpu_energy_j")
    assert figure.value == pytest.approx(225 * 32 / 64)
    assert (figure.method, figure.uncertainty) == ("modelled", 0.5)
    assert figure.source == f"TDP 225 W × CPU time (codecarbon's table: {EPYC})"


def test_two_sockets_have_two_tdps(power):
    figure = power(cpus=128, sockets=2).estimate(usage(cpu_s=32.0)).figure("cpu_energy_j")
    assert figure.value == pytest.approx(450 * 32 / 128)
    assert "TDP 450 W" in figure.source
    assert f"2 × {EPYC}" in figure.source


def test_a_busy_machine_draws_its_tdp_as_codecarbon_says(power):
    """As in codecarbon's process mode: TDP × cpu_time / (wall × n_cpu), times the wall time (FACTS §2.2)."""
    figure = power(cpus=64).estimate(usage(wall_s=10.0, cpu_s=640.0)).figure("cpu_energy_j")
    assert figure.value == pytest.approx(225 * 10.0)


@pytest.mark.parametrize("name", ["AMD EPYC", "Intel(R) Xeon(R) CPU @ 2.20GHz", "Nobody's CPU 9000", None])
def test_an_unknown_cpu_is_assumed_and_says_so(power, name):
    figure = power(name, cpus=2).estimate(usage(cpu_s=3.0)).figure("cpu_energy_j")
    assert figure.value == pytest.approx(4.0 * 3.0)
    assert (figure.method, figure.uncertainty) == ("assumed", 1.0)
    assert "4 W per thread" in figure.source
    assert (name or "no name") in figure.source


def test_a_virtual_machine_is_not_billed_its_whole_host(power):
    """Two threads of a 64-thread host: the host's 225 W over two would be 112 W each."""
    figure = power(cpus=2, flags="fpu hypervisor sse2").estimate(usage(cpu_s=1.0)).figure("cpu_energy_j")
    assert figure.value == pytest.approx(4.0)
    assert figure.method == "assumed"
    assert "virtual machine" in figure.source


def test_without_codecarbon(power, monkeypatch):
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    figure = power().estimate(usage(cpu_s=1.0)).figure("cpu_energy_j")
    assert figure.value == pytest.approx(4.0)
    assert figure.method == "assumed"
    assert "codecarbon is not installed" in figure.source


@pytest.mark.parametrize("figures", [{}, {"cpu_s": None}])
def test_no_cpu_time_is_no_energy(power, figures):
    figure = power().estimate(usage(**figures)).figure("cpu_energy_j")
    assert figure.value is None
    assert figure.method is None
    assert "CPU time" in figure.reason


def test_the_status_names_cpu_tdp_and_memory(power):
    message = power(memory_gib=128).open().message
    assert EPYC in message
    assert "225 W" in message
    assert "38 W for 128 GiB" in message


def test_importing_nothing_of_codecarbon():
    import subprocess
    import sys

    code = (
        "import sys; from jupyter_costmeter.sensors.model import PowerModel; PowerModel().open();"
        "print([m for m in ('codecarbon', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


NAMES = [
    ("Intel(R) Xeon(R) CPU E5-2683 v4 @ 2.10GHz", 120),
    ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", 150),
    ("Intel(R) Xeon(R) Platinum 8480+", 350),
    ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", 28),
    ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", 15),
    ("Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz", 65),
    ("Intel(R) Core(TM) Ultra 7 155H", 28),
    ("AMD Ryzen 7 PRO 4750U with Radeon Graphics", 15),
    ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", 28),
    ("AMD Ryzen Threadripper PRO 3995WX 64-Cores", 280),
    ("AMD Opteron(tm) Processor 6276", 115),
    ("AMD EPYC 9654 96-Core Processor", 360),
    ("AMD A10-7850K Radeon R7, 12 Compute Cores 4C+8G", 95),
    ("Apple M1", 10),
]


@pytest.mark.parametrize(("name", "watts"), NAMES)
def test_names_as_linux_writes_them(name, watts):
    assert model.tdp_w(name, TABLE) == watts


@pytest.mark.parametrize(
    "name",
    [
        "Intel(R) Xeon(R) CPU @ 2.20GHz",
        "Intel Xeon Processor (Skylake, IBRS)",
        "QEMU Virtual CPU version 2.5+",
        "AMD EPYC",
        "AMD EPYC 7",
        "Intel(R) Xeon(R) CPU E5-2683 v9 @ 2.10GHz",  # a version that there is not
        "AMD Phenom(tm) II X4 955 Processor",  # 95 W and 125 W: the table cannot tell
        "Intel(R) Celeron 1000A",  # its row says 27.29.5 W
        "",
    ],
)
def test_no_wild_guess(name):
    assert model.tdp_w(name, TABLE) is None


def rows() -> list[tuple[str, float]]:
    with open(TABLE, encoding="utf-8") as file:
        return [(r["Name"], float(r["TDP"])) for r in csv.DictReader(file) if r["TDP"].count(".") < 2]


def test_every_row_of_the_table_is_found_or_left_alone():
    """Never another CPU's TDP; all but a few rows that contradict themselves are found."""
    wrong = [(name, watts, found) for name, watts in rows() if (found := model.tdp_w(name, TABLE)) not in (watts, None)]
    lost = [name for name, _ in rows() if model.tdp_w(name, TABLE) is None]
    assert wrong == []
    assert len(lost) < 20


def test_codecarbon_finds_the_same():
    """Its own registry look-up, over the names that both know."""
    from codecarbon.core.cpu import TDP

    theirs = TDP.__new__(TDP)
    found = {name: theirs._get_cpu_power_from_registry(name) for name, _ in NAMES}
    both = {name: watts for name, watts in found.items() if watts is not None}
    assert both == {name: watts for name, watts in NAMES if name in both}
    assert len(both) > 8


# The memory


@pytest.mark.parametrize(
    ("gib", "watts"),
    [(1, 10), (8, 10), (16, 10), (32, 20), (64, 20), (128, 38), (256, 38), (512, 38), (1024, 38), (2048, 70)],
)
def test_memory_power_by_size(gib, watts):
    assert model.memory_power_w(gib, arm=False) == pytest.approx(watts)


@given(gib=st.one_of(st.floats(0.1, 20_000), st.integers(1, 8192).map(float)), arm=st.booleans())
def test_memory_power_is_codecarbons(gib, arm):
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    from codecarbon.external.ram import RAM

    theirs = RAM()
    theirs.is_arm_cpu = arm
    assert model.memory_power_w(gib, arm) == pytest.approx(theirs._calculate_ram_power(gib))


def test_memory_is_billed_by_share_and_time(power):
    """20 W for 64 GiB; 16 GiB of it for 10 s: 50 J, where codecarbon bills 200 J."""
    figure = power().estimate(usage(10.0, cpu_s=1.0, rss_bytes=16 * GIB)).figure("ram_energy_j")
    assert figure.value == pytest.approx(50.0)
    assert (figure.method, figure.uncertainty) == ("modelled", 2.0)
    assert "×/÷ 3" in figure.source


def test_a_sleep_is_not_billed_the_machines_memory(power):
    """codecarbon: 60 of the 65 J of ``sleep(3)``."""
    figure = power().estimate(usage(3.0, cpu_s=0.001, rss_bytes=0.2 * GIB)).figure("ram_energy_j")
    assert 0 < figure.value < 0.5


def test_the_peak_stands_in_for_the_resident_size(power):
    figure = power().estimate(usage(10.0, rss_bytes=None, peak_rss_bytes=16 * GIB)).figure("ram_energy_j")
    assert figure.value == pytest.approx(50.0)


def test_no_memory_is_no_energy(power):
    figure = power().estimate(usage(10.0, cpu_s=1.0)).figure("ram_energy_j")
    assert figure.value is None
    assert "memory could not be read" in figure.reason


@given(share=st.floats(0, 3), wall=st.floats(0, 1e6))
def test_never_more_than_the_machine(share, wall):
    found = PowerModel("/nowhere", 4, 64 * GIB).estimate(usage(wall, rss_bytes=share * 64 * GIB))
    assert 0 <= found.figure("ram_energy_j").value <= 20.0 * wall * (1 + 1e-9)


# What is there stays


def test_a_measured_figure_stays(power):
    before = usage(cpu_s=32.0, rss_bytes=GIB, cpu_energy_j=7.0, ram_energy_j=3.0)
    assert power().estimate(before) == before


def test_one_package_of_two_is_not_made_up(power):
    """A value of one socket stands; the other's missing figure keeps the total incomplete."""
    missing = Figure("cpu_energy_j", None, Provenance(None, "RAPL package-1", reason="could not be read"), "package-1")
    before = Usage(1.0, (Figure("cpu_energy_j", 7.0, MEASURED, "package-0"), missing, Figure("cpu_s", 1.0, MEASURED)))
    after = power().estimate(before)
    assert [f for f in after.figures if f.name == "cpu_energy_j"] == list(before.figures[:2])


def test_a_counter_that_failed_is_replaced_and_named(power):
    failed = Figure(
        "cpu_energy_j", None, Provenance(None, "RAPL package-0", reason="CPU time did not move"), "package-0"
    )
    before = Usage(1.0, (failed, Figure("cpu_s", 64.0, MEASURED), Figure("rss_bytes", GIB, MEASURED)))
    after = power().estimate(before)
    (figure,) = [f for f in after.figures if f.name == "cpu_energy_j"]
    assert figure.value == pytest.approx(225.0)
    assert "instead of a counter: CPU time did not move" in figure.source


def test_other_figures_are_left_alone(power):
    before = usage(cpu_s=1.0, rss_bytes=GIB, gpu_energy_j=5.0)
    after = power().estimate(before)
    assert after.wall_s == before.wall_s
    assert [f for f in after.figures if f.name not in ("cpu_energy_j", "ram_energy_j")] == list(before.figures)


def test_this_machine_whatever_it_has():
    there = PowerModel()
    assert there.open().ok
    after = there.estimate(usage(1.0, cpu_s=1.0, rss_bytes=1e8))
    assert after.figure("cpu_energy_j").value > 0
    assert after.figure("ram_energy_j").value > 0
