"""Precisions by the names of dtypes, which torch and JAX share."""

from __future__ import annotations

from ..record import Precision

#: A complex number is two of its parts.
DTYPES: dict[str, Precision] = {
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
#: GPUs before this compute capability have no tf32.
AMPERE = 8


def precision(name: str) -> Precision:
    """Of a dtype's name: ``int`` for whatever is none of the others."""
    if name.startswith("float8"):
        return "fp8"
    return "fp4" if name.startswith("float4") else DTYPES.get(name, "int")
