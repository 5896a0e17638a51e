"""What more compute bought, pure (FACTS §1.2, efficiency reports; §6.3, §6.15)."""

from __future__ import annotations

from math import log10


def tuning_multiplier(all_runs: float, final_run: float) -> float:
    """How many times the final run all runs took, in GPU-hours, joules or FLOPs (Strubell et al. 2019, §4.2).

    Raises:
        ValueError: the final run took nothing.
    """
    if final_run <= 0:
        raise ValueError("the final run took nothing, so nothing is a multiple of it")
    return all_runs / final_run


def points_per_decade(gain: float, compute_ratio: float) -> float:
    """Points of a metric that ten times the compute bought: ``gain / log10(ratio)``.

    Raises:
        ValueError: the same or less compute, for which there is no such rate.
    """
    if compute_ratio <= 1:
        raise ValueError("it took no more compute, so there is no rate of points for more")
    return gain / log10(compute_ratio)
