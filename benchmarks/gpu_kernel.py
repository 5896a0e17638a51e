"""A real kernel for ``gpu.py``, and what its ledger says of its cells."""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.manager import KernelManager

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

HERE = Path(__file__).resolve().parent
LOAD, SESSION = "%load_ext jupyter_costmeter", "get_ipython().costmeter.session"
Facts = dict[str, Any]


class Row(NamedTuple):
    """One figure, by the meter and independently; ``None`` where there is none."""

    what: str
    meter: float | None
    independent: float | None
    unit: str
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.meter / self.independent if self.meter is not None and self.independent else None


class Kernel:
    """A real ipykernel, whose cells are asked what they know."""

    def __init__(self, home: Path, settings: str = "") -> None:
        self.ledger, config = home / "ledger.sqlite", home / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "jupyter_costmeter_config.py").write_text(f"c = get_config()\n{settings}")
        self.env = environment(home)
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=self.env, cwd=str(home), stderr=(home / "kernel.err").open("a"))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.log: list[tuple[str, str]] = []  # each cell and what it printed

    def run(self, code: str, timeout_s: float = 120) -> Facts:
        """Run a cell; what it said of itself, and the seconds between the kernel's busy and idle."""
        text, dates = [""], dict[str, Any]()

        def note(message: dict[str, Any]) -> None:
            content, kind = message["content"], message["msg_type"]
            if kind == "status":
                dates[content["execution_state"]] = message["header"]["date"]
            text[0] += content.get("text") or content.get("data", {}).get("text/plain", "")
            text[0] += "\n".join(content.get("traceback", ()))

        reply = self.client.execute_interactive(code, timeout=timeout_s, output_hook=note)
        self.log.append((code, text[0]))
        found = [json.loads(line[2:]) for line in text[0].splitlines() if line.startswith("@@")]
        facts = {key: value for one in found for key, value in one.items()}
        wall_s = (dates["idle"] - dates["busy"]).total_seconds() if len(dates) > 1 else None
        return {**facts, "text": text[0], "status": reply["content"]["status"], "cell_s": wall_s}

    def value(self, expression: str) -> Any:
        """Asked silently: no cell."""
        asked = {"it": expression}
        for _ in range(20):
            reply = self.client.execute_interactive("", silent=True, user_expressions=asked, timeout=60)
            if reply["content"]["status"] != "aborted":
                break
            time.sleep(0.1)
        answer = reply["content"]["user_expressions"]["it"]
        assert answer["status"] == "ok", answer
        return eval(answer["data"]["text/plain"])

    def records(self) -> list[CellRecord]:
        """All that is in the ledger by now, the outermost records in the order of time."""
        self.value(f"{SESSION}.flush()")
        ledger = Ledger(self.ledger)
        try:
            return [r for r in ledger.records(Selection("all")) if r.parent_id is None]
        finally:
            ledger.close()

    def last(self) -> CellRecord:
        return [r for r in self.records() if r.bucket == "cell"][-1]

    def work(self, call: str, timeout_s: float = 120) -> tuple[Facts, CellRecord]:
        """A cell of ``gpu_work``, and its record."""
        facts = self.run(f"gpu_work.{call}", timeout_s)
        assert facts["status"] == "ok", facts["text"]
        return facts, self.last()

    def loaded(self) -> Facts:
        """The meter, and then CUDA."""
        found = self.run(LOAD)
        self.run(f"import sys; sys.path.insert(0, {str(HERE)!r}); import gpu_pipes, gpu_work", 240)
        return {**found, **self.run("gpu_work.begin()")}

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def environment(home: Path) -> dict[str, str]:
    """A ledger and settings of its own."""
    own = {"JUPYTER_CONFIG_DIR": home / "config", "JUPYTER_DATA_DIR": home / "data", "IPYTHONDIR": home / "ipython"}
    more = {"JUPYTER_COSTMETER_LEDGER": home / "ledger.sqlite", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {**os.environ, **{name: str(value) for name, value in (own | more).items()}}


def figure(record: CellRecord, name: str) -> float | None:
    """Over all devices; ``None`` where nothing of it is known."""
    known = [f.value for f in record.usage.figures if f.name == name and f.value is not None]
    return sum(known) if known else None


def told(record: CellRecord, name: str) -> str:
    """How it is known, or why not."""
    found = record.usage.figure(name)
    return "no figure" if found is None else f"{found.source or ''} {found.reason or ''}".strip()


def facts_of(record: CellRecord) -> Facts:
    rows = [(f.name, f.value, f.method, f.uncertainty, f.source, f.reason) for f in record.usage.figures]
    return {"outcome": record.outcome, "bucket": record.bucket, "wall_s": record.wall_s, "figures": rows}


def median_ms(kernel: Kernel, count: int = 60) -> float:
    """Of a no-op cell, from the kernel's busy to its idle."""
    found = []
    for _ in range(count):
        found.append(kernel.run("pass")["cell_s"] * 1e3)
        time.sleep(0.01)
    return statistics.median(found[10:])
