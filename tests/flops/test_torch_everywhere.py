"""Counts are right wherever torch runs: under autograd and its relatives, in scripts, modes and threads."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from torch_metering import Window, held, metered  # noqa: E402
from torch_models import Wrapped, twice  # noqa: E402
from torch_small import MKN, ROW, K, M, N, mlp, r  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
assert held  # a fixture


# Autograd and its relatives


@pytest.mark.parametrize("how", [torch.no_grad, torch.inference_mode, torch.enable_grad], ids=lambda how: how.__name__)
def test_with_and_without_gradients(how: Any) -> None:
    with how():
        assert count_flops(mlp(), r(M, K)).total == M * ROW


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_runs_forward_twice(reentrant: bool) -> None:
    model, x = mlp(), r(M, K, requires_grad=True)
    plain = count_flops(lambda: model(x).sum().backward()).total
    found = count_flops(lambda: checkpoint(model, x, use_reentrant=reentrant).sum().backward()).total
    assert plain == 3 * M * ROW
    assert plain + M * ROW // 2 <= found <= plain + M * ROW  # the last layer's result need not be made again


def test_double_backward() -> None:
    x, w = r(M, K, requires_grad=True), r(K, N, requires_grad=True)

    def penalty() -> None:
        (grad,) = torch.autograd.grad((x @ w).pow(2).sum(), x, create_graph=True)
        grad.pow(2).sum().backward()

    # x·w; its grad by x; then that product's two grads, and those of x·w
    assert count_flops(penalty).total == (1 + 1 + 2 + 2) * MKN


def test_gradients_are_right() -> None:
    x, w = r(3, 4, dtype=torch.double, requires_grad=True), r(4, 5, dtype=torch.double, requires_grad=True)
    image, filters = r(1, 2, 5, 5).double().requires_grad_(), r(3, 2, 3, 3).double().requires_grad_()
    q = r(1, 2, 3, 4, dtype=torch.double, requires_grad=True)
    with metered():
        assert torch.autograd.gradcheck(torch.mm, (x, w))
        assert torch.autograd.gradgradcheck(torch.mm, (x, w))
        assert torch.autograd.gradcheck(F.conv2d, (image, filters))
        assert torch.autograd.gradgradcheck(F.conv2d, (image, filters))
        assert torch.autograd.gradcheck(lambda q: F.scaled_dot_product_attention(q, q, q), (q,))
        assert torch.autograd.gradcheck(lambda x: torch.linalg.inv(x @ x.T + torch.eye(3).double()), (x,))
        assert torch.autograd.gradcheck(torch.mm, (x, w), check_forward_ad=True, check_batched_grad=True)


def test_forward_mode() -> None:
    x, w = r(M, K), r(K, N)
    found = count_flops(torch.func.jvp, lambda x: x @ w, (x,), (x,))
    assert found.total == 3 * MKN, "torch multiplies the tangent of w, too, which is zero"


def test_functional_transforms() -> None:
    w = r(K, N)
    assert count_flops(torch.func.grad(lambda x: (x @ w).sum()), r(M, K)).total == 2 * MKN
    assert count_flops(torch.func.vmap(lambda x: x @ w), r(5, M, K)).total == 5 * MKN
    assert count_flops(torch.func.vmap(torch.mm), r(5, M, K), r(5, K, N)).total == 5 * MKN
    assert count_flops(torch.func.vmap(torch.func.vmap(torch.mm)), r(2, 5, M, K), r(2, 5, K, N)).total == 10 * MKN
    assert count_flops(torch.func.jacrev(lambda x: w.T @ x), r(K)).total == 2 * K * N + N * 2 * K * N
    # forwards, torch multiplies the tangent of w, too, which is zero
    assert count_flops(torch.func.jacfwd(lambda x: w.T @ x), r(K)).total == 2 * 2 * K * N + K * 2 * K * N


def test_gradients_of_each_sample() -> None:
    model = mlp()
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters: Any, x: Any) -> Any:
        return torch.func.functional_call(model, parameters, (x,)).sum()

    found = count_flops(torch.func.vmap(torch.func.grad(loss), (None, 0)), parameters, r(6, K))
    assert found.total == 6 * (3 * ROW - ROW // 2)


def test_autocast_is_counted_as_it_multiplies() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = count_flops(lambda: mlp()(r(M, K)).sum().backward())
    assert found.by_precision == {"bf16": M * (3 * ROW - ROW // 2)}


# Where tensors are not plain


def test_nested_tensors() -> None:
    layer = nn.Linear(K, N)
    for layout in (torch.strided, torch.jagged):
        nested = torch.nested.nested_tensor([r(3, K), r(5, K)], layout=layout)
        found = count_flops(layer, nested)
        assert found.total == 2 * (3 + 5) * K * N, layout


def test_attention_of_jagged_tensors_runs() -> None:
    q = torch.nested.nested_tensor([r(3, 16), r(5, 16)], layout=torch.jagged, requires_grad=True)

    def run() -> Any:
        heads = q.unflatten(-1, [2, 8]).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)

    found = count_flops(run)
    assert 2 * 2 * 2 * (9 + 25) * 8 <= found.total <= 2 * 2 * 2 * 2 * 25 * 8


def test_what_has_no_values_does_no_work() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    assert count_flops(lambda: r(M, K, device="meta") @ r(K, N, device="meta")).total == 0
    assert count_flops(lambda: F.conv2d(r(1, 2, 8, 8, device="meta"), r(3, 2, 3, 3, device="meta"))).total == 0
    with FakeTensorMode():
        assert count_flops(lambda: r(M, K) @ r(K, N)).total == 0
        assert count_flops(lambda: nn.Linear(K, N)(r(M, K))).total == 0


def test_a_subclass_is_counted_by_what_it_runs() -> None:
    assert count_flops(lambda: Wrapped(r(M, K)) @ Wrapped(r(K, N))).total == MKN


def test_conjugate_and_negative_views_are_counted_once() -> None:
    x, y = r(M, K, dtype=torch.cfloat), r(K, N, dtype=torch.cfloat)
    assert count_flops(lambda: x.conj() @ y).total == 4 * MKN
    assert count_flops(lambda: (x.conj().imag) @ y.real).total == MKN


def test_what_is_sparse_or_quantized_is_noted() -> None:
    for what in (torch.eye(K).to_sparse(), torch.eye(K).to_sparse_csr()):
        found = count_flops(lambda what=what: what @ r(K, N))
        assert found.uncounted == ("sparse operators: their FLOPs do not follow from shapes",)
        assert (found.total, found.lower_bound) == (0, True)
        assert "Not counted: sparse operators" in repr(found)
        assert repr(found).startswith("≥ 0")
    quantized = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(K, N)))
    found = count_flops(quantized, r(M, K))
    assert found.uncounted == ("quantized operators: their FLOPs do not follow from shapes",)


# Scripts, custom operators, modes


def test_scripts_and_traces() -> None:
    model, x = mlp(), r(M, K)
    scripted, traced = torch.jit.script(model), torch.jit.trace(model, x)
    for made in (scripted, traced):
        for _ in range(4):  # they are optimised meanwhile
            assert count_flops(made, x).total == M * ROW


def test_operators_of_the_users_own_are_counted_by_what_they_run() -> None:
    assert count_flops(twice, r(M, K), r(K, N)).total == 2 * MKN


def test_operators_of_an_autograd_function() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, w = ctx.saved_tensors
            return grad @ w.T, x.T @ grad

    found = count_flops(lambda: Product.apply(r(M, K, requires_grad=True), r(K, N)).sum().backward())
    assert found.total == 3 * MKN


class Names(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_under_the_users_own_modes() -> None:
    model, x = mlp(), r(M, K)

    def step() -> Any:
        return model(x).sum().backward()

    names: list[list[str]] = []
    for on in (False, True):
        model.zero_grad()
        with metered(on), Names() as mode:
            step()
        names.append(mode.seen)
    assert names[0] == names[1]
    with Names(), FlopCounterMode(display=False) as theirs:
        found = count_flops(step)
    assert found.total == theirs.get_total_flops() == M * (3 * ROW - ROW // 2)


def test_under_torchs_profiler() -> None:
    from torch.profiler import ProfilerActivity, profile

    def names(on: bool) -> list[str]:
        with metered(on), profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
            mlp()(torch.zeros(M, K)).sum().backward()
        return sorted(e.name for e in profiler.events() if e.name.startswith("aten::"))

    assert names(True) == names(False)
    with profile(activities=[ProfilerActivity.CPU], acc_events=True):
        assert count_flops(mlp(), r(M, K)).total == M * ROW


# Threads


def test_other_threads_are_counted(held: Any) -> None:
    window = Window()
    x, w = r(M, K), r(K, N)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: torch.mm(x, w), range(50)))
    assert window.total == 50 * MKN
    assert count_flops(lambda: threading.Thread(target=torch.mm, args=(x, w)).start() or time.sleep(0.2)).total == MKN


def test_threads_that_take_turns_at_every_instruction_lose_nothing(held: Any) -> None:
    x, w, bias, image, filters = r(2, 3), r(3, 5), r(5), r(1, 1, 4, 4), r(1, 1, 3, 3)
    window, interval = Window(), sys.getswitchinterval()
    times = 400

    def work() -> None:
        for _ in range(times):
            torch.mm(x, w)
            torch.addmm(bias, x, w)
            torch.addmm(bias, x, w, beta=0.5)
            torch.bmm(x[None], w[None])
            F.conv2d(image, filters)

    threads = [threading.Thread(target=work) for _ in range(6)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert window.total == 6 * times * (4 * 2 * 30 + 2 * 4 * 9)
    assert not held.muted


def test_backward_in_another_thread(held: Any) -> None:
    x, w = r(M, K, requires_grad=True), r(K, N, requires_grad=True)
    loss = (x @ w).sum()
    window = Window()
    thread = threading.Thread(target=loss.backward)
    thread.start()
    thread.join()
    assert window.total == 2 * MKN


def test_workers_that_load_data_go_on(held: Any) -> None:
    from torch.utils.data import DataLoader

    loader = DataLoader(Products(), batch_size=2, num_workers=2)
    window = Window()
    assert sum(len(batch) for batch in loader) == 6
    assert window.total == 0, "another process's work is its own"


class Products(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, at: int) -> Any:
        return torch.ones(2, 3) @ torch.ones(3, 2)


def big() -> tuple[float, float]:
    """How long a big product takes, and for how long meanwhile another thread did not get on."""
    x = torch.ones(1800, 1800)
    ticks, done = [time.perf_counter()], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    start = time.perf_counter()
    for _ in range(2):
        torch.mm(x, x)
        torch.addmm(x, x, x)
        torch.bmm(x[None], x[None])
    F.conv2d(x[:1600, :1600].reshape(1, 64, 200, 200), x[:64, :576].reshape(64, 64, 3, 3))
    torch.linalg.lu_factor(x[:1200, :1200] + torch.eye(1200))
    took = time.perf_counter() - start
    done.set()
    thread.join()
    return took, max(b - a for a, b in zip(ticks, ticks[1:], strict=False))


def test_the_interpreter_lock_is_released_while_an_operator_runs(held: Any) -> None:
    big()
    took, waited = min((big() for _ in range(3)), key=lambda found: found[1] / found[0])
    assert took > 0.05, "too quick to tell"
    assert waited < took / 6
