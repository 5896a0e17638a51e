"""The UK's API: half-hours, actual before forecast, GB only."""

from __future__ import annotations

from typing import Any

import pytest
from grid_server import HALF_HOUR, NOW, GridServer, grams

from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.carbon.web import SourceError
from jupyter_costmeter.errors import UsageError

START = NOW - 20 * 60 - 3 * 3600  # 05:00


def test_half_hours_are_as_the_api_bounds_them(server: GridServer) -> None:
    found = [v for v in Uk(server.url).fetch("GB", START, START + 3600) if v.start is not None and v.start >= START]
    assert [(v.start, v.end, v.g_per_kwh) for v in found] == [
        (START, START + HALF_HOUR, grams(START)),
        (START + HALF_HOUR, START + 3600, grams(START + HALF_HOUR)),
    ]
    value = found[0]
    assert (value.signal, value.basis, value.method, value.note) == ("average", "CO2 only", "modelled", None)
    assert value.source == "UK Carbon Intensity (NESO)"
    assert server.asked == ["/intensity/2026-03-02T05:00Z/2026-03-02T06:00Z"]


def test_the_running_half_hour_is_a_forecast_and_says_so(server: GridServer) -> None:
    last = Uk(server.url).fetch("GB", NOW - 60, NOW)[-1]
    assert (last.g_per_kwh, last.note) == (grams(NOW) + 7, "forecast")
    assert server.asked == ["/intensity/2026-03-02T08:00Z/2026-03-02T08:30Z"]  # whole half-hours


def test_more_than_fourteen_days_are_split(server: GridServer) -> None:
    found = Uk(server.url).fetch("GB", NOW - 31 * 86_400, NOW)
    assert len(server.asked) == 3
    assert len({v.start for v in found}) == 31 * 48 + 2


def test_a_region_of_the_grid(server: GridServer) -> None:
    found = Uk(server.url).fetch("regionid/13", START, START + 3600)
    assert {(v.g_per_kwh, v.note) for v in found} == {(50, "forecast")}
    assert server.asked == ["/regional/intensity/2026-03-02T05:00Z/2026-03-02T06:00Z/regionid/13"]


def test_another_region_than_asked_for_is_refused(server: GridServer) -> None:
    def other(answer: Any) -> Any:
        answer["data"]["regionid"] = 14
        return answer

    server.twist = other
    with pytest.raises(SourceError, match="answered about another zone than regionid/13"):
        Uk(server.url).fetch("regionid/13", START, START + 3600)


@pytest.mark.parametrize("zone", ["FR", "regionid/19", "regionid/0", "regionid/13/../x", ""])
def test_a_zone_that_is_none_is_not_asked_for(server: GridServer, zone: str) -> None:
    with pytest.raises(SourceError, match="write GB, or regionid"):
        Uk(server.url).fetch(zone, START, START + 3600)
    assert server.asked == []


def test_only_gb_has_a_zone() -> None:
    assert Uk().zone_of("GB") == "GB"
    for region in ("FR", "US-CA", "world", "gcp/europe-west2"):
        with pytest.raises(UsageError, match="knows only GB"):
            Uk().zone_of(region)


def test_a_half_hour_without_any_value_is_left_out(server: GridServer) -> None:
    server.twist = lambda answer: {"data": [{**d, "intensity": {"forecast": None}} for d in answer["data"]]}
    assert Uk(server.url).fetch("GB", START, START + 3600) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"intensity": {"forecast": 5, "actual": -1}}, "actual is -1 g/kWh"),
        ({"intensity": {"forecast": 5, "actual": float("nan")}}, "actual is no finite number"),
        ({"intensity": {"forecast": "5"}}, "forecast is no finite number"),
        ({"intensity": 5}, "intensity is no object"),
        ({"intensity": None}, "lacks intensity"),
        ({"from": "today"}, "from is no time"),
        ({"to": "2026-03-03T05:00Z"}, "not about half an hour"),
    ],
)
def test_what_is_not_as_documented_is_refused(server: GridServer, change: Any, said: str) -> None:
    server.twist = lambda answer: {"data": [{**answer["data"][0], **change}]}
    with pytest.raises(SourceError, match=r"^UK Carbon Intensity \(NESO\): ") as caught:
        Uk(server.url).fetch("GB", START, START + 3600)
    assert said in str(caught.value)


def test_a_region_of_wind_alone_has_zero_which_is_rounded(server: GridServer) -> None:
    def windy(answer: Any) -> Any:
        answer["data"]["data"][1]["intensity"]["forecast"] = 0
        return answer

    server.twist = windy
    found = Uk(server.url).fetch("regionid/1", START, START + 3600)
    assert [(v.g_per_kwh, v.note) for v in found] == [
        (50, "forecast"),
        (0, "forecast, rounded to 0 g/kWh"),
        (50, "forecast"),
    ]


@pytest.mark.parametrize("wrong", [-1, 0, "5", 5000])
def test_a_half_hour_that_cannot_be_is_left_out_alone(server: GridServer, wrong: Any) -> None:
    def bad(answer: Any) -> Any:
        answer["data"][1]["intensity"]["actual"] = wrong
        return answer

    server.twist = bad
    found = Uk(server.url).fetch("GB", START, START + 3600)
    assert [v.start for v in found] == [START - HALF_HOUR, START + HALF_HOUR]


@pytest.mark.parametrize("answer", [{}, [], {"data": {}}, {"data": None}, "x"])
def test_another_shape_is_refused(server: GridServer, answer: Any) -> None:
    server.twist = lambda _: answer
    for zone in ("GB", "regionid/13"):
        with pytest.raises(SourceError, match="UK Carbon"):
            Uk(server.url).fetch(zone, START, START + 3600)
