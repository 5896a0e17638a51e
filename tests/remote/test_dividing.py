"""A process's usage among those it worked for: what it took, all of it and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.record import Figure, Provenance, Usage
from jupyter_costmeter.remote.dividing import HOW, divided

RAPL = Provenance("measured", "RAPL", 0.05)
positive = st.floats(0.0, 1e6)


@given(positive, st.dictionaries(st.sampled_from([None, "a", "b", "c"]), st.floats(0.0, 1e4), min_size=1))
def test_the_parts_are_the_whole(joules: float, seconds: dict[str | None, float]) -> None:
    found = divided(Usage(1.0, (Figure("cpu_energy_j", joules, RAPL),)), seconds)
    assert found.keys() == seconds.keys()
    assert sum(part[0].value or 0.0 for part in found.values()) == pytest.approx(joules)
    assert all((part[0].value or 0.0) >= 0 for part in found.values())


def test_parts_go_by_seconds_and_are_no_measurement_any_more() -> None:
    found = divided(Usage(1.0, (Figure("cpu_energy_j", 100.0, RAPL),)), {"a": 3.0, "b": 1.0})
    (of_a,) = found["a"]
    assert of_a.value == 75.0
    assert of_a.method == "modelled"
    assert HOW in (of_a.source or "")
    assert (of_a.uncertainty or 0.0) > 0.3


def test_who_is_alone_has_what_was_measured() -> None:
    figure = Figure("gpu_energy_j", 100.0, RAPL, "GPU-1")
    assert divided(Usage(1.0, (figure,)), {"a": 0.2}) == {"a": (figure,)}


def test_a_high_water_mark_is_everybodys_and_nothing_stays_nothing() -> None:
    mark, lost = Figure("peak_rss_bytes", 5e9, RAPL), Figure("cpu_s", None, Provenance(None, reason="lost"))
    assert divided(Usage(1.0, (mark, lost)), {"a": 1.0, "b": 1.0}) == {"a": (mark, lost), "b": (mark, lost)}
