"""The words about carbon and money, as they are typed: where, factors, sci, what-if, rates."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from carbon.grid_server import GridServer, grams, serving
from kernels import Kernel
from shell import Ran, cell, costmeter, fill, here, session
from test_cli import said
from test_commands import shows

from jupyter_costmeter.assumptions import NAME, load
from jupyter_costmeter.carbon import live
from jupyter_costmeter.carbon.sources.uk import Uk

Words = Callable[..., str]
HOST = socket.gethostname()
THEN = (time.time() // 3600 - 48) * 3600  # the beginning of an hour, two days ago
KWH = 10_824.0 / 3.6e6  # 3600 + 7200 J of the GPU, and three times 8 J of CPU and memory
FRANCE, SWEDEN, POLAND = 56.039, 40.695, 661.926  # FACTS §2.1


@pytest.fixture
def metered(home: Path, ledger_path: Path) -> Path:
    """Three cells of a project on this machine, two of them labelled; returns the user's own file."""
    info = replace(session("aaa1", str(home / "paper" / "train.ipynb")), host=HOST, started_at=THEN)
    (home / "paper" / ".git").mkdir(parents=True)
    made = [cell(info, 1, 3600.0, label="train"), cell(info, 2, 0.0), cell(info, 3, 7200.0, label="train")]
    fill(ledger_path, info, *(replace(record, started_at=THEN + 60 * record.seq) for record in made))
    (home / "config_dir").mkdir()
    return home / "config_dir" / NAME


@pytest.fixture
def words(capsys: pytest.CaptureFixture[str], metered: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """What a command in the project's folder says; ``code`` where it must fail."""
    monkeypatch.chdir(home / "paper")

    def ask(*asked: str, code: int = 0) -> str:
        return said(here(capsys, *asked), code)

    return ask


def row(shown: str, start: str) -> list[str]:
    """The cells of a table's line."""
    (found,) = [line for line in shown.splitlines() if re.split(r"\s{2,}", line)[0] == start]
    return [part for part in re.split(r"\s{2,}", found.strip()) if part]


def derived(words: Words, name: str) -> dict[str, Any]:
    """A total of what is exported."""
    words("export", "out.json", "--force")
    totals = json.loads(Path("out.json").read_text())["costs"]["totals"]
    found: dict[str, Any] = next(t for t in totals if t["name"] == name)
    return found


# Where


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("FR", "FR, France"),
        ("us-ca", "US-CA, California"),
        ("california", "US-CA, California"),
        ("gcp/us-central1", "gcp/us-central1, "),
    ],
)
def test_a_place_by_its_id_or_name(asked: str, named: str, words: Words, metered: Path) -> None:
    shown = words("where", asked)
    assert f"Where {HOST} stands" in shown
    assert re.search(rf"region +{re.escape(named)}.* +{re.escape(str(metered))}:1", shown)
    assert f"Written to {metered}. What was metered before counts by it, too." in shown
    assert words("where").splitlines()[:7] == shown.splitlines()[:7]
    assert "Written" not in words("where")


def test_a_kind_and_a_pue_stay_until_others_are_said(words: Words) -> None:
    assert row(words("where", "FR", "--kind", "laptop"), "PUE")[1] == "1"
    shown = words("where", "--pue", "1.25")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("laptop", "1.25")
    assert f"declared: declared in {NAME}:" in shown
    shown = words("where", "--kind", "lab")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("lab", "1.25")
    shown = words("where", "SE")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("lab", "1.25")
    shown = words("where", "gcp/us-central1")  # a cloud is no lab
    assert row(shown, "kind of place")[1] == "cloud"


def test_a_kind_alone_leaves_what_a_file_says_of_all_machines(words: Words, metered: Path) -> None:
    before = '[[where]]\nregion = "SE"\npue = 1.1\npue_source = "the report"\n'
    metered.write_text(before)
    shown = words("where", "--kind", "lab")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("lab", "1.1")
    assert metered.read_text() == f'{before}\n[[where]]\nhost = "{HOST}"\nregion = "SE"\nkind = "lab"\npue = 1.1\n'


