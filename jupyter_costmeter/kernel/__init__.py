"""The kernel's door: IPython events, ``%cost``, live messages. Only this package imports IPython."""

from __future__ import annotations

from typing import Any

from .hooks import Hooks

__all__ = ["load", "unload"]


def load(ip: Any) -> None:
    """``%load_ext jupyter_costmeter``: meter each cell from now on."""
    hooks = getattr(ip, "costmeter", None)
    if hooks is None:
        ip.costmeter = Hooks(ip)
        ip.costmeter.register()


def unload(ip: Any) -> None:
    """``%unload_ext jupyter_costmeter``: stop metering; what was metered stays in the ledger."""
    hooks = getattr(ip, "costmeter", None)
    if hooks is not None:
        hooks.unregister()
        del ip.costmeter
