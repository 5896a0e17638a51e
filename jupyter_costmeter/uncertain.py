"""How the errors of sums of products add up, pure (FACTS §4): independent parts in quadrature, common-mode linear.

A product's relative errors are each from something: an energy counter, a grid's intensity, the PUE. In a sum of
products, errors from the same thing move together and add up linearly; those of different things do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, hypot, isnan

from .accounting import WEAKENS, weakest
from .record import Method, Total


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: a product of figures and factors.

    ``measured`` is the share of it (0 to 1) that rests on measured energy; ``errors`` are relative half-widths by
    what they come from (not a number: not known); ``method`` is the weakest of its figures' and factors'.
    """

    value: float
    method: Method | None
    measured: float = 0.0
    errors: Mapping[str, float] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


def half_width(terms: Sequence[Term]) -> float | None:
    """The absolute half-width of a sum.

    ``None`` where no term knows any error, or where terms of 10 % or more of the sum have one that is not a number:
    theirs is not known.
    """
    unknown = fsum(term.value for term in terms if any(map(isnan, term.errors.values())))
    by_cause: dict[str, list[float]] = {}
    for term in terms:
        for cause, relative in term.errors.items():
            by_cause.setdefault(cause, []).append(0.0 if isnan(relative) else term.value * relative)
    if not by_cause or (unknown and unknown >= WEAKENS * fsum(term.value for term in terms)):
        return None
    return hypot(*sorted(map(fsum, by_cause.values())))


def weakest_of(terms: Sequence[Term]) -> Method | None:
    """The weakest method of any terms that are together 10 % or more of the sum."""
    whole = fsum(term.value for term in terms)
    found: dict[Method, float] = {}
    for term in terms:
        if term.method is not None:
            found[term.method] = found.get(term.method, 0.0) + term.value
    return weakest(*(method for method, value in found.items() if not whole or value >= WEAKENS * whole))


def total(name: str, unit: str, terms: Sequence[Term], missing: int = 0, reasons: Sequence[str] = ()) -> Total:
    """The terms' sum as a total, whose ``missing`` windows lack the figure; without terms it is not measured.

    It does not depend on the terms' order: sums are exact before they are rounded once.
    """
    value = fsum(term.value for term in terms)
    measured = fsum(term.value * term.measured for term in terms) / value if value else None
    return Total(
        name,
        unit,
        value if terms else None,
        weakest_of(terms),
        measured,
        missing,
        half_width(terms),
        tuple(dict.fromkeys(source for term in terms for source in term.sources)),
        tuple(dict.fromkeys(reasons)),
    )
