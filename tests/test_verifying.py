"""Verify: what was changed in a file is found and named, and a file that nobody changed is whole."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stated
from hypothesis import given
from hypothesis import strategies as st
from shell import cell, costmeter, said, session
from verified_files import ALL, SLOW, faults, linked, loaded, verified
from verified_files import golden_file as golden_file

from jupyter_costmeter import bars, report, tag, verifying
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import ReportError, UsageError
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.record import CellRecord, Figure, SessionInfo
from jupyter_costmeter.toml_files import NAME

# A whole file


def test_a_file_that_nobody_changed_is_whole(golden: Path) -> None:
    page = verifying.verify(golden, bar=bars.none)
    assert faults(page) == []
    assert page.ok
    assert page.title.endswith("whole, and its figures follow from its records")
    assert loaded(golden)["chain"]["head"] in page.headlines[2]
    assert loaded(golden)["chain"]["whole"] in page.headlines[1]
    assert "That the records are true it does not prove" in page.notes[0]


def test_each_total_is_told_by_how_it_is_known(golden: Path) -> None:
    table = verifying.verify(golden, bar=bars.none).tables[2]
    assert table.columns == ["figure", "value", "measured", "modelled", "declared", "assumed", "missing in"]
    rows = {row[0]: list(row[1:]) for row in table.rows}
    hours = stated.golden_statement().whole
    assert rows["energy"][1] == rows["GPU energy"][0]  # a GPU's counter measures, the rest is modelled
    assert rows["FLOPs"][-1] == str(hours.flops.missing)
    declared = rows["emissions"]
    assert declared[0] == declared[4]  # the PUE of the golden ledger is assumed
    assert declared[1:4] == ["", "", ""]


@pytest.mark.parametrize(
    "formatted",
    [
        lambda body: json.dumps(body, indent=4, ensure_ascii=False),
        lambda body: json.dumps(body, separators=(",", ":"), sort_keys=True),
        lambda body: json.dumps(dict(reversed(list(body.items()))), indent="\t"),
        lambda body: "\ufeff" + json.dumps(javascript(body)) + "\n\n",
    ],
)
def test_how_it_is_formatted_makes_no_difference(formatted: Any, golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.json"
    path.write_text(formatted(loaded(golden)), encoding="utf-8")
    page = verifying.verify(path, bar=bars.none)
    assert (faults(page), page.ok) == ([], True)


def javascript(body: Any) -> Any:
    """As a program writes it that has floats only: 2.0 is 2, and 5e18 has all its digits."""
    if isinstance(body, float) and body == int(body) and abs(body) < 1e21:
        return int(body)
    if isinstance(body, dict):
        return {key: javascript(value) for key, value in body.items()}
    return [javascript(value) for value in body] if isinstance(body, list) else body


PLACES = """\
[[where]]
region = "FR"
until = 2026-09-21T20:00:00Z
pue = 1.2

[[where]]
region = "PL"
from = 2026-09-21T20:00:00Z

[[rates]]
gpu_hour = 0.55
gb_hour = 0.01
currency = "EUR"

[[rates]]
match = {host = "gpu*"}
kwh = 0.21
valid_from = 2026-09-22
currency = "EUR"

[embodied]
gpu_kg = {"A100*" = 155}
life_years = 5
source = "our own"

[water]
on_site_l_per_kwh = 1.8

[[cloud]]
provider = "near"
gpu = "A100*"
gpu_hour = 1.5
currency = "EUR"
as_of = 2026-01-01
"""


@pytest.mark.parametrize(
    "scope", [ALL, Selection("notebook", stated.TRAIN.notebook), Selection("all", None, "evaluate")]
)
@pytest.mark.parametrize("declared", [stated.DECLARED, PLACES, ""])
def test_any_factors_and_selection_can_be_derived_again(scope: Selection, declared: str, tmp_path: Path) -> None:
    ledger = stated.golden_ledger(tmp_path / "ledger.sqlite")
    (tmp_path / NAME).write_text(declared)
    report.export(ledger, scope, tmp_path / "out.json", costing=Costing(str(tmp_path), tmp_path))
    ledger.close()
    page = verifying.verify(tmp_path / "out.json", bar=bars.none)
    assert faults(page) == []
    assert page.ok


@pytest.mark.parametrize("declared", [stated.DECLARED, PLACES])
def test_an_anonymous_file_can_be_derived_again(declared: str, tmp_path: Path) -> None:
    ledger = stated.golden_ledger(tmp_path / "ledger.sqlite")
    (tmp_path / NAME).write_text(declared)
    costing = Costing(str(tmp_path), tmp_path)
    report.export(ledger, ALL, tmp_path / "out.json", costing=costing, anonymous=True)
    ledger.close()
    assert "machine 1" in (tmp_path / "out.json").read_text()
    assert faults(verifying.verify(tmp_path / "out.json", bar=bars.none)) == []


# Random ledgers


@st.composite
def ledgers(draw: st.DrawFn) -> list[tuple[SessionInfo, list[CellRecord]]]:
    """Sessions with records of any outcome and bucket, some inside others, some tagged, some lacking a GPU."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        info = replace(session(f"s{number}", f"/lab/p{number % 2}/n{number}.ipynb"), host=f"host{number % 2}")
        chance = random.Random(draw(st.integers(0, 10**6)))
        made.append((info, [_record(info, seq, chance) for seq in range(1, draw(st.integers(1, 7)))]))
    return made


