"""The factors of a file: the book that is read says what the one that was written said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import stated
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import bookkeeping
from jupyter_costmeter.assumptions import of_file
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import Costing, costs_of
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.toml_files import NAME

HOSTS = ("gpu07", "desk")
FIRST = int(stated.START // 3600)
MOVED = """\
[[where]]
host = "gpu*"
region = "FR"
kind = "lab"
until = 2026-09-21T20:00:00Z

[[where]]
host = "gpu*"
region = "PL"
from = 2026-09-21T20:00:00Z
pue = 1.3

[[intensity]]
region = "PL"
g_per_kwh = 500
from = 2026-09-22
until = 2026-09-23
"""


def again(factors: dict[str, Any]) -> Book:
    return bookkeeping.read(json.loads(json.dumps(factors)))


def declared(text: str, folder: Path) -> Book:
    (folder / NAME).write_text(text)
    return Book(of_file(folder / NAME))


@pytest.mark.parametrize("text", ["", stated.DECLARED, MOVED])
def test_a_book_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    book = declared(text, tmp_path)
    hours = range(FIRST, FIRST + 100) if book.varies else [0]
    read = again(bookkeeping.written(book, {(host, hour) for host in HOSTS for hour in hours}))
    for host in HOSTS:
        for hour in range(FIRST, FIRST + 100):
            assert read.at(host, hour) == book.at(host, hour), (host, hour)
    assert read.changed_at == book.changed_at
    assert read.varies == book.varies
    kept = ("hardware", "water", "tariffs", "clouds")
    assert all(getattr(read.assumptions, name) == getattr(book.assumptions, name) for name in kept)


def test_what_does_not_change_is_written_once(tmp_path: Path) -> None:
    book = declared(MOVED, tmp_path)
    rows = bookkeeping.written(book, {("gpu07", hour) for hour in range(FIRST, FIRST + 100)})["conditions"]
    found = [(row["region"], row["intensity"]["g_per_kwh"]) for row in rows]
    assert found == [("FR", 56.039), ("PL", 661.926), ("PL", 500.0), ("PL", 661.926)]


@given(st.sets(st.integers(0, 99), min_size=1))
def test_each_hour_that_was_asked_for_is_told(wanted: set[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        book = declared(MOVED, Path(name))
    read = again(bookkeeping.written(book, {("gpu07", FIRST + hour) for hour in wanted}))
    assert all(read.at("gpu07", FIRST + hour) == book.at("gpu07", FIRST + hour) for hour in wanted)


@pytest.mark.parametrize("text", [stated.DECLARED, MOVED])
def test_costs_are_the_same_by_the_book_that_was_read(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    ledger, costing = stated.golden_ledger(tmp_path / "l.sqlite"), Costing(str(tmp_path), tmp_path)
    uses = ledger.uses(Selection("all"), **costing.wants)
    wanted = {(use.host, use.hour if costing.book.varies else 0) for use in uses}
    assert costs_of(uses, again(bookkeeping.written(costing.book, wanted))) == costs_of(uses, costing.book)
    ledger.close()


@pytest.mark.parametrize("factors", [None, {}, [], "x", {"conditions": [{}], "hourly_before": None}])
def test_what_is_no_factors_is_refused(factors: Any) -> None:
    with pytest.raises(ValueError):
        bookkeeping.read(factors)
