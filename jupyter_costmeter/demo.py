"""``jupyter costmeter demo``: a JupyterLab with a simulated GPU, to try the product on any laptop.

Nothing of the user's is changed: the notebook, its ledger and JupyterLab's own settings lie in a
folder of the demo's, which goes with it unless the user named one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from . import config
from .errors import CostMeterError, UsageError

NOTEBOOK = Path(__file__).with_name("demo.ipynb")
#: Seconds that JupyterLab gets to shut its kernels down.
SHUTDOWN_S = 20.0


def run_demo(folder: str | None, options: Sequence[str], ledger: str | None, say: Callable[[str], None]) -> int:
    """Open JupyterLab on the demo and wait for its end; its exit code, 0 after Ctrl-C.

    Args:
        folder: where the notebook goes, and stays; ``None``: a temporary one.
        options: for ``jupyter lab``, such as ``--no-browser``.
        ledger: instead of one in the folder.
        say: tells the user something.

    Raises:
        UsageError: the folder cannot be written.
        CostMeterError: JupyterLab is not installed.
    """
    if find_spec("jupyterlab") is None:
        raise CostMeterError("the demo needs JupyterLab: pip install jupyterlab")
    with _folder(folder) as place:
        env = environment(place, ledger)
        say(_greeting(place, folder is None, env[config.LEDGER]))
        code = _lab(place, env, options)
    say("The demo has ended. " + (f"Its notebook stays in {place}." if folder else "Nothing is left of it."))
    return code


def environment(folder: Path, ledger: str | None = None) -> dict[str, str]:
    """What tells kernels and JupyterLab of the demo: a simulated GPU, a ledger and settings of their own."""
    own = folder / ".costmeter-demo"
    return {
        **os.environ,
        config.REPLAY: "demo",
        config.LEDGER: os.path.abspath(ledger) if ledger else str(own / "ledger.sqlite"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),  # where a budget goes, and where the computer is said to stand
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }


@contextmanager
def _folder(given: str | None) -> Iterator[Path]:
    """The folder with the notebook in it; one that the user has changed stays as it is."""
    made = None if given else tempfile.mkdtemp(prefix="costmeter-demo-")
    place = Path(given or made or ".").expanduser().resolve()
    try:
        with _explained(place):
            place.mkdir(parents=True, exist_ok=True)
            if not (place / NOTEBOOK.name).exists():
                shutil.copyfile(NOTEBOOK, place / NOTEBOOK.name)
        yield place
    finally:
        if made:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"the demo cannot be put into {place}: {error.strerror or error}") from error


def _greeting(place: Path, temporary: bool, ledger: str) -> str:
    stays = "a temporary folder" if temporary else "a folder of yours"
    return (
        f"JupyterLab opens {place / NOTEBOOK.name} ({stays}).\n"
        "The GPU is simulated: it follows what the notebook's Python does; the panel and each figure's source say so.\n"
        "Nothing of this gets into your own ledger or settings. Ctrl-C ends it.\n"
        f"In another terminal: {config.LEDGER}={shlex.quote(ledger)} jupyter costmeter top"
    )


def _lab(place: Path, env: dict[str, str], options: Sequence[str]) -> int:
    """JupyterLab in the foreground. It and we get a terminal's Ctrl-C; whoever sends us alone one ends it, too."""
    command = [sys.executable, "-m", "jupyterlab", str(place / NOTEBOOK.name), "-y", *_opened(options), *options]
    with _ended_by_signals(), subprocess.Popen(command, env=env, cwd=place) as lab:
        try:
            return lab.wait()
        except KeyboardInterrupt:
            _end(lab)
            return 0


def _opened(options: Sequence[str]) -> list[str]:
    """Who opens the printed address by hand gets the notebook, too."""
    chosen = any(option.split("=")[0].endswith(".default_url") for option in options)
    return [] if chosen else [f"--LabApp.default_url=/lab/tree/{NOTEBOOK.name}"]


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Being told to go, or a terminal that is closed, is as good as Ctrl-C: JupyterLab goes, too, and the folder."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, _interrupted) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupted(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _end(lab: subprocess.Popen[bytes]) -> None:
    """It shuts its kernels down and goes; a second Ctrl-C does not wait for that."""
    with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
        lab.terminate()
        lab.wait(SHUTDOWN_S)
    if lab.poll() is None:
        lab.kill()
