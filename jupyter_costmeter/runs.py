"""A run while it is metered, and what listeners are told of runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .meter import Window
from .record import CellRecord, Outcome, Total, Usage

if TYPE_CHECKING:
    from .reach import Code


@dataclass(slots=True, eq=False)
class Run:
    """A cell's run (or a ``measure`` block) while it is metered."""

    window: Window
    seq: int
    thread: int
    code: str | None = None
    cell_id: str | None = None
    execution_count: int | None = None
    label: str | None = None
    outcome: Outcome = "ok"
    error_type: str | None = None
    parent: Run | None = None
    seen: Usage | None = None  # at the last tick
    record: CellRecord | None = None  # once settled
    reach: Code | None = None  # what code ran, where that is not a cell's


@dataclass(frozen=True, slots=True)
class Event:
    """What listeners are told: what runs now (with its power), and what has just ended."""

    running: tuple[tuple[CellRecord, Total | None], ...]
    closed: tuple[CellRecord, ...]


def code_hash(code: str | None) -> str | None:
    """SHA-256 of a cell's source: what ran, without keeping it."""
    return None if code is None else hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def clean(text: str | None) -> str | None:
    """A lone surrogate can neither be stored nor sent."""
    return text if text is None else text.encode("utf-8", "backslashreplace").decode()
