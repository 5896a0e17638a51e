"""Exports say what records cost, by which factors, and nothing that a paper must not have."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import golden
import pytest
from kernels import ALL
from markdown_it import MarkdownIt
from shell import cell, fill, session

from jupyter_costmeter import equivalents, report
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.toml_files import NAME

T = TypeVar("T")
INFO = session("aaa1", "/home/ada/paper/train.ipynb")
LAB = """\
[[where]]
region = "FR"
pue = 1.2
pue_source = "the site's report"

[[rates]]
gpu_hour = 0.55
kwh = 0.21
currency = "EUR"

[[rates]]
match = {host = "elsewhere"}
cpu_hour = 1
currency = "USD"
"""
SUFFIXES = ["json", "csv", "md"]
G_PER_J = 1.2 * 56.039 / 3.6e6


@pytest.fixture
def own(home: Path) -> Path:
    (home / "config_dir").mkdir()
    (home / "config_dir" / NAME).write_text(LAB)
    return home / "config_dir" / NAME


def records() -> list[CellRecord]:
    """Two cells, one of which lacks its GPU's energy, a window inside the first, and a GPU held idle."""
    inner = replace(cell(INFO, 3), parent_id="aaa1-1")
    idle = replace(golden.IDLING, session_id="aaa1", notebook=INFO.notebook)
    return [cell(INFO, 1, 3600.0), cell(INFO, 2, None), inner, idle]


@pytest.fixture
def costing(own: Path, home: Path) -> Costing:
    return Costing(None, home / "intensity")


def exported(ledger: Ledger, suffix: str, costing: Costing, *made: CellRecord, scope: Selection = ALL) -> str:
    ledger.append(INFO, made or records())
    out = io.StringIO(newline="")
    report.write(ledger, scope, suffix, out, costing)
    return out.getvalue()


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def value(totals: list[dict[str, Any]], name: str) -> Any:
    return next((t["value"] for t in totals if t["name"] == name), None)


# JSON


def test_json_has_each_factor_with_all_that_is_known_of_it(ledger: Ledger, costing: Costing, own: Path) -> None:
    costs = json.loads(exported(ledger, "json", costing))["costs"]
    intensity, pue, embodied = costs["applied"]
    assert (intensity["name"], intensity["value"], intensity["unit"]) == ("intensity", 56.039, "g/kWh")
    assert (intensity["method"], intensity["share"], intensity["uncertainty"]) == ("modelled", 1.0, 0.2)
    known = intensity["intensity"]
    assert (known["region"], known["year"], known["signal"], known["basis"]) == ("FR", 2023, "average", "lifecycle")
    assert known["source"].startswith("Our World in Data 2023")
    assert (pue["value"], pue["method"], pue["source"]) == (1.2, "declared", "the site's report")
    assert embodied["unit"] == "g/GPU-h"
    assert "Luccioni et al. 2023" in embodied["source"]


def test_money_in_json_is_decimal_text_by_currency(ledger: Ledger, costing: Costing) -> None:
    body = json.loads(exported(ledger, "json", costing))
    euro, dollar = sorted(body["costs"]["bills"], key=lambda bill: bill["currency"])
    assert Decimal(euro["amount"]) == sum(Decimal(line["cost"]) for line in euro["lines"])
    assert {line["source"] for line in euro["lines"]} == {f"{NAME}:6"}
    assert (dollar["currency"], dollar["amount"], dollar["missing"]) == ("USD", None, 1)
    assert "no price per CPU-hour" in dollar["reasons"][0]
    (cloud,) = body["costs"]["clouds"]
    assert (cloud["provider"], cloud["as_of"]) == ("aws", "2023-11-16")


def test_what_is_wrong_with_the_assumptions_is_in_the_export(ledger: Ledger, costing: Costing, own: Path) -> None:
    own.write_text(LAB + '[[where]]\nregion = "Nowhere"\n')
    assert "there is no region 'Nowhere'" in json.loads(exported(ledger, "json", costing))["problems"][0]
    assert "there is no region 'Nowhere'" in exported(ledger, "md", costing)


def test_without_who_derives_there_are_no_costs(ledger: Ledger) -> None:
    ledger.append(INFO, records())
    out = io.StringIO()
    report.write(ledger, ALL, "json", out)
    body = json.loads(out.getvalue())
    assert (body["costs"], body["factors"], body["statement"], body["forms"]) == (None, None, None, [])


# CSV


