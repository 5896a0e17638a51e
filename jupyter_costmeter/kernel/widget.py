"""``%cost panel``: the sidebar's essentials as a widget, for front ends that have no sidebar of ours.

There is one model for all outputs that show it, so that they show the same and a change is one message. It hears of
cells as the sidebar does, on the sampler's thread: it has no thread, no timer, and says nothing while nothing runs.
Only here is ipywidgets imported, when somebody asks for the panel.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from IPython.display import display
from ipywidgets import HTML, Accordion, Button, Dropdown, HBox, VBox

from .. import commands, guard, panel_pages, report
from ..context import Context, of_session
from ..errors import CostMeterError
from ..ledger import Selection
from ..pages import Page
from ..panel_pages import Running, Scope
from ..recent import dearness
from ..record import CellRecord
from ..runs import Event
from ..session import Session
from .live import Live

#: Seconds between two changes at least, less what a tick may come early; and between two looks into the ledger.
LEAST_S, LOOK_S = 0.9, 10.0
DEAREST = 3
#: What a front end shows that knows no widgets, above the summary.
PLAIN = "The Cost Meter's panel: a widget, which lives as long as its kernel."
SINCE = "Since the meter was loaded into this kernel"
#: The words that select what each scope holds.
WORDS = {"session": [], "notebook": ["--notebook"], "project": ["--project"]}


class _Box(VBox):  # type: ignore[misc]
    """The panel's model: whoever closes it closes all of the panel."""

    def __init__(self, children: list[Any], closed: Any, viewed: Any) -> None:
        super().__init__(children, _view_count=0)  # 0: the front end counts
        self._closed = closed
        self.observe(viewed, "_view_count")

    def close(self) -> None:
        closed, self._closed = self._closed, lambda: None
        closed()
        super().close()


