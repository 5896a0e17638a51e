"""Talks to one Dask scheduler, over a connection of our own: the user's client may be closed, or its loop busy."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import Any

#: Seconds that a scheduler has for an answer.
ANSWER_S = 5.0
_by_value = threading.Lock()


class Cluster:
    """One scheduler, as a client knows it.

    Args:
        address: the scheduler's.
        connection: how to connect (TLS), as the client does.
    """

    def __init__(self, address: str, connection: dict[str, Any]) -> None:
        self.address = address
        self.connection = connection
        self.tried = threading.Event()  # whether its workers could be given the plugin
        self.waited = False  # for that, by a cell
        self.problem: str | None = None
        self.every_s = 0.5  # between two heartbeats of a worker

    def register(self) -> None:
        """Put our plugin on all workers, those to come included; several kernels share one.

        Raises:
            OSError: there is no scheduler any more, or it does not answer.
        """
        from . import plugin

        sent = _pickled(plugin.TaskMeter(), plugin)
        self._ask("register_worker_plugin", plugin=sent, name=plugin.NAME, idempotent=True)

    def read(self, session: str, since: float) -> dict[str, Any]:
        """What the workers told of a session's cells, and which of them have gone since.

        Raises:
            OSError: there is no scheduler any more, or it does not answer.
        """
        from . import scheduler

        found: dict[str, Any] = self._run(scheduler.read, session=session, since=since)
        self.every_s = float(found["every_s"])
        return found

    def forget(self, cells: list[str]) -> None:
        """These cells have been read for the last time.

        Raises:
            OSError: there is no scheduler any more, or it does not answer.
        """
        from . import scheduler

        self._run(scheduler.forget, cells=cells)

    def _run(self, function: Any, **arguments: Any) -> Any:
        from . import scheduler

        sent = {"function": _pickled(function, scheduler), "args": pickle.dumps(()), "kwargs": pickle.dumps(arguments)}
        answer = self._ask("run_function", wait=True, **sent)
        if answer["status"] != "OK":
            raise OSError(f"{self.address} answered {answer.get('exception_text') or answer['status']}")
        return answer["result"]

    def _ask(self, what: str, **arguments: Any) -> Any:
        try:
            return asyncio.run(self._asked(what, arguments))
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise OSError(f"{self.address} has not answered in {ANSWER_S:g} s") from error

    async def _asked(self, what: str, arguments: dict[str, Any]) -> Any:
        from distributed.core import rpc

        async with rpc(self.address, connection_args=self.connection, timeout=ANSWER_S) as scheduler:
            return await asyncio.wait_for(getattr(scheduler, what)(**arguments), ANSWER_S)


def _pickled(what: Any, module: Any) -> bytes:
    """By value, whether or not who reads it has this package."""
    import cloudpickle

    with _by_value:
        cloudpickle.register_pickle_by_value(module)
        try:
            sent: bytes = cloudpickle.dumps(what)
        finally:
            cloudpickle.unregister_pickle_by_value(module)
    return sent
