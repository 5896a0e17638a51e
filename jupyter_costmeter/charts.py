"""A budget's period as a chart: what was used so far, at which pace, and the limit. Bokeh is imported to draw one.

Bokeh draws instants in UTC, so the axis is plain seconds with ticks of our own, at local midnights or hours: they are
right on days on which clocks change, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Any

from . import periods
from .budget import BudgetEvent, Verdict
from .budget_pages import amount_said
from .uses import HOUR_S, WANTED, Use, Using
from .whereabouts import amount_of, open_records, window_of

if TYPE_CHECKING:
    from .conditions import Book
    from .ledger.store import Ledger

#: Steps of the line, and ticks of the axis, at most.
STEPS, TICKS = 150, 7
#: A window that is not longer (days) has ticks at hours; a longer one at days, from a year on with their year.
HOURLY_DAYS, YEAR_DAYS = 2.0, 366.0
#: Of more days than these their names are two letters long, so that they do not touch in the sidebar.
FEW_DAYS = 5.0
HOURS = (1, 2, 3, 4, 6, 12)
DAY_S = 86400.0
HEIGHT = 160
#: They can be seen on white and on black.
USED, LIMIT, INK = "#3b82c4", "#d9553f", "#808080"
NOTHING = "Nothing was used in this period so far."
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Course:
    """How a budget was used in its period.

    Args:
        used: its use until then, in its unit, by ascending instants (seconds since 1970); empty: nothing was used.
        start, end: what the chart shows.
    """

    used: tuple[tuple[float, float], ...]
    start: float
    end: float


def course(ledger: Ledger, verdict: Verdict, book: Book | None, session_id: str | None, now: float) -> Course:
    """The use of a verdict's period up to now (seconds since 1970); its last value is all that was spent.

    ``book`` (the conditions of now) is only of use where the budget's measure needs costs; ``session_id`` says which
    session a budget of each session is asked of.

    Raises:
        LedgerError: it cannot be read.
    """
    uses = _by_hour(ledger, verdict, session_id)
    last = verdict.end if isfinite(verdict.end) else now
    if not uses:
        return Course((), verdict.start, last)
    points = _added_up(verdict, uses, book, now)
    return Course(tuple(points), points[0][0], max(last, points[-1][0]))


def _by_hour(ledger: Ledger, verdict: Verdict, session_id: str | None) -> dict[int, list[Use]]:
    window = window_of(verdict, session_id)
    with ledger.at_once():
        sessions, _ = ledger.base(*window)
        running = open_records(ledger, window)
    for info, record in running:
        using = sessions.setdefault(info.id, (info, Using(window.start, window.end, WANTED)))[1]
        using.add(record.started_at, record.usage)
    found: dict[int, list[Use]] = {}
    for info, using in sessions.values():
        for use in using.uses(info, hourly=True):
            found.setdefault(use.hour, []).append(use)
    return found


def _added_up(verdict: Verdict, uses: dict[int, list[Use]], book: Book | None, now: float) -> Points:
    """Even within an hour, of which no more is known."""
    hours = sorted(uses)
    step = ceil((hours[-1] - hours[0] + 1) / STEPS)
    total = 0.0
    points: Points = [(verdict.start if isfinite(verdict.start) else hours[0] * HOUR_S, total)]
    for number in sorted({(hour - hours[0]) // step for hour in hours}):
        first = hours[0] + number * step
        inside = [use for hour in range(first, first + step) for use in uses.get(hour, ())]
        amount = amount_of(verdict.budget, inside, book).value or 0.0
        if amount:
            _go_on(points, first * HOUR_S, total)
            total += amount
            _go_on(points, min((first + step) * HOUR_S, now, verdict.end), total)
    _go_on(points, now if now < verdict.end else verdict.end, total)
    return points


def _go_on(points: Points, at: float, total: float) -> None:
    """Never back in time: a clock may have been put right."""
    point = (max(at, points[-1][0]), total)
    if point != points[-1]:
        points.append(point)


def why_not(verdict: Verdict, found: Course) -> str | None:
    """Why there is nothing to draw."""
    if verdict.spent.value is None:
        return f"Not known: {'; '.join(verdict.spent.reasons) or 'nothing of it was measured'}."
    return None if found.used and found.used[-1][1] > 0 else NOTHING


def limits(verdict: Verdict, events: Iterable[BudgetEvent], start: float, end: float) -> Points:
    """The limit over time: a step for each extension in the period."""
    limit = verdict.budget.limit
    points = [(start, limit)]
    for event in sorted(events, key=lambda one: one.at):
        mine = event.kind == "extended" and event.budget_id == verdict.budget.id
        if mine and verdict.start <= event.at < verdict.end:
            points += [(event.at, limit), (event.at, limit + event.amount)]
            limit += event.amount
    return [*points, (end, limit)]


def ahead(verdict: Verdict, now: float) -> Points:
    """Where the pace so far leads: to the limit, or to the period's end; empty where that says nothing."""
    burn, spent, end = verdict.burn, verdict.spent.value, verdict.end
    if burn is None or spent is None or burn.per_day <= 0 or not verdict.has_pace:
        return []
    if burn.ends_at is not None:
        return [(now, spent), (burn.ends_at, verdict.limit)] if isfinite(end) else []
    return [(now, spent), (end, spent + burn.per_day * (end - now) / DAY_S)] if now < end < inf else []


