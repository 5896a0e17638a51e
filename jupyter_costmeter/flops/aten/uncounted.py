"""torch's operators that do arithmetic which no formula of shapes knows: they are noted, not counted."""

from __future__ import annotations

SPARSE, QUANTIZED = "sparse operators", "quantized operators"
_SPARSE = """
    _sparse_addmm sspaddmm hspmm _sparse_sparse_matmul sparse_sampled_addmm _sparse_mm_reduce_impl _spsolve
    _cslt_sparse_mm _sparse_semi_structured_linear _sparse_semi_structured_mm _sparse_semi_structured_addmm
"""
_QUANTIZED = """
    _weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu _weight_int4pack_mm_with_scales_and_zeros
    _dyn_quant_matmul_4bit fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation
    fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation quantized_lstm quantized_gru
"""
_LAYERS = (
    "linear linear_relu linear_leaky_relu linear_tanh linear_dynamic linear_relu_dynamic linear_dynamic_fp16 matmul"
)
_KINDS = ("", "_relu", "_dynamic", "_add", "_add_relu")
_ONEDNN = "qlinear_pointwise qconv_pointwise qconv1d_pointwise qconv2d_pointwise qconv3d_pointwise linear_dynamic_fp16"


def _named(space: str, names: str) -> list[str]:
    return [f"{space}::{name}" for name in names.split()]


UNCOUNTED: dict[str, str] = {
    **dict.fromkeys(_named("aten", _SPARSE), SPARSE),
    **dict.fromkeys(_named("sparse", "qlinear qlinear_relu qlinear_dynamic qlinear_relu_dynamic"), SPARSE),
    **dict.fromkeys(_named("aten", _QUANTIZED), QUANTIZED),
    **dict.fromkeys(_named("quantized", _LAYERS), QUANTIZED),
    **dict.fromkeys([f"quantized::conv{n}d{kind}" for n in (1, 2, 3) for kind in _KINDS], QUANTIZED),
    **dict.fromkeys([f"quantized::conv_transpose{n}d" for n in (1, 2, 3)], QUANTIZED),
    **dict.fromkeys(_named("onednn", _ONEDNN), QUANTIZED),
    # its weight is packed, so that its shape says nothing
    "mkldnn::_convolution_transpose_pointwise": "transposed convolutions with packed weights",
}
