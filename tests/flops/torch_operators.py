"""Operators of torch with their FLOPs, worked out here from the mathematics: products, convolutions, algebra."""

from __future__ import annotations

from math import log2
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch_cases import Case, r, spd

# Products: [m, k] × [k, n] is m·n sums of k products

M, K, N = 6, 16, 10
MKN = 2 * M * K * N
FP8 = torch.float8_e4m3fn


def fp8(x: Any) -> Any:
    return x.to(FP8)


def scaled(m: int, k: int, n: int) -> Any:
    one = torch.tensor(1.0)
    return torch._scaled_mm(fp8(r(m, k)), fp8(r(n, k)).t(), one, one, out_dtype=torch.float32)


def grouped(x: Any, y: Any, *ends: int) -> Any:
    offsets = torch.tensor(ends, dtype=torch.int32) if ends else None
    return torch._grouped_mm(x.bfloat16(), y.bfloat16(), offs=offsets)


PRODUCTS: list[Case] = [
    ("mm", lambda: r(M, K) @ r(K, N), MKN),
    ("mm of a transposed one", lambda: r(K, M).t() @ r(K, N), MKN),
    ("mm.out", lambda: torch.mm(r(M, K), r(K, N), out=torch.empty(M, N)), MKN),
    ("nothing to sum", lambda: r(M, 0) @ r(0, N), 0),
    ("no rows", lambda: r(0, K) @ r(K, N), 0),
    ("addmm", lambda: torch.addmm(r(N), r(M, K), r(K, N)), MKN),
    ("addmm.out", lambda: torch.addmm(r(N), r(M, K), r(K, N), out=torch.empty(M, N)), MKN),
    ("addmm_", lambda: r(M, N).addmm_(r(M, K), r(K, N), beta=0.5), MKN),
    ("addmm and an activation", lambda: torch._addmm_activation(r(N), r(M, K), r(K, N)), MKN),
    ("bmm", lambda: torch.bmm(r(3, M, K), r(3, K, N)), 3 * MKN),
    ("bmm.out", lambda: torch.bmm(r(3, M, K), r(3, K, N), out=torch.empty(3, M, N)), 3 * MKN),
    ("baddbmm", lambda: torch.baddbmm(r(3, M, N), r(3, M, K), r(3, K, N)), 3 * MKN),
    ("baddbmm_", lambda: r(3, M, N).baddbmm_(r(3, M, K), r(3, K, N)), 3 * MKN),
    ("baddbmm.out", lambda: torch.baddbmm(r(1), r(3, M, K), r(3, K, N), out=torch.empty(3, M, N)), 3 * MKN),
    ("addbmm", lambda: torch.addbmm(r(M, N), r(3, M, K), r(3, K, N)), 3 * MKN),
    ("addbmm_", lambda: r(M, N).addbmm_(r(3, M, K), r(3, K, N)), 3 * MKN),
    ("mv", lambda: torch.mv(r(M, K), r(K)), 2 * M * K),
    ("mv.out", lambda: torch.mv(r(M, K), r(K), out=torch.empty(M)), 2 * M * K),
    ("addmv", lambda: torch.addmv(r(M), r(M, K), r(K)), 2 * M * K),
    ("addmv_", lambda: r(M).addmv_(r(M, K), r(K)), 2 * M * K),
    ("dot", lambda: torch.dot(r(100), r(100)), 200),
    ("vdot", lambda: torch.vdot(r(100), r(100)), 200),
    ("inner", lambda: torch.inner(r(M, K), r(N, K)), MKN),
    ("einsum", lambda: torch.einsum("bik,bkj->bij", r(3, M, K), r(3, K, N)), 3 * MKN),
    ("tensordot", lambda: torch.tensordot(r(2, M, K), r(K, N), 1), 2 * MKN),
    ("matmul, broadcast", lambda: r(2, 1, M, K) @ r(3, K, N), 6 * MKN),
    ("multi_dot, by the cheapest order", lambda: torch.linalg.multi_dot([r(2, 50), r(50, 3), r(3, 40)]), 2 * 540),
    ("matrix_power", lambda: torch.matrix_power(r(8, 8), 4), 2 * 2 * 512),
    ("linear", lambda: F.linear(r(2, M, K), r(N, K), r(N)), 2 * MKN),
    ("linear without a bias", lambda: F.linear(r(2, M, K), r(N, K)), 2 * MKN),
    ("linear of a vector", lambda: F.linear(r(K), r(N, K)), 2 * K * N),
    ("linear in oneDNN", lambda: torch._C._nn.mkldnn_linear(r(M, K).to_mkldnn(), r(N, K).to_mkldnn()), MKN),
    ("linear, fused by oneDNN", lambda: torch.ops.mkldnn._linear_pointwise(r(M, K), r(N, K), None, "none", [], ""),
     MKN),
    ("of int8", lambda: torch._int_mm(torch.ones(32, K, dtype=torch.int8), torch.ones(K, 8, dtype=torch.int8)),
     2 * 32 * K * 8),
    ("of fp8", lambda: scaled(16, 32, 48), 2 * 16 * 32 * 48),
    ("for each", lambda: torch._foreach_mm([r(2, 3), r(4, 5)], [r(3, 4), r(5, 6)]), 2 * (24 + 120)),
    ("of groups", lambda: grouped(r(4, 16, 32), r(4, 32, 8)), 4 * 2 * 16 * 32 * 8),
    ("of rows in groups", lambda: grouped(r(16, 32), r(4, 32, 8), 2, 4, 8, 16), 2 * 16 * 32 * 8),
    ("of sums in groups", lambda: grouped(r(16, 32), r(32, 8), 8, 16, 24, 32), 2 * 16 * 32 * 8),
    ("of columns in groups", lambda: grouped(r(2, 16, 32), r(32, 16), 8, 16), 2 * 16 * 32 * 16),
    ("cdist, through a product", lambda: torch.cdist(r(30, 8), r(40, 8), compute_mode="use_mm_for_euclid_dist"),
     2 * 30 * (8 + 2) * 40),
    ("cov", lambda: torch.cov(r(4, 100)), 2 * 4 * 100 * 4),
    ("bilinear: i·j·o times two products and a sum", lambda: nn.Bilinear(3, 4, 5)(r(2, 3), r(2, 4)), 3 * 2 * 3 * 4 * 5),
    ("matrix_exp's products", lambda: torch.matrix_exp(1e-9 * r(8, 8)), 0),
]  # fmt: skip


