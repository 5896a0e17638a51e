"""What costs look like as lines, sentences and pages: electricity, carbon, money, and the factors behind them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from . import money, pages
from .carbon import snapshot
from .derived import Applied, Bill, Costs, Line
from .factors import WORLD, Intensity
from .format import NAMES, half_width, percent, plain, quantity, total_text
from .pages import PART, Page, Table
from .sci import BOUNDARY, METHOD, Score, making

UNITS = {"gpu_hour": "GPU-h", "cpu_hour": "CPU-h", "gb_hour": "GB-h", "kwh": "kWh"}
FACTORS = {"intensity": "carbon intensity", "pue": "PUE", "embodied": "making of a GPU"}
UNPLACED = (
    "Nobody said where this ran, so the emissions are by the world's average: `%cost where FR` in a notebook,"
    " `jupyter costmeter where FR` in a shell, or the sidebar says it."
)
REFUSED = "Emissions are by the world's average, since the shipped figure of the place cannot be used:"


def rows(costs: Costs | None) -> list[Sequence[str]]:
    """Lines for a table of totals, to stand below the energy."""
    if costs is None:
        return []
    found: list[Sequence[str]] = []
    for total in costs.footprint.totals:
        if total.value is not None or total.missing:  # 0 is a value
            found.append(pages.line(NAMES[total.name], total))
            if total.name == "emissions_g" and costs.footprint.range_g is not None:
                found.append(range_line(costs))
    found += [bill_line("money" if i == 0 else "", bill) for i, bill in enumerate(costs.bills)]
    return found + [bill_line(f"{PART}the same on {bill.provider}", bill) for bill in costs.clouds]


def range_line(costs: Costs) -> Sequence[str]:
    """Between what the emissions lie, of costs that have a range."""
    assert costs.footprint.range_g is not None
    assert costs.footprint.range_of is not None
    least, most = costs.footprint.range_of
    return [f"{PART}by where it runs", span(*costs.footprint.range_g), "", "", f"as in {least} to as in {most}"]


def span(low_g: float, high_g: float) -> str:
    """``10 to 384 mgCO2e``: both in the unit of the larger."""
    high = quantity(high_g, "gCO2e")
    if not high_g or high.startswith("<"):
        return high
    value = high.split(" ", 1)[0]
    return f"{plain(low_g * float(value) / high_g, 2)} to {high}"


def bill_line(name: str, bill: Bill) -> Sequence[str]:
    """A bill's line of ``TOTAL_COLUMNS``."""
    text = money.text(replace(bill, half_width=None))
    width = money.text(bill).removeprefix(text).strip()
    source = "; ".join(bill.sources or bill.reasons)
    dated = f", {bill.as_of}" if bill.as_of and bill.sources else ""
    return [name, text, width, bill.method or "not known", source + dated]


def notes(costs: Costs | None, problems: Iterable[str] = ()) -> list[str]:
    """What a reader must know about costs."""
    found = list(problems)
    if costs is None:
        return found
    if costs.footprint.range_g is not None:
        found += dict.fromkeys(_by_the_world(costs))
    return found + list(lacking([*costs.bills, *(bill for bill in costs.clouds if bill.amount is not None)]))


def lacking(bills: Iterable[Bill]) -> Iterator[str]:
    """Why bills are lower bounds, or not known."""
    for bill in bills:
        if bill.incomplete:
            of = _offer(bill)
            what = f"The same on {of} is" if of else f"Money in {bill.currency} is"
            known = "not known" if bill.amount is None else "a lower bound"
            yield from (f"{what} {known}: {reason.removeprefix(f'{of}: ')}." for reason in bill.reasons)


def _offer(bill: Bill) -> str:
    """``aws, 2023-11-16``: no cloud's price without its provider and date; "" of the own prices."""
    return ", ".join(str(part) for part in (bill.provider, bill.as_of) if part)


