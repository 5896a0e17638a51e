"""Every way in which a cell can end, in a real ipykernel (DESIGN §3)."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest
from kernels import ALL, LOAD, Kernel, cells

from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

Records = Callable[[Kernel], list[CellRecord]]


def figure(record: CellRecord, name: str) -> float:
    found = record.usage.figure(name)
    assert found is not None
    assert found.value is not None, found.reason
    return found.value


def test_a_cell_is_recorded_with_what_ran_and_what_it_took(kernel: Kernel, records: Records) -> None:
    code = "import time\nbegin = time.process_time()\nwhile time.process_time() < begin + 0.3: pass\ntime.sleep(0.2)"
    kernel.run(code, cell_id="abc")
    (record,) = records(kernel)
    assert record.outcome == "ok"
    assert record.cell_id == "abc"
    assert record.execution_count == 1
    assert record.code_hash == hashlib.sha256(code.encode()).hexdigest()
    assert record.notebook is not None
    assert record.notebook.endswith("train.ipynb")
    assert 0.5 <= record.wall_s < 1.5
    assert figure(record, "cpu_s") == pytest.approx(0.3, abs=0.15)
    assert abs(record.started_at + record.wall_s - time.time()) < 5


def test_every_figure_says_how_it_is_known(kernel: Kernel, records: Records) -> None:
    kernel.run("sum(range(10**6))")
    (record,) = records(kernel)
    names = {f.name for f in record.usage.figures}
    assert {"cpu_s", "peak_rss_bytes", "cpu_energy_j", "ram_energy_j", "gpu_energy_j"} <= names
    for one in record.usage.figures:
        assert one.source
        assert (one.value is None) == (one.method is None)
        assert one.value is not None or one.reason
    assert figure(record, "cpu_energy_j") > 0


def test_without_a_gpu_its_energy_is_absent_and_not_zero(kernel: Kernel, records: Records) -> None:
    kernel.run("1")
    (record,) = records(kernel)
    gpu = record.usage.figure("gpu_energy_j")
    assert gpu is not None
    assert gpu.value is None
    assert gpu.provenance.absent
    assert "libnvidia-ml" in (gpu.reason or "")


@pytest.mark.parametrize(
    ("code", "outcome", "error_type"),
    [
        ("1/0", "error", "ZeroDivisionError"),
        ("def broken(:", "error", "SyntaxError"),
        ("raise KeyboardInterrupt", "interrupted", "KeyboardInterrupt"),
        ("raise SystemExit", "error", "SystemExit"),
        ("%%time\nsum(range(100))", "ok", None),
        ("!true", "ok", None),
        ("import asyncio\nawait asyncio.sleep(0.1)", "ok", None),
        ("import asyncio\nawait asyncio.sleep(0.1)\n1/0", "error", "ZeroDivisionError"),
        ("%no_such_magic", "error", "UsageError"),
    ],
)
def test_outcomes(kernel: Kernel, records: Records, code: str, outcome: str, error_type: str | None) -> None:
    kernel.run(code)
    (record,) = records(kernel)
    found = "UsageError" if error_type == "UsageError" and record.outcome == "error" else record.error_type
    assert (record.outcome, found) == (outcome, error_type)


def test_the_cell_after_a_bad_one_is_metered_alone(kernel: Kernel, records: Records) -> None:
    """JUmPER prints the previous long cell's report below these (PEERS, fault 1)."""
    kernel.run("import time; time.sleep(0.5)", cell_id="long")
    for code in ("1/0", "def broken(:", "pass"):
        kernel.run(code, cell_id=code)
    long, *short = records(kernel)
    assert long.wall_s >= 0.5
    assert [r.cell_id for r in short] == ["1/0", "def broken(:", "pass"]
    assert all(r.wall_s < 0.4 for r in short)


def test_an_empty_cell_is_none_and_harms_nothing(kernel: Kernel, records: Records) -> None:
    kernel.run("   \n")
    kernel.run("1")
    kernel.run("get_ipython().run_cell('')")
    assert len(records(kernel)) == 2


@pytest.mark.parametrize(
    "body", ["import time; time.sleep(30)", "import asyncio\nwhile True: await asyncio.sleep(0.1)"]
)
def test_an_interrupt_ends_the_cell_at_once(kernel: Kernel, records: Records, body: str) -> None:
    kernel.start(body)
    time.sleep(1.0)
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=10)["content"]["status"] == "error"
    (record,) = records(kernel)
    assert record.outcome == "interrupted"
    assert 0.5 < record.wall_s < 5


