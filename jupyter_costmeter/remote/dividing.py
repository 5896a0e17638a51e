"""A process's usage among those that its threads worked for, pure: by thread-seconds.

What no counter tells apart is divided so that the parts add up to the whole, and is ``modelled`` from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import hypot
from typing import TypeVar

from ..record import SUMMED, Figure, Usage

Whose = TypeVar("Whose")
#: Tasks of one process need not draw alike: how far a part by seconds may be off.
UNEVEN = 0.3
HOW = "by the seconds of its tasks' threads"


def divided(usage: Usage, seconds: Mapping[Whose, float]) -> dict[Whose, tuple[Figure, ...]]:
    """Each one's figures: sums are divided, high-water marks are everybody's.

    Args:
        usage: of the whole process.
        seconds: that threads worked for each.
    """
    whole = sum(seconds.values())
    parts = {who: s / whole if whole > 0 else 1.0 / len(seconds) for who, s in seconds.items()}
    return {who: tuple(_part(figure, part) for figure in usage.figures) for who, part in parts.items()}


def _part(figure: Figure, part: float) -> Figure:
    if figure.name not in SUMMED or figure.value is None or part == 1.0:
        return figure
    origin = figure.provenance
    width = hypot(origin.uncertainty or 0.0, UNEVEN)
    method = "modelled" if origin.method == "measured" else origin.method
    return replace(
        figure,
        value=figure.value * part,
        provenance=replace(origin, method=method, source=f"{origin.source}; {HOW}", uncertainty=width),
    )
