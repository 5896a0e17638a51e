"""The thread that sends what waits to the lab's ledger, where a setting names one."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from .. import guard
from ..errors import LedgerError
from ..ledger import open_ledger
from ..ledger.store import Ledger
from ..shared.opening import Taker, opened
from ..shared.sending import Pace, Sent, send
from ..shared.store import ShareError
from ..sharing import keep_standing

#: Seconds between two questions where the lab's budgets stand.
ASK_S = 30.0


class Sender:
    """Sends from a ledger's file to an address until it is stopped: soon after it went well, ever later after not."""

    def __init__(self, path: Path, address: str, pace: Pace | None = None) -> None:
        self._path, self._address = path, address
        self._pace = pace or Pace()
        self._stopped = threading.Event()
        self._next = 0.0  # when the lab's budgets are asked for
        self._thread = threading.Thread(target=self._run, name="costmeter-sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """What has not gone by then waits for the next time."""
        self._stopped.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        with closing(open_ledger(self._path)) as ledger, closing(opened(self._address)) as there:
            rest_s = 0.0
            while not self._stopped.wait(rest_s):
                sent = Sent(0, 0, "the local ledger could not be used", away=True)
                try:
                    ledger.begin_share(self._address, time.time())
                    sent = send(ledger, there)
                    sent = self._asked(ledger, there, sent)
                except LedgerError:
                    pass  # told wherever the ledger is looked at
                except Exception as error:
                    guard.report("sending to the lab's ledger", error)
                rest_s = self._pace.after(sent)

    def _asked(self, ledger: Ledger, there: Taker, sent: Sent) -> Sent:
        """Ask where the lab's budgets stand, if it is time; what kept us from it is what came of the sending."""
        now = time.monotonic()
        if sent.away or now < self._next:
            return sent
        try:
            keep_standing(self._path, there)
        except LedgerError as error:
            ledger.not_sent(str(error), time.time())
            rest_s = error.rest_s if isinstance(error, ShareError) else 0.0
            return replace(sent, problem=str(error), away=True, rest_s=rest_s)
        self._next = now + ASK_S
        if sent.problem is None:
            ledger.reached(time.time())
        return sent
