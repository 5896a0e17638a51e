"""Whatever is changed in a file is found, and where."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verified_files import QUICK, SLOW, Body, faults, linked, loaded, verified
from verified_files import golden_file as golden_file

from jupyter_costmeter import chain, verifiable, verifying
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.linked import Links

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


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body["cells"][9].update(wall_s=body["cells"][9]["wall_s"] + 1),
        lambda body: body["cells"].pop(16),
        lambda body: body["cells"].reverse(),
        lambda body: body["statement"]["whole"].update(runs=12),
    ],
)
def test_the_digest_is_of_what_is_there_whatever_the_file_says(change: Any, golden: Path) -> None:
    body = loaded(golden)
    ends = copy.deepcopy(body["chain"])
    change(body)
    page, anew = verified(body, ends["whole"]), copy.deepcopy(body)
    linked(anew)
    same_records = anew["cells"] == body["cells"]
    assert f"file: {verifiable.whole(own_head(body), body)} (the file states {ends['whole']})" in page.headlines[1]
    assert page.headlines[2].endswith(f"{ends['head']}" if same_records else f"(the file states {ends['head']})")
    assert [what for where, what in faults(page) if where == "chain.head" and "not the one that was given" in what]
    assert any("not the one that was given" in what for _, what in faults(verified(body, ends["head"]))) != same_records
    assert "not the one" not in str(faults(verified(body, verifiable.whole(own_head(body), body))))


def own_head(body: Body) -> str:
    """Of the records as they are, by docs/verify.md."""
    head = ""
    for record in body["cells"]:
        rest = {key: value for key, value in record.items() if key != "hash"}
        head = hashlib.sha256((head + chain.canonical(rest)).encode()).hexdigest()
    return head


@pytest.mark.parametrize("stated", [None, 3, "\x1b[2J", [1]])
def test_a_digest_that_is_none_is_not_shown(stated: Any, golden: Path) -> None:
    body = loaded(golden)
    body["chain"]["whole"] = stated
    assert verified(body).headlines[1].endswith(" (the file states none)")


def test_words_that_are_changed_in_the_forms_are_told_once_each_with_their_key(golden: Path) -> None:
    text = golden.read_text()
    body = json.loads(text.replace(" 3 times what the paper", " 2.33 times what the paper").replace(
        '"3 times what the paper', '"2.33 times what the paper'))  # fmt: skip
    linked(body)
    found = faults(verified(body))
    assert {where for where, _ in found} == {
        "forms.neurips.items.whole project.answer",
        "forms.neurips.text",
        "forms.arr.items.C2 multiple.answer",
        "forms.cvpr.items.total_dev_multiple.answer",
    }
    assert len(found) == text.count("3 times what the paper") == 4
    for _, what in found:
        stated, follows = what.split(" is stated, ")
        assert "2.33 times" in stated
        assert " 3 times" in follows.replace("'", " ")


def test_forms_are_of_the_statement_that_follows_not_of_the_one_that_is_stated(golden: Path) -> None:
    body = loaded(golden)
    follows = body["statement"]["whole"]["runs"]
    body["statement"]["whole"]["runs"] = 12
    body["statement"]["title"] = "another"
    linked(body)
    assert faults(verified(body)) == [("statement.whole.runs", f"12 is stated, {follows} follows from the records")]


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


HUGE = int("9" * 400)


@pytest.mark.parametrize(
    ("place", "value", "where"),
    [
        (("cells", 0, "wall_s"), float("inf"), "record 1 "),
        (("cells", 0, "wall_s"), HUGE, "record 1 "),
        (("cells", 0, "started_at"), 1e300, "record 1 "),
        (("cells", 0, "figures", 0, "value"), float("inf"), "record 1 "),
        (("statement", "whole", "wall_s"), HUGE, ""),
        (("summary", "wall_s"), float("inf"), ""),
        (("forms", 0, "name"), "bogus", "forms"),
        (("schema",), True, None),
    ],
)
def test_numbers_and_names_that_no_file_has_are_faults(
    place: tuple[Any, ...], value: Any, where: str | None, golden: Path
) -> None:
    """They end in no traceback, and the record is named."""
    body = loaded(golden)
    part: Any = body
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    if where is None:
        with pytest.raises(UsageError, match="its schema is True"):
            verified(body)
        return
    page = verified(body)
    assert not page.ok
    assert any(one.startswith(where) for one, _ in faults(page))
