"""One authenticated GET with a deadline, and what may be wrong with its answer.

Nothing here is asked before the user asks for it, and no key is ever in an error: foreign errors are told apart by
their type alone, as their texts may quote a header. httpx is imported when a request is made, not before.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import CostMeterError
from ..factors import Intensity

if TYPE_CHECKING:
    import ssl

    import httpx

T = TypeVar("T")

#: For all of a request: name look-up, connection, headers, body.
DEADLINE_S = 2.0
MOST_BYTES = 1_000_000
#: The dirtiest grids, of old coal alone, are near 1200 g/kWh: above this it is another unit, or a mistake.
MOST_G_PER_KWH = 2000.0
#: A source that wants to be left alone for longer is asked again the next day.
LONGEST_WAIT_S = 86_400.0


class SourceError(CostMeterError):
    """A live source gave no answer that can be used; its text names the source and the fault, never a key.

    ``status`` is HTTP's, where there is one, and ``retry_s`` the seconds for which it asks to be left alone;
    ``found`` is what had come before.
    """

    found: Sequence[Intensity] = ()

    def __init__(self, source: str, fault: str, status: int | None = None, retry_s: float | None = None) -> None:
        self.status = status
        self.retry_s = retry_s
        super().__init__(f"{source}: {fault}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of what a source answered; what is not as documented is a ``SourceError`` that names it."""

    source: str
    value: Any = field(repr=False)
    name: str = "the answer"

    def fault(self, what: str) -> SourceError:
        return SourceError(self.source, what)

    def __getitem__(self, name: str) -> Answer:
        found = self.get(name)
        if found is None:
            raise self.fault(f"{self.name} lacks {name}")
        return found

    def get(self, name: str) -> Answer | None:
        """``None`` where there is no such field, or it is null."""
        if not isinstance(self.value, dict):
            raise self.fault(f"{self.name} is no object")
        found = self.value.get(name)
        return None if found is None else Answer(self.source, found, name)

    def each(self) -> list[Answer]:
        if not isinstance(self.value, list):
            raise self.fault(f"{self.name} is no list")
        return [Answer(self.source, value, f"{self.name}[{place}]") for place, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.fault(f"{self.name} is no text")
        return self.value

    def number(self) -> float:
        known = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        if not known or not abs(self.value) <= 1e15:  # NaN is not less than anything
            raise self.fault(f"{self.name} is no finite number")
        return float(self.value)

    def moment(self) -> float:
        """Seconds since 1970 of an ISO time; one without a zone is refused."""
        try:
            found = datetime.fromisoformat(self.text().replace("Z", "+00:00"))
        except ValueError:
            raise self.fault(f"{self.name} is no time") from None
        if found.tzinfo is None:
            raise self.fault(f"{self.name} is a time without a zone")
        return found.timestamp()

    def grams(self, per: float = 1.0, zero: bool = False) -> float:
        """An intensity in g/kWh, given in units of ``per`` g/kWh; ``zero`` says that it may be 0."""
        found = self.number() * per
        if found < 0 or (found == 0 and not zero) or found > MOST_G_PER_KWH:
            raise self.fault(f"{self.name} is {found:g} g/kWh, which no grid has")
        return found


def readable(items: Iterable[Answer], read: Callable[[Answer], T | None]) -> list[T]:
    """What could be read: an item that is not as documented is left out, and so is ``None``.

    Raises:
        SourceError: of no item could anything be read; it is the first one's.
    """
    found: list[T] = []
    fault: SourceError | None = None
    for item in items:
        try:
            one = read(item)
        except SourceError as error:
            fault = fault or error
        else:
            found += [] if one is None else [one]
    if fault is not None and not found:
        raise fault
    return found


def get_json(
    source: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    keyed: str | None = None,
    deadline_s: float = DEADLINE_S,
) -> Answer:
    """What the URL answers, parsed; every fault is a ``SourceError``.

    Args:
        source: its name in errors.
        url: without the query.
        params: the query.
        headers: a key may be among them.
        auth: user and password, sent as HTTP Basic.
        keyed: what to check when the key is refused; ``None`` where no key is sent.
        deadline_s: for the whole, whatever the server does.
    """
    if not all(value.isascii() and value.isprintable() for value in (headers or {}).values()):
        raise SourceError(source, "the key holds a stray character")  # the client would log it
    exchange = Exchange(url, dict(params or {}), dict(headers or {}), auth, _trusted(source), deadline_s)
    if not exchange.done():
        raise SourceError(source, f"did not answer within {deadline_s:g} s")
    if exchange.fault is not None:
        raise SourceError(source, exchange.fault)
    if (error := _refusal(source, exchange.status, exchange.headers, keyed)) is not None:
        raise error
    return Answer(source, _parsed(source, exchange.body))


class Exchange:
    """One request, in a thread of its own, which is left when the deadline has passed.

    httpx bounds each step, so a server that drips bytes would take for ever, and a name look-up has no bound at all.
    """

    def __init__(
        self,
        url: str,
        params: dict[str, str],
        headers: dict[str, str],
        auth: tuple[str, str] | None,
        trusted: ssl.SSLContext,
        deadline_s: float,
    ) -> None:
        import httpx

        self.body, self.status, self.fault = b"", 0, None
        self.headers: Mapping[str, str] = {}
        self._httpx, self._trusted, self._deadline_s = httpx, trusted, deadline_s
        self._asked = (url, params, {"Accept": "application/json", **headers}, auth)
        self._stream: Any = None
        self._left = False

    body: bytes
    status: int
    fault: str | None

    def done(self) -> bool:
        """Whether all of the answer, or a fault, was there in time."""
        thread = threading.Thread(target=self._run, name="costmeter: a request", daemon=True)
        try:
            thread.start()
            thread.join(self._deadline_s)
            return not thread.is_alive()
        finally:  # also when the user interrupts
            self._left = True
            if thread.is_alive():
                self._hang_up()
                thread.join(0.1)

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:  # whatever it is: its text may hold a header
            self.fault = _said(self._httpx, error)

    def _ask(self) -> None:
        url, params, headers, auth = self._asked
        with (
            self._httpx.Client(timeout=self._deadline_s, follow_redirects=False, verify=self._trusted) as client,
            client.stream(
                "GET", url, params=params, headers=headers, auth=auth, extensions={"trace": self._seen}
            ) as response,
        ):
            self.status, self.headers = response.status_code, response.headers
            if self.status == 200:
                self.body = self._read(response)

    def _read(self, response: httpx.Response) -> bytes:
        found = bytearray()
        for chunk in response.iter_bytes():
            found += chunk
            if len(found) > MOST_BYTES:
                self.fault = f"answered with more than {MOST_BYTES // 1_000_000} MB"
                break
        return bytes(found)

    def _seen(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx at each step: keep the connection, so that it can be hung up."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]
            if self._left:
                self._hang_up()

    def _hang_up(self) -> None:
        """Wake the thread that waits for the server; it sees the end of the answer, and ends."""
        wire = self._stream.get_extra_info("socket") if self._stream is not None else None
        try:
            if wire is not None:
                socket.socket.shutdown(wire, socket.SHUT_RDWR)  # TLS's own would disturb the reader
        except OSError:
            pass  # it has ended by itself


@cache
def _authorities() -> ssl.SSLContext:
    """The certificates that are trusted: reading them takes 50 ms, half of a request."""
    import httpx

    return httpx.create_ssl_context()


def _trusted(source: str) -> ssl.SSLContext:
    """The same; a variable left over from elsewhere, which names nothing that can be read, is the user's to mend.

    Raises:
        SourceError: it names the variable.
    """
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)  # httpx's order
    try:
        if named == "SSL_CERT_DIR":
            os.listdir(os.environ[named])  # a folder that is not there is an empty one to OpenSSL
        return _authorities()
    except OSError as error:  # an ssl.SSLError, of a file that holds no certificate, is one too
        what = f"those that {named} names" if named else "those that come with certifi"
        why = error.strerror or type(error).__name__
        raise SourceError(
            source, f"cannot be asked, as certificates are lacking: {what} cannot be read ({why})"
        ) from None


def _said(httpx: Any, error: Exception) -> str:
    """A foreign error in our words, by its type alone."""
    if isinstance(error, httpx.TimeoutException):
        return "did not answer in time"
    if isinstance(error, (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError)):
        return "cannot be asked: is there a stray character in the zone or the account?"
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError, OSError)):
        return "could not be reached: is there a network?"
    if isinstance(error, httpx.TransportError):
        return "broke off its answer"
    return f"could not be asked ({type(error).__name__})"


