"""Makes ``jupyter_costmeter/carbon/data/intensity.json`` from the data files of the installed codecarbon.

``python tests/carbon/make_snapshot.py`` writes it, dated today. The rules are explained in the README beside the
data; they are applied here, none by hand. codecarbon's code is not run: its files are read by path (FACTS §2.3).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from math import hypot
from pathlib import Path
from typing import Any

import pycountry
from babel import Locale
from babel.core import UnknownLocaleError
from babel.languages import get_official_languages

Row = dict[str, Any]
DATA = Path(__file__).parents[2] / "jupyter_costmeter" / "carbon" / "data" / "intensity.json"
LB_PER_MWH = 0.45359237  # g/kWh
#: What is said of every annual figure (FACTS §4); what is wrong by more than that is marked.
UNCERTAINTY = 0.2
#: The world's average, for a place that is not known: twice as much or nothing, which holds every shipped country.
WORLD_UNCERTAINTY = 1.0
OLD = 2020
#: kg per kWh (codecarbon's ``_region_energy_mix_to_emissions_rate``, FACTS §2.1).
CANADIAN = {"coal": 0.995725971, "petroleum": 0.8166885263, "naturalGas": 0.7438415916}
PROVINCES = {
    "alberta": "AB",
    "british columbia": "BC",
    "manitoba": "MB",
    "new brunswick": "NB",
    "newfoundland and labrador": "NL",
    "northwest territories": "NT",
    "nova scotia": "NS",
    "nunavut": "NU",
    "ontario": "ON",
    "prince edward island": "PE",
    "quebec": "QC",
    "saskatchewan": "SK",
    "yukon": "YT",
}
#: codecarbon's spelling of a Google Cloud region: Google's.
MISSPELT = {"me-cenrtal1": "me-central1"}
#: Columns of the country mixes by the name that ``carbon_intensity_per_source.json`` gives the source.
SOURCES = {
    "coal": "coal_TWh",
    "petroleum": "oil_TWh",
    "natural_gas": "gas_TWh",
    "nuclear": "nuclear_TWh",
    "hydroelectricity": "hydroelectricity_TWh",
    "wind": "wind_TWh",
    "solar": "solar_TWh",
    "biofuel": "biofuel_TWh",
    "geothermal": "other_renewable_exc_biofuel_TWh",
}
#: Names that neither codecarbon nor CLDR has; one that two regions have makes it ambiguous, which is the intention.
COMMON = {
    "AE": ["UAE", "Emirates"],
    "BA": ["Bosnia"],
    "CA-NL": ["Newfoundland", "Labrador"],
    "CD": ["Congo", "DR Congo", "DRC"],
    "CG": ["Republic of the Congo"],
    "CI": ["Ivory Coast"],
    "CZ": ["Czech Republic"],
    "GB": ["UK", "Great Britain", "Britain", "England", "Scotland", "Wales", "Northern Ireland"],
    "HK": ["Hong Kong SAR"],
    "KP": ["Korea", "DPRK"],
    "KR": ["Korea", "Republic of Korea"],
    "MK": ["Macedonia"],
    "MM": ["Burma"],
    "NL": ["Holland", "The Netherlands"],
    "RU": ["Russian Federation"],
    "SZ": ["Swaziland"],
    "TR": ["Turkiye"],
    "US": ["United States of America", "America"],
    "US-DC": ["Washington DC", "Washington, D.C."],
    "VN": ["Viet Nam"],
    "world": ["global", "world average"],
}


def snapshot(made: str) -> dict[str, Any]:
    """All rows, dated ``made``; an unknown shape of codecarbon's files is a ``KeyError``."""
    found = find_spec("codecarbon")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0]) / "data"
    infra = folder / "private_infra"
    factors = _json(infra / "carbon_intensity_per_source.json")
    nations = list(countries(_json(infra / "global_energy_mix.json"), factors))
    rows = [
        *nations,
        *states(_json(infra / "2023" / "usa_emissions.json")),
        *provinces(_json(infra / "2023" / "canada_energy_mix.json")),
        *chinese(_json(infra / "2023" / "china_provincial_emissions.json")),
        *zones(_json(infra / "nordic_emissions.json"), factors),
        *google(folder / "cloud" / "impact.csv", {row["aliases"][0]: row["name"] for row in nations}),
        world(factors),
    ]
    return {
        "codecarbon": version("codecarbon"),
        "names": f"Babel {version('Babel')}",
        "made": made,
        "sets": sets(version("codecarbon")),
        "rows": sorted(map(_named, rows), key=lambda row: row["id"]),
    }


