"""The server's door, through a real Jupyter Server with a token."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from serving import API, Server
from shell import cell, costmeter, fill, newer, said, session

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.place import process_started, session_info

ENDPOINTS = ["totals", "export", "statement"]
BUDGETS = ["budgets", "extend", "forecast", "spent", "chart", "bokeh/bokeh.min.js"]
ALL_ENDPOINTS = [*ENDPOINTS, "tags", "runs", "timeline", "metrics", "place", "regions", "what_if", *BUDGETS]
METHODS = {
    "budgets": ["GET", "PUT", "DELETE"], "extend": ["POST"], "forecast": ["POST"], "place": ["GET", "PUT"],
    "tags": ["GET", "POST"], "runs": ["POST"],
}  # fmt: skip
VERBS = [(what, method) for what in ALL_ENDPOINTS for method in METHODS.get(what, ["GET"])]


def test_the_extension_is_enabled_by_its_installation(one_server: Server) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "jupyter_server.extension.serverextension", "list"],
        capture_output=True, text=True, env=one_server.env, timeout=60,
    )  # fmt: skip
    said = re.sub(r"\x1b\[\d*m", "", ran.stdout + ran.stderr)
    assert "jupyter_costmeter enabled" in said
    assert "OK" in said.partition("jupyter_costmeter")[2]
    assert "jupyter_costmeter | extension was successfully loaded" in one_server.log.read_text()


def test_an_empty_ledger(server: Server) -> None:
    answer = server.ask("totals", path="train.ipynb")
    assert answer.status == 200
    assert answer.json["notebook"] == str(server.root / "train.ipynb")
    assert answer.json["scopes"]["notebook"]["cells"] == 0
    assert answer.json["scopes"]["project"]["cells"] == 0
    assert answer.json["dearest"] == {"notebook": [], "project": []}
    assert answer.json["ledger"]["ok"] is True
    assert not server.ledger.exists()
    assert server.ask("export", path="train.ipynb").json["cells"] == []


def test_totals_of_a_notebook_and_its_project(filled: Server) -> None:
    body = filled.ask("totals", path="paper/train.ipynb").json
    assert body["schema"] == 1
    assert body["project"] == str(filled.root / "paper")
    assert body["project_name"] == "paper"
    assert [body["scopes"][s]["cells"] for s in ("notebook", "project")] == [2, 4]
    assert [body["scopes"][s]["failed"] for s in ("notebook", "project")] == [1, 2]
    assert [body["scopes"][s]["sessions"] for s in ("notebook", "project")] == [1, 2]
    totals = {t["name"]: t for t in body["scopes"]["project"]["totals"]}
    assert (totals["gpu_energy_j"]["value"], totals["gpu_energy_j"]["missing"]) == (2000.0, 2)
    assert [c["label"] for c in body["dearest"]["notebook"]] == [None, "lost"]
    assert len(body["dearest"]["project"]) == 4


def test_how_much_of_a_session_the_ledger_has(filled: Server) -> None:
    """By which the panel knows that a restarted kernel's record is not there yet, though older ones are."""
    cells = [
        filled.ask("totals", path="paper/train.ipynb", **more).json["session_cells"]
        for more in ({"session": "session0"}, {"session": "unheard of"}, {})
    ]
    assert cells == [2, 0, None]


@pytest.mark.parametrize("path", ["RTC:paper/train.ipynb", "paper//train.ipynb", "paper/../paper/train.ipynb"])
def test_other_ways_to_say_the_same_notebook(path: str, filled: Server) -> None:
    assert filled.ask("totals", path=path).json["scopes"]["notebook"]["cells"] == 2


@pytest.mark.parametrize(
    "name", ["a:b.ipynb", "my notebook é 数据.ipynb", "100%.ipynb", "..hidden.ipynb", "a'b\".ipynb"]
)
def test_any_name_of_a_notebook(name: str, server: Server) -> None:
    info = session("odd", str(server.root / name))
    fill(server.ledger, info, cell(info, 1))
    assert server.ask("totals", path=name).json["scopes"]["notebook"]["cells"] == 1
    answer = server.ask("export", path=name, format="csv")
    assert answer.status == 200
    assert answer.headers["Content-Disposition"].isascii()
    assert answer.headers["Content-Disposition"].endswith('.csv"')


