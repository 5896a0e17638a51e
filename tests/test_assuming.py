"""The words about carbon and money, as they are typed: where, factors, sci, what-if, rates."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from carbon.grid_server import GridServer, grams, serving
from costing_words import FRANCE, HOST, KWH, POLAND, SWEDEN, THEN, Words, derived, row
from kernels import Kernel, shows
from shell import Ran, cell, costmeter, fill, here, said, session

from jupyter_costmeter.carbon import live
from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.toml_files import NAME

# What follows


def test_the_past_is_computed_anew_when_the_file_changes(words: Words, metered: Path) -> None:
    before = derived(words, "emissions_g")
    assert (before["method"], before["value"]) == ("assumed", pytest.approx(KWH * 1.56 * 475))
    assert "Nobody said where this ran" in words("summary")
    assert row(words("summary"), "· by where it runs")[-1].startswith("as in ")
    words("where", "FR", "--pue", "1.2")
    assert derived(words, "emissions_g")["value"] == pytest.approx(KWH * 1.2 * FRANCE)
    assert "Nobody said" not in words("summary")
    with metered.open("a") as file:
        file.write('[[intensity]]\nregion = "FR"\ng_per_kwh = 10\n')
    after = derived(words, "emissions_g")
    assert (after["method"], after["value"]) == ("declared", pytest.approx(KWH * 1.2 * 10))


def test_what_is_wrong_in_the_file_is_below_every_answer(words: Words, metered: Path) -> None:
    metered.write_text('[[where]]\nregion = "Frnace"\n[[where]]\nregion = "SE"\n')
    for asked in (("summary",), ("report",), ("last",), ("factors",), ("where",)):
        shown = words(*asked)
        assert f"{metered}:1: [[where]]: there is no region 'Frnace'" in shown, asked
        assert "SE" in shown, asked


def test_last_cells_and_report_have_emissions(words: Words) -> None:
    words("where", "FR", "--pue", "1")
    mg = 7208.0 / 3.6e6 * FRANCE * 1000
    assert row(words("last"), "emissions")[1] == f"~{mg:.3g} mgCO2e"
    shown = words("cells")
    assert "CO2e" in shown.splitlines()[2]
    assert f"~{mg:.3g} mgCO2e" in shown
    assert f"~{mg:.3g} mgCO2e" in words("report")


def test_factors_have_value_width_method_and_source(words: Words) -> None:
    words("where", "FR", "--pue", "1.2")
    shown = words("factors")
    assert row(shown, "carbon intensity")[1:4] == ["56 g/kWh", "±20 %", "modelled"]
    assert "FR, Our World in Data 2023, in codecarbon 3.3.2, average, lifecycle" in shown
    assert row(shown, "PUE")[1:5] == ["1.2", "exact", "declared", f"declared in {NAME}:1"]
    assert row(shown, "making of a GPU")[3] == "assumed"
    assert "Vantage's export of AWS prices" in shown
    assert "so no factor was applied" in words("factors", "--label", "none")


# Scores and suppositions


@pytest.mark.parametrize(
    ("asked", "scale", "per"),
    [
        ((), 1 / 3, "run"),
        (("--per", "run"), 1 / 3, "run"),
        (("--per", "cell"), 1 / 3, "cell"),
        (("--per", "session"), 1.0, "session"),
        (("--per", "epoch", "--count", "3"), 1 / 3, "epoch"),
        (("--per", "1000 queries", "--count", "12000"), 1 / 12, "1000 queries"),
        (("--per", "run", "--count", "10"), 1 / 10, "run"),
    ],
)
def test_the_score_is_per_unit(asked: tuple[str, ...], scale: float, per: str, words: Words) -> None:
    words("where", "FR", "--pue", "1.2")
    made_mg = (150 + 2500 / 8) * 1e6 * (6.0 / 3600) / (6 * 8760 * 0.85)  # FACTS §2.6
    mg = scale * (KWH * 1.2 * FRANCE * 1000 + made_mg)
    shown = words("sci", *asked)
    assert row(shown, "SCI")[1] == f"~{mg:.3g} mgCO2e per {per}"
    assert "Boundary: " in shown
    assert "ISO/IEC 21031:2024" in shown
    assert "not subtracted" in shown


def test_a_score_needs_a_count_and_energy(words: Words) -> None:
    assert "how many epoch? --count N says it" in words("sci", "--per", "epoch", code=2)
    assert "wants a count above 0" in words("sci", "--count", "0", code=2)
    assert "no energy was metered there" in words("sci", "--label", "none", code=2)
    assert "99 % of the energy was measured, the rest is an estimate." in words("sci")
    assert "All of it took 1.5 times the newest run's energy." in words("sci", "--label", "train")


def test_what_if_shows_regions_side_by_side(words: Words) -> None:
    words("where", "FR", "--pue", "1.2")
    asked = ("--region", "SE", "--region", "poland", "--pue", "1.1", "--gpu", "H100")
    shown = words("what-if", *asked)
    head = row(shown, "figure")
    assert head == ["figure", "as it is", "SE, PUE 1.1, H100", "PL, PUE 1.1, H100"]
    now, *then = row(shown, "emissions")[1:]
    for text, g_per_kwh, pue in ((now, FRANCE, 1.2), *zip(then, (SWEDEN, POLAND), (1.1, 1.1), strict=True)):
        value = KWH * pue * g_per_kwh
        amount = f"{value:.3g} gCO2e" if value >= 1 else f"{value * 1000:.3g} mgCO2e"
        assert text.startswith(f"~{amount}"), text
    assert then[0].endswith(f"(×{1.1 * SWEDEN / (1.2 * FRANCE):.2g})")
    assert "charged as NVIDIA H100 80GB HBM3" in shown
    assert "\n99 % of the energy was measured, the rest is an estimate.\n" in shown
    assert row(shown, "on aws, 2023-11-16")[1] != row(shown, "on aws, 2023-11-16")[2]
    assert f"{KWH * 1.2 * FRANCE:.5f}" == f"{derived(words, 'emissions_g')['value']:.5f}"  # nothing was written
    assert row(words("what-if", "--g-per-kwh", "0"), "emissions")[2].startswith("~0 gCO2e")


# Rates

RATES = """\
[currency]
code = "EUR"

