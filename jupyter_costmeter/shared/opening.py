"""Where what waits is sent to: a database, or a Hub's service before one."""

from __future__ import annotations

from typing import Protocol

from ..addresses import of_a_hub
from ..labs import Snapshot
from .planned import snapshot
from .posting import HubLedger
from .store import Batch, SharedLedger


class Taker(Protocol):
    """Takes batches, each whole or not at all, and any number of times.

    Raises:
        Refused: it has something against what it was given.
        ShareError: it cannot be used.
    """

    def take(self, batch: Batch) -> None: ...

    def close(self) -> None: ...


def standing_of(there: Taker) -> Snapshot:
    """Where the lab's budgets stand, for whoever asks.

    Raises:
        ShareError: it cannot be asked.
    """
    if isinstance(there, HubLedger):
        return there.standing()
    assert isinstance(there, SharedLedger)
    return snapshot(there)


def opened(address: str) -> Taker:
    """Of an address (``addresses.address_of``); nothing is connected yet."""
    return HubLedger(address) if of_a_hub(address) else SharedLedger(address)
