"""FLOPs in a real kernel: from the cell on in which torch is imported, and without a trace after ``%unload_ext``."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from kernels import LOAD, Kernel

from jupyter_costmeter import accounting
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import UNCOUNTED, CellRecord, Total

pytest.importorskip("torch", reason="torch is not installed: FLOPs in kernels are not tested")

Records = Callable[[Kernel], list[CellRecord]]
SETUP = "import torch\na, b = torch.randn(64, 32), torch.randn(32, 16)"
PRODUCT = 2 * 64 * 32 * 16


def flops(record: CellRecord) -> Total | None:
    return next((t for t in accounting.cell_totals(record.usage) if t.name == "flops"), None)


def value(record: CellRecord) -> float | None:
    found = flops(record)
    return found.value if found else None


def test_the_cell_that_imports_torch_is_counted_too(kernel: Kernel, records: Records) -> None:
    kernel.run(f"{SETUP}\nfor _ in range(10): a @ b")
    kernel.run("_ = a @ b")
    kernel.run("x = 1")
    assert [value(r) for r in records(kernel)] == [10 * PRODUCT, PRODUCT, None]
    first = flops(records(kernel)[0])
    assert first is not None
    assert (first.method, first.uncertainty, first.incomplete) == ("measured", 0.0, False)


def test_unloading_leaves_no_trace_and_loading_again_counts_again(kernel: Kernel, records: Records) -> None:
    kernel.run(SETUP)
    dumped = "__import__('torch')._C._dispatch_dump('aten::mm')"
    assert "BackendSelect" in kernel.value(dumped)
    kernel.run("%unload_ext jupyter_costmeter")
    assert "BackendSelect" not in kernel.value(dumped)
    assert not kernel.value("[f for f in __import__('sys').meta_path if 'costmeter' in type(f).__module__]")
    kernel.run("_ = a @ b")
    kernel.run(LOAD)
    kernel.run("_ = a @ b; _ = a @ b")
    assert value(records(kernel)[-1]) == 2 * PRODUCT


def test_a_failing_cell_is_counted_up_to_its_error_and_the_error_is_as_ever(kernel: Kernel, records: Records) -> None:
    kernel.run(SETUP)
    kernel.run("_ = a @ b\na @ torch.randn(3, 3)")
    assert "mat1 and mat2 shapes cannot be multiplied" in kernel.text
    assert "costmeter" not in kernel.text
    assert "skipping hidden" not in kernel.text
    last = records(kernel)[-1]
    assert (last.outcome, value(last)) == ("error", PRODUCT)


def test_threads_that_outlive_their_cell_work_in_the_background(kernel: Kernel, ledger: Ledger) -> None:
    kernel.run(f"{SETUP}\nimport threading, time")
    kernel.run(
        "def later():\n    time.sleep(0.5)\n    for _ in range(5): a @ b\nt = threading.Thread(target=later); t.start()"
    )
    assert kernel.value("__import__('time').sleep(1)") is None
    kernel.run("t.join()")
    kernel.flush()
    background = [r for r in ledger.records(Selection("all")) if r.bucket == "background"]
    assert sum(value(r) or 0 for r in background) == 5 * PRODUCT
    summary = ledger.summary(Selection("all"))
    total = summary.total("flops")
    assert total is not None
    assert total.value == 5 * PRODUCT


def test_numpy_is_said_to_be_uncounted_and_makes_a_sum_a_lower_bound(kernel: Kernel, records: Records) -> None:
    kernel.run(f"{SETUP}\nimport numpy as np\nn = np.ones((8, 8))")
    kernel.run("_ = n @ n")
    kernel.run("_ = n @ n; _ = a @ b")
    _, alone, both = records(kernel)
    one, other = flops(alone), flops(both)
    assert one is not None
    assert other is not None
    assert (one.value, one.missing) == (None, 1)
    assert (other.value, other.missing) == (PRODUCT, 1)
    assert other.reasons[0].startswith("numpy: ")
    kernel.run("%cost last")
    assert f"≥ {2 * 64 * 32 * 16 / 1e3:.1f} kFLOP" in kernel.text
    assert "Not counted: numpy: " in kernel.text


def test_children_that_work_are_said_to_be_uncounted(kernel: Kernel, records: Records) -> None:
    kernel.run("import subprocess, sys")
    busy = "import time\\nwhile time.process_time() < 1.3: pass"
    kernel.run(f'_ = subprocess.run([sys.executable, "-c", "{busy}"])')
    devices = [f.device for f in records(kernel)[-1].usage.figures if f.name == UNCOUNTED]
    assert devices == ["child processes"]


def test_a_running_cell_shows_its_flops(kernel: Kernel) -> None:
    kernel.run(SETUP)
    kernel.start("import time\nfor _ in range(30): a @ b; time.sleep(0.1)")
    shown = kernel.listen(lambda m: m["event"] == "running" and any(map(_counted, m["running"])))
    assert _counted(shown[-1]["running"][0]) % PRODUCT == 0
    assert shown[-1]["running"][0]["rates"]["flops_per_s_wall"] > 0


def _counted(cell: dict) -> float:  # type: ignore[type-arg]
    return next((t["value"] or 0.0 for t in cell["totals"] if t["name"] == "flops"), 0.0)


def test_switched_off_nothing_is_touched(start_kernel: Callable[..., Kernel], home: object, records: Records) -> None:
    from pathlib import Path

    folder = Path(str(home)) / "config_dir"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_costmeter_config.py").write_text("c.CostMeter.flops = False\n")
    kernel = start_kernel()
    kernel.run(f"{SETUP}\nimport numpy as np\n_ = np.ones(3) @ np.ones(3)\n_ = a @ b")
    assert flops(records(kernel)[-1]) is None
    assert "BackendSelect" not in kernel.value("torch._C._dispatch_dump('aten::mm')")
    kernel.run("%cost flops")
    assert "switched off" in kernel.text


def test_mfu_is_against_the_peak_that_the_user_declared(start_kernel: Callable[..., Kernel], home: object) -> None:
    from pathlib import Path

    folder = Path(str(home)) / "config_dir"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_costmeter_config.py").write_text('c.CostMeter.peak_flops = {"CPU": {"fp32": 1e7}}\n')
    kernel = start_kernel()
    kernel.run(SETUP)
    kernel.run("import time\nfor _ in range(10): a @ b\ntime.sleep(0.2)")
    kernel.run("%cost last")
    assert "of peak" in kernel.text
    assert "declared (CostMeter.peak_flops)" in kernel.text
    assert "655 kFLOP fp32 · " in kernel.text


# Audit


def test_an_audit_lists_the_next_cells_operators(kernel: Kernel, records: Records) -> None:
    kernel.run(f"{SETUP}\na, b = torch.randn(500, 500), torch.randn(500, 500)")
    kernel.run("%cost flops audit")
    assert "The next cell runs under torch's profiler" in kernel.text
    kernel.run("for _ in range(20): a @ b\n_ = torch.relu(a)")
    head, table = kernel.text.split("\n\n")[:2]
    assert "counted operators took" in head
    share = int(re.findall(r"took \D*(\d+) %", head)[0])  # "> 99 %", too
    lines = {line.split()[0]: line for line in table.splitlines()[2:]}
    assert "5.00 GFLOP" in lines["aten::mm"]
    assert " 20 " in lines["aten::mm"]
    assert lines["aten::relu"].rstrip().endswith("—")
    assert share > 50
    assert value(records(kernel)[-1]) == 20 * 2 * 500**3
    kernel.run("_ = a @ b")
    assert kernel.text == ""  # once


def test_an_audit_without_torch_says_so_and_one_of_a_failing_cell_ends(kernel: Kernel) -> None:
    kernel.run("%cost flops audit")
    kernel.run("1 + 1")
    assert "torch was not imported" in kernel.text
    kernel.run(SETUP)
    kernel.run("%cost flops audit")
    kernel.run("_ = a @ b\n1 / 0")
    assert "ZeroDivisionError" in kernel.text
    assert "aten::mm" in kernel.text
    kernel.run("%cost flops audit")
    kernel.run("%cost flops audit off")
    kernel.run("_ = a @ b")
    assert kernel.text == ""


def test_an_audit_leaves_the_users_own_profiler_alone(kernel: Kernel) -> None:
    kernel.run(
        f"{SETUP}\nfrom torch.profiler import profile, ProfilerActivity\np = profile(activities=[ProfilerActivity.CPU])"
    )
    kernel.run("p.start()")
    kernel.run("%cost flops audit")
    kernel.run("_ = a @ b")
    assert "A profiler of your own was running" in kernel.text
    kernel.run("p.stop()")
    assert kernel.value("sum(e.name == 'aten::mm' for e in p.events())") == 1
    kernel.run("%cost flops audit")
    kernel.run("with profile(activities=[ProfilerActivity.CPU]) as q: _ = a @ b")
    assert "Your code used torch's profiler" in kernel.text


@pytest.mark.parametrize(("words", "said"), [("bogus", "invalid choice"), ("jax on", "invalid choice")])
def test_words_that_are_wrong_are_named(words: str, said: str, kernel: Kernel) -> None:
    kernel.run(f"%cost flops {words}")
    assert said in kernel.text
