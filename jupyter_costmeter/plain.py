"""Frozen records as what JSON holds, and back: by their fields' names and types, pure.

Decimals and days are texts (an amount of money must not become a float), tuples are lists, and a number that JSON does
not have is ``null``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, cast

T = TypeVar("T")


def plain(value: Any) -> Any:
    """A record, or what a field of one may hold, as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, (frozenset, set)):
        return sorted(plain(one) for one in value)
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def revived(kind: type[T], body: Any) -> T:
    """The record of that type that a parsed body says; fields that it lacks have their defaults.

    Raises:
        ValueError: the body is none of that type.
    """
    try:
        found: T = _of(kind, body)
    except (TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"this is no {kind.__name__}: {error}") from error
    return found


def _of(kind: Any, body: Any) -> Any:
    """Of a type as a field's annotation says it."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        make = cast(Any, kind)
        types_of = _types(make)
        return make(**{name: _of(types_of[name], value) for name, value in body.items() if name in types_of})
    if origin in (typing.Union, types.UnionType):
        return None if body is None else _of(next(one for one in inner if one is not type(None)), body)
    if origin is tuple:
        each = inner[:1] * len(body) if inner[1:] == (...,) else inner
        return tuple(_of(one, value) for one, value in zip(each, body, strict=True))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _of(inner[1], value) for key, value in body.items()}
    return _simple(kind, body)


def _simple(kind: Any, body: Any) -> Any:
    """A number, a text or a day; as it is where the type says no more (a literal, anything)."""
    if kind is date:
        return date.fromisoformat(body)
    if kind in (Decimal, Path):
        return kind(body)
    if kind is float:
        return body + 0.0  # a number; a text would be no error of float()
    if kind in (int, str, bool) and not isinstance(body, kind):
        raise TypeError(f"{body!r} is no {kind.__name__}")
    return frozenset(body) if typing.get_origin(kind) is frozenset else body


@cache
def _types(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