def sets(codecarbon: str) -> dict[str, dict[str, str]]:
    """What the rows of one origin have in common; ``{year}`` is the row's."""
    by = f"in codecarbon {codecarbon}"
    zones = "codecarbon's factors: lifecycle for hydro, wind, solar and nuclear; for coal, oil and gas not stated"
    return {
        "owid": {"source": f"Our World in Data {{year}}, {by}", "basis": "lifecycle"},
        "egrid": {"source": f"EPA eGRID{{year}}, {by}", "basis": "direct"},
        "canada": {
            "source": f"Canada Energy Regulator's mix of {{year}}, {by}",
            "basis": "combustion only",
            "note": "only coal, oil and gas are counted: hydro, nuclear and biomass count as 0",
        },
        "china": {"source": f"MEE/NBS of China {{year}}, {by}", "basis": "CO2 only"},
        "nordic": {"source": f"ENTSO-E's mix of {{year}}, {by}", "basis": "not stated", "note": zones},
        "google": {"source": f"Google region-carbon {{year}}, {by}", "basis": "direct"},
        "world": {
            "source": f"IEA {{year}}, {by}",
            "basis": "not stated",
            "method": "assumed",
            "note": "a world average, for where the place is not known; the year is the report's",
        },
    }


# The files, each by its rules


def countries(mixes: dict[str, Any], factors: dict[str, Any]) -> Iterator[Row]:
    """Our World in Data, by ISO code; what is not possible is refused, what is doubtful marked."""
    for code, mix in mixes.items():
        country = pycountry.countries.get(alpha_3=code)
        names = [code, *cldr_names(country.alpha_2)]
        row = _row(country.alpha_2, mix["country_name"], "owid", mix["carbon_intensity"], mix["year"], names)
        if mix["carbon_intensity"] <= 0:
            why = "refused: 0 g/kWh is emissions of less than 0.005 Mt a year rounded off, not a grid without any"
            yield row | {"g": None, "note": why}
        else:
            yield row | _doubts(mix, factors)


def _doubts(mix: dict[str, Any], factors: dict[str, Any]) -> Row:
    """The note on a country's figure, and its uncertainty where rounding makes it wider."""
    notes, extra = [], {}
    if (rounding := _rounding(mix)) > UNCERTAINTY:
        notes.append(f"only {mix['total_TWh']:g} TWh a year: ±{rounding:.0%} by rounding alone")
        extra["uncertainty"] = round(hypot(UNCERTAINTY, rounding), 2)
    if (excess := mix["carbon_intensity"] / _by_mix(mix, factors) - 1) > UNCERTAINTY:
        notes.append(f"{excess:.0%} more than its mix gives by codecarbon's own factors")
    if mix["year"] < OLD:
        notes.append(f"old: of {mix['year']}")
    return extra | ({"note": "; ".join(notes)} if notes else {})


def _rounding(mix: dict[str, Any]) -> float:
    """The relative error of a quotient of two figures that are rounded to 0.01 Mt and 0.01 TWh."""
    total = mix["total_TWh"]
    return float(0.005 / (mix["carbon_intensity"] * total / 1000) + 0.005 / total)


def _by_mix(mix: dict[str, Any], factors: dict[str, Any]) -> float:
    """g/kWh by codecarbon's factors, whose fossil ones are high: a good grid is below, hardly one above."""
    return float(sum(factors[name] * mix[column] for name, column in SOURCES.items()) / mix["total_TWh"])


def states(emissions: dict[str, Any]) -> Iterator[Row]:
    """EPA's eGRID, lb/MWh; the whole country is among them and is left out."""
    for name, state in emissions.items():
        if not name.startswith("_") and name != "usa":
            grams = state["emissions"] * LB_PER_MWH
            yield _row(f"US-{state['regionCode']}", _title(name), "egrid", grams, emissions["_source"]["year"], [])


