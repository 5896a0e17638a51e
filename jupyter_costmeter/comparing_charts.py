"""A comparison's charts: all runs by score and compute, and the best that n runs are expected to have. By Bokeh.

What they show is made as plain columns first, which tests look at; Bokeh is imported to draw them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from . import scales
from .charts import colour, mark
from .comparing import MEASURES, Comparison, Measure, Scored, Side
from .format import MARK, gpu_times, plain, quantity
from .record import Total
from .scales import Scale
from .uses import HOUR_S

#: They can be seen on white and on black. ``INK`` stands for the colour of the page's text, which is known there.
OURS, BASELINE, OTHERS, INK = "#3b82c4", "#d9553f", "#8a8a8a", "#010203"
HEIGHT, WIDTH = 300, 820
#: Characters of a name in a legend.
LEGEND = 28
AXES: dict[Measure, str] = {
    "gpu_hours": "GPU time, reserved",
    "cpu_hours": "CPU time",
    "kwh": "energy of the machines, without PUE",
    "flops": "FLOPs, counted",
}
#: How a measure is called; an amount has its unit with it.
TITLES: dict[Measure, str] = {
    "gpu_hours": "GPU time",
    "cpu_hours": "CPU time",
    "kwh": "energy without PUE",
    "flops": "FLOPs",
}
UNITS: dict[Measure, str] = {"gpu_hours": "GPU-h", "cpu_hours": "CPU-h", "kwh": "kWh", "flops": "FLOP"}
#: By which Bokeh takes a text for TeX, and would fetch what sets it.
TEX = ("$$", r"\(", r"\[")
TABS = (
    ":host{color:inherit} .bk-tab{color:inherit;opacity:.7} .bk-tab.bk-active{color:inherit;background:none;opacity:1}"
)
Columns = dict[str, list[Any]]


def said(value: float, measure: Measure) -> str:
    """``1.20 GPU-h``, ``3.1 CPU-min``, ``340 Wh``, ``2.1 PFLOP``."""
    if measure in ("gpu_hours", "cpu_hours"):
        time = gpu_times(value * HOUR_S, None)[0] if value else "0 GPU-h"
        return time if measure == "gpu_hours" else time.replace("GPU", "CPU")
    return quantity(value * 1000.0, "Wh") if measure == "kwh" else quantity(value, "FLOP")


def total_said(total: Total, measure: Measure) -> str:
    """With the marks of how it is known; ``—`` where it is not."""
    if total.value is None:
        return "—"
    return f"{'≥ ' if total.missing else ''}{MARK[total.method]}{said(total.value, measure)}"


def shown(comparison: Comparison) -> tuple[Measure, ...]:
    """The measures that are known of any run of both methods."""
    names = {comparison.ours.method, comparison.baseline.method}
    held = [m for m in MEASURES if m != "cpu_hours" or m in comparison.taken()]
    return tuple(m for m in held if {one.trial.method for one in comparison.on_axis(m)} >= names)


# What the charts show


def points(comparison: Comparison, measure: Measure, group: Iterable[Scored]) -> Columns:
    """Some runs; ``compute`` in the measure's unit, ``amount`` as it is said."""
    found = [one for one in group if (one.compute(measure).value or 0.0) > 0]
    return {
        "compute": [one.compute(measure).value for one in found],
        "score": [one.score for one in found],
        "run": [one.name for one in found],
        "method": [one.trial.method or "no method" for one in found],
        "amount": [total_said(one.compute(measure), measure) for one in found],
    }


def curve(side: Side, measure: Measure | None) -> Columns:
    """The expected best by ``compute`` (by the number of runs without a measure); empty where there is none to draw."""
    per_run = 1.0 if measure is None else side.curve.per_run[measure].value if side.curve else None
    if side.curve is None or not per_run:
        return {}
    steps = side.curve.steps
    return {
        "compute": [step.runs * per_run for step in steps],
        "expected": [step.expected for step in steps],
        "low": [step.low for step in steps],
        "high": [step.high for step in steps],
        "runs": [step.runs for step in steps],
        "spread": [f"{plain(step.expected, 4)}, sd {plain(step.sd, 2)}" for step in steps],
        "amount": [_amount(step.runs * per_run, measure) for step in steps],
    }


def _amount(value: float, measure: Measure | None) -> str:
    return f"{value:g} runs" if measure is None else said(value, measure)


def _axis(scale: Scale | None, measure: Measure | None) -> str:
    return "runs" if measure is None or scale is None else f"{AXES[measure]} ({scale.unit})"


# Drawing


def item(comparison: Comparison) -> dict[str, Any] | None:
    """What BokehJS embeds: a tab for each measure; ``None`` where there is nothing to draw. Bokeh is imported here."""
    from bokeh.embed import json_item

    measures = shown(comparison)
    drawn = [(TITLES[measure], _charts(comparison, measure)) for measure in measures]
    if not measures and (alone := _curves(comparison, None)) is not None:
        drawn = [("runs", [alone])]
    return {**json_item(_tabs(drawn))} if drawn else None


def _tabs(drawn: Sequence[tuple[str, Sequence[Any]]]) -> Any:
    from bokeh.layouts import column
    from bokeh.models import InlineStyleSheet, TabPanel, Tabs

    panels = [TabPanel(title=title, child=column(*plots, sizing_mode="stretch_width")) for title, plots in drawn]
    style = InlineStyleSheet(css=TABS)
    return Tabs(tabs=panels, sizing_mode="stretch_width", max_width=WIDTH, stylesheets=[style])


