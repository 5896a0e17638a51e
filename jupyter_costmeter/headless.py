"""Execute a notebook without a browser, metered: the same records as in JupyterLab."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import time
from ast import literal_eval
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async
from nbformat import NotebookNode
from tqdm.auto import tqdm

from . import allocations, config, guard, place
from .errors import CostMeterError, LedgerError, UsageError
from .ledger import Selection, open_ledger
from .record import HOLD
from .replacing import replacing

#: Seconds for a kernel's answer to our own questions.
ANSWER_S = 30.0


@dataclass(frozen=True)
class Done:
    """How it went: the session's id in the ledger, what stopped the notebook, if anything, and whether a budget did."""

    session_id: str
    problem: str | None
    held: bool = False


def run_notebook(
    path: Path, output: Path, kernel: str | None, timeout_s: float | None, allow_errors: bool, ledger: str | None
) -> Done:
    """Execute the notebook in its folder, write it with its outputs, even those before a failure.

    Raises:
        UsageError: the file is no notebook.
        CostMeterError: its kernel cannot be started, or the output cannot be written.
    """
    notebook = _read(path)
    _check_writable(output)
    options: dict[str, Any] = {"kernel_name": kernel} if kernel else {}
    client = NotebookClient(
        notebook,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        **options,
    )
    run = _Run(client, path, ledger, timeout_s)
    try:
        done = asyncio.run(run.execute())
    finally:
        if run.began:
            _write(notebook, output)
    done = _with_killed(done, ledger) if run.died else done
    _note_allocation(done.session_id, ledger)
    return done


@guard.guarded("the record of a SLURM allocation")
def _note_allocation(session_id: str, ledger: str | None) -> None:
    """In a job of SLURM: how long it has had what it was given, up to here."""
    if "SLURM_JOB_ID" not in os.environ:
        return
    found = open_ledger(Path(ledger) if ledger else config.load()[0].ledger_file)
    try:
        for info in found.sessions(Selection("session", session_id)):
            if (record := allocations.record_of(info, time.time())) is not None:
                found.append(info, [record])
    finally:
        found.close()


def _with_killed(done: Done, ledger: str | None) -> Done:
    """The kernel cannot say any more what it cost: take that from its journal."""
    path = Path(ledger) if ledger else config.load()[0].ledger_file
    found = open_ledger(path)
    try:
        found.close_orphans()
        last = found.latest(Selection("session", done.session_id), 1)
    except LedgerError:
        return done
    finally:
        found.close()
    kept = "is in the ledger as killed" if last and last[-1].outcome == "killed" else "was too short to be kept"
    return replace(done, problem=f"{done.problem}; the cell that ran {kept}")


def _read(path: Path) -> NotebookNode:
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises many kinds
        raise UsageError(f"{path} is no notebook: {error}") from error
    return notebook


def _check_writable(output: Path) -> None:
    """Before hours of work, not after them."""
    if output.is_dir() or not os.access(output.parent, os.W_OK):
        raise CostMeterError(f"cannot write {output}: {'it is a folder' if output.is_dir() else 'no such folder'}")


def _write(notebook: NotebookNode, output: Path) -> None:
    output = output.resolve()  # a link stays a link
    try:
        with replacing(output) as part:
            nbformat.write(notebook, part)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise CostMeterError(f"cannot write {output}: {error.strerror or error}") from error


def _keep_outputs(cell: NotebookNode, earlier: list[NotebookNode]) -> None:
    """A cell that a budget kept from starting keeps what it had: it stands below the reason."""
    if any(output.get("ename") == HOLD for output in cell.outputs):
        cell.outputs = [*cell.outputs, *(output for output in earlier if output.get("ename") != HOLD)]


def _is_code(cell: NotebookNode) -> bool:
    return bool(cell.cell_type == "code")