def test_a_link_is_the_same_notebook(filled: Server) -> None:
    (filled.root / "link").symlink_to(filled.root / "paper")
    assert filled.ask("totals", path="link/train.ipynb").json["scopes"]["notebook"]["cells"] == 2


@pytest.mark.parametrize(("what", "method"), VERBS)
@pytest.mark.parametrize("token", ["", "wrong"])
def test_nothing_without_the_token(what: str, method: str, token: str, filled: Server) -> None:
    body = None if method in ("GET", "DELETE") else b'{"region": "SE", "measure": "kwh", "limit": 1}'
    asked = {"path": "paper/train.ipynb", "region": "SE"}
    answer = filled.get(f"{API}/{what}", token=token, put=body, method=method, **asked)
    assert answer.status == 403
    assert not re.search(rb"session0|France|emissions_g|gpu_hours", answer.body)
    assert not filled.assumptions.exists()


def test_every_endpoint_is_tried_without_the_token() -> None:
    from jupyter_costmeter import server as door
    from jupyter_costmeter.server import base, bokeh, budgets, costs, metrics, runs, statements, tags, timelines, totals

    named = [what.partition("/")[0] for what in (*door.HANDLERS, *ALL_ENDPOINTS)]
    assert sorted(named) == sorted(2 * [what.partition("/")[0] for what in ALL_ENDPOINTS])
    modules = (bokeh, budgets, costs, metrics, runs, statements, tags, timelines, totals)
    found = {v for module in modules for v in vars(module).values() if isinstance(v, type)}
    made = {v for v in found if issubclass(v, base.Handler) and v not in (base.Handler, budgets.Desked)}
    assert made == set(door.HANDLERS.values())
    spoken = {(name, method) for name, one in door.HANDLERS.items() for method in _methods(one)}
    assert {(what.partition("/")[0], verb) for what, verb in VERBS} == {(n.partition("/")[0], v) for n, v in spoken}


def _methods(handler: type) -> list[str]:
    """The verbs that a handler of ours answers itself."""
    return [verb for verb in ("GET", "PUT", "POST", "DELETE", "PATCH") if verb.lower() in vars(handler)]


@pytest.mark.parametrize(
    ("what", "query", "named"),
    [
        ("totals", {}, "say which notebook"),
        ("totals", {"path": ""}, "say which notebook"),
        ("totals", {"path": "../../etc/passwd"}, "is not a path in this server's folder"),
        ("totals", {"path": "paper/../../secret.ipynb"}, "is not a path in this server's folder"),
        ("totals", {"path": "/etc/passwd"}, "is not a path in this server's folder"),
        ("totals", {"path": "RTC:../x.ipynb"}, "is not a path in this server's folder"),
        ("totals", {"path": ".."}, "is not a path in this server's folder"),
        ("export", {}, "say which notebook"),
        ("export", {"path": "../x.ipynb"}, "is not a path in this server's folder"),
        ("export", {"path": "../x.ipynb", "scope": "project"}, "is not a path in this server's folder"),
        ("export", {"path": "a.ipynb", "format": "xlsx"}, "there is no format 'xlsx'; there are json, csv, md"),
        ("export", {"path": "a.ipynb", "format": "../json"}, "there is no format"),
        (
            "export",
            {"path": "a.ipynb", "scope": "all"},
            "there is no scope 'all'; there are session, notebook, project",
        ),
        ("export", {"path": "a.ipynb", "scope": "session"}, "say which session"),
    ],
)
def test_bad_words_are_refused_with_a_sentence(what: str, query: dict[str, str], named: str, filled: Server) -> None:
    answer = filled.ask(what, **query)
    assert answer.status == 400
    assert named in answer.json["message"]
    assert answer.headers["Content-Type"].startswith("application/json")


def timeless(body: bytes) -> bytes:
    """Without what says when it was written: the digest of the whole does, too."""
    return re.sub(rb'("made_at"|"whole"|"reportDatetime"): ("[^"]+"|[\d.]+)', b"", body)


