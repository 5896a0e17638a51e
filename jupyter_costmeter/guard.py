"""One guard for each door: our own errors never reach the user's cell, and are logged once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("jupyter_costmeter")
_seen: set[tuple[str, str, str]] = set()


def report(place: str, error: BaseException) -> None:
    """Log an error of ours, with its traceback, the first time that it happens."""
    key = (place, type(error).__name__, str(error))
    if key not in _seen:
        _seen.add(key)
        log.warning("jupyter_costmeter: %s failed, and metering goes on without it: %s", place, error, exc_info=error)


def guarded(place: str) -> Callable[[Callable[P, T]], Callable[P, T | None]]:
    """Answer ``None`` instead of raising. Only ``Exception``: an interrupt is the user's."""

    def wrap(function: Callable[P, T]) -> Callable[P, T | None]:
        @functools.wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> T | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                report(place, error)
                return None

        return inner

    return wrap
