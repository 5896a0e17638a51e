"""The timeline over real HTTP: of a notebook, a session or a project; zoomed; with an energy budget."""

from __future__ import annotations

import json
import struct
import time
from base64 import b64decode
from dataclasses import replace
from gzip import decompress as gunzip
from typing import Any

import golden
import pytest
from serving import Server
from shell import fill, session

from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.toml_files import NAME

PATH = "paper/train.ipynb"


def ran(info: SessionInfo, seq: int, at: float, **more: Any) -> CellRecord:
    made = golden.record(seq, 5.0, 1000.0, **more)
    own = {"session_id": info.id, "notebook": info.notebook, "project": info.project}
    return replace(made, id=f"{info.id}-{seq}", started_at=at, **own)


@pytest.fixture
def used(server: Server) -> Server:
    (server.root / "paper" / ".git").mkdir(parents=True)
    for n, name in enumerate(("train", "eval")):
        info = replace(session(f"session{n}", str(server.root / f"paper/{name}.ipynb")), started_at=time.time() - 3600)
        fill(server.ledger, info, ran(info, 1, time.time() - 3000 + n), ran(info, 2, time.time() - 2000 + n))
    return server


def told(server: Server, status: int = 200, **query: str) -> Any:
    answer = server.ask("timeline", path=PATH, **query)
    assert answer.status == status, answer.body
    return answer.json


def test_of_a_notebook_a_session_and_a_project(used: Server) -> None:
    body = told(used, scope="notebook", ink="#123456")
    assert body["item"]["version"]
    assert "2 runs of cells took 2.04 kJ" in body["text"]
    assert "#123456" in json.dumps(body["item"])
    assert (body["reason"], body["more"]) == (None, False)
    assert "2 runs" in told(used, scope="session", session="session1")["text"]
    assert "4 runs" in told(used, scope="project")["text"]


def test_nothing_yet(server: Server) -> None:
    body = told(server, scope="notebook")
    assert (body["item"], body["reason"]) == (None, "Nothing was metered yet.")
    assert not server.ledger.exists()


def test_zoomed(used: Server) -> None:
    start = time.time() - 3100
    body = told(used, scope="notebook", **{"from": str(start), "to": str(start + 200)})
    (zoom,) = [one for one in json.loads(json.dumps(_objects(body["item"]))) if one.get("name") == "time"]
    assert zoom["start"] > zoom["reset_start"] - 1
    assert zoom["end"] == pytest.approx((start + 200 + body["shift_s"]) * 1000, abs=2)
    assert zoom["end"] < zoom["reset_end"]


def _objects(item: Any) -> list[dict[str, Any]]:
    """The attributes of all objects in what BokehJS embeds."""
    if isinstance(item, dict):
        own = [item["attributes"]] if isinstance(item.get("attributes"), dict) else []
        return [*own, *(one for value in item.values() for one in _objects(value))]
    return [one for value in item for one in _objects(value)] if isinstance(item, list) else []


@pytest.mark.parametrize(
    "query",
    [
        {"ink": "red"}, {"from": "x", "to": "1"}, {"from": "2", "to": "1"}, {"from": "1"}, {"from": "nan", "to": "1"},
        {"scope": "world"},
    ],
)  # fmt: skip
def test_bad_words(used: Server, query: dict[str, str]) -> None:
    assert told(used, 400, **query)["message"]


def test_who_may_not_read_the_notebooks_may_not_read_it(used: Server) -> None:
    assert used.get("jupyter_costmeter/api/timeline", token="", path=PATH).status == 403


def test_an_energy_budget_has_its_line(used: Server) -> None:
    file = used.root / "paper" / NAME
    assert _spent(told(used)) is None
    file.write_text('[[budget]]\nkwh = 2\nper = "30d"\nname = "joules"\n\n[[budget]]\ngpu_hours = 2\nper = "week"\n')
    for scope in ("notebook", "project"):
        body = told(used, scope=scope)
        assert "joules" in json.dumps(body["item"])
        assert body["limit"].startswith("joules")
        assert _spent(body) == pytest.approx(_verdict(used, "joules"), rel=1e-6)
    assert told(used, scope="project")["limit"] == body["limit"]
    file.write_text(file.read_text().replace("kwh = 2", "kwh = 3"))
    assert told(used, scope="project")["limit"] != body["limit"]
    file.unlink()


def test_no_budget_is_drawn_over_what_does_not_count_in_it(used: Server) -> None:
    file = used.root / "paper" / NAME
    file.write_text('[[budget]]\nkwh = 0.01\nscope = "notebook"\nnotebook = "train.ipynb"\nper = "30d"\nname = "one"\n')
    assert _spent(told(used, scope="notebook")) == pytest.approx(_verdict(used, "one"), rel=1e-6)
    assert _spent(told(used, scope="session", session="session0")) == pytest.approx(_verdict(used, "one"), rel=1e-6)
    assert _spent(told(used, scope="project")) is None
    file.unlink()


def _verdict(server: Server, name: str) -> float:
    (found,) = [one for one in server.ask("budgets", path=PATH).json["budgets"] if one["name"] == name]
    value: float = found["spent"]["value"]
    return value


def _spent(body: Any) -> float | None:
    """Where the budget's line ends, in kWh."""
    for one in _objects(body["item"]):
        data = one.get("data")
        columns = dict(data["entries"]) if isinstance(data, dict) and "entries" in data else {}
        if "kwh" in columns:
            packed = b64decode(columns["kwh"]["array"]["data"])
            found: float = struct.unpack("<d", (gunzip(packed) if packed[:2] == b"\x1f\x8b" else packed)[-8:])[0]
            return found
    return None
