"""What cells are said to be, in a real kernel: spans, single cells, scores; and what kill -9 leaves of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kernels import ALL, Kernel, fails, shows

from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.spans import of_said
from jupyter_costmeter.tag import Tagged, tagged

Records = Callable[[Kernel], list[CellRecord]]


def said(found: list[CellRecord]) -> dict[str | None, Tagged]:
    """By the ids that the front end gave the cells."""
    return {record.cell_id: tagged(record.tags) for record in found if record.parent_id is None}


def test_a_span_lasts_until_the_next(kernel: Kernel, records: Records) -> None:
    kernel.run("1", "before")
    assert shows(kernel, "%cost tag hpo method=ours") == (
        "From this cell on: hpo, method ours. `%cost tag --off` ends it.\n"
    )
    kernel.run("1", "in it")
    kernel.run("%cost tag train in_paper=yes", "next")
    kernel.run("1", "in the next")
    assert shows(kernel, "%cost tag in_paper=").startswith("From this cell on: train. ")
    kernel.run("1", "less")
    assert shows(kernel, "%cost tag --off") == "Cells are not tagged from here on.\n"
    kernel.run("1", "after")
    found = said(records(kernel))
    train, alone = Tagged("train", in_paper=True), Tagged(meter=True)
    assert found == {
        "before": Tagged(), "in it": Tagged("hpo", "ours"), "next": replace(train, meter=True), "in the next": train,
        "less": Tagged("train"), "after": Tagged(), None: alone,  # %cost tag --off is no more tagged itself
    }  # fmt: skip
    assert not any(tag.value is None or tag.given == "later" for record in records(kernel) for tag in record.tags)


def test_a_cells_first_line_is_about_that_cell(kernel: Kernel, records: Records) -> None:
    kernel.run("%cost tag train method=base", "span")
    assert (
        kernel.run(
            '%%cost warm up tag=hpo method="our method" lr=3e-4\nimport asyncio\nawait asyncio.sleep(0)\n6 * 7', "a"
        )["status"]
        == "ok"
    )
    assert kernel.text == "42"
    kernel.run("%%cost method=\nx = 1\n%cost score accuracy=0.5 loss=1\n%cost score accuracy=0.912", "b")
    kernel.run("%%cost in_paper=no", "c")
    kernel.run("%%cost tag team\n1", "d")
    by = {record.cell_id: record for record in records(kernel)}
    assert by["a"].label == "warm up"
    assert by["d"].label == "tag team"
    assert said(records(kernel)) == {
        "span": Tagged("train", "base", meter=True),
        "a": Tagged("hpo", "our method", params={"lr": 3e-4}),
        "b": Tagged("train", scores={"accuracy": 0.912, "loss": 1.0}),
        "c": Tagged("train", "base", in_paper=False, meter=True),
        "d": Tagged("train", "base"),
    }


def test_wrong_words_stop_the_cell_as_wrong_magics_do(kernel: Kernel, records: Records) -> None:
    for line, named in [
        ("%cost tag hpoo", "there is no category 'hpoo'; did you mean 'hpo'?"),
        ("%cost tag methd=ours", "did you mean 'method'?"),
        ("%%cost tag=hpoo\nran = True", "did you mean 'hpo'?"),
        ("%cost tag 'hpo", "No closing quotation"),
        ("%cost score accuracy", "a score is NAME=VALUE"),
        ("%cost score accuracy=high", "score accuracy: 'high' is no number"),
    ]:
        assert named in fails(kernel, line)
    assert not kernel.value("'ran' in globals()")
    assert all(one in (Tagged(), Tagged(meter=True)) for one in map(tagged, (r.tags for r in records(kernel))))


def test_a_cell_of_cost_alone_is_scored_only_as_part_of_a_named_run(kernel: Kernel, records: Records) -> None:
    """Else it would be a trial of nothing: the cell that was meant is before it."""
    kernel.run("x = 1", "trained")
    assert "%cost score accuracy=0.9 --cells -1" in fails(kernel, "# how good?\n%cost score accuracy=0.9")
    kernel.run("%cost tag train run=1", "span")
    kernel.run("%cost score accuracy=0.9", "scored")
    found = said(records(kernel))
    assert found["scored"] == Tagged("train", run="1", scores={"accuracy": 0.9}, meter=True)
    assert found["trained"] == Tagged()


def test_a_variable_can_be_said(kernel: Kernel, records: Records) -> None:
    kernel.run("name = 'our method'\n%cost tag hpo method='{name}'", "a")
    assert said(records(kernel))["a"] == Tagged("hpo", "our method")


def test_a_cell_that_is_killed_keeps_what_was_said(kernel: Kernel, ledger: Ledger, start_kernel: Any) -> None:
    kernel.run("%cost tag train method=ours")
    kernel.start("%%cost tag=hpo lr=3e-4\n%cost score accuracy=0.5\nimport time; time.sleep(60)", "a")
    end = time.monotonic() + 20
    while not any(record.cell_id == "a" and record.tags for _, record in ledger.open_windows()):
        assert time.monotonic() < end
        time.sleep(0.2)
    os.kill(kernel.pid, signal.SIGKILL)
    time.sleep(0.5)
    assert ledger.close_orphans() == 1
    (killed,) = [record for record in ledger.records(ALL) if record.outcome == "killed"]
    assert tagged(killed.tags) == Tagged("hpo", "ours", params={"lr": 3e-4}, scores={"accuracy": 0.5})
    assert ledger.check() == []


def test_tagging_loads_no_reports(kernel: Kernel) -> None:
    kernel.run("%cost tag hpo method=ours\nx = 1\n%cost score accuracy=1\n%cost tag --off")
    kernel.run("%%cost tag=hpo\n1")
    heavy = ("sqlalchemy", "jupyter_costmeter.commands", "jupyter_costmeter.context", "tabulate", "bokeh")
    assert kernel.value(f"[m for m in {heavy[1:]} if m in __import__('sys').modules]") == []


def test_a_cell_outside_of_any_span_has_no_tags(kernel: Kernel, records: Records) -> None:
    kernel.run("1", "a")
    assert records(kernel)[0].tags == ()
    assert of_said({}) == Tagged()


def test_a_thread_of_the_users_scores_the_cell_that_runs(kernel: Kernel, records: Records) -> None:
    kernel.run(
        "import threading, jupyter_costmeter as jc\n"
        "t = threading.Thread(target=jc.score, args=('accuracy', 0.5)); t.start(); t.join()",
        "a",
    )
    assert said(records(kernel))["a"] == Tagged(scores={"accuracy": 0.5})
