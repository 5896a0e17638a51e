"""The ingest's own manners, without a Hub (which tests/test_hub.py has)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import golden
import pytest

pytest.importorskip("jupyterhub", reason="jupyterhub is not installed: its service is not tested")

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from jupyter_costmeter.hub import ingest
from jupyter_costmeter.hub.seeing import Person
from jupyter_costmeter.shared import batches
from jupyter_costmeter.shared.batches import text_of
from jupyter_costmeter.shared.store import Batch


class Service:
    """Of one person, whose batches are kept."""

    def __init__(self) -> None:
        self.ledger, self.taken = self, list[Batch]()

    async def asked(self, function: Any, *given: Any) -> Any:
        return await asyncio.to_thread(function, *given)

    def acting(self, _: Any) -> Service:
        return self

    def take(self, batch: Batch) -> None:
        self.taken.append(batch)


class Known(ingest.Ingest):
    person = Person("ada")

    async def prepare(self) -> None:
        pass


def test_nobody_waits_while_a_batch_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 8 MB takes seconds, in which the pages of all others would stand still."""
    threads, read = list[threading.Thread](), batches.batch_of

    def noting(text: bytes) -> Any:
        threads.append(threading.current_thread())
        return read(text)

    monkeypatch.setattr(ingest, "batch_of", noting)
    service, record = Service(), golden.record(1, 1.0, 2.0)

    async def posted() -> int:
        sock, port = bind_unused_port()
        server = HTTPServer(Application([("/", Known, {"service": service})]))
        server.add_socket(sock)
        body = text_of(Batch([golden.SESSION], [record]), "ada")
        answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/", method="POST", body=body)
        server.stop()
        return answer.code

    assert asyncio.run(posted()) == 204
    assert [one.id for batch in service.taken for one in batch.records] == [record.id]
    assert threads[0] is not threading.main_thread()