def _by_the_world(costs: Costs) -> Iterator[str]:
    """Why emissions are by the world's average: nobody said where, or that region's own figure was refused."""
    average = snapshot.world().intensity
    for one in costs.footprint.applied:
        if one.intensity is not None and one.intensity.region == WORLD:
            refused = average is not None and one.intensity.note != average.note
            yield f"{REFUSED} {one.intensity.note}." if refused else UNPLACED


# Factors


def said(applied: Applied) -> str:
    """A factor with all that is known of it, in one sentence."""
    name = FACTORS[applied.name]
    return f"{name[0].upper()}{name[1:]}: {_amount(applied)}, {', '.join(_known(applied))}"


def _amount(applied: Applied) -> str:
    unit = "" if applied.unit == "1" else f" {applied.unit}"
    value = f"{plain(applied.value, 3)}{unit}"
    if applied.least is not None and applied.most is not None and applied.least < applied.most:
        over = f" over {pages.counted(applied.hours, 'hour')}" if applied.hours else ""
        value += f" on average ({plain(applied.least, 3)} to {plain(applied.most, 3)}{over})"
    return value


def _known(applied: Applied) -> Iterator[str]:
    one = applied.intensity
    if one is not None:
        yield one.region
    if not applied.source.startswith(applied.method):
        yield applied.method
    yield applied.source
    if one is not None:
        yield from _of_intensity(one)
    if applied.uncertainty:
        yield half_width(applied.uncertainty)
    if applied.share < 1:
        yield f"for {percent(applied.share)} of it"


def _of_intensity(one: Intensity) -> Iterator[str]:
    """What it counts, how old it is, what to know of it."""
    yield f"{one.signal}, {one.basis}"
    if one.fetched_at is not None:
        yield f"fetched {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(one.fetched_at))}"
    if one.stale:
        yield "stale: of an earlier hour"
    if one.note:
        yield one.note


def factors_page(title: str, costs: Costs, problems: Sequence[str] = (), live: str | None = None) -> Page:
    """Every factor that was applied, with its source; then every price."""
    columns = ("factor", "value", "±", "how", "source", "of it")
    lines = [_factor(one) for one in costs.footprint.applied]
    prices = [_priced(line, bill) for bill in (*costs.bills, *costs.clouds) for line in bill.lines]
    tables = [
        Table(columns, lines, frozenset({"value", "±", "of it"})),
        Table(("price", "value", "for", "cost", "source"), prices, frozenset({"value", "for", "cost"})),
    ]
    more = [live] if live else []
    if not lines:
        more.append("No energy was metered here, so no factor was applied.")
    return Page(title, tables, [*notes(costs, problems), *more])


def _factor(one: Applied) -> list[str]:
    width = half_width(one.uncertainty) if one.uncertainty else "exact" if one.uncertainty == 0 else ""
    source = ", ".join(part for part in _known(replace(one, uncertainty=None, share=1.0)) if part != one.method)
    return [FACTORS[one.name], _amount(one), width, one.method, source, percent(one.share)]


def line_of(line: Line, bill: Bill) -> str:
    """``0.0018 GPU-h at 0.55 EUR (rates.toml:7)``."""
    amount = f"{plain(float(line.amount), 3)} {UNITS[line.unit]}"
    return f"{amount} at {line.price.normalize():f} {bill.currency} ({line.source})"


def _priced(line: Line, bill: Bill) -> list[str]:
    unit = UNITS[line.unit]
    price, amount, cost = (f"{value.normalize():f}" for value in (line.price, line.amount, line.cost))
    source = ": ".join(filter(None, [_offer(bill), line.source]))
    return [unit, f"{price} {bill.currency}", f"{float(amount):.4g} {unit}", f"{float(cost):.4g} {bill.currency}",
            source]  # fmt: skip


# Places


def named(region: str) -> str:
    """``FR, France``."""
    return f"{region}, {snapshot.region(region).name}"


def valued(intensity: Intensity) -> str:
    """``56 g/kWh, …``."""
    return f"{intensity.g_per_kwh:.3g} g/kWh, {described(intensity)}"


