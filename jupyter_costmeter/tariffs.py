"""A lab's own prices: rows of a TOML file, which of them is meant for a machine, and why, pure (docs/money.md).

A row fits a machine if each of its patterns does. For each unit, of the rows that have a price for it and fit:

1. A row is not used before its ``valid_from``; of rows with the same three patterns the newest valid one is used.
2. Then the most specific one is used: the one with more names spelled out, then the one with more wildcard patterns,
   then the one whose patterns have more letters that are no wildcards. "" says nothing and does not count.
3. Where two rows are as specific as each other there is no price: neither the first nor the cheaper is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from . import currencies
from .errors import UsageError
from .factors import PRICE_UNITS, PriceUnit
from .tables import check_keys, text

NAMES: dict[PriceUnit, str] = {"gpu_hour": "GPU-hour", "cpu_hour": "CPU-hour", "gb_hour": "GB-hour", "kwh": "kWh"}
PATTERNS = ("host", "partition", "gpu")
#: What a price per GPU-hour follows from, where the machines' own cost is declared.
CAPEX = ("capex", "gpus", "life_years", "use")
OVERHEAD = "overhead_per_gpu_hour"
KEYS = ("match", *PRICE_UNITS, *CAPEX, OVERHEAD, "currency", "valid_from", "basis", "note")
HOURS_PER_YEAR = Decimal(8760)
#: More than bills are rounded to, so that a quotient's rounding is not seen in them.
QUOTIENT = Context(prec=50, rounding=ROUND_HALF_EVEN)
NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
#: A price of more digits before the point, or after it, is a slip.
DIGITS = (15, 40)
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

MAKER = re.compile(r"^(nvidia|amd) ")
SERIES = re.compile(r"^(tesla|instinct) ")
SLICE = re.compile(r"\bmig\b")
WILD = re.compile(r"\[[^]]*\]|[*?]")


@dataclass(frozen=True, slots=True)
class Tariff:
    """One row: prices per hour (or kWh) in one currency, and of which machines.

    The patterns are those of ``fnmatch``, "" is any. ``basis`` says what the price rests on; ``origin`` is the file
    and line.
    """

    host: str
    partition: str
    gpu: str
    prices: Mapping[PriceUnit, Decimal]
    currency: str
    valid_from: date | None = None
    basis: str = ""
    note: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The row that has the price; ``None`` where there is none, or no telling which. ``why`` is for people."""

    tariff: Tariff | None
    why: str


class Checked(NamedTuple):
    """One line of ``jupyter costmeter rates check``."""

    machine: str
    unit: str
    price: str
    row: str
    why: str


# Rows


def tariff_of(row: Mapping[str, Any], origin: str, currency: str | None) -> Tariff:
    """What a ``[[rates]]`` row declares (FACTS §3).

    Args:
        row: as a TOML parser gives it.
        origin: the file and line.
        currency: the file's, for rows without one of their own.

    Raises:
        UsageError: names the key, and what is wanted.
    """
    for key in PATTERNS:
        if key in row:
            raise UsageError(f"{key} belongs into match: match = {{{key} = {str(row[key])!r}}}")
    check_keys(row, KEYS)
    host, partition, gpu = patterns(row.get("match", {}))
    basis = text(row, "basis") or _capex_basis(row)
    return Tariff(
        host,
        partition,
        gpu,
        _prices(row),
        _currency(row, currency),
        day(row, "valid_from"),
        basis,
        text(row, "note"),
        origin,
    )


def patterns(match: object) -> tuple[str, str, str]:
    """Host, partition and GPU of ``match = {…}``; "" where nothing is said.

    Raises:
        UsageError: it is no table, or has other keys.
    """
    if not isinstance(match, Mapping):
        raise UsageError(f'match = {match!r}: it wants a table, such as {{partition = "gpu-small", gpu = "A100*"}}')
    check_keys(match, PATTERNS)
    host, partition, gpu = (text(match, key).strip() for key in PATTERNS)
    return host, partition, gpu


def _currency(row: Mapping[str, Any], of_file: str | None) -> str:
    code = row.get("currency", of_file)
    if code is None:
        raise UsageError('currency is missing: currency = "EUR" in the row, or [currency] code = "EUR" for all')
    return currencies.known(code)


def _prices(row: Mapping[str, Any]) -> dict[PriceUnit, Decimal]:
    found = {unit: price for unit in PRICE_UNITS if (price := decimal(row, unit)) is not None}
    rate = _lab_rate(row)
    if rate is not None:
        found["gpu_hour"] = rate
    if not found:
        raise UsageError(f"no price: give one of {', '.join(PRICE_UNITS)}, or {', '.join(CAPEX)}")
    return found


