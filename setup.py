"""Build the JupyterLab extension where it is missing; setup.cfg says the rest."""

import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup

HERE = Path(__file__).resolve().parent
BUILT = HERE / "jupyter_costmeter" / "labextension" / "package.json"


class WithData(Distribution):
    """setuptools' editable wheel asks ``has_data()``, which does not exist: give it one."""

    def has_data(self) -> bool:
        return bool(self.data_files)


def npm(*words: str) -> None:
    try:
        subprocess.run(["npm", *words], cwd=HERE, check=True)
    except FileNotFoundError:
        sys.exit(
            "Building from source needs Node.js 20.19, 22.12 or later; `./lab` brings one, and a wheel needs none."
        )


if not BUILT.exists():  # before setup(): data_files' globs are expanded when the config is read
    if not (HERE / "node_modules").exists():
        npm("ci")
    npm("run", "build:prod")
setup(distclass=WithData)
