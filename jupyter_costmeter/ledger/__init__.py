"""The ledger: the append-only store of cell records, and the only rooms with SQL.

Importing this package costs nothing: SQLAlchemy comes with the first look at the file, on
the writer's thread. ``Writer`` is what a kernel uses; ``open_ledger`` what readers use.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .store import Ledger

#: A record lies in so many others at most: a measured block in a trial in a cell, and one more.
DEPTH = 3

Scope = Literal["session", "notebook", "project", "called", "all"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records: a scope, and the session's id, the notebook's or project's path, what projects are ``called``."""

    scope: Scope
    key: str | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """``session 1a2b3c4d``, ``notebook train.ipynb``, ``project paper``, ``everything in the ledger``."""
        if self.scope == "session":
            return f"session {(self.key or '')[:8]}"
        if self.scope == "all":
            return "everything in the ledger"
        return f"{self.scope} {os.path.basename(self.key or '')}"


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Whether records reach the file; ``waiting`` ones are kept in memory meanwhile."""

    ok: bool
    path: str
    message: str | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """How sending to the lab's ledger goes; ``problem`` is why it did not at ``tried_at`` (seconds since 1970)."""

    address: str
    since: float
    waiting: int = 0
    sent_at: float | None = None
    tried_at: float | None = None
    problem: str | None = None


def open_ledger(path: Path, busy_s: float | None = None) -> Ledger:
    """The ledger in that file, which need not exist yet.

    Args:
        path: of the file.
        busy_s: seconds to wait for another process that writes it; as long as writing may take unless said.
    """
    from .store import Ledger

    return Ledger(path, busy_s)