@pytest.mark.parametrize("suffix", ["json", "csv", "md"])
@pytest.mark.parametrize("scope", ["notebook", "project", "session"])
def test_an_export_is_that_of_the_shell(suffix: str, scope: str, filled: Server, tmp_path: Path) -> None:
    query = {"path": "paper/train.ipynb", "scope": scope, "format": suffix, "session": "session1"}
    answer = filled.ask("export", **query)
    keys = {"notebook": "train.ipynb", "project": str(filled.root / "paper"), "session": "session1"}
    out = tmp_path / f"out.{suffix}"
    words = ["--ledger", str(filled.ledger), "export", f"--{scope}", keys[scope], str(out)]
    said(costmeter(*words, cwd=filled.root / "paper"))
    assert answer.status == 200
    assert timeless(answer.body) == timeless(out.read_bytes())
    kinds = {"json": "application/json", "csv": "text/csv", "md": "text/markdown"}
    assert answer.headers["Content-Type"].startswith(kinds[suffix])
    names = {"notebook": "cost-notebook-train", "project": "cost-project-paper", "session": "cost-session-session1"}
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{names[scope]}.{suffix}"'


def test_a_long_export_comes_whole(server: Server) -> None:
    info = session("long", str(server.root / "a.ipynb"))
    fill(server.ledger, info, *(cell(info, n) for n in range(1500)))
    answer = server.ask("export", path="a.ipynb", format="json")
    assert len(answer.body) > 1 << 20
    assert [c["seq"] for c in answer.json["cells"]] == list(range(1500))


def test_a_ledger_of_a_later_version(filled: Server) -> None:
    newer(filled.ledger)
    for what in ENDPOINTS:
        answer = filled.ask(what, path="paper/train.ipynb")
        assert answer.status == 503
        assert "was written by jupyter_costmeter 99.0" in answer.json["message"]


def test_a_corrupt_ledger_is_put_aside_and_said_so(filled: Server) -> None:
    filled.ledger.write_bytes(b"\xa5" * 50_000)
    answer = filled.ask("totals", path="paper/train.ipynb")
    assert answer.status == 200
    assert answer.json["scopes"]["notebook"]["cells"] == 0
    assert "was corrupt: it was moved aside to" in answer.json["ledger"]["message"]
    (aside,) = [p for p in filled.ledger.parent.glob("*.corrupt-*") if not p.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == b"\xa5" * 50_000
    assert filled.ask("totals", path="paper/train.ipynb").json["ledger"]["message"] is None


def test_no_export_passes_for_one_of_a_corrupt_ledger(filled: Server) -> None:
    filled.ledger.write_bytes(b"\xa5" * 50_000)
    answer = filled.ask("export", path="paper/train.ipynb", format="csv")
    assert answer.status == 503
    assert "was corrupt" in answer.json["message"]


def test_asking_closes_the_cells_of_killed_kernels(server: Server) -> None:
    """A kernel that was killed writes no more; the panel still shows what it had cost."""
    path = server.root / "a.ipynb"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as kernel:
        own = session_info(str(path))
        info = replace(own, pid=kernel.pid, pid_started_at=process_started(kernel.pid))
        ledger = open_ledger(server.ledger)
        ledger.journal(info, [cell(info, 1)])
        assert server.ask("totals", path="a.ipynb").json["scopes"]["notebook"]["cells"] == 0  # it still runs
        kernel.kill()
    body = server.ask("totals", path="a.ipynb").json
    assert body["scopes"]["notebook"]["cells"] == 1
    assert body["dearest"]["notebook"][0]["outcome"] == "killed"
    assert len(list(ledger.records(Selection("all")))) == 1
    ledger.close()


def test_a_busy_kernels_indicator_stays_busy(one_server: Server) -> None:
    """Our request and its reply must not count as the kernel's activity."""
    code = (
        "from jupyter_server.serverapp import ServerApp\n"
        "app = ServerApp(token='x', open_browser=False, allow_root=True)\n"
        "app.initialize(argv=['--ServerApp.port=0'])\n"
        "print(app.kernel_manager.untracked_message_types)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=one_server.env,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=one_server.root,
    )
    assert "costmeter_request" in ran.stdout, ran.stderr
    assert "costmeter_reply" in ran.stdout
    assert "comm_info_request" in ran.stdout  # what was there stays
