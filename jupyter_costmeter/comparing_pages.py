"""What ``%cost compare`` answers: the table of a comparison, and its charts below it in a notebook or in a file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from . import chart_files, guard, pages
from .comparing import ENOUGH, Comparison, Curve, Measure, Ratio, Side, compare
from .comparing_charts import TITLES, total_said
from .context import Context, noted, selection_of, title_of
from .format import MARK, half_width, plain
from .ledger import Selection
from .pages import Page, Table
from .quotients import Quotient
from .words import Parser

INSTEAD = (
    "The charts are drawn by the Jupyter server that has jupyter_costmeter, in a notebook that you trust (in a notebook"
    " of somebody else: Edit, Trust Notebook); elsewhere, write them into a file with -o FILE.html."
)
#: Of runs that were not drawn.
APART = "being in the paper or of another category, not counted among its draws"
RIGHT = frozenset({"score", "ratio", "points per decade", *TITLES.values()})


@dataclass(frozen=True, repr=False)
class Compared(Page):
    """A comparison's page, in a notebook with its charts. Its text is that of every page, so it has no own ``repr``."""

    comparison: Comparison | None = None

    def _drawn(self) -> str:
        return self._charts() or ""

    @guard.guarded("charts")
    def _charts(self) -> str:
        from . import chart_html, comparing_charts

        item = comparing_charts.item(self.comparison) if self.comparison else None
        return "" if item is None else chart_html.fragment(item, INSTEAD)


