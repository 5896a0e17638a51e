"""Small things of torch whose FLOPs one works out in the head."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

M, K, N = 4, 8, 16
MKN = 2 * M * K * N

#: Of ``mlp`` for one row.
ROW = 2 * 2 * K * N


def r(*shape: int, **kwargs: Any) -> Any:
    return torch.randn(*shape, **kwargs)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(K, N), nn.ReLU(), nn.Linear(N, K))
