"""torch's operators that do arithmetic which no formula of shapes knows: they are noted, not counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SPARSE, QUANTIZED, TRITON = "sparse operators", "quantized operators", "Triton kernels"
_SPARSE = """
    _sparse_addmm sspaddmm hspmm _sparse_sparse_matmul sparse_sampled_addmm _sparse_mm_reduce_impl _spsolve
    _cslt_sparse_mm _sparse_semi_structured_linear _sparse_semi_structured_mm _sparse_semi_structured_addmm
"""
_QUANTIZED = """
    _weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu _weight_int4pack_mm_with_scales_and_zeros
    _dyn_quant_matmul_4bit fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation
    fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation quantized_lstm quantized_gru
    quantized_lstm_cell quantized_gru_cell quantized_rnn_relu_cell quantized_rnn_tanh_cell
"""
_TRITON = "_triton_multi_head_attention _triton_scaled_dot_attention"
#: Namespaces of which each operator that multiplies is one, by the words in its name.
SPACES = {"quantized": QUANTIZED, "_quantized": QUANTIZED, "onednn": QUANTIZED, "sparse": SPARSE}
MULTIPLIES = re.compile(r"linear|conv|matmul|mm_packed|int4mm|_cell|lstm|gru")
ELSE = re.compile(r"pack|make_|_(stride|padding|dilation|groups|transpose|output_padding)$")
#: Its weight is packed, so that its shape says nothing.
PACKED = {"mkldnn::_convolution_transpose_pointwise": "transposed convolutions with packed weights"}
UNCOUNTED: dict[str, str] = {
    **dict.fromkeys([f"aten::{name}" for name in _SPARSE.split()], SPARSE),
    **dict.fromkeys([f"aten::{name}" for name in _QUANTIZED.split()], QUANTIZED),
    **dict.fromkeys([f"aten::{name}" for name in _TRITON.split()], TRITON),
    "quantized::int4mm_packed_weight_cpu": QUANTIZED,
    **PACKED,
}


def uncounted(name: str) -> str | None:
    """What an operator is (``quantized operators``) that multiplies and is not counted."""
    space, _, bare = name.partition("::")
    if name in UNCOUNTED or space not in SPACES:
        return UNCOUNTED.get(name)
    return SPACES[space] if MULTIPLIES.search(bare) and not ELSE.search(bare) else None


def found(names: Iterable[str]) -> Iterator[str]:
    """Those of these operators (their overloads, too, may be named) that are such ones, each once."""
    return iter(dict.fromkeys(bare for name in names if uncounted(bare := name.partition(".")[0])))
