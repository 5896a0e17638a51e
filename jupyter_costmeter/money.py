"""What hours and kWh cost: by a lab's own tariffs, and the same on a cloud, pure (FACTS §3, docs/money.md).

All arithmetic is decimal. Products and sums are exact and rounded once, so a bill does not depend on the order or
grouping of what it is for, nor on the decimal context of the thread, which in a kernel is the user's. Bills of
several currencies are several bills: there is no sum of bills here, on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cache, partial
from math import isfinite
from typing import Literal, NamedTuple, TypeVar

from . import currencies, format
from .accounting import weakest
from .clouds import CloudPrice, price_for
from .derived import Bill, Line
from .factors import PRICE_UNITS, PriceUnit, Quantity
from .record import Method
from .tariffs import NAMES, Tariff, machine, matched
from .uncertain import Term, half_width, weakest_of

_Key = TypeVar("_Key")
#: Wide enough for the sum of the largest and the smallest float, times a price: it never has to round.
EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow])
#: What amounts are rounded to, once.
ROUNDED = Context(prec=28, rounding=ROUND_HALF_EVEN)


def bills(quantities: Iterable[Quantity], tariffs: Sequence[Tariff]) -> tuple[Bill, ...]:
    """What the lab charges: a bill for each currency, by its code.

    What no row prices is not in the bill. It makes the bill a lower bound only if some row of that currency has a
    price for that unit: a lab that does not price CPU-hours at all has complete bills without them.
    """
    drafts = {code: _Draft() for code in sorted({t.currency for t in tariffs})}
    find = cache(partial(matched, tuple(tariffs)))
    for q in quantities:
        match = find(q.unit, q.host, q.partition, q.gpu, q.day)
        if match.tariff is not None:
            drafts[match.tariff.currency].add(q, match.tariff.prices[q.unit], match.tariff.origin, q.method)
            continue
        for code in {t.currency for t in tariffs if q.unit in t.prices}:
            drafts[code].lack(q, match.why)
    return tuple(draft.bill("own", code) for code, draft in drafts.items() if draft)


class _Offer(NamedTuple):
    provider: str
    currency: str
    as_of: date


def cloud_bill(quantities: Iterable[Quantity], prices: Sequence[CloudPrice]) -> tuple[Bill, ...]:
    """What the same GPU-hours would cost on a cloud: a bill for each provider, currency and date of prices.

    Each is a lower bound where it has no price for some of the GPUs. One that has a price for none of them is left
    out, unless there is no other.

    Args:
        quantities: only GPU-hours count; a cloud's price of them has the machine around the GPU in it.
        prices: the user's and the shipped ones: ``clouds.prices(declared)``.
    """
    hours = [q for q in quantities if q.unit == "gpu_hour"]
    found = [bill for offer in _offers(prices) if (bill := _offered(hours, offer, prices)) is not None]
    return tuple([bill for bill in found if bill.amount is not None] or found)


def _offers(prices: Sequence[CloudPrice]) -> Iterator[_Offer]:
    yield from sorted({_Offer(p.provider, p.currency, p.as_of) for p in prices})


def _offered(hours: Sequence[Quantity], offer: _Offer, prices: Sequence[CloudPrice]) -> Bill | None:
    own = [p for p in prices if (p.provider, p.currency, p.as_of) == offer]
    find = cache(partial(price_for, own))
    draft = _Draft()
    for q in hours:
        price, why = find(q.gpu)
        if price is not None:
            draft.add(q, price.gpu_hour, price.described, weakest("modelled", q.method))
        else:
            draft.lack(q, f"{offer.provider}, {offer.as_of}: {why}")
    return draft.bill("cloud", offer.currency, offer.provider, offer.as_of) if draft else None


class _Draft:
    """A bill while it is added up: amounts by line, costs by what their errors come from."""

    def __init__(self) -> None:
        self._amounts: dict[tuple[PriceUnit, str, Decimal], Decimal] = {}
        self._costs: dict[tuple[Method | None, tuple[tuple[str, float], ...]], Decimal] = {}
        self._missing = 0
        self._unpriced: set[str] = set()
        self._reasons: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._amounts or self._missing or self._unpriced)

    def add(self, q: Quantity, price: Decimal, source: str, method: Method | None) -> None:
        """A quantity that has a price."""
        if not isfinite(q.amount) or q.amount < 0:
            self._unpriced.add(f"{NAMES[q.unit]}s of {machine(q.host, q.partition, q.gpu)} are not a number from 0 on")
            return
        self._missing += q.missing
        self._reasons |= {q.reason} if q.missing and q.reason else set()
        if q.missing and not q.amount:
            return  # nothing is known, which is not 0
        amount = Decimal(repr(q.amount))  # the shortest text that is this float: 0.1 is 0.1
        _increase(self._amounts, (q.unit, source, price), amount)
        _increase(self._costs, (method, tuple(sorted(q.errors.items()))), EXACT.multiply(amount, price))

    def lack(self, q: Quantity, why: str) -> None:
        """A quantity without a price; none of it costs nothing at any."""
        if q.amount or q.missing:
            self._unpriced.add(why)

    def bill(
        self,
        kind: Literal["own", "cloud"],
        currency: str,
        provider: str | None = None,
        as_of: date | None = None,
    ) -> Bill:
        terms = [Term(float(self._costs[key]), key[0], errors=dict(key[1])) for key in sorted(self._costs, key=str)]
        width = half_width(terms)
        return Bill(
            kind,
            currency,
            ROUNDED.plus(_sum(self._costs.values())) if self._costs else None,
            tuple(self._lines()),
            weakest_of(terms),
            Decimal(repr(width)) if width is not None else None,
            self._missing + len(self._unpriced),
            tuple(sorted(self._unpriced | self._reasons)),
            provider,
            as_of,
            tuple(sorted({source for _, source, _ in self._amounts})),
        )

    def _lines(self) -> Iterator[Line]:
        for key in sorted(self._amounts, key=lambda key: (PRICE_UNITS.index(key[0]), *key[1:])):
            unit, source, price = key
            amount = self._amounts[key]
            yield Line(unit, amount, price, ROUNDED.plus(EXACT.multiply(amount, price)), source)


def _increase(sums: dict[_Key, Decimal], key: _Key, by: Decimal) -> None:
    sums[key] = EXACT.add(sums.get(key, Decimal(0)), by)


def _sum(values: Iterable[Decimal]) -> Decimal:
    found = Decimal(0)
    for value in values:
        found = EXACT.add(found, value)
    return found


def text(bill: Bill) -> str:
    """``3.12 EUR ±5.0 %``; ``≥`` before a bill that lacks parts, ``~`` before one not measured, ``—`` for none."""
    if bill.amount is None:
        return "—"
    return f"{format.mark(bill)}{currencies.amount(bill.amount, bill.currency)} {_uncertainty(bill)}".strip()


def _uncertainty(bill: Bill) -> str:
    if not bill.amount or bill.half_width is None or (bill.incomplete and not bill.half_width):
        return ""
    return format.half_width(float(ROUNDED.divide(bill.half_width, bill.amount)))