def provinces(mixes: dict[str, Any]) -> Iterator[Row]:
    """By codecarbon's formula: shares of the total, kg per kWh of three fuels. The year is its folder's."""
    for name, mix in mixes.items():
        grams = sum(1000 * kg * mix[fuel] / mix["total"] for fuel, kg in CANADIAN.items())
        yield _row(f"CA-{PROVINCES[name]}", _title(name), "canada", grams, 2023, [])


def chinese(file: dict[str, Any]) -> Iterator[Row]:
    for code, row in file["data"].items():
        names = [_title(name) for name in row["names"]]
        yield _row(code, row["description"], "china", row["emission_factor"], row["year"], names)


def zones(file: dict[str, Any], factors: dict[str, Any]) -> Iterator[Row]:
    """Bidding zones. Finland is a country, whose row here says no more of itself than "prior value": left out."""
    for name, zone in file["data"].items():
        if name != "FI":
            code, grams = f"{name[:2]}-{name}", zone["emission_factor"]
            row = _row(code, zone["description"], "nordic", grams, zone["year"], [name])
            yield row | _zone_note(zone, factors["biomass"])


def _zone_note(zone: dict[str, Any], biomass: float) -> Row:
    """Of a lower bound: if what counts as 0 were biomass, it would add more than the uncertainty. Else the file's."""
    left_out = 100 - float(zone["coverage"].split("%")[0])
    if left_out / 100 * biomass > UNCERTAINTY * zone["emission_factor"]:
        return {"note": f"lower bound: {left_out:.4g}% of what is generated has no factor and counts as 0"}
    return {"note": zone["note"].rstrip(".")} if "period-dependent" in zone["note"] else {}


def google(path: Path, nations: dict[str, str]) -> Iterator[Row]:
    """Google's figures are those that it published for 2023, which codecarbon does not say (see the README)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            region = MISSPELT.get(row["region"], row["region"])
            place = dict.fromkeys(filter(None, (row["city"], row["state"], nations[row["countryIsoCode"]])))
            names = [f"Google Cloud {region}"]
            yield _row(f"gcp/{region}", ", ".join(place), "google", float(row["impact"]), 2023, names)


def world(factors: dict[str, Any]) -> Row:
    row = _row("world", "World", "world", factors["world_average"], 2019, [])
    return row | {"uncertainty": WORLD_UNCERTAINTY}


# Names


def cldr_names(code: str) -> list[str]:
    """English, and the official languages' own: Deutschland, 日本."""
    languages = ("en", *get_official_languages(code, de_facto=True))
    return [name for language in languages if (name := _cldr_name(code, language))]


def _cldr_name(code: str, language: str) -> str | None:
    try:
        return Locale.parse(language).territories.get(code)
    except UnknownLocaleError:
        return None


def _title(name: str) -> str:
    return name.title().replace(" Of ", " of ").replace(" And ", " and ")


def _named(row: Row) -> Row:
    """With the common names, without the row's own name."""
    names = dict.fromkeys([*row["aliases"], *COMMON.get(row["id"], [])])
    return row | {"aliases": [name for name in names if name != row["name"]]}


def _row(code: str, name: str, origin: str, grams: float, year: int, aliases: list[str]) -> Row:
    return {"id": code, "name": name, "set": origin, "g": round(float(grams), 7), "year": year, "aliases": aliases}


# The file


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def text(data: dict[str, Any]) -> str:
    """As JSON, one set and one row a line; what is empty is left out of a row."""
    lines = [f" {_compact(key)}: {_compact(data[key])}," for key in ("codecarbon", "names", "made")]
    origins = ",\n".join(f"  {_compact(key)}: {_compact(value)}" for key, value in data["sets"].items())
    rows = ",\n".join("  " + _compact({k: v for k, v in row.items() if v != []}) for row in data["rows"])
    return "\n".join(["{", *lines, ' "sets": {', origins, " },", ' "rows": [', rows, " ]", "}", ""])


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    DATA.write_text(text(snapshot(date.today().isoformat())), encoding="utf-8")
