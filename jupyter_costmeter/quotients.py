"""How many times as much: one total over another, with what is known of it, pure.

A total that lacks parts is a lower bound, and what is divided by it, or divides it, is bounded on one side only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, log
from typing import Literal

from .accounting import weakest
from .amounts import added
from .comparison import points_per_decade, tuning_multiplier
from .record import Method, Total

#: Exact but for errors; at least; at most; of two lower bounds, so it may be more or less.
Bound = Literal["", "≥", "≤", "?"]
TURNED: dict[Bound, Bound] = {"": "", "≥": "≤", "≤": "≥", "?": "?"}
NO_MORE = "it took no more compute, so there is no rate of points for more"
NO_TELLING = "by the errors of the two it may have taken no more compute, so there is no rate of points for more"


@dataclass(frozen=True, slots=True)
class Quotient:
    """One amount over another, or what follows of it.

    ``value`` is ``None`` where ``reason`` says why; ``half_width`` is relative; ``bound`` says on which side it is
    certain.
    """

    value: float | None
    bound: Bound = ""
    method: Method | None = None
    half_width: float | None = None
    reason: str | None = None


def unknown(reason: str) -> Quotient:
    """Not known, for that reason."""
    return Quotient(None, reason=reason)


def quotient(above: Total, below: Total, names: tuple[str, str]) -> Quotient:
    """``above / below``; ``names`` say whose they are, for the reason where there is none.

    Its errors are those of two independent totals (FACTS §4): of one device much of both is the same and cancels, so
    the half-width is rather too wide.
    """
    for total, name in zip((above, below), names, strict=True):
        if total.value is None:
            return unknown(f"{name}: {'; '.join(total.reasons) or 'not measured'}")
    if not below.value:
        return unknown(f"{names[1]}: {'nothing of it could be read' if below.missing else 'took none'}")
    bound = _bound(above, below)
    widths = [_relative(total) for total in (above, below)]
    return Quotient(
        (above.value or 0.0) / below.value,
        bound,
        weakest(above.method, below.method),
        None if None in widths else hypot(*(width or 0.0 for width in widths)),
        "both are lower bounds" if bound == "?" else None,
    )


def _bound(above: Total, below: Total) -> Bound:
    if above.missing:
        return "?" if below.missing else "≥"
    return "≤" if below.missing else ""


def _relative(total: Total) -> float | None:
    """``None``: not known; nothing of something is exact."""
    if not total.value:
        return 0.0
    return None if total.uncertainty is None else total.uncertainty / total.value


def left(whole: Total, part: Total) -> Total:
    """What is left of a whole beside a part of it; never less than nothing. Its relative error is the whole's."""
    if whole.value is None or part.value is None:
        return whole
    value, missing = max(0.0, whole.value - part.value), max(0, whole.missing - part.missing)
    width = whole.uncertainty
    if width is not None and whole.value:
        width *= value / whole.value
    return replace(whole, value=value, missing=missing, uncertainty=width)


def multiplier(final: Total, others: Sequence[Total], name: str) -> Quotient:
    """All runs over the final one (FACTS §6.3). The final's own errors cancel: they are in both."""
    if not others and final.value:
        return Quotient(1.0, method=final.method, half_width=0.0)
    rest = added(others) if others else final
    found = quotient(rest, final, (name, name))
    if found.value is None or not final.value:
        return found
    value = tuning_multiplier(final.value + (rest.value or 0.0), final.value)
    width = None if found.half_width is None else found.half_width * found.value / value
    return replace(found, value=value, half_width=width)


def per_decade(gain: float, ratio: Quotient) -> Quotient:
    """Points for ten times the compute (FACTS §6.15), from a gain in points and a ratio of compute.

    A ratio that is at least so much makes a gain's rate at most so much, and a loss's at least.
    """
    if ratio.value is None or ratio.bound == "?":
        return unknown(ratio.reason or "the ratio is not known")
    if ratio.value <= 1:
        return unknown("the ratio is a lower bound, which is not above 1" if ratio.bound == "≥" else NO_MORE)
    if ratio.half_width and ratio.value <= 1 + ratio.half_width:
        return unknown(NO_TELLING)
    rate = points_per_decade(gain, ratio.value)
    bound = TURNED[ratio.bound] if gain >= 0 else ratio.bound
    width = None if ratio.half_width is None else ratio.half_width / log(ratio.value)
    return Quotient(rate, bound, ratio.method, width)
