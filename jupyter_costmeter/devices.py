"""What devices are called: a GPU by its UUID as NVML spells it, so that figures of different sources meet."""

from __future__ import annotations

from typing import Any

#: FLOPs of the processor are its own, whichever of its cores.
CPU = "CPU"


def cuda_name(torch: Any, ordinal: int) -> str:
    """Of torch's device with that ordinal. A MIG slice has an id of its own; before torch 2.4 there is none."""
    found = getattr(torch.cuda.get_device_properties(ordinal), "uuid", None)
    return f"GPU-{found}" if found else f"GPU {ordinal}"
