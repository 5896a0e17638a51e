"""FLOPs of a program by its jaxpr: loops multiply, and what cannot be known is noted.

JAX is not imported: what is read of its objects is named here, and a jaxpr of other make raises. What XLA does
to a program later (folding constants, merging products that are the same) is not seen. Formulas of single
operators: ``jaxpr_formulas``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

from ..record import Precision
from .jaxpr_formulas import EXACT, LEADING, Formula, Target, parts, precision

#: Programs inside a program, in languages that are not read here; sparse and ragged work depends on data.
OPAQUE = re.compile(
    r"pallas_call|core_map|mpmd_map|ffi_call|triton_kernel_call|call_exported|call_tf|call_hi_primitive\w*"
    r"|pure_callback|io_callback|buffer_callback|\w*custom_call\w*|cudnn_fusion|\w*dot_product_attention\w*|te_\w+"
    r"|scaled_dot|scaled_matmul\w*|spsolve|cholesky_update"
)
SPARSE = re.compile(r"(bcoo|bcsr|coo|csr)_\w*(dot_general|matvec|matmat|spmv|spmm)\w*")
WHY_OPAQUE = "opaque: its own program is not read"
WHY_SPARSE = "its work depends on its data"
WHY_RAGGED = "its groups' sizes are known on the device only"
WHY_WHILE = "trip count unknown, counted once"
WHY_COND = "largest branch counted"
#: What says how something lies on devices: operators, and parameters of others.
CONSTRAINTS = ("sharding_constraint", "reshard")
CONSTRAINING = ("sharding", "out_sharding")


class Key(NamedTuple):
    """What FLOPs are told apart by. ``manual``: of a shard_map, and so already of all devices together."""

    precision: Precision
    leading: bool = False
    manual: bool = False


class Note(NamedTuple):
    """What was not counted, or not surely, and why."""

    what: str
    why: str


class Work:
    """What one run of a program does: FLOPs, and notes of what else."""

    def __init__(self) -> None:
        self.flops: defaultdict[Key, int] = defaultdict(int)
        self.notes: set[Note] = set()
        self.constrained = False  # it tells XLA how to lay something out over devices

    @property
    def total(self) -> int:
        return sum(self.flops.values())

    def add(self, other: Work, times: int = 1, manual: bool = False) -> None:
        """That much more; of something that runs no times nothing, and no notes."""
        if times:
            for key, flops in other.flops.items():
                self.flops[key._replace(manual=True) if manual else key] += flops * times
            self.notes |= other.notes
        self.constrained |= other.constrained


def count(jaxpr: Any, target: Target) -> Work:
    """What one run of a jaxpr (closed or open) does on that kind of device.

    Raises:
        Exception: of any kind, where the jaxpr is unlike those we know.
    """
    return _Walk(target).of(jaxpr)


class _Walk:
    """One walk. A jaxpr that is called from many places is read once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[int, Work] = {}
        self._control: dict[str, Callable[[dict[str, Any], Work], None]] = {
            "scan": self._scan,
            "while": self._while,
            "cond": self._cond,
            "shard_map": self._shard_map,
            "custom_linear_solve": self._custom_linear_solve,
        }

    def of(self, jaxpr: Any) -> Work:
        jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
        if (known := self._known.get(id(jaxpr))) is None:
            known = Work()
            for eqn in jaxpr.eqns:
                self._operator(jaxpr, eqn, known)
            self._known[id(jaxpr)] = known
        return known

    def _operator(self, jaxpr: Any, eqn: Any, work: Work) -> None:
        name = eqn.primitive.name
        work.constrained |= name in CONSTRAINTS or any(eqn.params.get(p) is not None for p in CONSTRAINING)
        if (control := self._control.get(name)) is not None:
            control(eqn.params, work)
        elif (formula := EXACT.get(name) or LEADING.get(name)) is not None:
            self._formula(formula, jaxpr, eqn, work)
        elif why := _uncounted(name):
            work.notes.add(Note(name, why))
        else:
            for inner in _programs(eqn.params):
                work.add(self.of(inner))

    def _formula(self, formula: Formula, jaxpr: Any, eqn: Any, work: Work) -> None:
        leading = eqn.primitive.name in LEADING
        read = _read(jaxpr) if formula.reads else frozenset()
        flops = formula.flops(eqn, read) * (1 if formula.is_complex else parts(eqn))
        if flops:
            work.flops[Key(precision(eqn, self._target), leading)] += flops

    # Operators that run programs in a way of their own

    def _scan(self, params: dict[str, Any], work: Work) -> None:
        """A ``fori_loop`` whose bounds are known is one, too."""
        work.add(self.of(params["jaxpr"]), params["length"])

    def _while(self, params: dict[str, Any], work: Work) -> None:
        before = Work()
        for part in ("cond_jaxpr", "body_jaxpr"):
            before.add(self.of(params[part]))
        work.add(before)
        if before.total:
            work.notes.add(Note("while", WHY_WHILE))

    def _cond(self, params: dict[str, Any], work: Work) -> None:
        branches = [self.of(branch) for branch in params["branches"]]
        if (platforms := params.get("branches_platforms")) is not None:
            return work.add(branches[self._target.index(platforms)])
        work.add(max(branches, key=lambda branch: branch.total))
        for branch in branches:
            work.notes |= branch.notes
            work.constrained |= branch.constrained
        if len({branch.total for branch in branches}) > 1:
            work.notes.add(Note("cond", WHY_COND))
        return None

    def _shard_map(self, params: dict[str, Any], work: Work) -> None:
        """Its program is one device's: all of its mesh run it, also along axes that nothing is sharded over."""
        axes = params["newly_manual_axes"] if "newly_manual_axes" in params else params["manual_axes"]
        sizes = dict(params["mesh"].shape)
        work.add(self.of(params["jaxpr"]), prod(sizes[axis] for axis in axes), manual=True)

    def _custom_linear_solve(self, params: dict[str, Any], work: Work) -> None:
        """Of its four programs only the solution runs."""
        work.add(self.of(params["jaxprs"].solve))


def _uncounted(name: str) -> str | None:
    if OPAQUE.fullmatch(name):
        return WHY_OPAQUE
    if SPARSE.fullmatch(name):
        return WHY_SPARSE
    return WHY_RAGGED if name.startswith("ragged_dot") else None


def _programs(params: dict[str, Any]) -> Iterator[Any]:
    """The jaxprs among an operator's parameters. Derivatives are no jaxprs yet, but functions that make them."""
    for value in params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if hasattr(getattr(one, "jaxpr", one), "eqns"):
                yield one


def _read(jaxpr: Any) -> frozenset[int]:
    """The variables that something reads, by id."""
    read = [v for eqn in jaxpr.eqns for v in eqn.invars]
    return frozenset(id(v) for v in (*read, *jaxpr.outvars))
