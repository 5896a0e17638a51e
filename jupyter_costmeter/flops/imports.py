"""Be told when a module has been imported, also in the middle of a cell, without importing it.

A finder at the front of ``sys.meta_path`` lets the others find the module, and wraps the ``exec_module`` of
the loader that they gave, of that one import. Nothing of ours is left once it has run, or after ``close``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .raised import Raised

Told = Callable[[ModuleType], object]


class Imports:
    """Calls functions once their modules are there; they must not raise.

    Args:
        wanted: what to call, by the module's name.
    """

    def __init__(self, wanted: dict[str, Told]) -> None:
        self._wanted = wanted
        self._finding = threading.local()

    def open(self) -> None:
        """Calls at once for those that are there already."""
        sys.meta_path.insert(0, self)
        for name, tell in self._wanted.items():
            module = sys.modules.get(name)
            if module is not None and not _initializing(module):
                tell(module)

    def close(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Python's import asks here first."""
        if name not in self._wanted or getattr(self._finding, "name", None) == name:
            return None
        self._finding.name = name
        try:
            found = find_spec(name)
        finally:
            self._finding.name = None
        if found is not None and found.loader is not None:
            self._watch(found.loader, self._wanted[name])
        return found

    def _watch(self, loader: Any, tell: Told) -> None:
        exec_module, imports = loader.exec_module, self

        class Executed(Raised):
            def __new__(cls, module: ModuleType) -> Any:
                try:
                    loader.__dict__.pop("exec_module", None)
                    exec_module(module)
                except BaseException as error:  # the user's import fails as it would
                    return cls.of(error)
                if imports in sys.meta_path:  # not closed meanwhile
                    tell(module)
                return None

        with suppress(AttributeError):  # a loader without attributes of its own: the next window's edge will notice
            loader.exec_module = Executed


def _initializing(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
