"""Each family of operators against FLOPs worked out here from the mathematics, run on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch_cases import cases, g, ids, r, seen  # noqa: E402
from torch_operators import CONVS, INNER, MKN, PRODUCTS, B, D, H, K, M, N, S, T, pairs, weights  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

assert seen  # a fixture


# Products


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


# Convolutions


@cases(CONVS)
def test_convolutions(what: str, run: Callable[[], Any], flops: int) -> None:
    found = count_flops(run)
    assert found.total == flops
    assert not found.uncounted


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


# Recurrent layers


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
