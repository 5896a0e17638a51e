"""How fast a cell computed, as people read it: a headline, and the lines below its FLOPs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import breakdown
from .format import percent, quantity, total_text
from .rates import Rates
from .record import Total


def headline(totals: Sequence[Total], rates: Rates | None) -> list[str]:
    """``3.1 TFLOP bf16 · 41 % of peak · 0.9 kJ``; nothing where no FLOPs were counted."""
    by_name = {total.name: total for total in totals}
    flops, energy = by_name.get("flops"), by_name.get("energy_j")
    if flops is None or flops.value is None:
        return []
    parts = [" ".join([total_text(flops), *breakdown.precision(totals)])]
    if rates is not None and rates.mfu_wall is not None:
        parts.append(f"{_at_least(rates.mfu_bound, rates.mfu_wall)} of peak")
    return [" · ".join([*parts, *([total_text(energy)] if energy else [])])]


def _bound(bound: str) -> str:
    return f"{bound} " if bound else ""


def _at_least(bound: str, share: float) -> str:
    """A share that may be a lower bound: at least less than 1 % is more than none."""
    text = percent(share)
    return "> 0 %" if bound and text.startswith("<") else f"{_bound(bound)}{text}"


def lines(rates: Rates) -> Iterator[list[str]]:
    """How fast, how near to the most that the devices can, and for how much."""
    bound = _bound("≥" if rates.incomplete else "")
    speeds = (
        ("per second", rates.flops_per_s_wall, rates.wall_method, "of wall time"),
        ("per second of busy GPU", rates.flops_per_s_busy, rates.busy_speed_method, "by the GPU time that was busy"),
    )
    for name, speed, method, source in speeds:
        if speed is not None:
            yield [f"· {name}", f"{bound}{quantity(speed, 'FLOP/s')}", "", method or "", source]
    if rates.mfu_wall is None:
        yield ["· of peak (MFU)", "—", "", "not known", rates.why or ""]
    else:
        yield ["· of peak (MFU)", _share_of_peak(rates), "", rates.method or "", rates.source or ""]
    if rates.flops_per_j is not None:
        value = f"{_bound(rates.per_j_bound)}{quantity(rates.flops_per_j, 'FLOP/J')}"
        yield ["· per joule", value, "", rates.per_j_method or "", ""]


def _share_of_peak(rates: Rates) -> str:
    """Of the wall time, and of the time in which the GPU was busy."""
    busy = rates.mfu_busy
    of_busy = f" ({_at_least(rates.mfu_bound, busy)} when busy)" if busy is not None else ""
    return f"{_at_least(rates.mfu_bound, rates.mfu_wall or 0.0)}{of_busy}"
