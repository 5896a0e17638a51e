"""A ledger as a monitoring system sees it: looked at when it is asked, by several threads one after the other."""

from __future__ import annotations

import threading
from pathlib import Path

from .budgets import Plans
from .costing import Costing
from .ledger import Selection, open_ledger
from .ledger.file import identity
from .metrics import Family, Marks, families
from .running import Kernels

ALL = Selection("all")


class Monitor:
    """All that a ledger holds, what runs now in its kernels, and its budgets.

    Args:
        path: its file need not exist yet.
        plans: the budgets that may be declared.
        costing: what derives costs outside of all projects.
    """

    def __init__(self, path: Path, plans: Plans, costing: Costing) -> None:
        self._lock, self._marks = threading.Lock(), Marks()
        self._ledger = open_ledger(path)
        self._kernels = Kernels(self._ledger, ALL, plans, costing)

    def families(self) -> list[Family]:
        """The metrics of now.

        Raises:
            LedgerError: it cannot be read.
        """
        with self._lock:
            with self._ledger.at_once():
                held, now = self._ledger.metered(), self._kernels.now()
            verdicts = self._kernels.verdicts(one.project for one in held)
            return self._marks.keep(identity(self._ledger.path), families(held, now, verdicts))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._kernels.close()
