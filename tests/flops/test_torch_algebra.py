"""Linear algebra and precisions against FLOPs worked out here from the mathematics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch_cases import cases, r, seen, spd  # noqa: E402
from torch_operators import ALGEBRA, MKN, K, M, N, scaled  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402
from jupyter_costmeter.flops.aten import precision  # noqa: E402
from jupyter_costmeter.flops.aten.operators import figure  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

assert seen  # a fixture


# Linear algebra, by leading order


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
