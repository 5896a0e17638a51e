"""Metrics over HTTP, as Prometheus scrapes them."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fenced import FENCE
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text
from serving import API, Server
from shell import cell, fill, session

from jupyter_costmeter import place
from jupyter_costmeter.ledger import open_ledger

DOCS = Path(__file__).resolve().parent.parent / "docs"


def scraped(server: Server, accept: str = "", token: str = "") -> tuple[str, dict[str, Metric]]:
    """The content type, and the families by name, as the library reads them."""
    headers = {"Accept": accept, "Authorization": f"Bearer {token or server.token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.base}/{API}/metrics", headers=headers)) as found:
        kind, text = found.headers["Content-Type"], found.read().decode()
    read = open_metrics if "openmetrics" in kind else plain_text
    return kind, {family.name: family for family in read(text)}


def samples(family: Metric, *labels: str) -> dict[Any, float]:
    return {tuple(s.labels[name] for name in labels): s.value for s in family.samples}


@pytest.mark.parametrize(
    ("accept", "kind"), [("", "text/plain"), ("application/openmetrics-text;version=1.0.0", "openmetrics-text")]
)
def test_a_scrape(accept: str, kind: str, filled: Server) -> None:
    said, found = scraped(filled, accept)
    assert kind in said
    assert len(found) == 16
    energy = samples(found["costmeter_energy_joules"], "project", "device", "method")
    name = filled.root.name
    assert energy[name, "gpu", "measured"] == 1000.0
    assert energy["paper", "gpu", "measured"] == 2000.0
    assert samples(found["costmeter_cells"], "project", "outcome") == {
        ("paper", "ok"): 2, ("paper", "failed"): 2, (name, "ok"): 1, (name, "failed"): 1,
    }  # fmt: skip
    assert samples(found["costmeter_missing"], "project", "figure")["paper", "gpu_energy_j"] == 2


def test_no_path_no_cell_and_no_session_is_told(filled: Server) -> None:
    body = filled.ask("metrics").body.decode()
    assert not any(word in body for word in ("session0", "train", "/", "cell-1"))


def test_odd_names_are_escaped(server: Server) -> None:
    odd, user = 'a"b\nd{é}', 'x"\\y\n'
    info = replace(session("odd", f"/p/{odd}/n.ipynb"), user=user)
    fill(server.ledger, info, cell(info, 1))
    for accept in ("", "application/openmetrics-text;version=1.0.0"):
        _, found = scraped(server, accept)
        assert samples(found["costmeter_cells"], "project", "user", "outcome")[odd, user, "ok"] == 1


def test_an_empty_ledger_is_no_error_and_no_zero(server: Server) -> None:
    _, found = scraped(server)
    assert len(found) == 16
    assert not any(family.samples for family in found.values())
    assert not server.ledger.exists()


def test_what_runs_now_and_budgets(server: Server) -> None:
    project = server.root / "paper"
    project.mkdir()
    (project / "jupyter_costmeter.toml").write_text('[[budget]]\ngpu_hours = 0.01\nname = "quota"\n')
    here = {"host": os.uname().nodename, "pid": os.getpid(), "pid_started_at": place.process_started(os.getpid())}
    info = replace(session("one", str(project / "a.ipynb")), **here)  # type: ignore[arg-type]
    fill(server.ledger, info, cell(info, 1))
    ledger = open_ledger(server.ledger)
    ledger.journal(info, [cell(info, 2)])
    ledger.close()
    _, found = scraped(server)
    assert samples(found["costmeter_cells_running"], "project") == {("paper",): 1}
    assert samples(found["costmeter_cells"], "outcome") == {("ok",): 1, ("failed",): 0}
    assert samples(found["costmeter_running_energy_joules"], "project") == {("paper",): pytest.approx(108.0)}
    ratio = samples(found["costmeter_budget_spent_ratio"], "budget", "measure", "scope", "project")
    assert ratio == {("quota", "gpu_hours", "project", "paper"): pytest.approx(4.0 / 3600 / 0.01)}


def test_a_cell_that_was_not_killed_after_all_takes_nothing_back(server: Server) -> None:
    info = session("back", str(server.root / "a.ipynb"))
    killed = replace(cell(info, 1, 500.0), outcome="killed")
    fill(server.ledger, info, killed)
    scraped(server)
    fill(server.ledger, info, cell(info, 1, 100.0))
    _, found = scraped(server)
    assert samples(found["costmeter_energy_joules"], "device")["gpu",] == 500.0
    fill(server.ledger, info, cell(info, 2, 1000.0))
    _, found = scraped(server)
    assert samples(found["costmeter_energy_joules"], "device")["gpu",] == 1100.0


def test_a_ledger_that_cannot_be_read_is_a_failed_scrape(server: Server) -> None:
    server.ledger.parent.mkdir(parents=True)
    server.ledger.mkdir()
    answer = server.ask("metrics")
    assert answer.status == 503
    assert str(server.ledger) in answer.json["message"]


def test_a_scrape_is_nobodys_activity(filled: Server) -> None:
    before = filled.get("api/status", no_track_activity="1").json["last_activity"]
    scraped(filled)
    assert filled.get("api/status", no_track_activity="1").json["last_activity"] == before


# The files of docs/


def test_the_scrape_configuration_of_the_docs_asks_this_endpoint(filled: Server, tmp_path: Path) -> None:
    (block,) = (text for language, text in FENCE.findall((DOCS / "monitoring.md").read_text()) if language == "yaml")
    (job,) = yaml.safe_load(block)["scrape_configs"]
    assert job["metrics_path"] == f"/{API}/metrics"
    assert job["authorization"]["type"] == "Bearer"  # what ``scraped`` sends
    assert set(job) <= {"job_name", "scrape_interval", "metrics_path", "authorization", "static_configs", "scheme"}
    assert scraped(filled)[1]


def expressions(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [*([found["expr"]] if "expr" in found else []), *sum(map(expressions, found.values()), [])]
    return sum(map(expressions, found), []) if isinstance(found, list) else []


def test_the_dashboard_asks_for_what_there_is(server: Server) -> None:
    board = json.loads((DOCS / "grafana.json").read_text())
    assert board["templating"]["list"][0] == {"name": "datasource", "type": "datasource", "query": "prometheus"} | {
        key: value for key, value in board["templating"]["list"][0].items() if key not in ("name", "type", "query")
    }
    asked = expressions(board)
    queries = [one.get("query", "") for one in board["templating"]["list"]]
    assert len(asked) >= 10
    exported: list[str] = re.findall(r"^# TYPE (costmeter_\w+)", server.ask("metrics").body.decode(), re.MULTILINE)
    for text in [*asked, *map(str, queries)]:
        assert set(re.findall(r"costmeter_\w+", text)) <= set(exported), text
    named = " ".join(asked)
    assert all(name in named for name in exported if "_seconds" not in name), set(exported) - set(named.split())
    for panel in board["panels"]:
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"
    assert ".ipynb" not in json.dumps(board)
