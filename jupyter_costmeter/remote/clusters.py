"""The Dask clusters that a kernel's cells send tasks to: whose tasks are whose, and what the workers told of them.

A task is marked when it is sent, not when its graph is built, by an annotation of ours. ``distributed.spans`` around
a cell would keep dask from fusing what two cells built, and put a function's tasks of all cells into the first one's.
Nothing happens on the user's path but that mark, and once for each cluster a wait of a quarter of a second at most.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from .. import guard
from ..billing import bill
from ..reading import WAIT_S
from ..record import CellRecord, Usage
from ..runs import Run, record_id_of
from ..session import Session
from . import told
from .cluster import Cluster
from .sending import Sending, put_back, put_in

#: Seconds between two looks at what workers told, and at most between two records of a cell whose tasks go on.
LOOK_S, RECORD_S = 1.0, 60.0
#: A cell whose tasks have ended is read until so many heartbeats (and seconds at least) brought nothing new.
BEATS, QUIET_S = 3, 2.0
#: Seconds that the kernel's end waits for what is told last: Jupyter kills a kernel that takes five to end.
LAST_S = 2.0
#: So much longer where a worker has not told all of its figures.
OWED_S = 15.0
#: A scheduler that is gone for so long (seconds) does not come back.
GONE_S = 30.0


class Cell:
    """What one cell has sent to one cluster."""

    def __init__(self, run: Run, cell_id: str, cluster: Cluster, mark: str) -> None:
        self.run, self.id, self.cluster, self.mark = run, cell_id, cluster, mark
        self.told = told.Told()
        self.recorded: dict[told.Name, float] = {}
        self.lost_recorded: set[str] = set()
        self.began_at = self.recorded_at = self.told_at = time.time()
        self.early = not cluster.tried.is_set()  # it sends before the workers have the plugin
        self.changed_at = time.monotonic()
        self.records = 0
        self.silent_since: float | None = None
        self._pending: list[Any] = []
        self._count = 0  # of tasks that it waits for, at least

    def sent(self, states: Iterable[Any]) -> None:
        found = list(states)
        self._pending += found
        self._count += len(found)
        self.changed_at = time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether all that it sent has ended, and been told, and it sends no more."""
        if self.run.window.end is None:
            return False  # what the scheduler knows of it is forgotten only once
        while self._pending and self._pending[-1].status != "pending":
            self._pending.pop()
        quiet_s = max(QUIET_S, BEATS * self.cluster.every_s)
        ran = sum(self.told.of(kind) for kind in ("done", "failed", "inside"))
        if ran < self._count or self.told.of("settled") < self.told.of("pieces"):
            quiet_s += OWED_S  # a busy worker owes us figures, or was lost with them; or their results were there
        return not self._pending and time.monotonic() - self.changed_at > quiet_s

    def note(self, numbers: dict[told.Name, float]) -> None:
        if numbers != self.told.numbers:
            self.told.numbers = numbers
            self.changed_at, self.told_at = time.monotonic(), time.time()

    @property
    def unknown(self) -> str | None:
        """Why something of it is not known at all."""
        early = f"its first tasks ran before the workers of {self.cluster.address} were metered"
        return self.cluster.problem or (early if self.early and not self.records else None)


