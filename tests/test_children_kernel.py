"""Processes of one cell: four of each kind, whose FLOPs are the cell's, once; in a real kernel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import ALL, LOAD, Kernel
from nvml.sim import SimulatedNvml, build

from jupyter_costmeter import accounting
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.descendants import LABEL
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import UNCOUNTED, CellRecord, Total

pytest.importorskip("torch", reason="torch is not installed: FLOPs of child processes are not tested")

Records = Callable[[Kernel], list[CellRecord]]
PRODUCT = 2 * 64 * 32 * 16
#: One thread: torch itself hangs in a forked process whose parent has had several.
WORK = """
import os, time
import torch
torch.set_num_threads(1)

def work(n):
    a, b = torch.ones(64, 32), torch.ones(32, 16)
    for _ in range(n):
        a @ b
    return os.getpid()

def ranked(rank):
    work(10)

def trained():
    from accelerate import Accelerator
    here = Accelerator(cpu=True)
    model = torch.nn.Linear(64, 32, bias=False)
    optimizer = torch.optim.SGD(model.parameters())
    data = torch.utils.data.DataLoader(torch.ones(80, 64), batch_size=4)
    model, optimizer, data = here.prepare(model, optimizer, data)
    for batch in data:
        here.backward(model(batch).sum())
        optimizer.step()
        optimizer.zero_grad()
    with open(f"rank{here.process_index}.txt", "w") as told:
        told.write(f"{here.num_processes} {len(data)}")
"""


@pytest.fixture
def work(home: Path) -> None:
    """A module that children can import, since a notebook's functions they cannot."""
    (home / "working.py").write_text(WORK)
    (home / "train.py").write_text("import working\nworking.work(10)\n")


