"""The book that `./lab docs` builds: the pages of this folder, with the cells of guide/ executed.

What it needs is in the extra `docs` of setup.cfg. Nothing is asked of the network. Each executed page has a home,
Jupyter folders and a ledger of its own, and a simulated GPU, which its figures say.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

from jupyter_costmeter.carbon import hints
from jupyter_costmeter.version import __version__

project = "jupyter_costmeter"
author = "the authors of jupyter_costmeter"
release = __version__
extensions = ["myst_nb"]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build", "_static", "images"]
html_theme = "furo"
html_title = f"Cost Meter {release}"
html_theme_options = {"top_of_page_buttons": []}  # no link to a repository's host
html_static_path = ["_static"]
html_css_files = ["guide.css"]
html_show_copyright = False
html_copy_source = False
highlight_language = "none"  # a block without a language is lines of %cost and of the shell

myst_heading_anchors = 4  # [text](page.md#heading), as GitHub has it
nb_execution_mode = "force"  # what stands below a cell came out of this version, in this build
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 120
nb_execution_in_temp = True
nb_merge_streams = True

#: What the shell that builds the book may have set, and must not change what the pages show.
ELSEWHERE = ("JUPYTER_COSTMETER_LEDGER", "JUPYTER_CONFIG_PATH", *hints.GOOGLE, *hints.AMAZON, "SLURM_CLUSTER_NAME")


def setup(app: Sphinx) -> None:
    """Called by Sphinx before it reads anything."""
    homes = tempfile.TemporaryDirectory(prefix="costmeter-guide-", ignore_cleanup_errors=True)
    for name in ELSEWHERE:
        os.environ.pop(name, None)
    app.connect("source-read", lambda _, page, source: _read(Path(homes.name), page, source))
    app.connect("build-finished", lambda *_: homes.cleanup())


def _read(homes: Path, page: str, source: list[str]) -> None:
    """A link out of this folder, which GitHub follows, is to a file that the book carries."""
    outside = "../" * (page.count("/") + 1)
    source[0] = re.sub(rf"\]\((?={re.escape(outside)}[^)]*\.md)", "](path:", source[0])
    if page.startswith("guide/"):
        _settle(homes / Path(page).name, Path(page).name)


def _settle(home: Path, name: str) -> None:
    """The page that is read now is a notebook of somebody's who has never used the meter."""
    (home / "paper").mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JPY_SESSION_NAME": str(home / "paper" / f"{name}.ipynb"),
        "JUPYTER_COSTMETER_REPLAY": "demo",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "COLUMNS": "88",
        "NO_COLOR": "1",
    }
