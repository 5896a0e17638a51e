"""Counts are right wherever torch runs, and what runs is as it would have been."""

from __future__ import annotations

import copy
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from torch_metering import Window, held, metered, python, told  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402
from jupyter_costmeter.errors import UsageError  # noqa: E402
from jupyter_costmeter.flops.aten import formulas, kernels, leading  # noqa: E402
from jupyter_costmeter.flops.aten.formulas import FORMULAS, Formula  # noqa: E402
from jupyter_costmeter.flops.torch_flops import COUNTS, TorchFlops  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
assert held  # a fixture

M, K, N = 4, 8, 16
MKN = 2 * M * K * N


def r(*shape: int, **kwargs: Any) -> Any:
    return torch.randn(*shape, **kwargs)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(K, N), nn.ReLU(), nn.Linear(N, K))


#: Of ``mlp`` for one row.
ROW = 2 * 2 * K * N


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


@torch.library.custom_op("costmeter_tests::twice", mutates_args=())
def twice(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w) + torch.mm(x, w)


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


# What runs is as it would have been


def trained(on: bool, dtype: Any = torch.float32) -> bytes:
    torch.manual_seed(3)
    with metered(on):
        conv = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(2))
        rest = nn.ModuleList([nn.LSTM(36, 16, batch_first=True), nn.MultiheadAttention(16, 2, batch_first=True)])
        head = nn.Linear(16, 4)
        parameters = [*conv.parameters(), *rest.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=0.01)
        for _ in range(4):
            x = rest[0](conv(r(2, 3, 8, 8)))[0]
            x = rest[1](x, x, x)[0]
            loss = F.cross_entropy(head(x[:, -1]), torch.tensor([1, 3]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return b"".join(p.detach().numpy().tobytes() for p in parameters)


def test_training_is_equal_to_the_last_bit() -> None:
    assert trained(True) == trained(False)


def test_modules_and_tensors_copy_and_pickle(held: Any) -> None:
    model, x = mlp(), r(M, K)
    expected = model(x)
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(made(x), expected)
    assert pickle.loads(pickle.dumps(torch.mm)) is torch.mm
    assert torch.equal(copy.deepcopy(expected.detach()), expected)


class Weird:
    """Tries to be a tensor."""

    shape = (2, 2)


FAILING: dict[str, Callable[[], Any]] = {
    "mm": lambda: torch.mm(torch.ones(2, 3), torch.ones(4, 5)),
    "mm of one dtype and another": lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 5).double()),
    "mm of a vector": lambda: torch.mm(torch.ones(2, 3), torch.ones(3)),
    "mm into a wrong dtype": lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 2), out=torch.ones(2, 2).int()),
    "mm of no tensor": lambda: torch.mm(torch.ones(2, 3), Weird()),
    "matmul": lambda: torch.ones(2, 3) @ torch.ones(2, 3),
    "addmm": lambda: torch.addmm(torch.ones(9), torch.ones(2, 3), torch.ones(3, 5)),
    "addmm, scaled": lambda: torch.addmm(torch.ones(9), torch.ones(2, 3), torch.ones(3, 5), beta=0.5),
    "addmm_": lambda: torch.ones(9, 9).addmm_(torch.ones(2, 3), torch.ones(3, 5)),
    "bmm": lambda: torch.bmm(torch.ones(2, 3, 4), torch.ones(3, 4, 5)),
    "mv": lambda: torch.mv(torch.ones(2, 3), torch.ones(2)),
    "dot": lambda: torch.dot(torch.ones(2), torch.ones(3)),
    "conv2d": lambda: F.conv2d(torch.ones(1, 3, 8, 8), torch.ones(4, 2, 3, 3)),
    "conv2d, too small": lambda: F.conv2d(torch.ones(1, 2, 2, 2), torch.ones(4, 2, 3, 3)),
    "linear": lambda: nn.Linear(3, 4)(torch.ones(2, 5)),
    "attention": lambda: F.scaled_dot_product_attention(torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 4), torch.ones(2)),
    "LSTM": lambda: nn.LSTM(3, 4)(torch.ones(2, 5)),
    "Cholesky": lambda: torch.linalg.cholesky(-torch.eye(3)),
    "inverse": lambda: torch.linalg.inv(torch.zeros(3, 3)),
    "solve": lambda: torch.linalg.solve(torch.zeros(3, 3), torch.ones(3)),
    "SVD": lambda: torch.linalg.svd(torch.ones(3)),
    "FFT": lambda: torch.fft.fft(torch.ones(3), dim=4),
    "sparse": lambda: torch.eye(3).to_sparse() @ torch.ones(4, 2),
    "backward": lambda: (torch.ones(2, 3, requires_grad=True) @ torch.ones(3, 2)).backward(),
    "in a subclass": lambda: Wrapped(torch.ones(2, 3)) @ Wrapped(torch.ones(2, 3)),
    "in a custom operator": lambda: twice(torch.ones(2, 3), torch.ones(2, 3)),
    "in a vmap": lambda: torch.func.vmap(torch.mm)(torch.ones(4, 2, 3), torch.ones(4, 2, 3)),
}


