"""Budgets over real HTTP: set, seen, changed, extended, taken away, and where they went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import API, Answer, Server
from shell import cell, fill, session

from jupyter_costmeter.budget import BudgetEvent
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.runs import code_hash
from jupyter_costmeter.toml_files import NAME

PATH = "paper/train.ipynb"
ROW = {
    "id": None, "measure": "gpu_hours", "limit": 2.0, "currency": None, "scope": "project", "per": "week",
    "from": None, "until": None, "zone": "Europe/Berlin", "hold": "warn", "warn": [0.5, 0.8, 1.0], "name": "quota",
    "paused": False, "shared": False,
}  # fmt: skip


def told(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json


def put(server: Server, **more: object) -> Any:
    return told(server.send("budgets", {**ROW, **more}, path=PATH))


def one_of(body: Any) -> Any:
    (verdict,) = body["budgets"]
    return verdict


def used(info: SessionInfo, seq: int, hours: float, at: float, **more: Any) -> CellRecord:
    """A run that held a GPU so long."""
    made = cell(info, seq, 100.0, **more)
    figures = tuple(replace(f, value=hours * 3600) if f.name == "gpu_reserved_s" else f for f in made.usage.figures)
    usage = replace(made.usage, wall_s=hours * 3600, figures=figures)
    return replace(made, started_at=at, usage=usage)


@pytest.fixture
def spent(server: Server) -> Iterator[Server]:
    """A project of two notebooks, in which an hour and a half of GPU time went today."""
    (server.root / "paper" / ".git").mkdir(parents=True)
    now = time.time()
    for n, name in enumerate(("train", "eval")):
        info = replace(session(f"session{n}", str(server.root / f"paper/{name}.ipynb")), started_at=now - 9000 + n)
        records = [used(info, 1, 0.5, now - 7200)]
        if n == 0:
            records.append(used(info, 2, 0.5, now - 3600, outcome="error", error_type="ValueError"))
        fill(server.ledger, info, *records)
    yield server
    (server.root / "paper" / NAME).unlink(missing_ok=True)


# The list


def test_no_budgets(server: Server) -> None:
    body = told(server.ask("budgets", path=PATH))
    assert body["notebook"] == str(server.root / PATH)
    assert (body["budgets"], body["problems"], body["events"]) == ([], [], [])
    assert not server.ledger.exists()


def test_a_file_of_the_projects_is_read_and_its_mistakes_are_told(spent: Server) -> None:
    file = spent.root / "paper" / NAME
    file.write_text('[[budget]]\ngpu_hours = 20\nper = "30d"\n\n[[budget]]\nper = "week"\n')
    body = told(spent.ask("budgets", path=PATH))
    verdict = one_of(body)
    assert (verdict["scope"], verdict["key"], verdict["shared"]) == ("project", str(spent.root / "paper"), True)
    assert verdict["spent"]["value"] == pytest.approx(1.5)
    assert verdict["text"] == "1.5 of 20 GPU-h in the last 30 days (8 %), 18.5 GPU-h left"
    assert verdict["origin"] == f"{file}:1"
    assert body["problems"][0].startswith(f"{file}:5: [[budget]]: it says no measure")
    assert (body["project"], body["project_name"]) == (str(spent.root / "paper"), "paper")


def test_of_each_session_the_notebooks_newest_is_told(spent: Server) -> None:
    (spent.root / "paper" / NAME).write_text('[[budget]]\ngpu_hours = 20\nscope = "session"\nper = "session"\n')
    assert one_of(told(spent.ask("budgets", path=PATH)))["spent"]["value"] == pytest.approx(1.0)
    assert one_of(told(spent.ask("budgets", path="paper/eval.ipynb")))["spent"]["value"] == pytest.approx(0.5)
    unknown = one_of(told(spent.ask("budgets", path="paper/new.ipynb")))
    assert (unknown["state"], unknown["spent"]["value"]) == ("unknown", None)


def test_what_is_new_in_the_ledger_counts_at_once(spent: Server) -> None:
    verdict = one_of(put(spent))
    info = session("session9", str(spent.root / PATH))
    fill(spent.ledger, info, used(info, 1, 0.25, time.time() - 900))
    after = one_of(told(spent.ask("budgets", path=PATH)))
    assert after["spent"]["value"] == pytest.approx(verdict["spent"]["value"] + 0.25)


# Setting


def test_a_budget_is_set_changed_and_taken_away(spent: Server) -> None:
    verdict = one_of(put(spent, per="30d"))
    assert (verdict["name"], verdict["limit"], verdict["key"]) == ("quota", 2.0, str(spent.root / "paper"))
    assert (verdict["share"], verdict["state"]) == (pytest.approx(0.75), "ok")
    assert "gpu_hours = 2" in spent.assumptions.read_text()
    changed = one_of(put(spent, per="30d", id=verdict["id"], limit=1.0, hold="ask"))
    assert (changed["id"], changed["limit"], changed["hold"]) == (verdict["id"], 1.0, "ask")
    assert (changed["state"], changed["key"]) == ("over", str(spent.root / "paper"))
    paused = one_of(put(spent, per="30d", id=verdict["id"], limit=1.0, paused=True))
    assert (paused["state"], paused["paused"]) == ("paused", True)
    gone = told(spent.get(f"{API}/budgets", method="DELETE", path=PATH, id=verdict["id"]))
    assert gone["budgets"] == []
    assert "[[budget]]" not in spent.assumptions.read_text()


def test_a_change_moves_no_budget_to_another_notebook(spent: Server) -> None:
    verdict = one_of(put(spent, scope="notebook"))
    assert verdict["key"] == str(spent.root / PATH)
    again = one_of(put(spent, scope="notebook", id=verdict["id"], limit=7.0))
    assert (again["key"], again["limit"]) == (verdict["key"], 7.0)


@pytest.mark.parametrize("whose", ["", 'notebook = "{root}/paper/train.ipynb"', 'project = "{root}/paper"'])
def test_a_change_leaves_whose_sessions_are_meant(spent: Server, whose: str) -> None:
    row = f'[[budget]]\ngpu_hours = 3\nscope = "session"\nper = "session"\n{whose.format(root=spent.root)}\n'
    spent.assumptions.write_text(row)
    before = one_of(told(spent.ask("budgets", path=PATH)))
    after = one_of(put(spent, id=before["id"], scope="session", per="session", name="", limit=5.0))
    assert (after["limit"], after["key"], after["scope"]) == (5.0, before["key"], "session")


def test_it_becomes_the_notebooks_where_its_scope_is_changed(spent: Server) -> None:
    verdict = one_of(put(spent))
    assert one_of(put(spent, id=verdict["id"], scope="notebook"))["key"] == str(spent.root / PATH)
    now = one_of(told(spent.ask("budgets", path=PATH)))
    assert one_of(put(spent, id=now["id"], scope="user"))["key"] is None


def test_a_shared_one_stands_beside_the_project(spent: Server) -> None:
    verdict = one_of(put(spent, shared=True))
    assert verdict["origin"].startswith(str(spent.root / "paper" / NAME))
    assert verdict["shared"] is True
    assert not spent.assumptions.exists()


def test_days_come_back_as_they_were_sent(spent: Server) -> None:
    verdict = one_of(put(spent, per=None, **{"from": "2026-01-01", "until": "2027-01-01"}))
    assert (verdict["from"], verdict["until"], verdict["period"]["kind"]) == ("2026-01-01", "2027-01-01", "span")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"measure": "bananas"}, "measure = 'bananas': it wants one of gpu_hours"),
        ({"limit": "much"}, "limit = 'much': it wants a number"),
        ({"limit": True}, "limit = True: it wants a number"),
        ({"limit": -1}, "gpu_hours"),
        ({"per": "fortnight"}, "per = 'fortnight'"),
        ({"scope": "galaxy"}, "galaxy"),
        ({"zone": "Europe/Nowhere"}, "there is no such time zone"),
        ({"hold": "forever"}, "hold"),
        ({"warn": [2, 1]}, "ascending parts of the limit"),
        ({"per": None, "from": "tomorrow"}, "from = 'tomorrow': it wants a day such as 2026-10-01"),
        ({"per": None, "from": "2026-02-01", "until": "2026-01-01"}, "until is not after from"),
        ({"measure": "amount"}, "currency"),
        ({"paused": "yes"}, "paused = 'yes': it wants true or false"),
        ({"id": "nowhere"}, "there is no budget 'nowhere' any more"),
        ({"id": 5}, "id wants a text"),
        ({"limits": 3}, "'limits': there is no such key"),
    ],
)
def test_a_mistake_is_refused_with_a_sentence(more: dict[str, object], message: str, server: Server) -> None:
    server.assumptions.write_text("# mine\n")
    answer = server.send("budgets", {**ROW, **more}, path=PATH)
    assert message in told(answer, 400)["message"]
    assert server.assumptions.read_text() == "# mine\n"


@pytest.mark.parametrize("body", [b"{", b"gpu_hours=5", b"[1]", b'"x"'])
@pytest.mark.parametrize(("what", "method"), [("budgets", "PUT"), ("extend", "POST"), ("forecast", "POST")])
def test_a_body_that_is_no_object(what: str, method: str, body: bytes, server: Server) -> None:
    assert "the body" in told(server.get(f"{API}/{what}", put=body, method=method, path=PATH), 400)["message"]


def test_an_administrators_cap_is_seen_and_stays(spent: Server) -> None:
    config = Path(spent.env["JUPYTER_CONFIG_DIR"]) / "jupyter_costmeter_config.json"
    config.write_text('{"CostMeter": {"caps": [{"gpu_hours": 1, "per": "30d"}]}}')
    try:
        cap = one_of(told(spent.ask("budgets", path=PATH)))
        assert (cap["cap"], cap["state"], cap["origin"]) == (True, "over", str(config))
        asked = [
            spent.send("budgets", {**ROW, "id": cap["id"]}, path=PATH),
            spent.get(f"{API}/budgets", method="DELETE", path=PATH, id=cap["id"]),
            spent.send("extend", {"id": cap["id"]}, "POST", path=PATH),
        ]
        for answer in asked:
            assert "administrator" in told(answer, 400)["message"]
        assert one_of(told(spent.ask("budgets", path=PATH))) | {"burn": 0} == cap | {"burn": 0}
    finally:
        config.unlink()


# Going on


def test_going_on_grants_a_tenth_and_is_noted(spent: Server) -> None:
    verdict = one_of(put(spent, per="30d", limit=1.0, hold="stop"))
    assert (verdict["state"], verdict["granted"]) == ("over", 0.0)
    body = told(spent.send("extend", {"id": verdict["id"]}, "POST", path=PATH))
    after = one_of(body)
    assert (after["granted"], after["left"], after["state"]) == (pytest.approx(0.6), pytest.approx(0.1), "near")
    (event,) = body["events"]
    assert (event["kind"], event["budget_id"]) == ("extended", verdict["id"])
    assert "0.6 GPU-h more were granted" in event["text"]
    raised = one_of(put(spent, per="30d", id=verdict["id"], limit=10.0))
    assert raised["id"] == verdict["id"]
    gone = told(spent.get(f"{API}/budgets", method="DELETE", path=PATH, id=verdict["id"]))
    assert gone["events"] == []  # of these budgets


@pytest.mark.parametrize("more", [{"paused": True}, {"limit": 0}])
def test_what_cannot_be_extended_says_why(spent: Server, more: dict[str, object]) -> None:
    verdict = one_of(put(spent, **more))
    assert "quota is " in told(spent.send("extend", {"id": verdict["id"]}, "POST", path=PATH), 400)["message"]


# Forecasts


def test_a_cells_last_runs_say_what_it_will_cost_and_leave(spent: Server) -> None:
    verdict = one_of(put(spent, per="30d", limit=10.0))
    info = session("session0", str(spent.root / PATH))
    now = time.time()
    runs = [used(info, n, hours, now - 3000 + n, outcome=how) for n, hours, how in RUNS]
    fill(spent.ledger, info, *(replace(one, cell_id="long", code_hash=code_hash("train(9)")) for one in runs))
    asked = {"cell_id": "long", "source": "train(9)"}
    found = told(spent.send("forecast", asked, "POST", path=PATH))["forecast"]
    assert (found["source"], found["runs"], found["basis"]) == ("history", 2, "same code")
    (left,) = found["budgets"]
    assert left["id"] == verdict["id"]
    assert left["amount"]["value"] == pytest.approx(0.5)  # the failed one does not count
    assert left["left_after"] == pytest.approx(10 - 1.5 - 1.25 - 0.5)
    assert found["wall_s"]["value"] == pytest.approx(1800)
    earlier = told(spent.send("forecast", asked | {"source": "train(10)"}, "POST", path=PATH))["forecast"]
    assert earlier["basis"] == "earlier versions"


RUNS = ((11, 0.4, "ok"), (12, 0.6, "ok"), (13, 0.25, "error"))


@pytest.mark.parametrize("cell_id", ["new", None])
def test_a_cell_that_never_ran_has_no_forecast(spent: Server, cell_id: str | None) -> None:
    put(spent)
    body = told(spent.send("forecast", {"cell_id": cell_id, "source": "new()"}, "POST", path=PATH))
    assert body == {"schema": 1, "forecast": None}


@pytest.mark.parametrize("body", [{}, {"source": 5}, {"source": "x", "cell_id": ["a"]}])
def test_a_forecast_wants_the_cells_source(server: Server, body: dict[str, object]) -> None:
    assert "wants a text" in told(server.send("forecast", body, "POST", path=PATH), 400)["message"]


# Where it went, and its chart


@pytest.mark.parametrize("by", ["cell", "notebook", "day", "outcome", "device", "label"])
def test_rows_add_up_to_what_was_spent(spent: Server, by: str) -> None:
    verdict = one_of(put(spent, per="30d"))
    body = told(spent.ask("spent", path=PATH, budget=verdict["id"], by=by))
    assert (body["title"], body["by"], body["unit"]) == ("quota", by, "GPU-h")
    assert body["total"]["value"] == pytest.approx(verdict["spent"]["value"]) == pytest.approx(1.5)
    assert sum(row["amount"]["value"] for row in body["rows"]) == pytest.approx(1.5)


def test_rows_say_what_failed(spent: Server) -> None:
    verdict = one_of(put(spent, per="30d"))
    body = told(spent.ask("spent", path=PATH, budget=verdict["id"], by="outcome"))
    assert {row["name"]: row["amount"]["value"] for row in body["rows"]} == {"ok": 1.0, "error": 0.5}
    cells = told(spent.ask("spent", path=PATH, budget=verdict["id"]))["rows"]
    assert {row["cell_id"] for row in cells} == {"cell-1", "cell-2"}
    assert "there is no" in told(spent.ask("spent", path=PATH, budget="nowhere"), 400)["message"]
    assert "by = 'moon'" in told(spent.ask("spent", path=PATH, budget=verdict["id"], by="moon"), 400)["message"]


def test_a_chart_ends_at_what_was_spent(spent: Server) -> None:
    verdict = one_of(put(spent, per="30d"))
    body = told(spent.ask("chart", path=PATH, budget=verdict["id"], ink="#112233"))
    assert body["reason"] is None
    assert "#112233" in str(body["item"])
    assert columns(body["item"])["used"][-1] == pytest.approx(1.5)
    assert "ink" in told(spent.ask("chart", path=PATH, budget=verdict["id"], ink="red;"), 400)["message"]


def test_the_charts_line_is_the_limit_with_all_extensions(spent: Server) -> None:
    """However much has come of the budget since."""
    verdict = one_of(put(spent, per="30d", limit=1.0, hold="ask"))
    told(spent.send("extend", {"id": verdict["id"]}, "POST", path=PATH))
    now = time.time()
    ledger = open_ledger(spent.ledger)
    for n in range(25):
        ledger.log(
            BudgetEvent(f"r{n}", verdict["id"], "refused", now, "s", "u", "h", None, None, 1.0, 1.0, 0.0, "", "")
        )
    ledger.close()
    limit = one_of(told(spent.ask("budgets", path=PATH)))
    body = told(spent.ask("chart", path=PATH, budget=verdict["id"]))
    assert limit["granted"] > 0
    steps = [1.0, 1.0, 1.0 + limit["granted"], 1.0 + limit["granted"]]
    assert [one for one in lists(body["item"]) if one == pytest.approx(steps)]


def lists(item: Any) -> list[list[float]]:
    """All lists of four numbers that stand in Bokeh's JSON."""
    if isinstance(item, dict):
        return lists(list(item.values()))
    if not isinstance(item, list):
        return []
    own = [item] if len(item) == 4 and all(isinstance(one, float) for one in item) else []
    return own + [found for one in item for found in lists(one)]


