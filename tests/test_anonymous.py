"""No file that is to be anonymous holds whose it is: in any format, in any spelling."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import stated
from stated import PROJECT

from jupyter_costmeter import report, stating, verifying
from jupyter_costmeter.anonymous import NOTE, Names, Veil
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.statements.tex import escaped
from jupyter_costmeter.tag import tags_of
from jupyter_costmeter.toml_files import NAME

SELECTION = Selection("project", "/home/grace/secret lab")
#: Everything that would say whose it is; one user is also the name of a method, as people do.
WHO = (
    "gpu07.lab.example", "gpu07", "desk.lab.example", "lab.example", "ada", "bo", "grace.hopper", "hopper", "carol",
    "/home", "home/grace", "secret lab", "smith_2026 & co", "smith_2026 & co.ipynb", "ablation.ipynb", "gpu-small",
    "login-node-3", "12345678-1234-1234-1234-123456789abc",
)  # fmt: skip
GPU = "GPU-12345678-1234-1234-1234-123456789abc"


def moved(text: str | None) -> str | None:
    """The golden records in a folder with a telling name."""
    return text and text.replace("train.ipynb", "smith_2026 & co.ipynb").replace(PROJECT, "/home/grace/secret lab")


def placed(record: CellRecord) -> CellRecord:
    """In that folder, on a GPU with a number of its own."""
    figures = tuple(
        replace(one, device=GPU, provenance=replace(one.provenance, source=f"{one.source} on gpu07 (/home/grace/x.py)"))
        if one.device == "GPU-1" else one
        for one in record.usage.figures
    )  # fmt: skip
    return replace(
        record, usage=replace(record.usage, figures=figures), notebook=moved(record.notebook),
        project=moved(record.project),
    )  # fmt: skip


def telling(record: CellRecord) -> CellRecord:
    """Names in labels, errors, tags and texts."""
    said = {
        "category": "hpo", "method": "ada's method", "run": "smith_2026 & co",
        "param.data": "/home/grace/secret lab/x.csv", "param.gpu07": ["grace.hopper", {"bo": "~/x/y"}],
        "score.carol": 0.5,
    }  # fmt: skip
    return replace(
        record, label="ran by Ada on gpu07",
        error_type="grace.hopper.Error",
        tags=(*record.tags, *tags_of(record.id, said, record.started_at + 1, "later", "carol", "login-node-3", "s#")),
    )  # fmt: skip


def of(info: SessionInfo) -> SessionInfo:
    facts = {key: value.replace("GPU-1", GPU) for key, value in info.environment.items()}
    user = "grace.hopper" if info.id == "g2" else info.user
    return replace(info, environment=facts, user=user, notebook=moved(info.notebook), project=moved(info.project))


@pytest.fixture
def golden(tmp_path: Path) -> Iterator[tuple[Ledger, Costing]]:
    folder = tmp_path / "grace"
    folder.mkdir()
    first = stated.golden_ledger(tmp_path / "first.sqlite")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for info in first.sessions(Selection("all")):
        records = list(map(placed, first.records(Selection("session", info.id))))
        ledger.append(of(info), [telling(records[0]), *records[1:]])
    first.close()
    costing = stated.golden_costing(folder)
    with (folder / NAME).open("a") as file:
        file.write('[[rates]]\nmatch = {host = "gpu07*", partition = "gpu-*"}\ncpu_hour = 1\ncurrency = "USD"\n')
        file.write('[[where]]\nhost = "desk"\nregion = "Nowhere of grace.hopper"\n')
    yield ledger, costing
    ledger.close()


def spellings(name: str) -> set[str]:
    backslashed = re.sub(r"([_&])", r"\\\1", name)
    found = {name, quote(name), html.escape(name), escaped(name), json.dumps(name)[1:-1], backslashed}
    return {one.lower() for one in found}


def leaks(text: str) -> list[str]:
    """Which names stand in it as words of their own, in any spelling."""
    low = text.lower()
    return [
        name for name in WHO
        if any(re.search(rf"(?<![^\W_]){re.escape(one)}(?![^\W_])", low) for one in spellings(name))
    ]  # fmt: skip


def written(golden: tuple[Ledger, Costing], suffix: str, statement: bool, anonymous: bool = True) -> str:
    ledger, costing = golden
    out = io.StringIO(newline="")
    if statement:
        stating.write_statement(ledger, SELECTION, suffix, out, costing, (), anonymous)
    else:
        report.write(ledger, SELECTION, suffix, out, costing, anonymous=anonymous)
    text = out.getvalue()
    text = text.replace("\\allowbreak{}", "")
    return re.sub(r"<script>/\*|<script>\s*/\* BEGIN.*?</script>", "", text, count=1, flags=re.DOTALL)


FILES = [*((suffix, True) for suffix in ("md", "tex", "html", "csv", "yaml", "json")),
         *((suffix, False) for suffix in ("json", "csv", "md"))]  # fmt: skip


@pytest.mark.parametrize(("suffix", "statement"), FILES)
def test_no_name_is_in_any_format(suffix: str, statement: bool, golden: tuple[Ledger, Costing]) -> None:
    text = written(golden, suffix, statement)
    text = re.sub(r"(?s)<script>.{500000,}?</script>", "", text)  # BokehJS
    assert leaks(text) == []
    plain = written(golden, suffix, statement, anonymous=False)
    assert {"gpu07", "ada"} & set(leaks(plain))  # the search finds them where they are
    assert re.search(r"machine\s1", text) or suffix == "csv" or not statement


def test_the_file_says_that_it_is_anonymous_and_keeps_the_region(golden: tuple[Ledger, Costing]) -> None:
    text = written(golden, "yaml", True)
    assert NOTE in text
    assert "FR: Our World in Data" in text


def test_figures_are_the_same(golden: tuple[Ledger, Costing]) -> None:
    ledger, costing = golden
    plain = stating.document(ledger, SELECTION, costing).statement
    veiled = stating.document(ledger, SELECTION, costing, anonymous=True).statement
    for a, b in zip(veiled.experiments, plain.experiments, strict=True):
        assert a.spent.energy_kwh.value == b.spent.energy_kwh.value
    assert veiled.whole.gpu_hours.value == plain.whole.gpu_hours.value
    assert [share.category for share in veiled.shares] == [share.category for share in plain.shares]
    assert [m.region for m in veiled.machines] == [m.region for m in plain.machines]


def test_records_cost_the_same(golden: tuple[Ledger, Costing]) -> None:
    """The GPU's model is found by its name in the session, which is another in the file."""
    plain, veiled = (written(golden, "csv", False, anonymous) for anonymous in (False, True))
    for a, b in zip(csv.DictReader(io.StringIO(plain)), csv.DictReader(io.StringIO(veiled)), strict=True):
        for column in ("energy_j", "emissions_g", "embodied_g", "money_amount", "gpu_energy_j"):
            assert a[column] == b[column]


