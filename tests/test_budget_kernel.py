"""Real kernels under budgets: warned, and held before a cell starts; no cell's output or record is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from budgeted import BUSY, Start, budget, kinds
from kernels import Kernel, cells

from jupyter_costmeter import wire
from jupyter_costmeter.ledger.store import Ledger

# Warnings


def test_a_line_below_the_cell_tells_once_what_was_reached(start: Start, home: Path, written: Ledger) -> None:
    budget(home, 3.0)
    kernel = start()
    kernel.run("print('clean')")
    kernel.run(BUSY.format(2.2) + "\nprint('done')")
    assert kernel.text.count("Budget quota: ") == 1
    assert " GPU-s in all" in kernel.text
    assert kernel.text.startswith("done")
    kernel.run(BUSY.format(2.2))
    assert kernel.text.count("Budget quota: ") <= 1  # the next threshold
    kernel.run(BUSY.format(1.2))
    assert kernel.text == ""
    kernel.flush()
    assert sorted(e.threshold or 0 for e in written.events(0.0)) == [0.5, 0.8, 1.0]


def test_the_panel_is_told_instead_and_no_line_is_in_the_output(start: Start, home: Path) -> None:
    budget(home, 2.0)
    kernel = start()
    answer = kernel.ask(wire.REQUEST, {"notebook": None})
    assert [one["state"] for one in answer["budgets"]] in (["ok"], ["near"], ["over"])
    assert answer["notices"] == []
    kernel.start(BUSY.format(2.5) + "\nprint('done')")
    found = kernel.listen(lambda m: m["event"] == "closed" and bool(m["closed"]) and m["closed"][0]["wall_s"] > 2)
    notices = [notice for message in found for notice in message["notices"]]
    assert {notice["kind"] for notice in notices} == {"warned"}
    assert len({(n["budget_id"], n["threshold"]) for n in notices}) == len(notices)
    assert max(n["threshold"] for n in notices) == 1.0
    assert found[-1]["budgets"][0]["state"] == "over"
    kernel.run(BUSY.format(0.5))
    assert kernel.text == ""


@pytest.mark.parametrize("how", ["front end", "environment"])
def test_a_headless_kernel_says_nothing_unless_asked(start: Start, home: Path, written: Ledger, how: str) -> None:
    budget(home, 1.0)
    kernel = start(**({"JUPYTER_COSTMETER_HEADLESS": "1"} if how == "environment" else {}))
    kernel.client.allow_stdin = how != "front end"  # as nbclient and papermill do
    kernel.run(BUSY.format(1.5))
    assert kernel.text == ""
    kernel.flush()
    assert kinds(written) == []  # the next that can tell it does


def test_a_second_kernel_does_not_repeat_a_warning(start: Start, home: Path) -> None:
    budget(home, 2.0, warn=[0.5])
    first = start()
    first.run(BUSY.format(1.6))
    assert "Budget quota" in first.text
    first.flush()
    second = start()
    second.run(BUSY.format(1.2))
    assert second.text == ""


def test_without_a_budget_nothing_is_loaded_or_put_in_the_way(kernel: Kernel) -> None:
    kernel.run(BUSY.format(1.5))
    assert kernel.text == ""
    loaded = kernel.value("list(__import__('sys').modules)")
    for module in ("spending", "budgets", "budget_pages", "holding"):
        assert f"jupyter_costmeter.{module}" not in loaded
    assert kernel.value("len(get_ipython().ast_transformers)") == 0


# Held before the start


def test_a_spent_budget_holds_a_cell_until_it_is_run_again(start: Start, home: Path, written: Ledger) -> None:
    kernel = start()
    kernel.run(BUSY.format(1.0))
    budget(home, 0.5, "ask")
    kernel.run("%cost")  # it is seen when a cell of this kernel has ended, or a front end asks
    kernel.flush()
    reply = kernel.run("x = 1\nprint('ran')", "one")
    assert (reply["status"], reply["ename"]) == ("error", "BudgetHold")
    assert "ran" not in kernel.text
    assert kernel.text.count("\n") == 0  # one clean paragraph
    for part in ("quota", "GPU-s", str(home / "jupyter_costmeter.toml"), "within a minute", "%cost budget gpu_hours="):
        assert part in kernel.text
    assert kernel.run("print('other')", "two")["status"] == "error"  # only the cell that is run again goes on
    assert kernel.run("x = 1\nprint('ran')", "one")["status"] == "ok"
    assert "ran\n" in kernel.text
    kernel.flush()
    assert [kind for kind in kinds(written) if kind != "warned"] == ["refused", "refused", "extended"]
    extended = next(e for e in written.events(0.0) if e.kind == "extended")
    assert extended.amount >= 0.1 * 0.5 / 3600
    held = [r for r in cells(written) if r.error_type == "BudgetHold"]
    assert len(held) == 2
    assert all(r.wall_s < 1.0 for r in held)
    own = "[r for r in get_ipython().costmeter.session.cells() if r.error_type == 'BudgetHold']"
    assert kernel.value(f"[[tag.key for tag in r.tags] for r in {own}]") == [["meter"]] * 2, "no runs of the user's"


def test_the_first_cell_is_held_too(start: Start, home: Path, written: Ledger) -> None:
    """As after a kernel's restart: nothing has been looked at yet."""
    budget(home, 0.1, "ask")
    first = start()
    time.sleep(1.5)
    assert first.run("1")["ename"] == "BudgetHold"
    first.flush()
    second = start()
    assert second.run("1")["ename"] == "BudgetHold"


