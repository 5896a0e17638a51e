"""What files of assumptions say."""

from __future__ import annotations

from pathlib import Path

from jupyter_costmeter.assumptions import Assumptions, load

NOW = 1_790_000_000.0


def of(path: Path, text: str) -> Assumptions:
    path.write_text(text, encoding="utf-8")
    return load()


def region(found: Assumptions, host: str = "box", at: float = NOW) -> str | None:
    placed = found.place(host, at)
    return placed.region if placed else None
