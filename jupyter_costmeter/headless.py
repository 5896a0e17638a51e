"""Execute a notebook without a browser, metered: the same records as in JupyterLab."""

from __future__ import annotations

import asyncio
import os
from ast import literal_eval
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm.auto import tqdm

from .errors import CostMeterError, UsageError

#: Seconds for a kernel's answer to our own questions.
ANSWER_S = 30.0


@dataclass(frozen=True)
class Done:
    """How it went: the session's id in the ledger, and what stopped the notebook, if anything did."""

    session_id: str | None
    problem: str | None


def run_notebook(
    path: Path, output: Path, kernel: str | None, timeout_s: float | None, allow_errors: bool, ledger: str | None
) -> Done:
    """Execute the notebook in its folder, write it with its outputs, even those before a failure.

    Raises:
        UsageError: the file is no notebook.
        CostMeterError: its kernel cannot be started, or the output cannot be written.
    """
    notebook = _read(path)
    options: dict[str, Any] = {"kernel_name": kernel} if kernel else {}
    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        **options,
    )
    try:
        done = asyncio.run(_Run(client, path, ledger).execute())
    finally:
        _write(notebook, output)
    return done


def _read(path: Path) -> NotebookNode:
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises many kinds
        raise UsageError(f"{path} is no notebook: {error}") from error
    return notebook


def _write(notebook: NotebookNode, output: Path) -> None:
    part = output.with_name(f".{output.name}.part")
    try:
        nbformat.write(notebook, part)  # type: ignore[no-untyped-call]
        os.replace(part, output)
    except OSError as error:
        raise CostMeterError(f"cannot write {output}: {error.strerror or error}") from error


class _Run:
    """One execution. Cells are told to the kernel with their ids, as JupyterLab does."""

    def __init__(self, client: NotebookClient, path: Path, ledger: str | None) -> None:
        self.client, self.path, self.ledger = client, path, ledger
        cells = sum(cell.cell_type == "code" for cell in client.nb.cells)
        self.bar = tqdm(total=cells, desc=path.name, unit="cell")
        client.on_cell_execute = self._tell_id
        client.on_cell_executed = lambda **_: self.bar.update()

    async def execute(self) -> Done:
        environment = {**os.environ, "JPY_SESSION_NAME": str(self.path.resolve())}
        try:
            async with self.client.async_setup_kernel(env=environment):
                session_id = await self._load()
                problem = await self._cells()
                if not isinstance(problem, DeadKernelError):
                    await self._ask("get_ipython().costmeter.session.flush()")  # before the kernel is told to go
        except NoSuchKernel as error:
            raise CostMeterError(f"there is no kernel {error.name!r}; `jupyter kernelspec list` shows them") from error
        finally:
            self.bar.close()
        return Done(session_id, _said(problem) if problem else None)

    async def _cells(self) -> Exception | None:
        """Run them; what stopped the notebook before its end."""
        try:
            for index, cell in enumerate(self.client.nb.cells):
                await self.client.async_execute_cell(cell, index)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return error
        return None

    def _tell_id(self, cell: NotebookNode, **_: Any) -> None:
        assert self.client.kc is not None
        self.client.kc.session.metadata = {"cellId": cell.get("id")}

    async def _load(self) -> str:
        path = os.path.abspath(self.ledger) if self.ledger else ""
        setting = f"get_ipython().config.CostMeter.ledger_path = {path!r}\n" if path else ""
        found = await self._ask("get_ipython().costmeter.session.info.id", f"{setting}%load_ext jupyter_costmeter")
        if found is None:
            name = self.client.kernel_name
            raise CostMeterError(
                f"the kernel {name!r} cannot load jupyter_costmeter; install it into that kernel's Python"
            )
        return str(literal_eval(found))

    async def _ask(self, expression: str, code: str = "") -> str | None:
        """Silently run some code and answer an expression's ``repr``; ``None`` where it fails."""
        client = self.client
        assert client.kc is not None
        asked = client.kc.execute(code, silent=True, store_history=False, user_expressions={"it": expression})
        reply = await asyncio.wait_for(client.async_wait_for_reply(asked), ANSWER_S)
        answer = ((reply or {}).get("content") or {}).get("user_expressions", {}).get("it", {})
        return answer.get("data", {}).get("text/plain") if answer.get("status") == "ok" else None


def _said(error: Exception) -> str:
    if isinstance(error, CellExecutionError):
        return f"a cell failed with {error.ename}: {error.evalue}"
    if isinstance(error, CellTimeoutError):
        return "a cell took longer than --timeout and was interrupted"
    return "the kernel died; the cell that ran is in the ledger as killed"
