"""The wire's golden examples, which the front end's tests read too."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from pathlib import Path

import golden
import pytest
from kernels import Kernel

from jupyter_costmeter import wire
from jupyter_costmeter.record import HIGHEST


@pytest.mark.parametrize("name", golden.EXAMPLES)
def test_the_golden_examples_are_as_the_code_makes_them(name: str) -> None:
    """After a change on purpose: ``python tests/golden.py``, and look at the difference."""
    stored = json.loads((golden.DATA / f"{name}.json").read_text())
    assert json.loads(json.dumps(golden.EXAMPLES[name]())) == stored


def shape(value: object) -> object:
    """Names and kinds, without the numbers."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return type(value).__name__


def test_a_real_kernel_sends_what_the_golden_examples_promise(kernel: Kernel) -> None:
    kernel.start("import time; time.sleep(2.2)", "cell-1")
    found = kernel.listen(lambda m: m["event"] == "closed")
    stored = json.loads((golden.DATA / "message.json").read_text())
    for message in found:
        assert message["parent"] == {}
        assert set(stored) <= set(message)
        assert [set(r) for r in message["running"]] in ([], [set(stored["running"][0])])
    closed = found[-1]["closed"][0]
    assert set(closed) == set(stored["closed"][0])
    assert set(closed["totals"][0]) == set(stored["closed"][0]["totals"][0])
    assert set(closed["figures"][0]) == set(stored["closed"][0]["figures"][0])


def test_only_cells_are_told_of_as_cells() -> None:
    """What was held idle is in the summary's bucket; the panel's list of the dearest is of cells."""
    mixed = [golden.FIRST, golden.IDLING, golden.AFTER]
    message = wire.message("closed", "s1", 1, [], mixed, golden.SUMMARY, golden.HELD, golden.LEDGER)
    reply = wire.reply(golden.SESSION, 1, [], mixed, golden.SUMMARY, (), [], golden.LEDGER)
    scopes = wire.scopes("a", "b", {"notebook": None, "project": None}, {"notebook": mixed}, golden.LEDGER)
    for cells in (message["closed"], reply["cells"], scopes["dearest"]["notebook"]):
        assert [c["id"] for c in cells] == ["r1"]
    assert message["held"][0]["used_bytes"] == 15e9


def test_the_buckets_of_a_summary_add_up_to_its_totals() -> None:
    told = wire.summary(golden.SUMMARY)
    assert [b["bucket"] for b in told["buckets"]] == ["cell", "held_idle", "background"]
    for total in told["totals"]:
        if total["name"] not in HIGHEST:
            parts = [t["value"] or 0.0 for b in told["buckets"] for t in b["totals"] if t["name"] == total["name"]]
            assert sum(parts) == pytest.approx(total["value"])
    assert told["wall_s"] == told["buckets"][0]["wall_s"] == 14.5


HOLDS = """
import time
from jupyter_costmeter.record import Held
began = time.monotonic()
asked = []
def held():
    asked.append(1)
    return (Held("GPU-1", "A100", 14e9, time.monotonic() - began, 0.0),)
get_ipython().costmeter.session.held = held
"""


def test_a_gpu_held_idle_is_told_when_nothing_runs(kernel: Kernel) -> None:
    kernel.run(HOLDS)
    kernel.start("time.sleep(2.2)")
    found = kernel.listen(lambda m: m["event"] == "closed" and m["closed"][0]["wall_s"] > 2)
    assert [m["held"] for m in found if m["running"]] == [[]] * sum(bool(m["running"]) for m in found)
    (told,) = found[-1]["held"]
    assert (told["device"], told["name"], told["used_bytes"], told["busy_share"]) == ("GPU-1", "A100", 14e9, 0.0)
    assert kernel.value("len(asked)") <= 3  # the cells' ends, not each tick
    time.sleep(1)
    answer = kernel.ask(wire.REQUEST, {"notebook": None})
    assert answer["held"][0]["idle_s"] >= told["idle_s"] + 1


