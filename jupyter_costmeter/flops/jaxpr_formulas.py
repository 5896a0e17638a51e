"""FLOPs of single JAX operators by their shapes: a multiply-add is 2 (FACTS §5), elementwise work is none.

Exact ones are of products. In a convolution padding is multiplied as if it were data, as long as no element
meets a place of the kernel twice, and the holes of a dilated input are not: so a transposed convolution, and
each of a convolution's gradients, is as much as what it turns round (as torch's counter has it).

Those of linear algebra and Fourier transforms are known by their leading order (``algebra``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..record import Precision
from . import algebra, dtypes

#: How wide operands are, where they differ: the narrow one is converted.
WIDTH: dict[Precision, int] = {
    "fp64": 9, "fp32": 8, "tf32": 7, "bf16": 6, "fp16": 5, "fp8": 4, "fp4": 3, "int": 2, "int8": 1,
}  # fmt: skip
#: Names of ``jax.lax.DotAlgorithmPreset`` begin with their operands' type.
ALGORITHMS: dict[str, Precision] = {"F64": "fp64", "F32": "fp32", "TF32": "tf32", "BF16": "bf16", "F16": "fp16"}


@dataclass(frozen=True, slots=True)
class Target:
    """On what a program runs. ``tf32``: its float32 products are tf32's unless HIGHEST is asked for."""

    platforms: frozenset[str] = frozenset(["cpu"])
    tf32: bool = False

    def index(self, platforms: Sequence[Sequence[str] | None]) -> int:
        """Which of a ``platform_dependent``'s branches is lowered here; ``None`` stands for any platform.

        Raises:
            StopIteration: there is none, and JAX would not have compiled it.
        """
        return next(i for i, names in enumerate(platforms) if names is None or self.platforms & set(names))


@dataclass(frozen=True, slots=True)
class Formula:
    """``flops`` of an operator and of the ids of what is read of it, given only if it ``reads`` that.

    ``is_complex``: the formula knows complex numbers itself; else a product of two such is four.
    """

    flops: Callable[[Any, frozenset[int]], int]
    is_complex: bool = False
    reads: bool = False


# Precision


def of_dtype(dtype: Any) -> Precision:
    """The precision of what has that dtype."""
    return dtypes.precision(str(dtype))


def precision(eqn: Any, target: Target) -> Precision:
    """At what its operands are multiplied: on a CPU by their dtype, whatever is asked for."""
    own = max((of_dtype(v.aval.dtype) for v in eqn.invars[:2]), key=WIDTH.__getitem__)
    asked = eqn.params.get("precision")
    if "cpu" in target.platforms or eqn.primitive.name not in EXACT:
        return own
    if (named := _named(asked)) is not None:
        return named
    return "tf32" if own == "fp32" and target.tf32 and not _highest(asked) else own


def _named(asked: Any) -> Precision | None:
    """What a ``DotAlgorithmPreset`` or a ``DotAlgorithm`` says."""
    if (kind := getattr(asked, "lhs_precision_type", None)) is None:
        return ALGORITHMS.get(getattr(asked, "name", "").partition("_")[0])
    name = getattr(kind, "name", None) or getattr(kind, "__name__", kind)
    return "tf32" if name == "tfloat32" else of_dtype(name)


def _highest(asked: Any) -> bool:
    """XLA takes the higher of the two operands' precisions."""
    both = asked if isinstance(asked, tuple) else (asked,)
    return any(getattr(one, "name", None) == "HIGHEST" for one in both)


def parts(eqn: Any) -> int:
    """Real multiply-adds in one of its own: 4 of complex operands, 2 where one of two is."""
    return prod(2 if str(v.aval.dtype).startswith("complex") else 1 for v in (eqn.invars * 2)[:2])


# Products


