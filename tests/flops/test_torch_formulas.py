"""Each family of operators against FLOPs worked out here from the mathematics, run on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch_cases import Case, cases, g, ids, r, seen  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

assert seen  # a fixture


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


@cases(PRODUCTS)
def test_products(what: str, run: Callable[[], Any], flops: int) -> None:
    found = count_flops(run)
    assert found.total == flops
    assert not found.uncounted
    assert found.leading == 0


def test_products_backward_are_one_for_each_gradient_that_is_wanted() -> None:
    def step(x: Any, w: Any) -> None:
        (x @ w).sum().backward()

    assert count_flops(step, g(M, K), g(K, N)).total == 3 * MKN
    assert count_flops(step, r(M, K), g(K, N)).total == 2 * MKN
    assert count_flops(step, g(3, M, K), g(3, K, N)).total == 9 * MKN
    assert count_flops(lambda: nn.Linear(K, N)(r(M, K)).sum().backward()).total == 2 * MKN


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


@cases(CONVS)
def test_convolutions(what: str, run: Callable[[], Any], flops: int) -> None:
    found = count_flops(run)
    assert found.total == flops
    assert not found.uncounted


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


@cases(INNER)
def test_parts_of_convolutions_called_by_their_own_names(what: str, run: Callable[[], Any], flops: int) -> None:
    assert count_flops(run).total == flops


BACKWARDS: list[Any] = [
    ("1d", F.conv1d, (2, 4, 20), (6, 4, 5), {}),
    ("2d, strided and grouped", F.conv2d, (2, 4, 9, 9), (6, 2, 3, 3), {"stride": 2, "groups": 2}),
    ("2d, depthwise", F.conv2d, (2, 4, 9, 9), (4, 1, 3, 3), {"groups": 4}),
    ("2d, dilated", F.conv2d, (2, 4, 9, 9), (6, 4, 3, 3), {"dilation": 2}),
    ("3d", F.conv3d, (1, 2, 5, 5, 5), (3, 2, 3, 3, 3), {}),
    ("2d, transposed", F.conv_transpose2d, (2, 4, 5, 6), (4, 6, 3, 3), {"stride": 2}),
    ("2d, transposed and grouped", F.conv_transpose2d, (2, 4, 5, 6), (4, 3, 3, 3), {"groups": 2}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("what", "conv", "x", "w", "how"), BACKWARDS, ids=ids(BACKWARDS))
def test_convolutions_backward(what: str, conv: Any, x: Any, w: Any, how: dict[str, Any], dtype: Any) -> None:
    def step(of_x: bool, of_w: bool, of_bias: bool = False) -> Any:
        bias = torch.zeros(w[1] * how.get("groups", 1) if "transpose" in conv.__name__ else w[0], dtype=dtype)
        operands = torch.randn(x, dtype=dtype), torch.randn(w, dtype=dtype), bias
        for operand, wanted in zip(operands, (of_x, of_w, of_bias), strict=True):
            operand.requires_grad_(wanted)
        return count_flops(lambda: conv(*operands, **how).sum().backward())

    with torch.no_grad():
        forward = count_flops(lambda: conv(torch.randn(x, dtype=dtype), torch.randn(w, dtype=dtype), **how)).total
    assert forward
    found = step(True, True, True)
    assert found.total == 3 * forward
    assert found.by_operator["aten::convolution_backward"] == 2 * forward
    assert step(True, False).total == step(False, True).total == 2 * forward
    assert step(False, False, True).total == forward, "a bias' gradient is a sum"


# Attention


def pairs(b: int, h: int, rows: int, keys: int, width: int) -> int:
    """A product of scores, or one with them: b·h·rows·keys sums of ``width`` products, or their transposes."""
    return 2 * b * h * rows * keys * width


B, H, S, T, D = 2, 4, 6, 9, 8
FUSED, WRITTEN = SDPBackend.FLASH_ATTENTION, SDPBackend.MATH


@pytest.mark.parametrize("backend", [FUSED, WRITTEN])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"is_causal": True},
        {"attn_mask": torch.ones(S, T, dtype=torch.bool)},
        {"attn_mask": torch.zeros(B, 1, S, T)},
        {"scale": 0.5},
        {"heads": 2, "enable_gqa": True},
    ],
    ids=lambda how: ", ".join(how) or "plain",
)
def test_attention(backend: Any, how: dict[str, Any]) -> None:
    how = dict(how)
    heads, t = how.pop("heads", H), S if "is_causal" in how else T
    operands = g(B, H, S, D), g(B, heads, t, D), g(B, heads, t, D)
    one = pairs(B, H, S, t, D)
    with sdpa_kernel(backend), torch.no_grad():
        assert count_flops(F.scaled_dot_product_attention, *operands, **how).total == 2 * one
    with sdpa_kernel(backend):
        step = count_flops(lambda: F.scaled_dot_product_attention(*operands, **how).sum().backward())
    scores = 1 if backend == FUSED else 0  # a fused one has kept none, and works them out again
    assert step.total == (2 + scores + 4) * one


def test_attention_with_values_of_another_width() -> None:
    with sdpa_kernel(WRITTEN):
        found = count_flops(F.scaled_dot_product_attention, r(B, H, S, D), r(B, H, T, D), r(B, H, T, 5))
    assert found.total == pairs(B, H, S, T, D) + pairs(B, H, S, T, 5)


def multi_head(b: int, s: int, t: int, e: int) -> int:
    """Projections of queries and results, of keys and values; scores, and their product with the values."""
    return 2 * b * (2 * s * e * e + 2 * t * e * e) + 2 * 2 * b * s * t * e


@pytest.mark.parametrize("grad", [False, True], ids=["fused", "composed"])
@pytest.mark.parametrize("weights", [False, True], ids=["", "with its weights"])
@pytest.mark.parametrize("first", [False, True], ids=["", "batch first"])
def test_layers_of_attention(grad: bool, weights: bool, first: bool) -> None:
    layer = nn.MultiheadAttention(16, 2, batch_first=first).eval()
    x, y = (r(3, 5, 16), r(3, 7, 16)) if first else (r(5, 3, 16), r(7, 3, 16))
    with torch.set_grad_enabled(grad):
        assert count_flops(layer, x, x, x, need_weights=weights).total == multi_head(3, 5, 5, 16)
        assert count_flops(layer, x, y, y, need_weights=weights).total == multi_head(3, 5, 7, 16)


@pytest.mark.parametrize("grad", [False, True], ids=["fused", "composed"])
@pytest.mark.parametrize("norm", [False, True], ids=["", "norm first"])
def test_transformer_layers(grad: bool, norm: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 40, batch_first=True, norm_first=norm).eval()
    with torch.set_grad_enabled(grad):
        found = count_flops(layer, r(3, 5, 16))
    assert found.total == multi_head(3, 5, 5, 16) + 2 * 3 * 5 * 2 * 16 * 40
    assert ("aten::_transformer_encoder_layer_fwd" in found.by_operator) == (not grad)


def test_a_whole_transformer() -> None:
    model = nn.Transformer(16, 2, 1, 1, 40, batch_first=True).eval()
    mlp = 2 * 2 * 16 * 40
    encoder = multi_head(3, 5, 5, 16) + 3 * 5 * mlp
    decoder = multi_head(3, 7, 7, 16) + multi_head(3, 7, 5, 16) + 3 * 7 * mlp
    with torch.no_grad():
        assert count_flops(model, r(3, 5, 16), r(3, 7, 16)).total == encoder + decoder


def test_the_fast_path_with_padding_counts_the_tokens_that_are_there() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 40, batch_first=True).eval()
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=True).eval()
    padded = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    with torch.no_grad():
        found = count_flops(encoder, r(2, 5, 16), src_key_padding_mask=padded)
    tokens = 2 * 8 * (4 * 16 * 16 + 2 * 16 * 40)
    assert tokens + 4 * (25 + 9) * 16 <= found.total <= tokens + 4 * (25 + 25) * 16


# Recurrent layers: each token meets each weight once


def weights(gates: int, i: int, h: int, layers: int = 1, ways: int = 1) -> int:
    return sum(ways * gates * h * ((ways * h if at else i) + h) for at in range(layers))


GATES = {nn.RNN: 1, nn.GRU: 3, nn.LSTM: 4}


@pytest.mark.parametrize("layer", list(GATES), ids=lambda layer: layer.__name__)
@pytest.mark.parametrize(
    ("layers", "ways", "first"), [(1, 1, False), (2, 1, True), (1, 2, False), (2, 2, True), (3, 1, False)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_recurrent_layers(layer: type[nn.Module], layers: int, ways: int, first: bool, dtype: Any) -> None:
    model = layer(8, 16, layers, bidirectional=ways == 2, batch_first=first).to(dtype)
    x = r(3, 5, 8, dtype=dtype)
    forward = 2 * 15 * weights(GATES[layer], 8, 16, layers, ways)
    with torch.no_grad():
        assert count_flops(model, x).total == forward
    assert count_flops(model, x).total == forward
    x.requires_grad_()
    found = count_flops(lambda: model(x)[0].sum().backward())
    fused = layer is nn.LSTM and dtype == torch.float32
    batch = 3 if first else 5
    no_gradient_of_the_first_state = 0 if fused else layers * ways * 2 * batch * GATES[layer] * 16 * 16
    assert found.total == 3 * forward - no_gradient_of_the_first_state


@pytest.mark.parametrize("layer", list(GATES), ids=lambda layer: layer.__name__)
@pytest.mark.parametrize("ways", [1, 2])
def test_recurrent_layers_of_packed_sequences(layer: type[nn.Module], ways: int) -> None:
    packed = nn.utils.rnn.pack_padded_sequence(r(5, 3, 8), [5, 3, 2])
    found = count_flops(layer(8, 16, bidirectional=ways == 2), packed)
    assert found.total == 2 * (5 + 3 + 2) * weights(GATES[layer], 8, 16, 1, ways)


def test_recurrent_cells() -> None:
    for cell, gates in ((nn.RNNCell, 1), (nn.GRUCell, 3), (nn.LSTMCell, 4)):
        assert count_flops(cell(8, 16), r(3, 8)).total == 2 * 3 * gates * 16 * (8 + 16)


def test_a_projected_lstm() -> None:
    tokens, gates = 5 * 3, 4 * 16
    assert count_flops(nn.LSTM(8, 16, proj_size=4), r(5, 3, 8)).total == 2 * tokens * (gates * (8 + 4) + 4 * 16)
