"""Figures as people read them: 2 to 4 digits with an SI prefix, "—" for what was not measured."""

from __future__ import annotations

from math import floor, isfinite, log10

from .record import Total

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
#: What a figure that was not measured is called.
MARK = {"measured": "", "modelled": "~", "declared": "~", "assumed": "~", None: ""}
NAMES = {
    "energy_j": "energy",
    "cpu_s": "CPU time",
    "cpu_energy_j": "CPU energy",
    "ram_energy_j": "memory energy",
    "gpu_energy_j": "GPU energy",
    "gpu_reserved_s": "GPU time, reserved",
    "gpu_busy_s": "GPU time, busy",
    "peak_rss_bytes": "peak memory",
    "peak_gpu_bytes": "peak GPU memory",
}


def quantity(value: float | None, unit: str) -> str:
    """``3.42 kJ``, ``12.4 s``, ``1 h 03 min``, ``—``."""
    if value is None or not isfinite(value):
        return "—"
    if unit == "s" and value >= 60:
        return _duration(value)
    if value == 0:
        return f"0 {unit}"
    size = abs(float(f"{value:.3g}"))
    scale, prefix = next(((s, p) for s, p in PREFIXES if size >= s), PREFIXES[-1])
    if size < scale:
        return f"< 1 {prefix}{unit}"
    return f"{_digits(value / scale)} {prefix}{unit}"


def _digits(value: float, count: int = 3) -> str:
    places = max(0, count - 1 - floor(log10(abs(value)))) if value else 0
    rounded = round(value, places)
    return f"{rounded:.{max(0, count - 1 - floor(log10(abs(rounded)))) if rounded else 0}f}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def uncertainty(total: Total) -> str:
    """Relative, to at most two significant figures (FACTS §4): ``±5.0 %``."""
    if not total.value or total.uncertainty is None:
        return ""
    percent = 100 * total.uncertainty / total.value
    return f"±{_digits(percent, 2) if percent < 10 else round(percent)} %"


def total_text(total: Total, with_uncertainty: bool = False) -> str:
    """``~3.42 kJ``; ``≥`` before a sum that lacks parts; ``—`` where nothing is known."""
    if total.value is None:
        return "—"
    text = ("≥ " if total.incomplete else "") + MARK[total.method] + quantity(total.value, total.unit)
    return " ".join(filter(None, [text, uncertainty(total) if with_uncertainty else ""]))
