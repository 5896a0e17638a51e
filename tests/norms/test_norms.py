"""What all forms have in common: golden files, nothing invented, nobody named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_costmeter import norms
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.statement import Form, Statement

DATA = Path(__file__).parent.parent / "data" / "norms"


def plain(form: Form) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(form), default=sorted))
    return found


def form_of(name: str, statement: Statement) -> Form:
    return norms.forms(statement, [name])[0]


@pytest.mark.parametrize("name", norms.NAMES)
def test_the_golden_ledger_makes_the_golden_form(name: str, golden: Statement) -> None:
    """``WRITE_GOLDEN=1`` writes it anew, to be looked at before it is kept."""
    found, stored = plain(form_of(name, golden)), DATA / f"{name}.json"
    if os.environ.get("WRITE_GOLDEN"):
        stored.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(stored.read_text(encoding="utf-8"))


def test_there_is_a_golden_file_for_each_norm() -> None:
    assert sorted(path.stem for path in DATA.glob("*.json")) == sorted(norms.NAMES)


# Which norms


def test_all_norms_unless_some_are_named(golden: Statement) -> None:
    assert tuple(form.name for form in norms.forms(golden)) == norms.NAMES
    assert [form.name for form in norms.forms(golden, ["sci", "ARR", "sci", "Model_Card"])] == [
        "sci", "arr", "model-card",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nips", "did you mean 'neurips'"),
        ("modelcard", "did you mean 'model-card'"),
        ("zzz", "there is no norm 'zzz'; there are neurips, arr"),
    ],
)
def test_an_unknown_norm_is_said_with_the_near_one(asked: str, said: str, golden: Statement) -> None:
    with pytest.raises(UsageError, match=said):
        norms.forms(golden, ["arr", asked])


def test_a_norm_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys; from jupyter_costmeter import norms; "
        "print([n for n in sys.modules if n.startswith('jupyter_costmeter.norms.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Nothing invented, nobody named


@pytest.fixture(params=["golden", "nothing", "no_gpu", "unplaced", "untagged"])
def any_statement(request: pytest.FixtureRequest) -> Statement:
    found: Statement = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("name", norms.NAMES)
def test_each_gap_is_left_to_the_author(name: str, any_statement: Statement) -> None:
    form = form_of(name, any_statement)
    for item in form.items:
        assert item.key
        assert item.asks
        assert item.answer != ""
        if item.answer is None:
            assert item.todo, item.key
            assert item.todo in form.text or "nothing was metered" in form.text, item.key
        else:
            assert item.how or item.key == "flops_tool", item.key
    assert len({item.key for item in form.items}) == len(form.items)
    assert ("TODO(author): " in form.text) == bool(form.todos)
    assert "None" not in form.text


@pytest.mark.parametrize("name", norms.NAMES)
def test_tables_are_whole(name: str, any_statement: Statement) -> None:
    for table in form_of(name, any_statement).tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(isinstance(cell, str) and cell for row in table.rows for cell in row)
        assert table.right <= set(table.columns)


@pytest.mark.parametrize("name", norms.NAMES)
def test_of_nothing_no_figure_is_told(name: str, nothing: Statement) -> None:
    form = form_of(name, nothing)
    told = {item.key for item in form.items if item.answer is not None}
    assert told <= {"boundary", "method"}  # the SCI's, which are of no figure
    assert form.tables == ()
    assert form.native is None
    assert form.native_suffix is None


@pytest.mark.parametrize("name", norms.NAMES)
def test_no_host_user_or_path_is_in_a_form(name: str, golden: Statement) -> None:
    text = json.dumps(plain(form_of(name, golden)))
    for machine in golden.machines:
        assert machine.host not in text
    for word in ("gpu07", "desk", "ada", "/home"):
        assert f'"{word}' not in text
        assert f" {word}" not in text


TOTALS = {
    "neurips": ["total, GPU-hours", "total, CPU-hours", "total, energy", "total, emissions"],
    "arr": ["C1 budget", "C1 budget, CPU", "C1 budget, energy"],
    "cvpr": ["gpu_hours", "cpu_hours", "total_dev_compute"],
    "reproducibility": ["energy"],
    "model-card": ["emissions", "source"],
    "sci": ["SCI", "E", "E × I", "M"],
    "boamps": ["measures.powerConsumption"],
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in TOTALS.items() for key in keys])
def test_a_total_says_its_measured_share_and_that_it_is_a_lower_bound(name: str, key: str, golden: Statement) -> None:
    item = next(item for item in form_of(name, golden).items if item.key == key)
    assert "of it measured" in item.how or "of it measured" in (item.answer or "")
    assert "lower bound:" not in item.how
    lost = {
        total: replace(getattr(golden.whole, total), missing=2, reasons=("the GPU is lost",))
        for total in ("gpu_hours", "cpu_hours", "energy_kwh", "electricity_kwh", "emissions_kg", "embodied_kg")
    }
    partly = replace(golden, whole=replace(golden.whole, **lost))
    item = next(item for item in form_of(name, partly).items if item.key == key)
    assert "a lower bound: the GPU is lost" in f"{item.answer} {item.how}"
    if key not in ("emissions", "source"):  # a number, whose how says it; a sentence
        assert (item.answer or "").startswith("≥ ")
