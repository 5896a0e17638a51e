"""FLOPs of torch's operators by the shapes of their operands: pure, torch is not imported.

One multiply-add is 2 FLOPs, as for torch's own counter, fvcore and MLPerf (FACTS §5); elementwise
operations and reductions are 0. A complex product is 4 real ones, which whoever sums up knows by the
dtype (``Formula.complex``). Linear algebra and FFT are in ``leading``.

Operands are known by their names in the operator's schema; anything with a ``shape`` will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

#: Which switch makes 32-bit operands tf32 on a GPU that has it; none for what runs no tensor cores.
Switch = Literal["matmul", "conv", "rnn", ""]


class Operand(Protocol):
    """A tensor, or what stands for one."""

    @property
    def shape(self) -> Sequence[int]: ...


class Partly(int):
    """A count that is a lower bound, and ``why``."""

    why: str

    def __new__(cls, count: int, why: str) -> Partly:
        made = super().__new__(cls, count)
        made.why = why
        return made


@dataclass(frozen=True, slots=True)
class Formula:
    """How one operator is counted.

    Args:
        names: its arguments that ``count`` wants, after the result; the first is multiplied, so its dtype tells the
            precision. ``out`` stands for the result (of several, all).
        count: FLOPs.
        leading: by the leading order only.
        complex: FLOPs of a complex operation for one of real numbers.
        switch: what makes it tf32.
        simple: it runs no other operator that is counted.
    """

    names: tuple[str, ...]
    count: Callable[..., int]
    leading: bool = False
    complex: int = 4
    switch: Switch = "matmul"
    simple: bool = False


FORMULAS: dict[str, Formula] = {}
#: Those that always run another one of ours (``_convolution``, ``addmv_``), which is counted instead as they run: they
#: are known for compiled graphs.
WITHIN = {"aten::convolution", "aten::mv"}
#: What an operator's FLOPs are told under, where that is not its own name.
KNOWN_AS = {"aten::_convolution": "aten::convolution"}


def counts(
    operators: str,
    names: str,
    *,
    leading: bool = False,
    complex: int = 4,
    switch: Switch = "matmul",
    simple: bool = False,
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The formula of some operators (of ``aten`` where nothing else is said)."""

    def note(count: Callable[..., int]) -> Callable[..., int]:
        made = Formula(tuple(names.split()), count, leading, complex, switch, simple)
        FORMULAS.update({name if "::" in name else f"aten::{name}": made for name in operators.split()})
        return count

    return note


# Products of matrices


@counts("mm", "self mat2", simple=True)
@counts("_int_mm _scaled_mm _scaled_mm_v2", "self mat2")
@counts("addmm addmm_ _addmm_activation", "mat1 mat2", simple=True)
def _mm(x: Operand, y: Operand) -> int:
    """[m, k] × [k, n]: m·n sums of k products."""
    m, k = x.shape
    return 2 * m * k * y.shape[1]


@counts("bmm", "self mat2", simple=True)
@counts("baddbmm baddbmm_ addbmm addbmm_", "batch1 batch2")
def _bmm(x: Operand, y: Operand) -> int:
    """[b, m, k] × [b, k, n]."""
    return 2 * prod(x.shape) * y.shape[2]


@counts("mv dot vdot", "self")
@counts("addmv addmv_", "mat")
def _mv(x: Operand) -> int:
    """Each element is multiplied once."""
    return 2 * prod(x.shape)


@counts("_foreach_mm", "self mat2")
def _mms(xs: Sequence[Operand], ys: Sequence[Operand]) -> int:
    return sum(map(_mm, xs, ys))


@counts("inductor::_mm_plus_mm", "a b c d")
def _two_mm(a: Operand, b: Operand, c: Operand, d: Operand) -> int:
    return _mm(a, b) + _mm(c, d)


@counts("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2", "self mat2")
def _grouped_mm(x: Operand, y: Operand) -> int:
    """[g, m, k] × [g, k, n], or rows (or the sums) of 2-D operands divided among the groups."""
    groups = x.shape[0] if len(x.shape) == len(y.shape) == 3 else 1
    return 2 * groups * x.shape[-2] * x.shape[-1] * y.shape[-1]


@counts("_mixed_dtypes_linear", "input weight")
@counts("mkldnn_linear", "self weight")
@counts("mkldnn::_linear_pointwise", "X W")
@counts("mkl::_mkl_linear", "X ORI_W")
def _linear(x: Operand, weight: Operand) -> int:
    """[…, k] × [n, k]."""
    return 2 * prod(x.shape) * weight.shape[0]


@counts("mkldnn_linear_backward_input", "grad_output weight")
def _linear_backward(grad: Operand, weight: Operand) -> int:
    return 2 * prod(grad.shape) * weight.shape[1]


