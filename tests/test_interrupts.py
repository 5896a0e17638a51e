"""Interrupts at any moment: none may leave a window open, or swallow a later cell.

In a plain IPython shell: an ipykernel, metered or not, loses replies when it is interrupted between cells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

STORM = """
import json, os, signal, threading, time
from IPython.core.interactiveshell import InteractiveShell

ip = InteractiveShell.instance()
ip.run_cell("%load_ext jupyter_costmeter")
session = ip.costmeter.session
session.ready()  # a first cell waits for the drivers: nearly all interrupts would hit that
rounds = 300
for i in range(rounds):
    timer = threading.Timer(i * 5e-6, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        ip.run_cell("pass")
        timer.join()
        time.sleep(0.001)
    except KeyboardInterrupt:
        timer.join()
time.sleep(0.05)
ip.run_cell("time_of_peace = 1")
session.flush()
last = session.cells()[-1]
print(json.dumps({
    "windows": len(session.meter.windows), "stacks": len(session._stacks), "cells": session.summary().cells,
    "last": [last.parent_id, last.outcome], "alone": last.wall_s < 0.5,
}))
"""


def test_a_storm_of_interrupts_leaves_nothing_open(home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STORM], cwd=home, env=dict(os.environ), capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["windows"] == found["stacks"] == 0
    assert found["last"] == [None, "ok"]
    assert found["alone"]
    assert found["cells"] > 250
    assert "Error in callback" not in ran.stdout
