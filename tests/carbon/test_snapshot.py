"""The shipped intensities: what codecarbon says, none without its source, found by name."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import make_snapshot
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.carbon import providers, snapshot
from jupyter_costmeter.carbon.snapshot import region, regions, search, span, world
from jupyter_costmeter.errors import CostMeterError, UsageError
from jupyter_costmeter.factors import Basis

FILE: dict[str, Any] = json.loads(snapshot.DATA.read_text(encoding="utf-8"))
#: Our id, codecarbon's country and region (``gcp`` for a cloud's), g/kWh (FACTS §2.1, §6.10).
CROSS_CHECKS = [
    ("FR", "FRA", None, 56.039),
    ("DE", "DEU", None, 380.95),
    ("GB", "GBR", None, 237.589),
    ("US", "USA", None, 369.473),
    ("IN", "IND", None, 713.441),
    ("ZA", "ZAF", None, 707.686),
    ("FI", "FIN", None, 79.158),
    ("US-CA", "USA", "california", 179.0642063),
    ("US-VA", "USA", "virginia", 244.758),
    ("US-DC", "USA", "district of columbia", 179.174),
    ("CA-QC", "CAN", "quebec", 3.937355),
    ("CA-AB", "CAN", "alberta", 627.675),
    ("CN-BJ", "CHN", "Beijing", 555.4),
    ("SE-SE4", "SWE", "SE4", 24.7),
    ("NO-NO1", "NOR", "NO1", 26.0),
    ("gcp/us-central1", "gcp", "us-central1", 430),
    ("gcp/europe-west9", "gcp", "europe-west9", 34),
    ("world", "XXX", None, 475),
]
AMBIGUOUS = {"congo", "georgia", "korea"}


def grams(name: str) -> float:
    intensity = region(name).intensity
    assert intensity is not None
    return intensity.g_per_kwh


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A path that is read instead of the shipped file."""
    monkeypatch.setattr(snapshot, "DATA", tmp_path / "intensity.json")
    for known in (snapshot.regions, snapshot.span):
        known.cache_clear()
    yield tmp_path / "intensity.json"
    for known in (snapshot.regions, snapshot.span):
        known.cache_clear()


# What it is made of


def test_it_is_what_the_installed_codecarbon_says():
    """Aliases only where Babel is of the same version, too: names change with it."""
    if version("codecarbon") != FILE["codecarbon"]:
        pytest.skip(f"the snapshot is of codecarbon {FILE['codecarbon']}, installed is {version('codecarbon')}")
    made = make_snapshot.snapshot(FILE["made"])
    if made["names"] == FILE["names"]:
        assert make_snapshot.text(made) == snapshot.DATA.read_text(encoding="utf-8")
    assert [row | {"aliases": []} for row in made["rows"]] == [row | {"aliases": []} for row in FILE["rows"]]


@pytest.mark.parametrize(("ours", "country", "part", "expected"), CROSS_CHECKS, ids=[each[0] for each in CROSS_CHECKS])
def test_codecarbon_gives_the_same_answer(ours, country, part, expected):
    logging.getLogger("codecarbon").disabled = True  # an unknown country is warned of
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import CloudMetadata, GeoMetadata
    from codecarbon.input import DataSource

    emissions, kwh = Emissions(DataSource()), Energy.from_energy(kWh=1.0)
    if country == "gcp":
        kg = emissions.get_cloud_emissions(kwh, CloudMetadata("gcp", part))
    else:
        kg = emissions.get_private_infra_emissions(kwh, GeoMetadata(country, region=part))
    assert grams(ours) == pytest.approx(1000 * kg, rel=1e-6)
    assert grams(ours) == pytest.approx(expected, abs=1e-3)


SHIPPED = [each for each in regions() if not providers.is_one(each.id)]


def test_every_row_says_its_source_year_and_basis():
    for each in SHIPPED:
        if each.intensity is not None:
            said = each.intensity
            assert said.region == each.id
            assert said.source.endswith(f", in codecarbon {FILE['codecarbon']}")
            assert str(said.year) in said.source
            assert len(said.source) <= 70
            assert said.basis in get_args(Basis)
            assert said.signal == "average"
            assert said.note == each.note
    for row in FILE["rows"]:
        assert 2000 < row["year"] < 2030
        assert FILE["sets"][row["set"]]["source"]


