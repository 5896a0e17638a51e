"""Send what waits to the lab's ledger: in order, in batches, each whole or not at all, and as often as it takes.

A batch leaves the outbox only after the database has committed it. If we die between the two it is sent again, and the
database knows its ids: nothing is lost, nothing doubled. One thing that the database refuses goes to the end of the
queue, so that it holds nothing up, and is said.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .. import bars
from ..errors import LedgerError
from ..ledger.outbox import Waiting
from ..ledger.store import Ledger
from .opening import Taker
from .store import Batch, Refused, ShareError

#: Records, tags and events of one transaction.
BATCH = 500
#: Seconds between two looks at the outbox, and the longest rest after a failure.
EVERY_S, REST_S = 5.0, 300.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it: how many went, how many wait, and for what reason.

    Args:
        away: nothing can be sent; else what is in the way is one record, and all others go.
        rest_s: how long we were told to rest (seconds).
    """

    count: int
    waiting: int
    problem: str | None = None
    away: bool = False
    rest_s: float = 0.0


def send(ledger: Ledger, there: Taker, bar: bars.Bar[list[Waiting]] = bars.none) -> Sent:
    """Send what waits now, until the lab's ledger fails.

    Raises:
        LedgerError: the local ledger cannot be read or written.
    """
    count, problem, away, rest_s = 0, None, False, 0.0
    try:
        for batch in bar(_batches(ledger), None, "batches sent"):
            refused = _refused(ledger, there, batch)
            problem = next(iter(refused.values()), problem)
            ledger.sent(batch, time.time(), behind=refused)
            count += len(batch) - len(refused)
    except _Away as error:
        problem, away, rest_s = str(error), True, error.rest_s
    if problem is not None:
        ledger.not_sent(problem, time.time())
    left = ledger.share()
    return Sent(count, left.waiting if left else 0, problem, away, rest_s)


class _Away(Exception):
    """The lab's ledger cannot be used at all, and wants to be left alone for so many seconds."""

    def __init__(self, why: str, rest_s: float) -> None:
        super().__init__(why)
        self.rest_s = rest_s


def _batches(ledger: Ledger) -> Iterator[list[Waiting]]:
    """What waits longest, up to what was the newest when it began: what is put back is for the next time."""
    newest = ledger.newest_out()
    while batch := [one for one in ledger.next_out(BATCH) if one.number <= newest]:
        yield batch


def _refused(ledger: Ledger, there: Taker, batch: Sequence[Waiting]) -> dict[Waiting, str]:
    """What of a batch the database refuses, and why; the rest is there.

    Raises:
        _Away: it cannot be asked.
    """
    try:
        there.take(read(ledger, batch))
    except Refused as error:
        if len(batch) == 1:
            return {batch[0]: f"{batch[0].kind} {batch[0].id} is refused: {error}"}
        half = len(batch) // 2
        return {**_refused(ledger, there, batch[:half]), **_refused(ledger, there, batch[half:])}
    except LedgerError as error:
        raise _Away(str(error), error.rest_s if isinstance(error, ShareError) else 0.0) from error
    return {}


def read(ledger: Ledger, batch: Sequence[Waiting]) -> Batch:
    """The records, tags and events of a batch as they are now; what has been taken back meanwhile is not there."""
    records = list(ledger.of_ids(_ids(batch, "record")).values())
    sessions = {record.session_id for record in records}
    infos = [info for key, info in ledger.every_session().items() if key in sessions] if sessions else []
    tags = ledger.same_tags(_ids(batch, "tag"))
    return Batch(infos, records, list(tags.values()), ledger.same_events(_ids(batch, "event")))


def _ids(batch: Iterable[Waiting], kind: str) -> list[str]:
    return list(dict.fromkeys(one.id for one in batch if one.kind == kind))


class Pace:
    """When to look next: soon after it went well, ever later after failures, and never all at the same moment."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._failed = 0

    def after(self, sent: Sent) -> float:
        """Seconds to rest."""
        self._failed = self._failed + 1 if sent.away else 0  # one record that is refused keeps no other waiting
        longest = min(REST_S, self._every_s * 2.0 ** min(self._failed, 32))  # weeks without a network are no error
        return longest if not self._failed else max(longest * random.uniform(0.5, 1.0), min(sent.rest_s, REST_S))
