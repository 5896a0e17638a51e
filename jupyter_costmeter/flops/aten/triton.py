"""Triton kernels of the user's own: that they were launched is seen, what they did is not."""

from __future__ import annotations

import functools
from typing import Any

from .kernels import Kernels

WHAT, WHY = "Triton kernels", "their FLOPs cannot be seen from outside"


class Triton:
    """Wraps ``JITFunction.run``. What inductor generates does not go through it."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self._class: Any = None
        self._theirs: Any = None
        self._ours: Any = None

    def install(self, module: Any) -> None:
        """Wrap ``module.JITFunction`` (``triton.runtime.jit``); once."""
        self._class = getattr(module, "JITFunction", None)
        theirs = getattr(self._class, "run", None)
        if self._ours is not None or theirs is None:
            return

        @functools.wraps(theirs)
        def run(*args: Any, **kwargs: Any) -> Any:
            answer = theirs(*args, **kwargs)
            if not kwargs.get("warmup"):
                self.kernels.note(WHAT, WHY)
            return answer

        self._theirs, self._ours = theirs, run
        self._class.run = run

    def remove(self) -> None:
        if self._ours is not None and self._class.run is self._ours:
            self._class.run = self._theirs
        self._ours = None
