"""Published models to the last FLOP (FACTS §5 and §6.11–12), counted while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch_models as models  # noqa: E402
from torch import nn  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402

RESNET_50 = 8_178_368_512
VIT = 35_127_656_448
BERT, GPT_2 = 22_348_431_360, 291_648_307_200


def image() -> Any:
    return torch.zeros(1, 3, 224, 224)


def forward(make: Callable[[], nn.Module], x: Any) -> Any:
    model = models.empty(make)
    with torch.no_grad():
        return count_flops(model, x)


def parameters(make: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in make().parameters())


def resnet50() -> nn.Module:
    return models.resnet((3, 4, 6, 3), bottleneck=True)


def test_a_product_of_matrices() -> None:
    found = count_flops(torch.mm, torch.zeros(1024, 512), torch.zeros(512, 256))
    assert found.total == 268_435_456
    assert found.by_operator == {"aten::mm": 268_435_456}
    assert found.by_precision == {"fp32": 268_435_456}
    assert (found.leading, found.uncounted, found.lower_bound) == (0, (), False)


def test_a_linear_layer() -> None:
    assert count_flops(nn.Linear(768, 3072), torch.zeros(4, 768)).total == 18_874_368


def test_resnet_50_and_where_in_it() -> None:
    found = forward(resnet50, image())
    assert found.total == RESNET_50
    assert found.by_operator == {"aten::convolution": RESNET_50 - 4_096_000, "aten::addmm": 2 * 2048 * 1000}
    assert found.by_module["Sequential"] == RESNET_50
    assert found.by_module["Sequential.0"] == 2 * 64 * 112 * 112 * 3 * 49
    assert parameters(resnet50) == 25_557_032


@pytest.mark.parametrize("grad", [False, True], ids=["the fast path", "the composed path"])
def test_vit_b_16(grad: bool) -> None:
    model = models.empty(models.Vit)
    with torch.set_grad_enabled(grad):
        found = count_flops(model, image())
    assert found.total == VIT
    assert ("aten::_native_multi_head_attention" in found.by_operator) != grad
    assert parameters(models.Vit) == 86_567_656 - 2 * 768  # its last norm


def test_bert_base() -> None:
    t, h = 128, 768
    found = forward(models.Bert, torch.zeros(1, t, dtype=torch.long))
    assert found.total == BERT == 12 * (8 * t * h * h + 4 * t * h * 4 * h + 4 * t * t * h) + 2 * h * h
    assert parameters(models.Bert) == 109_482_240


def test_gpt_2_with_attention_written_out_and_fused() -> None:
    ids = torch.zeros(1, 1024, dtype=torch.long)
    fused, eager = forward(models.Gpt2, ids), forward(lambda: models.Gpt2(eager=True), ids)
    assert fused.total == eager.total == GPT_2
    assert fused.by_operator["aten::_scaled_dot_product_flash_attention_for_cpu"] == eager.by_operator["aten::bmm"]
    assert parameters(models.Gpt2) == 124_439_808


@pytest.mark.parametrize(
    ("make", "gmacs", "size"),
    [
        (lambda: models.resnet((2, 2, 2, 2), bottleneck=False), 1.814, 11_689_512),
        (models.vgg16, 15.470, 138_357_544),
        (models.alexnet, 0.714, 61_100_840),
        (models.mobilenet_v2, 0.301, 3_504_872),
        (models.efficientnet_b0, 0.386, 5_288_548),
    ],
    ids=["ResNet-18", "VGG-16", "AlexNet", "MobileNetV2", "EfficientNet-B0"],
)
def test_published_gmacs_are_half_of_what_is_counted(make: Callable[[], nn.Module], gmacs: float, size: int) -> None:
    assert round(forward(make, image()).total / 2e9, 3) == gmacs
    assert parameters(make) == size


def test_a_training_step_of_resnet_50_is_three_forwards_less_the_first_inputs_gradient() -> None:
    model = models.empty(resnet50).train()
    found = count_flops(lambda: model(torch.zeros(2, 3, 224, 224)).sum().backward())
    first = 2 * 64 * 112 * 112 * 3 * 49
    assert found.total == 2 * (3 * RESNET_50 - first)
    assert round(found.total / 2 / RESNET_50, 4) == 2.9711


def test_a_training_step_of_a_transformer_is_six_flops_for_a_weight_and_token() -> None:
    """And attention 4·T²·H forward, which its fused backward does 2.5 times more."""
    t, h = 128, 128
    block = models.layer(h)
    x = torch.zeros(2, t, h, requires_grad=True)
    found = count_flops(lambda: block(x).sum().backward())
    assert found.total == 2 * (6 * t * 12 * h * h + 4 * t * t * h * 7 // 2)