@pytest.mark.parametrize("hook", ["open", "close"])
def test_an_interrupt_that_hits_a_hook_harms_nothing(kernel: Kernel, records: Records, hook: str) -> None:
    kernel.run(
        "import time\ns = get_ipython().costmeter.session\nreal = s.HOOK\n"
        "def once(*args, **kwargs):\n    s.HOOK = real\n    raise KeyboardInterrupt\ns.HOOK = once".replace(
            "HOOK", hook
        ),
        "sets the trap",
    )
    if hook == "open":
        assert kernel.run("time.sleep(5)", "meant")["status"] == "error"
    assert "Error in callback" not in kernel.text
    kernel.run("time.sleep(0.2)", "next")
    found = records(kernel)
    assert found[-1].cell_id == "next"
    assert found[-1].parent_id is None
    assert found[-1].outcome == "ok"
    assert kernel.value("s.meter.windows") == []


def test_cells_in_two_threads_are_not_counted_twice(kernel: Kernel, records: Records, ledger: Ledger) -> None:
    """As JupyterLab's subshells run them."""
    kernel.run(
        "import threading, time\nip = get_ipython()\n"
        "t = threading.Thread(target=ip.run_cell, args=('time.sleep(0.3)',)); t.start(); time.sleep(0.6); t.join()"
    )
    outer, inner = records(kernel)
    assert inner.parent_id == outer.id
    assert ledger.summary(ALL).cells == 1


def test_a_block_left_open_over_cells_is_not_around_them(kernel: Kernel, records: Records, ledger: Ledger) -> None:
    kernel.run("import jupyter_costmeter\nblock = jupyter_costmeter.measure('long').__enter__()")
    kernel.run("1")
    kernel.run("block.__exit__(None, None, None)")
    assert [(r.label, r.parent_id is None) for r in records(kernel)] == [
        (None, True),
        ("long", False),
        (None, True),
        (None, True),
    ]
    assert ledger.summary(ALL).cells == 3


def test_the_users_signal_handlers_stay(kernel: Kernel) -> None:
    kernel.run("import signal; before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]")
    kernel.run("import time; time.sleep(1.2)")
    assert kernel.value("before == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]")


def test_a_nested_run_cell_is_a_record_inside_the_outer_one(kernel: Kernel, records: Records, ledger: Ledger) -> None:
    kernel.run("import time; time.sleep(0.2); get_ipython().run_cell('time.sleep(0.3)'); time.sleep(0.2)", "outer")
    outer, inner = records(kernel)
    assert inner.parent_id == outer.id
    assert outer.parent_id is None
    assert outer.wall_s >= 0.7 > inner.wall_s >= 0.3
    assert ledger.summary(ALL).cells == 1  # the inner one's joules are in the outer one's
    assert ledger.summary(ALL).wall_s == pytest.approx(outer.wall_s)


def test_loading_in_a_cell_that_works_meters_the_rest_of_it(
    start_kernel: Callable[..., Kernel], records: Records
) -> None:
    kernel = start_kernel(load=False)
    kernel.run(f"import time; time.sleep(0.5)\n{LOAD}\ntime.sleep(0.3)")
    kernel.run("1")
    first, second = records(kernel)
    assert 0.3 <= first.wall_s < 0.5
    assert second.wall_s < 0.2


def test_reloading_keeps_the_session(kernel: Kernel, records: Records) -> None:
    kernel.run("1")
    kernel.run("%reload_ext jupyter_costmeter")
    kernel.run("2")
    found = records(kernel)
    assert len({r.session_id for r in found}) == 1
    assert [r.seq for r in found] == sorted(r.seq for r in found)
    assert found[-1].outcome == "ok"
    assert kernel.value("get_ipython().costmeter.session.summary().cells") == len(found)


def test_unloading_leaves_no_trace(kernel: Kernel) -> None:
    kernel.run("%unload_ext jupyter_costmeter")
    kernel.run("1")
    assert not kernel.value("hasattr(get_ipython(), 'costmeter')")
    assert "not found" in _said(kernel, "%cost")
    assert kernel.value("[c for c in get_ipython().events.callbacks['post_run_cell'] if 'costmeter' in repr(c)]") == []


def _said(kernel: Kernel, code: str) -> str:
    kernel.run(code)
    return kernel.text


def test_autoreload_does_not_mind(kernel: Kernel, records: Records) -> None:
    kernel.run("%load_ext autoreload\n%autoreload 2")
    kernel.run("1")
    assert [r.outcome for r in records(kernel)] == ["ok", "ok"]