def _failed(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", ()))


class _Run:
    """One execution. Cells are told to the kernel with their ids, as JupyterLab does."""

    def __init__(self, client: NotebookClient, path: Path, ledger: str | None, timeout_s: float | None) -> None:
        self.client, self.path, self.ledger, self.timeout_s = client, path, ledger, timeout_s
        self.began = self.died = self.interrupted = self.held = False
        self._earlier: tuple[NotebookNode, list[NotebookNode]] | None = None  # a cell's outputs, before it ran
        self.bar = tqdm(total=sum(map(_is_code, client.nb.cells)), desc=path.name, unit="cell")
        client.on_cell_execute = self._tell_id

    async def execute(self) -> Done:
        with closing(self.bar):
            async with AsyncExitStack() as stack:
                await self._start(stack)
                session_id = await self._load()
                self.began = True
                problem = await self._cells()
                problem = problem or await self._held()
                unsaved = None if self.died else await self._flush()
                self.client.set_widgets_metadata()
        return Done(session_id, "; ".join(filter(None, (problem, unsaved))) or None, self.held)

    async def _start(self, stack: AsyncExitStack) -> None:
        environment = {**os.environ, "JPY_SESSION_NAME": place.canonical(str(self.path))}
        if self.ledger:  # before every setting, also where kernels load the meter by themselves
            environment[config.LEDGER] = os.path.abspath(self.ledger)
        try:
            await stack.enter_async_context(self.client.async_setup_kernel(env=environment))
        except NoSuchKernel as error:
            raise CostMeterError(f"there is no kernel {error.name!r}; `jupyter kernelspec list` shows them") from error
        except (RuntimeError, OSError) as error:
            atexit.unregister(self.client._cleanup_kernel)  # nbclient leaves it, and it would fail
            raise CostMeterError(f"the kernel {self.client.kernel_name!r} does not start: {error}") from error
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)

    def _interrupt(self) -> None:
        """Ctrl-C ends the cell, as in JupyterLab, and with it the notebook; the second one ends the kernel."""
        kernel = self.client.km
        assert kernel is not None
        again, self.interrupted = self.interrupted, True
        end = kernel.shutdown_kernel(now=True) if again else kernel.interrupt_kernel()
        self._stopping = asyncio.ensure_future(ensure_async(end))

    async def _load(self) -> str:
        found = await self._ask("get_ipython().costmeter.session.info.id", "%load_ext jupyter_costmeter")
        if found is None:
            name = self.client.kernel_name
            raise CostMeterError(
                f"the kernel {name!r} cannot load jupyter_costmeter; install it into that kernel's Python"
            )
        return str(literal_eval(found))

    async def _cells(self) -> str | None:
        """Run them; what stopped the notebook before its end, as a sentence."""
        self.client.timeout = ceil(self.timeout_s) if self.timeout_s else None
        try:
            for index, cell in enumerate(self.client.nb.cells):
                self._earlier = (cell, list(cell.get("outputs", ())))
                await self.client.async_execute_cell(cell, index)
                self.bar.update(_is_code(cell))
                if self.interrupted:  # in spite of --allow-errors
                    return f"interrupted after {self.bar.n} of {self.bar.total} cells"
                if _failed(cell) and (held := await self._held()):  # in spite of it, too
                    return held
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return await self._stopped(error)
        finally:
            self.client.timeout = None
        return None

    async def _stopped(self, error: Exception) -> str:
        cell = f"cell {self.bar.n + 1} of {self.bar.total}"
        if isinstance(error, CellExecutionError):
            if not self.interrupted and (held := await self._held()):
                return held
            return f"{cell} failed with {error.ename}: {error.evalue}"
        if isinstance(error, CellTimeoutError):
            assert self.client.km is not None
            await ensure_async(self.client.km.interrupt_kernel())
            return f"{cell} took longer than --timeout {self.timeout_s:g} and was interrupted"
        self.died = True
        return f"the kernel died in {cell}"

    async def _held(self) -> str | None:
        """Whether a budget kept a cell from running, or ended one: what is said of it."""
        if self.died:
            return None
        said = await self._ask("get_ipython().costmeter.hold.said")
        self.held = said not in (None, "None")
        if self.held and self._earlier:
            _keep_outputs(*self._earlier)
        return str(literal_eval(said)) if said and self.held else None

    async def _flush(self) -> str | None:
        """Before the kernel is told to go: all that was metered is in the ledger, or why not."""
        saved = await self._ask("get_ipython().costmeter.session.flush()")
        if saved == "True":
            return None
        why = await self._ask("get_ipython().costmeter.session.ledger.message") if saved else None
        return f"what the cells cost could not be kept: {literal_eval(why) if why else 'the kernel does not answer'}"

    def _tell_id(self, cell: NotebookNode, **_: Any) -> None:
        assert self.client.kc is not None
        self.client.kc.session.metadata = {"cellId": cell.get("id")}

    async def _ask(self, expression: str, code: str = "") -> str | None:
        """Silently run some code and answer an expression's ``repr``; ``None`` where it fails."""
        with suppress(asyncio.TimeoutError, DeadKernelError):
            answer = await asyncio.wait_for(self._answer(expression, code), ANSWER_S)
            return answer["data"].get("text/plain") if answer.get("status") == "ok" else None
        return None

    async def _answer(self, expression: str, code: str) -> dict[str, Any]:
        client = self.client
        assert client.kc is not None
        while True:
            asked = client.kc.execute(code, silent=True, store_history=False, user_expressions={"it": expression})
            content = ((await client.async_wait_for_reply(asked)) or {}).get("content", {})
            if content.get("status") != "aborted":  # by the cell that failed before
                found: dict[str, Any] = content.get("user_expressions", {}).get("it", {})
                return found
