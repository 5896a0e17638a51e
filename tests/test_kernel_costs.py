"""A real kernel tells what cells cost while they run and after, and no assumption can hurt a cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kernels import ALL, LOAD, Kernel, shows
from shell import costmeter, said

from jupyter_costmeter import wire
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.toml_files import NAME

BUSY = "end = __import__('time').time() + {}\nwhile __import__('time').time() < end: pass"


@pytest.fixture
def own(home: Path) -> Path:
    (home / "config_dir").mkdir()
    return home / "config_dir" / NAME


def emissions(costs: dict[str, Any]) -> Any:
    return next(t for t in costs["totals"] if t["name"] == "emissions_g")


def energy_j(totals: list[dict[str, Any]]) -> float:
    return float(next(t["value"] for t in totals if t["name"] == "energy_j"))


def closed(kernel: Kernel, code: str) -> list[dict[str, Any]]:
    """The messages up to the one that says that this cell has ended, once what derives costs is loaded."""
    kernel.run("1")
    kernel.listen(lambda m: m["summary"]["costs"] is not None or (m["event"], m["closed"]) == ("closed", []))
    kernel.start(code, "cell-1")
    return kernel.listen(lambda m: any(c["cell_id"] == "cell-1" for c in m["closed"]))


def test_costs_come_with_each_message_while_a_cell_runs_and_after(kernel: Kernel, own: Path) -> None:
    own.write_text('[[where]]\nregion = "FR"\npue = 1.2\n')
    found = closed(kernel, BUSY.format(2.5))
    running = [m["running"][0] for m in found if m["running"]]
    assert running
    g_per_j = 1.2 * 56.039 / 3.6e6
    for one in (*running, found[-1]["closed"][0]):
        assert emissions(one["costs"])["value"] == pytest.approx(energy_j(one["totals"]) * g_per_j)
        assert [factor["name"] for factor in one["costs"]["applied"]] == ["intensity"]
    values = [emissions(one["costs"])["value"] for one in running]
    assert values == sorted(values)
    whole = found[-1]["summary"]
    assert emissions(whole["costs"])["value"] == pytest.approx(energy_j(whole["totals"]) * g_per_j)
    assert [one["name"] for one in whole["costs"]["applied"]] == ["intensity", "pue"]
    assert "FR" in whole["costs"]["applied"][0]["text"]


def test_while_nobody_said_where_the_range_is_told(kernel: Kernel) -> None:
    told = closed(kernel, "sum(range(10**7))")[-1]["summary"]["costs"]
    assert emissions(told)["method"] == "assumed"
    low, high = told["range_g"]
    assert 0 < low < emissions(told)["value"] < high


def test_nothing_is_derived_when_it_is_loaded(start_kernel: Callable[..., Kernel]) -> None:
    """What derives costs stays off ``%load_ext``'s path."""
    kernel = start_kernel(load=False)
    kernel.start(LOAD)
    (loaded,) = kernel.listen(lambda m: m["event"] == "loaded")
    assert loaded["summary"]["costs"] is None
    assert "jupyter_costmeter.costing" not in kernel.value("list(__import__('sys').modules)")
    kernel.start("%unload_ext jupyter_costmeter")
    assert kernel.listen(lambda m: m["event"] == "unloaded")[-1]["summary"]["costs"] is None


def test_costs_come_although_cells_follow_one_another(start_kernel: Callable[..., Kernel]) -> None:
    """As in "Run All" of a long notebook, in which nothing ever rests for a second."""
    kernel = start_kernel(load=False)
    kernel.run("import jupyter_costmeter.kernel.live as live; live.PATIENCE_S = 1.0")
    kernel.run(LOAD)
    kernel.start("import time; end = time.monotonic() + 6\nwhile time.monotonic() < end: time.sleep(0.01)")
    told = kernel.listen(lambda m: m["event"] == "running" and m["summary"]["costs"] is not None)
    assert [m["summary"]["costs"] for m in told if m["event"] == "running"][0] is None


def test_who_has_just_come_is_told_by_the_file_of_now(kernel: Kernel, own: Path, home: Path) -> None:
    kernel.run("sum(range(10**7))")
    for region in ("SE", "PL"):
        said(costmeter("where", region, cwd=home))  # another process says it
        answer = kernel.ask(wire.REQUEST, {"notebook": None})
        assert answer["status"] == "ok"
        for costs in (answer["summary"]["costs"], answer["cells"][0]["costs"]):
            assert emissions(costs)["sources"][0].startswith(f"{region}: ")
    (home / "paper" / ".git").mkdir(parents=True)
    (home / "paper" / NAME).write_text('[[intensity]]\ng_per_kwh = 1\nsource = "ours"\n')
    answer = kernel.ask(wire.REQUEST, {"notebook": str(home / "paper" / "moved.ipynb")})
    assert answer["project"] == str(home / "paper")
    assert emissions(answer["summary"]["costs"])["sources"][0].startswith("PL: ours")