def test_the_same_record_reads_the_same_everywhere(golden: tuple[Ledger, Costing]) -> None:
    body = json.loads(written(golden, "json", False))
    sessions = {one["id"]: one for one in body["sessions"]}
    assert {one["host"] for one in sessions.values()} == {"machine 1", "machine 2"}
    assert all(cell["notebook"] == sessions[cell["session_id"]]["notebook"] for cell in body["cells"])
    assert {m["host"] for m in body["statement"]["machines"]} == {"machine 1", "machine 2"}
    models = [one for session in sessions.values() for one in json.loads(session["environment"].get("devices", "{}"))]
    devices = {figure["device"] for cell in body["cells"] for figure in cell["figures"] if figure.get("device")}
    assert devices - {"numpy"} <= set(models)


def test_an_anonymous_file_can_be_verified(golden: tuple[Ledger, Costing], tmp_path: Path) -> None:
    """Its tariffs fit the numbered hosts as they fitted the named ones."""
    path = tmp_path / "anonymous.json"
    report.export(golden[0], SELECTION, path, costing=golden[1], anonymous=True)
    assert verifying.verify(path).ok


def test_equal_code_is_equal_in_one_file_and_cannot_be_looked_up() -> None:
    veil, other = Veil(Names()), Veil(Names())
    record = stated.record(stated.TRAIN, 1, 0.0, stated.usage(1.0))
    assert veil.record(record).code_hash == veil.record(record).code_hash
    assert veil.record(record).code_hash not in (record.code_hash, other.record(record).code_hash)


def test_a_name_that_comes_later_gets_a_number_too() -> None:
    veil = Veil(Names(hosts=("a1",)))
    assert veil.session(replace(stated.TRAIN, host="b2")).host == "machine 2"
    assert veil.text("b2 and a1") == "machine 2 and machine 1"
