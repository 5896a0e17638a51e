"""What stands in ``%cost panel``, as pieces of HTML in which every text is escaped: pure.

The sentences and figures are those of the other pages; a figure's hover says how it is known, and from where.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from . import accounting, budget_pages, cost_pages, pages
from .budget import State, Verdict
from .derived import Costs
from .forecasts import Forecast
from .format import NAMES, about, percent, quantity, total_text
from .progressing import Progress
from .record import CellRecord, Summary, Total
from .tables import printable

#: The totals that are shown, in this order; the fold has the rest.
ESSENTIAL = ("energy_j", "gpu_reserved_s", "gpu_busy_s", "flops")
#: Where a budget stands is a mark and a word, too, not only a colour.
STATES: dict[State, str] = {
    "ok": "",
    "near": "▲ nearly spent",
    "over": "■ spent",
    "unknown": "? not known",
    "paused": "",
}
#: Colours are the theme's where it has them (JupyterLab's names, which VS Code and Voilà know, too).
STYLE = """
.costmeter-panel h4 { margin: .5em 0 .1em; font-size: 1em; font-weight: 600 }
.costmeter-panel, .costmeter-page { line-height: 1.45; font-variant-numeric: tabular-nums;
  color: var(--jp-ui-font-color1, inherit) }
.costmeter-page { overflow-x: auto }
.costmeter-page th, .costmeter-page td { vertical-align: top; padding: 0 1em 0 0 }
.costmeter-panel table { border-collapse: collapse; max-width: 100% }
.costmeter-panel th { font-weight: 400; text-align: left; padding: 0 .8em 0 0; opacity: .75 }
.costmeter-panel td { text-align: right; padding: 0 0 0 1em; white-space: nowrap }
.costmeter-panel thead th { text-align: right; padding: 0 0 0 1em }
.costmeter-panel td.costmeter-text { text-align: left; white-space: normal; padding: 0; overflow-wrap: anywhere }
.costmeter-panel small { opacity: .75; font-size: .9em }
.costmeter-panel [title] { cursor: help }
.costmeter-track { height: 6px; margin: 2px 0; border-radius: 3px; overflow: hidden; max-width: 40em;
  background: rgba(127, 127, 127, .3) }
