"""Records as their rows have them: the verifiable file's lines are the same as of records with all their objects."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ALL

from jupyter_costmeter import chain, report, tag
from jupyter_costmeter.ledger import Selection, open_ledger, selecting
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Figure, Provenance, Stored, Usage

ORIGINS = [Provenance("measured", "a 100 % {b} %s"), Provenance(None, None, None, "the GPU is lost", True)]
VALUES = [None, 0.0, -0.0, 2.0, 0.1, 1e300, 5e-324, 2.0**53, 2.0**53 + 2, 9e15, 1e16, 1e22, float("inf"), -1.5]
values = st.one_of(st.sampled_from(VALUES), st.floats(allow_nan=False), st.integers(-(10**20), 10**20).map(float))
figures = st.lists(st.tuples(values, st.sampled_from(ORIGINS)), max_size=12)
texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9))


def lines(records: Iterable[CellRecord | Stored]) -> tuple[list[str], object]:
    made = chain.Chain()
    return [made.line(one) for one in records], made.provenances


def records(many: list[tuple[list[tuple[float | None, Provenance]], str | None]]) -> list[CellRecord]:
    made = []
    for seq, (said, text) in enumerate(many):
        own = tuple(Figure("gpu_busy_s", v, p, f"{text or ''}{i}" if i else None) for i, (v, p) in enumerate(said))
        tags = tag.tags_of(f"r{seq}", {"method": text}, 1.7e9, "run", "ada", "host") if text and seq % 2 else ()
        more = {"label": text, "project": f"/p{seq % 3}", "notebook": text, "tags": tags, "started_at": 9.0 - seq}
        made.append(replace(golden.FIRST, id=f"r{seq}", seq=seq, usage=Usage(seq / 2, own), **more))
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(figures, texts), max_size=5))
def test_any_records_lines_are_the_same_either_way(
    tmp_path_factory: pytest.TempPathFactory, many: list[tuple[list[tuple[float | None, Provenance]], str | None]]
) -> None:
    ledger = open_ledger(tmp_path_factory.mktemp("any") / "l.sqlite")
    ledger.append(golden.SESSION, records(many))
    for selection in (ALL, Selection("project", "/"), Selection("session", golden.SESSION.id)):
        assert lines(ledger.stored(selection)) == lines(ledger.records(selection))
    assert len(list(ledger.stored(ALL))) == len(many)
    ledger.close()


def test_a_page_after_the_other_in_the_order_of_the_start(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_costmeter.ledger.store.PAGE", 3)
    monkeypatch.setattr("jupyter_costmeter.ledger.store.LEAST", 2)
    ledger.append(golden.SESSION, records([([(1.5, ORIGINS[0])], "x")] * 20))
    found = [one.id for one in ledger.stored(Selection("project", "/"))]
    assert found == [f"r{seq}" for seq in reversed(range(20))]


def test_an_export_reads_rows_and_an_anonymous_one_records(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append(golden.SESSION, records([([(1.5, ORIGINS[0])], "x")] * 3))
    asked: list[str] = []
    for name in ("each", "stored"):
        real = getattr(selecting, name)
        monkeypatch.setattr(selecting, name, lambda *a, name=name, real=real: (asked.append(name), real(*a))[1])
    for anonymous in (False, True):
        out = io.StringIO()
        report.write(ledger, ALL, "json", out, anonymous=anonymous)
        assert len(json.loads(out.getvalue())["cells"]) == 3
    assert asked == ["stored", "each"]


def test_there_is_nothing_to_read_before_there_is_a_file(tmp_path: Path) -> None:
    assert list(open_ledger(tmp_path / "none.sqlite").stored(ALL)) == []
