"""``%cost panel``: the same figures as ``%cost summary``, that change by themselves while cells run, and only then."""

from __future__ import annotations

import html
import queue
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from budgeted import BUSY, Start, budget
from kernels import LOAD, Kernel
from shell import here, said

from jupyter_costmeter.words import NO_PANEL

VIEW = "application/vnd.jupyter.widget-view+json"
PANEL = "get_ipython().costmeter.magics._widget"
SESSION = "get_ipython().costmeter.session"


class Shown:
    """What a front end has of the panel: its models' states by their ids, from the kernel's messages."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.outputs: list[dict[str, Any]] = []
        self.updates: list[tuple[float, str]] = []
        self.errors: list[str] = []
        self.closed: set[str] = set()

    def hear(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        data = content.get("data", {})
        if kind == "comm_open":
            self.models[content["comm_id"]] = dict(data["state"])
        elif kind == "comm_msg" and content["comm_id"] in self.models and data.get("method") == "update":
            self.models[content["comm_id"]].update(data["state"])
            self.updates.append((time.monotonic(), content["comm_id"]))
        elif kind == "comm_close":
            self.closed.add(content["comm_id"])
        elif kind == "display_data":
            self.outputs.append(data)
        elif kind in ("error", "stream"):
            self.errors.append(content.get("text") or "\n".join(content["traceback"]))

    @property
    def widgets(self) -> list[str]:
        """The model that each output shows."""
        return [data[VIEW]["model_id"] for data in self.outputs if VIEW in data]

    def html(self, heading: str) -> str:
        """The piece below a heading."""
        values = [str(state.get("value", "")) for state in self.models.values()]
        return next(value for value in values if f"<h4>{heading}" in value)


def run(kernel: Kernel, code: str, shown: Shown) -> None:
    """Run a cell, and listen until all is said."""
    kernel.client.execute(code)
    ended(kernel)
    quiet(kernel, shown)


def ended(kernel: Kernel) -> None:
    reply = kernel.client.get_shell_msg(timeout=30)
    assert reply["content"]["status"] == "ok", reply["content"]


def listen(kernel: Kernel, shown: Shown, seconds: float) -> None:
    """For so long."""
    end = time.monotonic() + seconds
    with suppress(queue.Empty):
        while (left := end - time.monotonic()) > 0:
            shown.hear(kernel.client.get_iopub_msg(timeout=left))


def quiet(kernel: Kernel, shown: Shown, seconds: float = 2.5) -> None:
    """Until nothing is said for so long."""
    with suppress(queue.Empty):
        while True:
            shown.hear(kernel.client.get_iopub_msg(timeout=seconds))


def figures(table: str) -> dict[str, list[str]]:
    """The totals by their names: a text for each scope."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", table)
    return {html.unescape(name): [html.unescape(one) for one in re.findall(r">([^<>]*)</span>", cells)]
            for name, cells in rows}  # fmt: skip


SUMMARY = """
def printed(words):
    from jupyter_costmeter import commands, context
    panel, session = get_ipython().costmeter.magics._widget, get_ipython().costmeter.session
    text = commands.run(["summary", *words], context.of_session(session)).text()
    panel.rest()  # what is used between cells is no message's business, but is in the summary
    return text, panel._pieces["totals"].value
"""


