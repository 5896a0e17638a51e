"""Real kernels whose budgets stop: the running cell is interrupted once, as by its user, and nothing is lost."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from budgeted import BUSY, Start, budget, kinds, spent_s
from kernels import Kernel, cells

from jupyter_costmeter import wire
from jupyter_costmeter.ledger.store import Ledger

#: Seconds of a tick, and what a busy machine may add.
TICK_S, SLACK_S = 1.0, 1.0

SWALLOWS = (
    f"try:\n{indent(BUSY.format(30), '    ')}\nexcept KeyboardInterrupt: print('no')\n{BUSY.format(2.5)}\nprint('on')"
)
LOOPS = {
    "python": BUSY.format(60),
    "numpy": "import numpy as np\na = np.ones((300, 300))\nfor _ in range(10**9): a @ a",
    "sleep": "import time; time.sleep(60)",
    "await": "import asyncio; await asyncio.sleep(60)",
    "torch": "import torch\nm = torch.ones(300, 300)\nfor _ in range(10**9): m @ m",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_running_cell_is_interrupted_at_the_limit(start: Start, home: Path, written: Ledger, loop: str) -> None:
    if loop in ("numpy", "torch"):
        pytest.importorskip(loop)
    budget(home, 4.0, "stop", warn=[1.0])
    kernel = start()
    began = time.monotonic()
    reply = kernel.run(f"print('begun', flush=True)\n{LOOPS[loop]}", "long")
    assert reply["status"] == "error"
    assert reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert time.monotonic() - began < 30
    assert kernel.text.startswith("begun\n")
    before, told, after = kernel.text.partition("This cell was interrupted: the budget quota is spent")
    assert told
    assert reply["ename"] in before.rpartition("begun")[2]  # below the traceback
    assert after.count("\n") == 1
    kernel.flush()
    (record,) = [r for r in cells(written) if r.cell_id == "long"]
    assert record.outcome == "interrupted"
    assert [kind for kind in kinds(written) if kind != "warned"] == ["stopped"]
    if loop in ("python", "sleep"):
        assert 4.0 <= spent_s(written) <= 4.0 + TICK_S + SLACK_S
    assert kernel.run("print('next')", "next")["ename"] == "BudgetHold"


def test_a_cell_that_swallows_its_interrupt_goes_on_once_and_for_all(start: Start, home: Path, written: Ledger) -> None:
    budget(home, 2.0, "stop")
    kernel = start()
    kernel.ask(wire.REQUEST, {"notebook": None})
    assert kernel.run(SWALLOWS, "stubborn")["status"] == "ok"
    assert "no\non\n" in kernel.text
    assert "was interrupted once, and went on to its end" in kernel.text
    assert "is spent" not in kernel.text  # it was not ended by it
    kernel.flush()
    assert [kind for kind in kinds(written) if kind == "stopped"] == ["stopped"]
    assert [r.outcome for r in cells(written) if r.cell_id == "stubborn"] == ["ok"]


def test_a_cell_that_takes_its_time_to_end_did_not_go_on(start: Start, home: Path, written: Ledger) -> None:
    budget(home, 2.0, "stop")
    kernel = start()
    code = "import time\ntry: time.sleep(60)\nfinally: time.sleep(2.5)"
    assert kernel.run(code, "slow")["ename"] == "KeyboardInterrupt"
    assert "This cell was interrupted: the budget quota is spent" in kernel.text
    assert "went on" not in kernel.text
    kernel.flush()
    assert [kind for kind in kinds(written) if kind == "stopped"] == ["stopped"]


def test_a_cell_that_ends_as_it_is_stopped_ends_well(start: Start, home: Path, written: Ledger) -> None:
    """While its figures are written: nobody is told that it was interrupted."""
    budget(home, 2.0, "stop")
    kernel = start()
    kernel.run("import time\nwriter = get_ipython().costmeter.session.writer\nflush = writer.flush")
    kernel.run("writer.flush = lambda s: (time.sleep(2.5), flush(s))[1]")
    assert kernel.run("time.sleep(3.2)", "ends")["status"] == "ok"
    assert "interrupted" not in kernel.text
    assert kernel.value("get_ipython().costmeter.hold.said") is None
    kernel.flush()
    assert "stopped" not in kinds(written)


def test_a_users_own_handler_stays_theirs(start: Start, home: Path) -> None:
    budget(home, 2.0, "stop")
    kernel = start()
    code = "import signal, time\ngot = []\nold = signal.signal(signal.SIGINT, lambda *a: got.append(1))\n"
    code += "for _ in range(60):\n    time.sleep(0.1)\n    if got: break\nsignal.signal(signal.SIGINT, old)"
    assert kernel.run(code)["status"] == "ok"
    assert kernel.value("got") == [1]


def test_a_cell_in_a_subshell_is_held_at_its_start_and_cannot_be_stopped(
    start: Start, home: Path, written: Ledger
) -> None:
    budget(home, 4.0, "stop")
    kernel = start()
    subshell = kernel.ask("create_subshell_request", {}).get("subshell_id")
    if subshell is None:
        pytest.skip("this ipykernel has no subshells")
    assert in_subshell(kernel, subshell, f"{BUSY.format(6.0)}\nran = True", "beside")["status"] == "ok"
    assert kernel.value("ran")
    assert in_subshell(kernel, subshell, "late = True", "late")["ename"] == "BudgetHold"
    kernel.flush()
    assert [(e.kind, e.cell_id) for e in written.events(0.0) if e.kind == "stopped"] == [("stopped", "beside")]


def in_subshell(kernel: Kernel, subshell: str, code: str, cell_id: str) -> dict[str, Any]:
    kernel.client.session.metadata = {"cellId": cell_id}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True,
               "stop_on_error": True}  # fmt: skip
    message = kernel.client.session.msg("execute_request", content)
    message["header"]["subshell_id"] = subshell
    kernel.client.shell_channel.send(message)
    reply: dict[str, Any] = kernel.client.get_shell_msg(timeout=30)["content"]
    return reply


def test_two_kernels_on_one_budget_see_each_other_and_both_stop(start: Start, home: Path, written: Ledger) -> None:
    budget(home, 8.0, "stop")
    first, second = start(), start()
    for kernel in (first, second):
        kernel.ask(wire.REQUEST, {"notebook": None})
        kernel.start("import time; time.sleep(60)", "long")
    stops = [k.listen(lambda m: any(n["kind"] == "stopped" for n in m["notices"])) for k in (first, second)]
    for kernel in (first, second):
        assert kernel.client.get_shell_msg(timeout=30)["content"]["status"] == "error"
        kernel.flush()
    assert abs(stops[0][-1]["came_at"] - stops[1][-1]["came_at"]) < 2.0
    assert 8.0 <= spent_s(written) <= 8.0 + 2 * TICK_S + 2 * SLACK_S
