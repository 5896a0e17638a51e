"""The Python API for one call's FLOPs: ``count_flops(model, x)``, in a notebook or outside."""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import UsageError
from .flops.torch_flops import COUNTS, Counting, capability
from .format import quantity
from .pages import Page, Table
from .reach import LIBRARIES, Code, reached


@dataclass(frozen=True)
class FlopCount:
    """The FLOPs of one call: a multiply-add is 2 (FACTS §5).

    Args:
        result: what the call answered.
        total: of all operators that are counted.
        by_operator: of each operator (``aten::mm``), most first.
        by_precision: of each precision (``fp32``); linear algebra and FFT are counted by their leading order.
        by_module: of each ``nn.Module`` that was called, with what it called itself, forward and backward.
        leading: of ``total``, what was counted by its leading order.
        uncounted: what else did arithmetic, and why it was not counted; the total is then a lower bound.
    """

    result: Any = field(repr=False)
    total: int
    by_operator: dict[str, int]
    by_precision: dict[str, int]
    by_module: dict[str, int]
    leading: int = 0
    uncounted: tuple[str, ...] = ()

    @property
    def lower_bound(self) -> bool:
        return bool(self.uncounted)

    def page(self) -> Page:
        """The breakdown, for a notebook or a terminal."""
        bound = "≥ " if self.lower_bound else ""
        notes = [f"Not counted: {'; '.join(self.uncounted)}."] if self.uncounted else []
        if self.leading:
            notes.append(f"{quantity(self.leading, 'FLOP')} of these by the leading order of their formulas.")
        parts = {"operator": self.by_operator, "module": self.by_module}
        if len(self.by_precision) > 1:
            parts = {"precision": self.by_precision, **parts}
        tables = [_table(what, flops, self.total) for what, flops in parts.items()]
        return Page(f"{bound}{quantity(self.total, 'FLOP')} ({self.total:,})", tables, notes)

    def _repr_html_(self) -> str:
        return self.page()._repr_html_()

    def __repr__(self) -> str:
        return self.page().text()


def _table(what: str, flops: dict[str, int], total: int) -> Table:
    rows = [[name, quantity(n, "FLOP"), f"{100 * n / total:.1f} %" if total else "—"] for name, n in flops.items()]
    return Table([what, "FLOPs", "share"], rows, frozenset({"FLOPs", "share"}))


def count_flops(function: Callable[..., Any], *args: Any, **kwargs: Any) -> FlopCount:
    """Call it once, and count what torch runs meanwhile, in every thread. Its errors are its own.

    Raises:
        UsageError: torch is not imported, or FLOPs cannot be counted in it.
    """
    if not callable(function):
        raise UsageError(f"{function!r} cannot be called: count_flops(model, x) calls model(x)")
    counting = COUNTS
    with _counting(counting) as kernels, _modules() as (parents, by_module):
        from .flops.aten import operators
        from .flops.counts import between

        def watch(name: str, kind: Any, count: int) -> None:
            factor = operators.figure(name, kind, None)[1]
            for module in parents():
                by_module[module] += count * factor

        kernels.watchers.append(watch)
        start = counting.counts.snapshot()
        try:
            result = function(*args, **kwargs)
        finally:
            kernels.watchers.remove(watch)
        found = _count(result, between(start, counting.counts.snapshot()), by_module)
        return replace(found, uncounted=(*found.uncounted, *_else((function, args, kwargs), result)))


def _else(called: tuple[Any, ...], result: Any) -> list[str]:
    """What torch's operators are not all of: libraries that the call could reach, and work that is yet to come."""
    function, args, kwargs = called
    given = {"function": function, **{f"argument_{i}": a for i, a in enumerate((*args, *kwargs.values()))}}
    found = [": ".join(LIBRARIES[package]) for package in reached(Code("; ".join(given), given))]
    if inspect.iscoroutine(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        found.append(f"{type(result).__name__}: what it does when it runs was not awaited here")
    return sorted(set(found))


@contextmanager
def _counting(counting: Counting) -> Iterator[Any]:
    if "torch" not in sys.modules:
        raise UsageError("count_flops counts what torch runs: import torch first")
    counting.acquire()
    try:
        if counting.kernels is None:
            raise UsageError(f"FLOPs cannot be counted: {counting.why}")
        yield counting.kernels
    finally:
        counting.release()


@contextmanager
def _modules() -> Iterator[tuple[Callable[[], list[str]], defaultdict[str, int]]]:
    """The modules that this thread of torch is in, and where to add up their FLOPs."""
    found: defaultdict[str, int] = defaultdict(int)
    try:
        from .flops.modules import Modules
    except ImportError:  # an older torch has no tracker
        yield list, found
        return
    with Modules() as tracker:
        yield lambda: [name for name in tuple(tracker.parents) if name != "Global"], found


def _count(result: Any, found: Any, by_module: dict[str, int]) -> FlopCount:
    from .flops.aten import operators

    by_operator: defaultdict[str, int] = defaultdict(int)
    by_figure: defaultdict[str, int] = defaultdict(int)
    for (_, name, kind, device), n in found.flops.items():
        figure, factor = operators.figure(name, kind, None if device < 0 else capability(device))
        by_operator[name] += n * factor
        by_figure[figure] += n * factor
    by_precision: defaultdict[str, int] = defaultdict(int)
    for figure, n in by_figure.items():
        by_precision[figure.split("_")[1]] += n
    return FlopCount(
        result,
        sum(by_operator.values()),
        _most_first(by_operator),
        _most_first(by_precision),
        _most_first(by_module),
        sum(n for figure, n in by_figure.items() if figure.endswith("_leading")),
        tuple(sorted({f"{what}: {why}" for _, what, why in found.notes})),
    )


def _most_first(flops: dict[str, int]) -> dict[str, int]:
    return dict(sorted(flops.items(), key=lambda item: (-item[1], item[0])))
