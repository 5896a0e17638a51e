"""Published models in plain torch, by the shapes of their papers: weights are zeros, only the arithmetic matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


def empty(make: Callable[[], nn.Module]) -> nn.Module:
    """The model without the time that drawing its weights takes."""
    with torch.device("meta"):
        made = make()
    made = made.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            tensor.zero_()
    return made.eval()


def conv(i: int, o: int, k: int, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = nn.ReLU) -> nn.Module:
    """Convolution, batch norm, activation."""
    made: list[nn.Module] = [nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*made, *([act()] if act else []))


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: Any) -> Any:
        return self.body(x) + self.shortcut(x)


def resnet(blocks: tuple[int, ...], bottleneck: bool) -> nn.Module:
    """He 2015; with bottlenecks, the stride on the 3 × 3 ("v1.5")."""
    layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    i = 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        o = width * 4 if bottleneck else width
        for at in range(count):
            stride = 2 if stage and not at else 1
            body = (
                [conv(i, width, 1), conv(width, width, 3, stride), conv(width, o, 1, act=None)]
                if bottleneck
                else [conv(i, o, 3, stride), conv(o, o, 3, act=None)]
            )
            short = conv(i, o, 1, stride, act=None) if stride != 1 or i != o else None
            layers += [Residual(nn.Sequential(*body), short), nn.ReLU()]
            i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 1000))


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    i = 3
    for count, o in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU()]
            i = o
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *head)


def alexnet() -> nn.Module:
    """Krizhevsky 2014, the "one weird trick" variant, as torchvision has it."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), nn.Flatten()),
        *(nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)),
    )


def mobilenet_v2() -> nn.Module:
    layers: list[nn.Module] = [conv(3, 32, 3, 2)]
    i = 32
    for t, o, n, s in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
    ):  # fmt: skip
        for at in range(n):
            stride, wide = (s if not at else 1), i * t
            body = ([conv(i, wide, 1)] if t > 1 else []) + [
                conv(wide, wide, 3, stride, wide),
                conv(wide, o, 1, act=None),
            ]
            layers.append(Residual(nn.Sequential(*body)) if stride == 1 and i == o else nn.Sequential(*body))
            i = o
    return nn.Sequential(*layers, conv(i, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


class Squeeze(nn.Module):
    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(wide, narrow, 1), nn.Conv2d(narrow, wide, 1)

    def forward(self, x: Any) -> Any:
        return x * self.up(F.silu(self.down(F.adaptive_avg_pool2d(x, 1)))).sigmoid()


def efficientnet_b0() -> nn.Module:
    layers: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.SiLU)]
    i = 32
    for t, k, s, o, n in (
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ):  # fmt: skip
        for at in range(n):
            stride, wide = (s if not at else 1), i * t
            body = [conv(i, wide, 1, act=nn.SiLU)] if t > 1 else []
            body += [conv(wide, wide, k, stride, wide, nn.SiLU), Squeeze(wide, i // 4), conv(wide, o, 1, act=None)]
            layers.append(Residual(nn.Sequential(*body)) if stride == 1 and i == o else nn.Sequential(*body))
            i = o
    head = [conv(i, 1280, 1, act=nn.SiLU), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers, *head)


class Attention(nn.Module):
    """Fused projections, heads of 64; ``eager`` writes the products out."""

    def __init__(self, width: int, causal: bool, eager: bool) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.causal, self.eager = causal, eager

    def forward(self, x: Any) -> Any:
        b, t, width = x.shape
        q, k, v = (part.view(b, t, -1, 64).transpose(1, 2) for part in self.qkv(x).split(width, 2))
        if self.eager:
            scores = q @ k.transpose(-1, -2) / 8
            if self.causal:
                scores = scores.masked_fill(~torch.ones(t, t, dtype=torch.bool).tril(), -torch.inf)
            y = scores.softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(b, t, width))


def layer(width: int, causal: bool = False, eager: bool = False) -> nn.Module:
    """Before each part a norm; where it stands costs no product."""
    mlp = [nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)]
    attention = nn.Sequential(nn.LayerNorm(width), Attention(width, causal, eager))
    return nn.Sequential(Residual(attention), Residual(nn.Sequential(*mlp)))


class Gpt2(nn.Module):
    """124M: 12 layers of 768, 1024 positions, the head tied to the embedding."""

    def __init__(self, eager: bool = False) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        self.layers = nn.Sequential(*(layer(768, True, eager) for _ in range(12)))
        self.norm, self.head = nn.LayerNorm(768), nn.Linear(768, 50257, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.layers(x)))


class Bert(nn.Module):
    """Base, uncased: 12 layers of 768, 512 positions, two kinds of sentences, a pooler over the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions, self.kinds = nn.Embedding(30522, 768), nn.Embedding(512, 768), nn.Embedding(2, 768)
        self.norm = nn.LayerNorm(768)
        self.layers = nn.Sequential(*(layer(768) for _ in range(12)))
        self.pooler = nn.Linear(768, 768)

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1])) + self.kinds(torch.zeros_like(ids))
        return self.pooler(self.layers(self.norm(x))[:, 0]).tanh()


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(768), nn.LayerNorm(768)
        self.attention = nn.MultiheadAttention(768, 12, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(768, 3072), nn.GELU(), nn.Linear(3072, 768))

    def forward(self, x: Any) -> Any:
        y = self.first(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.second(x))


class Vit(nn.Module):
    """B/16: patches of 16, 12 layers of 768, a token for the class."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 768, 16, 16)
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 768)), nn.Parameter(torch.zeros(1, 197, 768))
        self.layers = nn.Sequential(*(Encoder() for _ in range(12)))
        self.head = nn.Linear(768, 1000)

    def forward(self, x: Any) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.layers(x)[:, 0])


class Wrapped(torch.Tensor):
    """A subclass that runs what it wraps."""

    @staticmethod
    def __new__(cls, inner: Any) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args = torch.utils._pytree.tree_map(lambda x: x.inner if isinstance(x, Wrapped) else x, args)
        return cls(func(*args, **(kwargs or {})))


@torch.library.custom_op("costmeter_tests::twice", mutates_args=())
def twice(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w) + torch.mm(x, w)
