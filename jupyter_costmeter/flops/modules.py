"""Which modules torch is in, by its own tracker, such that no user's code fails for it.

Importing this imports torch.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import torch
from torch.utils._pytree import tree_leaves
from torch.utils.module_tracker import ModuleTracker

GLOBAL = "Global"


class Modules(ModuleTracker):  # type: ignore[misc]
    """torch's own hooks leaves, too, which breaks ``autograd.grad`` by them, and has one set for all threads."""

    def __init__(self) -> None:
        self._mine = threading.local()
        super().__init__()

    @property
    def parents(self) -> set[str]:
        """The modules that this thread is in."""
        if not hasattr(self._mine, "parents"):
            self._mine.parents = {GLOBAL}
        found: set[str] = self._mine.parents
        return found

    @parents.setter
    def parents(self, names: set[str]) -> None:
        self._mine.parents = set(names)

    def _fw_pre_hook(self, mod: Any, input: Any) -> None:
        with suppress(Exception):  # a breakdown is not worth a user's error
            super()._fw_pre_hook(mod, _made(input))

    def _fw_post_hook(self, mod: Any, input: Any, output: Any) -> None:
        with suppress(Exception):
            super()._fw_post_hook(mod, input, _made(output))


def _made(values: Any) -> list[Any]:
    """The tensors that some operation made: leaves are left alone."""
    return [v for v in tree_leaves(values) if isinstance(v, torch.Tensor) and v.grad_fn is not None]
