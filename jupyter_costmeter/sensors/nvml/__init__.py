"""GPU energy, occupancy and use through NVML, by nvidia-ml-py.

The energy counter is the driver's: millijoules since it was loaded, Volta and newer, one per
physical GPU and none per MIG slice, taken to be within ±5 % (FACTS §4). Where there is none,
the driver's own power samples are added up. Every function that the driver lacks or refuses
costs the one figure that it gives. Importing pynvml takes 20–90 ms, so nothing is imported
where the library is not there. ``nvidia-smi`` is never called.
"""

from __future__ import annotations

from .sensor import NvmlSensor

__all__ = ["NvmlSensor"]