def test_csv_has_costs_and_factors_in_each_line(ledger: Ledger, costing: Costing) -> None:
    found = {line["id"]: line for line in lines(exported(ledger, "csv", costing))}
    first, lost = found["aaa1-1"], found["aaa1-2"]
    assert float(first["emissions_g"]) == pytest.approx(3608 * G_PER_J)
    assert float(first["electricity_wh"]) == pytest.approx(3608 * 1.2 / 3600)
    assert first["emissions_g_how"] == "declared"
    assert lost["emissions_g_how"] == "declared, a lower bound"
    assert (first["intensity_g_per_kwh"], first["pue"]) == ("56.039", "1.2")
    assert first["intensity_source"].startswith("FR: Our World in Data 2023")
    assert "EUR" in first["money"]
    kwh_euros = 3608 * 1.2 / 3.6e6 * 0.21
    assert float(first["money_amount"]) >= kwh_euros  # and its GPU-hours
    assert float(first["money_amount"]) == pytest.approx(float(first["gpu_reserved_s"] or 0) / 3600 * 0.55 + kwh_euros)
    assert (first["money_currency"], first["money_how"]) == ("EUR", "declared")
    assert lost["money_how"].endswith(", a lower bound")
    assert first["water_l"] == ""
    assert first["water_l_how"] == "not derived: there is none in this record"


def test_csv_has_all_that_is_known_of_each_factor(ledger: Ledger, costing: Costing) -> None:
    found = {line["id"]: line for line in lines(exported(ledger, "csv", costing))}
    intensity, rest = found["aaa1-1"]["factors"].split("; PUE: ")
    assert intensity.startswith("Carbon intensity: 56 g/kWh, FR, modelled, Our World in Data 2023")
    assert intensity.endswith("average, lifecycle, ±20 %")
    assert rest.startswith("1.2, declared, the site's report")
    assert "Making of a GPU: " in rest
    assert "Luccioni et al. 2023" in rest
    assert found["aaa1-1"]["money_source"] == f"{NAME}:6"


def test_csv_has_the_half_width_of_each_figure(ledger: Ledger, costing: Costing, own: Path) -> None:
    own.write_text(LAB + "[water]\non_site_l_per_kwh = 1\n")
    text = exported(ledger, "csv", costing)
    (line,) = [line for line in lines(text) if line["id"] == "aaa1-1"]
    exact = costing.of(ledger.uses(replace(ALL)))  # of all: each at least as wide as one of it
    for name in ("electricity_wh", "emissions_g", "embodied_g", "water_l"):
        whole = exact.footprint.total(name)
        assert whole is not None
        assert 0 < float(line[f"{name}_uncertainty"]) <= (whole.uncertainty or 0.0)
    joules = (3600 * 0.05, 4.0)  # the counter, and at most all of the CPU and memory
    assert float(line["electricity_wh_uncertainty"]) == pytest.approx(joules[0] * 1.2 / 3600, rel=0.01)


def test_what_was_not_metered_has_no_costs_rather_than_zero(ledger: Ledger, costing: Costing) -> None:
    made = cell(INFO, 1)
    lost = replace(made, usage=replace(made.usage, figures=(golden.usage(1.0, None).figures[4],)))
    (line,) = lines(exported(ledger, "csv", costing, lost))
    assert line["emissions_g"] == line["emissions_g_uncertainty"] == ""
    assert line["emissions_g_how"] == "not measured: the GPU is lost"
    body = json.loads(exported(ledger, "json", costing, lost))
    assert value(body["costs"]["totals"], "emissions_g") is None


