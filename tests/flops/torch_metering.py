"""What the tests of torch's FLOPs share."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import jupyter_costmeter
from jupyter_costmeter.flops.counts import between
from jupyter_costmeter.flops.torch_flops import COUNTS

#: The package as this process has it: a copy of it is tested as a whole.
PACKAGE = Path(jupyter_costmeter.__file__).parents[1]


@pytest.fixture
def held() -> Iterator[Any]:
    """Torch's operators are seen; the kernels."""
    with metered() as kernels:
        yield kernels


@contextmanager
def metered(on: bool = True) -> Iterator[Any]:
    if not on:
        yield None
        return
    COUNTS.acquire()
    try:
        assert COUNTS.kernels is not None, COUNTS.why
        yield COUNTS.kernels
    finally:
        COUNTS.release()


class Window:
    """Counts of all threads since ``start``, without what ``count_flops`` adds to the process."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._start = COUNTS.counts.snapshot()

    @property
    def flops(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, name, _, _), n in between(self._start, COUNTS.counts.snapshot()).flops.items():
            found[name] = found.get(name, 0) + n
        return found

    @property
    def total(self) -> int:
        return sum(self.flops.values())

    @property
    def notes(self) -> set[tuple[str, str]]:
        return {(what, why) for _, what, why in between(self._start, COUNTS.counts.snapshot()).notes}


def told(run: Callable[[], Any]) -> str:
    """What a user sees of an error: its traceback from the test's own frame on."""
    try:
        run()
    except BaseException:
        return traceback.format_exc()
    raise AssertionError("it did not fail")


def python(code: str, **env: str) -> str:
    """Another interpreter's output."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), **env},
        cwd=PACKAGE,  # which comes first of all
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return ran.stdout.strip()
