"""What the extension costs a browser's main thread: JupyterLab with it and without it, in turn, in one run.

``python benchmarks/ui.py [--turns 5] [--quick] [--only bundle open tick panel timeline] [--before DIR] [--markdown]``

Two JupyterLabs run side by side, in one of which the extension is disabled; a page of each takes its turn, so that a
busy machine is busy for both. What is measured is Chromium's own ``TaskDuration`` in CPU time of the page's main thread
(CDP ``Performance``, ``threadTicks``): other processes are no part of it. *own* is what a sampling profiler of another
turn finds in the extension's files and in what they call; what the browser does because of them later (style, layout,
paint) is in the differences only. ``spin`` is the main thread's time for a fixed loop, for comparing machines.

The front end is built for production into a folder of its own; with ``--before``, another checkout's is a third.
``--quick`` is two turns with shorter waits: to see that all works, its figures mean little. The parts:

*bundle*: the built files, gzipped. *open*: a notebook of 500 cells, each of which ran before, with the sidebar closed
and open. *tick*: a cell that runs, by the kernel's messages, one a second. *panel*: the first drawing for a notebook
and project of 1,000 cells in the ledger, all sections open, with all that is asked of the server for it. *timeline*:
10,000 cells: the server's answer, first and again, and after one more record; the drawing; a step of the wheel.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from tabulate import tabulate
from ui_labs import ROOT, built, fill, gzipped, jupyterlab, write

from browsing import ARGS, Server, chromium_path, run_cell  # isort: skip  (ui_labs says where it is)

PARTS = ("bundle", "open", "tick", "panel", "timeline")
LONG, SESSION, MANY = 500, 1000, 10_000
LOAD = "%load_ext jupyter_costmeter"
OURS = "extensions/jupyter-costmeter/"
#: The least that a live display can do: a text of its own in a sidebar changes once a second, and nothing else does.
CLOCK = """const clock = document.createElement('div');
clock.style = 'contain: strict; width: 100px; height: 20px';
document.querySelector('.jp-PropertyInspector').append(clock);
setInterval(() => { clock.textContent = new Date().toISOString() }, 1000)"""
SPIN = "(() => { let n = 0; for (let i = 0; i < 3e7; i++) n += i % 7; return n })()"


@dataclass
class Waits:
    """Seconds that are waited for what is done in several steps."""

    open_s: float = 9.0
    calm_s: float = 6.0
    tick_s: int = 10


@dataclass
class Side:
    """A JupyterLab, with the extension (of some folder) or without it."""

    name: str
    server: Server
    metered: bool
    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, ms: float) -> None:
        self.found.setdefault(what, []).append(ms)


class MainThread:
    """The CPU time of a page's main thread."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("Performance.enable", {"timeDomain": "threadTicks"})

    def ms(self) -> float:
        found = {one["name"]: one["value"] for one in self._cdp.send("Performance.getMetrics")["metrics"]}
        return 1000.0 * float(found["TaskDuration"])

    @contextmanager
    def profiled(self) -> Iterator[list[float]]:
        """Appends the milliseconds in our files, and in what they called."""
        found: list[float] = []
        self._cdp.send("Profiler.enable")
        self._cdp.send("Profiler.setSamplingInterval", {"interval": 100})
        self._cdp.send("Profiler.start")
        before = self.ms()
        yield found
        spent, profile = self.ms() - before, self._cdp.send("Profiler.stop")["profile"]
        found.append(spent * own_share(profile))


