"""``jupyter costmeter enable``: every IPython kernel of this user meters itself.

By a file in the profile's ``startup`` folder, not by the list of extensions: the profile is
shared by all of the user's environments, and where this package is not installed the file
must stay silent.
"""

from __future__ import annotations

import os
from pathlib import Path

from .errors import CostMeterError

NAME = "50-jupyter-costmeter.py"
TEXT = """\
# Written by `jupyter costmeter enable`; `jupyter costmeter disable` removes it.
if __import__("importlib.util").util.find_spec("jupyter_costmeter"):
    get_ipython().run_line_magic("load_ext", "jupyter_costmeter")
"""


def enable(profile: str = "default") -> str:
    """Meter every kernel from its next start on; what was done, as a sentence."""
    path = _file(profile)
    try:
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") == TEXT:
            return f"Every IPython kernel is metered already, by {path}."
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT, encoding="utf-8")
    except OSError as error:
        raise CostMeterError(f"cannot write {path}: {error.strerror or error}") from error
    return f"Every IPython kernel is metered from its next start on (wrote {path})."


def disable(profile: str = "default") -> str:
    """No longer; what was done, as a sentence."""
    path = _file(profile)
    if not path.exists():
        return "Kernels are metered only where %load_ext jupyter_costmeter says so; nothing to do."
    try:
        path.unlink()
    except OSError as error:
        raise CostMeterError(f"cannot remove {path}: {error.strerror or error}") from error
    return f"Kernels are metered only by %load_ext from their next start on (removed {path})."


def _file(profile: str) -> Path:
    folder = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()  # as IPython.paths says
    return folder / f"profile_{profile}" / "startup" / NAME