[[rates]]
kwh = 0.30

[[rates]]
match = {gpu = "A100*"}
gpu_hour = 0.55

[[rates]]
match = {gpu = "A100*"}
gpu_hour = "dear"

[[rates]]
match = {host = "elsewhere"}
gpu_hour = 9
"""


def test_rates_check_says_which_row_and_why_and_what_is_wrong(words: Words, home: Path) -> None:
    (home / "paper" / "r.toml").write_text(RATES)
    shown = words("rates", "check", "r.toml", code=1)  # so that a script notices the mistake
    assert shown.startswith("3 rates, 1 mistake")
    gpu, kwh = (line for line in shown.splitlines() if line.startswith(f"host {HOST}"))
    assert re.split(r"\s{2,}", gpu)[1:] == ["GPU-hour", "0.55 EUR", "r.toml:7", "line 7: gpu A100*; no other row fits"]
    assert re.split(r"\s{2,}", kwh)[1:] == ["kWh", "0.3 EUR", "r.toml:4", "line 4: any; no other row fits"]
    assert "r.toml:13: [[rates]]: gpu_hour = 'dear'" in shown
    assert "no price" not in words("summary")  # it was only checked
    assert words("rates").startswith("0 rates, 0 mistakes")


def test_rates_check_goes_by_the_days_that_the_file_tells_apart(words: Words, home: Path, ledger_path: Path) -> None:
    """A session that began before a row was valid ran after it, too: its newest day is asked, not its first."""
    began, day = THEN - 20 * 86400, datetime.fromtimestamp(THEN, timezone.utc).date()
    info = replace(session("bbb1", str(home / "paper" / "long.ipynb")), host="cluster", started_at=began)
    fill(ledger_path, info, *(replace(cell(info, i, 60.0), started_at=at) for i, at in enumerate((began, THEN), 1)))
    rates = f'[currency]\ncode = "EUR"\n[[rates]]\nkwh = 0.3\nvalid_from = {day}\n'
    (home / "paper" / "r.toml").write_text(rates)
    assert "0.3 EUR" in next(x for x in words("rates", "check", "r.toml").splitlines() if x.startswith("host cluster"))


def test_rates_that_price_nothing_are_named(words: Words, home: Path) -> None:
    """A row for a machine that is not in the ledger, or a pattern with a slip in it."""
    (home / "paper" / "r.toml").write_text(RATES.replace('"dear"', "0.1"))
    assert "No machine that was metered in this scope is priced by r.toml:7, r.toml:11, r.toml:15." in words(
        "rates", "check", "r.toml"
    )


def test_rates_of_the_file_make_a_bill(words: Words, metered: Path) -> None:
    words("where", "FR", "--pue", "1")
    metered.write_text(metered.read_text() + RATES)
    euros = 0.30 * KWH + 0.55 * 6.0 / 3600
    assert row(words("summary"), "money")[1] == f"~{euros:.2g} EUR"
    assert f"{NAME}:" in row(words("summary"), "money")[-1]
    assert words("rates").startswith("3 rates, 1 mistake")
    assert re.search(rf"GPU-h +0.55 EUR +0.001667 GPU-h +0.0009167 EUR +{NAME}:\d+", words("factors"))


def test_without_anything_metered_the_check_is_of_this_machine(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "r.toml").write_text(RATES)
    shown = said(here(capsys, "rates", "check", str(home / "r.toml")), 1)
    assert f"host {HOST}" in shown
    assert "GPU-hour" not in shown  # it has none


def test_a_machines_name_cannot_move_the_cursor(words: Words, metered: Path, ledger_path: Path) -> None:
    info = replace(session("bbb2", str(metered)), host="\x1b[2Jevil\r\x9b1m")
    fill(ledger_path, info, cell(info, 1, 3600.0))
    (metered.parent / NAME).write_text(RATES)
    shown = words("rates", "--all")
    assert "host [2Jevil 1m" in shown
    assert not {"\x1b", "\r", "\x9b"} & set(shown)


def test_rates_check_in_a_shell(metered: Path, home: Path) -> None:
    (home / "r.toml").write_text(RATES)
    ran: Ran = costmeter("rates", "check", "r.toml", "--all", cwd=home)
    assert "line 7: gpu A100*; no other row fits" in said(ran, 1)  # it has a mistake
    (home / "right.toml").write_text(RATES.replace('"dear"', "0.1"))
    assert "0 mistakes" in said(costmeter("rates", "check", "right.toml", "--all", cwd=home))
    assert "there is no none.toml" in said(costmeter("rates", "check", "none.toml", cwd=home), 2)


# Live


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch) -> Iterator[GridServer]:
    """A server that plays the API, which our source asks instead of the real one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        server.now = time.time()
        monkeypatch.setattr(live, "open_source", lambda name: Uk(server.url))
        yield server