def own_share(profile: dict[str, Any]) -> float:
    """Of a sampled profile's time in which something was done the part with one of our files on the stack.

    Its samples are of the clock, in which other processes have their part, too: only the share is taken.
    """
    nodes = {node["id"]: node for node in profile["nodes"]}
    ours: set[int] = set()
    waiting = [(profile["nodes"][0]["id"], False)]
    while waiting:
        key, inside = waiting.pop()
        inside = inside or OURS in nodes[key]["callFrame"]["url"]
        ours |= {key} if inside else set()
        waiting += [(child, inside) for child in nodes[key].get("children", [])]
    idle = {key for key, node in nodes.items() if node["callFrame"]["functionName"] == "(idle)"}
    sampled = list(zip(profile["samples"], profile["timeDeltas"], strict=True))
    busy = sum(us for key, us in sampled if key not in idle)
    return sum(us for key, us in sampled if key in ours) / busy if busy else 0.0


# A page's turn


@contextmanager
def page_of(browser: Browser, side: Side, name: str = "") -> Iterator[tuple[Page, MainThread]]:
    """A new page without anything cached, and nothing going on in it any more."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(side.server.url(f"/lab/workspaces/{random.randrange(1 << 40):x}{name and f'/tree/{name}'}"))
    page.locator(".jp-Launcher, .jp-CodeCell").first.wait_for(timeout=120_000)
    thread = MainThread(page)
    calm(page, thread)
    yield page, thread
    page.context.close()


def calm(page: Page, thread: MainThread, most_s: float = 30.0) -> None:
    """Wait until the main thread has little to do for a second and a half."""
    until, quiet, before = time.monotonic() + most_s, 0, thread.ms()
    while quiet < 3 and time.monotonic() < until:
        page.wait_for_timeout(500)
        now = thread.ms()
        quiet, before = quiet + 1 if now - before < 10 else 0, now


def sidebar(page: Page, side: Side) -> None:
    """Ours, or the one that JupyterLab has in its place."""
    page.locator(f'.jp-SideBar [data-id="{"jupyter-costmeter" if side.metered else "jp-property-inspector"}"]').click()


def go_into(page: Page, folder: str) -> None:
    page.locator(".jp-DirListing-item", has_text=folder).dblclick()
    page.locator(".jp-DirListing-item", has_text="work.ipynb").wait_for()


def opened(browser: Browser, side: Side, waits: Waits, with_sidebar: bool, own: bool = False) -> float:
    """Main-thread time from the double click on, for a while."""
    with page_of(browser, side) as (page, thread):
        if with_sidebar:
            sidebar(page, side)
        go_into(page, "long")
        calm(page, thread)
        page.locator(".jp-DirListing-item", has_text="work.ipynb").hover()
        with thread.profiled() if own else ExitStack() as found:
            before = thread.ms()
            page.locator(".jp-DirListing-item", has_text="work.ipynb").dblclick()
            page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
            page.wait_for_timeout(1000 * waits.open_s)
            spent = thread.ms() - before
        if side.metered:
            page.locator(".jp-Costmeter-below").first.wait_for(state="attached")
        return float(found[0]) if own else spent


def begin(page: Page, side: Side) -> None:
    run_cell(page, 0)
    if side.metered:
        page.locator('.jp-Costmeter [data-section="now"]').wait_for(timeout=60_000)
    page.wait_for_timeout(3000)


def ticked(browser: Browser, side: Side, waits: Waits, own: bool = False, clock: bool = False) -> float:
    """Main-thread time of each second that a cell runs, the sidebar open."""
    with page_of(browser, side, "tick/work.ipynb") as (page, thread):
        sidebar(page, side)
        begin(page, side)
        if clock:
            page.evaluate(CLOCK)
        run_cell(page, 1)
        page.wait_for_timeout(4000)
        with thread.profiled() if own else ExitStack() as found:
            before = thread.ms()
            page.wait_for_timeout(1000 * waits.tick_s)
            spent = thread.ms() - before
        return (float(found[0]) if own else spent) / waits.tick_s


def panel_drawn(page: Page, thread: MainThread, side: Side, waits: Waits, own: bool = False) -> float:
    """Main-thread time of the panel's first drawing, all that it asks for included; it is closed again."""
    calm(page, thread)
    with thread.profiled() if own else ExitStack() as found:
        before = thread.ms()
        sidebar(page, side)
        page.wait_for_timeout(1000 * waits.calm_s)
        spent = thread.ms() - before
    sidebar(page, side)
    return float(found[0]) if own else spent


