"""From an operator and what it multiplied to the figure that its FLOPs belong to."""

from __future__ import annotations

from typing import Any

from ...record import LEADING
from . import leading as leading
from . import precision
from .formulas import FORMULAS


def figure(name: str, kind: Any, capability: int | None) -> tuple[str, int]:
    """The figure's name, and how many real FLOPs one of the formula's is.

    Args:
        name: the operator, as ``aten::mm``.
        kind: a dtype, or ``"tf32"``.
        capability: the GPU's major compute capability, ``None`` on a CPU.
    """
    formula = FORMULAS.get(name)
    factor = formula.complex if formula is not None and precision.is_complex(kind) else 1
    of = f"flops_{precision.of(kind, capability)}"
    if formula is not None and formula.leading:
        return f"{of}_leading" if f"{of}_leading" in LEADING else "flops_fp32_leading", factor
    return of, factor
