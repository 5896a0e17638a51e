"""Whether runs were drawn at random: as was said, else as their parameters give away."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.searches import Kind, configurations, search_of

Params = list[dict[str, Any]]
GRID: Params = [{"lr": lr, "batch": batch} for lr, batch in product([0.001, 0.02], [32, 64, 128])]
DRAWN: Params = [
    {"lr": lr, "batch": b} for lr, b in zip([0.0013, 0.0471, 0.0092, 0.0218], [32, 64, 64, 128], strict=True)
]


def values(*found: object, name: str = "lr") -> Params:
    return [{name: value} for value in found]


@pytest.mark.parametrize(
    ("params", "kind", "why"),
    [
        ([{**one, "search": "random"} for one in DRAWN], "random", "said to be random"),
        ([{**one, "search": " Random"} for one in GRID], "random",
         "said to be random, though every combination of lr, batch was tried"),
        ([{**one, "search": "bayesian"} for one in DRAWN], "other", "said to be bayesian"),
        ([{**DRAWN[0], "search": "random"}, *DRAWN[1:]], "unknown", "only 1 of 4 runs are said"),
        ([{**one, "sampler": "RandomSampler"} for one in DRAWN], "random", "said to be random"),
        ([{**one, "Search": "random search"} for one in DRAWN], "random", "said to be random"),
        ([{**one, "strategy": "random"} for one in GRID], "random", "said to be random, though every combination of"),
        ([{**one, "sampler": "TPE"} for one in DRAWN], "other", "said to be tpe"),
        ([{**one, "sampler": "ddim"} for one in DRAWN], "unknown", "nobody said"),
        ([{"lr": 0.1, "strategy": s} for s in ("ddp", "fsdp", "ddp")], "unknown", "nobody said"),
        (GRID, "grid", "every combination of lr, batch was tried"),
        (values(0.1, 0.2, 0.3, 0.4), "grid", "the values of lr are evenly spaced"),
        (values(1e-4, 1e-3, 1e-2), "grid", "evenly spaced"),
        (values(3e-4, 1e-3, 3e-3, 1e-2), "grid", "round"),
        (values("1e-4", "1e-3", "1e-2"), "grid", "evenly spaced"),
        (values(7e-4, 7e-3, 7e-2), "grid", "evenly spaced"),
        (values(True, 2, 3), "unknown", "nobody said"),
        (DRAWN, "unknown", "nobody said how the parameters were chosen; say search=random if it was"),
        (values("adam", "sgd", "lamb", name="optimizer"), "unknown", "nobody said"),
        (values(0.1, 0.3), "unknown", "nobody said"),
        ([{}, {}, {}], "unknown", "the runs have no parameters; say search=random if it was"),
        ([], "unknown", "the runs have no parameters"),
        ([{"lr": 0.1, "seed": seed} for seed in range(5)], "repeats", "runs of one configuration"),
        ([{"lr": 0.1, "search": "random"}, {"lr": 0.1}], "unknown", "only 1 of 2"),
        ([{"lr": True}, {"lr": False}, {"lr": None}], "unknown", "nobody said"),
    ],
)  # fmt: skip
def test_how_runs_were_chosen(params: Params, kind: Kind, why: str) -> None:
    found = search_of(params)
    assert found.kind == kind
    assert why in found.why
    assert found.valid == (kind in ("random", "repeats"))


def test_failed_runs_fill_the_holes_of_a_grid_and_need_no_word() -> None:
    drawn = [{**one, "search": "random"} for one in DRAWN]
    assert search_of(drawn, [{"lr": 9.0}, {}]).why == "said to be random"
    *most, last = [{"lr": lr, "batch": batch} for lr, batch in product([0.001, 0.02], [32, 48, 120])]
    assert search_of(most).kind == "unknown"
    assert search_of(most, [last, {}]).kind == "grid"


def test_a_grid_of_seeds_is_a_grid() -> None:
    assert search_of([{**one, "seed": seed} for one in GRID for seed in (0, 1)]).kind == "grid"


def test_one_parameter_that_is_no_grid_is_enough() -> None:
    """Layers 1 to 4 are evenly spaced, the learning rates are not."""
    assert search_of([{**one, "layers": n} for n, one in enumerate(DRAWN)]).kind == "unknown"


@pytest.mark.parametrize("runs", [5, 12, 30])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_drawn_is_no_grid(seed: int, runs: int) -> None:
    random = Random(seed)
    drawn = [{"lr": 10 ** -random.uniform(1, 5), "dropout": random.uniform(0, 0.5)} for _ in range(runs)]
    assert search_of(drawn).kind == "unknown"


@given(
    st.lists(st.floats(0.001, 10), min_size=2, max_size=4, unique=True),
    st.lists(st.text(), min_size=2, max_size=3, unique=True),
)
def test_a_full_product_is_a_grid_in_any_order(rates: list[float], names: list[str]) -> None:
    grid: Params = [{"rate": rate, "name": name} for rate, name in product(rates, names)]
    assert search_of(grid).kind == "grid"
    assert search_of(grid[::-1]).kind == "grid"


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=3), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)
        ),
        max_size=8,
    )
)
def test_any_parameters_will_do(params: Params) -> None:
    assert search_of(params).why


def test_what_json_does_not_know_is_told_by_its_text() -> None:
    odd: Callable[[], None] = test_a_grid_of_seeds_is_a_grid
    assert search_of([{"f": odd}, {"f": 1}]).kind == "unknown"


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ([], 0),
        ([{}, {}], 0),
        ([{"search": "random"}], 0),
        ([{"sampler": "random", "strategy": "grid search"}], 0),
        ([{"lr": 0.1, "search": "random"}, {"lr": 0.1, "sampler": "random"}, {"lr": 0.1}], 1),
        ([{"lr": 0.1, "sampler": "ddim"}, {"lr": 0.1, "sampler": "ddpm"}], 2),
        ([{"seed": 0}, {"Random_State": 1}], 1),
        ([{"lr": 0.1, "seed": seed} for seed in range(10)], 1),
        ([{"lr": 1}, {"lr": 1.0}, {"lr": True}, {"lr": "1"}], 3),
        ([{"layers": [1, 2]}, {"layers": (1.0, 2)}, {"layers": [2, 1]}], 2),
        ([{"lr": float("nan")}, {"lr": float("inf")}, {"lr": 1e300}], 3),
    ],
)
def test_what_tells_configurations_apart(params: Params, count: int) -> None:
    assert configurations(params) == count