def test_every_id_is_there_once():
    assert len({each.id for each in regions()}) == len(regions())
    ids = [each.id for each in SHIPPED]
    assert ids == sorted(ids)
    assert len(ids) == 213 + 51 + 13 + 30 + 9 + 40 + 1


def test_it_is_small_and_has_one_row_a_line():
    text = snapshot.DATA.read_text(encoding="utf-8")
    assert len(text.encode()) < 60_000
    assert sum(line.startswith('  {"id":') for line in text.splitlines()) == len(FILE["rows"])


@pytest.mark.parametrize(
    ("name", "basis"),
    [
        ("FR", "lifecycle"),
        ("US-CA", "direct"),
        ("CA-QC", "combustion only"),
        ("CN-BJ", "CO2 only"),
        ("SE-SE1", "not stated"),
        ("gcp/us-central1", "direct"),
    ],
)
def test_bases_differ_and_are_said(name, basis):
    assert region(name).intensity.basis == basis


def test_the_states_lack_the_country_and_have_the_capital():
    assert region("Washington, D.C.").id == region("district of columbia").id == "US-DC"
    assert not any(each.id.lower() == "us-usa" for each in regions())
    assert grams("usa") == 369.473  # the country's own row


def test_finland_is_there_once():
    assert [each.id for each in regions() if each.id.startswith("FI")] == ["FI"]
    assert "Our World in Data" in region("FI").intensity.source


def test_a_misspelt_region_has_googles_name():
    assert grams("gcp/me-central1") == 575


# What is refused or marked


def test_zero_is_refused_with_a_reason():
    refused = region("CAF")
    assert refused.intensity is None
    assert "refused: 0 g/kWh" in refused.note
    assert [each.id for each in regions() if each.intensity is None] == ["CF"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("LSO", "only 0.5 TWh a year: ±51% by rounding alone"),
        ("MSR", "±100% by rounding alone"),
        ("SHN", "±100% by rounding alone"),
        ("ESH", "old: of 2009"),
        ("TKM", "76% more than its mix gives"),
        ("UZB", "66% more than its mix gives"),
        ("BHR", "22% more than its mix gives"),
        ("Quebec", "hydro, nuclear and biomass count as 0"),
        ("SE4", "lower bound: 14.95%"),
        ("SE3", "lower bound: 5.42%"),
        ("NO4", "period-dependent"),
    ],
)
def test_a_doubtful_row_is_kept_and_says_why(name, why):
    assert grams(name) > 0
    assert why in region(name).note


def test_what_rounding_makes_uncertain_is_so_and_the_rest_is_20_percent():
    assert region("LS").intensity.uncertainty == pytest.approx(0.55)  # 0.2 and 0.51 in quadrature
    assert region("MS").intensity.uncertainty > 1
    wider = [e.id for e in regions() if e.intensity and e.intensity.uncertainty != 0.2]
    assert wider == ["CK", "FK", "KI", "LS", "MS", "NR", "PM", "SH", "SL", "world"]


def test_france_has_nothing_to_note():
    assert region("FR").note is None


def test_the_world_is_assumed_and_its_uncertainty_holds_the_span():
    average = world().intensity
    assert (average.g_per_kwh, average.method) == (475, "assumed")
    low, high = (each.intensity.g_per_kwh for each in span())
    assert average.g_per_kwh * (1 - average.uncertainty) <= low
    assert high <= average.g_per_kwh * (1 + average.uncertainty)


def test_the_span_is_of_countries_without_refused_or_marked_ones():
    low, high = span()
    assert (low.id, high.id) == ("BT", "BN")
    sound = [e for e in regions() if len(e.id) == 2 and e.intensity and not e.note]
    assert all(grams(low.id) <= grams(e.id) <= grams(high.id) for e in sound)
    assert grams("Lesotho") < grams(low.id)
    assert grams("Turkmenistan") > grams(high.id)


# Finding one


@given(st.sampled_from([each.id for each in regions()]), st.sampled_from([str.lower, str.upper, str.title, str]))
def test_an_id_in_any_case_finds_itself(name, case):
    assert region(case(name)).id == name
    assert search(case(name), 1)[0].id == name


