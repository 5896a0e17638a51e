"""Sees torch's operators run: a Python kernel for each that is counted, at the key just above the backends.

``BackendSelect`` is looked up for every operator after autograd, autocast and vmap have done their part
and before the backend (CPU, CUDA, …) is chosen. So a kernel there sees true dtypes and true
batches, in every thread, and goes on with C++ (which releases the interpreter lock, as calling a backend's
kernel from Python does not). Operators that are not counted keep their C++ path. What the kernel
adds is a snapshot's worth of integers; results, errors and their tracebacks are the backend's own.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from ..counts import Counts
from ..raised import Raised
from . import leading as leading
from . import precision, uncounted
from .forms import Below, Form, Plain, forms
from .formulas import FORMULAS, KNOWN_AS, WITHIN, Partly

#: Operator, what was multiplied, FLOPs.
Watcher = Callable[[str, Any, int], None]
#: Two operands, or three of which the last two are multiplied: their FLOPs are 2 × the sums' length × the result.
PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm")
#: No thread: while it is among the muted ones, operators take the way that counts by thread.
NOBODY = -1
WHY_OPAQUE = "their FLOPs do not follow from shapes"


class Kernels:
    """The kernels of this process, there as long as somebody wants them."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.failed: dict[str, str] = {}  # operators that could not be replaced, and why
        self.watchers: list[Watcher] = []  # told of each count, while somebody wants a breakdown
        # Threads in an operator (or graph) that is counted as a whole; and NOBODY, where no number is for all threads.
        self.muted: set[int] = {NOBODY} if counts.by_thread else set()
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
        noted = tuple(uncounted.found(torch._C._dispatch_get_all_op_names()))
        spaces = {name.partition("::")[0] for name in (*FORMULAS, *noted)}
        self._libraries = {space: torch.library.Library(space, "IMPL") for space in spaces}
        below = Below(torch)
        for name in (*FORMULAS, *noted):
            for form in forms(torch, name) if name not in WITHIN else ():
                self._replace(form, below)

    def _replace(self, form: Form, below: Below) -> None:
        space, _, name = form.full_name.partition("::")
        make = _noting if uncounted.uncounted(form.name) else _product if form.full_name in PRODUCTS else _counting
        try:
            self._libraries[space].impl(name, make(self, form, below), "BackendSelect", with_keyset=True)
        except Exception as error:  # this torch has it otherwise: it runs uncounted, and status says so
            self.failed[form.full_name] = f"{type(error).__name__}: {error}"

    def add(self, name: str, kind: Any, device: int, count: int) -> None:
        """Count FLOPs of one operator, of this dtype (or precision) on this device."""
        self.counts.flops[get_ident(), name, kind, device] += count
        self.tell(name, kind, count)

    def tell(self, name: str, kind: Any, count: int) -> None:
        """The watchers, which must not raise; and what a count lacks."""
        if type(count) is Partly:
            self.note(name, count.why)
        for watcher in tuple(self.watchers):
            watcher(name, kind, int(count))

    def note(self, what: str, why: str) -> None:
        """Something ran that is not counted."""
        self.counts.notes[get_ident(), what, why] += 1

    def fault(self, name: str, error: Exception) -> None:
        """Our formula failed; the user's operator did not."""
        self.note(name, f"counting it failed: {type(error).__name__}: {error}")

    def not_here(self, below: Below, raw: int) -> Any:
        """The keys to go on with where nothing is counted here; what is opaque is noted."""
        if (what := below.opaque(raw)) and get_ident() not in self.muted:
            self.note(what, WHY_OPAQUE)
        return below.rest(raw)


# Written out, since each call in here costs the user's operator a tenth of a microsecond.


def _counting(kernels: Kernels, form: Form, below: Below) -> Any:  # noqa: C901 (see above)
    formula, name, redo = FORMULAS[form.name], KNOWN_AS.get(form.name, form.name), form.redispatch
    muted, flops, watchers = kernels.muted, kernels.counts.flops, kernels.watchers
    pick, count, kind, simple = (
        form.pick(formula.names),
        formula.count,
        precision.chooser(formula.switch),
        formula.simple,
    )

    class Counted(Raised):
        def __new__(cls, keys: Any, *args: Any, **kwargs: Any) -> Any:
            me = get_ident()
            try:
                on = below[keys.raw_repr()]
                if on is None:
                    return redo(kernels.not_here(below, keys.raw_repr()), *args, **kwargs)
                if me in muted:
                    return redo(on, *args, **kwargs)
                if simple:
                    out = redo(on, *args, **kwargs)
                else:  # what it runs is not counted again
                    try:
                        muted.add(me)
                        out = redo(on, *args, **kwargs)
                    finally:
                        muted.discard(me)
            except BaseException as error:
                return cls.of(error)
            try:
                operands = pick(args, kwargs, out)
                first = operands[0]
                multiplied, device = kind(first[0] if type(first) is list else first)
                found = count(*operands)
                flops[me, name, multiplied, device] += found
                if watchers or type(found) is Partly:
                    kernels.tell(name, multiplied, found)
            except Exception as error:
                kernels.fault(name, error)
            return out

    return Counted


def _product(kernels: Kernels, form: Form, below: Below) -> Any:  # noqa: C901 (see above)
    """The same for the commonest operators, on the CPU: a small product itself takes but two microseconds.

    What they add is in one number for all threads: with the interpreter lock, nothing comes between reading and
    writing it once the count is known.
    """
    general = _counting(kernels, form, below)
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return general
    name, redo, plain = form.name, form.redispatch, Plain(below)
    muted, watchers, flops = kernels.muted, kernels.watchers, kernels.counts.of_cpu(name)

    class Product(Raised):
        """``mm`` and ``bmm``."""

        def __new__(cls, keys: Any, x: Any, y: Any) -> Any:
            try:
                on = plain[keys.raw_repr()]
                if on is None or muted or watchers:
                    return general(keys, x, y)
                out = redo(on, x, y)
            except BaseException as error:
                return cls.of(error)
            try:
                kind, count = x.dtype, 2 * x.shape[-1] * out.numel()
                flops[kind] += count
            except Exception as error:
                kernels.fault(name, error)
            return out

    class Added(Raised):
        """``addmm``."""

        def __new__(cls, keys: Any, bias: Any, x: Any, y: Any, **scales: Any) -> Any:
            try:
                on = plain[keys.raw_repr()]
                if on is None or scales or muted or watchers:
                    return general(keys, bias, x, y, **scales)
                out = redo(on, bias, x, y)
            except BaseException as error:
                return cls.of(error)
            try:
                kind, count = x.dtype, 2 * x.shape[-1] * out.numel()
                flops[kind] += count
            except Exception as error:
                kernels.fault(name, error)
            return out

    return Product if form.required == 2 else Added


def _noting(kernels: Kernels, form: Form, below: Below) -> Any:
    redo, what = form.redispatch, uncounted.uncounted(form.name) or form.name

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