def test_run_all_stops_at_a_held_cell(start: Start, home: Path) -> None:
    budget(home, 3.0, "ask")
    kernel = start()
    spending = kernel.start(BUSY.format(3.5))  # meanwhile the others come: ipykernel cancels what is there already
    first, second = kernel.start("print(1)"), kernel.start("print(2)")
    replies = {}
    while len(replies) < 3:
        reply = kernel.client.get_shell_msg(timeout=30)
        replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
    assert [replies[one] for one in (spending, first, second)] == ["ok", "error", "aborted"]


def test_what_is_never_held(start: Start, home: Path) -> None:
    """Our own commands; a mistake shows its own error; what is asked silently."""
    budget(home, 0.2, "ask")
    kernel = start()
    kernel.run(BUSY.format(0.5))
    assert kernel.run("print(1)")["ename"] == "BudgetHold"
    assert kernel.run("%cost\n# a comment\n%cost cells")["status"] == "ok"
    assert "GPU" in kernel.text
    assert kernel.value("1 + 1") == 2
    assert kernel.run("def (")["ename"] == "SyntaxError"
    assert kernel.run("%cost last\nprint(2)")["ename"] == "BudgetHold"
    assert kernel.run("%unload_ext jupyter_costmeter")["status"] == "ok"
    assert kernel.run("print(3)")["status"] == "ok"


def test_only_a_cells_own_start_is_held(start: Start, home: Path) -> None:
    """A budget that is spent in the midst of a cell holds none of what that cell runs itself, in threads, too."""
    budget(home, 1000.0, "ask")
    kernel = start()
    kernel.run("1")
    budget(home, 0.1, "ask")
    spent = (home / "jupyter_costmeter.toml").read_text()
    budget(home, 1000.0, "ask")
    code = f"import pathlib, threading, time\npathlib.Path('jupyter_costmeter.toml').write_text({spent!r})\n"
    code += "time.sleep(1.5)\nip = get_ipython()\nip.run_line_magic('time', 'x = 2')\nip.run_cell('y = 3')\n"
    code += "t = threading.Thread(target=ip.run_cell, args=('z = 4',)); t.start(); t.join()\n"
    assert kernel.run(f"{code}ip.run_line_magic('timeit', '-n1 -r1 pass')")["status"] == "ok"
    assert kernel.value("[x, y, z]") == [2, 3, 4]
    assert kernel.run("%%time\nz = 1")["ename"] == "BudgetHold"


def test_an_administrators_cap_holds_and_cannot_be_insisted_on(start: Start, home: Path, written: Ledger) -> None:
    folder = home / "config_dir"
    folder.mkdir(exist_ok=True)
    caps = [{"gpu_hours": 0.5 / 3600, "per": "week", "hold": "ask"}]
    (folder / "jupyter_costmeter_config.json").write_text(json.dumps({"CostMeter": {"caps": caps}}))
    kernel = start()
    kernel.run(BUSY.format(1.5), "work")
    for _ in range(2):
        assert kernel.run("1", "again")["ename"] == "BudgetHold"
        assert "administrator" in kernel.text
        assert "jupyter_costmeter_config.json" in kernel.text
        assert "within a minute" not in kernel.text
    kernel.flush()
    assert {kind for kind in kinds(written) if kind != "warned"} == {"refused"}


def test_a_budget_that_goes_or_is_raised_lets_the_next_cell_run(start: Start, home: Path) -> None:
    budget(home, 0.2, "ask")
    kernel = start()
    kernel.run(BUSY.format(0.5))
    assert kernel.run("1")["ename"] == "BudgetHold"
    budget(home, 1000.0, "ask")
    assert kernel.run("1")["status"] == "ok"
    budget(home, 0.2, "ask")
    assert kernel.run("1")["ename"] == "BudgetHold"
    (home / "jupyter_costmeter.toml").unlink()
    assert kernel.run("1")["status"] == "ok"
    assert kernel.value("len(get_ipython().ast_transformers)") == 0


