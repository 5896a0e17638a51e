"""Where two bodies of JSON differ: what is called the same is compared, and each difference told once; pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from math import isclose
from typing import Any

from . import chain
from .linked import Fault

#: Sums of many floats, in another order.
RELATIVE, ABSOLUTE = 1e-9, 1e-9
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?")
#: What a statement says of itself, not of the records; ``whole`` holds it.
OWN = ("title", "scope", "made_at", "version", "problems")
#: What an element of a list is called by: the first of these that it has.
NAMES = ("id", "key", "name", "title", "bucket", "host", "category", "kind")
#: In place of an element that is in one list only.
NOTHING: Any = object()
#: Of more pairs than these it is not looked which are the most alike.
MANY = 10_000
#: Characters of a value that are shown, and of these before the place where two differ.
SHOWN, BEFORE = 60, 24
Numbered = tuple[int, Any]


class _Row(dict[str, Any]):
    """A table's row by its columns; it is called by what stands in the first."""


def different(where: str, stated: Any, made: Any, texts: bool = True) -> Iterator[Fault]:
    """Where two bodies of JSON differ; in numbers only, unless ``texts`` count, too.

    The order of a list does not count, since a ledger is asked for sets: see ``paired``.
    """
    if isinstance(stated, dict) and isinstance(made, dict):
        stated, made = _by_column(stated, made), _by_column(made, made)
        for key in [*made, *(key for key in stated if key not in made)]:
            if not (where == "statement" and key in OWN):
                yield from _of_key(where, key, stated, made, texts)
    elif isinstance(stated, list) and isinstance(made, list):
        yield from _of_lists(where, stated, made, texts)
    elif not _alike(stated, made, texts):
        yield Fault(where, _told(stated, made))


def agreed(where: str, stated: Any, made: Any) -> Any:
    """What was made, but as it is stated where the two do not differ; what a statement says of itself is as stated."""
    if not any(different(where, stated, made)):
        return stated
    if isinstance(stated, dict) and isinstance(made, dict):
        found = {key: agreed(f"{where}.{key}", stated[key], one) if key in stated else one for key, one in made.items()}
        return found | {key: stated[key] for key in OWN if where == "statement" and key in stated}
    if isinstance(stated, list) and isinstance(made, list):
        pairs = [(one, other) for one, other in paired(stated, made) if other is not NOTHING]
        return [other if one is NOTHING else agreed(where, one, other) for one, other in pairs]
    return made


def _of_key(where: str, key: str, stated: Any, made: Any, texts: bool) -> Iterator[Fault]:
    if key not in made or key not in stated:
        if texts:
            yield Fault(f"{where}.{key}", _lone(stated.get(key, NOTHING)))
    elif key == "sd_s" and _close(stated[key], made[key], 1e-6 * (made.get("mean_s") or 0.0)):
        return  # a difference of squares: of the noise of floats it keeps half the digits
    else:
        yield from different(f"{where}.{key}", stated[key], made[key], texts)


def _of_lists(where: str, stated: list[Any], made: list[Any], texts: bool) -> Iterator[Fault]:
    if not texts and all(map(_is_text, [*stated, *made])):
        return
    if not stated or not made:
        if stated or made:
            yield Fault(where, f"{len(stated)} are stated, {len(made)} follow from the records")
        return
    for one, other in paired(stated, made):
        name = _name(one if other is NOTHING else other)
        at = where if name is None else f"{where}.{name}"
        if one is NOTHING or other is NOTHING:
            yield Fault(at, _lone(one, other))
        else:
            yield from different(at, one, other, texts)


# Tables and lists


