"""What runs is as it would have been: to the last bit, in its errors, under faults of ours and interrupts."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch_metering import Window, held, metered, told  # noqa: E402
from torch_models import Wrapped, twice  # noqa: E402
from torch_small import MKN, K, M, N, mlp, r  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402
from jupyter_costmeter.flops.aten import kernels  # noqa: E402
from jupyter_costmeter.flops.aten.formulas import FORMULAS, Formula  # noqa: E402
from jupyter_costmeter.flops.torch_flops import COUNTS, TorchFlops  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
assert held  # a fixture


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
