"""One GET: each fault is a sentence that names the source, in time, and never holds a key."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import traceback
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from grid_server import SECRETS, TOKEN, GridServer

from jupyter_costmeter.carbon import web
from jupyter_costmeter.carbon.web import DEADLINE_S, Answer, SourceError, get_json
from jupyter_costmeter.errors import CostMeterError

PATH = "/intensity/2026-03-02T07:00Z/2026-03-02T08:00Z"


def ask(server: GridServer, deadline_s: float = DEADLINE_S, **more: Any) -> Answer:
    return get_json("A source", server.url + PATH, deadline_s=deadline_s, **more)


def fault(server: GridServer, deadline_s: float = DEADLINE_S, **more: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        ask(server, deadline_s, **more)
    assert str(caught.value).startswith("A source: ")
    return caught.value


def test_an_answer_is_parsed(server: GridServer) -> None:
    assert len(ask(server)["data"].each()) == 3
    assert server.asked == [PATH]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (429, "asked too often"),
        (404, "nothing of this zone or time"),
        (500, "a fault of its own (500)"),
        (503, "a fault of its own (503)"),
        (400, "refused the request (400)"),
        (403, "refused the request (403)"),  # no key was sent
        (302, "redirect"),
        ("html", "something else than JSON"),
        ("garbage", "something else than JSON"),
        ("deep", "something else than JSON"),
        ("huge", "more than 1 MB"),
        ("broken off", "broke off"),
    ],
)
def test_each_fault_is_told(server: GridServer, what: int | str, said: str) -> None:
    server.fault = what
    error = fault(server)
    assert isinstance(error, CostMeterError)
    assert said in str(error)
    assert server.asked == [PATH]  # a redirect is not followed, and nothing is tried twice


@pytest.mark.parametrize("what", ["sleeps", "drips headers", "drips a body"])
def test_a_slow_server_does_not_take_longer_than_the_deadline(server: GridServer, what: str) -> None:
    ask(server)  # httpx is there
    server.fault = what
    begun = time.monotonic()
    error = fault(server, deadline_s=0.4)
    assert time.monotonic() - begun < 0.4 + 0.5
    assert "did not answer" in str(error)


def test_two_seconds_are_the_deadline() -> None:
    assert DEADLINE_S == 2.0


def test_no_network() -> None:
    with pytest.raises(SourceError, match="A source: could not be reached: is there a network"):
        get_json("A source", "http://127.0.0.1:9/x")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there_are_the_variables_fault(
    server: GridServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "/nonexistent")
    web._authorities.cache_clear()
    assert f"those that {name} names cannot be read (No such file or directory)" in str(fault(server))
    assert server.asked == []
    monkeypatch.delenv(name)
    ask(server)  # mended, without a restart


def test_a_file_without_a_certificate_is_the_variables_fault(
    server: GridServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    web._authorities.cache_clear()
    assert "those that SSL_CERT_FILE names cannot be read" in str(fault(server))


@pytest.mark.parametrize(("value", "seconds"), [("40", 40.0), ("0", 0.0), ("1e9", 86_400.0), ("soon", None)])
def test_retry_after_in_seconds(server: GridServer, value: str, seconds: float | None) -> None:
    server.fault, server.retry_after = 429, value
    error = fault(server)
    assert error.retry_s == seconds
    assert ("may be asked again in" in str(error)) is (seconds is not None)


def test_retry_after_as_a_date(server: GridServer) -> None:
    server.fault, server.retry_after = 503, formatdate(time.time() + 60, usegmt=True)
    assert fault(server).retry_s == pytest.approx(60, abs=3)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_says_what_to_check(server: GridServer, status: int) -> None:
    server.fault = status
    error = fault(server, headers={"auth-token": TOKEN}, keyed="THE_TOKEN")
    assert str(error) == f"A source: the key was refused: check THE_TOKEN ({status})"
    assert error.status == status


@pytest.mark.parametrize("what", [None, 401, 500, "html", "garbage", "broken off", "drips headers"])
@pytest.mark.parametrize("stray", ["", "\n", "é"])
def test_no_key_is_told_or_logged(
    server: GridServer, what: int | str | None, stray: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fault = what
    texts = []
    try:
        answer = ask(
            server, 0.3, headers={"auth-token": TOKEN + stray}, auth=("ada", "pass-word-4711" + stray), keyed="X"
        )
        texts.append(repr(answer))
    except SourceError as error:
        texts += [str(error), repr(error), *traceback.format_exception(error), repr(error.__context__)]
    texts += [caplog.text, *(repr(record.__dict__) for record in caplog.records)]
    assert [secret for secret in SECRETS for text in texts if secret in text] == []


def test_an_answer_does_not_show_what_it_holds() -> None:
    assert "bearer" not in repr(Answer("A source", {"token": "bearer-4711"}))


def test_importing_it_imports_no_http_client() -> None:
    code = (
        "import sys, jupyter_costmeter.carbon.live, jupyter_costmeter.carbon.sources.uk, "
        "jupyter_costmeter.carbon.sources.electricity_maps, jupyter_costmeter.carbon.sources.watttime; "
        "print([m for m in ('httpx', 'requests', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# What an answer may hold


def part(value: Any) -> Answer:
    return Answer("A source", json.loads(json.dumps(value)), "carbonIntensity")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -5, 0, 2001, "5", True, [], {}, 10**400])
def test_what_is_no_intensity_is_refused(wrong: Any) -> None:
    with pytest.raises(SourceError, match=r"^A source: carbonIntensity is "):
        part(wrong).grams()


def test_an_intensity_is_converted_before_it_is_judged() -> None:
    assert part(1000).grams(per=0.5) == 500
    assert part(0).grams(zero=True) == 0
    with pytest.raises(SourceError, match="which no grid has"):
        part(1000).grams(per=3)


def test_times_are_of_a_zone() -> None:
    assert part("1970-01-01T01:00Z").moment() == 3600
    assert part("1970-01-01T01:00:00.000Z").moment() == 3600
    assert part("1970-01-01T02:00+01:00").moment() == 3600
    for wrong in ("1970-01-01T01:00", "yesterday", 5):
        with pytest.raises(SourceError):
            part(wrong).moment()


def test_a_missing_field_is_named() -> None:
    with pytest.raises(SourceError, match="carbonIntensity lacks zone"):
        part({"zone": None})["zone"]
    others: list[Any] = [[], "x", 5]
    for wrong in others:
        with pytest.raises(SourceError, match="is no object"):
            part(wrong)["zone"]
    with pytest.raises(SourceError, match="is no list"):
        part({}).each()
