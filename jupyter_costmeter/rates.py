"""How fast one window computed, pure: FLOP/s, MFU (model FLOPs utilisation), FLOPs per joule.

MFU is the time that the counted FLOPs would have taken at the devices' peaks over the time that they took. So FLOPs
of several precisions and devices add up rightly: each at its own peak.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from .accounting import cell_totals, weakest
from .peaks import Declared, Peak, peak
from .record import COUNTED, LEADING, Figure, Method, Total, Usage

#: FLOPs without a peak below this share of all leave the MFU known.
LITTLE = 0.01
CPU = "CPU"
ONLY_LEADING = "only leading-order FLOPs were counted, and MFU takes exact counts"
#: FLOPs by device and figure's name.
Work = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of one window; what is ``None`` could not be told.

    ``flops_per_s_busy`` is what a GPU did per second in which it was busy: the GPUs' FLOPs over the sum of their busy
    seconds. ``mfu_wall`` and ``mfu_busy`` (0 to 1) are over the wall time of all devices that counted FLOPs, and over
    the busy time of their GPUs; ``why`` says why they are unknown, ``source`` whose peak they are against.
    ``method`` and ``busy_method`` are those of the MFU, ``wall_method`` and ``busy_speed_method`` those of FLOP/s.
    ``incomplete``: more was done than was counted, so all are lower bounds; ``mfu_bound`` and ``per_j_bound`` say it
    of theirs, which have other reasons, too.
    """

    flops_per_s_wall: float | None
    flops_per_s_busy: float | None
    flops_per_j: float | None
    mfu_wall: float | None = None
    mfu_busy: float | None = None
    why: str | None = None
    source: str | None = None
    method: Method | None = None
    wall_method: Method | None = None
    busy_speed_method: Method | None = None
    busy_method: Method | None = None
    per_j_method: Method | None = None
    incomplete: bool = False
    mfu_bound: Literal["", "≥"] = ""
    per_j_bound: Literal["", "≥", "≤"] = ""


def rates(usage: Usage, names: Mapping[str, str], declared: Declared) -> Rates | None:
    """The rates of one window; ``None`` where it counted no FLOPs.

    Args:
        usage: the window.
        names: the devices' names by their ids, as far as they are known ("CPU": the CPU's model).
        declared: the user's own peaks, in FLOP/s by device name and precision.
    """
    usage = replace(usage, figures=tuple(_sound(f) for f in usage.figures))
    totals = {t.name: t for t in cell_totals(usage)}
    flops = totals.get("flops")
    if flops is None or not flops.value:
        return None
    everywhere = _work(usage, (*COUNTED, *LEADING))
    on_gpus = {key: n for key, n in everywhere.items() if key[0] != CPU}
    found = Rates(
        _over(flops.value, usage.wall_s),
        _over(sum(on_gpus.values()), _busy_s(usage, _devices(on_gpus))),
        None,
        method=flops.method,
        wall_method=flops.method,
        busy_method=weakest(flops.method, *(f.method for f in _busy(usage, _devices(on_gpus)))),
        busy_speed_method=weakest(flops.method, *(f.method for f in _busy(usage, _devices(on_gpus)))),
        incomplete=flops.incomplete,
    )
    return _with_mfu(_with_energy(found, flops, totals.get("energy_j")), usage, names, declared)


def _sound(figure: Figure) -> Figure:
    """A figure that is no number, or negative, is missing."""
    bad = figure.value is not None and not (isfinite(figure.value) and figure.value >= 0)
    return replace(figure, value=None) if bad else figure


def _over(amount: float, of: float | None) -> float | None:
    if of is None or not isfinite(of) or of <= 0 or amount <= 0:
        return None
    ratio = amount / of
    return ratio if isfinite(ratio) else None


def _work(usage: Usage, names: Iterable[str]) -> Work:
    found: Work = {}
    wanted = frozenset(names)
    for figure in usage.figures:
        if figure.name in wanted and figure.value:
            key = (figure.device or "an unnamed device", figure.name)
            found[key] = found.get(key, 0.0) + figure.value
    return found


