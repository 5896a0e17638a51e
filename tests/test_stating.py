"""A statement as a file: the format by the suffix, whole or not at all, the norms that were named."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import stated
import yaml

from jupyter_costmeter import plugins, stating
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import LedgerError, ReportError, UsageError
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger

ALL = Selection("all")
STARTS = {
    "md": "# Compute of", "tex": "% A fragment", "html": "<!DOCTYPE html>", "csv": "norm,key,asks,answer,how,todo",
    "yaml": "statement:", "json": '{\n "schema": 2',
}  # fmt: skip


@pytest.fixture
def golden(home: Path) -> Iterator[tuple[Ledger, Costing]]:
    ledger = stated.golden_ledger(home / "ledger.sqlite")
    folder = home / "folder"
    folder.mkdir()
    yield ledger, stated.golden_costing(folder)
    ledger.close()


def exported(golden: tuple[Ledger, Costing], path: Path, *norms: str, force: bool = False) -> str:
    ledger, costing = golden
    stating.export_statement(ledger, ALL, path, costing, norms, force=force)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", STARTS)
def test_the_suffix_tells_the_format(suffix: str, golden: tuple[Ledger, Costing], home: Path) -> None:
    assert exported(golden, home / f"out.{suffix.upper()}").startswith(STARTS[suffix])
    assert not list(home.glob("*.part"))


def test_every_format_is_named_by_its_suffix() -> None:
    assert stating.formats() == ("md", "tex", "html", "csv", "yaml", "json")
    for suffix in plugins.BUILT_IN["statements"]:
        assert plugins.load("statements", suffix).suffix == suffix
        assert stating.media_type(suffix)
    assert stating.media_type("json") == "application/json"


@pytest.mark.parametrize("name", ["out.pdf", "out", "tex"])
def test_an_unknown_suffix_names_those_there_are(name: str, golden: tuple[Ledger, Costing], home: Path) -> None:
    with pytest.raises(UsageError, match=r"use one of \.md, \.tex, \.html, \.csv, \.yaml, \.json"):
        exported(golden, home / name)
    with pytest.raises(UsageError, match="there is no format 'pdf'"):
        stating.write_statement(golden[0], ALL, "pdf", io.StringIO(), golden[1])


def test_a_file_that_is_there_is_kept(golden: tuple[Ledger, Costing], home: Path) -> None:
    path = home / "out.md"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force replaces it"):
        exported(golden, path)
    assert path.read_text() == "mine"
    assert exported(golden, path, force=True).startswith("# Compute")


@pytest.mark.parametrize("suffix", ["md", "json"])
def test_an_unknown_norm_writes_nothing(suffix: str, golden: tuple[Ledger, Costing], home: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'neurips'"):
        exported(golden, home / f"out.{suffix}", "neuripss")
    assert not list(home.glob("*out*"))


def test_nothing_metered_writes_nothing(home: Path) -> None:
    with pytest.raises(UsageError, match="nothing was metered"):
        stating.export_statement(Ledger(home / "new.sqlite"), ALL, home / "out.md", Costing(None, home))
    assert not (home / "out.md").exists()


def test_what_fails_midway_leaves_nothing(
    golden: tuple[Ledger, Costing], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LedgerError("gone")

    monkeypatch.setattr(stating, "gather", broken)
    with pytest.raises(LedgerError):
        exported(golden, home / "out.md")
    assert not list(home.glob("*out*"))
    with pytest.raises(ReportError, match="cannot write"):
        exported(golden, home / "missing" / "out.md")


def test_only_the_norms_that_were_named(golden: tuple[Ledger, Costing], home: Path) -> None:
    body = yaml.safe_load(exported(golden, home / "out.yaml", "neurips", "SCI"))
    assert list(body["forms"]) == ["neurips", "sci"]
    held = json.loads(exported(golden, home / "out.json", "neurips"))
    assert [form["name"] for form in held["forms"]] == ["neurips"]


def test_a_model_card_is_a_front_matter(golden: tuple[Ledger, Costing], home: Path) -> None:
    body = yaml.safe_load(exported(golden, home / "card.yaml", "model-card"))
    assert set(body) == {"co2_eq_emissions"}
    assert isinstance(body["co2_eq_emissions"]["emissions"], (int, float))


def test_the_anonymous_forms_never_see_whose_it_is(
    golden: tuple[Ledger, Costing], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def forms(statement: object, names: object) -> tuple[()]:
        seen.append(statement)
        return ()

    monkeypatch.setattr(stating.norms, "forms", forms)
    stating.document(*golden[:1], ALL, golden[1], anonymous=True)
    assert "gpu07" not in repr(seen)
    assert "gpu07" in repr(replace(stated.golden_statement()))


@pytest.mark.parametrize("suffix", STARTS)
def test_somebody_at_a_terminal_sees_how_far_it_is(
    suffix: str, golden: tuple[Ledger, Costing], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pipe = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    exported(golden, home / f"out.{suffix}")
    assert ("exporting" if suffix == "json" else "trials") in terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", pipe)
    exported(golden, home / f"out.{suffix}", force=True)
    assert not pipe.getvalue()