def answer(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Ours against a baseline, over the trials of a scope: the project, unless another is said."""
    from .gathering import gather

    path = None if asked.output is None else chart_files.path_of(asked.output, asked.force, "comparison")
    selection = _selection(asked, context)
    statement = gather(context.ledger, selection, context.costing)
    page = page_of(compare(statement, asked.ours, asked.baseline, asked.metric, asked.lower), title_of(selection))
    if path is None:
        return page
    chart_files.write(page, path)
    return noted(page, [f"Wrote {path}."])


def _selection(asked: argparse.Namespace, context: Context) -> Selection:
    """Methods are compared over a project's notebooks, also in a kernel."""
    said = asked.all or any(one is not None for one in (asked.session, asked.notebook, asked.project))
    if said or context.project is None:
        return selection_of(asked, context)
    return Selection("project", context.project, asked.label)


# The page


def page_of(found: Comparison, scope: str) -> Compared:
    """A comparison as tables and sentences; ``scope`` is where its runs are from."""
    title = f"{scope}: {found.ours.method} against {found.baseline.method}, by {found.metric}"
    tables = [_methods(found), _compute(found), _few(found)]
    return Compared(f"{title}{' (less is better)' if found.lower else ''}", tables, list(_notes(found)), _heads(found),
                    comparison=found)  # fmt: skip


def _heads(found: Comparison) -> list[str]:
    """The gain, and at how much more compute."""
    taken = [
        f"{_times(found.ratio(measure).all_in)} the {TITLES[measure]}"
        for measure in _measures(found)
        if found.ratio(measure).all_in.value is not None
    ]
    at = f"at {', '.join(taken)}, all runs counted" if taken else "at a compute that is not known"
    return [f"Gain: {_gain(found, found.gain)}, {at}."]


def _gain(found: Comparison, gain: float) -> str:
    points = gain / found.point
    unit = "point" if abs(round(points, 9)) == 1 else "points"
    return f"{_signed(gain)} {found.metric} ({_signed(points)} {unit})"


def _signed(value: float) -> str:
    """Without what rounding left behind."""
    value = round(value, 12)
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{plain(abs(value), 3)}"


def _score(value: float) -> str:
    return plain(value, 4)


def _methods(found: Comparison) -> Table:
    sides = (found.ours, found.baseline)
    rows = [
        [f"best {found.metric}", *(f"{_score(side.best.score)} ({side.best.name})" for side in sides)],
        ["final run", *(f"{_score(side.final.score)} ({side.final.name}; {side.final_why})" for side in sides)],
        ["mean of scored runs", *map(_mean, sides)],
    ]
    if found.equal:
        best = [f"{_score(step.expected)} ± {plain(step.sd, 2)}" for step in found.equal]
        rows.append([f"expected best of {found.equal[0].runs} runs", *best])
    rows.append(["runs", *map(_runs, sides)])
    return Table(["", *(side.method for side in sides)], rows)


def _mean(side: Side) -> str:
    return _score(side.mean) + ("" if side.sd is None else f" ± {plain(side.sd, 2)} (sd)")


def _runs(side: Side) -> str:
    parts = [f"{len(side.scored)} scored"]
    for count, what in ((side.failed, "failed"), (side.unscored, "without it"), (side.unusable, "not a finite number")):
        parts += [f"{count} {what}"] if count else []
    return ", ".join(parts)


def _measures(found: Comparison) -> list[Measure]:
    """Of which anything is known of either."""
    sides = (found.ours, found.baseline)
    return [measure for measure in found.taken() if any(side.all_in[measure].value for side in sides)]


def _compute(found: Comparison) -> Table:
    rows = [row for measure in _measures(found) for row in _lines(found, measure)]
    methods = (found.ours.method, found.baseline.method)
    columns = ["compute", "of", *methods, "ratio", "points per decade"]
    return Table(columns, rows, frozenset({*columns[2:]}))


def _lines(found: Comparison, measure: Measure) -> Iterator[list[str]]:
    """All runs, the final run, and how many times it all of them are."""
    sides, ratio = (found.ours, found.baseline), found.ratio(measure)
    all_in = [total_said(side.all_in[measure], measure) for side in sides]
    yield [TITLES[measure], "all runs", *all_in, _ratio(ratio.all_in), _rate(ratio.all_in_rate)]
    final = [total_said(side.final.compute(measure), measure) for side in sides]
    yield ["", "final run", *final, _ratio(ratio.final), _rate(ratio.final_rate)]
    yield ["", "all ÷ final", *(_ratio(side.multipliers[measure]) for side in sides), "", ""]


def _times(found: Quotient) -> str:
    return f"{_value(found)} times"


def _ratio(found: Quotient) -> str:
    """``~10×  ±7.1 %``, with its bound."""
    if found.value is None:
        return "—"
    width = "" if found.half_width is None else half_width(found.half_width)
    return " ".join(filter(None, [f"{_value(found)}×", width]))


def _rate(found: Quotient) -> str:
    return "—" if found.value is None else _value(found, signed=True)


def _value(found: Quotient, signed: bool = False) -> str:
    """``≥ ~12``; ``? 12`` of two lower bounds."""
    value = found.value or 0.0
    text = _signed(value) if signed else plain(value, 3)
    return " ".join(filter(None, [found.bound, f"{MARK[found.method]}{text}"]))


def _few(found: Comparison) -> Table:
    """The runs of a method that has too few for a curve."""
    sides = [side for side in (found.ours, found.baseline) if side.curve is None]
    taken = _measures(found)
    rows = [
        [side.method, one.name, _score(one.score), *(total_said(one.compute(measure), measure) for measure in taken)]
        for side in sides
        for one in side.scored
    ]
    return Table(("method", "run", "score", *(TITLES[measure] for measure in taken)), rows, RIGHT)


# The sentences


def _notes(found: Comparison) -> Iterator[str]:
    hundredth = "scores are between 0 and 1, so a point is 0.01 of it"
    yield f"A point: {hundredth if found.point != 1 else 'one unit of the score'}."
    yield "Points per decade: what ten times the compute bought, the gain ÷ log10 of the ratio (docs/compare.md)."
    yield from _unknown(found)
    for side in (found.ours, found.baseline):
        yield from _about(side)
    yield from _how(found)


def _unknown(found: Comparison) -> Iterator[str]:
    """Each ratio, rate and multiplier that there is not, with its reason; what has the same one together."""
    known = _measures(found)
    for measure in found.taken():
        if measure in known:
            yield from _doubts(found, measure)
            yield from _rateless(TITLES[measure], found.ratio(measure))
        else:
            totals = [side.all_in[measure] for side in (found.ours, found.baseline)]
            reasons = dict.fromkeys(reason for total in totals for reason in total.reasons)
            yield f"{TITLES[measure]}: not known of either, so not compared ({'; '.join(reasons)})."


def _doubts(found: Comparison, measure: Measure) -> Iterator[str]:
    ratio, sides = found.ratio(measure), (found.ours, found.baseline)
    every = [("all runs", ratio.all_in), ("final runs", ratio.final)]
    every += [("all ÷ final", side.multipliers[measure]) for side in sides]
    doubts: dict[str, dict[str, None]] = {}
    for of, one in every:
        if one.reason:
            doubts.setdefault(f"{_doubt(one)} ({one.reason})", {})[of] = None
    for doubt, of_what in doubts.items():
        rateless = "" if list(of_what) == ["all ÷ final"] else ", so there is no rate of points for more"
        yield f"{TITLES[measure]}, {', '.join(of_what)}: {doubt}{rateless}."


def _rateless(name: str, ratio: Ratio) -> Iterator[str]:
    """Why there is no rate of a ratio that is known; once, where it is the same of all runs and of the final ones."""
    pairs = (("all runs", ratio.all_in, ratio.all_in_rate), ("final runs", ratio.final, ratio.final_rate))
    lacking = {of: rate.reason for of, one, rate in pairs if rate.reason and not one.reason}
    if len(lacking) == 2 and len(set(lacking.values())) == 1:
        lacking = {"": lacking["all runs"]}
    yield from (f"{', '.join(filter(None, [name, of]))}: {reason}." for of, reason in lacking.items())


def _doubt(found: Quotient) -> str:
    return "ratio not known" if found.value is None else "may be more or less"


def _about(side: Side) -> Iterator[str]:
    if side.failed:
        verb = "counts in its compute and has" if side.failed == 1 else "count in its compute and have"
        yield f"{side.method}: {pages.counted(side.failed, 'failed run')} {verb} no score."
    if side.others:
        verb = "counts" if side.others == 1 else "count"
        run = pages.counted(side.others, "run")
        yield f"{side.method}: {run} more without parameters, scores or a run's name {verb} in its compute."
    if side.unusable:
        yield f"{side.method}: {pages.counted(side.unusable, 'score')} left out, no finite number."
    if side.apart:
        verb = "says" if side.apart == 1 else "say"
        run = pages.counted(side.apart, "scored run")
        yield f"{side.method}: {run} that {verb} nothing of the search, beside those that do, {APART}."
    if side.curve is None:
        drawn = pages.counted(len(side.scored) - side.apart, "scored run")
        yield f"{side.method}: {drawn}, too few for a curve (from {ENOUGH} on), so they are listed."
    else:
        yield _condition(side, side.curve)


def _condition(side: Side, curve: Curve) -> str:
    """Whether the expected best of n runs holds for them."""
    if curve.search.valid:
        return f"{side.method}: the expected best is of {curve.steps[-1].runs} runs, {curve.search.why}."
    return (
        f"{side.method}: the expected best of n runs holds for a random search only, which this is not known to be"
        f" ({curve.search.why})."
    )


def _how(found: Comparison) -> Iterator[str]:
    """How each measure is known, and what is missing in it."""
    for measure in _measures(found):
        totals = [side.all_in[measure] for side in (found.ours, found.baseline)]
        sources = dict.fromkeys(source for total in totals for source in total.sources)
        reasons = dict.fromkeys(reason for total in totals if total.value is not None for reason in total.reasons)
        methods = dict.fromkeys(total.method for total in totals if total.method)
        if sources:
            yield f"{TITLES[measure]}: {', '.join(methods)} ({'; '.join(sources)})."
        if reasons:
            yield f"{TITLES[measure]}: a lower bound where it says ≥ ({'; '.join(reasons)})."
