"""The words that say what records are, and the tags that come of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import cell, fill, session

from jupyter_costmeter import tagging
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.tag import CATEGORIES, tagged

INFO = session("aaa1", "/home/ada/paper/train.ipynb")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hpo method=ours", {"category": "hpo", "method": "ours"}),
        ("tag=hpo run=3", {"category": "hpo", "run": "3"}),
        ("category=train in_paper=yes", {"category": "train", "in_paper": True}),
        ("in_paper=No", {"in_paper": False}),
        ("lr=3e-4 layers=12 bias=true", {"param.lr": 3e-4, "param.layers": 12, "param.bias": True}),
        ("amp=False x=false", {"param.amp": False, "param.x": False}),
        ("dropout=.5 shift=-.25", {"param.dropout": 0.5, "param.shift": -0.25}),
        ("optimizer=adam seed=007 at=[1,2]", {"param.optimizer": "adam", "param.seed": "007", "param.at": "[1,2]"}),
        ("lr=NaN top=Infinity", {"param.lr": "NaN", "param.top": "Infinity"}),
        ("param.runs=5 prune=0.5", {"param.runs": 5, "param.prune": 0.5}),
        ("expression=a=b", {"param.expression": "a=b"}),
        ("method= lr=", {"method": None, "param.lr": None}),
        ("score.accuracy=0.9", {"score.accuracy": 0.9}),
    ],
)  # fmt: skip
def test_words(words: str, said: dict[str, Any]) -> None:
    assert tagging.said_of(words.split()) == said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", "say what they are: one of train, "),
        ("hpoo", "there is no category 'hpoo'; did you mean 'hpo'? There are train, finetune"),
        ("zzz", "there is no category 'zzz'; there are train, finetune"),
        ("hpo train", "category is said twice"),
        ("methd=ours", "there is no 'methd'; did you mean 'method'? (A parameter of that name: param.methd=…)"),
        ("runs=5", "did you mean 'run'?"),
        ("in_paper=maybe", "in_paper=maybe: it wants yes or no"),
        ("=3", "=3: it wants a name before the ="),
        ("param.=3", "there is no 'param.'"),
        ("score.accuracy=high", "score accuracy: 'high' is no number"),
        ("score.loss=NaN", "score loss: 'NaN' is no number"),
        (f"method={'x' * 201}", "method: 201 characters; a name has up to 200"),
    ],
)
def test_wrong_words(words: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        tagging.said_of(words.split())
    assert named in str(error.value)


@pytest.mark.parametrize(
    "said",
    [{}, {"methd": "ours"}, {"category": "zzz"}, {"category": ["hpo"]}, {"in_paper": 2}, {"method": 3}, {"lr": 1.0},
     {"score.a": "x"}, {"score.a": float("nan")}, {"score.": 1.0}],
)  # fmt: skip
def test_what_a_front_end_sends_is_checked_alike(said: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        tagging.checked(said)


def test_what_a_front_end_sends_is_kept_as_it_is_meant() -> None:
    sent = {"category": "hpo", "method": " our\n method ", "run": "", "in_paper": True, "param.lr": 3e-4}
    assert tagging.checked(sent) == {
        "category": "hpo", "method": "our method", "run": None, "in_paper": True, "param.lr": 3e-4
    }  # fmt: skip
    assert tagging.checked({"method": "\ud800"}) == {"method": "?"}


class Scalar:
    """As NumPy's and torch's: no number, but it has one."""

    ndim = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        return self.value

    def __float__(self) -> float:
        return self.value


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Many:
    def __float__(self) -> float:
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")


def test_scores_are_numbers() -> None:
    assert tagging.score_of(" accuracy ", Scalar(0.5)) == ("score.accuracy", 0.5)
    assert tagging.score_of("steps", 3) == ("score.steps", 3.0)
    for value in ("0.9", None, Many(), [1.0], 10**400):
        with pytest.raises(TypeError, match="score accuracy: "):
            tagging.score_of("accuracy", value)
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="no finite number"):
            tagging.score_of("accuracy", number)
    with pytest.raises(ValueError, match="a score's name"):
        tagging.score_of(" ", 1.0)
    with pytest.raises(TypeError, match="a score's name"):
        tagging.score_of(3, 1.0)  # type: ignore[arg-type]


def test_a_parameter_may_be_any_object() -> None:
    recursive: list[Any] = []
    recursive.append(recursive)
    assert [tagging.plain(value) for value in (Scalar(2.5), Path("a/b"), Scalar, Broken(), (1, 2), {"a": [None]})] == [
        2.5, "a/b", "Scalar", "Broken", [1, 2], {"a": [None]}
    ]  # fmt: skip
    assert tagging.plain(float("nan")) == "nan"
    assert tagging.plain(recursive) == "[[...]]"
    assert len(tagging.plain(list(range(10_000)))) == tagging.KEPT
    assert tagging.plain("\ud800") == "?"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_what_a_parameter_becomes_is_json_that_can_be_stored(value: Any) -> None:
    found = tagging.plain(value)
    assert json.loads(json.dumps(found, allow_nan=False).encode()) == found
    assert json.dumps(found, ensure_ascii=False).encode()


def test_a_record_is_tagged_again_and_both_stay(ledger: Ledger, ledger_path: Path) -> None:
    fill(ledger_path, INFO, cell(INFO, 1), cell(INFO, 2))
    before = list(ledger.records(Selection("all")))
    assert tagging.tag(ledger, ["aaa1-1", "aaa1-1"], {"category": "hpo", "method": "ours"}, "ada", "host") == 1
    assert tagging.tag(ledger, ["aaa1-1"], {"category": "train"}, "bob", "laptop") == 1
    first, second = ledger.records(Selection("all"))
    assert [(t.key, t.value, t.user) for t in sorted(first.tags, key=lambda t: (t.at, t.key))] == [
        ("category", '"hpo"', "ada"), ("method", '"ours"', "ada"), ("category", '"train"', "bob"),
    ]  # fmt: skip
    assert tagged(first.tags).category == "train"
    assert second == before[1]  # of which nothing was said
    assert first.usage == before[0].usage
    assert ledger.check() == []


def test_all_categories_can_be_said() -> None:
    assert [tagging.said_of([name]) for name in CATEGORIES] == [{"category": name} for name in CATEGORIES]
