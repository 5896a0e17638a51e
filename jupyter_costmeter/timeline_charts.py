"""The timeline as Bokeh draws it: power by device, the cells and what lies between them as bands, energy spent so far.

What it shows is made as plain columns first, which tests look at; Bokeh is imported to draw them. Bokeh draws instants
in UTC, so they are moved by the offset that this machine's clock has at the chart's end, which the axis says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from . import pages, scales
from .charts import colour, frame, mark
from .format import MARK, quantity, total_text
from .periods import local
from .record import Bucket, Total
from .statement_charts import SHADES, untex
from .timeline import CPU, MEMORY, Band, Line, Timeline
from .timeline_fewer import Looked

HEIGHT, LIVE, LANE, BELOW, AXIS, WIDTH = 260, 220, 20, 110, 58, 900
NAN, SHORTEST_S = float("nan"), 0.1  # what is drawn at least: ticks of microseconds say nothing
#: They can be seen on white and on black; what lies between cells has its own lane, too.
RAN, FAILED, RUNNING = "#3b82c4", "#d9553f", "#4f9d55"
LANES: dict[Bucket, str] = {
    "cell": "cells",
    "held_idle": "held idle",
    "background": "background",
    "remote": "elsewhere",
}
FILLS: dict[Bucket, str] = {"cell": RAN, "held_idle": "#c4973b", "background": "#8a8a8a", "remote": "#3b8ac4"}
ENDED = {"ok": "ended well", "error": "error", "interrupted": "interrupted", "killed": "killed"}
#: Points of the energy's line at most, characters of a device's name, and how wide one is drawn at most (pixels).
POINTS, LEGEND, LETTER = 1000, 34, 6
#: Of so many bands each has an edge.
EDGES = 200
Columns = dict[str, list[Any]]
#: What was told of a band (the object with that id, which is kept, so that no other has it): it is the same again.
Told = dict[int, tuple[Band, tuple[str, ...]]]
NUMBERS = frozenset({"start", "end", "at", "watts", "kwh"})
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limit:
    """An energy budget over the same time.

    Args:
        title: how it is called.
        spent: of it until now, ``limit`` of all of it, in kWh.
        start: of its period (seconds since 1970).
        factor: how much of it each kWh of the machines takes, with their PUE.
    """

    title: str
    spent: float
    limit: float
    start: float
    factor: float


def offset_s(at: float) -> float:
    """How far this machine's clock is ahead of UTC."""
    return float(time.localtime(at).tm_gmtoff)


def called(device: str, names: Names) -> str:
    """A device as the legend has it: the model, with the id where several are of one."""
    model = names.get(device)
    if device in (CPU, MEMORY) or model is None:
        return device if device in (CPU, MEMORY) else pages.short(device)
    several = list(names.values()).count(model) > 1
    return f"{model} ({pages.short(device)})" if several else model


# What it shows


def power(line: Line, shift: float) -> Columns:
    """A device's line: flat over each step, broken where nothing was measured or metered; ``at`` in milliseconds."""
    at, watts = list[float](), list[float]()
    end = -inf
    for step in line.steps:
        if step.watts is None:
            continue
        if step.start > end and at:
            at.append(_ms(end, shift))
            watts.append(NAN)
        at += [_ms(step.start, shift), _ms(step.end, shift)]
        watts += [step.watts, step.watts]
        end = step.end
    return {"at": at, "watts": watts}


def unmeasured(line: Line, shift: float) -> Columns:
    """Where a device's power is not known, or only a part of it."""
    lacking = [step for step in line.steps if step.reason is not None]
    return {
        "start": [_ms(step.start, shift) for step in lacking],
        "end": [_ms(step.end, shift) for step in lacking],
        "why": [f"{'a part was ' if step.joules is not None else ''}not measured: {step.reason}" for step in lacking],
    }


def bands(found: Sequence[Band], names: Names, shift: float, known: Told | None = None) -> Columns:
    """What is told of each; ``cell_id`` and ``notebook`` say where a click leads."""
    before, now = ({} if known is None else known), Told()
    for band in found:
        now[id(band)] = before.get(id(band)) or (band, _told(band, names))
    told = [now[id(band)][1] for band in found]
    before.update(now)
    texts = {name: list(column) for name, column in zip(TOLD, zip(*told, strict=True), strict=True)} if told else {}
    ends = ("start", "end")
    return {**{end: [_ms(getattr(band, end), shift) for band in found] for end in ends}, **texts}


