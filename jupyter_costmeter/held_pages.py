"""What a kernel holds of GPUs and does not use, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from .format import about, percent, quantity
from .pages import short
from .record import Held

#: A GPU that was held idle for less is between two cells, not forgotten.
FORGOTTEN_S = 60.0
RELEASE = (
    "To release it: `del` what holds it, then (PyTorch) `torch.cuda.empty_cache()`; "
    "what the CUDA context itself takes goes only when the kernel is restarted."
)


def held_notes(held: Iterable[Held]) -> list[str]:
    """Which GPUs this kernel holds and does not use, and how to release them; nothing where none."""
    found = [one for one in held if one.idle_s >= FORGOTTEN_S]
    notes = [_held(one, len(found) > 1) for one in found]
    return [*notes[:-1], f"{notes[-1]} {RELEASE}"] if notes else []


def _held(one: Held, several: bool) -> str:
    what = f"{quantity(one.used_bytes, 'B')} on " if one.used_bytes is not None else ""
    return f"This kernel has held {what}{_gpu(one, several)} for {about(one.idle_s)} since the last cell{_used(one)}."


def _gpu(one: Held, several: bool) -> str:
    """``GPU 0 (NVIDIA A100)``; a UUID only where it is needed to tell one from another."""
    if one.name is None or one.device.startswith("GPU "):
        return f"{short(one.device)} ({one.name})" if one.name else short(one.device)
    return f"a GPU ({one.name}, {short(one.device)})" if several else f"a GPU ({one.name})"


def _used(one: Held) -> str:
    if one.busy_share is None:
        return ", and how much of it was used is not known"
    most = "at most " if round(100 * one.busy_share) else ""  # others may have used it, too
    return f" and used {most}{percent(one.busy_share)} of it"
