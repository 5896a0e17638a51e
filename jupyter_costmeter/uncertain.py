"""How the errors of sums of products add up, pure (FACTS §4): independent parts in quadrature, common-mode linear.

A product's relative errors are each from something: an energy counter, a grid's intensity, the PUE. In a sum of
products, errors from the same thing move together and add up linearly; those of different things do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, hypot, isnan
from operator import mul

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


class Adding:
    """Adds up terms that differ from others by their values alone: what is the same each time is looked at once.

    Args:
        terms: their values do not count; the methods below are given those, one for each term in that order.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self._measured = [term.measured for term in terms]
        self._unknown = [i for i, term in enumerate(terms) if any(map(isnan, term.errors.values()))]
        self._sources = tuple(dict.fromkeys(source for term in terms for source in term.sources))
        causes: dict[str, list[tuple[int, float]]] = {}
        methods: dict[Method, list[int]] = {}
        for i, term in enumerate(terms):
            for cause, relative in term.errors.items():
                causes.setdefault(cause, []).append((i, 0.0 if isnan(relative) else relative))
            if term.method is not None:
                methods.setdefault(term.method, []).append(i)
        self._known = bool(causes)
        self._own = [found[0] for found in causes.values() if len(found) == 1]
        self._common = [found for found in causes.values() if len(found) > 1]
        self._methods = methods
        self._one = next((method for method, found in methods.items() if len(found) == len(terms)), None)

    def half_width(self, values: Sequence[float], whole: float) -> float | None:
        """As the function of that name says; ``whole`` is the values' sum."""
        unknown = fsum([values[i] for i in self._unknown]) if self._unknown else 0.0
        if not self._known or (unknown and unknown >= WEAKENS * whole):
            return None
        widths = [values[i] * relative for i, relative in self._own]
        widths += [fsum([values[i] * relative for i, relative in found]) for found in self._common]
        return hypot(*sorted(widths))

    def weakest(self, values: Sequence[float], whole: float) -> Method | None:
        """As ``weakest_of`` says."""
        if self._one is not None and whole >= 0:
            return self._one
        sums = {method: sum([values[i] for i in found]) for method, found in self._methods.items()}
        return weakest(*[method for method, value in sums.items() if not whole or value >= WEAKENS * whole])

    def total(
        self, name: str, unit: str, values: Sequence[float], missing: int = 0, reasons: Sequence[str] = ()
    ) -> Total:
        """As the function of that name says."""
        whole = fsum(values)
        measured = fsum(map(mul, values, self._measured)) / whole if whole else None
        width, why = self.half_width(values, whole), tuple(dict.fromkeys(reasons)) if reasons else ()
        method, value = self.weakest(values, whole), whole if values else None
        return Total(name, unit, value, method, measured, missing, width, self._sources, why)


def half_width(terms: Sequence[Term]) -> float | None:
    """The absolute half-width of a sum.

    ``None`` where no term knows any error, or where terms of 10 % or more of the sum have one that is not a number:
    theirs is not known.
    """
    values = [term.value for term in terms]
    return Adding(terms).half_width(values, fsum(values))


def weakest_of(terms: Sequence[Term]) -> Method | None:
    """The weakest method of any terms that are together 10 % or more of the sum."""
    values = [term.value for term in terms]
    return Adding(terms).weakest(values, fsum(values))


def total(name: str, unit: str, terms: Sequence[Term], missing: int = 0, reasons: Sequence[str] = ()) -> Total:
    """The terms' sum as a total, whose ``missing`` windows lack the figure; without terms it is not measured.

    It does not depend on the terms' order: sums are exact before they are rounded once.
    """
    return Adding(terms).total(name, unit, [term.value for term in terms], missing, reasons)
