"""What the tests of torch's formulas share: a case is a name, what runs, and its FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch_small import r

from jupyter_costmeter.flops.torch_flops import COUNTS

Case = tuple[str, Callable[[], Any], int]
__all__ = ["Case", "cases", "g", "ids", "r", "seen", "spd"]


@pytest.fixture(autouse=True, scope="module")
def seen() -> Iterator[None]:
    """Installed once for all of a module: that takes longer than its tests do."""
    COUNTS.acquire()
    yield
    COUNTS.release()


def g(*shape: int) -> Any:
    return torch.randn(*shape, requires_grad=True)


def spd(n: int, *batch: int) -> Any:
    return torch.eye(n).expand(*batch, n, n).clone() * 3


def ids(cases: list[Any]) -> list[str]:
    return [case[0] for case in cases]


def cases(found: list[Any]) -> Any:
    return pytest.mark.parametrize(("what", "run", "flops"), found, ids=ids(found))