@pytest.mark.parametrize("run", list(FAILING.values()), ids=list(FAILING))
def test_errors_are_the_users_own(run: Callable[[], Any]) -> None:
    plain = told(run)
    with metered() as kernels:
        window = Window()
        assert told(run) == plain
        assert not kernels.muted
        assert window.total <= MKN
    assert "jupyter_costmeter" not in plain


def test_errors_have_their_types_and_no_context() -> None:
    def caught() -> BaseException:
        try:
            torch.linalg.cholesky(-torch.eye(3))
        except BaseException as error:
            return error
        raise AssertionError

    plain = caught()
    with metered():
        found = caught()
    assert type(found) is type(plain)
    assert (found.__cause__, found.__context__) == (plain.__cause__, plain.__context__) == (None, None)
    assert found.args == plain.args


def test_errors_raised_inside_an_except_clause_keep_their_context() -> None:
    def run() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            torch.mm(torch.ones(2, 3), torch.ones(2, 3))

    plain = told(run)
    with metered():
        assert told(run) == plain


def test_an_error_frees_what_its_frames_held() -> None:
    import gc
    import weakref

    class Held(nn.Module):
        def forward(self, x: Any) -> Any:
            return x @ x

    with metered():
        model = Held()
        gone = weakref.ref(model)
        gc.disable()
        try:
            with pytest.raises(RuntimeError):
                model(torch.ones(2, 3))
            del model
            plain = gone() is None
        finally:
            gc.enable()
    if not plain:
        gc.collect()
        assert gone() is None


def test_count_flops_leaves_nothing_behind_after_an_error() -> None:
    def fail() -> None:
        torch.mm(torch.ones(2, 3), torch.ones(3, 2))
        raise KeyError("mine")

    with metered() as kernels:
        with pytest.raises(KeyError, match="mine"):
            count_flops(fail)
        assert kernels.watchers == []
    assert COUNTS.kernels is None
    assert count_flops(torch.mm, r(M, K), r(K, N)).total == MKN


# Faults of our own

RUNS: dict[str, Callable[[], Any]] = {
    "aten::mm": lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 2)),
    "aten::addmm": lambda: torch.addmm(torch.ones(2), torch.ones(2, 3), torch.ones(3, 2)),
    "aten::bmm": lambda: torch.bmm(torch.ones(1, 2, 3), torch.ones(1, 3, 2)),
    "aten::baddbmm": lambda: torch.baddbmm(torch.ones(1), torch.ones(1, 2, 3), torch.ones(1, 3, 2)),
    "aten::addmv": lambda: torch.addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3)),
    "aten::dot": lambda: torch.dot(torch.ones(2), torch.ones(2)),
    "aten::convolution": lambda: F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)),
    "aten::_trilinear": lambda: nn.Bilinear(2, 2, 2)(torch.ones(1, 2), torch.ones(1, 2)),
    "aten::_scaled_dot_product_flash_attention_for_cpu": lambda: F.scaled_dot_product_attention(
        *[torch.ones(1, 1, 2, 2)] * 3
    ),
    "aten::mkldnn_rnn_layer": lambda: nn.LSTM(2, 2)(torch.ones(2, 1, 2))[0],
    "aten::linalg_cholesky_ex": lambda: torch.linalg.cholesky(torch.eye(2)),
    "aten::linalg_inv_ex": lambda: torch.linalg.inv(torch.eye(2)),
    "aten::_linalg_svd": lambda: torch.linalg.svdvals(torch.eye(2)),
    "aten::_fft_c2c": lambda: torch.fft.fft(torch.ones(4) + 0j),
}


