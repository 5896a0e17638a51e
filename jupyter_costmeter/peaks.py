"""What devices can do at most, by their makers' data sheets, pure: FLOP/s by device and precision.

Dense (without sparsity), as the matrix products of torch run: with FP32 accumulation, FP32 on the plain cores
(TF32 is its own precision), FP64 on tensor cores where there are such, at the boost clock by which the maker
counts. A device or precision whose figure was not found is left out: a guessed peak is worse than none
(docs/peaks.md, which lists this table; a test compares them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import isfinite

TERA = 1e12
DECLARED = "declared (CostMeter.peak_flops)"
#: torch names a slice "… MIG 1g.10gb", our sensor "… (a MIG slice)".
MIG = re.compile(r" (MIG \d\w*\..*|\(a MIG slice\))$")
#: What the user declares: FLOP/s by precision, by device name (``fnmatch`` patterns).
Declared = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Peak:
    """The most FLOP/s of a device at one precision, and who says so (``declared``: the user)."""

    flops_per_s: float
    source: str
    declared: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One model: a pattern for the whole of its name without "NVIDIA", and its peaks in 1e12 FLOP/s by precision."""

    names: str
    source: str
    tera: Mapping[str, float]


def _row(names: str, source: str, *tera: float | None) -> Row:
    return Row(names, source, {p: t for p, t in zip(COLUMNS, tera, strict=True) if t is not None})


#: Where the maker prints only what sparsity gives, which is exactly twice the dense figure.
HALVED = "figures with sparsity, halved"
PASCAL = "NVIDIA Tesla P100 data sheet (2016)"
VOLTA = "NVIDIA V100 data sheet (2020)"
TURING = "NVIDIA Turing GPU architecture white paper (2018)"
GA102 = "NVIDIA Ampere GA102 GPU architecture white paper v2.0 (2020)"
ADA = "NVIDIA Ada GPU architecture white paper v2 (2023)"
H100 = "NVIDIA H100 GPU architecture white paper (2022)"
H100_NVL = f"NVIDIA H100 data sheet (2024), {HALVED}"
H200 = f"NVIDIA H200 data sheet (2024), {HALVED}"
GH200 = f"NVIDIA GH200 data sheet (2024), {HALVED}"
BLACKWELL = f"NVIDIA Blackwell data sheet (2025), {HALVED}"
MI200 = "AMD Instinct MI200 series data sheet (2022)"
#: To torch and to AMD SMI each of a module's two dies is a device of its own.
DIE = f"{MI200}, half of the module's: per die"

