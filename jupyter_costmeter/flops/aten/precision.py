"""At what precision an operator multiplied: by its operands' dtype, and on a GPU by the switches for tf32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...record import Precision
from .. import dtypes
from ..dtypes import AMPERE
from .formulas import Switch

TF32 = "tf32"
SWITCHES: tuple[Switch, ...] = ("matmul", "conv", "rnn")

_tf32: dict[Switch, Callable[[], bool]] = {}
_single: set[Any] = set()


def learn(torch: Any) -> None:
    """How this torch is asked about tf32. Old switches may raise where the new ones are used, so these come first."""
    _single.update((torch.float32, torch.complex64))
    new = getattr(torch._C, "_get_fp32_precision_getter", None)
    if getattr(torch.version, "hip", None):  # AMD's GPUs are asked for nothing of the kind by these switches
        _tf32.update(dict.fromkeys(SWITCHES, lambda: False))
    elif new is not None:
        _tf32.update({switch: partial(_allowed, new, switch) for switch in SWITCHES})
    else:
        cudnn = torch._C._get_cudnn_allow_tf32
        _tf32.update({"matmul": torch._C._get_cublas_allow_tf32, "conv": cudnn, "rnn": cudnn})


def _allowed(ask: Callable[[str, str], str], switch: Switch) -> bool:
    return ask("cuda", switch) == TF32


def chooser(switch: Switch) -> Callable[[Any], tuple[Any, int]]:
    """A function of a tensor: its dtype, or ``"tf32"`` where the switch is on; and its device (-1: the CPU)."""

    def choose(x: Any) -> tuple[Any, int]:
        device, kind = x.get_device(), x.dtype
        if device >= 0 and switch and kind in _single and x.is_cuda and _tf32[switch]():
            return TF32, device
        return kind, device

    return choose


def of(kind: Any, capability: int | None = None) -> Precision:
    """The precision of a dtype (or of ``"tf32"``, which an older GPU lacks) on a GPU of that compute capability."""
    if kind == TF32:
        return "tf32" if capability is None or capability >= AMPERE else "fp32"
    return dtypes.precision(str(kind).removeprefix("torch."))


def is_complex(kind: Any) -> bool:
    """Whether a product is one of complex numbers."""
    return bool(getattr(kind, "is_complex", False))
