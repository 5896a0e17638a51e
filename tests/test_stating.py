"""A statement as a file: the format by the suffix, whole or not at all, the norms that were named."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import stated
import yaml

from jupyter_costmeter import norms, plugins, stating
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import LedgerError, ReportError, UsageError
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import Figure, Usage

CONSTRAINTS = Path(__file__).parent / "data" / "boamps" / "constraints.json"
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


def exported(golden: tuple[Ledger, Costing], path: Path, *names: str, force: bool = False) -> str:
    ledger, costing = golden
    stating.export_statement(ledger, ALL, path, costing, names, force=force)
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


@pytest.mark.parametrize("anonymous", [False, True])
def test_boamps_is_its_own_json(anonymous: bool, golden: tuple[Ledger, Costing], home: Path) -> None:
    path = home / "boamps.json"
    stating.export_statement(golden[0], ALL, path, golden[1], ["BoAmps"], anonymous=anonymous)
    body = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(json.loads(CONSTRAINTS.read_text(encoding="utf-8"))).validate(body)
    assert body["header"]["reportStatus"] == "draft"
    assert body["environment"]["country"] == "France"
    assert "schema" not in body
    assert "gpu07" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "suffix", "own"),
    [
        (["boamps"], "json", "boamps"),
        (["boamps", "BOAMPS"], "json", "boamps"),
        (["model_card"], "yaml", "model-card"),
        (["boamps"], "yaml", None),
        (["model-card"], "json", None),
        (["boamps", "neurips"], "json", None),
        ([], "json", None),
        (["neurips"], "json", None),
    ],
)
def test_only_one_norm_alone_has_its_own_file(names: list[str], suffix: str, own: str | None) -> None:
    assert stating.native_norm(names, suffix) == own


def test_the_norms_with_a_file_of_their_own_are_known() -> None:
    found = norms.forms(stated.golden_statement())
    assert {form.name: form.native_suffix for form in found if form.native_suffix} == stating.NATIVE
    assert set(stating.MUST) == set(stating.NATIVE)
    for form in found:
        assert set(stating.MUST.get(form.name, ())) <= {item.key for item in form.items}


def test_two_norms_or_none_are_the_verifiable_file(golden: tuple[Ledger, Costing], home: Path) -> None:
    assert json.loads(exported(golden, home / "two.json", "boamps", "sci"))["schema"] == 2
    assert json.loads(exported(golden, home / "all.json"))["schema"] == 2


def test_a_model_card_without_a_place_says_what_to_do(golden: tuple[Ledger, Costing], home: Path) -> None:
    nowhere = home / "nowhere"
    nowhere.mkdir()
    with pytest.raises(UsageError, match=r"without emissions: .*%cost where FR.*Another suffix \(\.md,.*\.json\)"):
        stating.export_statement(golden[0], ALL, home / "card.yaml", Costing(None, nowhere), ["model-card"])
    assert not list(home.glob("*card*"))


def test_boamps_without_energy_says_what_is_lacking(home: Path) -> None:
    ledger = Ledger(home / "ledger.sqlite")
    used = Usage(60.0, (Figure("cpu_s", 1.0, stated.CLOCK), Figure("cpu_energy_j", None, stated.NUMPY)))
    ledger.append(stated.PREPARE, [stated.record(stated.PREPARE, 1, 0.0, used)])
    with pytest.raises(UsageError, match=r"no \.json of boamps without measures\.powerConsumption: it is not known"):
        exported((ledger, Costing(None, home)), home / "boamps.json", "boamps")
    assert not list(home.glob("*boamps*"))
    ledger.close()


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