# Convolutions: each element of the result meets in / groups channels × the kernel; transposed, each of the input


def out_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


CONVS: list[Case] = [
    ("1d", lambda: F.conv1d(r(2, 4, 20), r(6, 4, 5)), 2 * 2 * 6 * 16 * 4 * 5),
    ("1d of one picture", lambda: F.conv1d(r(4, 20), r(6, 4, 5)), 2 * 6 * 16 * 4 * 5),
    ("2d", lambda: F.conv2d(r(2, 4, 9, 8), r(6, 4, 3, 2)), 2 * 2 * 6 * 7 * 7 * 4 * 6),
    ("2d with a bias", lambda: F.conv2d(r(2, 4, 9, 8), r(6, 4, 3, 2), r(6)), 2 * 2 * 6 * 7 * 7 * 4 * 6),
    ("2d, padded as wide", lambda: F.conv2d(r(2, 4, 9, 8), r(6, 4, 3, 3), padding="same"), 2 * 2 * 6 * 72 * 4 * 9),
    ("2d, strided", lambda: F.conv2d(r(2, 4, 9, 9), r(6, 4, 3, 3), stride=2, padding=1),
     2 * 2 * 6 * out_size(9, 3, 2, 1) ** 2 * 36),
    ("2d, dilated", lambda: F.conv2d(r(2, 4, 9, 9), r(6, 4, 3, 3), dilation=2), 2 * 2 * 6 * out_size(9, 3, 1, 0,
     2) ** 2 * 36),
    ("2d, grouped", lambda: F.conv2d(r(2, 4, 9, 9), r(6, 2, 3, 3), groups=2), 2 * 2 * 6 * 49 * 2 * 9),
    ("2d, depthwise", lambda: F.conv2d(r(2, 4, 9, 9), r(4, 1, 3, 3), groups=4), 2 * 2 * 4 * 49 * 9),
    ("2d, pointwise", lambda: F.conv2d(r(2, 4, 9, 9), r(6, 4, 1, 1)), 2 * 2 * 6 * 81 * 4),
    ("2d, channels last", lambda: F.conv2d(r(2, 4, 9, 9).to(memory_format=torch.channels_last), r(6, 4, 3, 3)),
     2 * 2 * 6 * 49 * 36),
    ("2d of doubles (not by oneDNN)", lambda: F.conv2d(r(2, 4, 9, 9).double(), r(6, 4, 3, 3).double()),
     2 * 2 * 6 * 49 * 36),
    ("2d, dilated, of doubles", lambda: F.conv2d(r(2, 4, 9, 9).double(), r(6, 4, 3, 3).double(), dilation=2),
     2 * 2 * 6 * 25 * 36),
    ("3d", lambda: F.conv3d(r(2, 3, 6, 7, 8), r(5, 3, 3, 3, 3)), 2 * 2 * 5 * (4 * 5 * 6) * 3 * 27),
    ("3d of doubles", lambda: F.conv3d(r(2, 3, 6, 7, 8).double(), r(5, 3, 3, 3, 3).double()),
     2 * 2 * 5 * (4 * 5 * 6) * 3 * 27),
    ("1d, transposed", lambda: F.conv_transpose1d(r(2, 4, 10), r(4, 6, 3), stride=2), 2 * (2 * 4 * 10) * 6 * 3),
    ("2d, transposed", lambda: F.conv_transpose2d(r(2, 4, 5, 6), r(4, 6, 3, 3), stride=2), 2 * (2 * 4 * 30) * 6 * 9),
    ("2d, transposed, grouped", lambda: F.conv_transpose2d(r(2, 4, 5, 6), r(4, 3, 3, 3), groups=2),
     2 * (2 * 4 * 30) * 3 * 9),
    ("2d, transposed, of doubles", lambda: F.conv_transpose2d(r(2, 4, 5, 6).double(), r(4, 6, 3, 3).double()),
     2 * (2 * 4 * 30) * 6 * 9),
    ("3d, transposed", lambda: F.conv_transpose3d(r(1, 2, 3, 4, 5), r(2, 3, 2, 2, 2)), 2 * (2 * 60) * 3 * 8),
    ("over time, batch, channels", lambda: torch.conv_tbc(r(10, 2, 3), r(3, 3, 5), torch.zeros(5)),
     2 * (8 * 2 * 5) * 9),
    ("nothing in the batch", lambda: F.conv2d(r(0, 4, 9, 9), r(6, 4, 3, 3)), 0),
    ("unfold and product", lambda: r(6, 36) @ F.unfold(r(2, 4, 9, 9), 3), 2 * 2 * 6 * 49 * 36),
]  # fmt: skip
#: What runs inside a convolution, and may be called by its own name.
INNER: list[Case] = [
    ("2d by oneDNN", lambda: torch.mkldnn_convolution(r(2, 4, 9, 9), r(6, 4, 3, 3), None, (0, 0), (1, 1), (1, 1), 1),
     2 * 2 * 6 * 49 * 36),
    ("2d of its own kernel", lambda: torch.ops.aten._slow_conv2d_forward(
        r(2, 4, 9, 9), r(6, 4, 3, 3), (3, 3), None, (1, 1), (0, 0)), 2 * 2 * 6 * 49 * 36),
    ("3d of its own kernel", lambda: torch.ops.aten.slow_conv3d(r(1, 2, 4, 4, 4), r(3, 2, 2, 2, 2), (2, 2, 2)),
     2 * 3 * 27 * 2 * 8),
    ("2d, dilated, of its own kernel", lambda: torch.ops.aten.slow_conv_dilated2d(
        r(2, 4, 9, 9), r(6, 4, 3, 3), (3, 3), None, (1, 1), (0, 0), (2, 2)), 2 * 2 * 6 * 25 * 36),
    ("2d, transposed, of its own kernel", lambda: torch.ops.aten.slow_conv_transpose2d(r(2, 4, 5, 6), r(4, 6, 3, 3),
     (3, 3)),
     2 * (2 * 4 * 30) * 6 * 9),
]  # fmt: skip


