"""What a record is said to be, beside its raw facts: a category, a method, a trial's parameters and scores.

Tags are records too: each says one thing about one record, none is changed, and the newest of a key counts. So what
was tagged in the wrong way is tagged again, and the ledger still shows both. Nothing here imports anything of this
package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

#: Those of the CVPR Compute Reporting Form (FACTS §1.1), and ``prep`` (the MLSys appendix asks for it).
Category = Literal["train", "finetune", "distill", "hpo", "ablation", "inference", "prep", "failed", "other"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
#: Given while the record was made (a cell's first line, a span, a trial), or to one that had ended.
Given = Literal["run", "later"]
#: What can be said of any record; parameters and scores are keys of their own, as ``param.lr`` and ``score.accuracy``.
KEYS = ("category", "method", "run", "in_paper")
PARAM, SCORE = "param.", "score."
#: Said by the meter itself of a cell that holds nothing but ``%cost``: it is no run of anything.
METER = "meter"


@dataclass(frozen=True, slots=True)
class Tag:
    """One thing that is said of one record.

    ``value`` is JSON (``"hpo"``, ``true``, ``0.912``); ``None`` takes what was said back. ``at`` is in seconds since
    1970, UTC.
    """

    id: str
    record_id: str
    at: float
    key: str
    value: str | None
    given: Given
    user: str
    host: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """What is said of a record now: the newest tag of each key."""

    category: Category | None = None
    method: str | None = None
    run: str | None = None
    in_paper: bool | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    #: Whether the category was given after the record had ended: only then it counts for one that failed.
    judged: bool = False
    #: Whether the cell holds nothing but ``%cost``.
    meter: bool = False

    @property
    def is_trial(self) -> bool:
        """Whether it has parameters or scores of its own."""
        return bool(self.params or self.scores)


def tags_of(
    record_id: str, said: Mapping[str, Any], at: float, given: Given, user: str, host: str, salt: str = ""
) -> tuple[Tag, ...]:
    """Tags that say this of a record. ``salt`` tells those apart that are given later to the same record."""
    return tuple(
        Tag(f"{record_id}#{salt}{key}", record_id, at, key, None if value is None else _json(value), given, user, host)
        for key, value in said.items()
    )


def _json(value: Any) -> str:
    """A parameter may be anything: what JSON does not know is told by its text."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(str(value))


def tagged(tags: Iterable[Tag]) -> Tagged:
    """What some tags of one record say together; of those of one time the last counts."""
    newest: dict[str, Tag] = {}
    for tag in tags:
        if tag.key not in newest or tag.at >= newest[tag.key].at:
            newest[tag.key] = tag
    said = {key: json.loads(tag.value) for key, tag in newest.items() if tag.value is not None}
    category = said.get("category")
    return Tagged(
        category if category in CATEGORIES else None,
        said.get("method"),
        said.get("run"),
        said.get("in_paper"),
        {key[len(PARAM) :]: value for key, value in said.items() if key.startswith(PARAM)},
        {key[len(SCORE) :]: value for key, value in said.items() if key.startswith(SCORE)},
        "category" in said and newest["category"].given == "later",
        bool(said.get(METER)),
    )


def keys_of(said: Tagged) -> dict[str, Any]:
    """What is said, by the keys that tags say it under."""
    own = {key: value for key in KEYS if (value := getattr(said, key)) is not None}
    params = {PARAM + name: value for name, value in said.params.items()}
    return own | params | {SCORE + name: value for name, value in said.scores.items()}


def category_of(outcome: str, said: Tagged) -> Category | None:
    """What a record counts as: what failed is ``failed`` by itself, unless somebody said otherwise afterwards.

    A mistake in a ``%cost`` alone is no experiment that failed.
    """
    if outcome != "ok" and not said.judged and not said.meter:
        return "failed"
    return said.category
