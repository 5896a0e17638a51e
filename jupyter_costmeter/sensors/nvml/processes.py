"""Who has a context on a GPU, and which of them are we."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psutil

from .library import Library

FIRST_NAMESPACE = "pid:[4026531836]"  # the machine's own, not a container's (PROC_PID_INIT_INO)


def listed(library: Library, part: Any) -> dict[int, int | None] | None:
    """Memory in bytes by process with a context, to compute or to draw; ``None`` where NVML does not tell."""
    if part is None or (computing := _running(library, "Compute", part)) is None:
        return None
    drawing = _running(library, "Graphics", part) or {}
    return {**drawing, **computing}


def _running(library: Library, kind: str, part: Any) -> dict[int, int | None] | None:
    for version in ("v3", "v2"):
        found = library.ask(f"nvmlDeviceGet{kind}RunningProcesses_{version}", part)
        if found is not None:
            return {p.pid: p.usedGpuMemory for p in found}
    return None


class Tree:
    """This process and its descendants, under the ids by which NVML may name them.

    In a container NVML may report the host's process ids, or none. ``NSpid`` gives those that
    ``/proc`` knows. Where that leaves it open, nobody of us having ``/dev/nvidia-uvm`` open,
    which CUDA always opens and NVML never, proves that we hold no GPU.
    """

    def __init__(self, proc: str) -> None:
        self._proc = proc
        pids = {os.getpid(), *_descendants(os.getpid())}
        self._own = ["self", *map(str, pids)]
        self.pids = pids.union(*(map(int, self._aliases(own)) for own in self._own))

    def holds(self, reported: Iterable[int]) -> bool | None:
        """Whether one of us is among those with a context; ``None`` where that cannot be told."""
        pids = set(reported)
        if pids & self.pids:
            return True
        told = bool(pids) and all(os.path.exists(f"{self._proc}/{pid}") for pid in pids)
        told = told or _link(f"{self._proc}/self/ns/pid") == FIRST_NAMESPACE
        return False if told or not any(self._uses_cuda(own) for own in self._own) else None

    def _aliases(self, own: str) -> list[str]:
        with suppress(OSError), open(f"{self._proc}/{own}/status", encoding="ascii", errors="replace") as status:
            return next((line.split()[1:] for line in status if line.startswith("NSpid:")), [])
        return []

    def _uses_cuda(self, own: str) -> bool:
        folder = f"{self._proc}/{own}/fd"
        with suppress(OSError):
            return any(_link(f"{folder}/{file}").startswith("/dev/nvidia-uvm") for file in os.listdir(folder))
        return False


def _descendants(pid: int) -> set[int]:
    """By the kernel's own list of each thread's children: looking through all processes takes milliseconds."""
    found: set[int] = set()
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(ProcessLookupError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except OSError:  # no /proc, or a Linux built without these files
        with suppress(psutil.Error):
            return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return found.union(*map(_descendants, found))


def _link(path: str) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""