#: What is told of a band in words, in this order.
TOLD = ("shade", "name", "outcome", "when", "took", "energy", "power", "devices", "cell_id", "notebook")


def _told(band: Band, names: Names) -> tuple[str, ...]:
    energy, which = band.energy, band.dearest
    return (
        shade(band), named(band), outcome(band), _when(band), quantity(band.wall_s, "s"), _known(energy),
        watts(energy, band.wall_s), _devices(band, names), which.cell_id or "", which.notebook or "",
    )  # fmt: skip


def shade(band: Band) -> str:
    """By what it is and how it ended."""
    if band.bucket != "cell":
        return FILLS[band.bucket]
    return RUNNING if band.running else FAILED if band.failed else RAN


def named(band: Band) -> str:
    """``In [4]``, ``37 runs, the dearest In [4]``, ``held idle, after run 4``."""
    name = untex(called_run(band))
    what = "runs" if band.bucket == "cell" else "stretches"
    return name if band.runs == 1 else f"{band.runs} {what}, the dearest {name}"


def called_run(band: Band) -> str:
    """The dearest of them by its label or number; one that runs has none yet."""
    record = band.dearest
    unnamed = record.label is None and record.execution_count is None and record.cell_id is not None
    return "the running cell" if band.running and unnamed else pages.called(record)


def outcome(band: Band) -> str:
    """How it ended, of several how many did not end well."""
    if band.bucket != "cell":
        return "no cell ran"
    if band.runs > 1:
        told = [(band.failed, "did not end well"), (band.running, "running")]
        return ", ".join(f"{many} {what}" for many, what in told if many) or "all ended well"
    return "running" if band.running else ENDED[band.dearest.outcome]


def _when(band: Band) -> str:
    first, last = (local(at, "") for at in (band.start, band.end))
    return f"{first:%d %b %H:%M:%S} – {last:%H:%M:%S}"


def _known(total: Total | None) -> str:
    """``~3.42 kJ ±5.0 %, modelled``; where it is not known, why."""
    if total is None:
        return "— (nothing here says it)"
    if total.value is None:
        return f"— ({'; '.join(total.reasons) or 'not measured'})"
    why = f"; a part was not measured: {'; '.join(total.reasons)}" if total.missing and total.reasons else ""
    return f"{total_text(total, with_uncertainty=True)}, {total.method}{why}"


def watts(total: Total | None, seconds: float) -> str:
    """The mean power, with the marks of how the energy is known."""
    if total is None or total.value is None or seconds <= 0:
        return "—"
    return f"{'≥ ' if total.missing else ''}{MARK[total.method]}{quantity(total.value / seconds, 'W')}"


def _devices(band: Band, names: Names) -> str:
    told = (f"{untex(called(device, names))} {watts(one, band.wall_s)}" for device, one in band.by_device.items())
    return ", ".join(told) or "—"