def described(intensity: Intensity) -> str:
    """Who says it, and what it counts."""
    note = f"; {intensity.note}" if intensity.note else ""
    return f"{intensity.method}: {intensity.source}; {intensity.signal}, {intensity.basis}{note}"


# Scores and comparisons


def sci_page(title: str, score: Score, costs: Costs) -> Page:
    """The SCI score, as the standard wants it reported: score, boundary, method, and what it is made of."""
    foot = costs.footprint
    parts = [t for name in ("electricity_wh", "emissions_g") if (t := foot.total(name)) is not None]
    named = {"electricity_wh": "E, electricity", "emissions_g": "E × I", "embodied_g": "M, embodied"}
    lines = [pages.line("SCI", score.score), *(pages.line(named[t.name], t) for t in (*parts, making(foot)))]
    r = ["R, functional unit", f"{score.count:g} × {score.unit.name}", "", "declared", f"per {score.unit.size:g}"]
    said_of = [said(one) + "." for one in foot.applied]
    table = Table(pages.TOTAL_COLUMNS, [*lines, r], frozenset({"value", "±"}))
    lacking = [f"The score is a lower bound: {reason}." for reason in score.score.reasons if score.score.incomplete]
    carbon = replace(costs, bills=(), clouds=())  # a score has no money
    return Page(title, [table], [*lacking, *notes(carbon), BOUNDARY, METHOD, *said_of])


def what_if_page(title: str, columns: Sequence[tuple[str, Costs]], more: Sequence[str] = ()) -> Page:
    """Costs under several assumptions side by side, each with its ratio to the first."""
    first = columns[0][1]
    names = [total.name for total in first.footprint.totals if any(c.footprint.total(total.name) for _, c in columns)]
    lines = [[NAMES[name], *(_beside(costs, first, name) for _, costs in columns)] for name in names]
    lines += _money_lines([costs.bills for _, costs in columns])
    lines += _money_lines([costs.clouds for _, costs in columns])
    factors = [_factor_lines(columns, name) for name in FACTORS]
    heads = ("figure", *(name for name, _ in columns))
    table = Table(heads, [*lines, *(line for line in factors if any(line[1:]))], frozenset(heads[1:]))
    return Page(title, [table], [*dict.fromkeys(_bounds(costs for _, costs in columns)), *more])


def _bounds(columns: Iterable[Costs]) -> Iterator[str]:
    """The reason of each ``≥``, which a table of several columns has no room for."""
    for costs in columns:
        yield from pages.notes(costs.footprint.totals, "record")
        yield from lacking([*costs.bills, *costs.clouds])


def _beside(costs: Costs, first: Costs, name: str) -> str:
    total, base = costs.footprint.total(name), first.footprint.total(name)
    if total is None:
        return "—"
    text = total_text(total, with_uncertainty=True)
    if costs is first or base is None or not base.value or total.value is None:
        return text
    return f"{text} (×{plain(total.value / base.value, 2)})"


def _money_lines(columns: Sequence[Sequence[Bill]]) -> list[list[str]]:
    """A line for each currency, provider and date of prices; never one for several."""
    texts = [{(b.currency, _offer(b)): money.text(b) for b in bills} for bills in columns]
    keys = dict.fromkeys(key for told in texts for key in told)
    return [
        [f"on {of}" if of else f"money ({currency})", *(told.get((currency, of), "—") for told in texts)]
        for currency, of in keys
    ]


def _factor_lines(columns: Sequence[tuple[str, Costs]], name: str) -> list[str]:
    """What each column took for a factor."""
    return [FACTORS[name], *("; ".join(_short(one) for one in c.footprint.applied if one.name == name)
                             for _, c in columns)]  # fmt: skip


def _short(one: Applied) -> str:
    where = f"{one.intensity.region} " if one.intensity is not None else ""
    basis = f" ({one.intensity.basis})" if one.intensity is not None else ""
    return f"{where}{_amount(one)}{basis}"
