"""``torch.compile``: a compiled graph's FLOPs are known when it is compiled, and added each time that it runs.

Its kernels, fused or made from templates, need then not be seen; what it calls of torch's own
operators is not counted again. A graph that cannot be known beforehand (an operator of the user's own
in it, or one from a cache of a process without us) is counted as it runs, by the operators that it calls.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from functools import partial
from typing import Any

from ..raised import Raised
from . import graph
from .kernels import Kernels

#: The counts of a graph; torch keeps the attribute with the graph in its caches.
ATTRIBUTE = "_costmeter_flops"
#: What the code of kernels made from templates has in it: their work is in no operator that could be seen.
TEMPLATES = ("triton_tem_", "CppMicroGemm", "flex_attention")
TEMPLATE, WHY_TEMPLATE = "templates in compiled graphs", "beside operators of your own"
#: Of graphs that were made without us only the operators that they call are seen.
FOREIGN = "compiled graphs"
WHY_FOREIGN = "compiled without the meter, so that what was fused into their kernels is not seen"
#: Counts up where the attribute, or a formula, means something else: torch's caches keep it.
VERSION = 1


class Compiled:
    """Wraps what runs inductor's graphs. Private to torch: where it looks different, graphs are counted as they run."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self.problem: str | None = None
        self._class: Any = None
        self._theirs: dict[str, tuple[Any, Any]] = {}

    def install(self, torch: Any, module: Any) -> None:
        """Wrap ``module.CompiledFxGraph`` (``torch._inductor.output_code``); once."""
        found = getattr(module, "CompiledFxGraph", None)
        if self._theirs or found is None:
            return
        self._class = found
        self._wrap("__init__", self._making(torch, found.__init__))
        self._wrap("__call__", self._running(torch, found.__call__))

    def remove(self) -> None:
        """As it was, except where somebody has wrapped ours."""
        for name, (theirs, ours) in self._theirs.items():
            if getattr(self._class, name) is ours:
                setattr(self._class, name, theirs)
        self._theirs = {}

    def _wrap(self, name: str, ours: Any) -> None:
        self._theirs[name] = getattr(self._class, name), ours
        setattr(self._class, name, ours)

    def _making(self, torch: Any, theirs: Any) -> Any:
        @functools.wraps(theirs)
        def make(compiled: Any, *args: Any, **kwargs: Any) -> None:
            theirs(compiled, *args, **kwargs)
            self.kernels.counts.compiled += 1
            try:
                modules = (a for a in (*args, *kwargs.values()) if isinstance(a, torch.fx.GraphModule))
                setattr(compiled, ATTRIBUTE, _facts(torch, next(modules)))
            except Exception as error:  # it is counted as it runs, and said to be a lower bound
                if not isinstance(error, graph.Unknown):
                    self.problem = f"{type(error).__name__}: {error}"

        return make

    def _running(self, torch: Any, theirs: Any) -> Any:
        muted = self.kernels.muted

        class Run(Raised):
            def __new__(cls, compiled: Any, inputs: Any) -> Any:
                me = get_ident()
                rows, whole = self._rows(compiled, inputs) if me not in muted else ([], False)
                try:
                    if not whole:
                        out = theirs(compiled, inputs)
                    else:  # the operators that it calls are not counted again
                        try:
                            muted.add(me)
                            out = theirs(compiled, inputs)
                        finally:
                            muted.discard(me)
                except BaseException as error:
                    return cls.of(error)
                for row in rows:
                    self.kernels.add(*row)
                return out

        return property(partial(partial, Run))  # binds it to the graph as a method would be, in C

    def _rows(self, compiled: Any, inputs: Any) -> tuple[list[tuple[str, Any, int, int]], bool]:
        """The FLOPs that this call adds, and whether they are all of it; else its operators are counted as they run."""
        try:
            facts = getattr(compiled, ATTRIBUTE, None)
            if facts is None or facts["version"] != VERSION:
                self.kernels.note(FOREIGN, WHY_FOREIGN)
                return [], False
            for note in facts["notes"]:
                self.kernels.note(*note)
            if not facts["whole"]:
                self._note_templates(compiled)
            sizes = {name: _size(inputs[i], dim) for name, (i, dim) in facts["symbols"].items()}
            return graph.evaluated(facts["rows"], sizes), facts["whole"]
        except Exception as error:
            self.kernels.fault("compiled graphs", error)
            return [], False

    def _note_templates(self, compiled: Any) -> None:
        if any(word in (getattr(compiled, "source_code", None) or "") for word in TEMPLATES):
            self.kernels.note(TEMPLATE, WHY_TEMPLATE)


def _facts(torch: Any, module: Any) -> dict[str, Any]:
    """A graph's counts as plain values; of one with something unknown in it, only of what runs as no operator."""
    try:
        rows, notes, symbols = graph.counted(torch, module)
        whole = True
    except graph.Unknown:
        (rows, symbols), notes, whole = graph.written_out(module), [], False
    return {"version": VERSION, "rows": rows, "notes": notes, "symbols": symbols, "whole": whole}


def _size(value: Any, dim: int | None) -> int:
    return int(value if dim is None else value.shape[dim])
