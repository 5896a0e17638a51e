"""WattTime: an account, a token that is renewed, pounds per MWh, marginal and said to be."""

from __future__ import annotations

from typing import Any

import pytest
from grid_server import NOW, PASSWORD, USER, GridServer, grams

from jupyter_costmeter.carbon.sources.watttime import WattTime
from jupyter_costmeter.carbon.web import SourceError
from jupyter_costmeter.errors import UsageError

START = NOW - 20 * 60 - 3600  # 07:00
POUND = 0.45359237


def watttime(server: GridServer) -> WattTime:
    return WattTime(server.url, USER, PASSWORD)


def test_five_minutes_in_pounds_are_grams_and_marginal(server: GridServer) -> None:
    found = watttime(server).fetch("CAISO_NORTH", START, START + 3600)
    assert len(found) == 12
    value = found[0]
    assert (value.start, value.end) == (START, START + 300)
    assert value.g_per_kwh == pytest.approx(10 * grams(START) * POUND)
    assert (value.signal, value.basis, value.method, value.uncertainty) == ("marginal", "CO2 only", "modelled", None)
    assert value.source == "WattTime co2_moer, CAISO_NORTH"
    assert value.note is None  # it is final: not to be asked for again


def test_the_average_is_asked_for_by_name(server: GridServer) -> None:
    value = watttime(server).fetch("CAISO_NORTH/co2_aoer", START, START + 3600)[0]
    assert (value.signal, value.uncertainty, value.source) == ("average", 0.2, "WattTime co2_aoer, CAISO_NORTH")
    assert "signal_type=co2_aoer" in server.asked[-1]
    assert "region=CAISO_NORTH&" in server.asked[-1]


def test_one_log_in_is_for_many_requests(server: GridServer) -> None:
    source = watttime(server)
    source.fetch("CAISO_NORTH", START - 20 * 86_400, START)
    source.fetch("CAISO_NORTH", START, START + 3600)
    assert [path for path in server.asked if path == "/login"] == ["/login"]
    assert len(server.asked) == 1 + 3 + 1


def test_an_old_token_is_renewed_once(server: GridServer) -> None:
    source = watttime(server)
    source.fetch("CAISO_NORTH", START, START + 3600)
    server.bearers.append("another, so that ours has expired")
    server.asked.clear()
    assert len(source.fetch("CAISO_NORTH", START, START + 3600)) == 12
    assert [path.partition("?")[0] for path in server.asked] == ["/v3/historical", "/login", "/v3/historical"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_region_that_the_account_may_not_ask_for(server: GridServer, status: int) -> None:
    source = watttime(server)
    source.fetch("CAISO_NORTH", START, START + 3600)
    server.fault = status
    server.asked.clear()
    with pytest.raises(SourceError, match="check that the account may ask for ERCOT"):
        source.fetch("ERCOT", START, START + 3600)
    assert len(server.asked) == (3 if status == 401 else 1)  # once again at most


def test_a_wrong_password_is_told_and_nothing_of_it_is_shown(server: GridServer) -> None:
    source = WattTime(server.url, USER, "another-pass-4711")
    with pytest.raises(SourceError) as caught:
        source.fetch("CAISO_NORTH", START, START + 3600)
    assert "the key was refused: check WATTTIME_USER and WATTTIME_PASSWORD (403)" in str(caught.value)
    assert "4711" not in f"{caught.value!r}{source!r}"
    assert server.asked == ["/login"]


def test_a_refused_token_is_not_shown(server: GridServer) -> None:
    source = watttime(server)
    server.fault = 401
    with pytest.raises(SourceError) as caught:
        source.fetch("CAISO_NORTH", START, START + 3600)
    assert "bearer" not in f"{caught.value!r}{source!r}".lower()


def test_the_account_is_the_environments(server: GridServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="needs an account: set WATTTIME_USER and WATTTIME_PASSWORD"):
        WattTime(server.url).fetch("CAISO_NORTH", START, START + 3600)
    assert server.asked == []
    monkeypatch.setenv("WATTTIME_USER", USER)
    monkeypatch.setenv("WATTTIME_PASSWORD", PASSWORD)
    assert len(WattTime(server.url).fetch("CAISO_NORTH", START, START + 3600)) == 12


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"region": "ERCOT"}, "another zone than CAISO_NORTH"),
        ({"signal_type": "co2_aoer"}, "another zone than CAISO_NORTH"),
        ({"units": "percentile"}, "other units than lbs_co2_per_mwh"),
        ({"units": None}, "meta lacks units"),
        ({"data_point_period_seconds": 0}, "data_point_period_seconds"),
    ],
)
def test_an_answer_about_something_else_is_refused(server: GridServer, meta: Any, said: str) -> None:
    server.twist = lambda answer: {**answer, "meta": {**answer["meta"], **meta}} if "meta" in answer else answer
    with pytest.raises(SourceError) as caught:
        watttime(server).fetch("CAISO_NORTH", START, START + 3600)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [-1, float("nan"), "5", None, 2001 / POUND])
def test_what_is_no_intensity_is_refused(server: GridServer, value: Any) -> None:
    def wrong(answer: Any) -> Any:
        return {**answer, "data": [{**answer["data"][0], "value": value}]} if "data" in answer else answer

    server.twist = wrong
    with pytest.raises(SourceError, match="WattTime: "):
        watttime(server).fetch("CAISO_NORTH", START, START + 3600)


def test_five_minutes_that_cannot_be_are_left_out_alone(server: GridServer) -> None:
    def wrong(answer: Any) -> Any:
        data = answer.get("data")
        return {**answer, "data": [{**data[0], "value": -1}, *data[1:]]} if data else answer

    server.twist = wrong
    found = watttime(server).fetch("CAISO_NORTH", START, START + 3600)
    assert [v.start for v in found] == [START + 300 * k for k in range(1, 12)]


def test_a_marginal_zero_is_a_wind_farm_held_back_but_no_average_is_zero(server: GridServer) -> None:
    def zero(answer: Any) -> Any:
        return {**answer, "data": [{**answer["data"][0], "value": 0}]} if "data" in answer else answer

    server.twist = zero
    assert [v.g_per_kwh for v in watttime(server).fetch("CAISO_NORTH", START, START + 3600)] == [0.0]
    with pytest.raises(SourceError, match="value is 0 g/kWh"):
        watttime(server).fetch("CAISO_NORTH/co2_aoer", START, START + 3600)


@pytest.mark.parametrize("zone", ["", "caiso", "CAISO_NORTH/health_damage", "A B", "CAISO&x=1"])
def test_a_zone_that_is_none_is_not_asked_for(server: GridServer, zone: str) -> None:
    with pytest.raises(SourceError, match="write one like CAISO_NORTH"):
        watttime(server).fetch(zone, START, START + 3600)
    assert server.asked == []


def test_no_region_of_ours_is_one_of_theirs() -> None:
    for region in ("US-CA", "FR"):
        with pytest.raises(UsageError, match="name its region, such as CAISO_NORTH"):
            WattTime().zone_of(region)