# Ticks


def ticks(start: float, end: float, zone: str) -> dict[float, str]:
    """Local hours or midnights from ``start`` to before ``end``, each with its label; some seven at most."""
    days = (end - start) / DAY_S
    if days <= HOURLY_DAYS:
        step = next((hours for hours in HOURS if days * 24 / hours <= TICKS), HOURS[-1])
        return {at: f"{periods.local(at, zone):%H:%M}" for at in _hours(start, end, zone, step)}
    days = max(1, round(days))  # of 23 to 25 hours
    return {at: _day_said(at, zone, days) for at in _midnights(start, end, zone, ceil(days / TICKS))}


def _hours(start: float, end: float, zone: str, step: int) -> Iterator[float]:
    """The whole hours of a clock that are a multiple of ``step``, in quarters so that no zone is left out."""
    at = start // 900 * 900
    while at < end:
        when = periods.local(at, zone)
        if at >= start and when.minute == 0 and when.hour % step == 0:
            yield at
        at += 900


def _midnights(start: float, end: float, zone: str, step: int) -> Iterator[float]:
    day = periods.local(start, zone).date()
    while (at := periods.instant(day, zone)) < end:
        if at >= start:
            yield at
            day += timedelta(days=step)
        else:
            day += timedelta(days=1)


def _day_said(at: float, zone: str, days: float) -> str:
    when = periods.local(at + HOUR_S, zone)
    if days <= TICKS:
        return f"{when:%a}"[: 2 if days > FEW_DAYS else 3]
    return f"{when:%b} {when.year}" if days > YEAR_DAYS else f"{when.day} {when:%b}"


# Drawing


def item(verdict: Verdict, found: Course, events: Sequence[BudgetEvent], ink: str, now: float) -> dict[str, Any]:
    """What BokehJS embeds; ``ink`` is the colour of its text, ``#rrggbb``. Bokeh is imported here: half a second."""
    from bokeh.embed import json_item
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    limit = limits(verdict, events, found.start, found.end)
    highest = max(value for _, value in (*found.used, *limit)) or 1.0
    plot = figure(
        height=HEIGHT, sizing_mode="stretch_width", toolbar_location=None, tools="", min_border=4,
        x_range=Range1d(start=found.start, end=found.end), y_range=Range1d(start=0, end=1.1 * highest),
    )  # fmt: skip
    _lines(plot, verdict, found, limit, now)
    marks = ticks(found.start, found.end, verdict.budget.period.zone)
    mark(plot.xaxis, marks)
    mark(plot.yaxis, _heights(verdict, highest))
    colour(plot, ink)
    return {**json_item(plot)}


def mark(axis: Any, marks: dict[float, str]) -> None:
    """Ticks there, and nowhere else."""
    from bokeh.models import FixedTicker

    axis.ticker, axis.major_label_overrides = FixedTicker(ticks=list(marks)), marks


def _heights(verdict: Verdict, highest: float) -> dict[float, str]:
    """Nothing, half of the limit and the limit; where it is far below what was used, that instead."""
    limit = verdict.limit
    marks = [0.0, limit / 2, limit] if limit * 2 > highest else [0.0, limit, highest] if limit else [0.0, highest]
    return {mark: amount_said(mark, verdict.budget) for mark in marks}


def _lines(plot: Any, verdict: Verdict, found: Course, limit: Points, now: float) -> None:
    from bokeh.models import ColumnDataSource, HoverTool

    budget = verdict.budget
    at, used = (list(column) for column in zip(*found.used, strict=True))
    said = {
        "when": [f"{periods.local(one, budget.period.zone):%a %d %b, %H:%M}" for one in at],
        "amount": [amount_said(one, budget) for one in used],
    }
    source = ColumnDataSource({"at": at, "used": used, **said})
    plot.varea(x="at", y1=0, y2="used", source=source, fill_color=USED, fill_alpha=0.2)
    line = plot.line(x="at", y="used", source=source, color=USED, line_width=2)
    plot.add_tools(HoverTool(renderers=[line], mode="vline", tooltips="@when: @amount"))
    for points, dash in ((limit, "solid"), (ahead(verdict, now), "dotted")):
        if points:
            x, y = (list(column) for column in zip(*points, strict=True))
            plot.line(x=x, y=y, color=LIMIT if dash == "solid" else USED, line_dash=dash, line_width=1.5)


def colour(plot: Any, ink: str) -> None:
    """On whatever colour the page has."""
    plot.background_fill_color = plot.border_fill_color = plot.outline_line_color = None
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = ink, 0.12
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = plot.axis.major_label_text_color = ink
    plot.axis.axis_line_alpha = plot.axis.major_tick_line_alpha = 0.4
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font_size = "10px"
    plot.axis.axis_label_text_color = ink
    plot.axis.axis_label_text_font_style, plot.axis.axis_label_text_font_size = "normal", "11px"


def frame(plot: Any, ink: str, name: str) -> None:
    """Around what the keyboard has come to; not seen until then."""
    from bokeh.models.annotations import BoxAnnotation

    plot.add_layout(BoxAnnotation(fill_color=None, line_color=ink, line_width=2, visible=False, name=name))
