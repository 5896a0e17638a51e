"""One guard for each door: our own errors never reach the user's cell, and are logged once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("jupyter_costmeter")
_seen: dict[tuple[str, str, str], str] = {}


def report(place: str, error: BaseException) -> None:
    """Log an error of ours, with its traceback, the first time that it happens."""
    key = (place, type(error).__name__, str(error))
    if key not in _seen:
        _seen[key] = f"{place} failed: {type(error).__name__}: {error}"
        log.warning("jupyter_costmeter: %s failed, and metering goes on without it: %s", place, error, exc_info=error)


def failures() -> list[str]:
    """What has failed so far, each once, for ``doctor``."""
    return list(_seen.values())


def log_to(handlers: list[logging.Handler]) -> None:
    """Log there instead of to ``stderr``, which in a notebook is the user's cell."""
    log.handlers = handlers or [logging.NullHandler()]
    log.propagate = False


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
