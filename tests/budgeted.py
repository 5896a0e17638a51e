"""What the tests of real kernels under budgets share: a GPU that is always held, so that a second of a kernel's life is
a GPU-second, and a budget of so many of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import ALL, Kernel

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.store import Ledger

Start = Callable[..., Kernel]
BUSY = "import time\nend = time.time() + {}\nwhile time.time() < end: pass"


@pytest.fixture
def path(home: Path) -> Path:
    return home / "simulated.sqlite"


@pytest.fixture
def written(path: Path) -> Ledger:
    return open_ledger(path)


@pytest.fixture
def start(start_kernel: Start, home: Path, path: Path) -> Start:
    """Starts kernels that hold a GPU all the time."""
    held = {"uuid": "SIM-0", "name": "Simulated", "segments": [{"seconds": 1, "power_w": 100, "used_bytes": 1e9}]}
    trace = home / "trace.json"
    trace.write_text(json.dumps({"devices": [held]}))
    return lambda **env: start_kernel(
        **{"JUPYTER_COSTMETER_REPLAY": str(trace), "JUPYTER_COSTMETER_LEDGER": str(path), **env}
    )


def budget(home: Path, seconds: float, hold: str = "warn", name: str = "quota", **more: object) -> None:
    """So many GPU-seconds for the project."""
    rows = {"gpu_hours": seconds / 3600, "hold": hold, "name": name, **more}
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in rows.items())
    (home / "jupyter_costmeter.toml").write_text(f"[[budget]]\n{text}\n")


def spent_s(ledger: Ledger) -> float:
    """GPU-seconds in the ledger."""
    total = ledger.summary(ALL).total("gpu_reserved_s")
    assert total is not None
    return total.value or 0.0


def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in ledger.events(0.0)]
