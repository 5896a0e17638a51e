"""The properties that carbon's arithmetic must have: linear, monotone, the same in any order and grouping."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from math import fsum

import pytest
from carbon_cases import (  # fmt: skip
    A100,
    H100,
    HOUR,
    LOST,
    NO_GPU,
    NOON,
    NVML,
    RAM,
    TDP,
    amount,
    constant,
    costs,
    held,
    joules,
    lab,
    place,
    record,
    session,
    whole,
)
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.assumptions import Assumptions, Water
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.record import CellRecord, Figure, SessionInfo
from jupyter_costmeter.tariffs import tariff_of

DERIVED = ("electricity_wh", "emissions_g")
#: Host, number of the session, record.
Ran = tuple[str, int, CellRecord]
energies = st.floats(0, 1e12)
factors = st.floats(1, 3), st.floats(0, 2000)


@given(energies, st.floats(0, 100), *factors)
def test_linear_in_energy(energy: float, times: float, pue: float, g_per_kwh: float) -> None:
    once, more = (costs(lab(g_per_kwh, pue), record(joules(of))) for of in (energy, times * energy))
    for name in DERIVED:
        assert amount(more, name) == pytest.approx(times * amount(once, name), rel=1e-12, abs=1e-300)


@given(energies, energies, *factors)
def test_additive_in_energy(one: float, other: float, pue: float, g_per_kwh: float) -> None:
    apart = [amount(costs(lab(g_per_kwh, pue), record(joules(of))), "emissions_g") for of in (one, other)]
    both = costs(lab(g_per_kwh, pue), record(joules(one)), record(joules(other, TDP, "cpu_energy_j")))
    assert amount(both, "emissions_g") == pytest.approx(sum(apart), rel=1e-12)


@given(energies, st.tuples(factors[0], factors[0]), st.tuples(factors[1], factors[1]))
def test_monotone_in_pue_and_intensity(energy: float, pues: tuple[float, float], gs: tuple[float, float]) -> None:
    def emissions(pue: float, g_per_kwh: float) -> float:
        return amount(costs(lab(g_per_kwh, pue), record(joules(energy))), "emissions_g")

    assert 0 <= emissions(min(pues), gs[0]) <= emissions(max(pues), gs[0])
    assert 0 <= emissions(pues[0], min(gs)) <= emissions(pues[0], max(gs))


WHERE = {"one": place("FR", None, host="one"), "two": place("DE", 1.1, host="two")}
PLACED = Assumptions(places=tuple(WHERE.values()), water=Water(1.0, 1.0, "x"))  # "three" stands nobody knows where
figures = st.one_of(
    st.builds(
        Figure,
        st.sampled_from(["gpu_energy_j", "cpu_energy_j", "ram_energy_j"]),
        st.floats(0, 1e9),
        st.sampled_from([NVML, TDP, RAM]),
    ),
    st.sampled_from([joules(None, LOST), joules(None, NO_GPU)]),
    st.sampled_from([held(1.0, "G0"), held(0.25, "G1"), held(None, "G0", LOST)]),
)
runs = st.builds(
    lambda host, session, at, wall_s, found: (host, session, record(*found, at=at, wall_s=wall_s)),
    st.sampled_from(["one", "two", "three"]),
    st.integers(0, 2),
    st.floats(NOON - 1e5, NOON + 1e5),
    st.floats(0, 1e5),
    st.lists(figures, max_size=4),
)
#: Hourly values over all that time, one place that changes, another PUE meanwhile.
VARYING = replace(
    PLACED,
    places=(*PLACED.places, place("SE", 2.0, host="two", **{"from": datetime(2026, 10, 1, 9, tzinfo=timezone.utc)})),
    intensities=tuple(constant(20.0 + i % 7, start=NOON + i * HOUR, end=NOON + (i + 1) * HOUR) for i in range(-30, 60)),
)


def grouped(assumed: Assumptions, found: list[Ran]) -> Costs:
    """A use for each session."""
    sessions: dict[tuple[str, int], list[CellRecord]] = {}
    for host, number, one in found:
        sessions.setdefault((host, number), []).append(one)
    uses = [whole(records, known(host)) for (host, _), records in sessions.items()]
    return costs_of(uses, Book(assumed))


def alone(assumed: Assumptions, found: list[Ran]) -> Costs:
    """A use for each record."""
    return costs_of([whole(one, known(host)) for host, _, one in found], Book(assumed))


def known(host: str) -> SessionInfo:
    """One has GPUs of one model, the others of two."""
    return session(host, gpus={"G0": A100, "G1": A100 if host == "one" else H100})


def same(one: Costs, other: Costs, labels: bool = True) -> None:
    assert [t.name for t in one.footprint.totals] == [t.name for t in other.footprint.totals]
    for a, b in zip(one.footprint.totals, other.footprint.totals, strict=True):
        assert (a.missing, set(a.reasons)) == (b.missing, set(b.reasons))
        assert a.value == (b.value if b.value is None else pytest.approx(b.value, rel=1e-9, abs=1e-12))
        if labels:
            assert a.uncertainty == (b.uncertainty and pytest.approx(b.uncertainty, rel=1e-9, abs=1e-12))
            assert a.measured_share == (b.measured_share and pytest.approx(b.measured_share, rel=1e-6, abs=1e-9))
    assert (one.footprint.range_g is None) == (other.footprint.range_g is None)
    if one.footprint.range_g is not None and other.footprint.range_g is not None:
        assert one.footprint.range_g == pytest.approx(other.footprint.range_g, rel=1e-9)


@given(st.lists(runs, max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_totals_do_not_depend_on_order_and_grouping(orders: tuple[list[Ran], list[Ran]]) -> None:
    """Nor their half-widths and measured shares, to rounding."""
    found, other = orders
    same(alone(PLACED, found), alone(PLACED, other))
    same(alone(PLACED, found), grouped(PLACED, found))
    same(grouped(PLACED, found), grouped(PLACED, other))


@given(st.lists(runs, max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_bills_do_not_either(orders: tuple[list[Ran], list[Ran]]) -> None:
    """Also where what a machine's GPU is called decides on the price of the rest, and some cells held none."""
    found, other = orders
    of_gpu = {"match": {"gpu": "*A100*"}, "gpu_hour": 1.5, "kwh": 0.5}
    tariffs = tuple(tariff_of(row, "f.toml:1", "EUR") for row in (of_gpu, {"match": {"host": "t*"}, "kwh": 0.2}))
    priced = replace(PLACED, tariffs=tariffs)
    told = [
        [(b.amount, b.missing, b.reasons) for b in costs.bills]
        for costs in (alone(priced, found), grouped(priced, other))
    ]
    for one, both in zip(*told, strict=True):
        assert one == (
            both[0] if both[0] is None else pytest.approx(both[0], Decimal("1e-9"), Decimal("1e-12")),
            *both[1:],
        )