def energy(found: Timeline, limit: Limit, shift: float) -> Columns:
    """What was spent of a budget over the chart's time, ending with all that is spent of it by now (kWh)."""
    points = list(_added_up(found, limit.start))
    whole = points[-1][1] * limit.factor if points else 0.0
    before, factor = max(0.0, limit.spent - whole), limit.factor * min(1.0, limit.spent / whole if whole else 1.0)
    step = max(1, len(points) // POINTS)
    kept = [*points[:-1:step], *points[-1:]]
    return {"at": [_ms(at, shift) for at, _ in kept], "kwh": [before + kwh * factor for _, kwh in kept]}


def _added_up(found: Timeline, since: float) -> Iterator[tuple[float, float]]:
    """The energy of the machines from then on, in kWh."""
    edges: dict[float, float] = {}
    for line in found.lines:
        for step in line.steps:
            start = max(step.start, since)
            if step.watts is not None and start < step.end:
                edges[start] = edges.get(start, 0.0) + step.watts
                edges[step.end] = edges.get(step.end, 0.0) - step.watts
    at, power_w, joules = found.start, 0.0, 0.0
    for edge in sorted(edges):
        joules += power_w * (edge - at)
        at, power_w = edge, power_w + edges[edge]
        yield edge, joules / 3.6e6


def _ms(at: float, shift: float) -> float:
    """To a tenth of a millisecond: shorter to send."""
    return round((at + shift) * 1000.0, 1)


# Drawing


def item(
    found: Timeline, names: Names, ink: str, limit: Limit | None = None, looked: Looked | None = None,
    live: bool = False, told: Told | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What BokehJS embeds; Bokeh is imported here: half a second.

    Args:
        found: something.
        names: the devices' models.
        ink: the colour of its text.
        limit: the energy budget that is drawn below it.
        looked: the stretch that is shown first; the rest can be moved to.
        live: in a view of its own, where the mouse's wheel zooms.
        told: what an earlier drawing told of the same devices, and what this one tells.
    """
    from bokeh.embed import json_item
    from bokeh.layouts import column

    shift = offset_s(found.end)
    plots = [_power(found, names, shift, live, told)]
    x_range = plots[0].x_range = _range(found, shift, looked)
    plots.append(_lanes(found, plots[0], x_range))
    if limit is not None:
        plots.append(_energy(found, limit, shift, x_range))
    for name, plot in zip(("power", "lanes", "energy"), plots, strict=False):
        _finish(plot, ink, live, name)
    plots[-1].height += AXIS
    plots[-1].xaxis.formatter = _clock()
    plots[-1].xaxis.ticker.name = "time-ticks"
    plots[-1].xaxis.axis_label = f"time (UTC{time.strftime('%z', time.localtime(found.end))})"
    for plot in plots[:-1]:
        plot.xaxis.visible = False
    return {**json_item(column(*plots, sizing_mode="stretch_width", max_width=None if live else WIDTH))}


def _compact(columns: Columns) -> dict[str, Any]:
    """Numbers as arrays, which Bokeh sends as bytes: of ten thousand it would look at each. It has loaded numpy."""
    import numpy as np

    return {name: np.array(column) if name in NUMBERS else column for name, column in columns.items()}


def _range(found: Timeline, shift: float, looked: Looked | None) -> Any:
    from bokeh.models import Range1d

    whole = (_ms(found.start, shift), _ms(max(found.end, found.start + SHORTEST_S), shift))
    start, end = (_ms(looked.start, shift), _ms(looked.end, shift)) if looked else whole
    return Range1d(
        start=start, end=end, reset_start=whole[0], reset_end=whole[1], bounds=whole, min_interval=10.0, name="time"
    )  # fmt: skip


def _clock() -> Any:
    """Times, with the day below the first of it."""
    from bokeh.models import DatetimeTickFormatter

    day = "%d %b"
    context = DatetimeTickFormatter(
        milliseconds=f"{day} %H:%M", seconds=f"{day} %H:%M", minsec=day, minutes=day, hourmin=day, hours=day, days="%Y",
        months="%Y", years="",
    )  # fmt: skip
    return DatetimeTickFormatter(
        milliseconds="%S.%3Ns", seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M",
        days=day, context=context, context_which="start", hide_repeats=True,
    )  # fmt: skip


def _figure(height: int, tools: Sequence[Any], **more: Any) -> Any:
    from bokeh.plotting import figure

    return figure(
        height=height, sizing_mode="stretch_width", toolbar_location=None, tools=list(tools), x_axis_type="datetime",
        min_border=4, min_border_left=64, **more,
    )  # fmt: skip


def _power(found: Timeline, names: Names, shift: float, live: bool, told: Told | None) -> Any:
    from bokeh.models import ColumnDataSource, Range1d

    highest = max((step.watts or 0.0 for line in found.lines for step in line.steps), default=0.0) or 1.0
    scale = scales.even(highest, "W")
    y_range = Range1d(start=0.0, end=1.08 * highest)
    plot = _figure(LIVE if live else HEIGHT, (), y_range=y_range, y_axis_label=f"mean power ({scale.unit})")
    plot.toolbar_location = "above"
    for bucket, some in found.bands.items():
        source = ColumnDataSource(_compact(bands(some, names, shift, told)), name=f"{bucket}-bands")
        drawn = plot.quad("start", "end", 1.08 * highest, 0.0, source=source, fill_color="shade", line_color="shade",
                          fill_alpha=0.16 if bucket == "cell" else 0.06, name=bucket,
                          line_alpha=0.3 if bucket == "cell" and len(some) <= EDGES else 0.0)  # fmt: skip
        drawn.nonselection_glyph = drawn.selection_glyph = None
    for at, line in enumerate(found.lines):
        _line(plot, line, untex(_legend(called(line.device, names), line.energy)), SHADES[at % len(SHADES)], shift)
    _tools(plot, live)
    mark(plot.yaxis, scales.even_ticks(highest, scale))
    return plot


def _legend(name: str, total: Total) -> str:
    short = name if len(name) <= LEGEND else f"{name[: LEGEND - 1]}…"
    return f"{short}, {total.method or 'not measured'}"


def _line(plot: Any, line: Line, legend: str, shade: str, shift: float) -> None:
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource(_compact(power(line, shift)))
    plot.line("at", "watts", source=source, color=shade, line_width=1.8, legend_label=legend)
    lacking = unmeasured(line, shift)
    if lacking["start"]:
        plot.quad("start", "end", 0.0, 0.0, source=ColumnDataSource(_compact(lacking)), line_color=shade, line_width=3,
                  line_dash="dotted")  # fmt: skip


#: What is told of a band; values are escaped by Bokeh.
TIP = """<div style="max-width:270px;white-space:normal"><b>@name</b> (@outcome)<br>mean power @power<br>
energy @energy<br>time @took<br>@devices<br><small>@when</small></div>"""


def _tools(plot: Any, live: bool) -> None:
    from bokeh.models import BoxZoomTool, HoverTool, PanTool, ResetTool, TapTool, WheelZoomTool

    drawn = [one for one in plot.renderers if one.name in LANES]
    wheel, pan = WheelZoomTool(dimensions="width"), PanTool(dimensions="width")
    plot.add_tools(pan, BoxZoomTool(dimensions="width"), wheel, ResetTool(), HoverTool(renderers=drawn, tooltips=TIP))
    plot.add_tools(TapTool(renderers=[one for one in drawn if one.name == "cell"]))
    plot.toolbar.logo = None
    plot.toolbar.active_drag = pan
    plot.toolbar.active_scroll = wheel if live else None


def _lanes(found: Timeline, above: Any, x_range: Any) -> Any:
    """The same bands one above the other, so that they are told apart by more than a colour."""
    from bokeh.models import HoverTool, TapTool

    names = [LANES[bucket] for bucket in found.bands][::-1]
    plot = _figure(LANE * len(names) + 8, (), x_range=x_range, y_range=names)
    plot.ygrid.grid_line_color = None
    for one in [one for one in above.renderers if one.name in LANES]:
        at = names.index(LANES[one.name])
        drawn = plot.quad("start", "end", at + 0.9, at + 0.1, source=one.data_source, fill_color="shade",
                          line_color="shade", fill_alpha=0.75, hatch_color="#ffffff", hatch_alpha=0.5,
                          hatch_pattern="/" if one.name == "held_idle" else None, name=one.name)  # fmt: skip
        drawn.nonselection_glyph = drawn.selection_glyph = None
    plot.add_tools(HoverTool(tooltips=TIP), TapTool(renderers=[one for one in plot.renderers if one.name == "cell"]))
    return plot


def _energy(found: Timeline, limit: Limit, shift: float, x_range: Any) -> Any:
    from bokeh.models import ColumnDataSource, Range1d

    columns = energy(found, limit, shift)
    highest = max([limit.limit, *columns["kwh"]])
    scale = scales.even(highest, "kWh")
    plot = _figure(BELOW, (), x_range=x_range, y_range=Range1d(start=0.0, end=1.1 * highest), y_axis_label=scale.unit)
    source = ColumnDataSource(_compact(columns))
    plot.varea("at", 0, "kwh", source=source, fill_color=RAN, fill_alpha=0.2)
    plot.line("at", "kwh", source=source, color=RAN, line_width=2, legend_label=untex(f"spent of {limit.title}"))
    plot.hspan(y=[limit.limit], line_color=FAILED, line_width=1.5)
    mark(plot.yaxis, scales.even_ticks(highest, scale))
    return plot


def _finish(plot: Any, ink: str, live: bool, name: str) -> None:
    """In the page's own colours; a legend says below which width it would be cut off."""
    colour(plot, ink)
    if live:
        frame(plot, ink, f"{name}-mark")
    for legend in plot.legend:
        legend.label_text_color, legend.label_text_font_size = ink, "11px"
        legend.background_fill_color = legend.border_line_color = None
        legend.padding, legend.margin, legend.label_height, legend.glyph_height = 2, 0, 14, 14
        legend.click_policy, legend.ncols = "hide", 1 if len(legend.items) <= (1 if live else 4) else 2
        legend.spacing = 1 if legend.ncols == 1 else 10  # beside each other they must not touch
        longest = max(len(item.label.value) for item in legend.items)
        legend.name, legend.tags = f"{name}-legend", [legend.ncols * (longest * LETTER + 30) + 70]
        plot.add_layout(legend, "above")
