"""Figures as people read them: 2 to 4 digits with an SI prefix, "—" for what was not measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any

from .record import COUNTED, LEADING, Bucket, Total
from .tag import Tagged

if TYPE_CHECKING:
    from .derived import Bill

PREFIXES = (
    (1e18, "E"),
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)


def precision_of(name: str) -> str:
    """``bf16`` of ``flops_bf16``; ``fp32, leading order`` of what was counted by that."""
    precision, _, leading = name.removeprefix("flops_").partition("_")
    return f"{precision}, leading order" if leading else precision


#: What a figure that was not measured is called.
MARK = {"measured": "", "modelled": "~", "declared": "~", "assumed": "~", None: ""}
NAMES = {
    "energy_j": "energy",
    "cpu_s": "CPU time",
    "cpu_energy_j": "CPU energy",
    "cpu_idle_energy_j": "CPU energy, idle part",
    "ram_energy_j": "memory energy",
    "gpu_energy_j": "GPU energy",
    "gpu_idle_energy_j": "GPU energy, idle part",
    "gpu_device_energy_j": "GPU energy, whole device",
    "gpu_share": "GPU share",
    "gpu_reserved_s": "GPU time, reserved",
    "gpu_busy_s": "GPU time, busy",
    "task_s": "tasks elsewhere",
    "peak_rss_bytes": "peak memory",
    "peak_gpu_bytes": "peak GPU memory",
    "flops": "FLOPs",
    **{name: precision_of(name) for name in (*COUNTED, *LEADING)},
    "flops_hardware": "FLOPs, by the GPU's counters",
    "electricity_wh": "electricity, with PUE",
    "emissions_g": "emissions",
    "embodied_g": "embodied in the GPUs",
    "water_l": "water",
}
BUCKETS: dict[Bucket, str] = {
    "cell": "in cells",
    "held_idle": "held idle",
    "background": "in the background",
    "remote": "elsewhere, for cells",
}
#: From here on a figure is all noise, whatever the factor.
NOISE = 100
#: From this relative half-width on an uncertainty is a factor: 2.0 is ×/÷ 3 (FACTS §4).
FACTOR = 1.0
#: Grams: nobody says Mg.
TONNE_G = 1e6
#: Parameters in a name at most.
NAMED = 4
GPU_TIMES = ((3600.0, "GPU-h"), (60.0, "GPU-min"), (1.0, "GPU-s"))


def quantity(value: float | None, unit: str) -> str:
    """``3.42 kJ``, ``12.4 s``, ``1 h 03 min``, ``31 %`` (of the unit 1), ``—``."""
    if value is None or not isfinite(value):
        return "—"
    if unit == "1":
        return percent(value)
    if unit == "s" and value >= 60:
        return _duration(value)
    if unit.startswith("gCO2e") and abs(float(f"{value:.3g}")) >= TONNE_G:
        return quantity(value / TONNE_G, f"t{unit[1:]}")
    if value == 0:
        return f"0 {unit}"
    size = abs(float(f"{value:.3g}"))
    scale, prefix = next(((s, p) for s, p in PREFIXES if size >= s), PREFIXES[-1])
    if size < scale:
        return f"< 1 {prefix}{unit}"
    return f"{_digits(value / scale)} {prefix}{unit}"


def _digits(value: float, count: int = 3) -> str:
    if 1 <= value < 10**count - 1:  # most are
        return f"{value:#.{count}g}".rstrip(".")
    places = max(0, count - 1 - floor(log10(abs(value)))) if value else 0
    rounded = round(value, places)
    return f"{rounded:.{max(0, count - 1 - floor(log10(abs(rounded)))) if rounded else 0}f}"


def plain(value: float, digits: int) -> str:
    """So many significant digits without an exponent or zeros at the end: ``1050``, ``0.0034``."""
    return f"{float(f'{value:.{digits}g}'):.15g}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def percent(share: float) -> str:
    """``31 %``; never rounded to none or to all."""
    value = 100 * share
    return "< 1 %" if 0 < value < 1 else "> 99 %" if 99 < value < 100 else f"{value:.0f} %"


def about(seconds: float) -> str:
    """A time that goes on, rounded down: ``40 s``, ``3 min 20 s``, ``50 min``, ``1 h 05 min``."""
    whole = max(0, floor(seconds))
    if whole < 600:
        return quantity(float(whole - whole % 10), "s") if whole >= 60 else f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else _duration(whole - whole % 60)


def gpu_times(held_s: float, used_s: float | None) -> tuple[str, str]:
    """GPU time held, and of it used, to the same digit: ``("1.00 GPU-h", "0.31")``."""
    scale, unit = next(((s, u) for s, u in GPU_TIMES if held_s >= s), GPU_TIMES[-1])
    held = _digits(held_s / scale)
    if used_s is None:
        return f"{held} {unit}", "—"
    places = len(held.partition(".")[2])
    used = f"{used_s / scale:.{places}f}"
    if not float(used):
        used = f"< {10.0**-places:.{places}f}" if used_s > 0 else "0"
    return f"{held} {unit}", used


def uncertainty(total: Total) -> str:
    """Relative, to at most two significant figures (FACTS §4): ``±5.0 %``, ``×/÷ 3``."""
    if not total.value or total.uncertainty is None or (total.incomplete and not total.uncertainty):
        return ""  # what is counted exactly is a lower bound all the same
    return half_width(total.uncertainty / total.value)


def half_width(relative: float) -> str:
    """A relative half-width: in percent, or as a factor where it is as large as the figure itself."""
    if relative == 0:
        return "exact"
    if relative >= NOISE:
        return f"×/÷ > {NOISE}"
    if relative >= FACTOR:
        return f"×/÷ {_digits(1 + relative, 2).removesuffix('.0')}"
    return f"±{_digits(100 * relative, 2) if relative < 0.1 else round(100 * relative)} %"


def mark(known: Total | Bill) -> str:
    """``≥`` before what lacks parts, ``~`` before what was not measured."""
    return ("≥ " if known.incomplete else "") + MARK[known.method]


def total_text(total: Total, with_uncertainty: bool = False) -> str:
    """``~3.42 kJ``; ``≥`` before a sum that lacks parts; ``—`` where nothing is known."""
    if total.value is None:
        return "—"
    text = mark(total) + quantity(total.value, total.unit)
    return " ".join(filter(None, [text, uncertainty(total) if with_uncertainty else ""]))


def shortly(params: Mapping[str, Any]) -> str:
    """``lr=0.1, batch=32``; beyond some of them ``…``."""
    named = [f"{name}={plain(one, 3) if isinstance(one, float) else one}" for name, one in params.items()]
    return ", ".join(named[:NAMED]) + (", …" if len(named) > NAMED else "")


def in_words(said: Tagged) -> str:
    """``hpo, method ours, run seed-3, in the paper; lr=0.0003; accuracy 0.912``; nothing where nothing is said."""
    paper = {True: "in the paper", False: "not in the paper", None: None}[said.in_paper]
    names = [said.category, said.method and f"method {said.method}", said.run and f"run {said.run}", paper]
    params = ", ".join(f"{name}={_shown(value)}" for name, value in said.params.items())
    scores = ", ".join(f"{name} {value:g}" for name, value in said.scores.items())
    return "; ".join(filter(None, [", ".join(filter(None, names)), params, scores]))


def _shown(value: Any) -> str:
    """A parameter, shortened."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
