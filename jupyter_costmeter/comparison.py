"""What more compute bought, pure (FACTS §1.2, Dodge et al. 2019 and efficiency reports; §6.3, §6.14, §6.15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, log10, sqrt


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


# The best of n runs

MANY = 200


@dataclass(frozen=True, slots=True)
class Step:
    """The best score that so many runs are expected to have, in the scores' unit.

    ``low`` and ``high`` are the mean ∓ the standard deviation, clipped to the scores that there were (FACTS §1.2).
    """

    runs: int
    expected: float
    sd: float
    low: float
    high: float


def expected_max(scores: Sequence[float], n: int) -> tuple[float, float]:
    """The mean and standard deviation of the highest of ``n`` scores, drawn at random from those that there are.

    With the N scores sorted, E = Σ v(i)·[(i/N)^n − ((i−1)/N)^n] and sd² = Σ (v(i) − E)²·[the same] (Dodge et al. 2019,
    Show Your Work; FACTS §1.2, oracle §6.14). It holds for scores of independent draws only, as of a random search.

    Args:
        scores: finite, one a run, in any order.
        n: 1 to N runs; more than there were would be a guess.

    Raises:
        ValueError: there are fewer scores than ``n``, or ``n`` is not at least 1.
    """
    count = len(scores)
    if not 1 <= n <= count:
        raise ValueError(f"the best of {n} runs cannot be told from {count}")
    ranked = sorted(scores)
    chances = [(i / count) ** n - ((i - 1) / count) ** n for i in range(1, count + 1)]
    mean = fsum(score * chance for score, chance in zip(ranked, chances, strict=True))
    mean = min(max(mean, ranked[0]), ranked[-1])  # rounding must not leave the range
    spread = fsum((score - mean) ** 2 * chance for score, chance in zip(ranked, chances, strict=True))
    return mean, sqrt(spread)


def expected_min(scores: Sequence[float], n: int) -> tuple[float, float]:
    """The same of the lowest, where less is better."""
    mean, sd = expected_max([-score for score in scores], n)
    return -mean, sd


def expected_best(scores: Sequence[float], lower: bool = False) -> tuple[Step, ...]:
    """The best that 1, 2, … N runs are expected to have, N being all that there were; ``lower``: less is better.

    Beyond ``MANY`` runs not each number of them is told: each costs as much as there are scores.
    """
    best, count = expected_min if lower else expected_max, len(scores)
    step = max(1, -(-count // MANY))
    numbers = sorted({*range(1, min(count, MANY) + 1), *range(MANY, count, step), *range(count, count + 1)} - {0})
    found = [(n, *best(scores, n)) for n in numbers]
    least, most = min(scores, default=0.0), max(scores, default=0.0)
    return tuple(Step(n, mean, sd, max(least, mean - sd), min(most, mean + sd)) for n, mean, sd in found)


# Who is beaten by nobody


def front(points: Sequence[tuple[float, float]], lower: bool = False) -> tuple[int, ...]:
    """Which ``(compute, score)`` no other beats, by a better score for no more compute or as good a one for less.

    Returns:
        Their places in ``points``, by ascending compute; those that are alike are all in it.
    """

    def badness(at: int) -> float:
        return points[at][1] if lower else -points[at][1]

    found: list[int] = []
    for at in sorted(range(len(points)), key=lambda at: (points[at][0], badness(at))):
        if not found or badness(at) < badness(found[-1]) or points[at] == points[found[-1]]:
            found.append(at)
    return tuple(found)