def columns(item: Any) -> dict[str, Any]:
    """The data of the line, out of Bokeh's JSON."""
    if isinstance(item, dict):
        if "used" in (data := dict(_pairs(item))):
            return data
        item = list(item.values())
    found = (columns(one) for one in item) if isinstance(item, list) else iter(())
    return next((one for one in found if one), {})


def _pairs(item: dict[str, Any]) -> Any:
    entries = item.get("entries", []) if item.get("type") == "map" else []
    return [entry for entry in entries if isinstance(entry, list) and len(entry) == 2]


def test_nothing_to_draw_says_why(server: Server) -> None:
    verdict = one_of(put(server, scope="notebook"))
    body = told(server.ask("chart", path=PATH, budget=verdict["id"]))
    assert (body["item"], body["reason"]) == (None, "Nothing was used in this period so far.")


# BokehJS


def test_bokehjs_is_the_installed_packages(server: Server) -> None:
    from bokeh.util.paths import bokehjs_path

    answer = server.ask("bokeh/bokeh.min.js")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.body == (bokehjs_path() / "js" / "bokeh.min.js").read_bytes()
    assert "max-age" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "name",
    ["bokeh.js", "..%2Fjs%2Fbokeh.min.js", "%2Fetc%2Fpasswd", "bokeh.min.js%00", "compiler.js", "..", "x.min.js"],
)
def test_nothing_else_is_served(name: str, server: Server) -> None:
    answer = server.get(f"{API}/bokeh/{name}")
    assert answer.status in (400, 404)
    assert len(answer.body) < 100_000


def test_another_site_cannot_set_budgets_by_a_browsers_cookie(server: Server) -> None:
    cookies = server.get("api/status").headers.get_all("Set-Cookie", [])
    cookie = "; ".join(one.split(";")[0] for one in cookies)
    for what, method in (("budgets", "PUT"), ("extend", "POST"), ("forecast", "POST"), ("budgets", "DELETE")):
        answer = server.get(f"{API}/{what}", token="", put=b"{}", method=method, cookie=cookie, path=PATH)
        assert answer.status == 403
        assert b"_xsrf" in answer.body
    assert not server.assumptions.exists()
