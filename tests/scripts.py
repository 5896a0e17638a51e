"""Somebody's Python script, run in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def script(home: Path, text: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    (home / "work.py").write_text(text)
    return subprocess.run(
        [sys.executable, "work.py"], cwd=home, capture_output=True, text=True, check=check, timeout=60
    )
