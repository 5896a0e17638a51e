"""FLOPs of a compiled graph, once, from its nodes; where sizes are symbols, as expressions of them.

What comes out is made of plain values: torch pickles it with the graph into its own caches, from
where a process without this package must be able to read it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

from . import leading as leading
from . import precision
from .formulas import FORMULAS, Formula, sdpa, sdpa_backward
from .uncounted import uncounted

#: Whose operators are known to do no other arithmetic than ours (or to be ours).
KNOWN = ("aten", "prims", "inductor", "inductor_prims", "mkldnn", "mkl", "onednn", "quantized", "rngprims",
         "_c10d_functional", "c10d", "sparse")  # fmt: skip
#: Products that inductor writes as a multiplication and a sum, where that is faster.
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot")
HIGHER: dict[str, Formula] = {
    "flex_attention": Formula((), sdpa),
    "flex_attention_backward": Formula((), sdpa_backward),
}
#: Higher-order operators whose work is not known: what they are.
OPAQUE = {
    "triton_kernel_wrapper_mutation": "Triton kernels",
    "triton_kernel_wrapper_functional": "Triton kernels",
    "cond": "branches in compiled graphs",
    "while_loop": "loops in compiled graphs",
    "scan": "loops in compiled graphs",
    "map_impl": "loops in compiled graphs",
}
WHY = {"Triton kernels": "their FLOPs cannot be seen from outside"}
WHY_OPAQUE = "how often they run is known only to the graph"

#: Operator, dtype (or "tf32"), device, and a number or an expression.
Row = tuple[str, Any, int, "int | str"]


class Unknown(Exception):
    """The graph runs something that must be counted as it runs."""


class Shaped:
    """Stands for a tensor in the formulas."""

    __slots__ = ("device", "dtype", "shape")

    def __init__(self, value: Any) -> None:
        self.shape = tuple(map(_size, value.shape))
        self.dtype, self.device = value.dtype, value.device

    def get_device(self) -> int:
        return -1 if self.device.type == "cpu" else self.device.index or 0

    @property
    def is_cuda(self) -> bool:
        return bool(self.device.type == "cuda")


def _size(size: Any) -> Any:
    """An integer, or sympy's expression of symbols."""
    node = getattr(size, "node", None)
    if node is None:
        return int(size)
    return int(node.expr) if node.expr.is_number else node.expr


#: Where to find each symbol: an input, and a dimension of it if it is a tensor.
Symbols = dict[str, tuple[int, "int | None"]]


def written_out(graph_module: Any) -> tuple[list[Row], Symbols]:
    """The products that inductor writes out, and no more: what is fused with others calls no operator.

    Raises:
        Unknown: their sizes cannot be told beforehand.
    """
    nodes = [node for node in graph_module.graph.nodes if getattr(node.target, "_opname", "") == "mul"]
    return _ready([row for node in nodes if (row := _product(node))], graph_module)


def _ready(rows: list[Row], graph_module: Any) -> tuple[list[Row], Symbols]:
    symbols = _symbols(graph_module)
    return [(*row[:3], row[3] if isinstance(row[3], int) else _printed(row[3], symbols)) for row in rows], symbols


def counted(torch: Any, graph_module: Any) -> tuple[list[Row], list[tuple[str, str]], Symbols]:
    """A graph's FLOPs, its notes, and its symbols.

    Raises:
        Unknown: it must be counted as it runs.
    """
    rows: list[Row] = []
    notes: list[tuple[str, str]] = []
    for node in graph_module.graph.nodes:
        if node.op == "call_function":
            found = _node(torch, graph_module, node)
            rows += found[0]
            notes += found[1]
    printed, symbols = _ready(rows, graph_module)
    return printed, list(dict.fromkeys(notes)), symbols


def _printed(count: Any, symbols: Symbols) -> int | str:
    from torch.utils._sympy.printers import PythonPrinter

    if missing := {s.name for s in count.free_symbols} - symbols.keys():
        raise Unknown(f"no input has {', '.join(sorted(missing))}")
    return str(PythonPrinter().doprint(count))