def _by_column(table: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """A table with its rows by the columns of another one; anything else as it is."""
    columns, rows = like.get("columns"), table.get("rows")
    if not (isinstance(columns, list) and isinstance(rows, list) and all(isinstance(one, str) for one in columns)):
        return table
    count = len(set(columns))
    fits = [isinstance(row, list) and len(row) == len(columns) == count > 0 for row in rows]
    return {**table, "rows": [_Row(zip(columns, row, strict=True)) if fit else row
                              for fit, row in zip(fits, rows, strict=True)]}  # fmt: skip


def paired(stated: list[Any], made: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Elements of two lists that are the same, or called the same, or else the most alike; ``NOTHING`` for none.

    They come in the order of the first list; those that are in the second only come last.
    """
    found: dict[int, int] = {}
    for called, pair in ((chain.canonical, zip), (_key, zip), (_name, _closest), (_loose, _closest)):
        free = _free(stated, found), _free(made, found.values())
        for ones, others in _groups(*free, called):
            found.update((one[0], other[0]) for one, other in pair(ones, others))
    yield from ((one, made[found[i]] if i in found else NOTHING) for i, one in enumerate(stated))
    yield from ((NOTHING, other) for _, other in _free(made, found.values()))


def _free(values: list[Any], taken: Iterable[int]) -> list[Numbered]:
    gone = set(taken)
    return [(i, value) for i, value in enumerate(values) if i not in gone]


def _groups(
    stated: list[Numbered], made: list[Numbered], called: Callable[[Any], Any]
) -> Iterator[tuple[list[Numbered], list[Numbered]]]:
    """Those of both lists that are called the same; not what is called nothing."""
    groups: dict[Any, tuple[list[Numbered], list[Numbered]]] = {}
    for side, values in enumerate((stated, made)):
        for one in values:
            groups.setdefault(called(one[1]), ([], []))[side].append(one)
    groups.pop(None, None)
    yield from groups.values()


def _closest(stated: list[Numbered], made: list[Numbered]) -> Iterator[tuple[Numbered, Numbered]]:
    """Pairs of them, the most alike first."""
    if len(stated) == 1 == len(made) or len(stated) * len(made) > MANY:
        yield from zip(stated, made, strict=False)
        return
    scores = [(-_likeness(one[1], other[1]), one[0], other[0]) for one in stated for other in made]
    ones, others = dict(stated), dict(made)
    for _, i, j in sorted(scores):
        if i in ones and j in others:
            yield (i, ones.pop(i)), (j, others.pop(j))


def _likeness(one: Any, other: Any) -> int:
    """How much two have in common: fields, or the characters that they begin with."""
    if isinstance(one, dict) and isinstance(other, dict):
        return sum(key in one and one[key] == value for key, value in other.items())
    return len(os.path.commonprefix([one, other])) if isinstance(one, str) and isinstance(other, str) else 0


def _name(value: Any) -> str | None:
    """What an element of a list is called by, if by anything."""
    if not isinstance(value, dict):
        return None
    found = [*value.values()][:1] if isinstance(value, _Row) else map(value.get, NAMES)
    return next((one for one in found if one and isinstance(one, str)), None)


def _loose(value: Any) -> bool | None:
    """Whether it may be another one's like though they are not called the same."""
    return True if isinstance(value, _Row) or _name(value) is None else None


def _key(value: Any) -> str:
    """The same for what does not differ by more than the noise of sums."""
    return chain.canonical(_rounded(value))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return f"{value:+.6e}" if isinstance(value, (int, float)) and not isinstance(value, bool) else value


# Values


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not DECIMAL.fullmatch(value)


def _alike(stated: Any, made: Any, texts: bool) -> bool:
    if isinstance(stated, str) and isinstance(made, str) and not _is_text(stated) and not _is_text(made):
        return isclose(float(stated), float(made), rel_tol=RELATIVE)  # money
    if _close(stated, made):
        return True
    return stated == made and isinstance(stated, bool) == isinstance(made, bool) or (_is_text(stated) and not texts)


def _close(stated: Any, made: Any, absolute: float = 0.0) -> bool:
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (stated, made))
    return numbers and isclose(stated, made, rel_tol=RELATIVE, abs_tol=max(ABSOLUTE, absolute))


# Telling


def _lone(stated: Any, made: Any = NOTHING) -> str:
    """Of what is on one side only: a value is shown, a record of several is called by where it is."""
    one = made if stated is NOTHING else stated
    shown = "it" if one is NOTHING or isinstance(one, (dict, list)) else _shown(one)
    return f"{shown} is missing" if stated is NOTHING else f"{shown} does not follow from the records"


def _told(stated: Any, made: Any) -> str:
    """Both, of long ones what is around the first place where they differ."""
    if not (isinstance(stated, str) and isinstance(made, str)):
        stated, made = (one if isinstance(one, (str, float)) else _Bare(repr(one)) for one in (stated, made))
    at = _differ_at(stated, made) if isinstance(stated, str) and isinstance(made, str) else 0
    return f"{_shown(stated, at)} is stated, {_shown(made, at)} follows from the records"


class _Bare(str):
    """A text that is shown without quotes."""

    __slots__ = ()


def _differ_at(one: str, other: str) -> int:
    return len(os.path.commonprefix([one, other])) if max(len(one), len(other)) > SHOWN else 0


def _shown(value: Any, at: int = 0) -> str:
    """A value, or a part of it from a word on that is a little before there."""
    if not isinstance(value, str):
        return f"{value:.10g}" if isinstance(value, float) else _cut(repr(value), 0)
    text = _cut(value, at)
    return text if isinstance(value, _Bare) else repr(text)


def _cut(text: str, at: int) -> str:
    start = max(0, at - BEFORE)
    if start:
        start = max(start, text.find(" ", start, at) + 1)
    part = text[start : start + SHOWN]
    return f"{'…' if start else ''}{part}{'…' if start + SHOWN < len(text) else ''}"
