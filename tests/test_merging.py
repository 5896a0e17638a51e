"""Merge: several ledgers are one, in whatever order and however often, and what contradicts itself is listed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stated
from hypothesis import given, settings
from hypothesis import strategies as st
from merged_ledgers import SAID, held, made, merged, older
from shell import cell, costmeter, said, session

from jupyter_costmeter import merging
from jupyter_costmeter.budget import BudgetEvent
from jupyter_costmeter.errors import LedgerTooNew, LedgerUnwritable, UsageError
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.pages import Page
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import tags_of

INFO, OTHER = session("aaa1", "/home/ada/paper/train.ipynb"), session("bbb2", "/home/ada/paper/x.ipynb")
EVENT = BudgetEvent(
    "e1", "b1", "warned", 1.7e9, "aaa1", "ada", "host", None, 0.5, 6.0, 10.0, 10.0, "GPU-h", "half of it"
)
USAGE = cell(INFO, 1).usage


def rows(page: Page) -> list[dict[str, str]]:
    """What was taken of each source."""
    return [dict(zip(merging.COLUMNS, row, strict=True)) for row in page.tables[0].rows]


def conflicts(page: Page) -> list[tuple[str, ...]]:
    """What, which, of where, what differs."""
    return [tuple(row[1:]) for row in page.tables[1].rows]


def test_all_that_ledgers_hold_comes_together(tmp_path: Path) -> None:
    one = made(tmp_path / "one", (INFO, [cell(INFO, 1), cell(INFO, 2, None, outcome="error")]))
    two = made(tmp_path / "two", (OTHER, [cell(OTHER, 1)]))
    ledger = open_ledger(two)
    ledger.tag(SAID)  # of a record that is in the other
    ledger.log(EVENT)
    ledger.add(infos=[session("ccc3", "/home/ada/paper/y.ipynb")])  # it ran nothing
    ledger.close()
    page = merged(tmp_path / "all", one, two)
    assert page.ok
    assert page.title == f"{tmp_path / 'all'}: 3 records taken"
    found = held(tmp_path / "all")
    assert set(found["records"]) == {"aaa1-1", "aaa1-2", "bbb2-1"}
    assert found["records"]["aaa1-1"].tags == SAID
    assert (set(found["sessions"]), found["events"], found["check"]) == ({"aaa1", "bbb2", "ccc3"}, [EVENT], [])
    assert found["summary"].cells == 3
    counts = rows(page)[1]
    assert (counts["records taken"], counts["sessions"], counts["tags"], counts["budget events"]) == (
        "1",
        "2",
        "1",
        "1",
    )


def test_twice_is_once(tmp_path: Path) -> None:
    one = stated.golden_ledger(tmp_path / "one")
    one.log(EVENT)
    one.close()
    merged(tmp_path / "all", tmp_path / "one")
    first = held(tmp_path / "all")
    page = merged(tmp_path / "all", tmp_path / "one", tmp_path / "one")
    assert held(tmp_path / "all") == first == held(tmp_path / "one")
    assert page.ok
    assert {row["records taken"] for row in rows(page)} == {"0"}
    assert {row["there already"] for row in rows(page)} == {str(len(first["records"]))}


@st.composite
def splits(draw: st.DrawFn) -> tuple[list[set[str]], list[int]]:
    """Which of the golden records are in which of three ledgers (each in at least one), and the order of merging."""
    ids = [record.id for _, records in stated.golden_records() for record in records]
    where = {one: draw(st.sets(st.integers(0, 2), min_size=1)) for one in ids}
    return [{one for one in ids if part in where[one]} for part in range(3)], draw(st.permutations(range(3)))


@settings(max_examples=10, deadline=None)
@given(splits())
def test_a_ledger_that_was_split_in_any_way_is_itself_again(split: tuple[list[set[str]], list[int]]) -> None:
    parts, order = split
    with TemporaryDirectory() as name:
        folder = Path(name)
        stated.golden_ledger(folder / "whole").close()
        for number, ids in enumerate(parts):
            made(folder / str(number), *((i, [r for r in rs if r.id in ids]) for i, rs in stated.golden_records()))
        assert merged(folder / "all", *(folder / str(number) for number in order)).ok
        found, whole = held(folder / "all"), held(folder / "whole")
        assert found == whole
        assert found["check"] == []


@settings(max_examples=10, deadline=None)
@given(st.permutations([0, 1, 2]))
def test_a_killed_cell_gives_way_to_its_record_in_any_order(order: list[int]) -> None:
    real = cell(INFO, 1, 300.0, outcome="error")
    killed = replace(cell(INFO, 1, 100.0), outcome="killed")
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            made(folder / "0", (INFO, [killed])),
            made(folder / "1", (INFO, [real])),
            made(folder / "2", (OTHER, [cell(OTHER, 1)])),
        ]
        assert merged(folder / "all", *(paths[number] for number in order)).ok
        found = held(folder / "all")
        assert found["records"]["aaa1-1"].outcome == "error"
        assert found["summary"].total("gpu_energy_j").value == 400.0
        assert found["check"] == []


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (cell(INFO, 1, 300.0), "gpu_energy_j: 100.0 here, 300.0 there"),
        (cell(INFO, 1, 100.0, label="x"), "label: None here, x there"),
        (replace(cell(INFO, 1, 100.0), started_at=5.0), "started_at: "),
        (replace(cell(INFO, 1), usage=replace(USAGE, wall_s=9.0)), "wall_s: 2.0 here, 9.0 there"),
        (replace(cell(INFO, 1), usage=replace(USAGE, figures=USAGE.figures[1:])), " here, none there"),
        (cell(INFO, 1, None), "gpu_energy_j: 100.0 here, None there"),
    ],
)  # fmt: skip
def test_a_record_with_other_facts_is_a_conflict_and_the_first_is_kept(
    other: CellRecord, differs: str, tmp_path: Path
) -> None:
    into = made(tmp_path / "into", (INFO, [cell(INFO, 1)]))
    before = held(into)
    page = merged(into, made(tmp_path / "from", (INFO, [other, cell(INFO, 2)])))
    assert not page.ok
    ((what, which, where, why),) = conflicts(page)
    assert (what, which, where) == ("record", "aaa1-1", INFO.notebook)
    assert differs in why
    assert "keeps what it had" in page.notes[0]
    found = held(into)
    assert found["records"]["aaa1-1"] == before["records"]["aaa1-1"]
    assert "aaa1-2" in found["records"]  # what is no conflict is taken
    assert found["check"] == []


def test_what_else_contradicts_itself_is_listed_too(tmp_path: Path) -> None:
    into, other = (
        made(tmp_path / "into", (INFO, [cell(INFO, 1)])),
        made(tmp_path / "from", (replace(INFO, host="another"), [cell(INFO, 1)])),
    )
    for path, value, limit in ((into, '"hpo"', 10.0), (other, '"train"', 20.0)):
        ledger = open_ledger(path)
        ledger.tag([replace(SAID[0], value=value)])
        ledger.log(replace(EVENT, limit=limit))
        ledger.close()
    found = {what: differs for what, _, _, differs in conflicts(merged(into, other))}
    assert found["session"] == f"host: {INFO.host} here, another there"
    assert found["tag"] == 'value: "hpo" here, "train" there'
    assert found["budget event"] == "limit: 10.0 here, 20.0 there"


def test_many_conflicts_are_counted(tmp_path: Path) -> None:
    count = merging.SHOWN + 20
    into = made(tmp_path / "into", (INFO, [cell(INFO, n) for n in range(count)]))
    page = merged(into, made(tmp_path / "from", (INFO, [cell(INFO, n, 1.0) for n in range(count)])))
    assert len(conflicts(page)) == merging.SHOWN
    assert page.title.endswith(f"0 records taken, {count} in conflict")
    assert page.notes[0] == f"{merging.SHOWN} of {count} conflicts are shown."


def test_what_still_runs_is_left_where_it_is(tmp_path: Path) -> None:
    source = made(tmp_path / "from", (INFO, [cell(INFO, 1)]))
    ledger = open_ledger(source)
    ledger.journal(INFO, [cell(INFO, 2)])
    ledger.close()
    page = merged(tmp_path / "into", source)
    assert set(held(tmp_path / "into")["records"]) == {"aaa1-1"}
    assert (rows(page)[0]["still running"], page.ok) == ("1", True)
    assert "merge again when it has ended" in page.notes[-1]
    assert open_ledger(source).running() == 1


def test_what_has_its_record_does_not_run_though_its_journal_says_so(tmp_path: Path) -> None:
    source = made(tmp_path / "from", (INFO, [cell(INFO, 1), replace(cell(INFO, 3), outcome="killed")]))
    ledger = open_ledger(source)
    ledger.journal(INFO, [cell(INFO, n) for n in (2, 3, 4)])
    ledger.close()
    with sqlite3.connect(source) as connection:  # as an earlier version left it
        connection.execute("UPDATE open_window SET id = 'aaa1-1' WHERE id = 'aaa1-2'")
    connection.close()
    assert rows(merged(tmp_path / "into", source))[0]["still running"] == "2"
    ledger = open_ledger(source)
    ledger.append(INFO, [cell(INFO, 3), cell(INFO, 4)])
    ledger.close()
    page = merged(tmp_path / "into", source)
    assert (rows(page)[0]["still running"], page.notes) == ("0", [])


def test_each_tag_that_comes_over_is_counted_once(tmp_path: Path) -> None:
    of_it = replace(cell(INFO, 1), tags=tags_of("aaa1-1", {"category": "hpo", "method": "x"}, 1.7e9, "run", "a", "h"))
    source = made(tmp_path / "from", (INFO, [of_it, cell(INFO, 2)]))
    ledger = open_ledger(source)
    ledger.tag(tags_of("aaa1-2", {"category": "train"}, 1.7e9, "later", "a", "h", "1#"))
    ledger.close()
    into = tmp_path / "into"
    assert [row["tags"] for row in rows(merged(into, source, source))] == ["3", "0"]
    assert held(into)["tags"] == held(source)["tags"]
    assert held(into)["records"]["aaa1-1"].tags == of_it.tags


# Sources


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_ledger_is_taken_and_stays_as_it_is(number: int, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    source = older(tmp_path / "far" / "from", number)
    before = source.read_bytes()
    assert merged(tmp_path / "into", source).ok
    assert set(held(tmp_path / "into")["records"]) == {"old-1"}
    assert source.read_bytes() == before
    assert [path.name for path in source.parent.iterdir()] == ["from"]


def test_a_source_is_not_written_while_others_write_to_it(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    source = tmp_path / "far" / "from"
    writer = open_ledger(source)
    writer.append(INFO, [cell(INFO, 1)])  # it may be in the WAL only
    assert merged(tmp_path / "into", source).ok
    assert set(held(tmp_path / "into")["records"]) == {"aaa1-1"}
    writer.append(INFO, [cell(INFO, 2)])
    writer.close()
    before = source.read_bytes()
    assert merged(tmp_path / "into", source).ok
    assert source.read_bytes() == before
    assert [path.name for path in source.parent.iterdir()] == ["from"]


def test_a_newer_ledger_is_refused_with_who_wrote_it(tmp_path: Path) -> None:
    source = made(tmp_path / "from", (INFO, [cell(INFO, 1)]))
    with sqlite3.connect(source) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'later', 0.0, '9.9.9')")
    connection.close()
    with pytest.raises(LedgerTooNew, match=f"^{source} was written by jupyter_costmeter 9.9.9; this is "):
        merged(tmp_path / "into", source)


def test_what_is_no_ledger_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    good = made(tmp_path / "good", (INFO, [cell(INFO, 1)]))
    with pytest.raises(UsageError, match="there is no"):
        merged(tmp_path / "into", good, tmp_path / "nothing")
    with pytest.raises(UsageError, match="is the ledger that is merged into"):
        merged(good, tmp_path / "." / "good")
    assert not (tmp_path / "into").exists()
    (tmp_path / "text").write_text("no ledger" * 100)
    with pytest.raises(UsageError, match="is no ledger, or broken"):
        merged(tmp_path / "into", tmp_path / "text")
    with sqlite3.connect(tmp_path / "bookmarks") as connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")
    connection.close()
    with pytest.raises(UsageError, match="is an SQLite file, but no ledger"):
        merged(tmp_path / "into", tmp_path / "bookmarks")
    with pytest.raises(UsageError, match="is an SQLite file, but no ledger"):
        merged(tmp_path / "bookmarks", good)  # which gets no tables of ours
    with sqlite3.connect(tmp_path / "bookmarks") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmark",)]
    connection.close()


def test_a_broken_ledger_is_not_moved_aside(tmp_path: Path) -> None:
    source = made(tmp_path / "from", (INFO, (cell(INFO, n) for n in range(300))))
    body = bytearray(source.read_bytes())
    body[len(body) // 2 :] = bytes(len(body) - len(body) // 2)
    source.write_bytes(body)
    with pytest.raises((LedgerUnwritable, UsageError), match=f"{source} (is broken|is no ledger)"):
        merged(tmp_path / "into", source)
    assert source.read_bytes() == body


# The shell, and length


def test_the_shell_merges(home: Path) -> None:
    made(home / "one", (INFO, [cell(INFO, 1)]))
    made(home / "two", (INFO, [cell(INFO, 1, 5.0)]))
    assert "all: 1 record taken" in said(costmeter("merge", "all", "one", cwd=home))
    ran = costmeter("merge", "all", "two", cwd=home)
    assert (ran.returncode, "gpu_energy_j: 100.0 here, 5.0 there" in ran.stdout) == (1, True)
    (home / "notes.txt").write_text("my notes")
    assert "is no ledger" in said(costmeter("merge", "notes.txt", "one", cwd=home), 2)
    assert (home / "notes.txt").read_text() == "my notes"


def test_a_long_merge_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    source, alive = made(tmp_path / "from", (INFO, (cell(INFO, n) for n in range(4000)))), [0]
    real = merging._is_new

    def watched(*asked: Any) -> bool:
        if asked[0].seq % 500 == 0:
            alive.append(sum(type(one) is CellRecord for one in gc.get_objects()))
        return real(*asked)

    monkeypatch.setattr(merging, "_is_new", watched)
    merged(tmp_path / "into", source)
    assert held(tmp_path / "into")["summary"].cells == 4000
    assert max(alive) < 2 * merging.BATCH + 100
