"""What workers told becomes figures: by host and device, each once, and nothing that is not known is a zero."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import accounting
from jupyter_costmeter.record import Figure
from jupyter_costmeter.remote.told import Name, Told, by_cell, figures, grown, notes, unknown

ONE, TWO = "tcp://10.0.0.1:4000", "tcp://10.0.0.2:4000"
IS = {
    (ONE, "is", json.dumps({"host": "node1", "why": ""})): 1.0,
    (TWO, "is", json.dumps({"host": "node2", "why": ""})): 1.0,
}
#: Another worker of node1.
THREE = "tcp://10.0.0.1:4001"
IS_TOO = {**IS, (THREE, "is", json.dumps({"host": "node1", "why": ""})): 1.0}


AGAIN = "were computed again; what it did last is not in the sums."


def text(name: str, device: str | None = None, reason: str | None = None) -> str:
    return json.dumps([name, device, None if reason else "measured", None if reason else "RAPL", reason])


def told(numbers: dict[Name, float], known: dict[Name, float] = IS_TOO) -> Told:
    return Told({**known, **numbers})


def of(numbers: dict[Name, float], lost: list[str] | None = None) -> list[Figure]:
    return list(figures(numbers, told(numbers), lost or []))


def test_names_are_by_cell() -> None:
    found = by_cell({f"costmeter|s-1|{ONE}|value|a|b": 2.0, f"costmeter|s-2|{ONE}|done|": 1.0})
    assert found == {"s-1": {(ONE, "value", "a|b"): 2.0}, "s-2": {(ONE, "done", ""): 1.0}}


def test_workers_of_one_host_are_one_figure_and_hosts_are_told_apart() -> None:
    energy = text("cpu_energy_j")
    found = of({
        (ONE, "value", energy): 10.0, (ONE, "width", energy): 1.0,
        (THREE, "value", energy): 30.0, (THREE, "width", energy): 3.0,
        (TWO, "value", energy): 5.0, (TWO, "width", energy): 1.0,
    })  # fmt: skip
    assert [(f.device, f.value) for f in found] == [("node1", 40.0), ("node2", 5.0)]
    assert [f.uncertainty for f in found] == pytest.approx([0.1, 0.2])
    assert {f.method for f in found} == {"measured"}


def test_gpus_are_by_their_model_and_a_mark_is_the_highest() -> None:
    known: dict[Name, float] = {
        (ONE, "is", json.dumps({"host": "node1", "devices": {"GPU-1": "A100", "GPU-2": "A100"}})): 1.0
    }
    first, second, mark = text("gpu_energy_j", "GPU-1"), text("gpu_energy_j", "GPU-2"), text("peak_rss_bytes")
    more: dict[Name, float] = {(ONE, "value", first): 7.0, (ONE, "value", second): 5.0}
    marks: dict[Name, float] = {(ONE, "peak", mark): 3e9, (THREE, "peak", mark): 5e9}
    gpus, peaks = figures(more, told(more, known)), of(marks)
    assert [(f.name, f.device, f.value) for f in gpus] == [("gpu_energy_j", "A100", 12.0)]
    assert [(f.name, f.device, f.value) for f in peaks] == [("peak_rss_bytes", "node1", 5e9)]


def test_what_was_not_measured_stays_beside_what_was() -> None:
    energy, none = text("cpu_energy_j"), text("cpu_energy_j", reason="no meter there")
    found = of({(ONE, "value", energy): 7.0, (THREE, "missing", none): 1.0})
    assert [(f.name, f.device, f.value) for f in found] == [
        ("cpu_energy_j", "node1", 7.0), ("cpu_energy_j", "node1 (2)", None),
    ]  # fmt: skip
    (total,) = [t for t in accounting.totals(accounting.parts(found)) if t.name == "energy_j"]
    assert total.value == 7.0
    assert total.incomplete
    assert total.reasons == ("no meter there",)


def test_a_lost_worker_makes_a_lower_bound() -> None:
    (figure,) = of({}, [TWO])
    assert figure.value is None
    assert TWO in (figure.reason or "")
    assert unknown("gone", "tcp://scheduler").reason == "gone"


numbers = st.dictionaries(
    st.tuples(st.sampled_from([ONE, TWO]), st.just("value"), st.sampled_from([text("cpu_s"), text("cpu_energy_j")])),
    st.floats(0.0, 1e6),
)


@given(st.lists(numbers, max_size=6))
def test_what_came_bit_by_bit_is_all_of_it(added: list[dict[Name, float]]) -> None:
    """Records of what has come since the last one add up to what the scheduler has."""
    whole: dict[Name, float] = {}
    recorded: dict[Name, float] = {}
    sums: dict[Name, float] = {}
    for more in added:
        for name, value in more.items():
            whole[name] = whole.get(name, 0.0) + value
        for name, value in grown(recorded, whole).items():
            sums[name] = sums.get(name, 0.0) + value
        recorded = dict(whole)
    assert sums == pytest.approx({name: value for name, value in whole.items() if value})


def test_a_scheduler_that_began_anew_tells_from_zero() -> None:
    name: Name = (ONE, "task_s", "")
    assert grown({name: 9.0}, {name: 2.0}) == {name: 2.0}


def test_the_sentences() -> None:
    cell = told({(ONE, "done", ""): 9_998.0, (TWO, "failed", ""): 2.0, (ONE, "task_s", ""): 12.0}, IS)
    cell.lost[TWO] = [1, 3]
    assert list(notes([cell])) == [
        "Elsewhere, for cells: 2 workers on 2 hosts ran 10,000 tasks in 12.0 s.",
        "Of these, 2 runs of tasks failed, to be tried again or not: in the sums.",
        f"The worker {TWO} was lost: 1 task that it ran and 3 results that it had {AGAIN}",
    ]
    bare = told({}, {(ONE, "is", json.dumps({"host": "n", "why": f"{ONE} has no jupyter_costmeter"})): 1.0})
    assert f"Not metered: {ONE} has no jupyter_costmeter." in list(notes([bare]))
    assert list(notes([Told()])) == []
