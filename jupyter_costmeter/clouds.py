"""What a GPU-hour costs at a cloud, by provider and date, pure: for "the same on a cloud" (FACTS §3, docs/money.md).

An H100 is to be had for 3 to 12 dollars an hour, so a price without its provider, date and way of buying says nothing.
A GPU whose price, or its date, was not found is left out: a guessed price is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import currencies
from .errors import UsageError
from .tables import check_keys, text
from .tariffs import day, decimal, fits_gpu, specificity

#: Whose prices are shipped.
DEFAULT = "aws"
KEYS = ("provider", "gpu", "gpu_hour", "currency", "as_of", "model", "where", "source")
ON_DEMAND = "on demand"


@dataclass(frozen=True, slots=True)
class CloudPrice:
    """A GPU-hour's price at a provider on a day, with the part of the machine around it.

    ``gpu`` is an ``fnmatch`` pattern for the model as the driver names it, with or without its maker. ``model`` is the
    way of buying, ``where`` the provider's region; both are "" where they are not stated.
    """

    provider: str
    gpu: str
    gpu_hour: Decimal
    currency: str
    as_of: date
    model: str
    where: str
    source: str

    @property
    def described(self) -> str:
        """``on demand, us-east; Vantage export …``."""
        bought = ", ".join(filter(None, [self.model, self.where]))
        return "; ".join(filter(None, [bought, self.source]))


#: FACTS §3 gives the month of the export, and this day for the price of the A100.
AS_OF = date(2023, 11, 16)
VANTAGE = "Vantage's export of AWS prices (November 2023), as kept by boaviztapi"


def _row(gpu: str, gpu_hour: str, of: str = "") -> CloudPrice:
    source = f"{of}, by {VANTAGE}" if of else VANTAGE
    return CloudPrice(DEFAULT, gpu, Decimal(gpu_hour), "USD", AS_OF, ON_DEMAND, "us-east", source)


#: SkyPilot's catalog, and prices of other clouds, have no date in FACTS §3, so they are not here.
TABLE: tuple[CloudPrice, ...] = (
    _row("Tesla K80", "0.90"),
    _row("Tesla T4", "0.526"),
    _row("A10G", "1.006"),
    _row("Tesla V100-SXM2-16GB", "3.06"),
    _row("A100-SXM4-40GB", "4.10", "an eighth of p4d.24xlarge"),
    _row("A100-SXM4-80GB", "5.12"),
    _row("H100 80GB HBM3", "12.29", "an eighth of p5.48xlarge"),
)


def cloud_price_of(row: Mapping[str, Any], origin: str) -> CloudPrice:
    """What a user's ``[[cloud]]`` row declares.

    Raises:
        UsageError: names the key, and what is wanted; no price without its provider and date.
    """
    check_keys(row, KEYS)
    provider, gpu = (_needed(row, key, example) for key, example in (("provider", "aws"), ("gpu", "A100-SXM4-40GB")))
    gpu_hour, as_of = decimal(row, "gpu_hour"), day(row, "as_of")
    if gpu_hour is None:
        raise UsageError("gpu_hour is missing: the price of one GPU for an hour, such as 4.10")
    if as_of is None:
        raise UsageError("as_of is missing: the day on which that was the price, such as 2026-10-01")
    code = currencies.known(_needed(row, "currency", "USD"))
    source = text(row, "source") or f"declared in {Path(origin).name}"
    return CloudPrice(
        provider.lower(), gpu, gpu_hour, code, as_of, text(row, "model").strip(), text(row, "where").strip(), source
    )


def _needed(row: Mapping[str, Any], key: str, example: str) -> str:
    found = text(row, key).strip()
    if not found:
        raise UsageError(f'{key} is missing: {key} = "{example}"')
    return found


def prices(declared: Sequence[CloudPrice] = ()) -> tuple[CloudPrice, ...]:
    """The user's prices, and the shipped ones of GPUs that none of theirs is for."""
    shipped = (row for row in TABLE if not any(fits_gpu(own.gpu, row.gpu) for own in declared))
    return (*declared, *shipped)


def price_for(offered: Iterable[CloudPrice], gpu: str) -> tuple[CloudPrice | None, str]:
    """The most specific of these prices for a GPU's model, by the rule of ``tariffs``; or ``None``, and why."""
    fitting = [row for row in offered if fits_gpu(row.gpu, gpu)]
    if not fitting:
        return None, f"no price for {gpu or 'a GPU of unknown model'}: add a [[cloud]] row"
    best = max(specificity([row.gpu]) for row in fitting)
    chosen, *alike = [row for row in fitting if specificity([row.gpu]) == best]
    if any(other != chosen for other in alike):
        return None, f"several prices fit {gpu} equally well: " + ", ".join(sorted({r.source for r in fitting}))
    return chosen, ""