def test_threads_and_children_that_outlive_the_cell(kernel: Kernel, records: Records) -> None:
    kernel.run(
        "import subprocess, sys, threading, time\n"
        "spin = 'import time\\nwhile time.time() < %f: pass' % (time.time() + 2.5)\n"
        "child = subprocess.Popen([sys.executable, '-c', spin])\n"
        "threading.Thread(target=time.sleep, args=(30,), daemon=True).start()"
    )
    kernel.run(
        "import psutil\nit = psutil.Process(child.pid)\nbegan = sum(it.cpu_times()[:2])\n"
        "time.sleep(1.0)\ntook = sum(it.cpu_times()[:2]) - began",
        "while it runs",
    )
    kernel.run("child.wait()", "to its end")
    kernel.run("time.sleep(0.3)", "after it")
    first, during, waited, after = (one for one in records(kernel) if one.parent_id is None)  # and the child's own
    assert first.wall_s < 0.5
    assert figure(during, "cpu_s") == pytest.approx(kernel.value("took"), abs=0.15)
    assert figure(after, "cpu_s") < 0.1
    assert figure(first, "cpu_s") + figure(during, "cpu_s") + figure(waited, "cpu_s") <= 2.8


def test_a_child_that_ends_in_the_cell_counts(kernel: Kernel, records: Records) -> None:
    kernel.run("import sys")
    kernel.run("!{sys.executable} -c 'import time; all(iter(lambda: time.process_time() < 0.5, False))'")
    assert figure(records(kernel)[-1], "cpu_s") == pytest.approx(0.55, abs=0.2)


def test_a_forked_child_writes_nothing_and_breaks_nothing(kernel: Kernel, records: Records) -> None:
    kernel.run("import os\npid = os.fork()\nif pid == 0: os._exit(3)\nstatus = os.waitpid(pid, 0)[1]")
    kernel.run("1")
    assert kernel.value("os.waitstatus_to_exitcode(status)") == 3
    assert [r.outcome for r in records(kernel)] == ["ok", "ok"]


def test_measuring_in_a_forked_child_is_a_session_of_its_own(kernel: Kernel, records: Records) -> None:
    kernel.run(
        "import os, jupyter_costmeter\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    with jupyter_costmeter.measure('in the child') as cost: sum(range(10**6))\n"
        "    import jupyter_costmeter.current as s\n"
        "    os._exit(0 if cost.energy_j and s.current().flush() else 1)\n"
        "status = os.waitpid(pid, 0)[1]"
    )
    assert kernel.value("status") == 0
    found = records(kernel)
    assert {r.label for r in found} == {None, "in the child"}
    assert len({r.session_id for r in found}) == 2


def test_a_restart_is_a_new_session_of_the_same_notebook(kernel: Kernel, records: Records, ledger: Ledger) -> None:
    kernel.run("1")
    kernel.flush()
    kernel.manager.restart_kernel(now=False)
    kernel.client.wait_for_ready(timeout=60)
    kernel.run(LOAD, silent=True)
    kernel.run("2")
    found = records(kernel)
    assert len({r.session_id for r in found}) == 2
    assert len({r.notebook for r in found}) == 1
    assert ledger.summary(ALL).sessions == 2


def test_a_clean_shutdown_loses_nothing(kernel: Kernel, ledger: Ledger) -> None:
    kernel.run("1", "the last one")
    kernel.manager.shutdown_kernel(now=False)
    assert [r.cell_id for r in cells(ledger)] == ["the last one"]


def test_kill_9_loses_at_most_a_second(kernel: Kernel, start_kernel: Callable[..., Kernel], records: Records) -> None:
    kernel.start("import time\nwhile True: pass", "killed")
    time.sleep(3.0)
    os.kill(kernel.pid, signal.SIGKILL)
    other = start_kernel()
    other.run("1", "next")
    killed, after = sorted(records(other), key=lambda r: r.started_at)
    assert killed.outcome == "killed"
    assert killed.cell_id == "killed"
    assert 1.9 < killed.wall_s <= 3.1
    assert figure(killed, "cpu_s") > 0.5
    assert after.outcome == "ok"


def test_a_label_changes_nothing_else(kernel: Kernel, records: Records) -> None:
    kernel.run("%%cost tuning\nimport asyncio\nawait asyncio.sleep(0.01)\n41 + 1")
    assert "42" in kernel.text
    assert kernel.run("%%cost broken\n\n1/0")["status"] == "error"
    assert "line 3" in kernel.text.replace("\x1b[39m", "").replace("\x1b[32m", "") or "3" in kernel.text
    kernel.run("%%cost timed\n%%time\n1+1")
    assert "Wall time" in kernel.text
    kernel.run("%%cost\n1")
    assert "wants a label" in kernel.text
    assert [r.label for r in records(kernel)][:3] == ["tuning", "broken", "timed"]


