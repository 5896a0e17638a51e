"""Linear algebra and precisions against FLOPs worked out here from the mathematics."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from test_torch_formulas import MKN, K, M, N, scaled  # noqa: E402
from torch import nn  # noqa: E402
from torch_cases import Case, cases, r, seen, spd  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402
from jupyter_costmeter.flops.aten import precision  # noqa: E402
from jupyter_costmeter.flops.aten.operators import figure  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

assert seen  # a fixture


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


@cases(ALGEBRA)
def test_linear_algebra_by_leading_order(what: str, run: Callable[[], Any], flops: int) -> None:
    found = count_flops(run)
    assert found.total == flops
    assert found.leading == flops
    assert not found.uncounted


def test_what_is_exact_and_what_is_of_leading_order_add_up() -> None:
    found = count_flops(lambda: torch.linalg.pinv(r(12, 6)))
    assert found.leading == found.by_operator["aten::_linalg_svd"]
    assert found.total == found.leading + 2 * 6 * 6 * 12


# Precisions


@pytest.mark.parametrize(
    ("dtype", "name", "factor"),
    [
        (torch.float64, "fp64", 1),
        (torch.float32, "fp32", 1),
        (torch.bfloat16, "bf16", 1),
        (torch.float16, "fp16", 1),
        (torch.int64, "int", 1),
        (torch.int32, "int", 1),
        (torch.int8, "int8", 1),
        (torch.uint8, "int8", 1),
        (torch.complex64, "fp32", 4),
        (torch.complex128, "fp64", 4),
    ],
    ids=str,
)
def test_precisions(dtype: Any, name: str, factor: int) -> None:
    x, y = torch.ones(M, K, dtype=dtype), torch.ones(K, N, dtype=dtype)
    found = count_flops(torch.mm, x, y)
    assert found.by_precision == {name: factor * MKN}
    assert found.by_operator == {"aten::mm": factor * MKN}
    assert sum(found.by_module.values()) == 0


def test_precisions_of_their_own_operators() -> None:
    assert count_flops(scaled, 16, 16, 16).by_precision == {"fp8": 2 * 16**3}
    ones = torch.ones(32, 32, dtype=torch.int8)
    assert count_flops(torch._int_mm, ones, ones).by_precision == {"int8": 2 * 32**3}
    assert count_flops(torch.linalg.cholesky, spd(9).double()).by_precision == {"fp64": 243}
    assert count_flops(torch.linalg.cholesky, spd(9).cfloat()).by_precision == {"fp32": 4 * 243}
    assert count_flops(torch.fft.fft, torch.zeros(16).cdouble()).by_precision == {"fp64": 320}


def test_complex_convolutions_and_modules_are_four_real_ones() -> None:
    x, w = torch.zeros(2, 4, 9, 9, dtype=torch.cfloat), torch.zeros(6, 4, 3, 3, dtype=torch.cfloat)
    found = count_flops(F.conv2d, x, w)
    # torch itself makes them of three (Karatsuba's trick)
    assert found.total in (4 * 2 * 2 * 6 * 49 * 36, 3 * 2 * 2 * 6 * 49 * 36)
    layer = nn.Linear(K, N, dtype=torch.cfloat)
    found = count_flops(layer, torch.zeros(M, K, dtype=torch.cfloat))
    assert found.by_module == {"Linear": 4 * MKN}
    assert found.total == 4 * MKN


class Cuda:
    """Stands in for a tensor on a GPU."""

    is_cuda = True

    def __init__(self, dtype: Any = torch.float32, device: int = 1) -> None:
        self.dtype, self.device = dtype, device

    def get_device(self) -> int:
        return self.device


@pytest.mark.parametrize("switch", ["matmul", "conv"])
def test_tf32_is_a_switch_of_32_bit_operands_on_a_gpu(switch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    precision.learn(torch)
    choose = precision.chooser(switch)
    for on in (False, True):
        monkeypatch.setitem(precision._tf32, switch, lambda on=on: on)
        monkeypatch.setitem(precision._tf32, "conv" if switch == "matmul" else "matmul", lambda on=on: not on)
        assert choose(Cuda()) == ("tf32" if on else torch.float32, 1)
        assert choose(Cuda(torch.complex64)) == ("tf32" if on else torch.complex64, 1)
        assert choose(Cuda(torch.float64)) == (torch.float64, 1)
        assert choose(Cuda(torch.bfloat16)) == (torch.bfloat16, 1)
        assert choose(torch.zeros(1)) == (torch.float32, -1)
        assert precision.chooser("")(Cuda()) == (torch.float32, 1)


def test_the_switches_are_torchs_own() -> None:
    precision.learn(torch)
    matmul, conv = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        for on in (False, True):
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = on, not on
            assert (precision._tf32["matmul"](), precision._tf32["conv"]()) == (on, not on)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, conv


def test_the_new_switches_too() -> None:
    precision.learn(torch)
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this torch has only the old switches")
    was = torch.backends.cuda.matmul.fp32_precision
    try:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        assert precision.chooser("matmul")(Cuda())[0] == "tf32"
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        assert precision.chooser("matmul")(Cuda())[0] == torch.float32
    finally:
        torch.backends.cuda.matmul.fp32_precision = was


def test_figures_of_precisions() -> None:
    assert figure("aten::mm", "tf32", 8) == ("flops_tf32", 1)
    assert figure("aten::mm", "tf32", 7) == ("flops_fp32", 1), "Turing has none"
    assert figure("aten::mm", torch.complex64, 9) == ("flops_fp32", 4)
    assert figure("aten::_fft_c2c", torch.complex64, None) == ("flops_fp32_leading", 1)
    assert figure("aten::_linalg_svd", torch.complex128, None) == ("flops_fp64_leading", 4)
    assert figure("aten::_fft_c2c", torch.complex32, 8) == ("flops_fp16_leading", 1)
    assert figure("aten::_linalg_svd", torch.bfloat16, None) == ("flops_fp32_leading", 1), "there is no such kernel"
    assert figure("aten::mm", torch.float8_e5m2, 9) == ("flops_fp8", 1)
    assert precision.of(torch.float8_e4m3fnuz) == "fp8"
    assert precision.of("torch.float4_e2m1fn_x2") == "fp4"