def _record(info: SessionInfo, seq: int, chance: random.Random) -> CellRecord:
    said = {"category": chance.choice(["hpo", "train", "failed"]), "score.x": chance.random()}
    one = cell(
        info, seq, chance.choice([None, 100.0, 1e6 * chance.random()]), label=chance.choice([None, "a", "naïve — 数"])
    )
    figures = tuple(replace(f, value=f.value and f.value * chance.random()) for f in one.usage.figures)
    inside = f"{info.id}-{seq - 1}" if seq > 1 and chance.random() < 0.2 else None
    return replace(
        one, usage=replace(one.usage, wall_s=10 * chance.random(), figures=figures), parent_id=inside,
        outcome=chance.choice(["ok", "ok", "error", "killed"]), bucket=chance.choice(["cell", "cell", "background"]),
        tags=tag.tags_of(one.id, said, 1.7e9, "run", "ada", "host") if chance.random() < 0.5 else (),
    )  # fmt: skip


@SLOW
@given(ledgers())
def test_a_file_of_any_ledger_is_whole(made: list[tuple[SessionInfo, list[CellRecord]]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        ledger = open_ledger(folder / "ledger.sqlite")
        for info, records in made:
            ledger.append(info, records)
        (folder / NAME).write_text('[[where]]\nregion = "FR"\n')
        with (folder / "out.json").open("w") as out:
            report.write(ledger, ALL, "json", out, Costing(str(folder), folder))
        ledger.close()
        page = verifying.verify(folder / "out.json", bar=bars.none)
        assert faults(page) == []


# No such file


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a whole JSON file: the file is empty$"),
        (" \n", "the file is empty"),
        ("{", "it ends too early"),
        ("[1, 2]", "this is no JSON object"),
        ("{}", "it names no schema"),
        ('{"schema": 1, "cells": []}', "of schema 1, which had no chain: export it again"),
        ('{"schema": 3, "cells": []}', "knows up to 2. Upgrade it"),
        ('{"schema": "x"}', "its schema is 'x'"),
        ('{"schema": 2, "cells": []}', "it has no software and no sessions"),
        ('{"schema": 2, "schema": 2}', "stands twice"),
        ('{"schema": 2, "summary": {"a": 1, "a": 2}}', "an object has a key twice"),
        ('{"schema": 2, "summary": NaN}', "NaN is no number in JSON"),
        ('{"schema": 2, "cells": [{}, ]}', "after a comma there is"),
        ('{"schema": 2, "cells": [{} {}]}', "a comma is missing"),
        ('{"schema" 2}', "a colon is missing"),
        ('{"schema": 2} and more', "there is more after its end"),
        ("id,session_id\n1,2\n", "this is no JSON object"),
    ],
)
def test_what_is_no_such_file_says_so(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=why):
        verifying.verify(path, bar=bars.none)


@SLOW
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_anywhere_says_so(golden: Path, where: float) -> None:
    text = golden.read_text().rstrip()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cut.json"
        path.write_text(text[: int(where * len(text))])
        with pytest.raises(UsageError, match="is not a whole JSON file: "):
            verifying.verify(path, bar=bars.none)


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is not text in UTF-8"):
        verifying.verify(tmp_path / "x.json")
    with pytest.raises(UsageError, match="there is no"):
        verifying.verify(tmp_path / "y.json")
    with pytest.raises(ReportError, match="cannot read"):
        verifying.verify(tmp_path)


def test_another_versions_words_are_not_compared_but_its_numbers_are(golden: Path) -> None:
    body = loaded(golden)
    body["software"]["version"] = "0.0.9"
    body["costs"]["totals"][0]["sources"] = ["in other words"]
    body["forms"][0]["text"] = "in other words"
    linked(body)
    page = verified(body)
    assert page.ok, faults(page)
    assert "words that may differ between versions, and the forms" in page.notes[-1]
    assert page.title.endswith("; its forms were NOT verified (another version wrote them)")
    body["costs"]["totals"][0]["value"] *= 1.01
    linked(body)
    assert not verified(body).ok


# The shell, and length


def test_the_shell_says_it_and_its_exit_status_does(golden: Path, home: Path) -> None:
    head = loaded(golden)["chain"]["head"]
    assert "whole, and its figures follow" in said(costmeter("verify", str(golden), "--head", head, cwd=home))
    body = loaded(golden)
    body["cells"][3]["label"] = "another"
    (home / "changed.json").write_text(json.dumps(body))
    ran = costmeter("verify", "changed.json", cwd=home)
    assert ran.returncode == 1
    assert "it was changed" in ran.stdout
    assert "there is no" in said(costmeter("verify", "nothing.json", cwd=home), 2)


def test_no_jupyter_is_needed(golden: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from jupyter_costmeter import verifying;"
        f"assert verifying.verify(Path({str(golden)!r})).ok;"
        "print(sorted({'IPython', 'jupyter_server', 'ipykernel', 'tornado'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_long_file_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = session("aaa1", "/home/ada/paper/train.ipynb")
    ledger = open_ledger(tmp_path / "l.sqlite")
    ledger.append(info, (cell(info, n) for n in range(5000)))
    report.export(ledger, ALL, tmp_path / "out.json")
    ledger.close()
    alive = 0
    import gc

    from jupyter_costmeter import recomputed

    real = recomputed.Recomputed._append

    def watched(self: Any, records: list[CellRecord]) -> Iterator[Any]:
        nonlocal alive
        alive = max(alive, sum(type(o) is CellRecord for o in gc.get_objects()))
        return real(self, records)

    monkeypatch.setattr(recomputed.Recomputed, "_append", watched)
    assert verifying.verify(tmp_path / "out.json", bar=bars.none).ok
    assert 0 < alive <= recomputed.BATCH + 100
    assert Figure