@pytest.fixture
def torch_kernel(work: None, start_kernel: Callable[..., Kernel], home: Path) -> Kernel:
    kernel = start_kernel(PYTHONPATH=os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")]))
    kernel.run("import multiprocessing, os, subprocess, sys, time\nfrom working import work\n_ = work(1)")
    return kernel


def flops(record: CellRecord) -> Total:
    return next(t for t in accounting.cell_totals(record.usage) if t.name == "flops")


def inside(records: list[CellRecord], outer: CellRecord) -> list[CellRecord]:
    return [r for r in records if r.parent_id == outer.id]


def last(records: list[CellRecord]) -> CellRecord:
    return [r for r in records if r.parent_id is None][-1]


FORK = "with multiprocessing.get_context('fork').Pool(4) as pool: done = pool.map(work, [10] * 4, 1)"
SPAWN = FORK.replace("fork", "spawn")
LOKY = "from joblib import Parallel, delayed\ndone = Parallel(4)(delayed(work)(10) for _ in range(4))"
#: What accelerate's debug_launcher calls.
LAUNCHED = (
    "import torch.multiprocessing as mp\nfrom working import ranked\n"
    "mp.start_processes(ranked, nprocs=4, start_method='fork')"
)
ACCELERATE = """
import socket
from accelerate import notebook_launcher
from working import trained
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
notebook_launcher(trained, num_processes=2, use_port=port)
"""
#: A batch of 4 forward, and the gradient of its weights.
STEP = 2 * (2 * 4 * 64 * 32)
TORCHRUN = "!torchrun --nproc-per-node 4 --standalone train.py"


@pytest.mark.parametrize(
    "code", [FORK, SPAWN, LAUNCHED, LOKY, TORCHRUN], ids=["fork", "spawn", "launched", "joblib", "torchrun"]
)
def test_four_processes_are_their_cells_once(torch_kernel: Kernel, records: Records, ledger: Ledger, code: str) -> None:
    torch_kernel.run(code)
    found = records(torch_kernel)
    cell = last(found)
    assert cell.outcome == "ok"
    total = flops(cell)
    assert (total.value, total.method, total.incomplete) == (4 * 10 * PRODUCT, "measured", False)
    parts = [r for r in inside(found, cell) if r.label == LABEL]
    assert sum(flops(r).value or 0 for r in parts if r.usage.figure("flops_fp32")) == total.value
    assert all(0 <= r.wall_s <= cell.wall_s for r in parts)
    whole = ledger.summary(ALL)
    summed = whole.total("flops")
    assert summed is not None
    assert summed.value == sum(flops(r).value or 0 for r in found if r.parent_id is None)
    assert whole.cells == len([r for r in found if r.parent_id is None])
    assert ledger.check() == []


def test_what_accelerate_launches_is_its_cells_once(torch_kernel: Kernel, records: Records, home: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed: its notebook_launcher is not tested")
    torch_kernel.run(ACCELERATE)
    assert [path.read_text() for path in home.rglob("rank[01].txt")] == ["2 10", "2 10"], torch_kernel.text
    found = records(torch_kernel)
    cell = last(found)
    assert cell.outcome == "ok"
    total = flops(cell)
    assert (total.value, total.method, total.incomplete) == (2 * 10 * STEP, "measured", False)
    parts = [r for r in inside(found, cell) if r.label == LABEL and r.usage.figure("flops_fp32")]
    assert [flops(r).value for r in parts] == [10 * STEP] * 2


def test_workers_that_live_through_cells_are_billed_to_each(torch_kernel: Kernel, records: Records) -> None:
    """As joblib's do, for five minutes."""
    for n in (10, 30):
        torch_kernel.run(LOKY.replace("(10)", f"({n})"))
    torch_kernel.run("1")
    cells = [r for r in records(torch_kernel) if r.parent_id is None]
    assert [flops(r).value for r in cells[-3:-1]] == [4 * 10 * PRODUCT, 4 * 30 * PRODUCT]
    assert not [r for r in cells[-1:] if r.usage.figure("flops_fp32")]


def test_what_a_child_does_after_its_cell_is_background(torch_kernel: Kernel, ledger: Ledger) -> None:
    code = "import working, time; working.work(10); time.sleep(3); working.work(20)"
    torch_kernel.run(f"child = subprocess.Popen([sys.executable, '-c', {code!r}])\ntime.sleep(0.2)")
    assert torch_kernel.value("child.wait()") == 0
    torch_kernel.run("1")
    torch_kernel.flush()
    found = ledger.summary(ALL)
    total = found.total("flops")
    assert total is not None
    assert total.value == (1 + 30) * PRODUCT
    background = found.bucket("background")
    assert background is not None
    assert (background.total("flops") or total).value in (20 * PRODUCT, 30 * PRODUCT)  # torch's import takes seconds


def test_a_child_that_is_killed_has_lost_nothing(torch_kernel: Kernel, records: Records) -> None:
    code = "import os, signal, working; working.work(10); os.kill(os.getpid(), signal.SIGKILL)"
    torch_kernel.run(f"code = subprocess.run([sys.executable, '-c', {code!r}]).returncode")
    assert torch_kernel.value("code") == -9
    total = flops(last(records(torch_kernel)))
    assert (total.value, total.incomplete) == (10 * PRODUCT, False)


def test_a_child_that_cannot_count_makes_the_sum_a_lower_bound(torch_kernel: Kernel, records: Records) -> None:
    """Python in isolated mode looks at no PYTHONPATH."""
    busy = "import time\nwhile time.process_time() < 1.3: pass"
    torch_kernel.run(f"_ = subprocess.run([sys.executable, '-I', '-c', {busy!r}]); _ = work(1)")
    cell = last(records(torch_kernel))
    assert [f.device for f in cell.usage.figures if f.name == UNCOUNTED] == ["child processes"]
    assert flops(cell).incomplete


def test_children_that_are_long_in_ending_all_count(torch_kernel: Kernel, records: Records) -> None:
    """Python takes torch apart after the last word that it lets anybody have: a third of a short script's time."""
    torch_kernel.run(
        "those = [subprocess.Popen([sys.executable, 'train.py']) for _ in range(3)]\n_ = [one.wait() for one in those]"
    )
    total = flops(last(records(torch_kernel)))
    assert (total.value, total.incomplete) == (3 * 10 * PRODUCT, False)


def test_a_command_that_cannot_count_makes_the_sum_a_lower_bound(torch_kernel: Kernel, records: Records) -> None:
    """The shell of ``!…`` is a fork of the kernel, until it becomes the shell."""
    torch_kernel.run("!{sys.executable} -I -c 'while __import__(\"time\").process_time() < 1.3: pass'")
    cell = last(records(torch_kernel))
    assert [f.device for f in cell.usage.figures if f.name == UNCOUNTED] == ["child processes"]


def test_a_block_in_a_child_lies_in_the_cell(
    torch_kernel: Kernel, records: Records, ledger: Ledger, home: Path
) -> None:
    code = (
        "import jupyter_costmeter, working\n"
        "with jupyter_costmeter.measure('in the child'): working.work(10)\n"
        "with jupyter_costmeter.trial(seed=1) as t: t.score('loss', 0.5)\n"
    )
    torch_kernel.run(f"_ = subprocess.run([sys.executable, '-c', {code!r}], check=True)")
    found = records(torch_kernel)
    cell = last(found)
    assert {r.label for r in inside(found, cell)} == {"in the child", LABEL, None}
    (block,) = [r for r in found if r.label == "in the child"]
    assert flops(block).value == flops(cell).value == 10 * PRODUCT
    whole = ledger.summary(ALL)
    total = whole.total("cpu_s")
    assert total is not None
    assert total.value == pytest.approx(
        sum(f.value or 0 for r in ledger.records(ALL) if r.parent_id is None for f in [r.usage.figure("cpu_s")] if f)
    )
    for selection in (ALL, Selection("session", cell.session_id)):
        assert len(gather(ledger, selection, Costing(None, home)).trials) == 1


def test_unloading_leaves_the_environment_as_it_was(torch_kernel: Kernel) -> None:
    seen = "(os.environ.get('JUPYTER_COSTMETER_PARENT'), 'costmeter/hook' in os.environ.get('PYTHONPATH', ''))"
    folder, hooked = torch_kernel.value(seen)
    assert Path(folder).is_dir()
    assert hooked
    torch_kernel.run("%unload_ext jupyter_costmeter")
    assert torch_kernel.value(seen) == (None, False)
    torch_kernel.run(LOAD)
    assert torch_kernel.value(seen) == (folder, True)
    torch_kernel.manager.shutdown_kernel(now=False)
    until = time.monotonic() + 20
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(folder).exists()


def test_it_can_be_switched_off(work: None, start_kernel: Callable[..., Kernel], home: Path) -> None:
    (home / "config_dir").mkdir()
    (home / "config_dir" / "jupyter_costmeter_config.py").write_text("c.CostMeter.children = False\n")
    kernel = start_kernel()
    assert kernel.value("__import__('os').environ.get('JUPYTER_COSTMETER_PARENT')") is None


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


def test_the_energy_of_four_gpus_is_in_one_place_each(
    library: Path, tmp_path: Path, work: None, start_kernel: Callable[..., Kernel], home: Path, ledger: Ledger
) -> None:
    """Each of four processes holds a GPU of its own, for all that the kernel runs: the sum is the counters'."""
    sim = SimulatedNvml(library, tmp_path / "nvml", gpus=4)
    for gpu in range(4):
        sim.set(gpu=gpu, power_w=100.0 * (gpu + 1), utilization=80.0)
    paths = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    kernel = start_kernel(**sim.env(), PYTHONPATH=paths)
    kernel.run("import multiprocessing, time\nfrom working import work")
    for gpu in range(4):
        sim.process(gpu, kernel.pid, 1 << 30)
    kernel.run("time.sleep(1.5)", "known to be held")
    kernel.run(f"pool = {FORK.split(' as ')[0].removeprefix('with ')}", "starts")
    for gpu, pid in enumerate(kernel.value("[p.pid for p in pool._pool]")):
        sim.process(gpu, pid, 1 << 30)
    began = sim.clock()
    kernel.run("done = pool.map(work, [10] * 4, 1); time.sleep(2)", "works")
    ended = sim.clock()
    kernel.flush()
    sim.set(processes={})  # as the driver has it: a process that ends is in its list no more
    kernel.run("pool.close(); pool.join()")
    kernel.flush()
    records = list(ledger.records(ALL))
    (cell,) = [r for r in records if r.cell_id == "works"]
    for gpu in range(4):
        figure = cell.usage.figure("gpu_energy_j", sim.gpus[gpu].uuid)
        assert figure is not None
        truth = sim.energy_j(gpu, ended) - sim.energy_j(gpu, began)
        assert figure.value == pytest.approx(truth, rel=0.03)
    assert flops(cell).value == 40 * PRODUCT
    outer = [r for r in records if r.parent_id is None]
    summed = sum(f.value or 0 for r in outer for f in r.usage.figures if f.name == "gpu_energy_j")
    total = ledger.summary(ALL).total("gpu_energy_j")
    assert total is not None
    assert total.value == pytest.approx(summed)
    whole = sum(sim.energy_j(gpu, sim.clock()) for gpu in range(4))
    assert summed <= whole * 1.001