def _devices(work: Iterable[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(device for device, _ in work))


def _busy(usage: Usage, gpus: Iterable[str]) -> list[Figure]:
    found = (usage.figure("gpu_busy_s", gpu) for gpu in gpus)
    return [figure for figure in found if figure is not None]


def _busy_s(usage: Usage, gpus: list[str]) -> float | None:
    """Of all these together; ``None`` if one of them cannot tell: the others' alone would be too few seconds."""
    known = [figure.value for figure in _busy(usage, gpus) if figure.value is not None]
    return sum(known) if len(known) == len(gpus) else None


def _with_energy(found: Rates, flops: Total, energy: Total | None) -> Rates:
    """FLOPs per joule. Where both lack something their ratio is neither a lower nor an upper bound."""
    if energy is None or energy.value is None or flops.value is None or (flops.missing and energy.missing):
        return found
    return replace(
        found,
        flops_per_j=_over(flops.value, energy.value),
        per_j_method=weakest(flops.method, energy.method),
        per_j_bound="≥" if flops.missing else "≤" if energy.missing else "",
    )


# MFU


def _with_mfu(found: Rates, usage: Usage, names: Mapping[str, str], declared: Declared) -> Rates:
    work = _without_little_on_cpu(_work(usage, COUNTED))
    if not work:
        return replace(found, why=ONLY_LEADING)
    peaks = {key: _peak(usage, key, names, declared) for key in work}
    lacking = [key for key, limit in peaks.items() if limit is None]
    if sum(work[key] for key in lacking) >= LITTLE * sum(work.values()):
        return replace(found, why=_why(lacking, names))
    partly = bool(lacking) or any(device != CPU for device, _ in _work(usage, LEADING))
    found = replace(found, mfu_bound="≥" if found.incomplete or partly else "")
    slices = (_slice(usage, device) for device in _devices(work))
    found = replace(found, method=weakest(found.method, *(part.method for part in slices if part is not None)))
    return _against(found, usage, work, {key: limit for key, limit in peaks.items() if limit is not None})


def _against(found: Rates, usage: Usage, work: Work, peaks: Mapping[tuple[str, str], Peak]) -> Rates:
    """A device whose FLOPs have no peak still counts: its time was there to be used."""
    ideal_s = {key: work[key] / limit.flops_per_s for key, limit in peaks.items()}
    gpus = [device for device in _devices(work) if device != CPU]
    label = weakest(found.method, "declared" if any(limit.declared for limit in peaks.values()) else None)
    return replace(
        found,
        mfu_wall=_over(sum(ideal_s.values()), usage.wall_s * len(_devices(work))),
        mfu_busy=_over(sum(s for (device, _), s in ideal_s.items() if device != CPU), _busy_s(usage, gpus)),
        source="; ".join(dict.fromkeys(limit.source for limit in peaks.values())),
        method=label,
        busy_method=weakest(label, found.busy_method),
    )


def _without_little_on_cpu(work: Work) -> Work:
    """Where GPUs did nearly all of it, a CPU's peak (which nobody knows) must not matter."""
    gpus = {key: n for key, n in work.items() if key[0] != CPU}
    return gpus if sum(gpus.values()) > (1 - LITTLE) * sum(work.values()) else work


def _peak(usage: Usage, key: tuple[str, str], names: Mapping[str, str], declared: Declared) -> Peak | None:
    device, precision = key[0], key[1].removeprefix("flops_")
    name = names.get(device, device)
    part = _slice(usage, device)
    found = peak(name, precision, declared, part.value if part is not None else None)
    return found if found is not None or device != CPU else peak(CPU, precision, declared)


def _slice(usage: Usage, device: str) -> Figure | None:
    """The part of its GPU that a MIG slice is, as attribution found it, whether or not the name says so."""
    share = usage.figure("gpu_share", device)
    return share if share is not None and (share.source or "").startswith("mig_slice") else None


def _why(lacking: list[tuple[str, str]], names: Mapping[str, str]) -> str:
    """Names each device and precision that lacks a peak, and how to declare it."""
    by_name: dict[str, list[str]] = {}
    for device, figure in lacking:
        by_name.setdefault(names.get(device, device), []).append(figure.removeprefix("flops_"))
    known = "; ".join(f"{name} at {', '.join(dict.fromkeys(ps))}" for name, ps in by_name.items())
    entries = json.dumps({name: dict.fromkeys(ps, 1e12) for name, ps in by_name.items()}, ensure_ascii=False)
    example = entries.replace("1000000000000.0", "1e12")
    where = "say what it is in jupyter_costmeter_config.py"
    return f"no peak is known of {known}; {where}: c.CostMeter.peak_flops = {example}"