def _symbols(graph_module: Any) -> Symbols:
    found: Symbols = {}
    inputs = [node for node in graph_module.graph.nodes if node.op == "placeholder"]
    for place, node in enumerate(inputs):
        for dim, size in _sizes(node.meta.get("val")):
            if getattr(size, "is_symbol", False):
                found.setdefault(size.name, (place, dim))
    return found


def _sizes(value: Any) -> Iterator[tuple[int | None, Any]]:
    if hasattr(value, "shape"):
        yield from enumerate(map(_size, value.shape))
    elif hasattr(value, "node"):
        yield None, _size(value)


Found = tuple[list[Row], list[tuple[str, str]]]


def _node(torch: Any, graph_module: Any, node: Any) -> Found:
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return _operator(torch, node, f"{target.namespace}::{target._opname}")
    if isinstance(target, torch._ops.HigherOrderOperator):
        return _higher(torch, graph_module, node, target.name())
    if getattr(target, "__module__", "") in ("_operator", "operator", "math") or target in (getattr, operator.getitem):
        return [], []
    raise Unknown(str(target))


def _operator(torch: Any, node: Any, name: str) -> Found:
    if name in FORMULAS:
        return _row(name, FORMULAS[name], node, _arguments(node)), []
    if what := uncounted(name):
        return [], [(what, "their FLOPs do not follow from shapes")]
    if name.partition("::")[0] not in KNOWN:
        raise Unknown(name)
    product = _product(node) if name == "aten::mul" else None
    return ([product] if product else []), []


def _higher(torch: Any, graph_module: Any, node: Any, name: str) -> Found:
    if name in HIGHER:
        operands = [_shaped(argument) for argument in node.args[:3]]
        return [_made(name, HIGHER[name], operands)], []
    if name == "invoke_subgraph":
        inner = getattr(graph_module, node.args[0].target)
        rows, notes, _ = counted(torch, inner)
        if any(isinstance(row[3], str) for row in rows):
            raise Unknown(name)  # its symbols are those of its own inputs
        return rows, notes
    if name in OPAQUE:
        return [], [(OPAQUE[name], WHY.get(OPAQUE[name], WHY_OPAQUE))]
    raise Unknown(name)


def _shaped(argument: Any) -> Any:
    """The arguments of a node, tensors as their shapes."""
    if isinstance(argument, (list, tuple)):
        return [_shaped(one) for one in argument]
    value = argument.meta.get("val") if hasattr(argument, "meta") else argument
    if isinstance(value, (list, tuple)):
        return [_shaped(one) for one in value]
    return Shaped(value) if hasattr(value, "dtype") and hasattr(value, "shape") else value


def _arguments(node: Any) -> dict[str, Any]:
    names = [argument.name for argument in node.target._schema.arguments]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {**{name: _shaped(value) for name, value in given.items()}, "out": _shaped(node)}


def _row(name: str, formula: Formula, node: Any, given: dict[str, Any]) -> list[Row]:
    return [_made(name, formula, [given.get(argument) for argument in formula.names])]


def _made(name: str, formula: Formula, operands: list[Any]) -> Row:
    first = operands[0][0] if isinstance(operands[0], list) else operands[0]
    kind, device = precision.chooser(formula.switch)(first)
    return name, kind, device, formula.count(*operands)


def _product(node: Any) -> Row | None:
    """A multiplication that was a product of matrices: its elements are then summed."""
    origin = node.meta.get("original_aten")
    name = getattr(origin, "_opname", "")
    if name not in PRODUCTS or not all(hasattr(argument, "meta") for argument in node.args):
        return None
    out = _shaped(node)
    kind, device = precision.chooser("matmul")(_shaped(node.args[0]))
    return f"aten::{name}", kind, device, 2 * prod(out.shape)


def evaluated(rows: Iterable[Row], sizes: dict[str, int]) -> list[tuple[str, Any, int, int]]:
    """The rows with numbers for their symbols."""
    import math

    names = {"math": math, **sizes}
    return [(*row[:3], row[3] if isinstance(row[3], int) else int(eval(row[3], names))) for row in rows]


Evaluated = Callable[[list[Any]], list[tuple[str, Any, int, int]]]
