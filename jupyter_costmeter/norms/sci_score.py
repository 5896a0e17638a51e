"""The Software Carbon Intensity, ISO/IEC 21031:2024: score, boundary, functional unit and method (FACTS §1.2).

The arithmetic is ``sci``'s; here it is done for a statement, per run and session, since only the author can say
what one of is worth counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .. import sci
from ..cost_pages import said as factor_said
from ..derived import Footprint
from ..record import Total
from ..statement import Form, Grid, Item, Statement
from .wording import COUNTED_AS, UNPLACED, amount, asked, emissions_how, emissions_item, how, known, mark, meter, prose

SOURCE = "ISO/IEC 21031:2024; Software Carbon Intensity specification v1.1, https://sci.greensoftware.foundation"
CHOOSE = "choose R, the functional unit: `%cost sci --per epoch --count 90`; a score of another R is another number"
COLUMNS = ("R", "how many", "score", "how")


class SCI:
    """SCI = ((E × I) + M) per R of all that was metered."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        scores = _grid(statement)
        return Form(
            "sci",
            "Software Carbon Intensity (ISO/IEC 21031:2024)",
            SOURCE,
            items,
            _text(statement, items),
            (scores,) if scores.rows else (),
        )


def _grams(total: Total, name: str) -> Total:
    """A statement's kilograms as the footprint's grams."""
    value, width = (None if one is None else 1000.0 * one for one in (total.value, total.uncertainty))
    return replace(total, name=name, unit="gCO2e", value=value, uncertainty=width)


def _footprint(statement: Statement) -> Footprint:
    whole = statement.whole
    made = (_grams(whole.embodied_kg, "embodied_g"),) if whole.embodied_kg is not None else ()
    return Footprint((_grams(whole.emissions_kg, "emissions_g"), *made), statement.factors, statement.region_g)


def _scores(statement: Statement) -> tuple[sci.Score, ...]:
    """Per run and per session, and all of it at once; none where no energy is known, or not where it ran."""
    if statement.whole.emissions_kg.value is None or statement.region_g is not None:
        return ()
    counts = (("run", statement.whole.runs), ("session", statement.sessions), ("project as metered", 1))
    found = _footprint(statement)
    return tuple(sci.score(found, sci.Unit(name), float(count)) for name, count in counts if count)


def _grid(statement: Statement) -> Grid:
    rows = tuple((one.unit.name, f"{one.count:g}", amount(one.score), how(one.score)) for one in _scores(statement))
    return Grid("SCI scores", COLUMNS, rows, frozenset({"how many", "score"}))


def _items(statement: Statement) -> Iterator[Item]:
    whole = statement.whole
    yield _score(statement)
    yield _unit(statement)
    yield known("E", "energy of all hardware reserved or provisioned, kWh, with PUE", whole.electricity_kwh)
    yield _intensity(statement)
    yield emissions_item("E × I", "operational emissions", statement)
    made = sci.making(_footprint(statement))
    yield known(
        "M",
        "embodied carbon",
        made,
        "declare what the hardware's making emitted, in [embodied] of jupyter_costmeter.toml (docs/carbon.md)",
    )
    yield Item(
        "boundary",
        "the software boundary",
        sci.BOUNDARY.removeprefix("Boundary: "),
        "what is metered",
        "say what else belongs to the software: serving, data, other machines",
    )
    yield Item("method", "how the score was got", sci.METHOD.removeprefix("Method: "), "the standard's formula")


def _score(statement: Statement) -> Item:
    asks, found = "SCI = ((E × I) + M) per R", _scores(statement)
    if found:
        first = found[0].score
        return Item("SCI", asks, amount(first), how(first), CHOOSE)
    if statement.whole.emissions_kg.value is None:
        return known("SCI", asks, statement.whole.emissions_kg)
    return Item("SCI", asks, None, emissions_how(statement), f"there is a score when the place is known: {UNPLACED}")


def _unit(statement: Statement) -> Item:
    asks = "the functional unit R"
    runs = statement.whole.runs
    if not runs:
        return asked("R", asks, CHOOSE)
    return Item("R", asks, f"one run, of which there were {runs}", f"counted: {COUNTED_AS}", CHOOSE)


def _intensity(statement: Statement) -> Item:
    asks = "location-based carbon intensity I, gCO2eq/kWh"
    if statement.region_g is not None:
        return asked("I", asks, UNPLACED)
    found = [factor_said(one) for one in statement.factors if one.name == "intensity"]
    if not found:
        return asked("I", asks, "no energy was metered, so no intensity was applied")
    return Item("I", asks, "; ".join(found), "location-based; certificates and offsets are not subtracted")


def _text(statement: Statement, items: tuple[Item, ...]) -> str:
    found = {item.key: item for item in items}
    answer = found["SCI"].answer
    score = f"SCI: {answer}, by {meter(statement)}." if answer else None
    lines = [score, f"{mark(CHOOSE)}." if answer else None, sci.BOUNDARY, sci.METHOD]
    return prose(lines, items)