def test_without_a_live_source_nothing_is_asked(words: Words, grid: GridServer, metered: Path) -> None:
    words("where", "GB")
    assert f'write [live] source = "uk" into {metered}' in words("refresh", code=2)
    for asked in ("summary", "factors", "last", "sci"):
        words(asked)
    assert grid.asked == []


def test_a_refresh_asks_for_the_hours_of_what_was_metered(words: Words, grid: GridServer, metered: Path) -> None:
    metered.write_text('[live]\nsource = "uk"\n')
    assert "nothing was metered of which it is known where it ran: say it first" in words("refresh", code=2)
    words("where", "GB", "--pue", "1")
    shown = words("refresh")
    count, newest = row(shown, "GB")[1:3]
    assert int(count) > 3
    assert re.fullmatch(r"\d+ g/kWh", newest)
    grams_then = (grams(THEN) + grams(THEN + 1800)) / 2
    assert derived(words, "emissions_g")["value"] == pytest.approx(KWH * grams_then)
    shown = words("factors")
    assert row(shown, "carbon intensity")[1] == f"{grams_then:.3g} g/kWh"
    assert "GB, UK Carbon Intensity (NESO)" in shown
    assert "fetched 20" in shown
    assert "UK Carbon Intensity (NESO): GB " in shown  # what is known last


@pytest.mark.parametrize("fault", [429, 500, "garbage"])
def test_a_refresh_that_fails_says_why_and_the_snapshot_counts(
    fault: int | str, words: Words, grid: GridServer, metered: Path
) -> None:
    metered.write_text('[live]\nsource = "uk"\n')
    words("where", "GB")
    grid.fault = fault
    problem = row(words("refresh"), "GB")
    assert problem[1:3] == ["0", "—"]
    assert problem[3].startswith("UK Carbon Intensity (NESO)")
    assert derived(words, "emissions_g")["sources"][0].startswith("GB: Our World in Data")


# In a kernel


def test_a_living_kernel_answers_by_the_file_of_now(kernel: Kernel, home: Path) -> None:
    kernel.run("sum(range(10**7))")
    assert "Nobody said where this ran" in shows(kernel, "%cost")
    shown = shows(kernel, "%cost where FR --kind lab")
    assert "FR, France" in shown
    assert "FR: Our World in Data 2023" in shows(kernel, "%cost")
    said(costmeter("where", "SE", cwd=home))  # somebody else says another place
    for line in ("%cost", "%cost last", "%cost --notebook", "%cost sci", "%cost what-if --region PL"):
        shown = shows(kernel, line)
        assert "SE" in shown, line
        assert "FR:" not in shown, line
    (home / "config_dir" / NAME).write_text("[[where\n")
    shown = shows(kernel, "%cost")
    assert "nothing of this file is used until that is mended" in shown
    assert "CPU energy" in shown
    said(costmeter("where", "SE", cwd=home), 2)
    (home / "config_dir" / NAME).unlink()
    assert "Nobody said where this ran" in shows(kernel, "%cost")