def _lab_rate(row: Mapping[str, Any]) -> Decimal | None:
    """The machines' price, spread over the GPU-hours in which they are in use (FACTS §3), and the overhead."""
    given = [key for key in (*CAPEX, OVERHEAD) if key in row]
    if not given:
        return None
    if "gpu_hour" in row:
        raise UsageError(f"{given[0]} and gpu_hour: give one of both; a GPU-hour's price follows from capex")
    capex, gpus, life, use = (decimal(row, key, positive=key != "capex") for key in CAPEX)
    if capex is None or gpus is None or life is None or use is None:
        lacking = ", ".join(key for key in CAPEX if key not in row)
        raise UsageError(f"{lacking} missing: a price from what machines cost wants {', '.join(CAPEX)}")
    if use > 1:
        raise UsageError(f"use = {row['use']}: it wants the share of the time in use, above 0 and up to 1")
    if gpus != int(gpus):
        raise UsageError(f"gpus = {row['gpus']}: it wants the number of GPUs that capex paid for")
    hours = QUOTIENT.multiply(QUOTIENT.multiply(gpus, life), QUOTIENT.multiply(HOURS_PER_YEAR, use))
    return QUOTIENT.add(QUOTIENT.divide(capex, hours), decimal(row, OVERHEAD) or Decimal(0))


def _capex_basis(row: Mapping[str, Any]) -> str:
    if "capex" not in row:
        return ""
    overhead = f" + {row[OVERHEAD]}" if OVERHEAD in row else ""
    capex, gpus, life, use = (row.get(key) for key in CAPEX)
    return f"capex {capex} / ({gpus} GPUs × {life} years × {HOURS_PER_YEAR} h × {use} in use){overhead}"


def decimal(row: Mapping[str, Any], key: str, positive: bool = False) -> Decimal | None:
    """The number as it is written (0.1 is 0.1), from a TOML number or text; ``None`` where the key is not there.

    Raises:
        UsageError: it is no number, or below zero (or zero, if it must be ``positive``).
    """
    value = row.get(key)
    if value is None:
        return None
    written = str(value).strip()
    found = Decimal(written) if isinstance(value, (int, float, str, Decimal)) and NUMBER.fullmatch(written) else None
    if found is None or _far_off(found) or (positive and not found):
        raise UsageError(f"{key} = {value!r}: it wants a number {'above 0' if positive else 'from 0 on'}, such as 0.55")
    return found


