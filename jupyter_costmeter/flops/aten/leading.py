"""FLOPs of linear algebra and Fourier transforms by their leading order, which is how far a formula of shapes goes.

Golub & Van Loan, *Matrix Computations*, 4th ed. 2013: LU 3.2, Cholesky 4.2, QR 5.2, SVD 8.6, eigenvalues 7.5
and 8.3, FFT 1.4.1. What was run may differ from it by blocking, pivoting and iterations, so these FLOPs are marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import log2, prod

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
    return batch * n**3 // 3


@counts("linalg_lu_factor_ex linalg_lu _linalg_det _linalg_slogdet", "A")
def _lu(x: Operand) -> int:
    batch, m, n = _batch(x)
    q = min(m, n)
    return batch * (2 * m * n * q - (m + n) * q * q + 2 * q**3 // 3)


@counts("_linalg_solve_ex", "A B")
def _solve(a: Operand, b: Operand) -> int:
    """A decomposition, and two triangular solutions of each right side."""
    return _lu(a) + _twice_triangular(a, b)


@counts("linalg_lu_solve", "LU B")
@counts("linalg_ldl_solve", "LD B")
def _twice_triangular(a: Operand, b: Operand) -> int:
    batch, n, _ = _batch(a)
    sides = prod(b.shape) // max(1, prod(a.shape[:-1]))
    return 2 * batch * n * n * max(1, sides)


@counts("_cholesky_solve_helper", "self A")
def _cholesky_solve(b: Operand, a: Operand) -> int:
    return _twice_triangular(a, b)


@counts("linalg_solve_triangular", "B")
@counts("triangular_solve", "self")
def _triangular(b: Operand) -> int:
    batch, n, sides = _batch(b)
    return batch * n * n * sides


@counts("linalg_inv_ex", "A")
def _inv(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return 2 * batch * n**3


@counts("cholesky_inverse", "self")
def _cholesky_inverse(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return 2 * batch * n**3 // 3


@counts("geqrf", "self")
def _geqrf(x: Operand) -> int:
    """Householder's triangularisation: 2n²(m − n/3), of the wide as of the tall."""
    batch, m, n = _batch(x)
    long, short = max(m, n), min(m, n)
    return batch * (2 * short * short * long - 2 * short**3 // 3)


@counts("linalg_householder_product", "input tau")
def _householder(x: Operand, tau: Operand) -> int:
    """The first n columns of a product of k reflections: 4mnk − 2(m + n)k² + 4k³/3."""
    batch, m, n = _batch(x)
    k = tau.shape[-1]
    return batch * (4 * m * n * k - 2 * (m + n) * k * k + 4 * k**3 // 3)


@counts("linalg_qr", "A mode out")
def _qr(x: Operand, mode: str | None, out: Sequence[Operand]) -> int:
    """The triangle, and (unless only that is wanted) the columns of Q."""
    batch, m, n = _batch(x)
    k, columns = min(m, n), 0 if mode == "r" else out[0].shape[-1]
    return _geqrf(x) + batch * max(0, 4 * m * columns * k - 2 * (m + columns) * k * k + 4 * k**3 // 3)


@counts("ormqr", "input2 input3 out left")
def _ormqr(tau: Operand, other: Operand, out: Operand, left: bool | None) -> int:
    """A product with Q by its k reflections: 4mnk − 2mk² (from the left)."""
    batch, m, n = _batch(other)
    across, along = (n, m) if left is not False else (m, n)
    k = tau.shape[-1]
    return batch * (4 * across * along * k - 2 * across * k * k)


@counts("_linalg_svd", "A compute_uv")
def _svd(x: Operand, vectors: bool | None) -> int:
    """Golub & Reinsch: 4m²n + 8mn² + 9n³ with both sides' vectors, else 4mn² − 4n³/3 (m ≥ n)."""
    batch, m, n = _batch(x)
    long, short = max(m, n), min(m, n)
    if vectors is False:
        return batch * (4 * long * short**2 - 4 * short**3 // 3)
    return batch * (4 * long**2 * short + 8 * long * short**2 + 9 * short**3)


@counts("_linalg_eigh", "A compute_v")
def _eigh(x: Operand, vectors: bool | None) -> int:
    """Symmetric QR: 9n³ with vectors, else 4n³/3."""
    batch, n, _ = _batch(x)
    return batch * (4 * n**3 // 3 if vectors is False else 9 * n**3)


@counts("linalg_eig", "self")
def _eig(x: Operand) -> int:
    """The real Schur form with its vectors: 25n³."""
    batch, n, _ = _batch(x)
    return 25 * batch * n**3


@counts("_linalg_eigvals linalg_eigvals", "self")
def _eigvals(x: Operand) -> int:
    batch, n, _ = _batch(x)
    return 10 * batch * n**3


@counts("linalg_lstsq", "self b")
def _lstsq(a: Operand, b: Operand) -> int:
    """By Householder's QR: 2n²(m − n/3), and 4mn for each right side."""
    batch, m, n = _batch(a)
    sides = prod(b.shape) // max(1, batch * m)
    return _geqrf(a) + 4 * batch * m * n * sides


# Fourier transforms: 5 n log2 n for each of n complex numbers, half of that for real ones


def _fft(numbers: int, length: int, each: float) -> int:
    return int(each * numbers * log2(max(length, 2)))


@counts("_fft_c2c", "self dim", complex=1)
def _fft_c2c(x: Operand, dims: Sequence[int]) -> int:
    return _fft(prod(x.shape), prod(x.shape[d] for d in dims), 5.0)


@counts("_fft_r2c", "self dim", complex=1)
def _fft_r2c(x: Operand, dims: Sequence[int]) -> int:
    return _fft(prod(x.shape), prod(x.shape[d] for d in dims), 2.5)


@counts("_fft_c2r", "self dim out", complex=1)
def _fft_c2r(x: Operand, dims: Sequence[int], out: Operand) -> int:
    return _fft(prod(out.shape), prod(out.shape[d] for d in dims), 2.5)
