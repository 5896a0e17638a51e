"""The chain: one form of each record, and a link that holds all before it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import cell, session

from jupyter_costmeter import chain, tag
from jupyter_costmeter.record import CellRecord, Usage

INFO = session("aaa1", "/home/ada/paper/train.ipynb")

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60)
BODIES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        ({"value": 2.0}, '{"value":2}'),
        ([-0.0, 0.5, 1e22, 2.0**53, True], "[0,0.5,1e+22,9007199254740992.0,true]"),
        ({"ä": "\u2028"}, '{"\\u00e4":"\\u2028"}'),
        ((1, (2.0,)), "[1,[2]]"),
        ([10**20, 1e20, 2**53], "[1e+20,1e+20,9007199254740992.0]"),  # JavaScript writes 1e20 as 100000000000000000000
    ],
)
def test_canonical_json_is_one_form(body: Any, text: str) -> None:
    assert chain.canonical(body) == text


@given(BODIES, st.sampled_from([None, 1, 4]), st.booleans())
def test_how_a_file_is_formatted_makes_no_difference(body: Any, indent: int | None, ascii_only: bool) -> None:
    text = chain.canonical(body)
    again = json.loads(json.dumps(json.loads(text), indent=indent, ensure_ascii=ascii_only))
    assert chain.canonical(again) == text


@given(BODIES, BODIES)
def test_what_differs_has_another_form(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    if not same and json.loads(json.dumps(one), parse_int=float) != json.loads(json.dumps(other), parse_int=float):
        assert chain.canonical(one) != chain.canonical(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_in_json_is_refused(value: float) -> None:
    with pytest.raises(ValueError):
        chain.canonical({"value": value})


@pytest.mark.parametrize(
    ("value", "written"), [(2.0, "2"), (-0.0, "0"), (0.1, "0.1"), (None, "null"), (1e300, "1e+300"), (3, "3")]
)
def test_a_number_is_written_without_an_empty_fraction(value: float | None, written: str) -> None:
    assert json.dumps(chain.number(value)) == written


def test_a_link_is_the_digest_of_the_one_before_and_the_text() -> None:
    first = chain.link(chain.START, '{"id":"a"}')
    assert first == hashlib.sha256(b'{"id":"a"}').hexdigest()
    assert chain.link(first, "{}") == hashlib.sha256(first.encode() + b"{}").hexdigest()


@given(st.lists(st.text("ab", min_size=1), min_size=2, max_size=6, unique=True), st.data())
def test_a_record_that_is_changed_dropped_or_moved_gives_another_head(texts: list[str], data: st.DataObject) -> None:
    def head(records: list[str]) -> str:
        last = chain.START
        for text in records:
            last = chain.link(last, json.dumps(text))
        return last

    at = data.draw(st.integers(0, len(texts) - 1))
    changed = [*texts[:at], texts[at] + "c", *texts[at + 1 :]]
    dropped = texts[:at] + texts[at + 1 :]
    moved = [*texts[1:], texts[0]]
    assert len({head(records) for records in (texts, changed, dropped, moved)}) == 4


# Records


def records() -> list[CellRecord]:
    made = [cell(INFO, 1), cell(INFO, 2, None, label='a "b"\n\u2028', outcome="error"), cell(INFO, 3, float("inf"))]
    said = tag.tags_of("aaa1-1", {"category": "hpo", "param.lr": 3e-4}, 1.7e9, "run", "ada", "host")
    return [replace(made[0], tags=said), *made[1:]]


def test_a_records_line_is_its_canonical_json() -> None:
    made, before = chain.Chain(), chain.START
    for number, record in enumerate(records(), 1):
        body = json.loads(made.line(record))
        before = chain.link(before, chain.canonical({k: v for k, v in body.items() if k != "hash"}))
        assert (body["hash"], body["number"]) == (before, number)
    assert (made.head, made.count) == (before, 3) == chain.head_of(records())


def test_a_line_has_all_facts_of_its_record() -> None:
    for record in records():
        made = chain.Chain()
        body = json.loads(made.line(record))
        kept = {f.name for f in fields(CellRecord)} - {"usage", "tags"}
        assert {name: body[name] for name in kept} == {name: getattr(record, name) for name in kept}
        assert body["wall_s"] == record.wall_s
        for shown, figure in zip(body["figures"], record.usage.figures, strict=True):
            value = None if figure.value == float("inf") else figure.value  # JSON has no such number
            assert (shown["name"], shown["device"], shown["value"]) == (figure.name, figure.device, value)
            assert made.provenances[shown["provenance"]] == asdict(figure.provenance)
        assert body["tags"] == [{k: v for k, v in asdict(t).items() if k != "record_id"} for t in record.tags]


def test_another_provenance_is_another_head() -> None:
    one = cell(INFO, 1)
    first, *rest = one.usage.figures
    other = replace(first, provenance=replace(first.provenance, method="assumed"))
    assert chain.head_of([one]) != chain.head_of([replace(one, usage=replace(one.usage, figures=(other, *rest)))])


def test_the_kinds_of_records_that_are_kept_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "KNOWN", 2)
    made, many = chain.Chain(), [cell(INFO, seq, values) for seq, values in enumerate((1.0, None, 2.0, 3.0) * 3, 1)]
    for record in many:
        made.line(replace(record, usage=replace(record.usage, figures=record.usage.figures[record.seq % 4 :])))
    assert 0 < len(made._kinds) <= 2
    assert made.count == 12


@pytest.mark.parametrize("value", [1.5, 2.0, -0.0, 0.1, 2.0**53, 1e300, 10**20, 3, None, float("nan"), -float("inf")])
def test_a_figures_digits_are_those_of_canonical_json(value: float | None) -> None:
    first, *_ = cell(INFO, 1).usage.figures
    one = replace(first, value=value, device="100 % {x} %s")
    body = json.loads(chain.Chain().line(replace(cell(INFO, 1), usage=Usage(1.0, (one,)))))
    (figure,) = body["figures"]
    assert figure["device"] == one.device
    assert chain.canonical(figure["value"]) == chain.canonical(chain.known(value))