BROKEN = [
    b"[[where\n",
    b"\xff\xfe",
    b'[[where]]\nregion = "Nowhere"\n',
    b"include = 5\n",
    b'include = ["jupyter_costmeter.toml"]\n',
    b"[[intensity]]\ng_per_kwh = nan\n",
    b'[live]\nsource = "carrier pigeons"\n',
]


def test_a_file_that_breaks_while_a_cell_runs_hurts_no_cell(kernel: Kernel, own: Path) -> None:
    """Law 1: nothing of ours is in a cell's output, and metering goes on."""
    for broken in BROKEN:
        own.unlink(missing_ok=True)
        code = f"import pathlib\npathlib.Path({str(own)!r}).write_bytes({broken!r})\n"
        kernel.run(f"{code}{BUSY.format(1.2 if broken is BROKEN[0] else 0.1)}\nprint('done')")
        assert kernel.text == "done\n", broken
        (message,) = closed(kernel, "1")[-1:]
        assert emissions(message["summary"]["costs"])["value"] > 0
    own.write_bytes(BROKEN[0])
    shown = shows(kernel, "%cost")
    assert f"{own}: " in shown
    assert "nothing of this file is used until that is mended" in shown
    own.unlink()
    own.mkdir()
    assert f"{own}: cannot be read: Is a directory" in shows(kernel, "%cost last")


FAILS = """
import jupyter_costmeter.costing as c, jupyter_costmeter.footprint as f
def broken(*_, **__): raise RuntimeError("a fault of ours")
f.footprint = c.footprint.footprint = broken
"""


def test_a_fault_of_ours_leaves_the_cells_and_their_energy(kernel: Kernel, ledger: Ledger) -> None:
    kernel.run(FAILS)
    found = closed(kernel, BUSY.format(1.5))
    assert found[-1]["closed"][0]["costs"] is None
    assert found[-1]["summary"]["costs"] is None
    assert energy_j(found[-1]["closed"][0]["totals"]) > 0
    answer = kernel.ask(wire.REQUEST, {"notebook": None})
    assert (answer["status"], answer["summary"]["costs"]) == ("ok", None)
    kernel.run("print('clean')")
    assert kernel.text == "clean\n"


def test_no_network_is_asked_before_anybody_wants_it(kernel: Kernel) -> None:
    kernel.run(
        "import socket\nasked = []\n_connect = socket.socket.connect\n"
        "def connect(self, address):\n    if isinstance(address, tuple): asked.append(address)\n"
        "    return _connect(self, address)\nsocket.socket.connect = connect"
    )
    closed(kernel, BUSY.format(1.2))
    for line in ("%cost", "%cost where GB", "%cost factors", "%cost sci", "%cost what-if --region SE"):
        shows(kernel, line)
    assert [a for a in kernel.value("asked") if a[0] not in ("127.0.0.1", "::1")] == []


def test_a_job_of_slurm_is_priced_by_its_partition(
    start_kernel: Callable[..., Kernel], own: Path, home: Path, ledger: Ledger
) -> None:
    own.write_text(
        '[currency]\ncode = "EUR"\n[[rates]]\ncpu_hour = 1\n'
        '[[rates]]\nmatch = {partition = "gpu-small"}\ncpu_hour = 3600\n'
    )
    kernel = start_kernel(SLURM_JOB_PARTITION="gpu-small", SLURM_CLUSTER_NAME="pc")
    kernel.run(BUSY.format(0.5))
    shown = shows(kernel, "%cost rates")
    assert "partition gpu-small" in shown
    assert "more specific than line 3 (any)" in shown
    assert "SLURM_CLUSTER_NAME is pc" in shows(kernel, "%cost where")
    kernel.flush()
    (info,) = ledger.sessions(ALL)
    assert info.environment["partition"] == "gpu-small"
    shows(kernel, "%cost export out.json")
    body = json.loads((home / "out.json").read_text())
    (bill,) = body["costs"]["bills"]
    cpu_s = next(t["value"] for t in body["summary"]["totals"] if t["name"] == "cpu_s")
    assert float(bill["amount"]) == pytest.approx(cpu_s)
    assert "[[rates]]" not in said(costmeter("summary", "--all"))
