"""Verify: what was changed in a file is found and named, and a file that nobody changed is whole."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stated
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import cell, costmeter, said, session

from jupyter_costmeter import bars, chain, report, tag, verifiable, verifying
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import ReportError, UsageError
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.linked import Links
from jupyter_costmeter.pages import Page
from jupyter_costmeter.record import CellRecord, Figure, SessionInfo
from jupyter_costmeter.toml_files import NAME

ALL = Selection("all")
Body = dict[str, Any]
SLOW = settings(max_examples=8, deadline=None)
QUICK = settings(max_examples=100, deadline=None)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden ledger's file, which nobody changed."""
    folder = tmp_path_factory.mktemp("golden")
    ledger = stated.golden_ledger(folder / "ledger.sqlite")
    report.export(ledger, ALL, folder / "all.json", costing=stated.golden_costing(folder))
    ledger.close()
    return folder / "all.json"


def verified(body: Body, head: str | None = None) -> Page:
    """What is said of a file of that content."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_text(json.dumps(body))
        return verifying.verify(path, head, bars.none)


def faults(page: Page) -> list[tuple[str, str]]:
    """Where, and what is wrong there."""
    return [(row[0], row[1]) for table in page.tables[:2] for row in table.rows]


def loaded(path: Path) -> Body:
    found: Body = json.loads(path.read_text())
    return found


def linked(body: Body) -> None:
    """A new chain, as somebody makes who knows how it is made."""
    before = chain.START
    for number, record in enumerate(body["cells"], 1):
        record["number"] = number
        record.pop("hash", None)
        before = record["hash"] = chain.link(before, chain.canonical(record))
    body["chain"] |= {"head": before, "records": len(body["cells"]), "whole": verifiable.whole(before, body)}


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


# A file that was changed


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All values in it."""
    steps = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for step, value in steps:
        yield from places(value, (*path, step))
    if not isinstance(body, (dict, list)):
        yield path


def other(value: Any) -> Any:
    """Something else of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    return value * 1.0000001 + 1 if isinstance(value, (int, float)) else f"1{value}"  # 2.4 and 2.40 are one


def changed(body: Body, path: tuple[Any, ...]) -> Body:
    made = copy.deepcopy(body)
    part: Any = made
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = other(part[path[-1]])
    return made


@SLOW
@given(st.data())
def test_any_value_that_is_changed_in_a_record_is_found_and_the_record_named(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    number = data.draw(st.integers(0, len(body["cells"]) - 1))
    path = data.draw(st.sampled_from(list(places(body["cells"][number]))))
    page = verified(changed(body, ("cells", number, *path)))
    assert not page.ok
    assert any(f"record {number + 1} " in where or f"record {number + 2} " in where for where, _ in faults(page)), path


@SLOW
@given(st.data())
def test_any_value_that_is_changed_beside_the_records_is_found(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    rest = [path for path in places(body) if path[0] not in ("cells", "schema")]
    path = data.draw(st.sampled_from(rest))
    try:
        page = verified(changed(body, path))
    except UsageError:
        return  # it is said to be no such file
    assert not page.ok, path


FIGURES = ("summary", "statement", "costs", "gpu_utilisation")


@SLOW
@given(st.data())
def test_a_figure_that_is_changed_is_found_though_the_chain_was_made_anew(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    figures = [path for path in places(body) if path[0] in FIGURES and path[1] not in ("title", "scope", "made_at",
               "version", "problems")]  # fmt: skip
    path = data.draw(st.sampled_from(figures))
    made = changed(body, path)
    linked(made)
    page = verified(made)
    assert not page.ok, path
    assert any(where.startswith(path[0]) for where, _ in faults(page)), path


@SLOW
@given(st.data())
def test_a_measured_value_that_is_changed_is_found_though_the_chain_was_made_anew(
    golden: Path, data: st.DataObject
) -> None:
    """Unless all that follows from it was changed, too; what was declared is then only a record's word."""
    body = loaded(golden)
    number = data.draw(st.integers(0, len(body["cells"]) - 1))
    figures = body["cells"][number]["figures"]
    summed = [i for i, f in enumerate(figures) if f["value"] and not f["name"].startswith("peak")]
    if not summed or body["cells"][number]["parent_id"]:
        return
    made = changed(body, ("cells", number, "figures", data.draw(st.sampled_from(summed)), "value"))
    linked(made)
    assert any(where.startswith("summary") for where, _ in faults(verified(made)))


def of_chain(body: Body) -> list[tuple[str, str]]:
    """What the chain alone says."""
    links = Links()
    for record in body["cells"]:
        links.add(record)
    return [(fault.where, fault.what) for fault in links.faults(body["chain"])]


