"""What stands in the panel: the pages' own sentences, and nothing that a name could break out of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import golden
import pytest
from hypothesis import given
from nasty import NASTY, texts
from verdicts import NOW, verdict

from jupyter_costmeter import accounting, panel_pages
from jupyter_costmeter.budget_pages import said
from jupyter_costmeter.derived import Bill, Costs, Footprint
from jupyter_costmeter.forecasts import Forecast
from jupyter_costmeter.pages import Page
from jupyter_costmeter.panel_pages import Running, Scope
from jupyter_costmeter.progressing import Progress
from jupyter_costmeter.record import CellRecord, Summary, Total
from jupyter_costmeter.tables import printable

TAGS = {"div", "h4", "strong", "span", "small", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {
    "aria-label", "aria-valuemax", "aria-valuemin", "aria-valuenow", "aria-valuetext", "class", "data-name",
    "data-state", "role", "scope", "style", "title",
}  # fmt: skip


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def total(name: str, value: float | None, unit: str = "J", **more: Any) -> Total:
    return Total(name, unit, value, **{"method": "modelled", "measured_share": None, "missing": 0, "uncertainty": None,
                                       "sources": ("a source",), "reasons": (), **more})  # fmt: skip


def costs(*bills: Bill, **more: Any) -> Costs:
    return Costs(Footprint((total("emissions_g", 1.5, "gCO2e", method="assumed"),), **more), bills)


def everything(text: str) -> list[str]:
    """All pieces, with this text wherever a name or a sentence of somebody's stands."""
    record: CellRecord = golden.record(1, 2.0, 100.0, label=text or None)
    figures = [replace(t, sources=(text,), reasons=(text,)) for t in accounting.cell_totals(record.usage)]
    summary = Summary(3, 1, 1, 2.0, (*figures, total("flops", 1.0, "FLOP", missing=1, reasons=(text,))))
    bill = Bill("own", "EUR", Decimal("3.12"), (), "measured", None, 1, (text,), None, None, (text,))
    forecast = Forecast("history", 1, "same code", text, None, None, (), text)
    one = verdict(12.4, 1, (text,), name=text, key=text)
    return [
        panel_pages.running([Running(record, figures[0], Progress(0.5, text, "tqdm"), forecast)]),
        panel_pages.budgets([one, verdict(None, 1, (text,))], NOW),
        panel_pages.totals([Scope("Notebook", text, summary, costs(bill)), Scope("Project", text, None, None, text)]),
        panel_pages.dearest([record]),
        panel_pages.told(text),
        panel_pages.page(Page(text, notes=[text])),
    ]


@pytest.mark.parametrize("text", NASTY)
def test_a_text_is_harmless_wherever_it_stands(text: str) -> None:
    check(text)


@given(texts())
def test_any_text_is_harmless(text: str) -> None:
    check(text)


def check(text: str) -> None:
    plain = [Seen(piece).tags for piece in everything("x")]
    for piece, tags in zip(everything(text), plain, strict=True):
        seen = Seen(piece)
        assert set(seen.tags) <= {*TAGS, "code"}
        assert [tag for tag in seen.tags if tag != "code"] == tags or not text  # a label of nothing is none
        assert {name for name, _ in seen.attributes} <= ATTRIBUTES
        assert all("url" not in style and "expression" not in style for style in seen.of("style"))


def test_a_text_is_there_to_be_read() -> None:
    text = '<b>a & "b"\'s</b>'
    for piece in everything(text):
        seen = Seen(piece)
        assert any(printable(text) in found for found in [*seen.words, *seen.of("title"), *seen.of("aria-label")])