def test_held_idle_is_spent_before_the_next_cell_starts(start: Start, home: Path) -> None:
    budget(home, 2.5, "ask")
    kernel = start()
    assert kernel.run("1")["status"] == "ok"
    time.sleep(3.0)
    assert kernel.run("1")["ename"] == "BudgetHold"


def test_a_budget_that_is_set_in_a_cell_holds_the_next_one(start: Start, home: Path) -> None:
    """Also in Run All, where none of them waits."""
    kernel = start()
    kernel.run("import time; time.sleep(1)")
    said = kernel.run("%cost budget gpu_hours=0.0001 per=total name=tiny hold=ask", "set")
    assert said["status"] == "ok"
    assert kernel.run("print('ran')", "next")["ename"] == "BudgetHold"
    kernel.run("%cost budget delete tiny")
    assert kernel.run("print('ran')", "free")["status"] == "ok"


def test_a_cell_that_anothers_hook_runs_first_takes_no_hold(start: Start, home: Path) -> None:
    budget(home, 0.5, "ask")
    kernel = start()
    kernel.run("import time; time.sleep(1)\nhooked = []")
    kernel.run("%cost budget pause quota")
    kernel.run(
        "def hook(info):\n    if info.raw_cell == 'mine = 1': get_ipython().run_cell('hooked.append(1)')\n"
        "get_ipython().events.register('pre_run_cell', hook)"
    )
    kernel.run("%cost budget resume quota")
    assert kernel.run("mine = 1", "mine")["ename"] == "BudgetHold"
    assert kernel.value("hooked") == [1]


def test_a_fault_of_ours_never_holds_a_cell(start: Start, home: Path) -> None:
    budget(home, 0.2, "ask")
    kernel = start()
    kernel.run(BUSY.format(0.5))
    kernel.run("%cost label x\n%load_ext jupyter_costmeter")
    kernel.value("setattr(get_ipython().costmeter.session.watch, '_verdicts', lambda *a: 1 / 0)")
    assert kernel.run("print('ran')")["status"] == "ok"
    assert kernel.text == "ran\n"


# How far it is


def test_how_far_a_cell_is_comes_with_each_message(kernel: Kernel) -> None:
    kernel.run("import io, time, tqdm, jupyter_costmeter")
    kernel.start("for _ in tqdm.tqdm(range(8), desc='epochs', file=io.StringIO()): time.sleep(0.4)", "bar")
    found = [m["running"][0]["progress"] for m in kernel.listen(ended("bar")) if m["running"]]
    assert {(one["label"], one["source"]) for one in found} == {("epochs", "tqdm")}
    fractions = [one["fraction"] for one in found]
    assert fractions == sorted(fractions)
    assert 0.0 <= fractions[0] < 0.5 < fractions[-1] <= 1.0
    for call in ("get_ipython().run_line_magic('cost', f'progress {i}/4')", "jupyter_costmeter.progress(i, 4)"):
        kernel.start(f"for i in range(4):\n    {call}\n    time.sleep(0.7)", call)
        found = [m["running"][0]["progress"] for m in kernel.listen(ended(call)) if m["running"]]
        assert {one["source"] for one in found} == {"by hand"}
        assert found[-1]["fraction"] in (0.5, 0.75)
    assert kernel.run("%cost progress three")["status"] == "error"
    assert "such as %cost progress 3/100" in kernel.text
    assert "Traceback" not in kernel.text


def test_what_a_running_cell_will_cost_comes_with_each_message(start: Start, home: Path) -> None:
    """By its last run, until its loop says it better; a GPU-second is a second, so 8 s of it are 8 GPU-s."""
    budget(home, 1000)
    kernel = start()
    kernel.run("import io, time, tqdm")
    code = "for _ in tqdm.tqdm(range(16), file=io.StringIO()): time.sleep(0.5)"
    told = []
    for _ in range(2):
        kernel.start(code, "loop")
        found = [m["running"][0]["forecast"] for m in kernel.listen(ended("loop"), 30) if m["running"]]
        told.append([one for one in found if one is not None])
    first, again = told
    assert {one["source"] for one in first} == {"progress"}
    assert first[-1]["budgets"][0]["amount"]["value"] * 3600 == pytest.approx(8.0, rel=0.15)
    assert "% done; will cost" in first[-1]["text"]
    assert "of quota are left" in first[-1]["text"]
    assert again[0]["source"] == "history"
    assert (again[0]["runs"], again[0]["basis"]) == (1, "same code")
    assert again[0]["text"].startswith("The last run took ")
    assert again[-1]["source"] == "progress"


def ended(cell_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: any(cell["cell_id"] == cell_id for cell in message["closed"])