def _shape(v: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = v.aval.shape
    return shape


def _dot_general(eqn: Any) -> int:
    shape, ((contracted, _), _) = _shape(eqn.invars[0]), eqn.params["dimension_numbers"]
    depth: int = prod(shape[d] for d in contracted)
    return 2 * prod(_shape(eqn.outvars[0])) * depth


def _symmetric_product(eqn: Any) -> int:
    """A Aᵀ: computed in full."""
    *batch, n, k = _shape(eqn.invars[0])
    return 2 * prod(batch) * n * n * k


def _conv_general_dilated(eqn: Any) -> int:
    """A group's input channels are the kernel's; groups of batches and of features divide what they should."""
    numbers = eqn.params["dimension_numbers"]
    _, _, *image = _laid_out(eqn.invars[0], numbers.lhs_spec)
    _, channels, *kernel = _laid_out(eqn.invars[1], numbers.rhs_spec)
    batch, features, *out = _laid_out(eqn.outvars[0], numbers.out_spec)
    sizes = enumerate(zip(image, kernel, out, strict=True))
    return 2 * batch * features * channels * prod(_meetings(eqn.params, axis, *size) for axis, size in sizes)


def _laid_out(v: Any, spec: Sequence[int]) -> list[int]:
    """Sizes in the order in which a specification names them."""
    shape = _shape(v)
    return [shape[d] for d in spec]


def _meetings(params: dict[str, Any], axis: int, image: int, kernel: int, out: int) -> int:
    """How often a place of the kernel meets one of the image, for all outputs along one axis.

    For each output once, unless it falls on a hole of the image; and no more often than there are pairs
    of an element with a place of the kernel, or with an output.
    """
    holes, step, stride = (params[name][axis] for name in ("lhs_dilation", "window_strides", "rhs_dilation"))
    low = params["padding"][axis][0]
    at = Counter((i * step - low) % holes for i in range(out))
    fell = sum(at[-(k * stride) % holes] for k in range(kernel))
    return min(fell, image * kernel, image * out)


# Linear algebra


def _matrices(v: Any) -> tuple[int, int, int]:
    """How many, and their size."""
    *batch, rows, columns = _shape(v)
    return prod(batch), rows, columns


def _square(flops: Callable[[int], int]) -> Callable[[Any], int]:
    """Of a square matrix of that size."""

    def of(eqn: Any) -> int:
        batch, n, _ = _matrices(eqn.invars[0])
        return batch * flops(n)

    return of


def _lu(eqn: Any) -> int:
    batch, m, n = _matrices(eqn.invars[0])
    return batch * algebra.lu(m, n)


def _triangular_solve(eqn: Any) -> int:
    _, n, _ = _matrices(eqn.invars[0])
    return algebra.triangular(n, prod(_shape(eqn.invars[1])) // max(1, n))


def _geqrf(eqn: Any) -> int:
    batch, m, n = _matrices(eqn.invars[0])
    return batch * algebra.triangularised(m, n)


def _householder_product(eqn: Any) -> int:
    batch, m, n = _matrices(eqn.invars[0])
    return batch * algebra.reflections(m, n, _shape(eqn.invars[1])[-1])


def _qr(eqn: Any, read: frozenset[int]) -> int:
    """The triangle, and the columns of Q if something reads it: XLA leaves it out otherwise."""
    batch, m, n = _matrices(eqn.invars[0])
    columns = _shape(eqn.outvars[0])[-1]
    wanted = id(eqn.outvars[0]) in read
    return _geqrf(eqn) + (batch * algebra.reflections(m, columns, min(m, n)) if wanted else 0)


def _ormqr(eqn: Any) -> int:
    batch, m, n = _matrices(eqn.invars[2])
    along, across = (m, n) if eqn.params["left"] else (n, m)
    return batch * algebra.reflected(along, across, _shape(eqn.invars[1])[-1])


def _svd(eqn: Any) -> int:
    batch, m, n = _matrices(eqn.invars[0])
    return batch * algebra.svd(m, n, eqn.params["compute_uv"], eqn.params["full_matrices"])


def _eig(eqn: Any) -> int:
    batch, n, _ = _matrices(eqn.invars[0])
    sides = ("compute_left_eigenvectors", "compute_right_eigenvectors", "compute_schur_vectors")
    return batch * algebra.eig(n, any(eqn.params.get(side) for side in sides))


def _tridiagonal_solve(eqn: Any) -> int:
    """8 for each element of each right side."""
    return 8 * prod(_shape(eqn.invars[3]))


def _fft(eqn: Any) -> int:
    kind = getattr(eqn.params["fft_type"], "name", str(eqn.params["fft_type"]))
    real = eqn.outvars[0] if kind.endswith("IRFFT") else eqn.invars[0]
    return algebra.fft(prod(_shape(real)), prod(eqn.params["fft_lengths"]), kind.endswith("RFFT"))


def _table(formulas: dict[str, Callable[[Any], int]]) -> dict[str, Formula]:
    return {name: Formula(_of_operator(flops)) for name, flops in formulas.items()}


def _of_operator(flops: Callable[[Any], int]) -> Callable[[Any, frozenset[int]], int]:
    return lambda eqn, _: flops(eqn)


#: Operators whose FLOPs are known.
EXACT = _table(
    {
        "dot_general": _dot_general,
        "conv_general_dilated": _conv_general_dilated,
        "symmetric_product": _symmetric_product,
    }
)
#: Those known to the leading order; JAX asks for eigh's vectors always.
LEADING = {
    **_table(
        {
            "cholesky": _square(algebra.cholesky),
            "lu": _lu,
            "triangular_solve": _triangular_solve,
            "geqrf": _geqrf,
            "geqp3": _geqrf,
            "householder_product": _householder_product,
            "ormqr": _ormqr,
            "svd": _svd,
            "eigh": _square(lambda n: algebra.eigh(n, True)),
            "eig": _eig,
            "schur": _eig,
            "hessenberg": _square(lambda n: 10 * n**3 // 3),
            "tridiagonal": _square(lambda n: algebra.eigh(n, False)),
            "tridiagonal_solve": _tridiagonal_solve,
        }
    ),
    "qr": Formula(_qr, reads=True),
    "fft": Formula(_of_operator(_fft), is_complex=True),
}
