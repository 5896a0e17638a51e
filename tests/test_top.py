"""What runs now: each running cell with its cost so far, what rests, and nothing that was killed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import golden
import psutil
import pytest
from kernels import Kernel
from running_cells import HOST, NOW, resting, running, verdict
from shell import Ran, cell, costmeter, fill, here, said, session

from jupyter_costmeter import context, place, screen
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.running import Kernels, Now, Resting, Running
from jupyter_costmeter.top import Top, page

EVERYTHING = Selection("all")
BUDGET = '[[budget]]\ngpu_hours = 0.002\nname = "quota"\n[[budget]]\ngpu_hours = 5\nname = "roomy"\n'


def shown(*found: Running, rest: tuple[Resting, ...] = (), doubtful: tuple[Running, ...] = ()) -> str:
    return page(Now(found, rest, doubtful, ()), NOW).text()


def test_a_running_cell_is_a_line_with_what_it_cost_so_far() -> None:
    text = shown(running(replace(golden.FIRST, label="train"), verdict=verdict(0.5)))
    title, _, header, _, line = text.splitlines()[:5]
    assert title == "1 cell runs"
    assert header.split() == ["notebook", "cell", "time", "energy", "power", "GPU", "CO2e", "budget", "%"]
    assert line.split("  ")[0] == "train.ipynb"
    for part in ("train", "12.5 s", "3.65 kJ", "292 W", "~80 % busy", "gCO2e", "quota", "50 %"):
        assert part in line
    assert "ago" not in text


@pytest.mark.parametrize(("share", "tone"), [(0.5, None), (0.83, "near"), (1.2, "bad")])
def test_a_budget_near_its_limit_is_coloured(share: float, tone: str | None) -> None:
    made = page(Now((running(golden.FIRST, verdict=verdict(share)),), (), (), ()), NOW)
    assert list(made.tones.values()) == ([] if tone is None else [tone])


def test_figures_of_a_kernel_that_hangs_say_how_old_they_are() -> None:
    text = shown(running(golden.FIRST, read_at=NOW - 45.0))
    assert "12.5 s, 45 s ago" in text
    assert "lets no other thread run" in text
    assert "ago" not in shown(running(golden.FIRST, read_at=NOW - 2.5))


def test_what_could_not_be_read_is_no_nought() -> None:
    line = shown(running(golden.SECOND)).splitlines()[4]  # its GPU's energy is lost
    assert "≥ ~8.00 J" in line
    assert "≥ ~4.00 W" in line


def test_kernels_that_rest_say_since_when_and_what_they_may_hold() -> None:
    text = shown(rest=(resting(),))
    assert text.startswith("No cell runs, 1 kernel rests\n")
    assert "3 min 20 s" in text
    assert "~held" in text
    assert "not known until its next cell" in text
    bare = replace(resting(), last=replace(golden.FIRST, usage=golden.AFTER.usage))
    assert "held" not in shown(rest=(bare,))


def test_a_running_cell_without_a_label_has_a_star() -> None:
    """IPython says its number when it has ended; a block outside of cells has none at all."""
    bare = replace(golden.OPEN, execution_count=None, label=None)
    assert "  In [*]  " in shown(running(bare))
    assert "block 3" in shown(running(replace(bare, code_hash=None, tags=())))


def test_in_a_narrow_terminal_each_kernel_has_its_lines() -> None:
    made = page(Now((running(replace(golden.FIRST, label="train"), verdict=verdict(0.83)),), (resting(),), (), ()), NOW)
    _, _, *lines = made.text(40).splitlines()
    assert lines[:2] == ["train.ipynb: train", "  12.5 s, 3.65 kJ, 292 W, ~80 % busy,"]
    assert lines[2].endswith("mgCO2e")
    assert lines[3:6] == ["  quota  83 %", "", "train.ipynb: train"]
    assert " ".join(map(str.strip, lines[6:8])).startswith("rests for 3 min 20 s, ~held, session's energy ")
    assert screen.painted(made.text(40), made.tones).count("\x1b[33m83 %\x1b[0m") == 1


def test_nothing_runs() -> None:
    assert shown() == "No metered kernel is running.\n\nToday: nothing yet."


def test_of_another_machine_it_is_not_known() -> None:
    text = shown(doubtful=(running(golden.FIRST, host="gpu-2", read_at=NOW - 7200.0),))
    assert text.startswith("No metered kernel is running.")
    assert "gpu-2 ran train 2 h 00 min ago; whether it still does cannot be seen from this machine." in text


# What is read of the ledger


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = home / "paper"
    (folder / ".git").mkdir(parents=True)
    (folder / "jupyter_costmeter.toml").write_text(BUDGET)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def look(ledger_path: Path, project: Path) -> Iterator[Callable[..., Kernels]]:
    made: list[Ledger] = []

    def kernels(selection: Selection = EVERYTHING) -> Kernels:
        found = context.of_folder()
        assert isinstance(found.ledger, Ledger)
        made.append(found.ledger)
        return Kernels(found.ledger, selection, found.plans, found.costing)

    yield kernels
    for one in made:
        one.close()


def living(name: str, notebook: Path, pid: int | None = None) -> SessionInfo:
    """A session whose process is this one, or another that lives."""
    pid = pid or os.getpid()
    return replace(session(name, str(notebook)), host=HOST, pid=pid, pid_started_at=place.process_started(pid))


def at_work(info: SessionInfo, seq: int = 1, seconds: float = 2.0, **more: object) -> CellRecord:
    return replace(cell(info, seq, **more), started_at=time.time() - seconds)


def ids(found: Now) -> tuple[list[str], list[str]]:
    return [one.record.id for one in found.running], [one.info.id for one in found.resting]


def test_what_is_noted_and_whose_process_lives_runs(
    ledger: Ledger, look: Callable[..., Kernels], project: Path
) -> None:
    one, dead = living("one", project / "a.ipynb"), replace(living("dead", project / "b.ipynb"), pid_started_at=1.0)
    ledger.journal(one, [at_work(one)])
    ledger.journal(dead, [at_work(dead)])
    found = look().now()
    assert ids(found) == (["one-1"], [])
    assert found.running[0].verdict is not None
    assert found.running[0].verdict.budget.name == "quota"


def test_a_process_that_is_killed_is_gone_at_once(ledger: Ledger, look: Callable[..., Kernels], project: Path) -> None:
    """The file does not change: nobody is left to write it."""
    sleeps = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    rests = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    for name, process in (("runs", sleeps), ("rests", rests)):
        info = living(name, project / f"{name}.ipynb", process.pid)
        ledger.append(info, [at_work(info, 1, 60.0)])
    info = living("runs", project / "runs.ipynb", sleeps.pid)
    ledger.journal(info, [at_work(info, 2)])
    kernels = look()
    assert ids(kernels.now()) == (["runs-2"], ["rests"])
    for process in (sleeps, rests):
        process.kill()
        psutil.wait_procs([psutil.Process(process.pid)], timeout=0.2)  # a zombie, until we wait for it
    assert ids(kernels.now()) == ([], [])
    for process in (sleeps, rests):
        process.wait()
    assert ids(kernels.now()) == ([], [])


def test_a_cell_that_ended_rests(ledger: Ledger, look: Callable[..., Kernels], project: Path) -> None:
    one = living("one", project / "a.ipynb")
    ledger.journal(one, [at_work(one)])
    kernels = look()
    assert ids(kernels.now()) == (["one-1"], [])
    ledger.append(one, [at_work(one)])
    assert ids(kernels.now()) == ([], ["one"])
    ledger.journal(one, [at_work(one)])  # its last tick came late
    assert ids(kernels.now()) == ([], ["one"])


def test_the_file_is_read_only_when_it_has_changed(
    ledger: Ledger, look: Callable[..., Kernels], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = living("one", project / "a.ipynb")
    ledger.journal(one, [at_work(one)])
    kernels = look()
    kernels.now()
    read = []
    real = Ledger.open_windows
    monkeypatch.setattr(Ledger, "open_windows", lambda self: read.append(self) or real(self))
    for _ in range(5):
        assert ids(kernels.now()) == (["one-1"], [])
    assert read == []
    ledger.journal(one, [at_work(one, 1, 3.0)])
    kernels.now()
    assert read != []


def test_another_machines_cell_runs_while_it_is_told_of(
    ledger: Ledger, look: Callable[..., Kernels], project: Path
) -> None:
    far = replace(living("far", project / "a.ipynb"), host="gpu-2", pid=1)
    ledger.journal(far, [at_work(far, 1, 3.0)])
    assert ids(look().now()) == (["far-1"], [])
    ledger.journal(far, [at_work(far, 1, 7200.0)])
    found = look().now()
    assert ids(found) == ([], [])
    assert [one.record.id for one in found.doubtful] == ["far-1"]


def test_a_scope_leaves_the_others_out(ledger: Ledger, look: Callable[..., Kernels], project: Path) -> None:
    one, other = living("one", project / "a.ipynb"), living("two", project.parent / "elsewhere" / "b.ipynb")
    for info in (one, other):
        ledger.journal(info, [at_work(info)])
    assert sorted(ids(look().now())[0]) == ["one-1", "two-1"]
    assert ids(look(Selection("project", str(project))).now())[0] == ["one-1"]
    assert ids(look(Selection("notebook", other.notebook)).now())[0] == ["two-1"]


def test_today_is_added_up_with_what_runs(ledger: Ledger, look: Callable[..., Kernels], project: Path) -> None:
    one = living("one", project / "a.ipynb")
    old = replace(at_work(one, 1), started_at=time.time() - 3 * 86400)
    ledger.append(one, [old])
    ledger.journal(one, [at_work(one, 2)])
    spent = {one.budget.measure: one.spent.value for one in look().now().today}
    assert 0 < (spent["gpu_hours"] or 0) < 2.1 / 3600  # at midnight a part of it
    assert spent["kwh"]


# The door


@pytest.fixture
def one_runs(ledger_path: Path, project: Path) -> SessionInfo:
    info = living("one", project / "a.ipynb")
    fill(ledger_path, info, at_work(info, 1, 60.0))
    opened = Ledger(ledger_path)
    opened.journal(info, [at_work(info, 2, label="sweep")])
    opened.close()
    return info


@pytest.mark.parametrize("words", [["top"], ["top", "--once"], ["top", "--all"], ["top", "--project"]])
def test_once_or_piped_it_is_one_plain_table(
    words: list[str], one_runs: SessionInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(here(capsys, *words))
    assert "1 cell runs" in text
    assert "sweep" in text
    assert "Today: electricity ~" in text
    assert "\x1b" not in text


def test_nothing_was_ever_metered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(here(capsys, "top")) == "No metered kernel is running.\n\nToday: nothing yet.\n"


@pytest.mark.parametrize("words", [["--interval", "0"], ["--all", "--project"], ["--session", "one"], ["--label", "x"]])
def test_wrong_words(words: list[str], project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran: Ran = here(capsys, "top", *words)
    assert ran.returncode == 2


def test_a_terminal_is_filled_until_q(one_runs: SessionInfo, ledger_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "jupyter_costmeter.cli", "top", "--interval", "0.2"]
    env = {**os.environ, "COLUMNS": "60", "LINES": "30", "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    text, end = b"", time.monotonic() + 60
    while text.count(b"q ends.") < 2 and time.monotonic() < end:
        if select.select([ours], [], [], 0.2)[0]:
            text += os.read(ours, 65536)
    os.write(ours, b"q")
    assert process.wait(timeout=60) == 0
    os.close(theirs)
    os.close(ours)
    assert text.startswith(b"\x1b[?1049h")
    assert b"1 cell runs" in text
    assert "sweep" in text.decode()


def test_its_frames_have_the_terminals_width_and_letters(one_runs: SessionInfo) -> None:
    top = Top(context.of_folder(), Selection("all"))
    lines, tones = top.frame(sys.__stdout__)  # type: ignore[arg-type]
    top.close()
    assert "1 cell runs" in lines[0]
    assert lines[-1] == "q ends."
    assert set(tones) <= {"100 %", *(f"{at} %" for at in range(80, 200))}


# A real kernel


def test_a_kernel_is_seen_while_it_sleeps_and_not_when_it_was_killed(
    start_kernel: Callable[..., Kernel], home: Path
) -> None:
    kernel = start_kernel()
    kernel.start("%%cost nap\nimport time; time.sleep(60)")
    text = _until(lambda: said(costmeter("top", "--once", cwd=home)), "1 cell runs")
    assert "nap" in text
    assert "train.ipynb" in text
    psutil.Process(kernel.pid).kill()
    assert "nap" not in _until(lambda: said(costmeter("top", "--once", cwd=home)), "No metered kernel is running.")


def _until(ask: Callable[[], str], wanted: str) -> str:
    end, text = time.monotonic() + 60, ""
    while wanted not in text and time.monotonic() < end:
        time.sleep(0.3)
        text = ask()
    assert wanted in text
    return text
