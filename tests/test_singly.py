"""Records priced one by one are the same to the last bit as by the general way, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from carbon_cases import A100, CLOCK, H100, HOUR, LOST, NO_GPU, NOON, NVML, RAM, TDP, FakeGrid, lab, place, session
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_costmeter import singly
from jupyter_costmeter.assumptions import Assumptions, Water
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.factors import Live
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Usage
from jupyter_costmeter.singly import Singly
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import of_record

SLICE = "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
#: One that begins and ends hours apart, with its own GPUs and partition.
INFOS = [
    session("one", NOON - 9 * HOUR, {"G0": A100, "G1": A100, "G2": H100}, partition="gpu"),
    session("two", NOON, {"G0": H100, "G1": SLICE}),
    session("three", NOON + HOUR),
    replace(session("one", NOON - 9 * HOUR, {"G0": H100, "G1": SLICE}), id="the same machine, other GPUs"),
]
RATES = (
    tariff_of({"gpu_hour": "0.55", "kwh": "0.21", "gb_hour": "0.01", "currency": "EUR"}, "rates.toml:1", None),
    tariff_of({"match": {"host": "two"}, "cpu_hour": "0.01", "currency": "USD"}, "rates.toml:2", None),
)
BOOKS = {
    "nobody said where": Book(Assumptions()),
    "a lab's own": Book(lab(pue=1.3, tariffs=RATES)),
    "water and doubts": Book(Assumptions(places=(place("DE", None),), water=Water(0.3, 3.1, "the operator"))),
    "moved meanwhile": Book(
        Assumptions(places=(replace(place("FR"), span=(0.0, NOON)), replace(place("SE"), span=(NOON, 1e12))))
    ),
    "live": Book(
        Assumptions(places=(place("FR"),), live=Live("uk", None)),
        FakeGrid({("FR", int(NOON // HOUR) + i): 40.0 + i for i in range(0, 6, 2)}),
    ),
}
GUESS = Provenance("assumed", "a guess", 0.7)
VALUES = st.none() | st.just(0.0) | st.floats(1e-6, 1e9)
JOULES = st.builds(
    Figure, st.sampled_from(["cpu_energy_j", "ram_energy_j", "gpu_energy_j"]), VALUES,
    st.sampled_from([NVML, TDP, RAM, LOST, NO_GPU, replace(NVML)]), st.sampled_from([None, "G0", "G1"]),
)  # fmt: skip
HELD = st.builds(
    Figure, st.just("gpu_reserved_s"), VALUES, st.sampled_from([CLOCK, LOST, GUESS]),
    st.sampled_from([None, "G0", "G1", "G2", "G3"]),
)  # fmt: skip
REST = st.builds(
    Figure, st.sampled_from(["cpu_s", "peak_rss_bytes", "gpu_busy_s"]), VALUES, st.sampled_from([CLOCK, LOST])
)
RECORDS = st.builds(
    lambda session_id, at, wall_s, figures: CellRecord("r", session_id, 1, at, Usage(wall_s, tuple(figures)), "ok"),
    st.sampled_from([info.id for info in INFOS]),
    st.floats(NOON - HOUR, NOON + 5 * HOUR),
    st.just(0.0) | st.floats(0.0, 3 * HOUR),
    st.lists(JOULES | HELD | REST, max_size=8),
)


def generally(record: CellRecord, info: SessionInfo, book: Book) -> Any:
    return costs_of(of_record(record, info, info.started_at < book.changed_at), book, elsewhere=False)


@pytest.mark.parametrize("name", BOOKS)
@settings(deadline=None, max_examples=100)
@given(found=st.lists(RECORDS, min_size=1, max_size=3), more=st.floats(0.5, 3.0))
def test_each_costs_what_it_costs_by_the_general_way(name: str, found: list[CellRecord], more: float) -> None:
    """Each with some that are alike, and some that are nearly: what was looked up for one is not taken for these."""
    book, infos = BOOKS[name], {info.id: info for info in INFOS}
    one_by_one = Singly(infos, book)
    for record in [near for one in found for near in family(one, more)]:
        info = infos[record.session_id]
        assert repr(one_by_one.costs_of(record)) == repr(generally(record, info, book)), record


def family(record: CellRecord, by: float) -> Iterator[CellRecord]:
    """A record and its like: other values, sessions, times, and each figure with no value, with 0, from elsewhere."""
    yield replace(record, usage=replace(record.usage, wall_s=0.5))
    yield record
    figures = record.usage.figures
    yield with_figures(record, (replace(f, value=None if f.value is None else f.value * by) for f in figures))
    for info in INFOS:
        yield replace(record, session_id=info.id)
    for hours in range(-3, 5):
        yield replace(record, started_at=NOON + hours * HOUR)
    for i, figure in enumerate(figures):
        for other in ({"value": None}, {"value": 0.0}, {"value": 7.0}, {"provenance": GUESS}, {"device": "G1"}):
            yield with_figures(record, (*figures[:i], replace(figure, **other), *figures[i + 1 :]))


def with_figures(record: CellRecord, figures: Iterable[Figure]) -> CellRecord:
    return replace(record, usage=replace(record.usage, figures=tuple(figures)))


def plain(seq: int, value: float | None = 1.0) -> CellRecord:
    return CellRecord(f"r{seq}", "s-three", seq, NOON, Usage(1.0, (Figure("cpu_energy_j", value, TDP),)), "ok")


def test_what_is_alike_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[CellRecord] = []

    def counted(record: CellRecord, *more: Any) -> Any:
        seen.append(record)
        return of_record(record, *more)

    monkeypatch.setattr(singly, "of_record", counted)
    one_by_one = Singly({info.id: info for info in INFOS}, BOOKS["nobody said where"])
    for seq in range(100):
        one_by_one.costs_of(plain(seq, float(seq + 1)))
    assert [record.seq for record in seen] == [0]


def test_so_many_kinds_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singly, "KNOWN", 3)
    book, infos = BOOKS["nobody said where"], {info.id: info for info in INFOS}
    one_by_one = Singly(infos, book)
    for seq in range(50):  # each from a source of its own, which nobody keeps
        origin = Provenance("modelled", f"source {seq}", 0.1)
        record = replace(plain(seq), usage=Usage(1.0, (Figure("cpu_energy_j", 1.0, origin),)))
        assert one_by_one.costs_of(record) == generally(record, infos["s-three"], book)
        assert len(one_by_one._kinds) <= 3