def test_totals_have_their_marks_and_say_on_hover_how_they_are_known() -> None:
    energy = total("energy_j", 3420.0, uncertainty=171.0, measured_share=0.25)
    gpu = total("gpu_busy_s", 10.0, "s", method="measured", missing=2, reasons=("the driver hung",))
    lost = total("flops", None, "FLOP", method=None, missing=1, sources=(), reasons=("nothing counts them",))
    absent = total("gpu_reserved_s", None, "s", method=None, sources=(), reasons=("no GPU",))
    bill = Bill("own", "EUR", Decimal("3.12"), (), "measured", None, 0, (), None, None, ("rates.toml:7",))
    summary = Summary(3, 1, 1, 2.0, (energy, gpu, lost, absent))
    seen = Seen(panel_pages.totals([Scope("Session", "since then", summary, costs(bill))]))
    shown = dict(zip(seen.of("data-name"), [w for w in seen.words if w[0] in "≥~—31"], strict=True))
    assert shown == {
        "cells": "3", "energy": "~3.42 kJ", "GPU time, busy": "≥ 10.0 s", "FLOPs": "—", "emissions": "~1.50 gCO2e",
        "money, EUR": "3.12 EUR",
    }  # fmt: skip
    hovers = seen.of("title")
    assert "energy: ~3.42 kJ ±5.0 %\nmodelled, a source\n25 % of the energy was measured, the rest is an estimate." in (
        hovers
    )
    assert "GPU time, busy: ≥ 10.0 s\nmeasured, a source\nA lower bound: the driver hung." in hovers
    assert any("not measured, nothing counts them" in hover and "Not counted" in hover for hover in hovers)
    assert "money, EUR: 3.12 EUR\nmeasured, rates.toml:7" in hovers
    assert "since then" in hovers
    assert "1 of them failed" in hovers


def test_emissions_say_their_range_where_nobody_said_where_it_runs() -> None:
    ranged = costs(range_g=(0.1, 3.0), range_of=("Sweden", "Poland"))
    seen = Seen(panel_pages.totals([Scope("Session", "", Summary(1, 0, 1, 1.0, ()), ranged)]))
    assert any("by where it runs: 0.1 to 3.00 gCO2e, as in Sweden to as in Poland" in one for one in seen.of("title"))


def test_a_scope_that_cannot_be_read_says_why() -> None:
    known = Scope("Session", "", Summary(1, 0, 1, 1.0, (total("energy_j", 1.0),)), None)
    seen = Seen(panel_pages.totals([known, Scope("Notebook", "a.ipynb", None, None, "the ledger is locked")]))
    assert seen.words.count("—") == 2
    assert seen.of("title").count("the ledger is locked") == 2


def test_budgets_are_the_pages_own_sentences_with_bars() -> None:
    near, over, paused, unknown = (
        verdict(17.0, name="near"), verdict(40.0, name="over"), verdict(1.0, name="paused", paused=True),
        verdict(None, 1, ("the driver hung",), name="unknown"),
    )  # fmt: skip
    seen = Seen(panel_pages.budgets([near, over, paused, unknown], NOW))
    for one in (near, over, paused, unknown):
        assert said(one) in seen.words
    assert seen.of("data-state") == ["near", "over", "paused", "unknown"]
    assert seen.of("aria-valuenow") == ["85", "100"]
    assert seen.of("aria-label") == ["near", "over"]
    assert seen.of("aria-valuetext") == [said(near), said(over)]
    assert [word.strip() for word in seen.words if word.strip()[:1] in {"▲", "■", "?"}] == [
        "▲ nearly spent", "■ spent", "? not known",
    ]  # fmt: skip


def test_a_running_cell_says_its_time_energy_power_and_what_it_will_cost() -> None:
    record = golden.record(4, 75.0, 100.0)
    forecast = Forecast("history", 3, "same code", "GPU", None, None, (), "The last 3 runs took 41 ± 4 kJ on GPU.")
    power = total("power_w", 85.0, "W")
    seen = Seen(panel_pages.running([Running(record, power, Progress(0.34, "epochs", "tqdm"), forecast)]))
    for text in ("In [4]", "1 min 10 s", "~85.0 W", forecast.text):
        assert text in seen.words
    assert seen.of("aria-valuenow") == ["34"]
    assert seen.of("aria-label") == ["epochs"]
    assert seen.of("aria-valuetext") == ["34 % done (tqdm)"]
    assert any(hover.startswith("energy so far: ") for hover in seen.of("title"))
    assert "Nothing runs." in Seen(panel_pages.running([])).words


def test_the_dearest_say_how_they_ended() -> None:
    records = [golden.record(1, 2.0, 100.0, label="train", outcome="error"), golden.record(2, 2.0, None)]
    seen = Seen(panel_pages.dearest(records))
    assert any("train" in word and "✗ error" in word for word in seen.words)
    assert panel_pages.dearest([]) == ""
