"""torch's linear algebra and Fourier transforms: marked, as their FLOPs are known by leading order (``algebra``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod

from .. import algebra
from .formulas import Operand
from .formulas import counts as _counts

counts = partial(_counts, leading=True, switch="")


def _batch(x: Operand) -> tuple[int, int, int]:
    """How many matrices, and their size."""
    *batch, rows, columns = x.shape
    return prod(batch), rows, columns


@counts("linalg_cholesky_ex cholesky", "self")
@counts("linalg_ldl_factor_ex", "self")
def _cholesky(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return batch * algebra.cholesky(n)


@counts("linalg_lu_factor_ex linalg_lu _linalg_det _linalg_slogdet", "A")
def _lu(x: Operand) -> int:
    batch, m, n = _batch(x)
    return batch * algebra.lu(m, n)


@counts("_linalg_solve_ex", "A out")
def _solve(a: Operand, out: Sequence[Operand]) -> int:
    """A decomposition, and two triangular solutions."""
    return _lu(a) + 2 * _triangular(a, out[0])


@counts("linalg_lu_solve", "LU out")
@counts("linalg_ldl_solve", "LD out")
@counts("_cholesky_solve_helper", "A out")
def _twice_triangular(a: Operand, out: Operand) -> int:
    return 2 * _triangular(a, out)


@counts("linalg_solve_triangular", "self out")
def _triangular(a: Operand, out: Operand) -> int:
    """n² for each solution: by the result, since matrices and right sides may be repeated for each other."""
    n = a.shape[-1]
    return algebra.triangular(n, prod(out.shape) // max(1, n))


@counts("triangular_solve", "A out")
def _triangular_of_two(a: Operand, out: Sequence[Operand]) -> int:
    return _triangular(a, out[0])


@counts("linalg_inv_ex", "A")
def _inv(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return batch * algebra.inverse(n)


@counts("cholesky_inverse", "self")
def _cholesky_inverse(x: Operand) -> int:
    """The rest of an inverse whose decomposition is there."""
    batch, n, _ = _batch(x)
    return batch * (2 * n**3 // 3)


@counts("geqrf", "self")
def _geqrf(x: Operand) -> int:
    batch, m, n = _batch(x)
    return batch * algebra.triangularised(m, n)


@counts("linalg_householder_product", "input tau")
def _householder(x: Operand, tau: Operand) -> int:
    batch, m, n = _batch(x)
    return batch * algebra.reflections(m, n, tau.shape[-1])


@counts("linalg_qr", "A mode out")
def _qr(x: Operand, mode: str | None, out: Sequence[Operand]) -> int:
    """The triangle, and (unless only that is wanted) the columns of Q."""
    batch, m, n = _batch(x)
    columns = 0 if mode == "r" else out[0].shape[-1]
    return _geqrf(x) + (batch * algebra.reflections(m, columns, min(m, n)) if columns else 0)


@counts("ormqr", "input2 input3 left")
def _ormqr(tau: Operand, other: Operand, left: bool | None) -> int:
    batch, m, n = _batch(other)
    along, across = (n, m) if left is False else (m, n)
    return batch * algebra.reflected(along, across, tau.shape[-1])


@counts("_linalg_svd", "A full_matrices compute_uv")
def _svd(x: Operand, full: bool | None, vectors: bool | None) -> int:
    batch, m, n = _batch(x)
    return batch * algebra.svd(m, n, vectors is not False, bool(full))


@counts("_linalg_eigh", "A compute_v")
def _eigh(x: Operand, vectors: bool | None) -> int:
    batch, n, _ = _batch(x)
    return batch * algebra.eigh(n, vectors is not False)


@counts("linalg_eig", "self")
def _eig(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return batch * algebra.eig(n, True)


@counts("_linalg_eigvals linalg_eigvals", "self")
def _eigvals(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return batch * algebra.eig(n, False)


@counts("linalg_lstsq", "self b")
def _lstsq(a: Operand, b: Operand) -> int:
    """By Householder's QR, and 4mn for each right side."""
    batch, m, n = _batch(a)
    return _geqrf(a) + 4 * batch * m * n * max(1, prod(b.shape) // max(1, batch * m))


@counts("_fft_c2c", "self dim", complex=1)
def _fft_c2c(x: Operand, dims: Sequence[int]) -> int:
    return algebra.fft(prod(x.shape), prod(x.shape[d] for d in dims), real=False)


@counts("_fft_r2c", "self dim", complex=1)
def _fft_r2c(x: Operand, dims: Sequence[int]) -> int:
    return algebra.fft(prod(x.shape), prod(x.shape[d] for d in dims), real=True)


@counts("_fft_c2r", "self dim out", complex=1)
def _fft_c2r(x: Operand, dims: Sequence[int], out: Operand) -> int:
    return algebra.fft(prod(out.shape), prod(out.shape[d] for d in dims), real=True)