class Clusters:
    """The clusters of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._clusters: dict[str, Cluster] = {}
        self._cells: dict[str, Cell] = {}
        self._open: set[str] = set()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._where: str | None = None
        self._closed = False
        atexit.register(self.close)

    def open(self, client: Any) -> None:
        """Mark what all clients of this class send from now on."""
        self.session.elsewhere["Dask"] = self.notes
        put_in(client, Sending(self._mark, self._sent))

    def greet(self, clients: Iterable[Any]) -> None:
        """Put the plugin on the workers of clients that are new."""
        for client in clients:
            address = _address(client)
            if address and address not in self._clusters:
                self._join(address, client)

    def close(self) -> None:
        """No tasks are marked any more; what was told so far is billed."""
        put_back()
        if self._open and not self.session.forked:
            done = threading.Event()
            self._inbox.put(done)
            if not done.wait(LAST_S):
                self._closed = True
                guard.guarded("what a cluster's workers told last")(self._unanswered)(
                    [self._cells[key] for key in sorted(self._open)], f"not in {LAST_S:g} s, as this ended", last=True
                )

    # On the user's path

    def _mark(self, client: Any) -> str | None:
        """What marks the tasks that this client sends now; ``None``: nothing does."""
        run, address = next(iter(self.session.cells_here()), None), _address(client)
        if run is None or address is None or self.session.forked:
            return None
        cluster = self._clusters.get(address) or self._join(address, client)
        if not (cluster.tried.is_set() or cluster.waited):
            cluster.waited = True
            cluster.tried.wait(WAIT_S)
        cell_id = record_id_of(run, self.session.info)
        cell = self._cells.get(f"{cell_id} {address}")
        if cell is None:
            cell = Cell(run, cell_id, cluster, f"{cell_id}|{self._place()}|{os.getpid()}")
            self._cells[f"{cell_id} {address}"] = cell
        return cell.mark

    def _place(self) -> str:
        if self._where is None:
            from .plugin import machine

            self._where = machine()
        return self._where

    def _join(self, address: str, client: Any) -> Cluster:
        cluster = self._clusters[address] = Cluster(address, client.security.get_connection_args("client"))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="costmeter-clusters", daemon=True)
            self._thread.start()
        self._inbox.put(cluster)
        return cluster

    def _sent(self, client: Any, mark: str, futures: dict[Any, Any]) -> None:
        address = client.scheduler.address
        key = f"{mark.partition('|')[0]} {address}"
        states = (getattr(future, "_state", None) for future in futures.values())
        self._cells[key].sent([state for state in states if state is not None])
        if key not in self._open:
            self._open.add(key)
            self._inbox.put(None)

    # On a thread of ours

    def _run(self) -> None:
        look_at = inf
        while True:
            try:
                wait_s = None if look_at == inf else max(0.0, look_at - time.monotonic())
                one = self._inbox.get(timeout=wait_s)
            except queue.Empty:
                self._look()
                look_at = time.monotonic() + LOOK_S if self._open else inf
                continue
            if isinstance(one, Cluster):
                self._register(one)
            elif isinstance(one, threading.Event):
                self._look(last=True)
                one.set()
            else:
                look_at = min(look_at, time.monotonic() + LOOK_S)

    def _register(self, cluster: Cluster) -> None:
        try:
            with self.session.overhead.working():
                cluster.register()
        except Exception as error:
            cluster.problem = f"the workers of {cluster.address} are not metered: {error}"
            guard.log.info("jupyter_costmeter: %s", cluster.problem)
        cluster.tried.set()

    def _look(self, last: bool = False) -> None:
        with self.session.overhead.working():
            cells = [self._cells[key] for key in sorted(self._open)]
            for cluster in {cell.cluster for cell in cells}:
                self._look_at(cluster, [cell for cell in cells if cell.cluster is cluster], last)

    @guard.guarded("what a cluster's workers told")
    def _look_at(self, cluster: Cluster, cells: list[Cell], last: bool) -> None:
        try:
            found = cluster.read(self.session.info.id, min(cell.began_at for cell in cells))
        except Exception as error:
            if not self._closed:
                self._unanswered(cells, str(error), last)
            return
        if self._closed:
            return
        numbers = told.by_cell(found["numbers"])
        for cell in cells:
            cell.silent_since = None
            cell.note(numbers.get(cell.id, {}))
            self._note_lost(cell, found["gone"])
            if last or cell.ended or time.time() - cell.recorded_at > RECORD_S:
                self._record(cell)
            if cell.ended:
                self._open.discard(f"{cell.id} {cluster.address}")
        done = [cell.id for cell in cells if f"{cell.id} {cluster.address}" not in self._open]
        if done and not last:
            cluster.forget(done)

    def _note_lost(self, cell: Cell, gone: Iterable[tuple[str, float, bool, dict[str, list[int]]]]) -> None:
        """Workers that went while they worked for the cell, or with results of it, or owing figures."""
        for worker, _, expected, cells in gone:
            if cell.id in cells or (not expected and worker in cell.told.workers):
                cell.told.lost.setdefault(worker, cells.get(cell.id, [0, 0]))

    def _unanswered(self, cells: list[Cell], why: str, last: bool) -> None:
        now = time.monotonic()
        for cell in cells:
            cell.silent_since = cell.silent_since or now
            if last or (now - cell.silent_since > GONE_S and cell.ended):
                self._record(cell, f"the scheduler does not answer any more ({why})")
                self._open.discard(f"{cell.id} {cell.cluster.address}")

    def _record(self, cell: Cell, why: str | None = None) -> None:
        """What came since the last record of this cell becomes one."""
        more = told.grown(cell.recorded, cell.told.numbers)
        lost = set(cell.told.lost) - cell.lost_recorded
        figures = [*told.figures(more, cell.told, sorted(lost))]
        if why := why or cell.unknown:
            figures.append(told.unknown(why, cell.cluster.address))
        if figures:
            cell.records += 1
            wall_s = max(0.0, cell.told_at - cell.recorded_at)
            bill(self.session, cell.run, cell.records, cell.recorded_at, Usage(wall_s, tuple(figures)))
        cell.recorded, cell.lost_recorded = dict(cell.told.numbers), set(cell.told.lost)
        cell.recorded_at = time.time()

    # Reading

    @property
    def waiting(self) -> int:
        """Cells whose tasks go on, or have just ended."""
        return len(self._open)

    def notes(self, record: CellRecord | None = None) -> Iterator[str]:
        """What a reader must know of what workers did for a cell, or for all of them."""
        cells = [cell for cell in list(self._cells.values()) if record is None or cell.id == record.id]
        yield from told.notes([cell.told for cell in cells])
        open_cells = [cell for cell in cells if f"{cell.id} {cell.cluster.address}" in self._open]
        if open_cells:
            whose = told.counted(len(open_cells), "cell")
            yield f"Tasks of {whose} go on elsewhere, or have just ended: billed when all of them have been told."


def _address(client: Any) -> str | None:
    """Of its scheduler; ``None`` where all of it is in this process, which is metered already."""
    address = getattr(client.scheduler, "address", None)
    return address if address and not address.startswith("inproc") else None
