"""At what precision an operator multiplied: by its operands' dtype, and on a GPU by the switches for tf32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...record import Precision
from .formulas import Switch

#: Of dtypes by their names; a complex one is two of its parts.
NAMES: dict[str, Precision] = {
    "float64": "fp64",
    "complex128": "fp64",
    "float32": "fp32",
    "complex64": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "complex32": "fp16",
    "int8": "int8",
    "uint8": "int8",
    "qint8": "int8",
    "quint8": "int8",
}
TF32 = "tf32"
#: GPUs before Ampere have no tf32, whatever the switch says.
AMPERE = 8

_tf32: dict[Switch, Callable[[], bool]] = {}
_single: set[Any] = set()


def learn(torch: Any) -> None:
    """How this torch is asked about tf32. Old switches may raise where the new ones are used, so these come first."""
    _single.update((torch.float32, torch.complex64))
    new = getattr(torch._C, "_get_fp32_precision_getter", None)
    if new is not None:
        _tf32["matmul"] = lambda: bool(new("cuda", "matmul") == TF32)
        _tf32["conv"] = lambda: bool(new("cuda", "conv") == TF32)
    else:
        _tf32["matmul"] = torch._C._get_cublas_allow_tf32
        _tf32["conv"] = torch._C._get_cudnn_allow_tf32


def chooser(switch: Switch) -> Callable[[Any], tuple[Any, int]]:
    """A function of a tensor: its dtype, or ``"tf32"`` where the switch is on; and its device (-1: the CPU)."""

    def choose(x: Any) -> tuple[Any, int]:
        device, kind = x.get_device(), x.dtype
        if device >= 0 and switch and kind in _single and x.is_cuda and _tf32[switch]():
            return TF32, device
        return kind, device

    return choose


def of(kind: Any, capability: int | None = None) -> Precision:
    """The precision of a dtype (or of ``"tf32"``) on a GPU of that major compute capability."""
    if kind == TF32:
        return "tf32" if capability is None or capability >= AMPERE else "fp32"
    name = str(kind).removeprefix("torch.")
    if name.startswith("float8"):
        return "fp8"
    if name.startswith("float4"):
        return "fp4"
    return NAMES.get(name, "int")


def is_complex(kind: Any) -> bool:
    """Whether a product is one of complex numbers."""
    return bool(getattr(kind, "is_complex", False))