@pytest.mark.parametrize("label", ["don't stop", 'say "hi', "a\\b", "100 %", "ünï"])
def test_any_label_will_do(kernel: Kernel, records: Records, label: str) -> None:
    kernel.run(f"\n%%cost {label}\nprint('ran')")
    assert kernel.text == "ran\n"
    assert records(kernel)[-1].label == label


def test_a_line_of_cost_may_end_with_a_comment(kernel: Kernel, records: Records) -> None:
    kernel.run('%cost tag hpo note="a # b" run=3#4   # from here on')
    kernel.run("%%cost issue # 3\n1")
    assert kernel.run("%cost last   # the one above")["status"] == "ok"
    labelled = next(record for record in records(kernel) if record.label)
    assert labelled.label == "issue # 3"
    said = {tag.key: json.loads(tag.value or "null") for tag in labelled.tags}
    assert said == {"category": "hpo", "param.note": "a # b", "run": "3#4"}


def test_a_label_costs_the_cell_nothing(kernel: Kernel, records: Records) -> None:
    kernel.run("import time")
    kernel.run("%%cost first\ntime.sleep(0.5)")
    assert figure(records(kernel)[-1], "cpu_s") < 0.06


def test_a_cell_that_is_no_utf8_is_recorded_with_its_neighbours(kernel: Kernel, records: Records) -> None:
    kernel.run("ip = get_ipython(); ip.run_cell('x = \\'' + chr(0xd800) + '\\''); 1", "outer")
    kernel.run("1", "after")
    assert [r.cell_id for r in records(kernel)] == ["outer", None, "after"]


def test_peak_memory_is_each_cells_own(kernel: Kernel, records: Records) -> None:
    kernel.run("big = bytearray(300 * 2**20); del big", "big")
    kernel.run("small = bytearray(2**20)", "small")
    time.sleep(0.5)
    kernel.run("small = bytearray(2**20)", "later")
    kernel.run("big = bytearray(200 * 2**20); get_ipython().run_cell('1'); del big", "outer")
    big, small, later, outer, inner = records(kernel)
    base = figure(later, "peak_rss_bytes")
    assert figure(big, "peak_rss_bytes") > base + 250 * 2**20
    assert figure(small, "peak_rss_bytes") < base + 20 * 2**20
    assert figure(outer, "peak_rss_bytes") > base + 150 * 2**20
    assert inner.parent_id == outer.id


def test_no_thread_wakes_while_nothing_runs(start_kernel: Callable[..., Kernel]) -> None:
    metered, bare = start_kernel(), start_kernel(load=False)
    for kernel in (metered, bare):
        kernel.run("import os, time; time.sleep(1.5)")
    pids = [kernel.value("os.getpid()") for kernel in (metered, bare)]
    time.sleep(4)
    before = [_wakes(pid) for pid in pids]
    time.sleep(3)
    ours, theirs = (_wakes(pid) - b for pid, b in zip(pids, before, strict=True))
    assert ours <= theirs + 4
    assert {"costmeter-sampler", "costmeter-ledger"} <= set(
        metered.value("[t.name for t in __import__('threading').enumerate()]")
    )


def _wakes(pid: int) -> int:
    total = 0
    for thread in psutil.Process(pid).threads():
        with open(f"/proc/{pid}/task/{thread.id}/status") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
    return total


def test_our_own_failure_is_logged_once_and_the_cell_goes_on(kernel: Kernel, records: Records) -> None:
    kernel.run("get_ipython().costmeter.session.meter.reader._reads[0] = (lambda: 1/0, False)")
    kernel.run("print('the user is here')")
    assert kernel.text == "the user is here\n"
    kernel.run("2")
    last = records(kernel)[-1]
    cpu = last.usage.figure("cpu_s")
    assert cpu is not None
    assert cpu.value is None
    assert cpu.reason
    kernel.run("get_ipython().costmeter.session.open = lambda *a: 1/0")
    assert kernel.run("print('still here')")["status"] == "ok"
    assert kernel.text == "still here\n"
    assert "division by zero" in _said(kernel, "%cost doctor")


def test_heavy_imports_stay_away_from_loading(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel(load=False)
    kernel.run(f"import sys; before = set(sys.modules)\n{LOAD}\nloaded = set(sys.modules) - before")
    heavy = {"sqlalchemy", "codecarbon", "pandas", "bokeh", "ipywidgets", "nbclient", "pynvml", "tabulate"}
    assert kernel.value("{m.partition('.')[0] for m in loaded}") & heavy == set()
