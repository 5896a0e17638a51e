"""Made-up records of which something was said, some of them inside others, for tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from recorded import records

from jupyter_costmeter.record import CellRecord, Usage
from jupyter_costmeter.tag import METER, PARAM, SCORE, Tag, tags_of

KEYS: dict[str, st.SearchStrategy[Any]] = {
    "category": st.sampled_from(["train", "hpo", "prep", None, "no such"]),
    "method": st.sampled_from(["ours", "baseline", "β\n\t'%", None]),
    "run": st.sampled_from(["1", "2", None]),
    "in_paper": st.sampled_from([True, False, None]),
    METER: st.just(True),
    f"{PARAM}lr": st.sampled_from([0.1, 0.2, "x\ty\n"]),
    f"{PARAM}ключ\n": st.just(None) | st.just([1, {"a": "b"}]),
    f"{SCORE}accuracy": st.floats(0, 1),
}
said = st.dictionaries(st.sampled_from(sorted(KEYS)), st.none(), max_size=4)


@st.composite
def tags(draw: st.DrawFn, record: CellRecord) -> tuple[Tag, ...]:
    """What was said of a record: while it ran, and once more later."""
    first, later = ({key: draw(KEYS[key]) for key in draw(said)} for _ in range(2))
    given = tags_of(record.id, first, record.started_at, "run", "ada", "box")
    at = record.started_at + draw(st.sampled_from([1.0, 60.0]))
    return (*given, *tags_of(record.id, later, at, "later", "ada", "box", "later#")) if draw(st.booleans()) else given


def root_of(record: CellRecord, by_id: dict[str, CellRecord]) -> CellRecord:
    while record.parent_id is not None:
        record = by_id[record.parent_id]
    return record


def within(made: list[CellRecord]) -> list[CellRecord]:
    """Inner records have no figure that could not be read of the outermost one."""
    by_id = {record.id: record for record in made}
    found = []
    for record in made:
        root = root_of(record, by_id)
        read = {(f.name, f.device) for f in root.usage.figures if f.value is not None}
        figures = tuple(f for f in record.usage.figures if record is root or (f.name, f.device) in read)
        found.append(replace(record, usage=Usage(record.wall_s, figures)))
    return found


@st.composite
def told(draw: st.DrawFn) -> list[CellRecord]:
    """Records of several sessions; of those inside others, all that they used is a part of the outermost one's."""
    made = within(draw(records()))
    outcomes = st.sampled_from(["ok", "ok", "error", "interrupted"])
    return [
        replace(r, tags=draw(tags(r)), outcome=draw(outcomes)) if r.bucket == "cell" and draw(st.booleans()) else r
        for r in made
    ]