def test_messages_are_numbered_and_only_come_while_something_runs(kernel: Kernel) -> None:
    kernel.start("import time; time.sleep(3.2)")
    found = kernel.listen(lambda m: m["event"] == "closed")
    assert [m["seq"] for m in found] == list(range(found[0]["seq"], found[0]["seq"] + len(found)))
    assert [m["event"] for m in found[:-1]] == ["running"] * (len(found) - 1)
    assert 3 <= len(found) <= 6
    (costed,) = kernel.listen(lambda m: True)  # once in a kernel's life: what derives costs was loaded meanwhile
    assert (costed["event"], costed["running"], costed["closed"]) == ("closed", [], [])
    assert (found[-1]["summary"]["costs"], bool(costed["summary"]["costs"])) == (None, True)
    with pytest.raises(queue.Empty):
        kernel.client.get_iopub_msg(timeout=2.5)


def test_a_running_cell_is_told_within_a_second_and_a_half_and_grows(kernel: Kernel) -> None:
    began = time.monotonic()
    kernel.start("n = 0\nend = __import__('time').time() + 3.5\nwhile __import__('time').time() < end: n += 1", "busy")
    found = kernel.listen(lambda m: m["event"] == "closed")
    assert found[0]["running"][0]["cell_id"] == "busy"
    assert found[0]["came_at"] - began < 1.5
    walls = [m["running"][0]["wall_s"] for m in found if m["running"]]
    assert walls == sorted(walls)
    power = found[1]["running"][0]["power"]
    assert power["unit"] == "W"
    assert power["value"] > 0
    assert found[-1]["came_at"] - began < 3.5 + 1.5


def test_a_busy_kernel_answers_who_has_just_come(kernel: Kernel) -> None:
    kernel.run("1", "before")
    kernel.start("import time; time.sleep(3)", "now")
    assert wire.COMM_ID in kernel.ask("comm_info_request", {})["comms"]
    kernel.listen(lambda m: bool(m["running"]))
    answer = kernel.ask(wire.REQUEST, {"notebook": None})
    stored = json.loads((golden.DATA / "reply.json").read_text())
    assert set(answer) == set(stored)
    assert [c["cell_id"] for c in answer["cells"]] == ["before"]
    assert [r["cell_id"] for r in answer["running"]] == ["now"]
    assert answer["running"][0]["wall_s"] > 0
    assert answer["summary"]["cells"] == 1


def test_the_front_end_tells_where_the_notebook_is(kernel: Kernel, records: Callable[..., list[object]]) -> None:
    kernel.ask(wire.REQUEST, {"notebook": "/elsewhere/renamed.ipynb"})
    kernel.run("1")
    assert [r.notebook for r in records(kernel)] == ["/elsewhere/renamed.ipynb"]


FULL = """
from pathlib import Path
from jupyter_costmeter.errors import LedgerUnwritable
writer = get_ipython().costmeter.session.writer
written = writer._try
def full(batch):
    if not Path("go").exists():
        raise LedgerUnwritable("the disk is full")
    return written(batch)
writer._try = full
"""


def test_what_waits_is_written_when_somebody_asks(kernel: Kernel, home: Path) -> None:
    kernel.run(FULL)
    kernel.run("1")
    told = kernel.ask(wire.REQUEST, {"notebook": None, "write": True})["ledger"]
    assert not told["ok"]
    assert told["waiting"] >= 2
    assert told["message"].startswith("the disk is full")
    (home / "go").touch()
    told = kernel.ask(wire.REQUEST, {"notebook": None, "write": True})["ledger"]
    assert (told["ok"], told["message"], told["waiting"]) == (True, None, 0)


def test_a_kernel_without_the_meter_is_not_asked_in_vain(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel(load=False)
    assert wire.COMM_ID not in kernel.ask("comm_info_request", {})["comms"]