@given(st.lists(runs, max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_so_it_is_where_each_hour_has_its_own_value(orders: tuple[list[Ran], list[Ran]]) -> None:
    found, other = orders
    same(alone(VARYING, found), grouped(VARYING, other), labels=False)


@given(st.floats(NOON - 1e5, NOON + 1e5), st.floats(60, 1e5), st.floats(0.01, 0.99), st.floats(1, 1e9))
def test_a_record_cut_in_two_emits_the_same(at: float, wall_s: float, cut: float, energy: float) -> None:
    """To what fraction of a microsecond a clock in 2026 can tell."""
    first = record(joules(cut * energy), at=at, wall_s=cut * wall_s)
    second = record(joules((1 - cut) * energy), at=at + cut * wall_s, wall_s=(1 - cut) * wall_s)
    whole = costs(VARYING, record(joules(energy), at=at, wall_s=wall_s), info=session("two"))
    parts = costs(VARYING, first, second, info=session("two"))
    for name in DERIVED:
        assert amount(parts, name) == pytest.approx(amount(whole, name), rel=1e-6)


@given(st.lists(runs, max_size=8))
def test_what_is_derived_is_never_below_zero_and_shares_are_shares(found: list[Ran]) -> None:
    foot = grouped(VARYING, found).footprint
    for of in foot.totals:
        assert of.value is None or of.value >= 0
        assert of.measured_share is None or 0 <= of.measured_share <= 1 + 1e-9
        assert of.uncertainty is None or of.uncertainty >= 0
    for name, of_name in (("intensity", "electricity_wh"), ("pue", "electricity_wh"), ("embodied", "embodied_g")):
        whole = foot.total(of_name)
        if whole is not None and whole.value:
            assert fsum(one.share for one in foot.applied if one.name == name) == pytest.approx(1.0)
