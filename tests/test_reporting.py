"""``report NORM …`` and ``report -o FILE``: the form as a page, the statement as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import stated
import yaml
from shell import here, said

import jupyter_costmeter
from jupyter_costmeter.errors import UsageError


@pytest.fixture
def ledger_file(home: Path) -> str:
    ledger = stated.golden_ledger(home / "ledger.sqlite")
    ledger.close()
    return str(home / "ledger.sqlite")


def report(capsys: pytest.CaptureFixture[str], ledger: str, *words: str, code: int = 0) -> str:
    return said(here(capsys, "report", "--all", "--ledger", ledger, *words), code)


def test_a_norm_is_a_page_with_what_is_left_to_the_author(capsys: pytest.CaptureFixture[str], ledger_file: str) -> None:
    text = report(capsys, ledger_file, "neurips")
    assert "NeurIPS Paper Checklist" in text
    assert "18 GPU-h" in text
    assert "TODO" in text
    assert "left to you" in text
    assert "-o FILE" in text
    assert "ARR" not in text


def test_several_norms_in_any_case(capsys: pytest.CaptureFixture[str], ledger_file: str) -> None:
    text = report(capsys, ledger_file, "SCI", "model_card")
    assert "co2_eq_emissions" in text
    assert "SCI" in text


def test_without_a_norm_it_is_as_it_was(capsys: pytest.CaptureFixture[str], ledger_file: str) -> None:
    text = report(capsys, ledger_file)
    assert "figure" in text
    assert "NeurIPS" not in text


@pytest.mark.parametrize("words", [("neurips", "-o", "{}"), ("-o", "{}", "neurips"), ("--output", "{}", "neurips")])
def test_a_file_of_the_norms_that_were_named(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], ledger_file: str, home: Path
) -> None:
    path = home / "out.yaml"
    text = report(capsys, ledger_file, *(word.format(path) for word in words))
    assert f"Wrote {path}: a statement of 2" in text
    assert list(yaml.safe_load(path.read_text())["forms"]) == ["neurips"]
    assert "--force replaces it" in report(capsys, ledger_file, "-o", str(path), code=2)
    report(capsys, ledger_file, "-o", str(path), "--force")
    assert len(yaml.safe_load(path.read_text())["forms"]) == 8


def test_a_norms_own_file_is_said_to_be_one(capsys: pytest.CaptureFixture[str], ledger_file: str, home: Path) -> None:
    path = home / "b.json"
    text = report(capsys, ledger_file, "boamps", "-o", str(path))
    assert text.startswith(f"Wrote {path}: BoAmps' own JSON, of 20 cells of everything in the ledger.")
    assert text.splitlines()[0].endswith("The verifiable file is export FILE.json.")
    assert "Digest" not in text
    assert "header" in json.loads(path.read_text())
    text = report(capsys, ledger_file, "boamps", "-o", str(path), "--force", "--anonymous")
    assert "BoAmps' own JSON, anonymous, of 20 cells" in text
    text = report(capsys, ledger_file, "model-card", "-o", str(home / "card.yaml"), code=2)
    assert "%cost where FR" in text
    assert not (home / "card.yaml").exists()


def test_the_verifiable_file_comes_with_its_digest(
    capsys: pytest.CaptureFixture[str], ledger_file: str, home: Path
) -> None:
    path = home / "all.json"
    for words in (("report", "-o"), ("export",)):
        text = said(here(capsys, *words, str(path), "--all", "--ledger", ledger_file))
        digest = json.loads(path.read_text())["chain"]["whole"]
        assert f"Digest of the whole file: {digest}" in text
        assert "verify FILE --head DIGEST" in text
        assert "whole, and its figures follow" in said(here(capsys, "verify", str(path), "--head", digest))
        path.unlink()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("neurip",), "there is no norm 'neurip'; did you mean 'neurips'?"),
        (("out.html",), "report -o out.html writes that file"),
        (("-o", "out.pdf"), "use one of .md, .tex, .html, .csv, .yaml, .json"),
    ],
)
def test_what_is_wrong_is_said(
    words: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str], ledger_file: str
) -> None:
    assert what in report(capsys, ledger_file, *words, code=2)


def test_anonymous(capsys: pytest.CaptureFixture[str], ledger_file: str, home: Path) -> None:
    assert "gpu07" not in report(capsys, ledger_file, "neurips", "arr", "--anonymous")
    report(capsys, ledger_file, "-o", str(home / "out.md"), "--anonymous")
    assert "gpu07" not in (home / "out.md").read_text()
    said(here(capsys, "export", "--all", "--ledger", ledger_file, str(home / "out.csv"), "--anonymous"))
    assert "notebook 1" in (home / "out.csv").read_text()
    assert "train.ipynb" not in (home / "out.csv").read_text()


def test_python_writes_the_same(ledger_file: str, home: Path) -> None:
    notebook = f"{stated.PROJECT}/train.ipynb"
    path = jupyter_costmeter.write_statement(home / "out.yaml", ["neurips"], notebook=notebook, ledger=ledger_file)
    assert list(yaml.safe_load(path.read_text())["forms"]) == ["neurips"]
    with pytest.raises(UsageError, match="--force replaces it"):
        jupyter_costmeter.write_statement(path, notebook=notebook, ledger=ledger_file)
    jupyter_costmeter.write_statement(home / "a.md", notebook=notebook, ledger=ledger_file, anonymous=True)
    assert "gpu07" not in (home / "a.md").read_text()
    with pytest.raises(UsageError, match="nothing was metered"):
        jupyter_costmeter.write_statement(home / "b.md", project=str(home), ledger=ledger_file)
