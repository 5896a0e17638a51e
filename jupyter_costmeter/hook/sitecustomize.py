"""Runs at the start of the Python processes that a metered one starts; then whatever sitecustomize there is besides.

It stands first on their PYTHONPATH (``jupyter_costmeter.inheriting``), may meet any Python 3, with or without this
package, and must never keep one from starting.
"""

import os
import sys


def _first() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH120 (pathlib costs 3 ms)
    sys.path[:] = [folder for folder in sys.path if folder != here]  # as if it had never been there
    try:
        from jupyter_costmeter.inheriting import started

        started()
    except Exception:  # another environment, which does not have it, or has another version of it
        return


def _next(ours: str) -> None:
    """The one that this one stands in front of: the system's, a virtual environment's, the user's."""
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if error.name != ours:
            raise
        sys.modules[ours] = _this


_this = sys.modules.pop(__name__)
_first()
_next(__name__)
