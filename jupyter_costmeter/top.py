"""What ``jupyter costmeter top`` shows: a line for each running cell and each kernel that rests, and the day's sum."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TextIO

from . import accounting, breakdown, layout, money, pages, planning, screen
from .budget import Verdict
from .budget_pages import share_said, spent_said, title
from .context import Context, title_of
from .format import MARK, about, percent, quantity, total_text
from .ledger import Selection
from .pages import Page, Table
from .record import CellRecord, Summary
from .running import Kernels, Now, Resting, Running

RUNNING = ("notebook", "cell", "time", "energy", "power", "GPU", "CO2e", "money", "budget", "%")
ALWAYS = RUNNING[:5]
RESTING = ("notebook", "last cell", "rests for", "GPU", "session's energy")
#: Whose values do not say themselves what they are.
NAMED = ("rests for", "session's energy")
#: In a terminal of fewer columns a table that would have to be several is set as lines instead.
NARROW = 60
#: A day's amounts, each after its name.
DAY = {"kwh": "electricity", "gpu_hours": "GPU held", "kgco2e": "emissions", "amount": "money"}
#: Figures older than so many of the ticks that kernels are set to, but than so many seconds at least, are called old.
OLD_TICKS, OLD_S = 3.0, 3.0
HELD = "~held"
HELD_NOTE = "~held: its last cell held a GPU; whether the kernel still does is not known until its next cell."


class Lines(Table):
    """A table that in a narrow terminal is some lines for each row, so that what belongs together stands together."""

    def text(self, width: int | None = None) -> str:
        """The table, or ``train.ipynb: epoch 1`` and below it the rest."""
        if width is None or width >= NARROW or layout.parts_of(self.columns, self.rows, width) == 1:
            return super().text(width)
        return "\n".join(line for row in self.rows for line in self._lines(row, width))

    def _lines(self, row: Sequence[str], width: int) -> Iterator[str]:
        """A budget's share stands alone, as in a table, and may have its colour."""
        values = dict(zip(self.columns, row, strict=True))
        budget, share = values.pop("budget", ""), values.pop("%", "")
        name, cell, *rest = values.items()
        yield from layout.wrapped(f"{name[1]}: {cell[1]}", width)
        said = [f"{key} {value}" if key in NAMED else value for key, value in rest if value]
        yield from layout.wrapped(", ".join(said), width, "  ")
        if budget:
            yield f"  {layout.clipped(budget, width - len(share) - 4)}  {share}"


class Top:
    """Looks at the kernels again and again."""

    def __init__(self, context: Context, selection: Selection, tick_s: float = 1.0) -> None:
        from .ledger.store import Ledger

        assert isinstance(context.ledger, Ledger)  # a shell's is
        self._kernels = Kernels(context.ledger, selection, context.plans, context.costing)
        self._of = "" if selection.scope == "all" else f"{title_of(selection)}: "
        self._old_s = max(OLD_S, OLD_TICKS * tick_s)

    def page(self) -> Page:
        """What runs now."""
        found = page(self._kernels.now(), time.time(), self._old_s)
        return replace(found, title=f"{self._of}{found.title}")

    def frame(self, out: TextIO) -> tuple[Sequence[str], screen.Tones]:
        """The same as a terminal's lines."""
        columns, _ = screen.size(out)
        found = self.page().spelled(out.encoding)
        named = replace(found, title=f"{time.strftime('%H:%M:%S')}  {found.title}", notes=[*found.notes, "q ends."])
        return named.text(columns).split("\n"), named.tones

    def close(self) -> None:
        """Let go of the ledger."""
        self._kernels.close()


def page(now: Now, at: float, old_s: float = OLD_S) -> Page:
    """What there is at an instant (seconds since 1970)."""
    there = [*(one.info for one in now.running), *(one.info for one in now.resting)]
    names = pages.notebook_names(info.notebook for info in there)
    tables = [_running(now.running, names, at, old_s), _resting(now.resting, names, at)]
    return Page(_title(now), [table for table in tables if table.rows], list(_notes(now, at, old_s)))


def _title(now: Now) -> str:
    runs, rests = len(now.running), len(now.resting)
    if not runs and not rests:
        return "No metered kernel is running."
    cells = f"{pages.counted(runs)} run{'s' if runs == 1 else ''}" if runs else "No cell runs"
    return f"{cells}, {pages.counted(rests, 'kernel')} rest{'s' if rests == 1 else ''}" if rests else cells


