"""What a record is said to be: the newest tag of a key counts, and what failed is failed by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.tag import CATEGORIES, Tag, Tagged, category_of, tagged, tags_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def tags(at: float, given_: Any = "run", salt: str = "", **said: Any) -> tuple[Tag, ...]:
    return tags_of("r1", said, at, given_, "ada", "host", salt)


def test_the_newest_of_a_key_counts_in_whatever_order_they_are_read() -> None:
    both = (*tags(2.0, "later", "b#", category="train"), *tags(1.0, category="hpo", method="ours"))
    assert tagged(both) == tagged(both[::-1]) == Tagged("train", "ours", judged=True)


def test_of_one_time_the_last_counts() -> None:
    assert tagged([*tags(1.0, category="hpo"), *tags(1.0, "later", "b#", category="train")]).category == "train"


def test_what_is_taken_back_is_not_said() -> None:
    back = (*tags(1.0, method="ours", in_paper=True), *tags(2.0, "later", "b#", method=None))
    assert tagged(back) == Tagged(in_paper=True)
    judged = (
        *tags(1.0, category="hpo"),
        *tags(2.0, "later", "b#", category="train"),
        *tags(3.0, "later", "c#", category=None),
    )
    assert tagged(judged) == Tagged()  # nor judged


def test_parameters_and_scores_are_keys_of_their_own() -> None:
    found = tagged(tags(1.0, **{"param.lr": 3e-4, "param.category": "x", "score.accuracy": 0.912}))
    assert (found.params, found.scores) == ({"lr": 3e-4, "category": "x"}, {"accuracy": 0.912})
    assert found.category is None
    assert found.is_trial
    assert not tagged(tags(1.0, category="hpo", method="ours")).is_trial


def test_a_category_of_a_later_version_is_none_of_ours() -> None:
    assert tagged(tags(1.0, category="pretrain")).category is None


@pytest.mark.parametrize("outcome", ["error", "interrupted", "killed"])
def test_what_failed_is_failed_unless_it_is_judged_afterwards(outcome: str) -> None:
    assert category_of(outcome, Tagged()) == "failed"
    assert category_of(outcome, tagged(tags(1.0, category="hpo"))) == "failed"
    assert category_of(outcome, tagged(tags(2.0, "later", category="hpo"))) == "hpo"
    assert category_of("ok", tagged(tags(1.0, category="hpo"))) == "hpo"
    assert category_of("ok", Tagged()) is None  # untagged is not "other"


def test_the_same_said_later_is_a_tag_of_its_own() -> None:
    ids = {one.id for salt in ("", "a#", "b#") for one in tags(1.0, salt=salt, category="hpo", method="ours")}
    assert len(ids) == 6


def test_what_json_does_not_know_is_told_by_its_text() -> None:
    found = tagged(tags(1.0, **{"param.path": object, "param.nan": float("nan")}))
    assert found.params == {"path": str(object), "nan": "nan"}


@given(JSON.filter(lambda value: value is not None))
def test_a_parameter_comes_back_as_it_was(value: Any) -> None:
    (one,) = tags(1.0, **{"param.x": value})
    assert tagged([one]).params == {"x": json.loads(json.dumps(value))}


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([*CATEGORIES, None])),
        min_size=1,
        max_size=6,
        unique_by=lambda x: x[0],
    )
)
def test_what_is_said_is_what_was_said_last(said: list[tuple[int, str | None]]) -> None:
    found = [one for at, category in said for one in tags(float(at), salt=f"{at}#", category=category)]
    assert tagged(found).category == max(said)[1]
