"""``jupyter costmeter run``: a notebook without a browser, metered as in JupyterLab."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import LOAD, Kernel, cells
from notebooks import Run, notebook, outputs, run
from shell import Ran, costmeter, newer, said

from jupyter_costmeter import allocations
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.slurm import job_of

assert run  # a fixture


def test_a_notebook_is_run_and_metered(home: Path, ledger: Ledger) -> None:
    path = notebook(
        home / "paper" / "train.ipynb", "import time, os; x = 41", "time.sleep(0.3)\nprint(x + 1)", "", "1/1"
    )
    ran = costmeter("run", "paper/train.ipynb", cwd=home)
    shown = said(ran)
    assert shown.startswith("Wrote paper/train.run.ipynb.\nSession ")
    assert ": 3 cells, " in shown
    assert "CPU time" in shown
    assert "4/4" in ran.stderr  # the progress bar
    assert outputs(home / "paper" / "train.run.ipynb") == ["", "42\n", "", ""]
    assert outputs(path) == [""] * 4
    first, second, last = cells(ledger)
    assert [r.cell_id for r in (first, second, last)] == ["a", "b", "d"]
    assert [r.execution_count for r in (first, second, last)] == [1, 2, 3]
    assert {r.notebook for r in (first, second, last)} == {str(path)}
    assert {r.project for r in (first, second, last)} == {str(path.parent)}
    assert 0.3 <= second.wall_s < 1.5
    assert said(costmeter("summary", "--notebook", "paper/train.ipynb", cwd=home)).startswith(
        "Notebook train.ipynb: 3 cells"
    )


def test_the_records_are_those_of_jupyterlab(
    run: Run, start_kernel: Callable[..., Kernel], home: Path, ledger: Ledger
) -> None:
    codes = ["%%cost tuning\nx = 1", "x + 1", "1/0"]
    notebook(home / "train.ipynb", *codes)
    said(run("train.ipynb"), 1)
    kernel = start_kernel()
    for name, code in zip("abc", codes, strict=True):
        kernel.run(code, cell_id=name)
    kernel.flush()
    facts = [
        (r.seq, r.cell_id, r.execution_count, r.code_hash, r.notebook, r.project, r.label, r.outcome, r.error_type)
        for r in cells(ledger)
    ]
    assert facts[:3] == facts[3:]
    assert facts[0][3] == hashlib.sha256(codes[0].encode()).hexdigest()


def test_a_notebook_that_loads_the_meter_itself(run: Run, home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", LOAD, "1 + 1", "%cost")
    shown = said(run("a.ipynb"))
    assert ": 3 cells" in shown
    assert [r.cell_id for r in cells(ledger)] == ["a", "b", "c"]


def test_where_the_outputs_go(run: Run, home: Path) -> None:
    path = notebook(home / "sub" / "a.ipynb", "import os; print(os.getcwd())")
    before = path.read_bytes()
    assert "Wrote b.ipynb." in said(run("sub/a.ipynb", "-o", "b.ipynb"))
    assert outputs(home / "b.ipynb") == [f"{home / 'sub'}\n"]  # it runs in its folder, as in JupyterLab
    assert path.read_bytes() == before
    assert not (home / "sub" / "a.run.ipynb").exists()
    assert "Wrote sub/a.ipynb." in said(run("sub/a.ipynb", "--inplace"))
    assert outputs(path) == outputs(home / "b.ipynb")


def test_a_cell_that_fails_ends_the_run(run: Run, home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", "import os; print(os.getpid())", "1/0", "print('after')")
    ran = run("a.ipynb")
    assert "jupyter costmeter: cell 2 of 3 failed with ZeroDivisionError: division by zero\n" in said(ran, 1)
    assert ": 2 cells, " in ran.stdout
    assert "1 of them failed" in ran.stdout
    pid, *others = outputs(home / "a.run.ipynb")
    assert others == ["ZeroDivisionError", ""]
    with pytest.raises(ProcessLookupError):  # nothing is left running
        os.kill(int(pid), 0)
    assert not list(home.glob(".*.part"))
    assert [(r.cell_id, r.outcome) for r in cells(ledger)] == [("a", "ok"), ("b", "error")]


def test_errors_that_are_allowed(run: Run, home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", "1/0", "print('after')")
    assert "1 of them failed" in said(run("a.ipynb", "--allow-errors"))
    assert outputs(home / "a.run.ipynb") == ["ZeroDivisionError", "after\n"]
    assert [r.outcome for r in cells(ledger)] == ["error", "ok"]


def test_a_cell_that_takes_too_long(run: Run, home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", "1", "print('begun', flush=True)\nimport time; time.sleep(60)", "2")
    began = time.monotonic()
    ran = run("a.ipynb", "--timeout", "1.5")
    assert "cell 2 of 3 took longer than --timeout 1.5 and was interrupted" in said(ran, 1)
    assert time.monotonic() - began < 30
    assert ": 2 cells, " in ran.stdout
    assert [(r.cell_id, r.outcome) for r in cells(ledger)] == [("a", "ok"), ("b", "interrupted")]
    assert outputs(home / "a.run.ipynb")[1].startswith("begun")


@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_kernel_that_dies(death: str, run: Run, home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", "1", f"import os, time\ntime.sleep(2.2)\n{death}", "2")
    ran = run("a.ipynb")
    assert "the kernel died in cell 2 of 3; the cell that ran is in the ledger as killed" in said(ran, 1)
    assert ": 2 cells, " in ran.stdout
    first, killed = cells(ledger)
    assert (first.outcome, killed.outcome, killed.cell_id) == ("ok", "killed", "b")
    assert 1.1 < killed.wall_s < 3
    assert (home / "a.run.ipynb").exists()


def test_a_kernel_that_dies_at_once(run: Run, home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", "import os; os._exit(3)")
    ran = run("a.ipynb")
    assert "the kernel died in cell 1 of 1; the cell that ran was too short to be kept" in said(ran, 1)
    assert "Nothing was metered yet." in ran.stdout
    assert cells(ledger) == []


@pytest.mark.parametrize("words", [[], ["--allow-errors"]])
def test_ctrl_c_ends_the_cell_and_the_run(words: list[str], home: Path, ledger: Ledger) -> None:
    notebook(home / "a.ipynb", "1", "open('begun', 'w'); import time; time.sleep(60)", "open('after', 'w')")
    command = [sys.executable, "-m", "jupyter_costmeter.cli", "run", "a.ipynb", *words]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        until(lambda: (home / "begun").exists())
        ran.send_signal(signal.SIGINT)
        out, errors = ran.communicate(timeout=30)
    assert said(Ran(command, ran.returncode, out, errors), 1)
    assert "interrupted" in errors or "KeyboardInterrupt" in errors
    assert [r.outcome for r in cells(ledger)] == ["ok", "interrupted"]
    assert not (home / "after").exists()
    assert ": 2 cells" in out
    assert outputs(home / "a.run.ipynb")[1] == "KeyboardInterrupt"


def until(done: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("text", ["hello", "{}", "[]", "", "\x80"])
def test_what_is_no_notebook(text: str, run: Run, home: Path) -> None:
    (home / "a.ipynb").write_bytes(text.encode("latin-1"))
    assert "a.ipynb is no notebook" in said(run("a.ipynb"), 2)
    assert [p.name for p in home.iterdir()] == ["a.ipynb"]


def kernelspec(home: Path, name: str, *argv: str) -> None:
    folder = home / "data_dir" / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))


def test_kernels_that_cannot_be_had(run: Run, home: Path) -> None:
    notebook(home / "a.ipynb", "1", kernelspec={"name": "gone", "display_name": "Gone"})
    kernelspec(home, "broken", sys.executable, "-c", "raise SystemExit(1)")
    kernelspec(home, "missing", "/no/such/python", "{connection_file}")
    for words, why in [
        ([], "there is no kernel 'gone'; `jupyter kernelspec list` shows them"),
        (["--kernel", "other"], "there is no kernel 'other'"),
        (["--kernel", "broken"], "the kernel 'broken' does not start"),
        (["--kernel", "missing"], "the kernel 'missing' does not start"),
    ]:
        assert why in said(run("a.ipynb", *words), 1)
        assert not list(home.glob("*.run.ipynb"))
    assert ": 1 cell, " in said(run("a.ipynb", "--kernel", "python3"))


def test_a_kernel_without_the_meter(run: Run, home: Path) -> None:
    """As of another environment: the package is not there."""
    notebook(home / "a.ipynb", "1")
    hide = "import sys; sys.modules['jupyter_costmeter'] = None; from ipykernel.kernelapp import main; main()"
    kernelspec(home, "bare", sys.executable, "-c", hide, "-f", "{connection_file}")
    shown = said(run("a.ipynb", "--kernel", "bare"), 1)
    assert "the kernel 'bare' cannot load jupyter_costmeter; install it into that kernel's Python" in shown


def test_the_output_is_checked_before_the_work(run: Run, home: Path) -> None:
    notebook(home / "a.ipynb", "open('it ran', 'w')")
    (home / "folder.ipynb").mkdir()
    for target in ("nowhere/b.ipynb", "folder.ipynb"):
        assert f"cannot write {target}" in said(run("a.ipynb", "-o", target), 1)
    assert not (home / "it ran").exists()


def test_another_ledger(run: Run, home: Path, ledger_path: Path) -> None:
    notebook(home / "sub" / "a.ipynb", "1")
    assert ": 1 cell, " in said(run("sub/a.ipynb", "--ledger", "other.sqlite"))
    assert not ledger_path.exists()
    assert "1 cell" in said(costmeter("--ledger", "other.sqlite", "summary", "--all"))


def test_a_ledger_that_cannot_be_written(run: Run, home: Path, ledger: Ledger, ledger_path: Path) -> None:
    notebook(home / "a.ipynb", "print('it ran')")
    said(run("a.ipynb"))
    newer(ledger_path)
    (home / "a.run.ipynb").unlink()
    shown = said(run("a.ipynb"), 1)
    assert "what the cells cost could not be kept" in shown
    assert "was written by jupyter_costmeter 99.0" in shown
    assert outputs(home / "a.run.ipynb") == ["it ran\n"]


JOB = {
    "SLURM_JOB_ID": "4203", "SLURM_ARRAY_JOB_ID": "4200", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_PARTITION": "gpu",
    "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_CPUS_PER_NODE": "8", "SLURM_MEM_PER_NODE": "16384",
}  # fmt: skip


def test_in_a_job_of_slurm_what_was_given_is_kept_beside_what_was_used(home: Path, ledger: Ledger) -> None:
    notebook(home / "train.ipynb", "import time; time.sleep(0.3)")
    before = time.time()
    shown = said(costmeter("run", "train.ipynb", cwd=home, **JOB, SLURM_JOB_START_TIME=str(int(before) - 100)))
    assert "SLURM job 4200_3, partition gpu was given 2 GPUs, 8 CPUs" in " ".join(shown.split())
    (info,) = ledger.sessions(Selection("all"))
    job = job_of(info)
    assert job is not None
    assert (job.name, job.gpus, job.cpus, job.memory_bytes) == ("4200_3", 2, 8, 16 << 30)
    (whole,) = [r for r in ledger.records(Selection("all")) if r.label == allocations.LABEL]
    assert 100.0 < whole.wall_s <= time.time() - before + 101.0
    summary = ledger.summary(Selection("all"))
    assert summary.cells == 1
    assert sum(bucket.wall_s for bucket in summary.buckets) < 100.0  # it is in no total
    told = said(costmeter("slurm", "4200", "--all", cwd=home, PATH="/nowhere"))
    assert "4200_3" in told
    told = said(costmeter("doctor", cwd=home, **JOB))
    assert "SLURM job 4200_3" in told


def test_outside_of_slurm_nothing_is_said_of_it(home: Path, ledger: Ledger) -> None:
    notebook(home / "train.ipynb", "1")
    assert "SLURM" not in said(costmeter("run", "train.ipynb", cwd=home))
    assert not [r for r in ledger.records(Selection("all")) if r.label == allocations.LABEL]