@counts("mkldnn_linear_backward_weights", "grad_output input")
def _linear_weights(grad: Operand, x: Operand) -> int:
    return 2 * prod(grad.shape) * x.shape[-1]


@counts("_trilinear", "i1 i2 i3 expand1 expand2 expand3")
def _trilinear(i1: Operand, i2: Operand, i3: Operand, *expanded: Sequence[int]) -> int:
    """Two products and a sum for each combination of the expanded dimensions (``nn.Bilinear``)."""
    sizes: list[int] = []
    shapes = [_unsqueezed(x.shape, at) for x, at in zip((i1, i2, i3), expanded, strict=True)]
    sizes = [max(of) for of in zip(*shapes, strict=True)]
    return 3 * prod(sizes)


def _unsqueezed(shape: Sequence[int], at: Sequence[int]) -> list[int]:
    sizes = list(shape)
    for dim in sorted(at):
        sizes.insert(dim, 1)
    return sizes


# Convolutions


@counts("convolution _convolution convolution_overrideable", "input weight transposed out", switch="conv")
def _conv(x: Operand, weight: Operand, transposed: bool, out: Operand) -> int:
    """Each element of the result (transposed: of the input) meets one filter: a group's channels × the kernel."""
    positions = (x if transposed else out).shape[2:]
    return 2 * x.shape[0] * prod(weight.shape) * prod(positions)


@counts(
    "_slow_conv2d_forward slow_conv3d_forward slow_conv_dilated2d slow_conv_dilated3d", "self weight out", switch="conv"
)
@counts("_conv_depthwise2d conv_depthwise3d cudnn_convolution cudnn_convolution_relu", "self weight out", switch="conv")
@counts(
    "cudnn_convolution_add_relu mkldnn_convolution miopen_convolution _mps_convolution",
    "self weight out",
    switch="conv",
)
@counts(
    "miopen_depthwise_convolution miopen_convolution_relu miopen_convolution_add_relu", "self weight out", switch="conv"
)
@counts("_nnpack_spatial_convolution", "input weight out", switch="conv")
@counts("mkldnn::_convolution_pointwise mkldnn::_convolution_pointwise_", "X W out")
def _conv_forward(x: Operand, weight: Operand, out: Operand) -> int:
    return 2 * prod(out.shape) * prod(weight.shape[1:])


@counts("slow_conv_transpose2d slow_conv_transpose3d cudnn_convolution_transpose", "self weight", switch="conv")
@counts("miopen_convolution_transpose _mps_convolution_transpose", "self weight", switch="conv")
def _conv_transposed(x: Operand, weight: Operand) -> int:
    """Each element of the input goes into a group's channels × the kernel."""
    return 2 * prod(x.shape) * prod(weight.shape[1:])


@counts("convolution_backward", "grad_output input weight transposed output_mask", switch="conv")
@counts("convolution_backward_overrideable", "grad_output input weight transposed output_mask", switch="conv")
def _conv_backward(grad: Operand, x: Operand, weight: Operand, transposed: bool, wanted: Sequence[bool]) -> int:
    """One forward's work for each gradient that is wanted, in groups, too; the bias' are sums."""
    positions = (x if transposed else grad).shape[2:]
    return 2 * x.shape[0] * prod(weight.shape) * prod(positions) * (wanted[0] + wanted[1])


@counts("_slow_conv2d_backward", "grad_output self weight output_mask", switch="conv")
def _slow_backward(grad: Operand, x: Operand, weight: Operand, wanted: Sequence[bool] | None) -> int:
    return _conv_backward(grad, x, weight, False, wanted or (True, True))


@counts("conv_tbc", "self weight out")
def _conv_tbc(x: Operand, weight: Operand, out: Operand) -> int:
    """Time, batch, channels; the weight is [kernel, in, out]."""
    return 2 * prod(out.shape) * weight.shape[0] * weight.shape[1]


# Attention. No discount for causal masks: FACTS §5

PACKED = "packed sequences whose lengths are on the GPU, taken as equally long"


@counts("_scaled_dot_product_flash_attention _scaled_dot_product_efficient_attention", "query key value")
@counts("_scaled_dot_product_cudnn_attention _scaled_dot_product_flash_attention_for_cpu", "query key value")
@counts("_scaled_dot_product_fused_attention_overrideable", "query key value")
@counts("_scaled_dot_product_attention_math_for_mps", "query key value")
def sdpa(query: Operand, key: Operand, value: Operand) -> int:
    """[b, h, s, d]: the scores, and their product with the values. Heads of queries may share one of keys."""
    *batch, rows, width = query.shape
    return 2 * prod(batch) * rows * key.shape[-2] * (width + value.shape[-1])


