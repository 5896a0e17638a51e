"""A process of its own that meters simulated GPUs with the unmodified pynvml."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

LOOP = """
import base64, os, pickle, sys
from jupyter_costmeter import accounting
from jupyter_costmeter.sensors import nvml
scope = {"os": os, "sys": sys, "nvml": nvml, "accounting": accounting}
for line in sys.stdin:
    text = base64.b64decode(line).decode()
    try:
        try:
            code = compile(text, "probe", "eval")
        except SyntaxError:
            code = compile(text, "probe", "exec")
        answer = True, eval(code, scope)
    except BaseException as error:
        answer = False, repr(error)
    print(base64.b64encode(pickle.dumps(answer)).decode(), flush=True)
"""


class Probe:
    """A Python process with ``nvml`` (our module) in scope."""

    def __init__(self, env: dict[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
        root = str(Path(__file__).parents[2])
        env = {**kept, "PYTHONPATH": root, **env}
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, code: str) -> Any:
        """What the expression gives there (or ``None``, of statements). Anything raised there is a failure."""
        assert self._process.stdin
        assert self._process.stdout
        print(base64.b64encode(code.encode()).decode(), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the probe died with {self._process.wait()}"
        fine, value = pickle.loads(base64.b64decode(answer))
        assert fine, value
        return value

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)


def opened(probe, sim, **env):
    """A process with an open sensor, and what opening said."""
    there = probe(sim, **env)
    return there, there.ask("sensor.open()")


def devices(there):
    return there.ask("[c.device for c in sensor.channels]")


def assert_only_a_reason(there, words, absent):
    """One channel without a value says why, so that a record does."""
    (channel,) = there.ask("sensor.channels")
    assert channel.name == "gpu_energy_j"
    assert channel.provenance.method is None
    assert words in channel.provenance.reason
    assert channel.provenance.absent is absent
    assert there.ask("sensor.read()") == (None,)
    assert there.ask("sensor.observe()") == ()
