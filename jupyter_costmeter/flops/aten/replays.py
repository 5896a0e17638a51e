"""CUDA graphs: what is dispatched while one is captured does not run then; it runs at each replay."""

from __future__ import annotations

import functools
from _thread import get_ident
from typing import Any

from .kernels import Kernels

#: What a graph dispatched while it was captured, kept with the graph.
BEFORE, HELD = "_costmeter_before", "_costmeter_held"


class Replays:
    """Wraps ``torch.cuda.CUDAGraph``."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self._class: Any = None
        self._theirs: dict[str, tuple[Any, Any]] = {}

    def install(self, module: Any) -> None:
        """Wrap ``module.CUDAGraph`` (``torch.cuda.graphs``); once."""
        found = getattr(module, "CUDAGraph", None)
        if self._theirs or found is None:
            return
        self._class = found
        for name, ours in (("capture_begin", self._begin), ("capture_end", self._end), ("replay", self._replay)):
            theirs = getattr(found, name, None)
            if theirs is not None:
                self._wrap(name, theirs, ours)

    def remove(self) -> None:
        """As it was, except where somebody has wrapped ours."""
        for name, (theirs, ours) in self._theirs.items():
            if self._class.__dict__.get(name) is not ours:
                continue
            delattr(self._class, name)
            if getattr(self._class, name, None) is not theirs:  # it was not inherited
                setattr(self._class, name, theirs)
        self._theirs = {}

    def _wrap(self, name: str, theirs: Any, note: Any) -> None:
        @functools.wraps(theirs)
        def ours(graph: Any, *args: Any, **kwargs: Any) -> Any:
            if name == "capture_begin":
                self._guarded(note, graph)
            answer = theirs(graph, *args, **kwargs)
            if name != "capture_begin":
                self._guarded(note, graph)
            return answer

        self._theirs[name] = self._class.__dict__.get(name, theirs), ours
        setattr(self._class, name, ours)

    def _guarded(self, note: Any, graph: Any) -> None:
        try:
            note(graph)
        except Exception as error:
            self.kernels.fault("CUDA graphs", error)

    def _own(self) -> dict[Any, int]:
        """What the thread that captures has counted on GPUs: others may go on, and the CPU does its part meanwhile."""
        me = get_ident()
        return {key: n for key, n in self.kernels.counts.flops.copy().items() if key[0] == me and key[3] >= 0}

    def _begin(self, graph: Any) -> None:
        setattr(graph, BEFORE, self._own())

    def _end(self, graph: Any) -> None:
        before = getattr(graph, BEFORE, None)
        if before is None:
            return
        held = {key: n - before.get(key, 0) for key, n in self._own().items() if n != before.get(key, 0)}
        for key, n in held.items():
            self.kernels.counts.flops[key] -= n
        setattr(graph, HELD, held)

    def _replay(self, graph: Any) -> None:
        me = get_ident()
        if me not in self.kernels.muted:  # else a compiled graph, which knows its FLOPs, replays it
            for (_, name, kind, device), n in (getattr(graph, HELD, None) or {}).items():
                self.kernels.counts.flops[me, name, kind, device] += n
