"""From when to when a period goes: frozen clocks, edges of days, weeks, months and years, and where clocks change."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.periods import STEPS, Period, instant, local, period_of

BERLIN, HOUR = "Europe/Berlin", 3600.0
ZONES = (
    BERLIN, "UTC", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "America/Sao_Paulo", "Pacific/Apia",
    "America/New_York",
)  # fmt: skip


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def span(per: str, now: str, zone: str = BERLIN) -> tuple[str, str]:
    """The period's ends, by the zone's clocks."""
    return tuple(f"{local(end, zone):%Y-%m-%d %H:%M}" for end in period_of(per, zone).at(at(now, zone)))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("per", "now", "start", "end"),
    [
        ("day", "2026-11-26T00:00:00", "2026-11-26 00:00", "2026-11-27 00:00"),
        ("day", "2026-11-26T23:59:59.999", "2026-11-26 00:00", "2026-11-27 00:00"),
        ("week", "2026-11-23T00:00:00", "2026-11-23 00:00", "2026-11-30 00:00"),  # a Monday
        ("week", "2026-11-29T23:59:59", "2026-11-23 00:00", "2026-11-30 00:00"),  # a Sunday
        ("week", "2027-01-01T12:00:00", "2026-12-28 00:00", "2027-01-04 00:00"),
        ("month", "2026-12-31T23:59:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        ("month", "2028-02-29T12:00:00", "2028-02-01 00:00", "2028-03-01 00:00"),
        ("month", "2027-02-28T23:59:59", "2027-02-01 00:00", "2027-03-01 00:00"),
        ("month", "2026-01-31T00:00:00", "2026-01-01 00:00", "2026-02-01 00:00"),
    ],
)
def test_days_weeks_and_months_begin_at_local_midnight(per: str, now: str, start: str, end: str) -> None:
    assert span(per, now) == (start, end)


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        (BERLIN, "2026-03-29T12:00:00", 23),
        (BERLIN, "2026-10-25T12:00:00", 25),
        (BERLIN, "2026-10-25T00:30:00", 25),
        ("Australia/Lord_Howe", "2026-04-05T12:00:00", 24.5),
        ("Australia/Lord_Howe", "2026-10-04T12:00:00", 23.5),
        ("Africa/Cairo", "2026-04-24T12:00:00", 23),  # 00:00 to 01:00 is left out
        ("America/Sao_Paulo", "2018-11-04T12:00:00", 23),
        ("America/Sao_Paulo", "2018-02-17T12:00:00", 25),  # 23:00 comes twice
        ("America/Havana", "2026-11-01T12:00:00", 25),  # 00:00 comes twice
        ("Pacific/Apia", "2011-12-29T12:00:00", 24),  # there was no 30th
        ("Pacific/Apia", "2011-12-31T00:30:00", 24),
        ("Asia/Kolkata", "2026-11-26T12:00:00", 24),
    ],
)
def test_a_day_is_longer_or_shorter_where_clocks_change(zone: str, now: str, hours: float) -> None:
    start, end = period_of("day", zone).at(at(now, zone))
    assert (end - start) / HOUR == hours
    assert local(start, zone).date() == date.fromisoformat(now[:10])
    assert local(start - 1, zone).date() < local(start, zone).date()


def test_half_hour_zones_have_midnights_of_their_own() -> None:
    start, _ = period_of("day", "Asia/Kolkata").at(at("2026-11-26T03:00:00", "Asia/Kolkata"))
    assert datetime.fromtimestamp(start, timezone.utc).isoformat() == "2026-11-25T18:30:00+00:00"


def test_a_week_over_a_clock_change_is_an_hour_longer() -> None:
    start, end = period_of("week", BERLIN).at(at("2026-10-25T12:00:00"))
    assert (end - start) / HOUR == 7 * 24 + 1


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York"])
def test_without_a_zone_the_machines_own_is_meant(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = at("2026-10-25T20:00:00", zone)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for per in ("day", "week", "month"):
            assert period_of(per).at(now) == period_of(per, zone).at(now)
        assert instant(date(2026, 7, 1)) == at("2026-07-01T00:00:00", zone)
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.sampled_from(["day", "week", "month"]), st.sampled_from(ZONES), st.floats(0, 4e9, allow_nan=False))
def test_a_period_holds_now_and_the_next_begins_where_it_ends(per: str, zone: str, now: float) -> None:
    period = period_of(per, zone)
    start, end = period.at(now)
    assert start <= now < end
    assert period.at(start) == (start, end)
    assert period.at(end)[0] == end
    assert period.at(start - 1e-3)[1] == start


@given(st.integers(1, 400), st.sampled_from(["min", "h", "d", "w"]), st.floats(1e9, 4e9, allow_nan=False))
def test_a_rolling_window_is_never_shorter_than_asked(count: int, unit: str, now: float) -> None:
    period = period_of(f"{count}{unit}")
    start, end = period.at(now)
    length, step = period.length_s, period.length_s / STEPS
    assert end == inf
    assert length - 1e-5 <= now - start < length + step + 1e-5


def test_a_rolling_window_moves_in_steps() -> None:
    period = period_of("7d")  # of an hour
    assert period.at(1_700_000_400.0)[0] == period.at(1_700_001_000.0)[0]
    assert period.at(1_700_000_400.0 + HOUR)[0] == period.at(1_700_000_400.0)[0] + HOUR


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [
        (date(2026, 10, 1), date(2027, 1, 1), "from 2026-10-01 until 2027-01-01"),
        (date(2026, 10, 1), None, "from 2026-10-01"),
        (None, date(2027, 1, 1), "until 2027-01-01"),
    ],
)
def test_a_span_is_of_local_days(since: date | None, until: date | None, text: str) -> None:
    period = period_of("", BERLIN, since, until)
    assert period.text == text
    start, end = period.at(0.0)
    assert start == (-inf if since is None else at(f"{since}T00:00:00"))
    assert end == (inf if until is None else at(f"{until}T00:00:00"))


def test_an_instant_with_an_offset_is_that_instant() -> None:
    when = datetime(2026, 10, 1, 12, tzinfo=timezone(timedelta(hours=-5)))
    assert period_of("", BERLIN, when).start == when.timestamp()


@pytest.mark.parametrize(("per", "now"), [("session", 100.0), ("total", 100.0)])
def test_a_session_begins_when_it_did_and_a_total_never(per: str, now: float) -> None:
    assert period_of(per).at(now, 40.0) == ((40.0, inf) if per == "session" else (-inf, inf))
    assert period_of(per).at(now) == (-inf, inf)


@pytest.mark.parametrize(
    ("per", "said"),
    [("7d", "7d"), ("24h", "1d"), ("168h", "7d"), ("2w", "14d"), ("36h", "36h"), ("90min", "90min"), ("", "total")],
)
def test_a_period_is_spelled_one_way(per: str, said: str) -> None:
    assert period_of(per).text == said


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (("weekly",), "per = 'weekly': it wants session, day, week, month, total, or a rolling window such as 7d"),
        (("0d",), "per = '0d'"),
        (("week", "Europe/Berlim"), "there is no such time zone; it wants one such as Europe/Berlin"),
        (("week", "tokyo"), "there is no such time zone; it wants one such as Asia/Tokyo"),
        (("week", "Ammerica/New_York"), "it wants one such as America/New_York"),
        (("week", "Mars"), "it wants one such as Europe/Berlin"),
        (("week", "../etc/passwd"), "there is no such time zone"),
        (("week", "", date(2026, 1, 1)), "a budget has one of them"),
        (("", "", date(2026, 1, 2), date(2026, 1, 1)), "until is not after from"),
        (("", "", date(2026, 1, 1), date(2026, 1, 1)), "until is not after from"),
        (("", "Asia/Tokyo", date(1, 1, 1)), "0001-01-01: it wants a day in the years 1970 to 9998"),
        (("", "America/New_York", None, date(9999, 12, 31)), "9999-12-31: it wants a day in the years"),
        (("999999w",), "per = '999999w': it wants 100 years at most"),
    ],
)
def test_what_is_no_period_is_refused(asked: tuple[str, ...], named: str) -> None:
    with pytest.raises(UsageError, match=".*") as error:
        period_of(*asked)  # type: ignore[arg-type]
    assert named in str(error.value)


def test_a_period_is_equal_to_itself() -> None:
    assert period_of("week", BERLIN) == Period("week", zone=BERLIN)
