"""Records as JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stated
from shell import cell, session

from jupyter_costmeter.assumptions import Water
from jupyter_costmeter.clouds import CloudPrice
from jupyter_costmeter.embodied import Hardware
from jupyter_costmeter.factors import Factor, Intensity
from jupyter_costmeter.plain import plain, revived
from jupyter_costmeter.record import CellRecord, Provenance, SessionInfo
from jupyter_costmeter.statement import Grid, Statement
from jupyter_costmeter.tariffs import Tariff

INFO = session("aaa1", "/home/ada/paper/train.ipynb")
RECORDS: list[Any] = [
    INFO, cell(INFO, 1, None), stated.golden_statement(), Provenance(None, "x", None, "lost"), Water(1.8, 0.0, "own"),
    Intensity(56.039, "FR", "OWID", 2023, start=1.0), Factor("pue", 1.2, "1", "declared", "site"),
    Hardware({"A100*": 155.0}, None, 8.0), Grid("a", ("b",), (("c",),), frozenset({"b"})),
    Tariff("gpu*", "", "", {"kwh": Decimal("0.10")}, "EUR", date(2026, 1, 2)),
    CloudPrice("aws", "A100", Decimal("4.10"), "USD", date(2023, 11, 16), "", "", ""),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_from_json_as_it_was(record: Any) -> None:
    assert revived(type(record), json.loads(json.dumps(plain(record)))) == record


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("0.10"), "0.10"),
        (date(2026, 10, 1), "2026-10-01"),
        (Path("a") / "b", "a/b"),
        ((1, (2.5, None)), [1, [2.5, None]]),
        ({"a": (True,)}, {"a": [True]}),
        (float("inf"), None),
        (float("nan"), None),
        (frozenset({"b", "a"}), ["a", "b"]),
    ],
)
def test_what_json_lacks_is_written_so_that_nothing_is_lost_or_made_up(value: Any, written: Any) -> None:
    assert plain(value) == written


def test_a_whole_number_is_a_float_where_a_float_is_meant() -> None:
    found = revived(Factor, {**plain(Factor("pue", 2.0, "1", "declared", "x")), "value": 2})
    assert (found.value, type(found.value)) == (2.0, float)


def test_what_a_body_lacks_has_its_default_and_what_it_has_too_many_is_left() -> None:
    found = revived(Provenance, {"method": "measured", "later": 1})
    assert found == Provenance("measured")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Provenance, None),
        (Provenance, {}),
        (Provenance, {"method": "measured", "uncertainty": "0.1"}),
        (SessionInfo, {**plain(INFO), "pid": "1"}),
        (SessionInfo, {**plain(INFO), "environment": [1]}),
        (Tariff, {**plain(RECORDS[9]), "prices": {"kwh": "dear"}}),
        (Tariff, {**plain(RECORDS[9]), "valid_from": "soon"}),
        (Statement, {**plain(RECORDS[2]), "whole": 3}),
        (Statement, {**plain(RECORDS[2]), "region_g": [1.0]}),
        (CellRecord, []),
    ],
)
def test_what_is_no_such_record_is_refused(kind: type, body: Any) -> None:
    with pytest.raises(ValueError):
        revived(kind, body)


def test_none_stays_none() -> None:
    record = replace(cell(INFO, 1), label=None)
    assert revived(CellRecord, plain(record)).label is None