def both(kernel: Kernel, words: list[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What ``%cost summary`` prints, and what the panel shows, at one moment."""
    text, table = kernel.value(f"printed({words!r})")
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.split("\n")]
    return {row[0]: row[1] for row in rows if len(row) > 2}, figures(table)


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_its_figures_are_those_of_the_summary(kernel: Kernel, shown: Shown) -> None:
    run(kernel, "sum(range(3 * 10**6))", shown)
    run(kernel, "%cost panel", shown)
    kernel.run(SUMMARY)
    for column, words in enumerate(([], ["--notebook"], ["--project"])):
        printed, found = both(kernel, words)
        assert found["energy"][column] == printed["energy"]
        assert found["emissions"][column] == printed["emissions"]
        assert found["cells"][column] == "3"
    assert not shown.errors


def test_it_changes_while_a_cell_runs_and_is_silent_at_rest(kernel: Kernel, shown: Shown) -> None:
    run(kernel, "%cost panel", shown)
    shown.updates.clear()
    listen(kernel, shown, 4)
    assert shown.updates == []  # nothing runs
    kernel.client.execute("import time; time.sleep(4)")
    listen(kernel, shown, 3.2)
    piece = shown.html("Running")
    assert "In [2]" in piece
    assert re.search(r'data-name="elapsed">[123] s<', piece)
    assert re.search(r'data-name="energy_j" title="energy so far: ~.*J.*&#10;(modelled|assumed), .*">~', piece)
    assert 2 <= len(shown.updates) <= 5
    ended(kernel)
    quiet(kernel, shown)
    assert "Nothing runs." in shown.html("Running")
    assert figures(shown.html("Totals"))["cells"] == ["2", "2", "2"]
    shown.updates.clear()
    listen(kernel, shown, 3)
    assert shown.updates == []


def test_several_outputs_show_one_model(kernel: Kernel, shown: Shown) -> None:
    for _ in range(3):
        run(kernel, "%cost panel", shown)
    assert len(shown.widgets) == 3
    assert len(set(shown.widgets)) == 1
    assert kernel.value(f"[one.__name__ for one in {SESSION}.listeners].count('hear')") == 1
    assert kernel.value(f"[one.__name__ for one in {SESSION}.at_rest].count('rest')") == 2  # the sidebar's, and ours


def test_closing_it_leaves_nothing(kernel: Kernel, shown: Shown) -> None:
    kernel.run("import ipywidgets.widgets.widget as w, gc, weakref")
    before = kernel.value("len(w._instances)")
    run(kernel, "%cost panel", shown)
    assert kernel.value("len(w._instances)") > before
    kernel.run(f"gone = weakref.ref({PANEL}); {PANEL}.box.close()")
    assert kernel.value("len(w._instances)") == before
    assert kernel.value(f"len({SESSION}.listeners)") == 1
    assert kernel.value(f"[one.__name__ for one in {SESSION}.at_rest].count('rest')") == 1  # the sidebar's
    shown.updates.clear()
    run(kernel, "import time; time.sleep(2)", shown)
    assert shown.updates == []
    run(kernel, "%cost panel", shown)  # anew
    assert len(set(shown.widgets)) == 2
    assert kernel.value("gc.collect() and gone() is None") is True
    assert kernel.value("gc.collect() or len(w._instances)") > before
    assert not shown.errors


def test_it_is_silent_while_no_output_shows_it(kernel: Kernel, shown: Shown) -> None:
    """A front end counts the views: a cell that is run again, or deleted, takes its own away."""
    run(kernel, "%cost panel", shown)
    views(kernel, shown, 1)
    assert kernel.value(f"len({SESSION}.listeners)") == 2
    views(kernel, shown, 0)
    assert kernel.value(f"len({SESSION}.listeners)") == 1
    run(kernel, "pass", shown)
    assert figures(shown.html("Totals"))["cells"][0] == "1"  # as it was
    views(kernel, shown, 1)
    listen(kernel, shown, 2)
    assert figures(shown.html("Totals"))["cells"][0] == "2"
    assert kernel.value(f"len({SESSION}.listeners)") == 2


def views(kernel: Kernel, shown: Shown, count: int) -> None:
    data = {"method": "update", "state": {"_view_count": count}, "buffer_paths": []}
    message = kernel.client.session.msg("comm_msg", {"comm_id": shown.widgets[-1], "data": data})
    kernel.client.shell_channel.send(message)
    time.sleep(0.3)


def test_an_error_in_it_is_ours_alone_and_logged_once(kernel: Kernel, shown: Shown) -> None:
    run(kernel, "%cost panel", shown)
    kernel.run("from jupyter_costmeter import panel_pages\npanel_pages.running = lambda *a: 1/0")
    run(kernel, "import time; time.sleep(2.5); print('mine')", shown)
    assert shown.errors == ["mine\n"]
    failed = kernel.value("__import__('jupyter_costmeter.guard', fromlist=['x']).failures()")
    assert [one for one in failed if "the panel" in one] == ["the panel failed: ZeroDivisionError: division by zero"]
    kernel.run(f"{PANEL}.box.close()")
    assert kernel.run("%cost panel\nafter = 'it goes on'")["status"] == "ok"
    assert "This session" in kernel.text
    assert "%cost doctor" in kernel.text
    assert kernel.value("after") == "it goes on"


def test_without_ipywidgets_there_is_the_summary(kernel: Kernel) -> None:
    kernel.run("import sys; sys.modules['ipywidgets'] = None")
    assert kernel.run("%cost panel\nafter = 'it goes on'")["status"] == "ok"
    assert "This session" in kernel.text
    assert "pip install ipywidgets" in kernel.text
    assert kernel.value("after") == "it goes on"


def test_a_front_end_without_widgets_shows_the_summary(kernel: Kernel, shown: Shown) -> None:
    run(kernel, "sum(range(10**6))", shown)
    run(kernel, "%cost panel", shown)
    widget, saved = shown.outputs
    assert "widget" in widget["text/plain"]
    assert VIEW not in saved
    assert re.match(r"As of \d{4}-\d\d-\d\d \d\d:\d\d:\nThis session: 1 cell", saved["text/plain"])
    assert "energy" in saved["text/plain"]
    hidden = re.search(r'<div class="(costmeter-\w+)">', saved["text/html"])
    assert hidden is not None
    styles = [state["value"] for state in shown.models.values() if "<style>" in str(state.get("value"))]
    assert [f".{hidden[1]} {{ display: none }}" in one for one in styles] == [True]


def test_it_writes_a_file_next_to_the_notebook_and_says_where(kernel: Kernel, shown: Shown, home: Path) -> None:
    run(kernel, "%cost panel", shown)
    run(kernel, f"{PANEL}._export(None)", shown)
    path = home / "costmeter-notebook-train.json"
    assert path.is_file()
    said = [state["value"] for state in shown.models.values() if 'role="status"' in str(state.get("value"))]
    assert len(said) == 1
    assert str(path) in said[0]
    before = path.read_bytes()
    run(kernel, f"{PANEL}._scope.value = 'session'; {PANEL}._format.value = 'csv'; {PANEL}._export(None)", shown)
    run(kernel, f"{PANEL}._scope.value = 'notebook'; {PANEL}._format.value = 'json'; {PANEL}._export(None)", shown)
    assert {one.name for one in home.glob("costmeter-*")} >= {"costmeter-notebook-train-2.json"}
    assert len(list(home.glob("costmeter-session-*.csv"))) == 1
    assert path.read_bytes() == before
    assert not shown.errors


def test_budgets_and_what_a_cell_will_cost(start: Start, home: Path, shown: Shown) -> None:
    budget(home, 4, name="<b>quota</b>")
    kernel = start()
    run(kernel, "%cost panel", shown)
    run(kernel, BUSY.format(3), shown)
    kernel.client.execute(BUSY.format(3))
    listen(kernel, shown, 2.5)
    assert "The last run took" in shown.html("Running")
    piece = shown.html("Budgets")
    assert "&lt;b&gt;quota&lt;/b&gt;" in piece
    assert "<b>quota" not in piece
    assert 'data-state="over"' in piece
    assert "■ spent" in piece
    assert "aria-valuenow" in piece
    assert figures(shown.html("Totals"))["GPU time, reserved"][0] != ""


IN_A_SHELL = """
from IPython.core.interactiveshell import InteractiveShell
ip = InteractiveShell.instance()
ip.run_cell("%load_ext jupyter_costmeter")
ip.run_cell("%cost panel")
"""


def test_without_a_notebook_it_says_where_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert NO_PANEL in said(here(capsys, "panel"), 2)
    ran = subprocess.run([sys.executable, "-c", IN_A_SHELL], capture_output=True, text=True, cwd=home, timeout=60)
    assert f"UsageError: {NO_PANEL}" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_unloading_stops_it(kernel: Kernel, shown: Shown) -> None:
    run(kernel, "%cost panel", shown)
    kernel.run(f"session = {SESSION}\n%unload_ext jupyter_costmeter")
    resting = "[one.__name__ for one in session.at_rest].count('rest')"
    assert kernel.value(f"len(session.listeners), {resting}") == (0, 0)
    views(kernel, shown, 1)
    assert kernel.value("len(session.listeners)") == 0
    kernel.run(LOAD)
    run(kernel, "%cost panel", shown)
    assert len(set(shown.widgets)) == 2
