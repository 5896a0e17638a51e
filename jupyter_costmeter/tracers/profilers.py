"""Stepping aside for ``torch.profiler``, which takes CUPTI's only pair of callbacks.

Both entries of torch's profiler are looked up in its module at each use, so they can be wrapped
there: by then nothing of CUPTI has been touched, and after the profiler's end it is free again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

MODULE = "torch.autograd.profiler"
BEFORE, AFTER = ("_prepare_profiler", "_enable_profiler"), ("_disable_profiler",)


class Profilers:
    """Calls ``begins`` before a profiler of torch's takes CUPTI, ``ended`` after it let go; neither may raise."""

    def __init__(self, begins: Callable[[], None], ended: Callable[[], None]) -> None:
        self._begins, self._ended = begins, ended
        self._module: Any = None
        self._wrapped: dict[str, tuple[Any, Any]] = {}  # theirs and ours

    def watch(self) -> None:
        """Once torch is there; again costs nothing."""
        self._module = sys.modules.get(MODULE)
        if self._module is None or self._wrapped:
            return
        for name in BEFORE:
            self._wrap(name, self._begins, None)
        for name in AFTER:
            self._wrap(name, None, self._ended)

    def running(self) -> bool:
        return bool(getattr(sys.modules.get(MODULE), "_is_profiler_enabled", False))

    def close(self) -> None:
        """As it was, except where somebody has wrapped ours."""
        for name, (theirs, ours) in self._wrapped.items():
            if getattr(self._module, name, None) is ours:
                setattr(self._module, name, theirs)
        self._wrapped = {}

    def _wrap(self, name: str, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
        theirs = getattr(self._module, name, None)
        if theirs is None:
            return

        @functools.wraps(theirs)
        def ours(*args: Any, **kwargs: Any) -> Any:
            if before:
                before()
            try:
                return theirs(*args, **kwargs)
            finally:
                if after:
                    after()

        self._wrapped[name] = theirs, ours
        setattr(self._module, name, ours)