class Panel:
    """The panel of one kernel. It hears of cells from ``show`` on until it is closed or no output shows it any more."""

    def __init__(self, ip: Any, session: Session, live: Live) -> None:
        self._ip, self._session, self._live = ip, session, live
        self.closed = self._over = False
        self._lock = threading.Lock()
        self._pieces = {name: HTML() for name in ("running", "budgets", "totals", "dearest", "told", "more")}
        more = Accordion([self._pieces["more"]], titles=("All figures of the session",))
        shown = [self._pieces[name] for name in ("running", "budgets", "totals", "dearest")]
        style, export = HTML(), self._export_row()
        self.box = _Box([style, *shown, export, self._pieces["told"], more], self._close, self._viewed)
        self._saved = f"costmeter-{self.box.model_id}"  # whose page as text is hidden while the widget lives
        style.value = panel_pages.style(self._saved)
        self._running: tuple[Any, ...] = ()
        self._others: list[Scope] = []  # from the ledger
        self._ended = False  # whether a cell has ended that is not shown yet
        self._told_at = self._looked_at = 0.0

    def _export_row(self) -> HBox:
        scopes = [name for name in WORDS if name == "session" or getattr(self._session.info, name) is not None]
        first = "notebook" if "notebook" in scopes else "session"
        formats = [(f".{suffix}", suffix) for suffix in report.formats()]
        self._scope = Dropdown(options=scopes, value=first, description="Export the", tooltip="What is exported")
        self._format = Dropdown(options=formats, description="as", tooltip="The file's format")
        button = Button(description="Export", icon="download", tooltip="Write a file next to the notebook")
        button.on_click(self._export)
        for one, width in ((self._scope, "14em"), (self._format, "10em"), (button, "8em")):
            one.layout.width = width
        for one in (self._scope, self._format):
            one.style.description_width = "initial"
        row = HBox([self._scope, self._format, button])
        row.layout.flex_flow = "row wrap"
        return row

    # Showing

    def show(self) -> None:
        """In the output of the cell that runs, with what it says now as text below, for when there is no kernel."""
        context = of_session(self._session)
        page = commands.run(["summary"], context)
        self._session.watch.look([*(r for r, _ in self._session.running()), *self._session.unsettled_records()])
        self._running = self._session.running()
        self._look(page)
        self._tell(ended=True)
        self._listen(True)
        when = time.strftime("%Y-%m-%d %H:%M")
        widget = {**self.box._repr_mimebundle_(), "text/plain": PLAIN}
        saved = {"text/plain": f"As of {when}:\n{page.text()}", "text/html": panel_pages.as_of(self._saved, when, page)}
        for bundle in (widget, saved):
            display(bundle, raw=True)  # type: ignore[no-untyped-call]

    def _listen(self, on: bool) -> None:
        """Hear of cells from now on, or no longer."""
        self._live.foretells = on
        _enter(self._session.listeners, self.hear, on)
        _enter(self._session.at_rest, self.rest, on)

    @guard.guarded("the panel")
    def _viewed(self, change: Any) -> None:
        """The front end says how many outputs show it: where none does, nobody is told."""
        if change["new"] == 0 and change["old"]:
            self._listen(False)
        elif change["new"] and self.hear not in self._session.listeners and not (self.closed or self._over):
            self._running = self._session.running()
            self._look()
            self._tell(ended=True)
            self._listen(True)

    def close(self) -> None:
        """It changes no more, and its outputs are empty."""
        self.box.close()

    def _close(self) -> None:
        self._listen(False)
        with self._lock:
            self.closed = True
        for one in _parts(self.box):
            one.close()

    def stop(self) -> None:
        """It changes no more, but stays to be looked at."""
        self._over = True
        self._listen(False)

    # Hearing, on the sampler's thread

    @guard.guarded("the panel")
    def hear(self, event: Event) -> None:
        """A cell runs, or has ended."""
        self._running = event.running
        self._ended = self._ended or bool(event.closed)
        if time.monotonic() - self._told_at >= LEAST_S:
            if self._ended and time.monotonic() - self._looked_at >= LOOK_S:
                with closing(of_session(self._session, flush=False)) as context:
                    self._look_around(context)
            self._tell(self._ended)

    @guard.guarded("the panel")
    def rest(self) -> None:
        """Nothing runs any more, and the ledger has what ran."""
        self._running = ()
        self._look()
        self._tell(ended=True)

    def _look(self, page: Page | None = None) -> None:
        """Read what the ledger has of the notebook and the project, and all figures of the session."""
        context = of_session(self._session, flush=False)
        try:
            self._look_around(context)
            self._put({"more": panel_pages.page(page or commands.run(["summary"], context))})
        finally:
            context.close()

    def _look_around(self, context: Context) -> None:
        """Read what the ledger has of the notebook and the project."""
        self._looked_at = time.monotonic()
        info = self._session.info
        keys: dict[Literal["notebook", "project"], str | None] = {"notebook": info.notebook, "project": info.project}
        self._others = [_scope_of(Selection(name, key), context) for name, key in keys.items() if key is not None]

    def _tell(self, ended: bool) -> None:
        """Show what has changed; a piece that has not is not sent."""
        pieces = {
            "running": panel_pages.running([*map(self._row, self._running)]),
            "budgets": panel_pages.budgets(self._session.watch.verdicts or (), time.time()),
        }
        if ended:
            session = self._session
            own = Scope("Session", SINCE, session.summary(), session.derived.costs())
            pieces["totals"] = panel_pages.totals([own, *self._others])
            pieces["dearest"] = panel_pages.dearest(self._dearest())
        self._ended = False
        self._told_at = time.monotonic()
        self._put(pieces)

    def _row(self, running: tuple[CellRecord, Any]) -> Running:
        record, power = running
        if record.code_hash is not None and record.execution_count is None:
            record = replace(record, execution_count=_number(self._ip))
        return Running(record, power, *self._live.prospects.of(running[0]))

    def _dearest(self) -> list[CellRecord]:
        outer = [r for r in self._session.cells() if r.parent_id is None and r.bucket == "cell"]
        return sorted(outer, key=dearness, reverse=True)[:DEAREST]

    def _put(self, pieces: dict[str, str]) -> None:
        with self._lock:
            for name, value in pieces.items() if not self.closed else ():
                self._pieces[name].value = value

    # The export

    @guard.guarded("the panel's export")
    def _export(self, button: Any) -> None:
        """Write the file, and say where it is or why it is not."""
        told = self._pieces["told"]
        told.value = panel_pages.told("Writing …")
        try:
            page = self._exported()
        except CostMeterError as error:
            told.value = panel_pages.told(f"Not written: {error}")
            return
        except BaseException:
            told.value = panel_pages.told("Not written, by a fault of ours: %cost doctor names it.")
            raise
        told.value = panel_pages.told(page.title, *page.notes)

    def _exported(self) -> Page:
        scope, suffix, info = self._scope.value, self._format.value, self._session.info
        key = {"session": info.id, "notebook": info.notebook, "project": info.project}[scope]
        folder = Path(info.notebook).parent if info.notebook else Path.cwd()
        path = _free(folder / f"costmeter-{scope}-{Path(key or 'all').stem[:40]}.{suffix}")
        return commands.run(["export", str(path), *WORDS[scope]], of_session(self._session))


def _scope_of(selection: Selection, context: Context) -> Scope:
    """As ``%cost summary`` reads it."""
    name, key = selection.scope.capitalize(), selection.key or ""
    try:
        summary, costs = context.ledger.summary(selection), context.costing.of(context.uses(selection))
    except CostMeterError as error:
        return Scope(name, key, None, None, str(error))
    return Scope(name, key, summary, costs)


def _enter(known: list[Any], one: Any, on: bool) -> None:
    """Be in a list, once, or no longer."""
    if on and one not in known:
        known.append(one)
    if not on and one in known:
        known.remove(one)


def _number(ip: Any) -> int | None:
    """The ``In [number]`` of the cell that runs; IPython's own count may be the next one's already."""
    number: int | None = getattr(getattr(ip.displayhook, "exec_result", None), "execution_count", None)
    return number


def _free(path: Path) -> Path:
    """The path, or with a number behind it where there is such a file."""
    others = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(2))
    return next(one for one in itertools.chain([path], others) if not os.path.lexists(one))


def _parts(widget: Any) -> Iterator[Any]:
    """All models that it is made of, but itself: ipywidgets would leave them."""
    for child in getattr(widget, "children", ()):
        yield from _parts(child)
        yield child
    yield from (part for name in ("layout", "style") if (part := getattr(widget, name, None)) is not None)
