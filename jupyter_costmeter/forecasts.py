"""What a cell will cost, and what that leaves of its budgets: plain records, pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .record import Total

Source = Literal["history", "progress"]
Basis = Literal["same code", "earlier versions", "progress"]


@dataclass(frozen=True, slots=True)
class Leaves:
    """What a run takes of one budget, and leaves.

    Args:
        id, title: the budget's.
        amount: what the run takes, in the budget's unit.
        left_after: what is left then; ``None`` where it is not known, as ``share_after``, the part of the limit spent.
        text: the sentence that says it.
    """

    id: str
    title: str
    amount: Total
    left_after: float | None
    share_after: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a cell will cost.

    Args:
        runs: so many last runs are its base (of ``progress``: none).
        basis: of what these were.
        device: where they ran.
        wall_s, energy_j: of one run; ``None`` where nothing is known of it.
        text: the sentence that says it.
    """

    source: Source
    runs: int
    basis: Basis
    device: str
    wall_s: Total | None
    energy_j: Total | None
    budgets: tuple[Leaves, ...]
    text: str