def broken(*operands: Any) -> int:
    raise ZeroDivisionError("a formula is wrong")


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Every formula raises; products are what they are known to be without one, so they have none."""
    for name, formula in FORMULAS.items():
        fields = {field: getattr(formula, field) for field in Formula.__slots__}
        monkeypatch.setitem(FORMULAS, name, Formula(**{**fields, "count": broken}))
    monkeypatch.setattr(kernels, "PRODUCTS", ())
    with metered() as found:
        yield found


@pytest.mark.parametrize("name", list(RUNS))
def test_a_fault_in_a_formula_is_a_note_and_no_error(name: str, faulty: Any) -> None:
    window = Window()
    found = RUNS[name]()
    assert isinstance(found, torch.Tensor)
    assert window.total == 0
    assert (name, "counting it failed: ZeroDivisionError: a formula is wrong") in window.notes
    assert not faulty.muted


def test_a_fault_in_any_formula_is_a_figure_without_a_value_and_with_its_reason(faulty: Any) -> None:
    tracer = TorchFlops()
    tracer.open()
    start = tracer.mark()
    for run in RUNS.values():
        run()
    figures = {figure.device: figure for figure in tracer.figures(start, tracer.mark())}
    tracer.close()
    for name in RUNS:
        assert figures[name].value is None
        assert figures[name].provenance.reason == f"{name}: counting it failed: ZeroDivisionError: a formula is wrong"


def test_a_fault_while_a_graph_is_compiled_or_its_operators_are_replaced_is_said(monkeypatch: Any) -> None:
    def refused(*args: Any) -> Any:
        raise ValueError("no such argument here")

    monkeypatch.setattr(kernels, "_counting", refused)
    monkeypatch.setattr(kernels, "_product", refused)
    tracer = TorchFlops()
    status = tracer.open()
    torch.mm(r(M, K), r(K, N))
    tracer.close()
    assert status.ok
    assert "aten::bmm" in status.message


# Interrupts


def test_an_interrupt_while_an_operator_runs_leaves_nothing_muted(held: Any) -> None:
    """A real one, at all sorts of instants; the next count is right."""
    image, filters, x = torch.ones(1, 8, 40, 40), torch.ones(8, 8, 3, 3), torch.ones(150, 150) + 3 * torch.eye(150)
    main = threading.get_ident()
    for at in range(40):
        timer = threading.Timer(0.01 + 0.0003 * at, signal.pthread_kill, (main, signal.SIGINT))
        end = time.monotonic() + 20
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            timer.start()
            while time.monotonic() < end:
                F.conv2d(image, filters)
                torch.mm(x, x)
                torch.linalg.lu_factor(x)
        timer.join()
        TorchFlops().mark()  # as at the next cell's edge
        assert not held.muted
    window = Window()
    F.conv2d(image, filters)
    assert window.total == 2 * 8 * 38 * 38 * 72


# Installed and gone without a trace

DUMPED = [
    "mm",
    "addmm",
    "addmm.out",
    "bmm",
    "baddbmm_",
    "mv",
    "dot",
    "convolution",
    "_convolution",
    "convolution_backward",
    "linalg_qr",
    "_fft_r2c",
]


def state() -> dict[str, Any]:
    from torch.cuda.graphs import CUDAGraph

    return {
        "tables": [torch._C._dispatch_dump(f"aten::{name}") for name in DUMPED],
        "computed": [torch._C._dispatch_dump_table(f"aten::{name}") for name in DUMPED],
        "finders": list(sys.meta_path),
        "graphs": dict(vars(CUDAGraph)),
        "hooks": [
            len(h) for h in (nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks)
        ],
        "modes": torch._C._len_torch_dispatch_stack(),
    }


def test_nothing_is_left_where_it_was_installed() -> None:
    import torch._inductor.output_code as output_code

    count_flops(torch.mm, r(M, K), r(K, N))
    before, attributes = state(), dict(vars(output_code.CompiledFxGraph))
    with metered():
        during = state()
        assert dict(vars(output_code.CompiledFxGraph)) != attributes
    assert during["tables"] != before["tables"]
    assert during["finders"] != before["finders"]
    after = state()
    assert after == before
    assert dict(vars(output_code.CompiledFxGraph)) == attributes
    count_flops(mlp(), r(M, K))
    assert state() == before


def test_somebody_elses_wrapper_around_ours_stays() -> None:
    import torch._inductor.output_code as output_code

    kind = output_code.CompiledFxGraph
    theirs = kind.__call__
    try:
        with metered():
            ours = kind.__call__

            def outer(self: Any, inputs: Any) -> Any:
                return ours(self, inputs)

            kind.__call__ = outer
        assert kind.__call__ is outer
    finally:
        kind.__call__ = theirs


def test_two_users_of_the_counts_see_the_same_work() -> None:
    tracer = TorchFlops()
    tracer.open()
    start = tracer.mark()
    found = count_flops(mlp(), r(M, K))
    torch.mm(r(M, K), r(K, N))
    (figure,) = tracer.figures(start, tracer.mark())
    tracer.close()
    assert found.total == M * ROW
    assert figure.value == M * ROW + MKN
    assert COUNTS.kernels is None


def test_one_count_in_another() -> None:
    inner: list[int] = []

    def run() -> None:
        inner.append(count_flops(torch.mm, r(M, K), r(K, N)).total)
        torch.mm(r(M, K), r(K, N))

    assert count_flops(run).total == 2 * MKN
    assert inner == [MKN]


def test_modules_by_name_forward_and_backward() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(K, N), nn.Linear(N, K)

        def forward(self, x: Any) -> Any:
            return self.second(self.first(x))

    net, x = Net(), r(M, K, requires_grad=True)
    found = count_flops(lambda: net(x).sum().backward())
    assert found.by_module == {"Net": 3 * M * ROW, "Net.first": 3 * MKN, "Net.second": 3 * MKN}
    assert found.by_operator.keys() == {"aten::addmm", "aten::mm"}
    assert "Net.first" in repr(found)
    assert "Net.first" in found._repr_html_()


# Imports


def test_torch_imported_while_the_meter_is_there_is_counted_from_then_on() -> None:
    assert python("""
        import sys
        from jupyter_costmeter.flops.torch_flops import TorchFlops
        tracer = TorchFlops()
        print(tracer.open().message)
        start = tracer.mark()
        import importlib.util, json, colorsys, importlib
        assert importlib.util.find_spec("torch") is not None
        assert "torch" not in sys.modules
        print(tracer.status().message)
        importlib.reload(colorsys)
        import torch
        torch.mm(torch.ones(2, 3), torch.ones(3, 4))
        print(tracer.status().message)
        print([(f.name, f.value) for f in tracer.figures(start, tracer.mark())])
        importlib.reload(sys.modules["torch.version"])
        assert "exec_module" not in vars(torch.__spec__.loader), vars(torch.__spec__.loader)
        tracer.close()
        assert all(type(f).__module__ != "jupyter_costmeter.flops.imports" for f in sys.meta_path)
    """).splitlines() == [
        "FLOPs are counted once torch is imported",
        "FLOPs are counted once torch is imported",
        "FLOPs of torch's operators are counted",
        "[('flops_fp32', 48.0)]",
    ]


def test_torch_imported_in_another_thread_and_after_closing() -> None:
    assert python("""
        import sys, threading
        from jupyter_costmeter.flops.torch_flops import TorchFlops, COUNTS
        from jupyter_costmeter import count_flops
        from jupyter_costmeter.errors import UsageError
        try:
            count_flops(print)
        except UsageError as error:
            print(error)
        tracer = TorchFlops()
        tracer.open()
        import importlib.util
        spec = importlib.util.find_spec("torch")
        tracer.close()
        def work():
            import torch
            torch.mm(torch.ones(2, 3), torch.ones(3, 4))
        thread = threading.Thread(target=work); thread.start(); thread.join()
        print(COUNTS.kernels)
    """).splitlines() == ["count_flops counts what torch runs: import torch first", "None"]


def test_an_import_that_fails_fails_as_it_would(tmp_path: Any) -> None:
    code = """
        import sys, traceback
        sys.path.insert(0, {path!r})
        if {on}:
            from jupyter_costmeter.flops.torch_flops import TorchFlops
            TorchFlops().open()
        try:
            import torch
        except Exception:
            print(traceback.format_exc())
    """
    (tmp_path / "torch.py").write_text("def broken():\n    raise OSError('no libc10')\n\nbroken()\n")
    plain, found = (python(code.format(path=str(tmp_path), on=on)) for on in (False, True))
    assert "no libc10" in found
    assert [line for line in found.splitlines() if "importlib" not in line] == plain.splitlines()


def test_without_torch_there_is_nothing_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(UsageError, match="import torch first"):
        count_flops(print)


def test_formulas_do_not_import_torch() -> None:
    assert python("""
        import sys
        import jupyter_costmeter.flops.aten.formulas, jupyter_costmeter.flops.aten.leading
        import jupyter_costmeter.flops.torch_flops
        print("torch" in sys.modules, "asyncio" in sys.modules)
    """).startswith("False")
    assert formulas.FORMULAS.keys() >= {"aten::mm", "aten::_fft_c2c"}
    assert leading.FORMULAS is formulas.FORMULAS if hasattr(leading, "FORMULAS") else True


# What ``count_flops`` adds to follow modules disturbs nothing

BY_INPUT: dict[str, Callable[[Any], Any]] = {
    "autograd.grad": lambda layer: torch.autograd.grad(layer(r(M, K, requires_grad=True)).sum(), layer.weight),
    "autograd.grad of the input": lambda layer: [
        torch.autograd.grad(layer(x).sum(), x) for x in [r(M, K, requires_grad=True)]
    ],
    "func.grad": lambda layer: torch.func.grad(lambda x: layer(x).sum())(r(M, K)),
    "vmap of func.grad": lambda layer: torch.func.vmap(torch.func.grad(lambda x: layer(x).sum()))(r(M, K)),
    "jacrev": lambda layer: torch.func.jacrev(layer)(r(K)),
    "hessian": lambda layer: torch.func.hessian(lambda x: layer(x).pow(2).sum())(r(K)),
    "autograd.functional": lambda layer: torch.autograd.functional.jacobian(layer, r(K)),
}


@pytest.mark.parametrize("run", list(BY_INPUT.values()), ids=list(BY_INPUT))
def test_gradients_by_what_a_module_was_given(run: Callable[[Any], Any], held: Any) -> None:
    layer, window = nn.Linear(K, N), Window()
    run(layer)
    assert count_flops(run, layer).total == window.total // 2 > 0


def test_what_is_compiled_is_not_compiled_again_to_follow_its_modules() -> None:
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    fast, x = torch.compile(mlp(), backend="eager"), r(M, K)
    fast(x)
    before = dict(counters["stats"])
    assert count_flops(fast, x).total == M * ROW
    fast(x)
    assert dict(counters["stats"]) == before
    torch._dynamo.reset()
