"""Compiled graphs from a cache on the disk count as those that were just compiled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

from torch_metering import python  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))), reason="no compiler: nothing is compiled"
    ),
]


CODE = """
    import torch, torch.nn as nn
    from contextlib import nullcontext
    from jupyter_costmeter.flops.torch_flops import COUNTS
    {acquire}
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 40, bias=False), nn.Linear(40, 24, bias=False))  # no kernel to compile
    fast = torch.compile(model)
    x = torch.randn(17, 24, requires_grad=True)
    for _ in range(2):
        before = sum(COUNTS.counts.snapshot().flops.values())
        fast(x).sum().backward()
        print(sum(COUNTS.counts.snapshot().flops.values()) - before)
    from torch._dynamo.utils import counters
    print(counters["inductor"]["fxgraph_cache_hit"] + counters["aot_autograd"]["autograd_cache_hit"] > 0)
"""
EXPECTED = 3 * 17 * 4 * 24 * 40


def environment(cache: Path) -> dict[str, str]:
    """Without the headers compiled beforehand: that takes longer than one kernel."""
    return {
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    }


def cached(cache: Path, on: bool) -> list[str]:
    code = CODE.format(acquire="COUNTS.acquire()" if on else "pass")
    return python(code, **environment(cache)).splitlines()


def test_graphs_from_a_cache(tmp_path: Path) -> None:
    assert cached(tmp_path, True) == [str(EXPECTED)] * 2 + ["False"]
    assert cached(tmp_path, True) == [str(EXPECTED)] * 2 + ["True"]
    assert cached(tmp_path, False) == ["0", "0", "True"], "one without us reads what one with us has written"


def test_graphs_from_a_cache_that_was_made_without_us(tmp_path: Path) -> None:
    assert cached(tmp_path, False)[-1] == "False"
    assert cached(tmp_path, True) == [str(EXPECTED)] * 2 + ["True"]


ROW = """
    import torch
    from jupyter_costmeter.flops.torch_flops import COUNTS
    {acquire}
    fast = torch.compile(lambda x, w: (x @ w).sin())
    start = COUNTS.counts.snapshot()
    fast(torch.ones(1, 16), torch.ones(16, 8))
    from jupyter_costmeter.flops.counts import between
    found = between(start, COUNTS.counts.snapshot())
    print(sum(found.flops.values()) == 256 or len(found.notes) > 0)
"""


def test_products_that_were_written_out_without_us_are_counted_or_said_to_be_missing(tmp_path: Path) -> None:
    env = environment(tmp_path)
    python(ROW.format(acquire="pass"), **env)
    assert python(ROW.format(acquire="COUNTS.acquire()"), **env) == "True"