@given(st.sampled_from(regions()), st.data())
def test_a_name_finds_its_region_or_says_that_several_have_it(each, data):
    name = data.draw(st.sampled_from((each.name, *each.aliases)))
    if snapshot.fold(name) in AMBIGUOUS:
        with pytest.raises(UsageError, match=f"several regions are called .* {each.id} "):
            region(name)
    else:
        assert region(name) == each


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("us-ca", "US-CA"),
        ("California", "US-CA"),
        ("gcp:us-central1", "gcp/us-central1"),
        ("GCP/US-Central1", "gcp/us-central1"),
        ("fra", "FR"),
        ("UK", "GB"),
        ("Great Britain", "GB"),
        ("USA", "US"),
        (" south  korea ", "KR"),
        ("Québec", "CA-QC"),
        ("Côte d’Ivoire", "CI"),
        ("deutschland", "DE"),
        ("日本", "JP"),
        ("se1", "SE-SE1"),
    ],
)
def test_a_region_by_name(name, found):
    assert region(name).id == found


def test_names_that_several_have_are_said_to_be_so():
    with pytest.raises(UsageError, match=r"several regions are called 'georgia': GE \(Georgia\), US-GA \(Georgia\)"):
        region("georgia")
    names = [name for e in regions() for name in set(map(snapshot.fold, (e.id, e.name, *e.aliases)))]
    assert {name for name in names if names.count(name) > 1} == AMBIGUOUS


def test_an_id_goes_before_others_names():
    assert region("CA").name == "Canada"
    assert region("DE").name == "Germany"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Frnace", "there is no region 'Frnace'; near it are FR (France)"),
        ("us-central1", "near it are gcp/us-central1"),
        ("xyzzy", "there is no region 'xyzzy'; name a country (FR, France)"),
        ("", "there is no region ''; name a country"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(name, said):
    with pytest.raises(UsageError) as raised:
        region(name)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("us", ["US", "US-AL", "US-AK"]),  # the id, then those that begin so
        ("us w", ["US-WA", "US-WV", "US-WI", "US-WY", "gcp/us-west4"]),  # Las Vegas, though before in the alphabet
        ("of", ["CD", "US-DC", "CG"]),  # in a name before in Congo's alias
        ("nei", ["CN-NM", "BN"]),  # Nei Mongol, an alias, before Brunei
        ("uk", ["GB"]),  # a whole alias before Ukraine
        ("germ", ["DE"]),
        ("new york", ["US-NY"]),
        ("york new", ["US-NY"]),
        ("us calif", ["US-CA"]),
        ("cote ivoire", ["CI"]),
        ("QUEBEC", ["CA-QC"]),
        ("stan", ["AF", "KZ", "KG", "PK", "TJ", "TM", "UZ"]),
        ("united", ["AE", "GB", "US"]),
        ("gcp paris", ["gcp/europe-west9"]),
        ("no such place", []),
        ("france germany", []),
        ("  ", []),
    ],
)
def test_search(text, first):
    found = [each.id for each in search(text)]
    assert found[: len(first)] == first
    assert bool(found) == bool(first)


def test_a_search_ends_at_its_limit():
    assert len(search("a")) == 20
    assert len(search("a", 3)) == 3


@given(st.text())
def test_any_text_may_be_looked_for(text):
    assert isinstance(search(text), list)
    with suppress(UsageError):
        assert region(text) in regions()


# The file


def test_importing_reads_nothing():
    code = (
        "import sys; from pathlib import Path; import jupyter_costmeter.factors\n"
        "def fail(*args, **kwargs): raise AssertionError('read')\n"
        "Path.read_text = fail\n"
        "from jupyter_costmeter.carbon import hints, snapshot\n"
        "try: snapshot.regions()\n"
        "except AssertionError: print('later')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "later"


def test_it_is_read_once():
    assert regions() is regions()


ROW = '{"id": "world", "name": "World", "set": "w", "g": %s, "year": 2019}'
WHOLE = '{"sets": {"w": {"source": "s", "basis": "direct"}}, "rows": [%s]}'


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "{}",
        '{"rows": 3, "sets": {}}',
        WHOLE % "",
        WHOLE % ROW % "NaN",
        WHOLE % ROW % "0",
        WHOLE % ROW % '"475"',
        WHOLE % (ROW % 475).replace('"w"', '"other"'),
        snapshot.DATA.read_text(encoding="utf-8")[:5000],
    ],
)
def test_a_damaged_file_is_one_sentence(damaged, content):
    if content is not None:
        damaged.write_text(content)
    with pytest.raises(
        CostMeterError, match=r"^the shipped carbon intensities cannot be read \(.+\): install jupyter_"
    ):
        regions()


def test_a_file_without_countries_has_no_span(damaged):
    damaged.write_text(WHOLE % ROW % 475)
    with pytest.raises(CostMeterError, match="no country"):
        span()