@pytest.mark.parametrize("evil", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\\t=1"])
def test_no_text_of_the_file_is_a_formula(evil: str, ledger: Ledger, costing: Costing, own: Path) -> None:
    own.write_text(
        f'[[where]]\nregion = "FR"\npue = 1.2\npue_source = "{evil}"\n'
        f'[[intensity]]\ng_per_kwh = 50\nsource = "{evil}"\n'
        f'[[rates]]\ngpu_hour = 1\ncurrency = "EUR"\nbasis = "{evil}"\nnote = "{evil}"\n'
        f'[embodied]\nserver_kg = 1\nsource = "{evil}"\n[water]\non_site_l_per_kwh = 1\nsource = "{evil}"\n'
    )
    made = [replace(one, label=None) for one in records()]
    text = exported(ledger, "csv", costing, *made)
    assert evil.replace("\\t", " ") in text  # it is told
    for line in csv.reader(io.StringIO(text, newline="")):
        for found in line:
            assert found[:1] not in tuple("=+@\t\r\n"), found
            assert found[:1] != "-" or not found[1:2].isalnum(), found


# Markdown


def test_markdown_has_totals_factors_and_co2e_of_each_cell(ledger: Ledger, costing: Costing) -> None:
    text = re.sub(r"\\(.)", r"\1", exported(ledger, "md", costing))
    factors = text.partition("## Factors")[2].partition("## Cells")[0]
    assert "| carbon intensity | 56 g/kWh | ±20 % | modelled | FR, Our World in Data 2023" in factors
    assert "| PUE | 1.2 | exact | declared | the site's report |" in factors
    assert "| making of a GPU |" in factors
    assert f"{NAME}:6" in factors
    assert "| aws, 2023-11-16: on demand, us-east; " in factors
    assert "| emissions | ≥ ~" in text
    assert f"~{3608 * G_PER_J * 1000:.3g} mgCO2e |" in text.partition("## Cells")[2]


def test_no_text_of_the_file_breaks_the_table(ledger: Ledger, costing: Costing, own: Path) -> None:
    evil = "a|b <script>alert(1)</script> `x`"
    own.write_text(f'[[where]]\nregion = "FR"\n[[intensity]]\ng_per_kwh = 50\nsource = "{evil}"\n')
    made = MarkdownIt("commonmark", {"html": True}).enable("table").render(exported(ledger, "md", costing))
    assert "<script>" not in made
    table = made.partition("Factors</h2>")[2].partition("</table>")[0]
    assert {row.count("<td>") for row in table.split("<tr>")[2:]} == {6}


# All


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("placed", [True, False])
def test_nothing_to_picture_it_by_is_in_a_report(
    suffix: str, placed: bool, ledger: Ledger, costing: Costing, own: Path
) -> None:
    if not placed:
        own.unlink()
    text = exported(ledger, suffix, costing, replace(cell(INFO, 1, 1e12)))
    assert equivalents.equivalents(1e9, 1e9)  # there would be some
    for word in ("kettle", "boil", "by car", "flight", "EPA-420", "equivalents"):
        assert word not in text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_while_nobody_said_where_the_report_says_so(suffix: str, ledger: Ledger, costing: Costing, own: Path) -> None:
    own.unlink()
    text = exported(ledger, suffix, costing)
    assert "assumed" in text
    if suffix == "json":
        assert json.loads(text)["costs"]["range_of"]
    if suffix == "csv":
        assert {line["intensity_source"][:6] for line in lines(text)} == {"world:"}
    if suffix == "md":
        assert "Nobody said where this ran" in text


def test_the_next_export_is_by_the_file_of_then(ledger: Ledger, costing: Costing, own: Path) -> None:
    first = value(json.loads(exported(ledger, "json", costing))["costs"]["totals"], "emissions_g")
    own.write_text(LAB.replace("FR", "PL"))
    second = value(json.loads(exported(ledger, "json", costing))["costs"]["totals"], "emissions_g")
    assert second == pytest.approx(first * 661.926 / 56.039)


def test_a_file_that_changes_meanwhile_changes_no_half_of_a_report(
    ledger: Ledger, costing: Costing, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then_changed(records: Iterator[T]) -> Iterator[T]:
        for record in records:
            yield record
            own.write_text(LAB.replace("FR", "PL"))

    for name in ("records", "stored"):
        whole = getattr(ledger, name)
        monkeypatch.setattr(ledger, name, lambda selection, whole=whole: then_changed(whole(selection)))
    found = lines(exported(ledger, "csv", costing))
    assert {line["intensity_g_per_kwh"] for line in found} == {"56.039"}
    own.write_text(LAB)
    body = json.loads(exported(ledger, "json", costing))
    grid = {row["intensity"]["g_per_kwh"] for row in body["factors"]["conditions"]}
    assert grid == {56.039} == {a["value"] for a in body["costs"]["applied"] if a["name"] == "intensity"}
    kwh = body["statement"]["whole"]["electricity_kwh"]["value"]
    assert body["statement"]["whole"]["emissions_kg"]["value"] == pytest.approx(kwh * 0.056039)


def test_gb_hours_are_priced_where_there_is_a_rate(ledger: Ledger, costing: Costing, own: Path) -> None:
    own.write_text('[[rates]]\ngb_hour = 3600\ncurrency = "EUR"\n')
    body = json.loads(exported(ledger, "json", costing, cell(INFO, 1), cell(INFO, 2)))
    (bill,) = body["costs"]["bills"]
    assert float(bill["amount"]) == pytest.approx(2 * 2.0 * 1.5)  # two cells of 2 s at 1.5 GB


def test_a_long_export_is_streamed(
    ledger: Ledger, costing: Costing, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger.path, INFO, *(cell(INFO, n) for n in range(2000)))
    whole, alive = ledger.records, []

    def watched(selection: Selection) -> Iterator[CellRecord]:
        for number, record in enumerate(whole(selection)):
            if number == 1600:
                alive.extend(sum(type(o) is kind for o in gc.get_objects()) for kind in (CellRecord, Costs))
            yield record

    monkeypatch.setattr(ledger, "records", watched)
    report.export(ledger, ALL, home / "out.csv", costing=costing)
    assert max(alive) < 1100  # of 2000
    assert len((home / "out.csv").read_text().splitlines()) == 2001