# The parts


def alternately(sides: Sequence[Side], turns: int, what: str, one: Any) -> None:
    for turn in range(turns):
        for side in sides if turn % 2 == 0 else sides[::-1]:
            side.add(what, one(side))
    for side in sides:
        if side.metered:
            side.add(f"{what}: own", one(side, own=True))


def open_part(browser: Browser, sides: Sequence[Side], turns: int, waits: Waits) -> None:
    for side in sides:
        path = write(side.server, "long", *(f"x = {n}\nprint(x)" for n in range(LONG)))
        fill(side.server, path, LONG, LONG)
    for open_too in (False, True):
        what = f"{LONG} cells, sidebar {'open' if open_too else 'closed'}"
        alternately(sides, turns, what, lambda side, own=False, o=open_too: opened(browser, side, waits, o, own))


def tick_part(browser: Browser, sides: Sequence[Side], turns: int, waits: Waits) -> None:
    for side in sides:
        write(side.server, "tick", LOAD if side.metered else "1", "import time; time.sleep(60)", *["x = 1"] * 20)
    alternately(sides, turns, "a second of a running cell", lambda side, own=False: ticked(browser, side, waits, own))
    bare = next(side for side in sides if not side.metered)
    found = [ticked(browser, bare, waits, clock=True) for _ in range(turns)]
    print(f"a second of a running cell in which one text of a sidebar changes, without us: {spread(found)} ms")


def panel_part(browser: Browser, sides: Sequence[Side], turns: int, waits: Waits) -> None:
    for side in sides:
        path = write(side.server, "panel", LOAD if side.metered else "1", *(f"x = {n}" for n in range(20)))
        fill(side.server, path, SESSION, 20)

    def one(side: Side, own: bool = False) -> float:
        with page_of(browser, side, "panel/work.ipynb") as (page, thread):
            run_cell(page, 0)
            return panel_drawn(page, thread, side, waits, own)

    alternately(sides, turns, f"the panel, {SESSION} cells in the ledger", one)


def timeline_part(browser: Browser, sides: Sequence[Side], turns: int, waits: Waits) -> None:
    for side in [one for one in sides if one.metered]:
        path = write(side.server, "many", "1", "2")
        fill(side.server, path, MANY, 2)
        answers(side, path)
        for _ in range(turns):
            drawn(browser, side, waits)


def answers(side: Side, path: Path) -> None:
    """The server's time for its first answer, for the same again, and for one record more."""
    size = 0
    for what in ("first answer", "same again", "same again", "one record more"):
        if what == "one record more":
            fill(side.server, path, 1, 1, 60)
        began = time.perf_counter()
        asked = urllib.parse.urlencode({"path": "many/work.ipynb", "scope": "notebook", "token": side.server.token})
        with urllib.request.urlopen(f"{side.server.base}/jupyter_costmeter/api/timeline?{asked}") as answer:
            size = len(answer.read())
        side.add(f"{MANY} cells: {what}", 1000 * (time.perf_counter() - began))
    print(f"{side.name}: the timeline is {size / 1e6:.2f} MB of JSON", file=sys.stderr)


def drawn(browser: Browser, side: Side, waits: Waits) -> None:
    with page_of(browser, side, "many/work.ipynb") as (page, thread):
        chart = page.locator(".jp-Costmeter-timelineChart")
        for what in ("drawn, BokehJS loaded for it", "drawn again"):
            page.keyboard.press("Control+Shift+C")
            page.locator(".lm-CommandPalette-input").fill("Cost Meter: Timeline")
            entry = page.locator(".lm-CommandPalette-itemLabel", has_text="Timeline").first
            entry.wait_for()
            before = thread.ms()
            entry.click()
            chart.locator(":scope > div > *").first.wait_for(timeout=60_000)
            page.wait_for_timeout(1000 * waits.calm_s)
            side.add(f"{MANY} cells: {what}", thread.ms() - before)
            if what.startswith("drawn,"):
                wheel(page, thread, side, waits)
                page.locator('.lm-TabBar-tab[data-id="jupyter-costmeter-timeline"] .lm-TabBar-tabCloseIcon').click()


