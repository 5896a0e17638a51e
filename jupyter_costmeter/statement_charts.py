"""A statement's charts: cost by category and by experiment, and what trials scored for their compute. By Bokeh.

What they show is made as plain columns first, which tests look at; Bokeh is imported to draw them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import scales
from .chart_html import INK
from .charts import colour, mark
from .statement import Spent, Statement, Trial
from .statement_pages import BETWEEN, NOT_TAGGED, amount, bills, pairs, without_guesses

#: They can be seen on white and on black.
BAR = "#3b82c4"
SHADES = ("#3b82c4", "#d9553f", "#4f9d55", "#b07ac4", "#c4973b", "#5fb3b3", "#8a8a8a")
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star")
#: Bars of a chart, and methods with a mark of their own; what is more is told together.
MOST = 20
WIDTH, HEIGHT, BAR_HEIGHT, MARGIN = 820, 320, 24, 60
OTHERS = "others"
#: What bars and points are measured by: the first of which something is known.
MEASURES = {"electricity_kwh": "electricity, with PUE", "gpu_hours": "GPU time, reserved", "cpu_hours": "CPU time"}
UNITS = {"electricity_kwh": "kWh", "gpu_hours": "GPU-h", "cpu_hours": "CPU-h"}
#: By which Bokeh takes a text for TeX, and would fetch what sets it.
TEX = ("$$", r"\(", r"\[")
Columns = dict[str, list[Any]]


def measure_of(spents: Sequence[Spent]) -> str | None:
    """What is known of any of them."""
    return next((name for name in MEASURES if any(getattr(one, name).value for one in spents)), None)


def bars(named: Iterable[tuple[str, Spent]], measure: str) -> Columns:
    """The dearest first; each of the names once, since they are an axis."""
    found = [(name, spent) for name, spent in named if getattr(spent, measure).value]
    found.sort(key=lambda pair: -getattr(pair[1], measure).value)
    names = _different([untex(name) for name, _ in found[:MOST]])
    spents = [spent for _, spent in found[:MOST]]
    return {
        "name": names,
        "value": [getattr(one, measure).value for one in spents],
        "said": [f"{MEASURES[measure]}: {amount(getattr(one, measure))}" for one in spents],
        "hours": [f"GPU time: {amount(one.gpu_hours)}, CPU time: {amount(one.cpu_hours)}" for one in spents],
        "carbon": [f"emissions: {amount(one.emissions_kg)}" for one in spents],
        "money": [bills(one) for one in spents],
    }


def _different(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def metric_of(trials: Iterable[Trial]) -> str | None:
    """The score that most trials have."""
    most = Counter(name for trial in trials for name in trial.scores).most_common(1)
    return most[0][0] if most else None


def points(trials: Iterable[Trial], metric: str, measure: str) -> Columns:
    """Those with the score, and with a known compute."""
    found = [t for t in trials if metric in t.scores and getattr(t.spent, measure).value]
    return {
        "compute": [getattr(t.spent, measure).value for t in found],
        "score": [t.scores[metric] for t in found],
        "run": [" ".join(filter(None, [t.run, pairs(t.params)])) or t.id for t in found],
        "method": [t.method or "no method" for t in found],
        "category": [t.category or NOT_TAGGED for t in found],
        "said": [amount(getattr(t.spent, measure)) for t in found],
    }


def items(one: Statement) -> list[dict[str, Any]]:
    """What BokehJS embeds, a chart each; none where there is nothing to draw. Bokeh is imported here."""
    from bokeh.embed import json_item

    return [{**json_item(plot)} for plot in _plots(one)]


def _plots(one: Statement) -> Iterator[Any]:
    one = without_guesses(one)
    categories = [(share.category or NOT_TAGGED, share.spent) for share in one.shares]
    categories += [(name, spent) for part, name in BETWEEN.items() if (spent := getattr(one, part)) is not None]
    experiments = [(each.name, each.spent) for each in one.experiments]
    for title, named in (("By category", categories), ("By experiment", experiments)):
        measure = measure_of([spent for _, spent in named])
        if measure is not None and len(named) > 1:
            yield _bars(title, bars(named, measure), measure, len(named))
    metric, measure = metric_of(one.trials), measure_of([trial.spent for trial in one.trials])
    if metric is not None and measure is not None:
        yield from _scores(one.trials, metric, measure)


def _bars(title: str, columns: Columns, measure: str, of: int) -> Any:
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d
    from bokeh.plotting import figure

    names, most = columns["name"], max(columns["value"])
    scale = scales.even(most, UNITS[measure])
    shown = f" (the {len(names)} dearest of {of})" if len(names) < of and of > MOST else ""
    plot = figure(
        title=f"{title}{shown}", y_range=FactorRange(*names[::-1]),
        x_range=Range1d(start=0, end=1.05 * most), x_axis_label=f"{MEASURES[measure]} ({scale.unit})",
        height=MARGIN + 30 + BAR_HEIGHT * len(names),
        sizing_mode="stretch_width", max_width=WIDTH, toolbar_location=None, tools="", min_border=4,
    )  # fmt: skip
    plot.hbar(y="name", right="value", height=0.7, source=ColumnDataSource(columns), color=BAR)
    tips = [("", "@name"), ("", "@said"), ("", "@hours"), ("", "@carbon"), ("money", "@money")]
    plot.add_tools(HoverTool(tooltips=tips))
    mark(plot.xaxis, scales.even_ticks(most, scale))
    return _finished(plot)


def _scores(trials: Sequence[Trial], metric: str, measure: str) -> Iterator[Any]:
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure

    groups = [(name, found) for name, group in _methods(trials) if (found := points(group, metric, measure))["score"]]
    if not groups:
        return
    values = [value for _, columns in groups for value in columns["compute"]]
    scale = scales.wide(values, UNITS[measure])
    plot = figure(
        title=f"Trials: {untex(metric)} by compute", x_axis_label=f"{MEASURES[measure]} ({scale.unit})",
        y_axis_label=untex(metric), x_axis_type="log",
        height=HEIGHT, sizing_mode="stretch_width", max_width=WIDTH, toolbar_location=None, tools="",
        min_border=4,
    )  # fmt: skip
    for (name, columns), shade, marker in zip(groups, SHADES, MARKERS, strict=False):
        plot.scatter(x="compute", y="score", source=ColumnDataSource(columns), size=9, marker=marker, color=shade,
                     fill_alpha=0.6, legend_label=untex(name))  # fmt: skip
    tips = [("method", "@method"), ("run", "@run"), ("category", "@category"), ("score", "@score{0[.]0000}"),
            ("took", "@said")]  # fmt: skip
    plot.add_tools(HoverTool(tooltips=tips))
    mark(plot.xaxis, scales.wide_ticks(values, scale))
    plot.legend.label_text_color = INK
    plot.legend.background_fill_color = plot.legend.border_line_color = None
    plot.add_layout(plot.legend[0], "right")
    yield _finished(plot)


def _methods(trials: Sequence[Trial]) -> list[tuple[str, list[Trial]]]:
    """Those with the most trials each for itself, all others together."""
    names = [name for name, _ in Counter(trial.method for trial in trials).most_common(len(SHADES) - 1)]
    found = [(name or "no method", [t for t in trials if t.method == name]) for name in names]
    return [*found, (OTHERS, [t for t in trials if t.method not in names])]


def untex(text: str) -> str:
    """A name is a text, and no formula: a character without width stands between what would make it one."""
    for begin in TEX:
        text = text.replace(begin, "\u2060".join(begin))
    return text


def _finished(plot: Any) -> Any:
    """In the page's own colours."""
    colour(plot, INK)
    plot.axis.axis_label_text_color = plot.title.text_color = INK
    plot.axis.axis_label_text_font_style = plot.title.text_font_style = "normal"
    return plot