def _charts(comparison: Comparison, measure: Measure) -> list[Any]:
    curves = _curves(comparison, measure)
    return [_pareto(comparison, measure), *([] if curves is None else [curves])]


def _pareto(comparison: Comparison, measure: Measure) -> Any:
    from bokeh.models import ColumnDataSource, HoverTool

    values = [one.compute(measure).value or 0.0 for one in comparison.on_axis(measure)]
    scale = scales.wide(values, UNITS[measure])
    x, y = _axis(scale, measure), _score(comparison)
    plot = _figure(f"All scored runs: {comparison.metric} by compute", x, y, "log")
    best = points(comparison, measure, comparison.front(measure))
    plot.step(x=best["compute"], y=best["score"], mode="after", color=INK, line_alpha=0.6, line_dash="dashed",
              legend_label="Pareto front")  # fmt: skip
    drawn = []
    for name, group, shade, marker in _groups(comparison):
        columns = points(comparison, measure, group)
        source = ColumnDataSource(columns)
        if columns["compute"]:
            drawn.append(plot.scatter(x="compute", y="score", source=source, size=9, marker=marker, color=shade,
                                      fill_alpha=0.6, legend_label=_legend(name)))  # fmt: skip
    _ring(plot, comparison, measure)
    tips = [
        ("method", "@method"),
        ("run", "@run"),
        (_untex(comparison.metric), "@score{0[.]0000}"),
        ("took", "@amount"),
    ]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    mark(plot.xaxis, scales.wide_ticks(values, scale))
    return _finished(plot)


def _groups(comparison: Comparison) -> list[tuple[str, list[Scored], str, str]]:
    """The other methods below, ours on top."""
    ours, baseline = comparison.ours, comparison.baseline
    others = [one for one in comparison.everyone if one.trial.method not in (ours.method, baseline.method)]
    return [
        ("other methods", others, OTHERS, "diamond"),
        (baseline.method, list(baseline.scored), BASELINE, "square"),
        (ours.method, list(ours.scored), OURS, "circle"),
    ]


def _ring(plot: Any, comparison: Comparison, measure: Measure) -> None:
    columns = points(comparison, measure, [comparison.ours.final, comparison.baseline.final])
    plot.scatter(x=columns["compute"], y=columns["score"], size=16, marker="circle", line_color=INK, fill_color=None,
                 legend_label="final run")  # fmt: skip


def _curves(comparison: Comparison, measure: Measure | None) -> Any | None:
    from bokeh.models import ColumnDataSource, HoverTool

    sides = [(comparison.baseline, BASELINE), (comparison.ours, OURS)]
    found = [(side, shade, columns) for side, shade in sides if (columns := curve(side, measure))]
    if not found:
        return None
    name = f"Expected best {comparison.metric} of n runs ± sd, at n times their mean compute"
    most = max(columns["compute"][-1] for _, _, columns in found)
    scale = None if measure is None else scales.even(most, UNITS[measure])
    plot = _figure(name, _axis(scale, measure), _score(comparison), "linear")
    drawn = []
    for side, shade, columns in found:
        source = ColumnDataSource(columns)
        plot.varea(x="compute", y1="low", y2="high", source=source, fill_color=shade, fill_alpha=0.15)
        valid = side.curve is not None and side.curve.search.valid
        legend = _legend(side.method, "" if valid else " (not known to be random)")
        plot.line(x="compute", y="expected", source=source, color=shade, line_width=2, legend_label=legend,
                  line_dash="solid" if valid else "dashed")  # fmt: skip
        drawn.append(plot.scatter(x="compute", y="expected", source=source, size=5, color=shade))
    tips = [("runs", "@runs"), ("expected best", "@spread"), ("at", "@amount")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    if scale is not None:
        mark(plot.xaxis, scales.even_ticks(most, scale))
    return _finished(plot)


def _score(comparison: Comparison) -> str:
    return f"{comparison.metric} (less is better)" if comparison.lower else comparison.metric


def _figure(title: str, x: str, y: str, axis: Literal["linear", "log"]) -> Any:
    from bokeh.plotting import figure

    return figure(
        title=_untex(title), x_axis_label=x, y_axis_label=_untex(y), x_axis_type=axis, height=HEIGHT, max_width=WIDTH,
        sizing_mode="stretch_width", toolbar_location=None, tools="", min_border=4,
    )  # fmt: skip


def _legend(name: str, more: str = "") -> str:
    return _untex((name if len(name) <= LEGEND else f"{name[: LEGEND - 1]}…") + more)


def _untex(text: str) -> str:
    """A name is a text, and no formula: a character without width stands between what would make it one."""
    for begin in TEX:
        text = text.replace(begin, "\u2060".join(begin))
    return text


def _finished(plot: Any) -> Any:
    """In the page's own colours."""
    colour(plot, INK)
    plot.axis.axis_label_text_color = plot.title.text_color = plot.legend.label_text_color = INK
    plot.axis.axis_label_text_font_style = plot.title.text_font_style = "normal"
    plot.legend.background_fill_color = plot.legend.border_line_color = None
    plot.add_layout(plot.legend[0], "right")
    return plot