@QUICK
@given(st.data())
def test_the_chain_alone_finds_any_value_that_is_changed_in_a_record(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    number = data.draw(st.integers(0, len(body["cells"]) - 1))
    path = data.draw(st.sampled_from(list(places(body["cells"][number]))))
    found = of_chain(changed(body, ("cells", number, *path)))
    assert any(f"record {number + 1} " in where or f"record {number + 2} " in where for where, _ in found), path


@QUICK
@given(st.data())
def test_any_record_that_is_dropped_is_found_and_named(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    number = data.draw(st.integers(1, len(body["cells"])))
    del body["cells"][number - 1]
    found = of_chain(body)
    assert (f"record {number}", "missing") in [(where, what[:7]) for where, what in found]
    assert [where for where, _ in found if where not in (f"record {number}", "chain.records", "chain.head")] == []


@QUICK
@given(st.data())
def test_any_two_records_that_are_swapped_are_found_and_named(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    cells = body["cells"]
    one, two = sorted(data.draw(st.lists(st.integers(0, len(cells) - 1), min_size=2, max_size=2, unique=True)))
    cells[one], cells[two] = cells[two], cells[one]
    named = {where.split()[1] for where, what in of_chain(body) if what.startswith("not in its place")}
    if two - one > 2:
        assert named == {str(one + 1), str(two + 1)}
    assert named  # of near ones it may as well be the one between them that was moved


@QUICK
@given(st.data())
def test_any_order_but_the_right_one_is_found(golden: Path, data: st.DataObject) -> None:
    body = loaded(golden)
    cells = body["cells"]
    body["cells"] = data.draw(st.permutations(cells))
    assert bool(of_chain(body)) == (body["cells"] != cells)


def test_a_record_that_was_put_in_is_found(golden: Path) -> None:
    body = loaded(golden)
    body["cells"].insert(4, {**copy.deepcopy(body["cells"][2]), "id": "made-up"})
    found = faults(verified(body))
    assert (
        "record 3 (made-up, 2026-09-21 14:49:20 UTC)",
        "a record with that number stands twice: one of them was put in",
    ) in found


def test_a_record_that_stands_twice_is_found_though_the_chain_was_made_anew(golden: Path) -> None:
    body = loaded(golden)
    body["cells"].append(copy.deepcopy(body["cells"][2]))
    linked(body)
    assert (f"record {body['cells'][2]['id']}", "its id stands twice") in faults(verified(body))


def test_the_end_that_is_cut_off_is_found(golden: Path) -> None:
    body = loaded(golden)
    count = len(body["cells"])
    del body["cells"][-3:]
    found = dict(faults(verified(body)))
    assert found[f"records {count - 2} to {count}"].startswith("missing, after record ")
    assert "chain.head" in found


def test_a_new_chain_is_found_where_the_head_was_published(golden: Path) -> None:
    body = loaded(golden)
    head, whole = body["chain"]["head"], body["chain"]["whole"]
    assert verified(body, head.upper()).ok
    assert "is that of the records alone" in verified(body, head).notes[-1]
    assert verified(body, whole).ok
    assert "is that of the records alone" not in " ".join(verified(body, whole).notes)
    body["cells"][3]["label"] = "another"
    body["statement"] = body["costs"] = None
    linked(body)
    assert ("chain.head", True) in [
        (where, "not the one that was given" in what) for where, what in faults(verified(body, head))
    ]


def test_more_faults_than_one_reads_are_counted(golden: Path) -> None:
    body = loaded(golden)
    for record in body["cells"]:
        record["seq"] += 1
    body["cells"] = body["cells"] * 2
    page = verified(body)
    assert len(page.tables[0].rows) == verifying.SHOWN
    assert any("of the records" in note.lower() and "more things are wrong" in note for note in page.notes)


@pytest.mark.parametrize(
    ("break_it", "what"),
    [
        (lambda r: r.update(session_id="nobody"), "there is no session 'nobody'"),
        (lambda r: r["figures"][0].update(name="joy"), "there is no figure 'joy'"),
        (lambda r: r["figures"][0].update(provenance="0" * 20), "it cannot be read: "),
        (lambda r: r.update(wall_s="1"), "'1' is no number"),
        (lambda r: r.update(bucket="bin"), "there is no bucket 'bin'"),
        (lambda r: r.pop("outcome"), "it cannot be read: 'outcome'"),
    ],
)
def test_what_is_no_record_is_named(break_it: Any, what: str, golden: Path) -> None:
    body = loaded(golden)
    break_it(body["cells"][3])
    linked(body)
    assert any(where.startswith("record 4 ") and what in text for where, text in faults(verified(body)))


@pytest.mark.parametrize(
    "part", ["factors", "statement", "sessions", "provenances", "forms", "chain", "costs", "cells"]
)
@pytest.mark.parametrize("value", [None, [], {}, [None], "x", 3])
def test_any_nonsense_is_a_fault_or_no_such_file(part: str, value: Any, golden: Path) -> None:
    body = loaded(golden)
    if body[part] == value:
        return
    body[part] = value
    refused = not isinstance(value, verifying.PARTS.get(part, type(value)))
    with pytest.raises(UsageError, match="it has no ") if refused else nullcontext():
        assert not verified(body).ok


# No such file


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "this is no JSON object|it ends too early"),
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