def _refusal(source: str, status: int, headers: Mapping[str, str], keyed: str | None) -> SourceError | None:
    """What any status but 200 means."""
    if status == 200:
        return None
    retry_s = _retry_s(headers.get("retry-after"))
    if status in (401, 403) and keyed is not None:
        return SourceError(source, f"the key was refused: check {keyed} ({status})", status)
    if status == 429:
        when = f"; it may be asked again in {retry_s:.0f} s" if retry_s is not None else ""
        return SourceError(source, f"was asked too often (429){when}", status, retry_s)
    if status == 404:
        return SourceError(source, "knows nothing of this zone or time (404)", status)
    if 300 <= status < 400:
        return SourceError(source, f"answered with a redirect, which is not followed ({status})", status)
    what = "has a fault of its own" if status >= 500 else "refused the request"
    return SourceError(source, f"{what} ({status})", status, retry_s)


def _retry_s(value: str | None) -> float | None:
    """Seconds that ``Retry-After`` names, as a number or as a date."""
    try:
        found = float(value or "")
    except ValueError:
        try:
            found = parsedate_to_datetime(value or "").timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(found, 0.0), LONGEST_WAIT_S) if isfinite(found) else None


def _parsed(source: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise SourceError(source, "answered with something else than JSON: is a log-in page in between?") from None
