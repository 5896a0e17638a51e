"""One process's metering: windows become records, records go to the ledger and to listeners.

What is on the user's path (``open``, ``close``) reads counters and hands over; the sampler's
thread does the rest.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import accounting, config, descendants, guard, inheriting, place
from .deriving import Deriving
from .gaps import Gaps
from .idling import Idling
from .ledger import LedgerState, Selection
from .ledger.writer import Writer
from .meter import Meter, Window
from .overhead import Overhead
from .parts import Parts, built_in
from .reading import WAIT_S, Sample
from .record import CellRecord, Held, Outcome, SessionInfo, Status, Summary, Total, Usage
from .runs import Event, Run, clean, gap_records, record_of
from .sampler import Sampler
from .tag import Tag
from .tally import Tally
from .watching import Watch

#: A cell that has run for less than this (seconds) may be one that asks what is held.
ASKING_S = 5.0
#: Seconds that somebody waits for a settling that goes on elsewhere (a sensor may hang there).
SETTLING_S = 3.0
#: Seconds that the cell which loads us has to end, before what need not be there at once is loaded.
REPLY_S = 0.05


class Session:
    """The metering of this process, from the first ``%load_ext`` or ``measure`` to its end.

    Args:
        settings, problems: what the user set, and what was wrong with that.
        script: whether the process may be a script's, whose path then stands for the notebook's.
        parts: sensors and models instead of the built-in ones.
    """

    def __init__(
        self,
        settings: config.CostMeter,
        problems: Iterable[str] = (),
        script: bool = True,
        parts: Parts | None = None,
    ) -> None:
        parts = parts or built_in(settings.sensors, settings.tracers)
        self.settings = settings
        wrong = (Status("setting", False, p, "correct it and start the kernel again") for p in problems)
        self.problems = [*wrong, *parts.problems]
        # Forked: in a child, which begins its own. Cells only: in a kernel; a block outside of them is background.
        self.forked = self.in_child = self.cells_only = False
        self.namespace: Callable[[], Mapping[str, Any]] = dict  # where cells look their names up
        self.elsewhere: dict[str, Callable[[CellRecord | None], Iterable[str]]] = {}  # of others' work, by who did it
        self.at_rest: list[Callable[[], None]] = []  # what may be done while nothing runs
        self.audit: Any = None  # of the next cell's FLOPs (audit.Audit), where one was asked for
        self.span: dict[str, Any] = {}  # what the cells from here on are said to be (tag.KEYS)
        self.counted: set[str] = set()  # packages whose FLOPs are counted, though they are not everywhere
        self.info = self._placed(place.session_info(place.notebook_path(script), settings.project, inheriting.within()))
        self.overhead = Overhead()
        for tracer in parts.tracers:
            tracer.working = self.overhead.working
        parts = replace(parts, sensors=[*parts.sensors, self.overhead])
        self.meter = Meter(parts, gpu_share=settings.gpu_share, wait=False)
        self.writer = Writer(settings.ledger_file, self.info, self.overhead, settings.ledger_share)
        self.listeners: list[Callable[[Event], None]] = []
        self._stacks: dict[int, list[Run]] = {}
        self._closed, self._seq = deque[Run](), itertools.count(1)
        self._top: Run | None = None  # the cell that runs and lies in no other
        self._ready, self._asked = False, threading.Event()  # for the drivers, by the first cell
        self.tally = Tally()
        self.derived = Deriving(lambda: self.info, settings, self.tally, self.overhead.working)
        self.watch = Watch(settings, lambda: self.info, lambda: self.derived.costing, lambda: self.writer.waiting)
        self.gaps = Gaps(self.meter, self.tally.add)
        self.idling = Idling(self.gaps, self.watch, self.writer, rests=lambda: self._top is None)
        self.settling = threading.Lock()
        self.sampler = Sampler(
            settings.tick_s,
            first=self._get_ready,
            at_once=lambda: self.meter.holds and self.meter.observe(),
            presses=lambda: self.meter.follows,
            running=lambda: bool(self._stacks),
            ended=lambda: bool(self._closed),
            tick=self._tick,
            after=self.meter.take,
            settle=self.settle,
            rest=self._resting,
            overhead=self.overhead,
        )

    def _placed(self, info: SessionInfo) -> SessionInfo:
        return replace(info, notebook=clean(info.notebook), project=clean(info.project))

    def _get_ready(self) -> None:
        self._asked.wait(REPLY_S)  # a thread that works slows the cell that loads us
        self.meter.join()
        self._name_devices()
        self.meter.observe()
        self.meter.counters.calibrate()
        self.watch.look()

    def _name_devices(self) -> None:
        """Before the first record: what a reader of the ledger needs to know of the devices."""
        if names := self.meter.devices():
            environment = {**self.info.environment, "devices": json.dumps(names)}
            if sizes := self.meter.devices("memory_bytes"):
                environment["devices_bytes"] = json.dumps(sizes)
            self.writer.info = self.info = replace(self.info, environment=environment)

    def start(self) -> None:
        """Get ready before the first cell, so that it need not pay for it."""
        self.sampler.start()

    # On the user's path

    def ready(self) -> None:
        """Wait, once and for a quarter of a second at most, until the drivers' sensors have joined."""
        if not self._ready:
            self._ready = True
            self._asked.set()
            self.start()
            self.meter.joined.wait(WAIT_S)
            self.watch.read()  # a spent budget holds the first cell, too

    def open(self, cell_id: str | None = None, code: str | None = None, label: str | None = None) -> Run:
        """Start metering a cell (which has code) or a block."""
        thread = threading.get_ident()
        stack = self._stacks.setdefault(thread, [])
        alone = not stack and len(self._stacks) == 1
        if alone and self.meter.windows:
            self.meter.drop()  # an interrupt hit a hook between two of its lines
        counts = not (self.cells_only and code is None)
        first = counts and self._top is None  # whatever of earlier ones is still open
        parent = None if alone or first else self._parent(stack, code is not None)
        window = self.meter.open_window()
        run = Run(window, next(self._seq), thread, code, cell_id, label, parent, inheriting.around())
        if parent is None and counts:
            run.said.update(self.span)
        stack.append(run)
        if parent is None and counts:
            self.gaps.ended(window)
            self._top = run
            inheriting.show(run.seq)
        self.sampler.opened()
        return run

    def _parent(self, stack: list[Run], cell: bool) -> Run | None:
        """The run that this one lies in, so that totals do not count it twice.

        The innermost of its thread; else the oldest that is open at all, since the process's
        counters cannot tell its threads apart. A cell lies in cells only: a block that was
        left open over several cells is not around them.
        """
        if stack and not cell:
            return stack[-1]
        others = [run for runs in list(self._stacks.values()) for run in runs if run.code is not None or not cell]
        own = [run for run in others if run.thread == threading.get_ident()]
        return own[-1] if own else min(others, key=lambda run: run.seq, default=None)

    def close(self, run: Run, outcome: Outcome, error_type: str | None = None) -> None:
        """Stop metering, once: one reading, then the sampler's thread does the rest."""
        stack = self._stacks.get(run.thread, [])
        if run not in stack:
            return
        run.outcome, run.error_type = outcome, error_type
        stack.remove(run)  # first: an interrupt from here on must not leave it open
        if not stack:
            del self._stacks[run.thread]
        self.meter.close_window(run.window)
        if run is self._top:
            self._top = None
            inheriting.show_rest(self.cells_only)
            self.gaps.began(run.window, run.seq)
        self._closed.append(run)
        self.sampler.closed()

    def close_all(self) -> None:
        """The process ends: what is still open is metered up to here."""
        for run in [run for stack in list(self._stacks.values()) for run in reversed(stack)]:
            self.close(run, "interrupted")

    def outermost(self, thread: int) -> Run | None:
        """The run that began first of those that a thread is in."""
        stack = self._stacks.get(thread)
        return stack[0] if stack else None

    def cells_open(self) -> list[Run]:
        """The cells that run and lie in no other: one in each of the kernel's shells."""
        return [stack[0] for stack in list(self._stacks.values()) if stack and stack[0].code is not None]

    def innermost(self) -> Run | None:
        """The run that this thread is in."""
        stack = self._stacks.get(threading.get_ident())
        return stack[-1] if stack else None

    def cells_here(self) -> list[Run]:
        """The cells that this thread is in, the outermost first; of a thread of the user's own, what runs."""
        own = [run for run in self._stacks.get(threading.get_ident(), ()) if run.code is not None]
        return own or ([self._top] if self._top is not None else [])

    # Off it

    def settle(self, follow: bool = True) -> None:
        """Make records of the runs that have ended and of what lay between; tell the ledger and the listeners.

        Args:
            follow: read on, up to half a second, until the counters show how these runs ended.
        """
        if not self.settling.acquire(timeout=SETTLING_S):
            return
        try:
            if self._closed or self.gaps:
                self._settle(follow)
        finally:
            self.settling.release()

    def _settle(self, follow: bool) -> None:
        closed = list(self._closed)  # what ends from here on is not looked at yet
        self._read_on(closed, follow)
        self.writer.append(gap_records(self.gaps.settled(self._usage), self.info))
        records = [r for run in closed if (r := run.record or self._settled(run)) is not None]
        inside = (descendants.inside(self.meter, run.record, run.window) for run in closed if run.record is not None)
        self.writer.append([*records, *(record for found in inside for record in found or ())])
        for _ in closed:  # only now: an interrupt until here leaves them to the next settling
            self._closed.popleft()
        running = self._running(self.meter.sample())
        self.watch.look([*(record for record, _ in running), *self.unsettled_records()])
        self.tell(Event(running, tuple(records)))

    @guard.guarded("reading on after a cell")  # what fails here costs figures, never records
    def _read_on(self, closed: list[Run], follow: bool) -> None:
        if closed and follow and self.meter.follows:
            self.meter.counters.follow(lambda: bool(self._stacks))
        self.meter.take()
        self.meter.observe()
        gaps = self.gaps.take()
        keep = [self.gaps.since_s, *(run.window.start.t_s for run in list(self._closed)[len(closed) :])]
        self.meter.settle([*(run.window for run in closed), *gaps], keep)

    @guard.guarded("the record of a cell")
    def _settled(self, run: Run) -> CellRecord:
        run.record = record = self._record(run, self._reached(run, self._usage(run.window)))
        self.tally.add_cell(record)
        return record

    @guard.guarded("what else could have done arithmetic")
    def _with_uncounted(self, run: Run, usage: Usage) -> Usage:
        from . import reach

        code = run.reach or (reach.Code(run.code, self.namespace()) if run.code else None)
        return reach.with_uncounted(usage, code, self.counted) if code else usage

    def _reached(self, run: Run, usage: Usage) -> Usage:
        """The usage with what its code reaches that nobody counts."""
        return (self._with_uncounted(run, usage) if self.settings.flops else None) or usage

    def held(self) -> tuple[Held, ...]:
        """The GPUs that this process tree holds while no cell runs, or did before the one that asks. Takes ms."""
        if self._top is None:
            return self.gaps.held()
        began = self._top.window.start.t_s
        return () if self.meter.clock() - began > ASKING_S else self.gaps.held(began)

    def _usage(self, window: Window) -> Usage:
        """A failure of ours costs the figures, not the record."""
        end = window.end
        assert end is not None
        try:
            return self.meter.usage(window, end)
        except Exception as error:
            guard.report("the figures of a cell", error)
            return Usage(end.t_s - window.start.t_s)

    def _record(self, run: Run, usage: Usage) -> CellRecord:
        return record_of(run, usage, self.info, self.cells_only)

    def _tick(self) -> None:
        """Something runs: look at it, journal it, tell the listeners."""
        if self.gaps:  # not lost if the process is killed in a cell
            self.settle(follow=False)
        self.meter.take()
        self.meter.observe()
        running = self._running(self.meter.sample(), since_last=True)
        records = [record for record, _ in running]
        self.writer.journal(records)
        self.watch.tick([*records, *self.unsettled_records()])
        self.tell(Event(running, ()))

    def _running(self, now: Sample, since_last: bool = False) -> tuple[tuple[CellRecord, Total | None], ...]:
        """The open runs as of now, oldest first, with their power since the last tick."""
        found = []
        for run in sorted((r for stack in list(self._stacks.values()) for r in list(stack)), key=lambda r: r.seq):
            usage = self.meter.usage(run.window, now)
            before = run.seen or Usage(0.0, tuple(replace(f, value=f.value and 0.0) for f in usage.figures))
            power = accounting.power(before, usage)
            if since_last:
                run.seen = usage
            found.append((self._record(run, usage), power))
        return tuple(found)

    def tell(self, event: Event) -> None:
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception as error:
                guard.report("telling the front end", error)

    # Reading

    def _resting(self) -> None:
        self.idling.end()
        self.idling.note()
        self.watch.look(self.unsettled_records())
        self.meter.recalibrate()
        for rest in list(self.at_rest):
            rest()

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Settle what has ended and wait for the ledger; whether all of it is in the file.

        The settling is the sampler's work: a driver may hang in it, and nobody waits for that long.
        """
        until = time.monotonic() + timeout_s
        asked = self.sampler.flush(SETTLING_S)
        if not asked or (self.gaps and not self.meter.hangs):
            self.settle(follow=not asked)
        self.idling.end()
        saved = self.writer.flush(timeout_s)
        return self.watch.flush(until - time.monotonic()) and saved and not self._closed

    @property
    def unsettled(self) -> int:
        """How many runs have ended and are no records yet."""
        return len(self._closed)

    def unsettled_records(self) -> list[CellRecord]:
        """What they used, as far as it is known before they are settled; and of gaps that are no records yet."""
        ended = [run for run in list(self._closed) if run.window.end is not None]
        return [*self.idling.so_far(), *(self._record(run, self._usage(run.window)) for run in ended)]

    def running(self) -> tuple[tuple[CellRecord, Total | None], ...]:
        return self._running(self.meter.sample())

    def summary(self) -> Summary:
        """The totals of this session by bucket, inner windows left out."""
        return self.tally.summary()

    def cells(self) -> list[CellRecord]:
        return self.tally.cells()

    def say(self, tags: Sequence[Tag]) -> None:
        """More is said of records that have ended: to the ledger, to what is remembered, and to the listeners."""
        self.writer.tag(tags)
        self.tally.tag(tags)
        about = {tag.record_id for tag in tags}
        if self.listeners:
            self.tell(Event(self.running(), tuple(record for record in self.cells() if record.id in about)))

    def count_jax(self, on: bool) -> Status:
        """Count JAX's FLOPs from now on, or no longer; the status says what that costs, or why it cannot be."""
        tracer: Any = self.meter.tracer("jax_flops")
        if tracer is None:
            return Status("jax_flops", False, "its counter could not be loaded", "see %cost doctor")
        status: Status = tracer.opt_in() if on else tracer.opt_out()
        self.counted = {"jax", "jaxlib"} if on and status.ok else set()
        return status

    @property
    def selection(self) -> Selection:
        return Selection("session", self.info.id)

    @property
    def ledger(self) -> LedgerState:
        return self.writer.state

    @property
    def sensors(self) -> list[Status]:
        failures = [Status("bug", False, text, "report this as a bug") for text in guard.failures()]
        off = [] if self.settings.flops else [Status("flops", True, "switched off (CostMeter.flops)")]
        return [*self.meter.states, *off, *self.problems, *failures]

    def moved_to(self, notebook: str) -> None:
        """The notebook has another path from now on (renamed, or known only now)."""
        if notebook != self.info.notebook:
            project = place.project_of(notebook, self.settings.project)
            self.info = self._placed(replace(self.info, notebook=notebook, project=project))
            self.writer.info = self.info
