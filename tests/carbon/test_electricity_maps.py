"""Electricity Maps: the last 24 hours by a key, for the zone that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_server import NOW, TOKEN, GridServer, grams

from jupyter_costmeter.carbon.live import Grid
from jupyter_costmeter.carbon.sources.electricity_maps import VARIABLE, ElectricityMaps
from jupyter_costmeter.carbon.web import SourceError
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.factors import Live

HOUR = NOW - 20 * 60  # 08:00


def maps(server: GridServer) -> ElectricityMaps:
    return ElectricityMaps(server.url, TOKEN)


def test_the_hours_that_are_known(server: GridServer) -> None:
    found = maps(server).fetch("FR", HOUR - 7200, HOUR)
    assert len(found) == 24
    value = found[-1]
    assert (value.start, value.end, value.g_per_kwh) == (HOUR - 3600, HOUR, grams(HOUR - 3600))
    assert (value.signal, value.basis, value.method, value.note) == ("average", "lifecycle", "modelled", None)
    assert value.source == "Electricity Maps, FR"
    assert server.asked == ["/v3/carbon-intensity/history?zone=FR"]


def test_the_running_hour_is_asked_for_where_it_lacks_and_is_an_estimate(server: GridServer) -> None:
    value = maps(server).fetch("FR", HOUR, NOW)[-1]
    assert (value.start, value.g_per_kwh, value.note) == (HOUR, grams(HOUR), "estimated")
    assert server.asked == ["/v3/carbon-intensity/history?zone=FR", "/v3/carbon-intensity/latest?zone=FR"]


def test_the_key_is_the_environments(server: GridServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f" {TOKEN}\n")
    assert len(ElectricityMaps(server.url).fetch("FR", HOUR - 7200, HOUR)) == 24


def test_without_a_key_nothing_is_asked(server: GridServer) -> None:
    with pytest.raises(SourceError, match=f"Electricity Maps: needs a key: set {VARIABLE}"):
        ElectricityMaps(server.url).fetch("FR", HOUR - 7200, HOUR)
    assert server.asked == []


def test_a_wrong_key_is_told_and_not_shown(server: GridServer) -> None:
    wrong = ElectricityMaps(server.url, "another-key-4711")
    with pytest.raises(SourceError) as caught:
        wrong.fetch("FR", HOUR - 7200, HOUR)
    assert "the key was refused: check ELECTRICITYMAPS_TOKEN, and that it is for FR (401)" in str(caught.value)
    assert "4711" not in f"{caught.value!r}{wrong!r}"


def change(answer: Any, **fields: Any) -> Any:
    return {**answer, "history": [{**hour, **fields} for hour in answer["history"]]}


@pytest.mark.parametrize(
    "twist",
    [
        lambda answer: {**answer, "zone": "DE"},
        lambda answer: change(answer, zone="DE"),
    ],
)
def test_another_zone_than_asked_for_is_refused(server: GridServer, twist: Any) -> None:
    server.twist = twist
    with pytest.raises(SourceError, match="answered about another zone than FR"):
        maps(server).fetch("FR", HOUR - 7200, HOUR)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"carbonIntensity": -1}, "carbonIntensity is -1 g/kWh"),
        ({"carbonIntensity": 0}, "carbonIntensity is 0 g/kWh"),
        ({"carbonIntensity": 5000}, "carbonIntensity is 5000 g/kWh"),
        ({"carbonIntensity": float("nan")}, "carbonIntensity is no finite number"),
        ({"datetime": None}, "lacks datetime"),
        ({"temporalGranularity": "daily"}, "temporalGranularity is none of"),
    ],
)
def test_what_is_not_as_documented_is_refused(server: GridServer, fields: Any, said: str) -> None:
    server.twist = lambda answer: change(answer, **fields)
    with pytest.raises(SourceError) as caught:
        maps(server).fetch("FR", HOUR - 7200, HOUR)
    assert said in str(caught.value)


@pytest.mark.parametrize("wrong", [{"carbonIntensity": -1}, {"datetime": "x"}, {"zone": "DE"}])
def test_an_hour_that_cannot_be_is_left_out_alone(server: GridServer, wrong: Any) -> None:
    def first_is_wrong(answer: Any) -> Any:
        answer["history"][0].update(wrong)
        return answer

    server.twist = first_is_wrong
    assert [v.start for v in maps(server).fetch("FR", HOUR - 7200, HOUR)] == [HOUR - 3600 * k for k in range(23, 0, -1)]


def test_a_fault_of_the_running_hour_keeps_those_before(server: GridServer, tmp_path: Path) -> None:
    def latest_is_wrong(answer: Any) -> Any:
        return answer if "history" in answer else {**answer, "carbonIntensity": -1}

    server.twist = latest_is_wrong
    grid = Grid(Live("electricity_maps"), tmp_path, lambda: NOW, maps(server))
    result = grid.refresh("FR")
    assert (result.count, "carbonIntensity is -1 g/kWh" in str(result.problem)) == (24, True)
    found = grid.at("FR", HOUR - 5 * 3600, HOUR - 4 * 3600)
    assert found is not None
    assert found.g_per_kwh == grams(HOUR - 5 * 3600)


def test_an_hour_that_they_do_not_know_is_left_out(server: GridServer) -> None:
    def first_is_null(answer: Any) -> Any:
        answer["history"][0]["carbonIntensity"] = None
        return answer

    server.twist = first_is_null
    assert len(maps(server).fetch("FR", HOUR - 7200, HOUR)) == 23


def test_shorter_intervals_and_another_basis_are_as_it_says(server: GridServer) -> None:
    server.twist = lambda answer: change(answer, temporalGranularity="15_minutes", emissionFactorType="direct")
    value = maps(server).fetch("FR", HOUR - 7200, HOUR - 3600)[-1]
    assert value.end is not None
    assert value.start is not None
    assert (value.end - value.start, value.basis) == (900, "direct")


def test_a_basis_that_it_does_not_state_is_not_guessed(server: GridServer) -> None:
    server.twist = lambda answer: change(answer, emissionFactorType=None)
    assert maps(server).fetch("FR", HOUR - 7200, HOUR)[0].basis == "not stated"


def test_the_made_up_values_of_a_key_for_trying_out_are_refused(server: GridServer) -> None:
    server.twist = lambda answer: {**answer, "_disclaimer": "This data is randomized: sandbox mode"}
    with pytest.raises(SourceError, match="made up"):
        maps(server).fetch("FR", HOUR - 7200, HOUR)


def test_regions_with_a_zone() -> None:
    assert [ElectricityMaps().zone_of(r) for r in ("FR", "GB", "CA-ON")] == ["FR", "GB", "CA-ON"]
    for region in ("US-CA", "world", "gcp/us-central1", ""):
        with pytest.raises(UsageError, match="name it, such as US-CAL-CISO"):
            ElectricityMaps().zone_of(region)
