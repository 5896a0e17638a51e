"""A frozen record out of what JSON held: all its fields, each of its type, and nothing else; each mistake is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import UsageError

R = TypeVar("R")
#: How types are called in a sentence.
CALLED = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "object", NoneType: "null"}


def made(kind: type[R], row: Any, at: str, **known: Any) -> R:
    """A record of that kind, of an object with its fields, but for those that are ``known``.

    Raises:
        UsageError: it is no such object; the text says where (``at``) and why.
    """
    row = an_object(row, at)
    known_by: Any = kind
    hints, needed = _fields(known_by)
    stray = next((name for name in row if name not in hints or name in known), None)
    if stray is not None:
        raise UsageError(f"{at} has a field {stray[:40]!r}, which is not known")
    lacking = next((name for name in needed if name not in row and name not in known), None)
    if lacking is not None:
        raise UsageError(f"{at} lacks {lacking}")
    return kind(**known, **{name: value(hints[name], found, f"{at}.{name}") for name, found in row.items()})


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], list[str]]:
    """The types of its fields, and those that have no default."""
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return get_type_hints(kind), needed


def an_object(found: Any, at: str) -> Mapping[str, Any]:
    """What must be an object.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(found, dict):
        raise UsageError(f"{at} wants an object, {{…}}")
    return found


def value(hint: Any, found: Any, at: str) -> Any:
    """A value of that type; a whole number is a number, too.

    Raises:
        UsageError: it is of another.
    """
    choices = _choices(hint)
    if float in choices and type(found) is int and abs(found) < 1e300:
        found = float(found)
    if not any(_fits(choice, found) for choice in choices):
        wanted = " or ".join(dict.fromkeys(map(_called, choices)))
        raise UsageError(f"{at} is {str(found)[:40]!r}; it wants {wanted}")
    return found


def _choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)


def _fits(hint: Any, found: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return isinstance(found, str) and found in get_args(hint)
    if origin is dict:
        return isinstance(found, dict) and all(isinstance(one, str) for one in found.values())
    return type(found) is hint and not (hint is float and not isfinite(found))


def _called(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    return CALLED.get(get_origin(hint) or hint, "something else")
