"""``jupyter_costmeter.count_flops``: one call's FLOPs by operator, precision and module."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

import jupyter_costmeter
from jupyter_costmeter import count_flops
from jupyter_costmeter.errors import UsageError

torch = pytest.importorskip("torch", reason="torch is not installed: count_flops is not tested")
nn = torch.nn

LAYER = 2 * 8 * 16 * 32  # a batch of 8 through 16 → 32


def model() -> Any:
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Sequential(nn.Linear(32, 16), nn.Linear(16, 16)))


def test_forward_by_operator_precision_and_module() -> None:
    x = torch.randn(8, 16)
    found = count_flops(model(), x)
    assert found.total == 2 * LAYER + LAYER // 2
    assert found.by_operator == {"aten::addmm": found.total}
    assert found.by_precision == {"fp32": found.total}
    assert found.by_module == {
        "Sequential": found.total,
        "Sequential.2": LAYER + LAYER // 2,
        "Sequential.0": LAYER,
        "Sequential.2.0": LAYER,
        "Sequential.2.1": LAYER // 2,
    }
    assert found.result.shape == (8, 16)
    assert not found.lower_bound
    assert found.leading == 0


def test_backward_belongs_to_the_modules_too() -> None:
    net, x = model(), torch.randn(8, 16, requires_grad=True)
    found = count_flops(lambda: net(x).sum().backward())
    assert found.total == 3 * (2 * LAYER + LAYER // 2)
    assert found.by_operator == {"aten::mm": 2 * (2 * LAYER + LAYER // 2), "aten::addmm": 2 * LAYER + LAYER // 2}
    assert found.by_module["Sequential.2.1"] == 3 * LAYER // 2


def test_arguments_and_keywords_are_passed_on_and_other_threads_counted() -> None:
    a, b = torch.randn(8, 16), torch.randn(16, 32)

    def work(x: Any, *, times: int) -> str:
        threads = [threading.Thread(target=torch.mm, args=(x, b)) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return "done"

    found = count_flops(work, a, times=3)
    assert (found.total, found.result) == (3 * LAYER, "done")


def test_leading_order_complex_and_uncounted_are_told_apart() -> None:
    square = torch.eye(6)

    def work() -> None:
        torch.linalg.cholesky(square)
        torch.ones(2, 3, dtype=torch.complex64) @ torch.ones(3, 4, dtype=torch.complex64)
        square.to_sparse() @ square

    found = count_flops(work)
    assert found.leading == 6**3 // 3
    assert found.by_operator["aten::mm"] == 4 * 2 * 2 * 3 * 4
    assert found.total == 6**3 // 3 + 4 * 2 * 2 * 3 * 4
    assert found.lower_bound
    assert found.uncounted[0].startswith("sparse operators: ")


def test_it_shows_itself() -> None:
    found = count_flops(model(), torch.randn(8, 16))
    assert "20.5 kFLOP (20,480)" in repr(found)
    assert "aten::addmm" in repr(found)
    assert "Sequential.2.1" in found._repr_html_()
    square = torch.eye(6)
    assert repr(count_flops(lambda: square.to_sparse() @ square)).startswith("≥ 0 FLOP")


def test_errors_are_the_callers_own_and_leave_nothing_behind() -> None:
    dumped = torch._C._dispatch_dump("aten::mm")
    with pytest.raises(ZeroDivisionError):
        count_flops(lambda: 1 / 0)
    assert torch._C._dispatch_dump("aten::mm") == dumped
    assert count_flops(torch.mm, torch.ones(2, 3), torch.ones(3, 4)).total == 48


def test_what_is_not_torchs_is_said_not_to_be_counted() -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    a = np.ones((3, 3))
    assert count_flops(lambda: a @ a).uncounted[0].startswith("numpy: ")
    assert count_flops(lambda x: x, a).lower_bound

    async def later() -> None:
        torch.ones(2, 3) @ torch.ones(3, 4)

    found = count_flops(later)
    found.result.close()
    assert found.total == 0
    assert found.uncounted == ("coroutine: what it does when it runs was not awaited here",)


def test_it_may_be_nested() -> None:
    a, b = torch.randn(8, 16), torch.randn(16, 32)
    inner: list[int] = []

    def work() -> None:
        torch.mm(a, b)
        inner.append(count_flops(torch.mm, a, b).total)

    assert count_flops(work).total == 2 * LAYER
    assert inner == [LAYER]


def test_without_torch_it_says_what_to_do() -> None:
    code = "import jupyter_costmeter as j\ntry: j.count_flops(print)\nexcept Exception as e: print(type(e).__name__, e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "UsageError count_flops counts what torch runs: import torch first\n"


def test_a_torch_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.1.0")
    with pytest.raises(UsageError, match=r"torch 2\.1 is too old"):
        count_flops(print)


def test_a_measured_block_has_its_flops(home: object) -> None:
    code = """
import torch, jupyter_costmeter
import numpy as np
a, b = torch.randn(8, 16), torch.randn(16, 32)
with jupyter_costmeter.measure("x") as cost:
    a @ b
total = cost.total("flops")
print(total.value, total.missing, total.reasons)
def block():
    with jupyter_costmeter.measure("y") as cost:
        a @ b
    return cost.total("flops")
print(block().value, block().missing)
n = np.ones(3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{float(LAYER)} 1 ('numpy: ")  # the script reaches numpy
    assert second == f"{float(LAYER)} 0"


def test_the_public_names() -> None:
    assert {"count_flops", "measure"} <= set(jupyter_costmeter.__all__)