def _far_off(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return bool(value) and (value.adjusted() >= DIGITS[0] or not isinstance(exponent, int) or exponent < -DIGITS[1])


def day(row: Mapping[str, Any], key: str) -> date | None:
    """A TOML date, or the same in quotes; ``None`` where the key is not there.

    Raises:
        UsageError: it is something else, a date with a time among them.
    """
    value = row.get(key)
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        if isinstance(value, str) and ISO_DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass  # such as 2026-02-30
    raise UsageError(f"{key} = {str(value)!r}: it wants a day, such as 2026-10-01")


# Matching


def fits(pattern: str, name: str) -> bool:
    """Whether a name has that pattern; "" is any, and a pattern never fits where there is no name."""
    return not pattern or (bool(name) and (pattern == name or fnmatchcase(name, pattern)))


#: How the names of simulated GPUs end: they are priced as what they stand for.
SIMULATED = " (simulated)"


def fits_gpu(pattern: str, model: str) -> bool:
    """The same for a GPU's model, whatever its case, with or without its maker: "A100*" is "NVIDIA A100-SXM4-40GB".

    A slice of a GPU (MIG) is another thing than the GPU, so only a pattern with "MIG" in it names one.
    """
    pattern, whole = pattern.lower(), model.lower().removesuffix(SIMULATED)
    if pattern and SLICE.search(whole) and not SLICE.search(pattern):
        return False
    short = MAKER.sub("", whole)
    return any(fits(pattern, name) for name in (whole, short, SERIES.sub("", short)))


def specificity(said: Iterable[str]) -> tuple[int, int, int]:
    """How much patterns say: names spelled out, wildcard patterns, letters that are no wildcards."""
    there = [pattern for pattern in said if pattern]
    wild = sum(bool(WILD.search(pattern)) for pattern in there)
    return len(there) - wild, wild, sum(len(WILD.sub("", pattern)) for pattern in there)


def matched(tariffs: Sequence[Tariff], unit: PriceUnit, host: str, partition: str, gpu: str, day: date) -> Match:
    """The row that prices that unit on that machine and day, by the rule at the head of this module."""
    priced = sorted((t for t in tariffs if unit in t.prices), key=lambda t: t.origin)
    if not priced:
        return Match(None, f"no row has a price per {NAMES[unit]}")
    lacks = f"no price per {NAMES[unit]} for {machine(host, partition, gpu)}"
    fitting = [t for t in priced if _fits(t, host, partition, gpu)]
    if not fitting:
        return Match(None, f"{lacks}: add a row to {_file(priced[0])}")
    valid = [t for t in fitting if _from(t) <= day]
    if not valid:
        first = min(fitting, key=_from)
        return Match(None, f"{lacks}: {_line(first, fitting)} ({_said(first)}) is not valid yet")
    return _chosen(valid, lacks)


def _chosen(valid: Sequence[Tariff], lacks: str) -> Match:
    """Of rows that fit, rules 1 to 3."""
    newest = [t for t in valid if not any(_triple(o) == _triple(t) and _from(o) > _from(t) for o in valid)]
    best = max(map(_rank, newest))
    chosen, *alike = [t for t in newest if _rank(t) == best]
    if all(other == chosen for other in alike):
        return Match(chosen, _why(chosen, valid))
    both = " and ".join(sorted(f"{t.origin} ({_said(t)})" for t in (chosen, *alike)))
    return Match(None, f"{lacks}: {both} fit equally well: make one of them more specific")


def machine(host: str, partition: str, gpu: str) -> str:
    """``host gpu07, partition gpu-small, NVIDIA A100-SXM4-40GB``."""
    named = [f"host {host}" if host else "", f"partition {partition}" if partition else "", gpu]
    return ", ".join(filter(None, named)) or "a machine without a name"


def _fits(tariff: Tariff, host: str, partition: str, gpu: str) -> bool:
    """Hosts are alike in any case, as they are in DNS; partitions are not, as in SLURM."""
    there = fits(tariff.host.lower(), host.lower()) and fits(tariff.partition, partition)
    return there and fits_gpu(tariff.gpu, gpu)


def _triple(tariff: Tariff) -> tuple[str, str, str]:
    return tariff.host.lower(), tariff.partition, tariff.gpu.lower()


def _rank(tariff: Tariff) -> tuple[int, int, int]:
    return specificity(_triple(tariff))


def _from(tariff: Tariff) -> date:
    return tariff.valid_from or date.min


# Words


def _why(chosen: Tariff, valid: Sequence[Tariff]) -> str:
    """Why that row, in words: what it says, and which rows gave way to it."""
    older = [t for t in valid if _triple(t) == _triple(chosen) and _from(t) < _from(chosen)]
    vaguer = [t for t in valid if _triple(t) != _triple(chosen)]
    reasons = [f"{_line(chosen, valid)}: {_said(chosen)}"]
    if older:
        reasons.append(f"newer than {_line(max(older, key=_from), valid)}")
    if vaguer:
        second = max(vaguer, key=lambda t: (_rank(t), _from(t), t.origin))
        reasons.append(f"more specific than {_line(second, valid)} ({_said(second)})")
    return "; ".join(reasons if len(reasons) > 1 else [*reasons, "no other row fits"])


def _said(tariff: Tariff) -> str:
    named = [("gpu", tariff.gpu), ("partition", tariff.partition), ("host", tariff.host)]
    what = " and ".join(f"{key} {pattern}" for key, pattern in named if pattern) or "any"
    return f"{what}, from {tariff.valid_from}" if tariff.valid_from else what


def _line(tariff: Tariff, among: Iterable[Tariff]) -> str:
    """``line 12``, or the whole origin where rows come from several files."""
    number = tariff.origin.rpartition(":")[2]
    alone = len({_file(t) for t in among}) == 1 and number.isdecimal()
    return f"line {number}" if alone else tariff.origin


def _file(tariff: Tariff) -> str:
    path, _, number = tariff.origin.rpartition(":")
    return path if number.isdecimal() else tariff.origin


def checked(tariffs: Sequence[Tariff], machines: Iterable[tuple[str, str, str, date]]) -> list[Checked]:
    """Which row prices what on machines (host, partition, GPU, day), and why: a table's rows.

    Units that no row has a price for are left out, and GPU-hours of a machine without a GPU.
    """
    units = [unit for unit in PRICE_UNITS if any(unit in t.prices for t in tariffs)]
    found = []
    for host, partition, gpu, on in dict.fromkeys(machines):
        for unit in units:
            if gpu or unit != "gpu_hour":
                match = matched(tariffs, unit, host, partition, gpu, on)
                found.append(_checked(match, machine(host, partition, gpu), unit))
    return found


def _checked(match: Match, name: str, unit: PriceUnit) -> Checked:
    if match.tariff is None:
        return Checked(name, NAMES[unit], "—", "—", match.why)
    price = currencies.price(match.tariff.prices[unit], match.tariff.currency)
    return Checked(name, NAMES[unit], price, match.tariff.origin, match.why)