.costmeter-track > span { display: block; height: 100%; background: var(--jp-brand-color1, #1976d2) }
[data-state=near] .costmeter-track > span { background: var(--jp-warn-color1, #f57c00) }
[data-state=over] .costmeter-track > span { background: var(--jp-error-color1, #d32f2f) }
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A cell that runs."""

    record: CellRecord
    power: Total | None
    progress: Progress | None = None
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """A column of the totals; ``summary`` is ``None`` where it cannot be read, and ``why`` says so.

    Args:
        title: what the scope is, for the heading's hover.
    """

    name: str
    title: str
    summary: Summary | None
    costs: Costs | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A figure, and what its hover says."""

    text: str
    hover: Sequence[str] = ()


# The pieces


def style(saved: str) -> str:
    """The style sheet; while it is there, which is as long as the widget lives, what has that class is hidden."""
    hidden = f".{saved} {{ display: none }} .jp-OutputArea-child:has(.{saved}) {{ display: none }}"
    return f"<style>{STYLE}{hidden}</style>"


def as_of(saved: str, when: str, page: pages.Page) -> str:
    """The page that stands below the widget, hidden: whoever opens the notebook without its kernel sees that."""
    return f'<div class="{saved}"><div><small>As of {_text(when)}:</small></div>{page._repr_html_()}</div>'


def running(rows: Sequence[Running]) -> str:
    """What runs now."""
    if not rows:
        return _section("Running", "<div><small>Nothing runs.</small></div>")
    return _section("Running", "".join(map(_running, rows)))


def _running(one: Running) -> str:
    record = one.record
    energy = next((t for t in accounting.cell_totals(record.usage) if t.name == "energy_j"), None)
    inner = "↳ " if record.parent_id else ""
    figures = [
        _figure(_Shown(about(record.wall_s)), "elapsed"),
        _figure(_of_total("energy so far", energy), "energy_j") if energy else "",
        _figure(_of_total("power", one.power), "power_w") if one.power else "",
    ]
    shown = " · ".join(filter(None, figures))
    ahead = f"<div><small>{_text(one.forecast.text)}</small></div>" if one.forecast else ""
    return f"<div><strong>{inner}{_text(pages.called(record))}</strong> {shown}{_progress(one.progress)}{ahead}</div>"


def _progress(one: Progress | None) -> str:
    if one is None:
        return ""
    return _bar(one.label or "progress", one.fraction, f"{percent(one.fraction)} done ({one.source})")


def budgets(verdicts: Sequence[Verdict], now: float) -> str:
    """Where budgets stand; ``now`` (seconds since 1970) is what their sentences speak from."""
    if not verdicts:
        return _section("Budgets", "<div><small>No budget is set.</small></div>")
    return _section("Budgets", "".join(_budget(one, now) for one in verdicts))


def _budget(one: Verdict, now: float) -> str:
    title, said, state = budget_pages.title(one.budget), budget_pages.said(one), STATES[one.state]
    more = "; ".join(filter(None, (budget_pages.burn_said(one, now), budget_pages.resets(one, now))))
    known = _how_known("spent", budget_pages.spent_said(one), one.spent)
    bar = "" if one.share is None or one.state == "paused" else _bar(title, one.share, said)
    return (
        f'<div data-state="{one.state}"><strong>{_text(title)}</strong> {state}{bar}'
        f"<div>{_figure(_Shown(said, known), 'budget')}</div>"
        + (f"<div><small>{_text(more)}</small></div>" if more and one.state != "paused" else "")
        + "</div>"
    )


def totals(scopes: Sequence[Scope]) -> str:
    """The totals, a column for each scope."""
    known = [dict(_figures(one)) for one in scopes]
    names = dict.fromkeys(name for figures in known for name in figures)
    heads = "".join(f'<th scope="col" title="{_text(one.title)}">{_text(one.name)}</th>' for one in scopes)
    lines = "".join(f"<tr>{''.join(_line(name, scopes, known))}</tr>" for name in names)
    table = f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return _section("Totals", table)


def _line(name: str, scopes: Sequence[Scope], known: Sequence[dict[str, _Shown]]) -> Iterator[str]:
    """A figure of each scope."""
    yield f'<th scope="row">{_text(name)}</th>'
    for scope, figures in zip(scopes, known, strict=True):
        lacking = _Shown("") if scope.summary else _Shown("—", [scope.why])
        yield f"<td>{_figure(figures.get(name, lacking), name)}</td>"


def _figures(scope: Scope) -> Iterator[tuple[str, _Shown]]:
    """What is shown of a scope; of a device that is not there nothing."""
    summary, costs = scope.summary, scope.costs
    if summary is None:
        return
    yield "cells", _Shown(str(summary.cells), [f"{summary.failed} of them failed"] if summary.failed else [])
    there = [t for name in ESSENTIAL if (t := summary.total(name)) is not None]
    if costs is not None and (emissions := costs.footprint.total("emissions_g")) is not None:
        there.append(emissions)
    for total in there:
        if total.value is not None or total.missing:
            more = _range(costs) if costs and total.name == "emissions_g" else []
            yield NAMES[total.name], _of_total(NAMES[total.name], total, more)
    for bill in costs.bills if costs else ():
        name, text, width, how, source = cost_pages.bill_line(f"money, {bill.currency}", bill)
        yield name, _Shown(text, [f"{name}: {text} {width}".strip(), f"{how}, {source}", *cost_pages.lacking([bill])])


def _range(costs: Costs) -> list[str]:
    if costs.footprint.range_g is None:
        return []
    _, span, _, _, where = cost_pages.range_line(costs)
    return [f"by where it runs: {span}, {where}"]


def dearest(records: Sequence[CellRecord]) -> str:
    """The dearest cells, as they come."""
    if not records:
        return ""
    lines = "".join(f"<tr>{''.join(_dear(record))}</tr>" for record in records)
    return _section("Dearest cells of the session", f"<table><tbody>{lines}</tbody></table>")


def _dear(record: CellRecord) -> Iterator[str]:
    energy = next((t for t in accounting.cell_totals(record.usage) if t.name == "energy_j"), None)
    ended = pages.MARKS[record.outcome]
    yield f'<td class="costmeter-text">{_text(pages.called(record))} {_text(ended)}</td>'
    yield f"<td>{_text(quantity(record.wall_s, 's'))}</td>"
    yield f"<td>{_figure(_of_total('energy', energy), 'energy_j') if energy else '—'}</td>"


def told(*sentences: str) -> str:
    """What came of the export."""
    lines = "".join(f"<div>{_text(one)}</div>" for one in sentences)
    return f'<div class="costmeter-panel" role="status">{lines}</div>'


def page(one: pages.Page) -> str:
    """A whole page, for the fold."""
    return f'<div class="costmeter-page">{one._repr_html_()}</div>'


# Their parts


def _section(title: str, inside: str) -> str:
    return f'<div class="costmeter-panel"><h4>{title}</h4>{inside}</div>'


def _of_total(name: str, total: Total, more: Iterable[str] = ()) -> _Shown:
    text = total_text(total)
    return _Shown(text, _how_known(name, text, total, more))


def _how_known(name: str, text: str, total: Total, more: Iterable[str] = ()) -> list[str]:
    """The lines of a hover: the figure with its half-width, method and source, what is missing and why."""
    _, _, width, how, source = pages.line(name, total)
    known = ", ".join(filter(None, [how, source]))
    return [f"{name}: {text} {width}".strip(), known, *more, *_lacking(total)]


def _lacking(total: Total) -> Iterator[str]:
    """Why it is a lower bound, and how much of it was measured."""
    if total.name in ("energy_j", "flops"):
        yield from pages.notes([total])
    if total.incomplete and total.value is not None and total.name != "flops":
        yield f"A lower bound: {'; '.join(total.reasons)}."


def _figure(one: _Shown, name: str) -> str:
    lines = "&#10;".join(map(_text, one.hover))
    hover = f' title="{lines}"' if lines else ""
    return f'<span data-name="{_text(name)}"{hover}>{_text(one.text)}</span>'


def _bar(label: str, share: float, said: str) -> str:
    """How much of all; ``said`` is for who does not see it."""
    part = min(100.0, max(0.0, 100 * share)) if isfinite(share) else 100.0
    return (
        f'<div class="costmeter-track" role="progressbar" aria-label="{_text(label)}" aria-valuemin="0"'
        f' aria-valuemax="100" aria-valuenow="{part:.0f}" aria-valuetext="{_text(said)}">'
        f'<span style="width:{part:.1f}%"></span></div>'
    )


def _text(text: str) -> str:
    """On one line, and harmless between tags and in an attribute."""
    return html.escape(printable(text))
