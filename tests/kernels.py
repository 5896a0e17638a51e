"""A real ipykernel, driven as a front end drives it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

ALL = Selection("all")
LOAD = "%load_ext jupyter_costmeter"


def cells(ledger: Ledger) -> list[CellRecord]:
    """Its cells and blocks in the order of their start, without what lay between them."""
    return [record for record in ledger.records(ALL) if record.bucket == "cell"]


class Kernel:
    """A real ipykernel, driven as a front end drives it."""

    def __init__(self, env: dict[str, str], cwd: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=env, cwd=str(cwd))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.text = ""  # what the last cell printed, errors too
        self.messages: list[dict[str, Any]] = []  # our live messages so far

    def run(self, code: str, cell_id: str | None = None, **more: Any) -> dict[str, Any]:
        """Run a cell and answer the reply's content."""
        self.text = ""
        self.client.session.metadata = {"cellId": cell_id} if cell_id else {}
        reply = self.client.execute_interactive(code, timeout=60, output_hook=self._note, **more)
        content: dict[str, Any] = reply["content"]
        return content

    def start(self, code: str, cell_id: str | None = None) -> str:
        """Begin a cell and do not wait for it."""
        self.client.session.metadata = {"cellId": cell_id} if cell_id else {}
        message: str = self.client.execute(code)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            self.text += content["text"]
        elif message["msg_type"] in ("display_data", "execute_result"):
            self.text += content["data"].get("text/plain", "")
        elif message["msg_type"] == "error":
            self.text += "\n".join(content["traceback"])

    def value(self, expression: str) -> Any:
        """The value of an expression, asked silently: no cell. Again if the kernel drops it, as after an error."""
        for _ in range(20):
            reply = self.client.execute_interactive(
                "", silent=True, store_history=False, user_expressions={"it": expression}, timeout=60
            )
            if reply["content"]["status"] != "aborted":
                break
            time.sleep(0.1)
        answer = reply["content"]["user_expressions"]["it"]
        assert answer["status"] == "ok", answer
        return eval(answer["data"]["text/plain"])

    def ask(self, msg_type: str, content: dict[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
        """A request on the control channel, and its reply's content."""
        message = self.client.session.msg(msg_type, content)
        self.client.control_channel.send(message)
        reply: dict[str, Any] = self.client.control_channel.get_msg(timeout=timeout_s)
        answered: dict[str, Any] = reply["content"]
        return answered

    def listen(self, until: Callable[[dict[str, Any]], bool], timeout_s: float = 15.0) -> list[dict[str, Any]]:
        """Our live messages, up to the one that answers ``until``; with the time that each came."""
        found = []
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            message = self.client.get_iopub_msg(timeout=end - time.monotonic())
            if message["msg_type"] == "comm_msg":
                found.append(
                    {**message["content"]["data"], "came_at": time.monotonic(), "parent": message["parent_header"]}
                )
                if until(found[-1]):
                    return found
        raise AssertionError(f"no such message in {found}")

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def flush(self) -> None:
        """All that has ended is in the ledger."""
        assert self.value("get_ipython().costmeter.session.flush()")

    def stop(self, now: bool = False) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=now)


def shows(kernel: Kernel, line: str) -> str:
    """What a line of ours prints, without colours; it must not fail."""
    assert kernel.run(line)["status"] == "ok", kernel.text
    return re.sub(r"\x1b\[[\d;]*m", "", kernel.text)


def fails(kernel: Kernel, line: str) -> str:
    assert kernel.run(line)["status"] == "error"
    text = re.sub(r"\x1b\[[\d;]*m", "", kernel.text)
    assert "Traceback" not in text
    return text