def _running(found: Sequence[Running], names: dict[str, str], at: float, old_s: float) -> Table:
    """Columns that would say nothing are left out."""
    lines = [_line(one, names, at, old_s) for one in found]
    says = [any(line[i] not in ("", "—") for line in lines) for i in range(len(RUNNING))]
    kept = [i for i, name in enumerate(RUNNING) if says[i] or name in ALWAYS]
    right = frozenset({"time", "energy", "power", "CO2e", "money", "%"})
    rows = [[line[i] for i in kept] for line in lines]
    return Lines([RUNNING[i] for i in kept], rows, right, planning.tones([one.verdict for one in found if one.verdict]))


def _line(one: Running, names: dict[str, str], at: float, old_s: float) -> list[str]:
    usage = one.record.usage
    energy = [total_text(total) for total in accounting.cell_totals(usage, ("energy_j",))]
    power, emitted = accounting.mean_power(usage), one.costs.footprint.total("emissions_g")
    bills = [money.text(replace(bill, half_width=None)) for bill in one.costs.bills]
    return [
        _notebook(one.info.notebook, one.info.pid, names),
        _called(one.record),
        f"{quantity(usage.wall_s, 's')}{_age(one, at, old_s)}",
        *(energy or ["—"]),
        total_text(power) if power else "—",
        _gpu(one.record),
        total_text(emitted) if emitted else "—",
        ", ".join(bills),
        title(one.verdict.budget) if one.verdict else "",
        share_said(one.verdict) if one.verdict else "",
    ]


def _notebook(path: str | None, pid: int, names: dict[str, str]) -> str:
    return names.get(path or "", f"process {pid}")


def _called(record: CellRecord) -> str:
    """A cell has no number before it has ended; Jupyter shows a star until then."""
    counted = record.label is not None or record.execution_count is not None
    return pages.called(record) if counted or record.code_hash is None else "In [*]"


def _age(one: Running, at: float, old_s: float) -> str:
    """How old the figures are, where that is more than it should be."""
    age = at - one.read_at
    return f", {about(age)} ago" if age > old_s else ""


def _gpu(record: CellRecord) -> str:
    """``~83 % busy``; ``held``, where a GPU is and how busy it was is not known; nothing where none is."""
    totals = accounting.cell_totals(record.usage)
    found = breakdown.utilisation(Summary(1, 0, 1, record.wall_s, totals))
    if found is None:
        lost = any(total.name == "gpu_reserved_s" and total.missing for total in totals)
        return "—" if lost else ""
    if found.share is None:
        return "held"
    return f"{found.bound}{' ' if found.bound else ''}{MARK[found.method]}{percent(found.share)} busy"


def _resting(found: Sequence[Resting], names: dict[str, str], at: float) -> Table:
    rows = []
    for one in sorted(found, key=lambda one: one.since, reverse=True):
        energy = one.summary.total("energy_j")
        held = HELD if breakdown.utilisation(_of(one.last)) is not None else ""
        rows.append([_notebook(one.info.notebook, one.info.pid, names), pages.called(one.last), about(at - one.since),
                     held, total_text(energy) if energy else "—"])  # fmt: skip
    return Lines(RESTING, rows, frozenset(RESTING[2:3] + RESTING[4:]))


def _of(record: CellRecord) -> Summary:
    return Summary(1, 0, 1, record.wall_s, accounting.cell_totals(record.usage))


def _notes(now: Now, at: float, old_s: float) -> Iterator[str]:
    if any(one.read_at < at - old_s for one in now.running):
        yield (
            "Figures of some time ago: the kernel has not looked at them since; its cell is busy in code that lets no"
            " other thread run, or its process was stopped."
        )
    if any(breakdown.utilisation(_of(one.last)) is not None for one in now.resting):
        yield HELD_NOTE
    for one in now.doubtful:
        yield (
            f"{one.info.host} ran {_called(one.record)} {about(at - one.read_at)} ago; whether it still does"
            " cannot be seen from this machine."
        )
    yield f"Today: {_day(now.today)}."


def _day(found: Sequence[Verdict]) -> str:
    """What the day has cost, as far as it is something."""
    said = [f"{DAY[one.budget.measure]} {spent_said(one)}" for one in found if one.spent.value != 0.0]
    return ", ".join(said) or "nothing yet"