# Attention, and recurrent layers: each token meets each weight once


def pairs(b: int, h: int, rows: int, keys: int, width: int) -> int:
    """A product of scores, or one with them: b·h·rows·keys sums of ``width`` products, or their transposes."""
    return 2 * b * h * rows * keys * width


B, H, S, T, D = 2, 4, 6, 9, 8


def weights(gates: int, i: int, h: int, layers: int = 1, ways: int = 1) -> int:
    return sum(ways * gates * h * ((ways * h if at else i) + h) for at in range(layers))


# Linear algebra, by leading order


def lu(n: int) -> int:
    return 2 * n**3 // 3


def householder(m: int, n: int) -> int:
    """Golub & Van Loan 5.2.1: 2n²(m − n/3)."""
    return 2 * n * n * m - 2 * n**3 // 3


def thin_q(m: int, n: int) -> int:
    """5.1.6: 4mnk − 2(m + n)k² + 4k³/3 with k = n."""
    return 4 * m * n * n - 2 * (m + n) * n * n + 4 * n**3 // 3


def full_svd(m: int, n: int) -> int:
    return 4 * m * m * n + 8 * m * n * n + 9 * n**3


def geqrf(m: int, n: int) -> Any:
    return torch.geqrf(r(m, n))


ALGEBRA: list[Case] = [
    ("Cholesky", lambda: torch.linalg.cholesky(spd(9)), 9**3 // 3),
    ("Cholesky of a batch", lambda: torch.linalg.cholesky(spd(9, 2, 3)), 6 * (9**3 // 3)),
    ("Cholesky, as it was called", lambda: torch.cholesky(spd(9)), 9**3 // 3),
    ("LDLᵀ", lambda: torch.linalg.ldl_factor(spd(9)), 9**3 // 3),
    ("LU", lambda: torch.linalg.lu_factor(spd(9)), lu(9)),
    ("LU with its parts", lambda: torch.linalg.lu(spd(9, 4)), 4 * lu(9)),
    ("LU of a tall one", lambda: torch.linalg.lu_factor(r(12, 6)), 12 * 36 - 6**3 // 3),
    ("LU of a wide one", lambda: torch.linalg.lu_factor(r(6, 12)), 12 * 36 - 6**3 // 3),
    ("det", lambda: torch.linalg.det(spd(9)), lu(9)),
    ("slogdet", lambda: torch.linalg.slogdet(spd(9, 4)), 4 * lu(9)),
    ("solve", lambda: torch.linalg.solve(spd(9), r(9, 4)), lu(9) + 2 * 81 * 4),
    ("solve, one right side", lambda: torch.linalg.solve(spd(9), r(9)), lu(9) + 2 * 81),
    ("solve, a batch", lambda: torch.linalg.solve(spd(9, 3), r(3, 9, 4)), 3 * (lu(9) + 2 * 81 * 4)),
    ("solve, one matrix for many", lambda: torch.linalg.solve(spd(9), r(3, 9, 4)), lu(9) + 3 * 2 * 81 * 4),
    ("solve, one right side for many matrices", lambda: torch.linalg.solve(spd(9, 3), r(9, 4)),
     3 * (lu(9) + 2 * 81 * 4)),
    ("solve from the right", lambda: torch.linalg.solve(spd(9), r(4, 9), left=False), lu(9) + 2 * 81 * 4),
    ("LU's solve", lambda: torch.linalg.lu_solve(spd(9), torch.arange(1, 10, dtype=torch.int32), r(9, 4)), 2 * 81 * 4),
    ("LU's solve from the right", lambda: torch.linalg.lu_solve(
        spd(9), torch.arange(1, 10, dtype=torch.int32), r(4, 9), left=False), 2 * 81 * 4),
    ("LDLᵀ's solve", lambda: torch.linalg.ldl_solve(spd(9), torch.arange(1, 10, dtype=torch.int32), r(9, 4)),
     2 * 81 * 4),
    ("Cholesky's solve", lambda: torch.cholesky_solve(r(9, 4), spd(9)), 2 * 81 * 4),
    ("Cholesky's solve for many", lambda: torch.cholesky_solve(r(9, 4), spd(9, 3)), 3 * 2 * 81 * 4),
    ("triangular", lambda: torch.linalg.solve_triangular(spd(9), r(9, 4), upper=True), 81 * 4),
    ("triangular, from the right", lambda: torch.linalg.solve_triangular(spd(4), r(9, 4), upper=True, left=False),
     9 * 16),
    ("triangular, one right side for many", lambda: torch.linalg.solve_triangular(spd(9, 3), r(9, 4), upper=True),
     3 * 81 * 4),
    ("triangular, one matrix for many", lambda: torch.linalg.solve_triangular(spd(9), r(3, 9, 4), upper=True),
     3 * 81 * 4),
    ("triangular, as it was called", lambda: torch.triangular_solve(r(9, 4), spd(9)), 81 * 4),
    ("triangular, as it was called, for many", lambda: torch.triangular_solve(r(9, 4), spd(9, 3)), 3 * 81 * 4),
    ("inverse", lambda: torch.linalg.inv(spd(9, 2)), 2 * 2 * 9**3),
    ("inverse, of Cholesky's", lambda: torch.cholesky_inverse(spd(9)), 2 * 9**3 // 3),
    ("QR's first half", lambda: geqrf(12, 6), householder(12, 6)),
    ("QR's first half of a wide one", lambda: geqrf(6, 12), householder(12, 6)),
    ("QR", lambda: torch.linalg.qr(r(12, 6)), householder(12, 6) + thin_q(12, 6)),
    ("QR, only R", lambda: torch.linalg.qr(r(12, 6), mode="r"), householder(12, 6)),
    ("QR with all of Q", lambda: torch.linalg.qr(r(12, 6), mode="complete"),
     householder(12, 6) + 4 * 12 * 12 * 6 - 2 * 24 * 36 + 4 * 6**3 // 3),
    ("Q of reflections", lambda: torch.linalg.householder_product(r(12, 6), r(6)), thin_q(12, 6)),
    ("a product with Q", lambda: torch.ormqr(r(12, 6), r(6), r(12, 5)), 4 * 12 * 5 * 6 - 2 * 5 * 36),
    ("a product with Q from the right", lambda: torch.ormqr(r(12, 6), r(6), r(5, 12), left=False),
     4 * 12 * 5 * 6 - 2 * 5 * 36),
    ("SVD", lambda: torch.linalg.svd(r(12, 6)), full_svd(12, 6)),
    ("SVD of a wide one", lambda: torch.linalg.svd(r(6, 12)), full_svd(12, 6)),
    ("SVD, thin (ibid. 8.6.4)", lambda: torch.linalg.svd(r(12, 6), full_matrices=False), 14 * 12 * 36 + 8 * 6**3),
    ("SVD's values", lambda: torch.linalg.svdvals(r(2, 12, 6)), 2 * (4 * 12 * 36 - 4 * 6**3 // 3)),
    ("symmetric eigenvectors", lambda: torch.linalg.eigh(spd(9)), 9 * 9**3),
    ("symmetric eigenvalues", lambda: torch.linalg.eigvalsh(spd(9, 2)), 2 * (4 * 9**3 // 3)),
    ("eigenvectors", lambda: torch.linalg.eig(spd(9)), 25 * 9**3),
    ("eigenvalues", lambda: torch.linalg.eigvals(spd(9, 2)), 2 * 10 * 9**3),
    ("least squares", lambda: torch.linalg.lstsq(r(12, 6), r(12, 2)), householder(12, 6) + 4 * 12 * 6 * 2),
    ("least squares of a batch", lambda: torch.linalg.lstsq(r(3, 12, 6), r(3, 12)), 3 * (householder(12,
     6) + 4 * 12 * 6)),
    ("FFT of real numbers", lambda: torch.fft.rfft(r(3, 16)), int(2.5 * 48 * 4)),
    ("FFT to real numbers", lambda: torch.fft.irfft(r(3, 9) + 0j), int(2.5 * 48 * 4)),
    ("FFT", lambda: torch.fft.fft(r(3, 16) + 0j), 5 * 48 * 4),
    ("FFT in two dimensions", lambda: torch.fft.fft2(r(3, 8, 16) + 0j), 5 * 3 * 128 * 7),
    ("FFT in some dimensions", lambda: torch.fft.ifftn(r(4, 8, 16) + 0j, dim=(0, 2)), 5 * 512 * 6),
    ("FFT of another length", lambda: torch.fft.fft(r(3, 10) + 0j), int(5 * 30 * log2(10))),
    ("FFT in two dimensions, real", lambda: torch.fft.rfft2(r(8, 16)), int(2.5 * 128 * 7)),
    ("STFT: a real FFT for each frame", lambda: torch.stft(r(64), 16, return_complex=True), int(2.5 * 16 * 17 * 4)),
]  # fmt: skip
