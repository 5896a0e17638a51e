"""Sees torch's operators run: a Python kernel for each that is counted, at the key just above the backends.

``BackendSelect`` is looked up for every operator after autograd, autocast and vmap have done their part
and before the backend (CPU, CUDA, …) is chosen. So a kernel there sees true dtypes and true
batches, in every thread, and goes on with C++ (which releases the interpreter lock, as calling a backend's
kernel from Python does not). Operators that are not counted keep their C++ path. What the kernel
adds is a snapshot's worth of integers; results, errors and their tracebacks are the backend's own.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from ..counts import Counts
from . import leading as leading
from . import precision
from .forms import Below, Form, forms
from .formulas import FORMULAS, Partly
from .raised import Raised
from .uncounted import UNCOUNTED

#: Operator, what was multiplied, FLOPs.
Watcher = Callable[[str, Any, int], None]
WHY_OPAQUE = "their FLOPs do not follow from shapes"


class Kernels:
    """The kernels of this process, there as long as somebody wants them."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.failed: dict[str, str] = {}  # operators that could not be replaced, and why
        self.watchers: list[Watcher] = []  # told of each count, while somebody wants a breakdown
        self.muted: set[int] = set()  # threads in an operator (or graph) that is counted as a whole
        self._libraries: dict[str, Any] = {}  # by namespace
        self._users = 0
        self._lock = threading.Lock()

    @property
    def installed(self) -> bool:
        return bool(self._libraries)

    def acquire(self, torch: Any) -> None:
        """Some milliseconds, the first time."""
        with self._lock:
            self._users += 1
            if not self._libraries:
                self._install(torch)

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            while not self._users and self._libraries:
                self._libraries.popitem()[1]._destroy()

    def _install(self, torch: Any) -> None:
        precision.learn(torch)
        spaces = {name.partition("::")[0] for name in (*FORMULAS, *UNCOUNTED)}
        self._libraries = {space: torch.library.Library(space, "IMPL") for space in spaces}
        below = Below(torch)
        for name in (*FORMULAS, *UNCOUNTED):
            for form in forms(torch, name):
                self._replace(form, below)

    def _replace(self, form: Form, below: Below) -> None:
        space, _, name = form.full_name.partition("::")
        make = _noting if form.name in UNCOUNTED else _counting_mm if form.full_name == "aten::mm" else _counting
        try:
            self._libraries[space].impl(name, make(self, form, below), "BackendSelect", with_keyset=True)
        except Exception as error:  # this torch has it otherwise: it runs uncounted, and status says so
            self.failed[form.full_name] = f"{type(error).__name__}: {error}"

    def add(self, name: str, kind: Any, device: int, count: int) -> None:
        """Count FLOPs of one operator, of this dtype (or precision) on this device."""
        thread = get_ident()
        if type(count) is Partly:
            self.counts.notes[thread, name, count.why] += 1
        self.counts.flops[thread, name, kind, device] += int(count)
        if self.watchers:
            self.tell(name, kind, int(count))

    def tell(self, name: str, kind: Any, count: int) -> None:
        """The watchers, which must not raise."""
        for watcher in tuple(self.watchers):
            watcher(name, kind, count)

    def note(self, what: str, why: str) -> None:
        """Something ran that is not counted."""
        self.counts.notes[get_ident(), what, why] += 1

    def fault(self, name: str, error: Exception) -> None:
        """Our formula failed; the user's operator did not."""
        self.note(name, f"counting it failed: {type(error).__name__}: {error}")

    def whole(self, redo: Callable[..., Any], keys: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator such that what it runs is not counted again."""
        me = get_ident()
        try:
            self.muted.add(me)
            return redo(keys, *args, **kwargs)
        finally:
            self.muted.discard(me)

    def uncounted(self, below: Below, raw: int) -> Any:
        """The keys to go on with where nothing is counted here; what is opaque is noted."""
        if (what := below.opaque(raw)) and get_ident() not in self.muted:
            self.note(what, WHY_OPAQUE)
        return below.rest(raw)


def _counting(kernels: Kernels, form: Form, below: Below) -> Any:
    formula, redo, muted = FORMULAS[form.name], form.redispatch, kernels.muted
    pick, kind = form.pick(formula.names), precision.chooser(formula.switch)

    def count(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        try:
            operands = pick(args, kwargs, out)
            first = operands[0]
            kind_, device = kind(first[0] if type(first) in (list, tuple) else first)
            kernels.add(form.name, kind_, device, formula.count(*operands))
        except Exception as error:
            kernels.fault(form.name, error)

    class Counted(Raised):
        def __new__(cls, keys: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                raw = keys.raw_repr()
                on = below[raw]
                if on is None:
                    return redo(kernels.uncounted(below, raw), *args, **kwargs)
                if muted and get_ident() in muted:
                    return redo(on, *args, **kwargs)
                out = redo(on, *args, **kwargs) if formula.simple else kernels.whole(redo, on, args, kwargs)
            except BaseException as error:
                return cls.of(error)
            count(args, kwargs, out)
            return out

    return Counted


def _counting_mm(kernels: Kernels, form: Form, below: Below) -> Any:
    """The same for the commonest operator, written out: a small product itself takes but two microseconds."""
    redo, muted, flops, name = form.redispatch, kernels.muted, kernels.counts.flops, form.name
    kind, watchers = precision.chooser("matmul"), kernels.watchers

    class Counted(Raised):
        def __new__(cls, keys: Any, x: Any, y: Any) -> Any:
            try:
                on = below[keys.raw_repr()]
                if on is None:
                    return redo(kernels.uncounted(below, keys.raw_repr()), x, y)
                out = redo(on, x, y)
            except BaseException as error:
                return cls.of(error)
            if not muted or get_ident() not in muted:
                try:
                    device = x.get_device()
                    multiplied = x.dtype if device < 0 else kind(x)[0]
                    flops[get_ident(), name, multiplied, device] += 2 * x.shape[1] * out.numel()
                    if watchers:
                        kernels.tell(name, multiplied, 2 * x.shape[1] * out.numel())
                except Exception as error:
                    kernels.fault(name, error)
            return out

    return Counted


def _noting(kernels: Kernels, form: Form, below: Below) -> Any:
    redo, what = form.redispatch, UNCOUNTED[form.name]

    class Noted(Raised):
        def __new__(cls, keys: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                out = redo(below.rest(keys.raw_repr()), *args, **kwargs)
            except BaseException as error:
                return cls.of(error)
            if get_ident() not in kernels.muted:
                kernels.note(what, WHY_OPAQUE)
            return out

    return Noted
