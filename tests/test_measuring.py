"""The Python API, without IPython."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from kernels import ALL, Kernel, cells
from scripts import script

from jupyter_costmeter.ledger.store import Ledger


def test_a_script_meters_a_block(home: Path, ledger: Ledger) -> None:
    ran = script(
        home,
        "import jupyter_costmeter, json, time\n"
        "with jupyter_costmeter.measure('eval') as cost:\n"
        "    end = time.process_time() + 0.3\n"
        "    while time.process_time() < end: pass\n"
        "print(json.dumps([cost.wall_s, cost.energy_j, cost.total('cpu_s').value, repr(cost)]))\n",
    )
    wall_s, energy_j, cpu_s, text = json.loads(ran.stdout)
    (record,) = cells(ledger)
    assert (record.label, record.outcome) == ("eval", "ok")
    assert record.notebook == str(home / "work.py")
    assert record.wall_s == wall_s
    assert cpu_s == pytest.approx(0.3, abs=0.1)
    assert energy_j > 0
    assert text.startswith("<measure eval: ")
    assert "IPython" not in ran.stderr


def test_an_error_in_the_block_is_the_users_and_is_recorded(home: Path, ledger: Ledger) -> None:
    ran = script(home, "import jupyter_costmeter\nwith jupyter_costmeter.measure('broken'): 1/0", check=False)
    assert "ZeroDivisionError" in ran.stderr
    (record,) = cells(ledger)
    assert (record.outcome, record.error_type) == ("error", "ZeroDivisionError")


def test_where_metering_fails_the_block_runs_all_the_same(home: Path) -> None:
    ran = script(
        home,
        "import jupyter_costmeter, jupyter_costmeter.current as s\n"
        "s.config.load = lambda own=None: 1/0\n"
        "with jupyter_costmeter.measure('x') as cost: print('ran')\n"
        "print(cost.energy_j, cost)\n",
    )
    assert ran.stdout == "ran\nNone <measure x: not measured>\n"
    assert ran.stderr.count("Traceback") == 1


def test_a_block_in_a_cell_is_in_that_cell(kernel: Kernel, ledger: Ledger) -> None:
    kernel.run("import jupyter_costmeter, time\nwith jupyter_costmeter.measure('part'): time.sleep(0.2)", "cell")
    kernel.flush()
    outer, inner = sorted(cells(ledger), key=lambda r: r.seq)
    assert (inner.label, inner.parent_id) == ("part", outer.id)
    assert ledger.summary(ALL).cells == 1


def test_blocks_in_many_threads(home: Path, ledger: Ledger) -> None:
    script(
        home,
        "import jupyter_costmeter, threading\n"
        "def work(i):\n"
        "    with jupyter_costmeter.measure(str(i)): sum(range(10**5))\n"
        "threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n",
    )
    found = cells(ledger)
    assert sorted(int(r.label or "") for r in found) == list(range(20))
    assert len({r.id for r in found}) == 20
    assert os.path.exists(ledger.path)


def test_blocks_side_by_side_are_not_counted_twice(home: Path, ledger: Ledger) -> None:
    """Threads and tasks share the process's counters: the total may not exceed the process's own CPU time."""
    ran = script(
        home,
        "import asyncio, jupyter_costmeter, threading, time\n"
        "def work(s):\n"
        "    end = time.thread_time() + s\n"
        "    while time.thread_time() < end: pass\n"
        "def block(s):\n"
        "    with jupyter_costmeter.measure(): work(s)\n"
        "async def task(s):\n"
        "    with jupyter_costmeter.measure():\n"
        "        for _ in range(5):\n"
        "            work(s / 5)\n"
        "            await asyncio.sleep(0)\n"
        "async def both(): await asyncio.gather(task(0.2), task(0.2))\n"
        "threads = [threading.Thread(target=block, args=(0.2,)) for _ in range(3)]\n"
        "with jupyter_costmeter.measure():\n"
        "    for t in threads: t.start()\n"
        "    for t in threads: t.join()\n"
        "asyncio.run(both())\n"
        "print(time.process_time())\n",
    )
    total = ledger.summary(ALL).total("cpu_s")
    assert total is not None
    assert total.value is not None
    assert 0.6 < total.value <= float(ran.stdout)


def test_forked_workers_write_their_records(home: Path, ledger: Ledger) -> None:
    script(
        home,
        "import jupyter_costmeter, multiprocessing\n"
        "def work(i):\n"
        "    with jupyter_costmeter.measure(f'worker {i}'): return sum(range(10**5))\n"
        "if __name__ == '__main__':\n"
        "    with jupyter_costmeter.measure('all'):\n"
        "        with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(work, range(4))\n",
    )
    assert sorted(r.label or "" for r in cells(ledger)) == ["all", *(f"worker {i}" for i in range(4))]


def test_a_block_that_is_never_closed_is_closed_at_the_end(home: Path, ledger: Ledger) -> None:
    script(
        home,
        "import jupyter_costmeter\n"
        "block = jupyter_costmeter.measure('open').__enter__()\n"
        "with jupyter_costmeter.measure('inner'): pass\n",
    )
    assert {r.label: r.outcome for r in cells(ledger)} == {"open": "interrupted", "inner": "ok"}
    assert ledger.summary(ALL).cells == 1


def test_a_window_that_another_thread_took_for_left_behind_is_still_recorded(home: Path, ledger: Ledger) -> None:
    script(
        home,
        "import jupyter_costmeter, jupyter_costmeter.current as s\n"
        "with jupyter_costmeter.measure('kept'):\n"
        "    s.current().meter.windows.clear()\n",
    )
    assert [r.label for r in cells(ledger)] == ["kept"]
