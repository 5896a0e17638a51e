"""What each notebook cell costs: time, GPU, energy, memory.

In a notebook ``%load_ext jupyter_costmeter``; in a script ``with jupyter_costmeter.measure("eval") as cost: …``.
``with jupyter_costmeter.trial(method="ours", lr=3e-4) as t: …; t.score("accuracy", 0.912)`` is one run.
``jupyter_costmeter.count_flops(model, x)`` counts the FLOPs of one call, and
``jupyter_costmeter.progress(3, 100)`` says how far the cell is that runs.
``jupyter_costmeter.write_statement("paper.tex", ["neurips"])`` writes what a conference asks for.
This file is the list of doors: each imports its room when it is opened.
"""

from __future__ import annotations

from .version import __version__

TYPE_CHECKING = False  # as typing's, whose import would be a third of what a metered child process pays at its start
if TYPE_CHECKING:
    from typing import Any

    from .counting import count_flops as count_flops
    from .measuring import measure as measure
    from .progressing import progress as progress
    from .reporting import write_statement as write_statement
    from .trials import score as score
    from .trials import trial as trial

__all__ = ["__version__", "count_flops", "measure", "progress", "score", "trial", "write_statement"]


def load_ipython_extension(ip: Any) -> None:
    """``%load_ext jupyter_costmeter``."""
    from .kernel import load

    load(ip)


def unload_ipython_extension(ip: Any) -> None:
    """``%unload_ext jupyter_costmeter``."""
    from .kernel import unload

    unload(ip)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-costmeter"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "jupyter_costmeter.server"}]


def __getattr__(name: str) -> Any:
    if name == "measure":
        from .measuring import measure

        return measure
    if name == "count_flops":
        from .counting import count_flops

        return count_flops
    if name == "progress":
        from .progressing import progress

        return progress
    if name == "write_statement":
        from .reporting import write_statement

        return write_statement
    if name in ("trial", "score"):
        from . import trials

        return getattr(trials, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
