"""Formulas of what only other machines run, with what has a shape; and that none is forgotten."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

from torch_cases import seen  # noqa: E402
from torch_operators import ALGEBRA, CONVS, INNER, MKN, PRODUCTS, B, D, H, K, M, N, S, T, pairs, weights  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402
from jupyter_costmeter.flops.aten.formulas import FORMULAS, Partly  # noqa: E402
from jupyter_costmeter.flops.torch_flops import COUNTS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

assert seen  # a fixture


# What only a GPU runs: the formulas themselves, with what has a shape


def of(*shape: int) -> Any:
    return SimpleNamespace(shape=shape)


def formula(name: str, *operands: Any) -> int:
    return FORMULAS[name if "::" in name else f"aten::{name}"].count(*operands)


BHSD, BHTD, BHTV = of(B, H, S, D), of(B, H, T, D), of(B, H, T, 5)
SCORES, VALUES = pairs(B, H, S, T, D), pairs(B, H, S, T, 5)
#: The same as [b, s, h, d].
BSHD, BTHD, BTHV = of(B, S, H, D), of(B, T, H, D), of(B, T, H, 5)


@pytest.mark.parametrize("kind", ["flash", "efficient", "cudnn", "fused"])
def test_attention_on_gpus(kind: str) -> None:
    name = f"_scaled_dot_product_{kind}_attention" + ("_overrideable" if kind == "fused" else "")
    assert formula(name, BHSD, BHTD, BHTV) == SCORES + VALUES
    backward = f"{name}_backward"
    assert formula(backward, BHSD, BHTD, BHTV) == 3 * SCORES + 2 * VALUES


def test_attention_on_mps() -> None:
    assert formula("_scaled_dot_product_attention_math_for_mps", BHSD, BHTD, BHTV) == SCORES + VALUES


@pytest.mark.parametrize("kind", ["flash", "efficient", "cudnn"])
def test_attention_by_tokens(kind: str) -> None:
    forward, backward = f"_{kind}_attention_forward", f"_{kind}_attention_backward"
    assert formula(forward, BSHD, BTHD, BTHV, None, None) == SCORES + VALUES
    assert formula(backward, BSHD, BTHD, BTHV, None, None) == 3 * SCORES + 2 * VALUES


@pytest.mark.parametrize("packed", [(), (1,)], ids=["tokens", "one row of tokens"])
def test_attention_of_packed_sequences_is_a_lower_bound_that_says_so(packed: tuple[int, ...]) -> None:
    tokens = of(*packed, 24, H, D)
    starts = of(4)  # three sequences
    found = formula("_flash_attention_forward", tokens, tokens, tokens, starts, starts)
    assert found == 3 * 8 * 8 * 2 * H * 2 * D
    assert isinstance(found, Partly)
    assert "taken as equally long" in found.why
    for lengths in ((8, 8, 8), (4, 10, 10), (1, 1, 22)):
        assert found <= sum(n * n for n in lengths) * 2 * H * 2 * D
    unlike = formula("_efficient_attention_forward", tokens, of(*packed, 40, H, D), tokens, starts, starts)
    assert unlike == 0
    assert isinstance(unlike, Partly)


def test_recurrent_layers_on_gpus() -> None:
    i, h = 8, 16
    one_way = [of(4 * h, i), of(4 * h, h), of(4 * h), of(4 * h)]
    two = [*one_way, *one_way, *(of(4 * h, 2 * h), of(4 * h, h), of(4 * h), of(4 * h)) * 2]
    for name in ("_cudnn_rnn", "miopen_rnn", "_lstm_mps"):
        assert formula(name, of(5, 3, i), one_way) == 2 * 15 * weights(4, i, h)
        assert formula(name, of(5, 3, i), two) == 2 * 15 * weights(4, i, h, 2, 2)
        assert formula(name, of(10, i), one_way) == 2 * 10 * weights(4, i, h), "packed"
    for name in ("_cudnn_rnn_backward", "miopen_rnn_backward", "lstm_mps_backward"):
        assert formula(name, of(5, 3, i), one_way) == 2 * 2 * 15 * weights(4, i, h)


@pytest.mark.parametrize(
    "name",
    [
        "cudnn_convolution",
        "cudnn_convolution_relu",
        "cudnn_convolution_add_relu",
        "miopen_convolution",
        "_mps_convolution",
        "miopen_convolution_relu",
        "miopen_convolution_add_relu",
        "miopen_depthwise_convolution",
        "_conv_depthwise2d",
        "conv_depthwise3d",
        "_nnpack_spatial_convolution",
        "mkldnn::_convolution_pointwise",
        "mkldnn::_convolution_pointwise_",
    ],
)
def test_convolutions_on_gpus(name: str) -> None:
    assert formula(name, of(2, 4, 9, 9), of(6, 2, 3, 3), of(2, 6, 7, 7)) == 2 * 2 * 6 * 49 * 2 * 9


@pytest.mark.parametrize(
    "name", ["cudnn_convolution_transpose", "miopen_convolution_transpose", "_mps_convolution_transpose"]
)
def test_transposed_convolutions_on_gpus(name: str) -> None:
    assert formula(name, of(2, 4, 5, 6), of(4, 3, 3, 3)) == 2 * (2 * 4 * 30) * 3 * 9


def test_the_rest_of_what_is_elsewhere() -> None:
    assert formula("_mixed_dtypes_linear", of(M, K), of(N, K)) == MKN
    assert formula("mkl::_mkl_linear", of(M, K), of(N, K)) == MKN
    assert formula("mkldnn_linear_backward_input", of(M, N), of(N, K)) == MKN
    assert formula("mkldnn_linear_backward_weights", of(M, N), of(M, K)) == MKN
    assert formula("inductor::_mm_plus_mm", of(M, K), of(K, N), of(M, 2), of(2, N)) == MKN + 2 * M * 2 * N
    assert (
        formula("convolution_overrideable", of(2, 4, 9, 9), of(6, 4, 3, 3), False, of(2, 6, 7, 7)) == 2 * 12 * 49 * 36
    )
    assert formula("_scaled_grouped_mm", of(M, K), of(3, K, N)) == MKN
    assert formula("linalg_eigvals", of(9, 9)) == 10 * 9**3


#: What this CPU does not run, and is no other name of a formula that is tried above.
TRIED = [
    "_scaled_dot_product_fused_attention_overrideable",
    "_native_multi_head_attention",
    "_scaled_mm_v2",
    "_scaled_grouped_mm_v2",
    "_flash_attention_forward_no_dropout_inplace",
    "_slow_conv2d_backward",
    "convolution_backward_overrideable",
    "_convolution",
    "convolution",
    "slow_conv_dilated3d",
    "slow_conv_transpose3d",
    "mkldnn_rnn_layer",
    "mkldnn_rnn_layer_backward",
    "convolution_backward",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "slow_conv3d_forward",
]
PARTS = ("flash", "efficient", "cudnn", "fused")


def test_no_formula_is_forgotten_here() -> None:
    """Each formula's name is written here, or was counted when the tables above ran."""
    names = ("test_torch_algebra", "test_torch_elsewhere", "test_torch_formulas", "torch_operators")
    written = "".join(Path(__file__).with_name(f"{name}.py").read_text() for name in names)
    ran: set[str] = set()
    for _, run, _ in (*PRODUCTS, *CONVS, *INNER, *ALGEBRA):
        ran |= count_flops(run).by_operator.keys()
    for name in FORMULAS.keys() - ran:
        bare = name.removeprefix("aten::").removesuffix("_backward")
        assert bare in written or any(bare.replace(part, "{kind}") in written for part in PARTS), name


def test_names_are_those_of_the_schemas() -> None:
    """Each formula can be asked of this torch's operators: none has failed."""
    assert COUNTS.kernels is not None
    assert COUNTS.kernels.failed == {}


def test_leading_formulas_have_no_switch() -> None:
    assert all(FORMULAS[name].switch == "" for name in FORMULAS if FORMULAS[name].leading)
