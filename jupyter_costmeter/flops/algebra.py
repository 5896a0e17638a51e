"""FLOPs of linear algebra and Fourier transforms by their leading order, which is how far sizes tell.

Golub & Van Loan, *Matrix Computations*, 4th ed. 2013: LU 3.2, Cholesky 4.2, QR 5.2, Hessenberg 7.4, eigenvalues
7.5 and 8.3, SVD 8.6, FFT 1.4.1. What was run may differ by blocking, pivoting and iterations. Of one real matrix
each: a batch is so many, and a product of complex numbers four real ones.
"""

from __future__ import annotations

from math import log2


def lu(m: int, n: int) -> int:
    """Of a square one 2n³/3."""
    q = min(m, n)
    return 2 * m * n * q - (m + n) * q * q + 2 * q**3 // 3


def cholesky(n: int) -> int:
    """Half of an LU."""
    return n**3 // 3


def triangular(n: int, sides: int) -> int:
    """A triangular system with so many right sides."""
    return n * n * sides


def inverse(n: int) -> int:
    """A decomposition, and n right sides."""
    return 2 * n**3


def triangularised(m: int, n: int) -> int:
    """By Householder's reflections (``geqrf``): 2n²(m − n/3), of the wide as of the tall."""
    long, short = max(m, n), min(m, n)
    return 2 * short * short * long - 2 * short**3 // 3


def reflections(m: int, n: int, k: int) -> int:
    """The first n columns of a product of k reflections (``orgqr``): 4mnk − 2(m + n)k² + 4k³/3."""
    return max(0, 4 * m * n * k - 2 * (m + n) * k * k + 4 * k**3 // 3)


def reflected(along: int, across: int, k: int) -> int:
    """A product with k reflections of that length (``ormqr``): 4mnk − 2nk²."""
    return 4 * along * across * k - 2 * across * k * k


def svd(m: int, n: int, vectors: bool, full: bool) -> int:
    """Golub & Reinsch (m ≥ n): 4mn² − 4n³/3; with vectors 14mn² + 8n³, with all of both sides 4m²n + 8mn² + 9n³."""
    long, short = max(m, n), min(m, n)
    if not vectors:
        return 4 * long * short**2 - 4 * short**3 // 3
    if full:
        return 4 * long**2 * short + 8 * long * short**2 + 9 * short**3
    return 14 * long * short**2 + 8 * short**3


def eigh(n: int, vectors: bool) -> int:
    """Symmetric QR."""
    return 9 * n**3 if vectors else 4 * n**3 // 3


def eig(n: int, vectors: bool) -> int:
    """The real Schur form."""
    return 25 * n**3 if vectors else 10 * n**3


def fft(numbers: int, length: int, real: bool) -> int:
    """5 n log2 n for each transform of n complex numbers, half of that where one side is real.

    Args:
        numbers: of all transforms together, on the real side if there is one.
        length: of one transform, over all its dimensions.
        real: whether one side is.
    """
    return int((2.5 if real else 5.0) * numbers * log2(max(length, 2)))
