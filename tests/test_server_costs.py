"""The server tells and is told where machines stand, and what would be elsewhere, through real HTTP."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import golden
import pytest
from serving import API, Answer, Server
from shell import cell, costmeter, fill, newer, said, session

from jupyter_costmeter import cost_wire
from jupyter_costmeter.assumptions import of_file
from jupyter_costmeter.carbon import snapshot
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.supposing import costs_if, supposition
from jupyter_costmeter.toml_files import NAME

HOST = socket.gethostname()
THERE = golden.SESSION.host  # where the made-up sessions ran
PATH = "paper/train.ipynb"
LAB = '[[where]]\nregion = "FR"\npue = 1.2\n[[rates]]\ngpu_hour = 0.55\nkwh = 0.21\ncurrency = "EUR"\n'


def told(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json


def emissions(costs: dict[str, Any]) -> Any:
    return next(t for t in costs["totals"] if t["name"] == "emissions_g")


# Places


def test_a_place_that_nobody_said(server: Server) -> None:
    place = told(server.ask("place"))
    assert (place["host"], place["region"], place["hint"], place["problems"]) == (HOST, None, None, [])


def test_a_place_is_said_and_told_and_forgotten(server: Server) -> None:
    place = told(server.place(host="gpu-07", region="california", kind="lab"))
    assert [place[name] for name in ("host", "region", "name", "kind")] == ["gpu-07", "US-CA", "California", "lab"]
    assert place["origin"] == f"{server.assumptions}:1"
    assert told(server.ask("place", host="gpu-07")) == place
    assert told(server.ask("place"))["region"] is None
    assert told(server.place(host=None, region="FR", kind=None))["host"] == HOST
    assert told(server.ask("place"))["name"] == "France"
    assert told(server.place(host="gpu-07", region=None))["region"] is None
    assert server.assumptions.read_text().lstrip() == f'[[where]]\nhost = "{HOST}"\nregion = "FR"\n'
    assert told(server.place(region=None))["region"] is None
    assert told(server.place(region=None))["region"] is None  # again: nothing is there


def test_it_is_the_file_of_the_shell(server: Server) -> None:
    env = {name: server.env[name] for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    said(costmeter("where", "SE", **env))
    assert told(server.ask("place"))["region"] == "SE"
    told(server.place(region="PL"))
    assert "PL, Poland" in said(costmeter("where", **env))


def test_what_a_project_declares_counts_for_its_notebooks(filled: Server) -> None:
    (filled.root / "paper" / NAME).write_text('[[where]]\nregion = "SE"\n\n[[where]]\nregion = "Nowhere"\n')
    place = told(filled.ask("place", path=PATH))
    assert place["region"] == "SE"
    assert place["problems"][0].startswith(f"{filled.root / 'paper' / NAME}:4: [[where]]: there is no region")
    assert told(filled.ask("place", path="other.ipynb"))["region"] is None
    body = told(filled.ask("totals", path=PATH))
    assert "SE: " in emissions(body["scopes"]["notebook"]["costs"])["sources"][0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"region": "Frnace"}, "there is no region 'Frnace'; near it are"),
        ({"region": "georgia"}, "several regions are called 'georgia'"),
        ({"region": "FR", "kind": "palace"}, "kind: there is no 'palace'"),
        ({"region": 5}, "region wants a text; the body is {host, region, kind}"),
        ({"region": "FR", "host": ["a"]}, "host wants a text"),
        (["FR"], "the body is {host, region, kind}"),
        ("FR", "the body is {host, region, kind}"),
        ([], "the body is {host, region, kind}"),
        ({}, "the body is {host, region, kind}"),
        (None, "the body is {host, region, kind}"),
        ({"Region": "DE"}, "the body is {host, region, kind}"),
        ({"region": "DE", "pue": 1.1}, "the body is {host, region, kind}"),
        ({"region": "FR", "host": "\ud800"}, NAME),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_sentence(body: object, message: str, server: Server) -> None:
    server.assumptions.write_text("# mine\n")
    answer = server.get(f"{API}/place", put=json.dumps(body).encode())
    assert message in told(answer, 400)["message"]
    assert server.assumptions.read_text() == "# mine\n"


@pytest.mark.parametrize("body", [b"{", b"region=FR"])
def test_a_body_that_is_no_json(body: bytes, server: Server) -> None:
    answer = server.get(f"{API}/place", put=body)
    assert answer.status == 400
    assert not server.assumptions.exists()


def test_a_file_that_is_broken_is_not_overwritten(server: Server) -> None:
    server.assumptions.write_text("[[where\n")
    assert "mend it first" in told(server.place(region="FR"), 400)["message"]
    assert server.assumptions.read_text() == "[[where\n"
    assert "nothing of this file is used" in told(server.ask("place"))["problems"][0]


def test_a_file_that_cannot_be_written(server: Server) -> None:
    server.assumptions.mkdir()
    try:
        message = told(server.place(region="FR"), 500)["message"]
    finally:
        server.assumptions.rmdir()
    assert message.startswith(f"cannot write {server.assumptions}: ")


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nobody_without_the_token_says_where(token: str, server: Server) -> None:
    answer = server.get(f"{API}/place", token=token, put=b'{"region": "FR"}')
    assert answer.status == 403
    assert not server.assumptions.exists()


def test_another_site_cannot_say_where_by_a_browsers_cookie(server: Server) -> None:
    """Cross-site request forgery: a browser sends the cookie, but not the token that only our page can read."""
    cookies = server.get("api/status").headers.get_all("Set-Cookie", [])
    cookie = "; ".join(one.split(";")[0] for one in cookies)
    assert server.get(f"{API}/place", token="", cookie=cookie).status == 200
    answer = server.get(f"{API}/place", token="", put=b'{"region": "FR"}', cookie=cookie)
    assert answer.status == 403
    assert b"_xsrf" in answer.body
    assert not server.assumptions.exists()


def test_our_page_can_by_the_cookie_and_nobody_who_has_not_logged_in(server: Server) -> None:
    pages = (server.get("login", token=""), server.get("api/status"))
    stranger, ours = ([c.split(";")[0] for c in page.headers.get_all("Set-Cookie", [])] for page in pages)
    asked = {"token": "", "put": b'{"region": "FR"}'}
    for cookies, status in ((stranger, 403), ([*stranger, *ours], 200)):
        (xsrf,) = {c.partition("=")[2] for c in cookies if c.startswith("_xsrf=")} or {""}
        assert xsrf
        answer = server.get(f"{API}/place", cookie="; ".join(cookies), xsrf=xsrf, **asked)  # type: ignore[arg-type]
        assert answer.status == status, answer.body
        assert b"_xsrf" not in answer.body  # it is not for the lack of that
        assert server.assumptions.exists() == (status == 200)


# Regions


def test_all_regions_that_can_be_chosen(server: Server) -> None:
    regions = told(server.ask("regions"))["regions"]
    assert [one["id"] for one in regions] == [one.id for one in snapshot.regions()]
    by_id = {one["id"]: one for one in regions}
    assert by_id["FR"]["g_per_kwh"] == 56.039
    assert by_id["CF"]["g_per_kwh"] is None
    assert by_id["CF"]["note"]


# What it cost, what it would


def test_totals_have_costs(filled: Server) -> None:
    unplaced = told(filled.ask("totals", path=PATH))["scopes"]
    assert emissions(unplaced["project"]["costs"])["method"] == "assumed"
    assert unplaced["project"]["costs"]["range_g"]
    filled.assumptions.write_text(LAB)
    body = told(filled.ask("totals", path=PATH))
    for scope, joules in (("notebook", 1016.0), ("project", 2032.0)):
        costs = body["scopes"][scope]["costs"]
        total = emissions(costs)
        assert total["value"] == pytest.approx(joules / 3.6e6 * 1.2 * 56.039)
        assert total["missing"] == joules / 1016
        (bill,) = costs["bills"]
        gpu_hours = 4.0 / 3600 * joules / 1016
        assert float(bill["amount"]) == pytest.approx(0.55 * gpu_hours + 0.21 * joules / 3.6e6 * 1.2)
        assert {one["name"] for one in costs["applied"]} == {"intensity", "pue", "embodied"}
        assert costs["range_g"] is None


def test_a_living_server_answers_by_the_file_of_now(filled: Server) -> None:
    for region in ("SE", "PL"):
        filled.assumptions.write_text(f'[[where]]\nregion = "{region}"\n')
        sources = emissions(told(filled.ask("totals", path=PATH))["scopes"]["notebook"]["costs"])["sources"]
        assert sources[0].startswith(f"{region}: ")
    filled.assumptions.write_text("[[where\n")
    costs = told(filled.ask("totals", path=PATH))["scopes"]["notebook"]["costs"]
    assert emissions(costs)["method"] == "assumed"


@pytest.mark.parametrize("scope", ["session", "notebook", "project"])
@pytest.mark.parametrize(
    "asked",
    [{"region": "poland"}, {"pue": "1.1"}, {"gpu": "H100"}, {"kind": "laptop"}, {"region": "SE", "kind": "lab"}, {}],
)
def test_what_if_is_what_python_says(scope: str, asked: dict[str, str], filled: Server) -> None:
    filled.assumptions.write_text(LAB)
    body = told(filled.ask("what_if", path=PATH, scope=scope, session="session0", **asked))
    keys = {"session": "session0", "notebook": str(filled.root / PATH), "project": str(filled.root / "paper")}
    ledger = open_ledger(filled.ledger)
    uses, book = ledger.uses(Selection(scope, keys[scope])), Book(of_file(filled.assumptions))  # type: ignore[arg-type]
    ledger.close()
    pue = float(asked["pue"]) if "pue" in asked else None
    supposed = supposition(asked.get("region"), pue, asked.get("gpu"), kind=asked.get("kind"))
    now, then = costs_of(uses, book), costs_if(uses, book, supposed)
    assert body["now"] == json.loads(json.dumps(cost_wire.costs(now)))
    assert body["then"] == json.loads(json.dumps(cost_wire.costs(then)))
    assert body["notes"] == list(supposed.notes([now, then]))
    assert body["title"].startswith(scope)
    assert (body["now"] == body["then"]) == (not asked)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"path": PATH, "region": "Frnace"}, "there is no region 'Frnace'"),
        ({"path": PATH, "region": "CF"}, "has no carbon intensity"),
        ({"path": PATH, "kind": "palace"}, "there is no kind 'palace'; there are laptop, lab, cloud"),
        ({"path": PATH, "pue": "low"}, "pue: 'low' is no number"),
        ({"path": PATH, "pue": "nan"}, "pue: 'nan' is no number"),
        ({"path": PATH, "pue": "0.5"}, "a PUE is 1.0 or more"),
        ({"path": PATH, "region": "SE", "scope": "all"}, "there is no scope 'all'"),
        ({"path": PATH, "scope": "session"}, "say which session"),
        ({"region": "SE"}, "say which notebook"),
        ({"path": "../x.ipynb", "region": "SE"}, "is not a path in this server's folder"),
    ],
)
def test_what_cannot_be_supposed_is_refused_with_a_sentence(
    query: dict[str, str], message: str, filled: Server
) -> None:
    assert message in told(filled.ask("what_if", **query), 400)["message"]


def test_a_place_of_a_notebook_that_is_not_here_is_refused(server: Server) -> None:
    assert "is not a path in this server" in told(server.ask("place", path="../x.ipynb"), 400)["message"]


def test_a_ledger_that_cannot_be_read(filled: Server) -> None:
    newer(filled.ledger)
    message = told(filled.ask("what_if", path=PATH, region="SE"), 503)["message"]
    assert "was written by jupyter_costmeter 99.0" in message


def test_an_export_has_the_costs_of_the_project(filled: Server) -> None:
    (filled.root / "paper" / NAME).write_text(LAB)
    body = filled.ask("export", path=PATH, format="json").json
    assert emissions(body["costs"])["value"] == pytest.approx(1016.0 / 3.6e6 * 1.2 * 56.039)
    assert body["costs"]["bills"][0]["currency"] == "EUR"
    parts = ("cpu_energy_j", "gpu_energy_j", "ram_energy_j")
    figures = [one for record in body["cells"] for one in record["figures"] if one["name"] in parts]
    assert sum(one["value"] or 0.0 for one in figures) == pytest.approx(1016.0)  # raw facts: costs follow from them


def test_of_a_session_no_path_is_needed(server: Server) -> None:
    info = session("alone", str(server.root / "a.ipynb"))
    fill(server.ledger, info, cell(info, 1))
    body = told(server.ask("what_if", scope="session", session="alone", region="SE"))
    assert re.search("^SE: ", emissions(body["then"])["sources"][0])