na = None  # not printed by the maker, or not there
COLUMNS = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int8")
# fmt: off
TABLE: tuple[Row, ...] = (
    # FP16 of Pascal is printed for FP16 accumulation only, which torch does not use: left out.
    _row("Tesla P100-SXM2-16GB", PASCAL,                     5.3, 10.6, na, na, na, na, na, na),
    _row("Tesla P100-PCIE-(12|16)GB", PASCAL,                4.7, 9.3, na, na, na, na, na, na),
    _row("Tesla V100-SXM2-(16|32)GB", VOLTA,                 7.8, 15.7, na, na, 125, na, na, na),
    _row("Tesla V100-PCIE-(16|32)GB", VOLTA,                 7, 14, na, na, 112, na, na, na),
    _row("Tesla V100S-PCIE-32GB", VOLTA,                     8.2, 16.4, na, na, 130, na, na, na),
    _row("Tesla T4", "NVIDIA T4 data sheet (2019)",          na, 8.1, na, na, 65, na, na, 130),
    # The Founders Edition, which has the same name, is 6 % faster than the reference card.
    _row("GeForce RTX 2080 Ti", f"{TURING}, reference card", na, 13.4, na, na, 53.8, na, na, 215.2),
    _row("Quadro RTX 6000", TURING,                          na, 16.3, na, na, 130.5, na, na, 261),
    _row("A100-(SXM4|PCIE)-40GB|A100-SXM4-80GB|A100 80GB PCIe", "NVIDIA A100 data sheet (2021)",
                                                             19.5, 19.5, 156, 312, 312, na, na, 624),
    _row("A30", "NVIDIA A30 data sheet (2021)",              10.3, 10.3, 82, 165, 165, na, na, 330),
    _row("A10", "NVIDIA A10 data sheet (2021)",              na, 31.2, 62.5, 125, 125, na, na, 250),
    _row("A10G", "NVIDIA A10G data sheet of AWS (2022)",     na, 35, 35, 70, 70, na, na, 140),
    _row("A40", "NVIDIA A40 data sheet (2021)",              na, 37.4, 74.8, 149.7, 149.7, na, na, 299.3),
    _row("RTX A6000", GA102,                                 na, 38.7, 77.4, 154.8, 154.8, na, na, 309.7),
    _row("GeForce RTX 3090", GA102,                          na, 35.6, 35.6, 71, 71, na, na, 284),
    _row("GeForce RTX 4090", ADA,                            na, 82.6, 82.6, 165.2, 165.2, 330.3, na, 660.6),
    _row("RTX 6000 Ada Generation", ADA,                     na, 91.1, 182.1, 364.2, 364.2, 728.5, na, 728.5),
    _row("L4", f"NVIDIA L4 data sheet (2023), {HALVED}",     na, 30.3, 60, 121, 121, 242.5, na, 242.5),
    _row("L40S", "NVIDIA L40S data sheet (2023)",            na, 91.6, 183, 362.05, 362.05, 733, na, 733),
    _row("H100 80GB HBM3", f"{H100}, SXM5",                  66.9, 66.9, 494.7, 989.4, 989.4, 1978.9, na, 1978.9),
    _row("H100 PCIe", f"{H100}, PCIe",                       51.2, 51.2, 378, 756, 756, 1513, na, 1513),
    _row("H100 NVL", H100_NVL,                               60, 60, 417.5, 835.5, 835.5, 1670.5, na, 1670.5),
    _row("H200", H200,                                       67, 67, 494.5, 989.5, 989.5, 1979, na, 1979),
    _row("H200 NVL", H200,                                   60, 60, 417.5, 835.5, 835.5, 1670.5, na, 1670.5),
    _row("GH200 (480GB|144G HBM3e)", GH200,                  67, 67, 494.5, 989.5, 989.5, 1979, na, 1979),
    _row("B200", BLACKWELL,                                  37, 75, 1100, 2250, 2250, 4500, 9000, 4500),
    _row("GB200", BLACKWELL,                                 40, 80, 1250, 2500, 2500, 5000, 10000, 5000),
    # On AMD the matrix cores do FP32 and FP64, too, and rocBLAS uses them.
    _row("AMD Instinct MI210", MI200,                        45.3, 45.3, na, 181, 181, na, na, 181),
    _row("AMD Instinct MI250", DIE,                          45.25, 45.25, na, 181.05, 181.05, na, na, 181.05),
    _row("AMD Instinct MI250X", DIE,                         47.85, 47.85, na, 191.5, 191.5, na, na, 191.5),
    _row("AMD Instinct MI300X( OAM)?", "AMD Instinct MI300X data sheet (2023)",
                                                             163.4, 163.4, 653.7, 1307.4, 1307.4, 2614.9, na, 2614.9),
)
# fmt: on


def peak(name: str, precision: str, declared: Declared, share: float | None = None) -> Peak | None:
    """The most FLOP/s of that device at that precision; ``None`` where nobody says.

    Args:
        name: as NVML, AMD SMI or torch gives it.
        precision: one of ``record.PRECISIONS``.
        declared: the user's own figures, which win. Those of a pattern that says MIG are the slice's, not the GPU's.
        share: what part (0 to 1) of the device is ours; of a MIG slice it must be known.
    """
    if (own := _declared(name, precision, declared, mig=True)) is not None:
        return own
    whole = MIG.sub("", name.strip())
    if share is None and whole != name.strip():
        return None
    found = _declared(whole, precision, declared, mig=False) or _listed(whole, precision)
    return found if found is None or share is None else _part(found, share)


def _part(whole: Peak, share: float) -> Peak | None:
    if not 0 < share <= 1:
        return None
    return replace(whole, flops_per_s=whole.flops_per_s * share, source=f"{whole.source} × {share:.3g} of the device")


def _declared(name: str, precision: str, declared: Declared, mig: bool) -> Peak | None:
    values = (_number(peaks.get(precision)) for peaks in _matching(name, declared, mig))
    return next((Peak(value, DECLARED, True) for value in values if value is not None), None)


def _matching(name: str, declared: Declared, mig: bool) -> Iterator[Mapping[str, float]]:
    """Not checked by traitlets below the outer dict, so anything may be in there."""
    for pattern, peaks in declared.items():
        fits = pattern == name or fnmatchcase(name, pattern)
        if fits and ("MIG" in pattern) is mig and isinstance(peaks, Mapping):
            yield peaks


def _number(value: object) -> float | None:
    """A positive number, or nothing."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if isfinite(value) and value > 0 else None


def _listed(name: str, precision: str) -> Peak | None:
    """The whole name must match: "A10" is not "A100", and a laptop's GPU is not the desktop's."""
    short = name.removeprefix("NVIDIA ")  # drivers before 470 did not write it
    row = next((row for row in TABLE if re.fullmatch(row.names, short)), None)
    tera = row.tera.get(precision) if row is not None else None
    return None if row is None or tera is None else Peak(tera * TERA, row.source, False)