def wheel(page: Page, thread: MainThread, side: Side, waits: Waits) -> None:
    """A step of the wheel, and what is drawn anew when it has come to rest."""
    box = page.locator(".jp-Costmeter-timelineChart").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    calm(page, thread)
    before = thread.ms()
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(400)
    side.add(f"{MANY} cells: a step of the wheel", thread.ms() - before)
    page.wait_for_timeout(1000 * waits.calm_s)
    side.add(f"{MANY} cells: the same, and told anew", thread.ms() - before)


WORKS = {"open": open_part, "tick": tick_part, "panel": panel_part, "timeline": timeline_part}


# The table


def spread(found: Sequence[float]) -> str:
    if len(found) == 1:
        return f"{found[0]:.1f}"
    return f"{statistics.median(found):.1f} ({min(found):.1f} – {max(found):.1f})"


def rows(sides: Sequence[Side]) -> Iterator[list[str]]:
    """One for each measure and side with the extension."""
    (bare,) = [side for side in sides if not side.metered]
    for side in [one for one in sides if one.metered]:
        for what, found in side.found.items():
            if what.endswith(": own"):
                continue
            without, own = bare.found.get(what), side.found.get(f"{what}: own")
            middle = statistics.median(found)
            more = f"{middle - statistics.median(without):+.1f}" if without else ""
            ratio = f"{middle / statistics.median(without):.2f}" if without else ""
            yield [
                f"{what}, {side.name}",
                spread(without) if without else "",
                spread(found),
                f"{more} ms" if more else "",
                ratio,
                f"{own[0]:.1f}" if own else "",
            ]


def spin(browser: Browser) -> float:
    page = browser.new_page()
    thread = MainThread(page)
    before = thread.ms()
    page.evaluate(SPIN)
    found = thread.ms() - before
    page.close()
    return found


def measured(asked: argparse.Namespace, folder: Path) -> None:
    extensions = {"now": built(ROOT, folder / "now-build")}
    if asked.before is not None:
        extensions["before"] = built(asked.before.resolve(), folder / "before-build")
    if "bundle" in asked.only:
        for name, path in extensions.items():
            print(f"bundle, {name}: {gzipped(path) / 1000:.1f} kB gzipped")
    waits = Waits(7.0, 3.0, 5) if asked.quick else Waits()
    with ExitStack() as stack:
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium_path(), args=ARGS)
        sides = [Side("without", stack.enter_context(jupyterlab(folder / "without", None)), False)]
        for name, path in extensions.items():
            sides.append(Side(name, stack.enter_context(jupyterlab(folder / name, path)), True))
        loops = [spin(browser)]
        for part, work in WORKS.items():
            if part in asked.only:
                work(browser, sides, 2 if asked.quick else asked.turns, waits)
        loops.append(spin(browser))
        browser.close()
    columns = ["ms", "without", "with", "more", "ratio", "own"]
    print(tabulate(list(rows(sides)), columns, "github" if asked.markdown else "simple"))
    print(f"spin: {spread(loops)} ms")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--turns", type=int, default=5)
    words.add_argument("--quick", action="store_true", help="two turns and short waits, to see that all works")
    words.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    words.add_argument("--before", type=Path, help="a checkout with an earlier labextension, to compare with")
    words.add_argument("--markdown", action="store_true")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="ui-") as name:
        measured(asked, Path(name))


if __name__ == "__main__":
    main()
