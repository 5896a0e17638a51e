"""FLOPs from the shares of cycles in which a GPU's pipes were active, pure.

A pipe that is active does its most in a cycle: how many FLOPs that are (a multiply-add is 2) is known by compute
capability and pipe. The tensor cores' pipe for narrow floats, HMMA, does not tell which format it multiplied, and no
pipe tells an addition from a multiply-add, so every figure is a range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from .library import Unavailable

# nvmlGpmMetricId_t: percent of the time in which the SMs' pipe was active (nvml.h).
DFMA, HMMA, DMMA, FP64, FP32, FP16 = 6, 7, 8, 11, 12, 13
METRICS = (DFMA, HMMA, DMMA, FP64, FP32, FP16)
#: By which metrics a pipe is known. Drivers name the one for double precision on tensor cores either way.
PIPES = {"HMMA": (HMMA,), "DMMA": (DMMA, DFMA), "FP64": (FP64,), "FP32": (FP32,), "FP16": (FP16,)}
#: By compute capability: on how many CUDA cores an SM has NVML's count of them is based.
CORES_PER_SM = {(9, 0): 128, (10, 0): 128}
#: Percent above 100 that are still taken for rounding.
SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Span:
    """A number that is taken, and the lowest and highest that it may be."""

    low: float
    value: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.value + other.value, self.high + other.high)

    def __mul__(self, other: Span) -> Span:
        """Of what is not negative."""
        return Span(self.low * other.low, self.value * other.value, self.high * other.high)

    @property
    def half_width(self) -> float:
        """Relative, and wide enough on both sides."""
        return max(self.high - self.value, self.value - self.low) / self.value if self.value else 0.0


def _multiply_adds(flops: float) -> Span:
    """An addition or a multiplication alone keeps the pipe as busy and is half of it."""
    return Span(flops / 2, flops, flops)


def _exactly(flops: float) -> Span:
    return Span(flops, flops, flops)


#: FLOP per clock and SM, dense. HMMA: TF32, BF16 and FP16 (taken), the narrowest that there is.
#: 9.0, "NVIDIA H100 GPU architecture" (2022), SXM5 with 132 SMs: 989.4 TFLOPS FP16 at 1.83 GHz are 4096; TF32 half and
#: FP8 twice of that; 66.9 of FP32 and of FP64 on tensor cores at 1.98 GHz are 256, FP64 128, FP16 512.
#: 10.0, NVIDIA Blackwell data sheet (2025), B200 with 148 SMs: 2250 TFLOPS BF16 at 1.86 GHz are 8192; TF32 half, FP4
#: four times of that; 75 of FP32 at 1.97 GHz are 256; 37 of FP64, on tensor cores as well, are 128.
PER_CYCLE: dict[tuple[int, int], dict[str, Span]] = {
    (9, 0): {
        "HMMA": Span(2048, 4096, 8192),
        "DMMA": _exactly(256),
        "FP64": _multiply_adds(128),
        "FP32": _multiply_adds(256),
        "FP16": _multiply_adds(512),
    },
    (10, 0): {
        "HMMA": Span(4096, 8192, 32768),
        "DMMA": _exactly(128),
        "FP64": _multiply_adds(128),
        "FP32": _multiply_adds(256),
        "FP16": _multiply_adds(512),
    },
}


def flops(percents: Mapping[int, float | None], capability: tuple[int, int], cycles: Span) -> Span:
    """The FLOPs of all pipes for floats; int8 and other integers are none.

    Args:
        percents: of the cycles, by metric; ``None`` where the driver does not give it.
        capability: compute capability, one of ``PER_CYCLE``.
        cycles: clock cycles of all SMs together.

    Raises:
        Unavailable: a pipe's activity is not known.
    """
    total = Span(0.0, 0.0, 0.0)
    for pipe, per_cycle in PER_CYCLE[capability].items():
        total += _exactly(_share(percents, pipe)) * per_cycle * cycles
    return total


def _share(percents: Mapping[int, float | None], pipe: str) -> float:
    """0 to 1. Of two metrics the larger, as they may be two names of one pipe."""
    known = [p for metric in PIPES[pipe] if (p := percents.get(metric)) is not None]
    if not known:
        raise Unavailable(f"this driver does not tell the {pipe} pipe's activity")
    if not all(isfinite(p) and 0 <= p <= 100 + SLACK for p in known):
        raise Unavailable(f"the driver gave no sensible activity of the {pipe} pipe")
    return max(known) / 100
