"""Send to a JupyterHub's service, where the kernel's machine may not reach the database (docs/hub.md).

The service answers with a status and a sentence; what it says of a batch is handled as if the database had said it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..addresses import on_loopback
from ..labs import Snapshot, snapshot_of
from . import secret
from .batches import MOST_BYTES, text_of
from .store import Batch, Refused, ShareError

if TYPE_CHECKING:
    import httpx

#: Seconds for a connection, and for any one step of an answer: behind it somebody may wait.
CONNECT_S, STEP_S = 5.0, 60.0
#: Statuses that are about what was sent, so that the rest of it may do.
ITS_FAULT = (400, 413)
STRANGE = "something else than the service answered"
RECORDS, STANDING = "api/records", "api/standing"


class HubLedger:
    """The lab's ledger behind a Hub's service at an address (``addresses.address_of``): one can only add to it.

    Raises (every method):
        ShareError: it cannot be reached, or refuses us.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client: httpx.Client | None = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def take(self, batch: Batch) -> None:
        """All of it or nothing; what is there already, by its id, is left as it is."""
        body = text_of(batch, secret.hub_user())
        if len(body) > MOST_BYTES:
            raise self._told(f"{len(body)} bytes are too many for one batch", Refused)
        answer = self._asked("POST", RECORDS, body)
        if answer.status_code not in (200, 204):
            kind = Refused if answer.status_code in ITS_FAULT else ShareError
            raise self._told(_sentence(answer), kind, _rest_s(answer))

    def standing(self) -> Snapshot:
        """Where the lab's budgets stand, for the token's owner."""
        answer = self._asked("GET", STANDING)
        if answer.status_code != 200:
            raise self._told(_sentence(answer), rest_s=_rest_s(answer))
        try:
            return replace(snapshot_of(answer.json()), as_of=time.time())  # by this machine's clock, not the Hub's
        except (ValueError, RecursionError):
            raise self._told(STRANGE) from None

    def _asked(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        """The answer; of foreign errors only the kind is told, as their texts may quote a header."""
        token = secret.token(self.address)
        if token is None:
            raise self._told(secret.NO_TOKEN)
        import httpx

        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            return self._opened().request(method, f"{self.address}/{path}", content=body, headers=headers)
        except httpx.TimeoutException:
            raise self._told("it did not answer in time") from None
        except (httpx.HTTPError, OSError, UnicodeError, ValueError) as error:
            raise self._told(f"it could not be reached: {type(error).__name__}") from None

    def _opened(self) -> httpx.Client:
        if self._client is None:
            import httpx

            self._client = httpx.Client(
                timeout=httpx.Timeout(STEP_S, connect=CONNECT_S),
                follow_redirects=False,  # the token is for this address only
                trust_env=not on_loopback(self.address),
            )
        return self._client

    def _told(self, why: str, kind: type[ShareError] = ShareError, rest_s: float = 0.0) -> ShareError:
        error = kind(f"the lab's ledger {self.address} cannot be used ({why})")
        error.rest_s = rest_s
        return error


def _rest_s(answer: httpx.Response) -> float:
    """What ``Retry-After`` says in seconds (RFC 9110, 10.2.3); of a date nothing is taken."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0


def _sentence(answer: httpx.Response) -> str:
    """The status, and what the service says; whatever else answered in its place is told by its status alone."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    said = found.get("message") if isinstance(found, dict) else None
    return (
        f"{answer.status_code}: {said[:500] if isinstance(said, str) else 'something else than the service answered'}"
    )