@counts("_scaled_dot_product_flash_attention_backward _scaled_dot_product_cudnn_attention_backward", "query key value")
@counts("_scaled_dot_product_efficient_attention_backward", "query key value")
@counts("_scaled_dot_product_flash_attention_for_cpu_backward", "query key value")
@counts("_scaled_dot_product_fused_attention_overrideable_backward", "query key value")
def sdpa_backward(query: Operand, key: Operand, value: Operand) -> int:
    """The scores once more, then the gradients of values, scores, queries and keys."""
    *batch, rows, width = query.shape
    return 2 * prod(batch) * rows * key.shape[-2] * (3 * width + 2 * value.shape[-1])


@counts("_flash_attention_forward _flash_attention_forward_no_dropout_inplace", "query key value cum_seq_q cum_seq_k")
@counts("_efficient_attention_forward", "query key value cu_seqlens_q cu_seqlens_k")
@counts("_cudnn_attention_forward", "query key value cum_seq_q cum_seq_k")
def _attention(query: Operand, key: Operand, value: Operand, starts: Operand | None, key_starts: Operand | None) -> int:
    return _by_tokens(query, key, value, starts, key_starts, 1, 1)


@counts("_flash_attention_backward", "query key value cum_seq_q cum_seq_k")
@counts("_efficient_attention_backward", "query key value cu_seqlens_q cu_seqlens_k")
@counts("_cudnn_attention_backward", "query key value cum_seq_q cum_seq_k")
def _attention_backward(
    query: Operand, key: Operand, value: Operand, starts: Operand | None, key_starts: Operand | None
) -> int:
    return _by_tokens(query, key, value, starts, key_starts, 3, 2)


def _by_tokens(
    query: Operand,
    key: Operand,
    value: Operand,
    starts: Operand | None,
    key_starts: Operand | None,
    widths: int,
    values: int,
) -> int:
    """[b, s, h, d]; or packed: tokens in a row, cut at ``starts``.

    The lengths of packed ones are not asked for, as that would wait for the GPU. Where queries and keys are cut
    alike, the sum of their squares is at least that of as many equal ones (Cauchy and Schwarz); else nothing is known.
    """
    heads, width = query.shape[-2:]
    per_pair = 2 * heads * (widths * width + values * value.shape[-1])
    if starts is None:
        return query.shape[0] * query.shape[1] * key.shape[1] * per_pair
    tokens, sequences = prod(query.shape[:-2]), starts.shape[0] - 1
    alike = tokens == prod(key.shape[:-2]) and key_starts is not None and key_starts.shape == starts.shape
    return Partly(tokens * tokens // sequences * per_pair if alike else 0, PACKED)


@counts("_native_multi_head_attention", "query key embed_dim")
def _multi_head(query: Operand, key: Operand, width: int) -> int:
    """Four projections of each token, and the attention of all heads together."""
    batch, rows, _ = query.shape
    return 2 * batch * rows * 4 * width * width + 4 * batch * rows * key.shape[1] * width


@counts("_transformer_encoder_layer_fwd", "src embed_dim ffn_weight_1 ffn_weight_2")
def _encoder_layer(x: Operand, width: int, first: Operand, second: Operand) -> int:
    return _multi_head(x, x, width) + 2 * x.shape[0] * x.shape[1] * (prod(first.shape) + prod(second.shape))


# Recurrent layers: each token meets each weight once, and twice more in the backward pass


@counts("mkldnn_rnn_layer", "input weight0 weight1")
def _rnn_layer(x: Operand, inner: Operand, recurrent: Operand) -> int:
    """[time, batch, features]."""
    return 2 * x.shape[0] * x.shape[1] * (prod(inner.shape) + prod(recurrent.shape))


@counts("mkldnn_rnn_layer_backward", "input weight1 weight2")
def _rnn_layer_backward(x: Operand, inner: Operand, recurrent: Operand) -> int:
    return 2 * _rnn_layer(x, inner, recurrent)


@counts("_cudnn_rnn miopen_rnn", "input weight", switch="rnn")
@counts("_lstm_mps", "input params")
def _rnn(x: Operand, weights: Sequence[Operand]) -> int:
    """[time, batch, features], or packed as [tokens, features]; biases have one dimension."""
    return 2 * prod(x.shape[:-1]) * sum(prod(w.shape) for w in weights if len(w.shape) == 2)


@counts("_cudnn_rnn_backward miopen_rnn_backward", "input weight", switch="rnn")
@counts("lstm_mps_backward", "input params")
def _rnn_backward(x: Operand, weights: Sequence[Operand]) -> int:
    return 2 * _rnn(x, weights)
