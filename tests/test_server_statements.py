"""A statement over HTTP: the panel's button."""

from __future__ import annotations

import json

import pytest
from serving import API, Server

TYPES = {
    "md": "text/markdown", "tex": "application/x-tex", "html": "text/html", "csv": "text/csv",
    "yaml": "application/yaml", "json": "application/json",
}  # fmt: skip


@pytest.mark.parametrize("suffix", TYPES)
def test_each_format_is_a_file(suffix: str, filled: Server) -> None:
    answer = filled.ask("statement", path="paper/train.ipynb", scope="project", format=suffix, norm="neurips")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"{TYPES[suffix]}; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="statement-project-paper.{suffix}"'
    assert b"NeurIPS" in answer.body or suffix == "csv"


def test_the_norms_and_the_scope_that_were_asked_for(filled: Server) -> None:
    url = f"{API}/statement?path=paper/train.ipynb&format=json&norm=neurips&norm=sci&"  # what follows has no name
    body = json.loads(filled.get(url).body)
    assert [form["name"] for form in body["forms"]] == ["neurips", "sci"]
    assert body["summary"]["sessions"] == 1
    everything = filled.ask("statement", session="session1", scope="session", format="md").body.decode()
    assert "CVPR" in everything
    assert "NeurIPS" in everything


def test_a_norms_own_file_is_the_only_thing_in_it(filled: Server) -> None:
    asked = {"path": "paper/train.ipynb", "scope": "project"}
    answer = filled.ask("statement", **asked, format="json", norm="boamps")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json["header"]["reportStatus"] == "draft"
    refused = filled.ask("statement", **asked, format="yaml", norm="model-card")
    assert refused.status == 400
    assert "%cost where FR" in refused.json["message"]


def test_an_anonymous_one_has_no_name_even_in_its_own(filled: Server) -> None:
    for suffix in TYPES:
        asked = {"path": "paper/train.ipynb", "format": suffix, "anonymous": "1", "norm": "neurips"}
        answer = filled.ask("statement", **asked)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="statement-anonymous.{suffix}"'
        assert str(filled.root).encode() not in answer.body
        assert b"train.ipynb" not in answer.body
        plain = filled.ask("statement", **{**asked, "anonymous": "0"})
        assert b"train.ipynb" in plain.body


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": "pdf"}, "there is no format 'pdf'; there are md, tex, html, csv, yaml, json"),
        ({"norm": "neurip"}, "did you mean 'neurips'"),
        ({"scope": "lab"}, "there is no scope 'lab'"),
    ],
)
def test_what_is_wrong_is_said(asked: dict[str, str], said: str, filled: Server) -> None:
    answer = filled.ask("statement", path="paper/train.ipynb", **asked)
    assert answer.status == 400
    assert said in answer.json["message"]


def test_an_empty_ledger_has_an_empty_statement(server: Server) -> None:
    answer = server.ask("statement", path="train.ipynb", format="md", norm="neurips")
    assert answer.status == 200
    assert "0 runs" in answer.body.decode()
