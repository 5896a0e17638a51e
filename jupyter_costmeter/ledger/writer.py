"""The thread that writes to the ledger, so that no cell waits for a disk.

It sleeps in a queue while nothing happens. What cannot be written is kept in memory, said
so, and tried again with the next record, or after a while.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import guard
from ..errors import LedgerError
from ..overhead import Overhead
from ..record import CellRecord, SessionInfo
from ..tag import Tag
from . import LedgerState, open_ledger

if TYPE_CHECKING:
    from .store import Ledger

#: Seconds until what could not be written is tried again, if nothing else comes before.
AGAIN_S = 15.0
#: Seconds between two tries while somebody waits for a file that another process holds.
SOON_S = 0.05


class Writer:
    """Writes one session's records to one ledger, in the background."""

    def __init__(self, path: Path, info: SessionInfo, overhead: Overhead, share: str = "") -> None:
        self.path = path
        self.share = share  # the lab's ledger, for which records wait; we send nothing
        self.overhead = overhead
        self.info = info
        self._inbox: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._waiting: dict[str, CellRecord] = {}
        self._said: dict[str, Tag] = {}
        self._message: str | None = None
        self._note: str | None = None
        self._swept = False
        self._ledger: Ledger | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    @property
    def state(self) -> LedgerState:
        waiting = len(self._waiting)
        if self._message is None:
            return LedgerState(True, str(self.path), self._note, waiting)
        tags = f", and {len(self._said)} tags of earlier ones," if self._said else ""
        kept = f"metering goes on, and {waiting} records{tags} wait in memory until it can be written"
        return LedgerState(False, str(self.path), f"{self._message}; {kept}", waiting)

    @property
    def waiting(self) -> list[CellRecord]:
        """The records that are not in the file yet."""
        return list(self._waiting.values())

    @property
    def said(self) -> list[Tag]:
        """What is said of records that have ended, and is not in the file yet."""
        return list(self._said.values())

    @property
    def _behind(self) -> bool:
        """Whether something is not in the file yet."""
        return bool(self._waiting or self._said)

    def append(self, records: Iterable[CellRecord]) -> None:
        """Hand over records of windows that have closed."""
        closed = list(records)
        self._waiting.update((r.id, r) for r in closed)
        self._hand_over(_Work(closed=closed))

    def tag(self, tags: Iterable[Tag]) -> None:
        """Hand over what is said of records that have ended."""
        self._said.update((tag.id, tag) for tag in tags)
        self._hand_over(_Work())

    def journal(self, records: Iterable[CellRecord]) -> None:
        """Hand over windows that are open, as of now."""
        self._hand_over(_Work(open=list(records)))

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was handed over so far has been tried; whether nothing waits any more.

        Where another process holds the file, it is tried until the time is over.
        """
        if self._thread is None or os.getpid() != self._pid:
            return not self._behind
        until = time.monotonic() + timeout_s
        while True:  # once more if a record came while it was waited for
            work = _Work(until=until)
            self._inbox.put(work)
            in_time = work.done.wait(max(0.0, until - time.monotonic()))
            if not in_time and self._behind and self._message is None:
                self._message = f"the ledger {self.path} has not taken them in {timeout_s:g} s (a slow disk, or locked)"
            if not in_time or not self._behind or self._message is not None:
                return not self._behind

    def _hand_over(self, work: _Work) -> None:
        if os.getpid() != self._pid:  # a forked child has no writer, and must not write the parent's records
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="costmeter-ledger", daemon=True)
            self._thread.start()
        self._inbox.put(work)

    # On the thread

    def _run(self) -> None:
        while True:
            batch = [self._next()]
            while not self._inbox.empty():
                batch.append(self._inbox.get())
            try:
                with self.overhead.working():
                    self._write(batch)
            except Exception as error:
                guard.report("the ledger's writer", error)
                self._message = f"{type(error).__name__}: {error}"
            for work in batch:
                work.done.set()

    def _next(self) -> _Work:
        try:
            return self._inbox.get(timeout=AGAIN_S if self._behind else None)
        except queue.Empty:
            return _Work()

    def _write(self, batch: list[_Work]) -> None:
        if not self._behind and not any(work.open for work in batch):
            return
        until = max(work.until for work in batch)
        try:
            self._until(until, batch)
        except LedgerError as error:
            if not getattr(error, "moved", None):
                self._message = str(error)
                return
            self._note = str(error)  # a new file was begun: once more
            self._until(until, batch)
        self._message = None

    def _until(self, until: float, batch: list[_Work]) -> None:
        """Try, and again while another process holds the file and somebody waits."""
        while True:
            try:
                return self._try(batch)
            except LedgerError as error:
                if not getattr(error, "passes", False) or time.monotonic() >= until:
                    raise
                time.sleep(SOON_S)

    def _try(self, batch: list[_Work]) -> None:
        if self._ledger is None:
            self._ledger = open_ledger(self.path)
        if not self._swept:  # what earlier processes left open when they were killed
            self._ledger.shared_with(self.share)
            self._ledger.close_orphans()
            self._swept = True
        if self._waiting:
            self._append(self._ledger)
        if self._said:  # after the records that they are about
            said = self.said
            self._ledger.tag(said)
            for tag in said:
                self._said.pop(tag.id, None)
        self._note = self._ledger.note or self._note
        closed = {r.id for work in batch for r in work.closed}
        still_open = {r.id: r for work in batch for r in work.open if r.id not in closed}
        if still_open:
            self._ledger.journal(self.info, still_open.values())

    def _append(self, ledger: Ledger) -> None:
        """All at once; if one of them is what fails, one by one, without that one."""
        try:
            self._written(ledger, self.waiting)
        except LedgerError:
            raise
        except Exception:  # not the file's fault
            for record in self.waiting:
                try:
                    self._written(ledger, [record])
                except LedgerError:
                    raise
                except Exception as error:
                    guard.report(f"writing the record of cell {record.cell_id}", error)
                    self._waiting.pop(record.id, None)

    def _written(self, ledger: Ledger, records: list[CellRecord]) -> None:
        ledger.append(self.info, records)
        for record in records:
            self._waiting.pop(record.id, None)


class _Work:
    """Something handed over; ``done`` is set when it has been tried."""

    def __init__(
        self, closed: list[CellRecord] | None = None, open: list[CellRecord] | None = None, until: float = 0.0
    ) -> None:
        self.closed = closed or []
        self.open = open or []
        self.until = until  # of the monotonic clock: so long somebody waits for it
        self.done = threading.Event()