def test_a_nearer_file_that_says_another_place_is_named(words: Words, metered: Path) -> None:
    nearer = Path(NAME).absolute()
    nearer.write_text(f'[[where]]\nregion = "PL"\n[[where]]\nhost = "{HOST}"\nregion = "DE"\n')
    shown = words("where", "SE")
    assert f"Written to {metered}, but {nearer}:3, which is nearer, says DE." in shown
    assert row(shown, "region")[1] == "DE, Germany"
    nearer.write_text('[[where]]\nregion = "DE"\n')  # of all machines: the own row is more exact
    assert f"Written to {metered}. What was metered before counts by it, too." in words("where", "NO")


def test_other_machines_and_other_times(words: Words, metered: Path) -> None:
    words("where", "DE")
    shown = words("where", "FR", "--from", "2026-10-01")
    assert "What was metered before 2026-10-01 stays as it was." in shown
    assert "the file says other things of other times" in shown
    assert "Where gpu-* stands" in words("where", "PL", "--host", "gpu-*")
    assert row(words("where", "--host", "gpu-07"), "region")[1] == "PL, Poland"
    found = load()
    assert [(p.host, p.region) for p in found.places] == [(HOST, "DE"), (HOST, "FR"), ("gpu-*", "PL")]
    assert metered.read_text().count("from = 2026-10-01") == 1
    assert row(words("where", "--host", "gpu-*", "--forget"), "region")[1] == "not known"
    assert f"Taken out of {metered}." in words("where", "--forget")
    assert f"{metered} says nothing of {HOST}." in words("where", "--forget")
    assert load().places == ()


def test_forgetting_says_what_still_places_the_machine(words: Words, metered: Path) -> None:
    metered.write_text('[[where]]\nregion = "SE"\n')
    words("where", "FR")
    assert row(words("where", "--forget"), "region")[1] == "SE, Sweden"


def test_regions_are_searched(words: Words) -> None:
    shown = words("where", "--search", "geor")
    assert shown.startswith("2 regions")
    assert row(shown, "GE")[1:] == ["Georgia", "168", "2023", "lifecycle"]
    assert row(shown, "US-GA")[4] == "direct"
    assert "not comparable" in shown
    assert int(words("where", "--search").split()[0]) > 290
    assert "No region is called 'zzzz'" in words("where", "--search", "zzzz")
    assert "several regions are called 'georgia': GE (Georgia), US-GA (Georgia); give the id" in words(
        "where", "georgia", code=2
    )


def test_what_the_environment_suggests_is_not_used(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    shown = words("where")
    assert "A suggestion, not used before you say so: AWS_REGION is eu-west-3; `%cost where FR`" in shown
    assert row(shown, "region")[1] == "not known"
    assert "suggestion" not in words("where", "SE")
    assert derived(words, "emissions_g")["sources"][0].startswith("SE: ")


def test_a_shell_says_it_for_all_later_ones(metered: Path, home: Path) -> None:
    assert "SE, Sweden" in said(costmeter("where", "SE", "--pue", "1.1", cwd=home))
    shown = said(costmeter("summary", cwd=home / "paper"))
    assert "SE: Our World in Data 2023" in shown
    assert "× PUE 1.1" in shown
    assert "there is no region 'Frnace'" in said(costmeter("where", "Frnace", cwd=home), 2)


def test_a_file_that_cannot_be_written_is_a_failure(words: Words, metered: Path) -> None:
    metered.parent.rmdir()
    metered.parent.write_text("no folder")
    assert "cannot write" in words("where", "FR", code=1)
    assert "Nobody said where this ran" in words("summary")


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
    assert "r.toml:11: [[rates]]: gpu_hour = 'dear'" in shown
    assert "no price" not in words("summary")  # it was only checked
    assert words("rates").startswith("0 rates, 0 mistakes")


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
