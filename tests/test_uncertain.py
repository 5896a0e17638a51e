"""Errors of sums: what comes from one thing adds up, what comes from several does so in quadrature (FACTS §4)."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.record import Method
from jupyter_costmeter.uncertain import Term, half_width, total, weakest_of

CAUSES = ("counter", "TDP", "grid", "PUE")
METHODS: tuple[Method, ...] = ("measured", "modelled", "declared", "assumed")
terms = st.builds(
    Term,
    st.floats(0, 1e9),
    st.sampled_from([*METHODS, None]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.dictionaries(st.sampled_from(CAUSES), st.floats(0, 2)),
    st.sampled_from([(), ("a",), ("b", "a")]),
)


def test_one_cause_adds_up_and_two_are_in_quadrature() -> None:
    """100 ± 3 and 200 ± 4: 7 if both err for the same reason, 5 if not."""
    assert half_width([Term(100, "measured", errors={"a": 0.03}), Term(200, "measured", errors={"a": 0.02})]) == 7.0
    assert half_width([Term(100, "measured", errors={"a": 0.03}), Term(200, "measured", errors={"b": 0.02})]) == 5.0


def test_a_products_errors_are_in_quadrature() -> None:
    assert half_width([Term(10.0, "measured", errors={"energy": 0.3, "grid": 0.4})]) == pytest.approx(5.0)


def test_a_cause_that_all_terms_share_stays_as_it_is() -> None:
    """A thousand cells with energies of their own and one grid: ±20 % of the grid stay, ±50 % of each are smoothed."""
    found = half_width([Term(1.0, "modelled", errors={f"cell {i}": 0.5, "grid": 0.2}) for i in range(1000)])
    assert found == pytest.approx(((0.2 * 1000) ** 2 + 1000 * 0.5**2) ** 0.5)


@given(st.lists(terms, max_size=8))
def test_it_lies_between_the_quadrature_and_the_linear_sum(found: list[Term]) -> None:
    each = [term.value * error for term in found for error in term.errors.values()]
    width = half_width(found)
    if not each:
        assert width is None
        return
    assert width is not None
    assert sum(w * w for w in each) ** 0.5 <= width * (1 + 1e-9) + 1e-300
    assert width <= sum(each) * (1 + 1e-9)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=8), st.floats(0, 2))
def test_terms_of_one_cause_are_as_uncertain_as_their_sum(values: list[float], error: float) -> None:
    apart = half_width([Term(value, "measured", errors={"a": error}) for value in values])
    assert apart == pytest.approx(half_width([Term(sum(values), "measured", errors={"a": error})]))


@given(st.lists(terms, max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_a_total_does_not_depend_on_the_order(orders: tuple[list[Term], list[Term]]) -> None:
    one, other = (total("emissions_g", "gCO2e", order) for order in orders)
    assert (one.value, one.uncertainty, one.measured_share) == (other.value, other.uncertainty, other.measured_share)
    assert set(one.sources) == set(other.sources)


@given(st.lists(terms, min_size=1, max_size=8))
def test_a_measured_share_is_a_share(found: list[Term]) -> None:
    share = total("emissions_g", "gCO2e", found).measured_share
    assert share is None or 0 <= share <= 1 + 1e-12


def test_a_measured_share_is_weighted_by_the_terms() -> None:
    found = total("x", "g", [Term(93.0, "measured", 1.0), Term(7.0, "modelled", 0.0)])
    assert found.measured_share == pytest.approx(0.93)


def test_without_terms_nothing_is_known_and_never_zero() -> None:
    found = total("emissions_g", "gCO2e", [], 2, ["the GPU is lost", "the GPU is lost"])
    assert (found.value, found.method, found.measured_share, found.uncertainty) == (None, None, None, None)
    assert (found.missing, found.reasons) == (2, ("the GPU is lost",))
    assert found.incomplete


def test_nothing_used_is_zero_and_known() -> None:
    found = total("emissions_g", "gCO2e", [Term(0.0, "measured", 1.0, {"a": 0.05})])
    assert (found.value, found.uncertainty, found.method, found.measured_share) == (0.0, 0.0, "measured", None)


@pytest.mark.parametrize(("modelled", "label"), [(4.0, "measured"), (5.0, "modelled"), (60.0, "modelled")])
def test_the_weakest_method_that_has_a_tenth(modelled: float, label: Method) -> None:
    """Two halves of a tenth are a tenth."""
    found = [Term(100 - 2 * modelled, "measured"), Term(modelled, "modelled"), Term(modelled, "modelled")]
    assert weakest_of(found) == label


@pytest.mark.parametrize("order", list(permutations(METHODS)))
def test_strong_to_weak(order: tuple[Method, ...]) -> None:
    assert weakest_of([Term(1.0, method) for method in order]) == "assumed"
    assert weakest_of([Term(1.0, method) for method in order if method != "assumed"]) == "declared"


def test_sources_are_told_once() -> None:
    found = total("x", "g", [Term(1.0, None, sources=("b",)), Term(1.0, None, sources=("a", "b"))])
    assert found.sources == ("b", "a")
