"""``torch.compile`` goes on as without us, and its graphs count as their operators do one by one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402
from torch_metering import Window, held, metered, told  # noqa: E402
from torch_small import r  # noqa: E402

from jupyter_costmeter.flops.aten import compiled, graph  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))), reason="no compiler: nothing is compiled"
    ),
]
assert held  # a fixture


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inductor's, for all tests: each kernel is compiled once."""
    return tmp_path_factory.mktemp("inductor")


@pytest.fixture(autouse=True)
def fresh(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Block(nn.Module):
    """Attention and a small network, as in a transformer."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, width))

    def forward(self, x: Any) -> Any:
        q, k, v = (p.unflatten(-1, (2, -1)).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.mlp(x)


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=4, stride=2))


def eager(run: Callable[..., Any], *args: Any) -> tuple[int, Any]:
    window = Window()
    result = run(*args)
    return window.total, result


def train(model: Callable[..., Any], x: Any) -> Any:
    return model(x).sum().backward()


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "a transformer's block": (Block, lambda: r(2, 9, 32)),
    "convolutions": (convolutions, lambda: r(2, 3, 12, 12)),
    "a small network": (lambda: nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 7)), lambda: r(5, 20)),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_training_counts_as_uncompiled(name: str, held: Any) -> None:
    model, x = MODELS[name][0](), MODELS[name][1]().requires_grad_()
    expected = eager(train, model, x)[0]
    fast = torch.compile(model)
    counts = [eager(train, fast, x)[0] for _ in range(3)]
    assert counts == [expected] * 3, "the first time, too: what compiling runs is not the user's work"


@pytest.mark.parametrize("name", list(MODELS))
def test_inference_counts_as_uncompiled(name: str, held: Any) -> None:
    model, x = MODELS[name][0]().eval(), MODELS[name][1]()
    fast = torch.compile(model)
    with torch.no_grad():
        expected, plain = eager(model, x)
        counts = [eager(fast, x) for _ in range(2)]
    assert [count for count, _ in counts] == [expected] * 2
    assert torch.allclose(counts[0][1], plain, atol=1e-4)


def test_many_sizes_by_one_graph(held: Any) -> None:
    model = nn.Sequential(nn.Linear(24, 40), nn.ReLU(), nn.Linear(40, 24))
    fast = torch.compile(model, dynamic=True)
    for rows in (3, 17, 64, 5):
        assert eager(fast, r(rows, 24))[0] == eager(model, r(rows, 24))[0] == rows * 4 * 24 * 40
    step = torch.compile(lambda x, w: (x @ w, x.shape[0] * 2), dynamic=True)
    for m, k, n in ((4, 6, 8), (5, 7, 9)):
        assert eager(step, r(m, k), r(k, n))[0] == 2 * m * k * n


def test_many_sizes_of_images(held: Any) -> None:
    model = nn.Conv2d(3, 8, 3, padding=1, stride=2)
    fast = torch.compile(model, dynamic=True)
    for size in (8, 13, 20):
        x = r(2, 3, size, size + 1)
        assert eager(train, fast, x)[0] == eager(train, model, x)[0]


def test_graphs_that_break(held: Any) -> None:
    def run(x: Any, w: Any) -> Any:
        y = x @ w
        torch._dynamo.graph_break()
        z = (y @ w.T).relu()
        return z @ w if float(z.sum()) > -1 else z

    x, w = r(40, 30), r(30, 20)
    assert eager(torch.compile(run), x, w)[0] == eager(run, x, w)[0] == 3 * 2 * 40 * 30 * 20


def test_reduced_overhead_and_freezing(held: Any) -> None:
    model, x = Block().eval(), r(2, 9, 32)
    expected = eager(model, x)[0]
    with torch.no_grad():
        fast = torch.compile(model, mode="reduce-overhead")
        assert [eager(fast, x)[0] for _ in range(2)] == [expected] * 2
        torch._dynamo.reset()
        frozen = torch.compile(model, options={"freezing": True})
        assert [eager(frozen, x)[0] for _ in range(2)] == [expected] * 2


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_other_backends(backend: str, held: Any) -> None:
    model, x = Block(), r(2, 9, 32, requires_grad=True)
    assert eager(train, torch.compile(model, backend=backend), x)[0] == eager(train, model, x)[0]


@torch.library.custom_op("costmeter_tests::product", mutates_args=())
def product(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x @ w


@product.register_fake
def _(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x.new_empty(x.shape[0], w.shape[1])


def test_operators_of_the_users_own_in_a_graph(held: Any) -> None:
    def run(x: Any, w: Any) -> Any:
        return product(x.relu(), w) @ w.T

    x, w = r(40, 30), r(30, 20)
    assert eager(torch.compile(run), x, w)[0] == eager(run, x, w)[0] == 2 * 2 * 40 * 30 * 20


SMALL: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    "one row": (torch.mm, lambda: (r(1, 16), r(16, 8))),
    "one column": (torch.mm, lambda: (r(40, 16), r(16, 1))),
    "one product each": (torch.mm, lambda: (r(40, 1), r(1, 30))),
    "bmm of rows": (torch.bmm, lambda: (r(6, 1, 16), r(6, 16, 8))),
    "mv": (torch.mv, lambda: (r(40, 16), r(16))),
    "addmv": (torch.addmv, lambda: (r(40), r(40, 16), r(16))),
    "dot": (torch.dot, lambda: (r(40), r(40))),
    "addmm": (torch.addmm, lambda: (r(8), r(1, 16), r(16, 8))),
    "addmm, scaled": (lambda b, x, y: torch.addmm(b, x, y, beta=0.5, alpha=2), lambda: (r(8), r(1, 16), r(16, 8))),
    "baddbmm": (torch.baddbmm, lambda: (r(6, 1, 8), r(6, 1, 16), r(6, 16, 8))),
    "linear of one row": (F.linear, lambda: (r(1, 16), r(8, 16), r(8))),
    "complex": (torch.mm, lambda: (r(4, 6, dtype=torch.cfloat), r(6, 5, dtype=torch.cfloat))),
    "einsum": (lambda x, y: torch.einsum("bi,bi->b", x, y), lambda: (r(6, 16), r(6, 16))),
    "linear algebra": (lambda x: torch.linalg.inv(x) @ x, lambda: (torch.eye(8),)),
    "FFT": (lambda x: torch.fft.rfft(x).abs(), lambda: (r(4, 16),)),
}


@pytest.mark.parametrize(
    ("name", "dynamic"),
    [*((name, False) for name in SMALL), *((name, True) for name in ("one row", "dot", "bmm of rows"))],
)
def test_products_that_inductor_writes_out(name: str, dynamic: bool, held: Any) -> None:
    run, operands = SMALL[name]
    args = operands()
    expected, plain = eager(run, *args)
    found, fast = eager(torch.compile(lambda *args: run(*args).sin(), dynamic=dynamic or None), *args)
    assert found == expected > 0
    assert torch.allclose(fast, plain.sin(), atol=1e-3)


def test_an_lstm(held: Any) -> None:
    model, x = nn.LSTM(8, 16), r(5, 3, 8)
    assert eager(torch.compile(lambda x: model(x)[0]), x)[0] == 2 * 15 * 4 * 16 * (8 + 16)


def test_flexible_attention(held: Any) -> None:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def score(score: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return score + (q - k)

    q = r(1, 2, 64, 16)
    fast = torch.compile(flex_attention)
    one = 2 * 1 * 2 * 64 * 64 * 16
    with torch.no_grad():
        try:
            fast(q, q, q, score_mod=score)
        except Exception as error:
            pytest.skip(f"flex_attention does not compile on this CPU: {type(error).__name__}")
        assert eager(lambda: fast(q, q, q, score_mod=score))[0] == 2 * one
        mask = create_block_mask(lambda b, h, i, j: i >= j, 1, 2, 64, 64, device="cpu")
        assert eager(lambda: fast(q, q, q, block_mask=mask))[0] == 2 * one


# It compiles as it would


def counters(on: bool) -> tuple[dict[str, Any], list[bytes]]:
    from torch._dynamo.utils import counters as of_dynamo

    torch._dynamo.reset()
    of_dynamo.clear()
    torch.manual_seed(1)
    with metered(on):
        model = Block()
        fast = torch.compile(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            train(fast, r(2, 9, 32))
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            fast(r(2, 9, 32))
        fast(r(3, 9, 32))
    found = {name: dict(of_dynamo[name]) for name in ("stats", "frames", "graph_break")}
    return found, [p.detach().numpy().tobytes() for p in model.parameters()]


def test_as_many_frames_and_graphs_are_compiled_and_to_the_same_bits() -> None:
    counters(False)  # so that both read the cache
    plain, plain_bits = counters(False)
    found, bits = counters(True)
    assert found == plain
    assert found["stats"]["unique_graphs"] >= 2
    assert bits == plain_bits


def test_it_does_not_compile_again_because_we_came_or_went() -> None:
    from torch._dynamo.utils import counters as of_dynamo

    model, x = Block(), r(2, 9, 32)
    fast = torch.compile(model)
    fast(x)
    of_dynamo.clear()
    for _ in range(2):
        with metered():
            assert eager(fast, x)[0] == eager(model, x)[0]
        fast(x)
    assert of_dynamo["stats"].get("unique_graphs", 0) == 0


def test_errors_in_a_compiled_graph_are_the_users_own() -> None:
    @torch.compile
    def run(x: Any, i: Any) -> Any:
        return torch.linalg.cholesky(x @ x - i).sin()

    run(torch.eye(8) * 3, torch.eye(8))

    def fail() -> None:
        run(torch.eye(8), torch.eye(8) * 5)

    plain = told(fail)
    assert "cholesky" in plain
    with metered() as kernels:
        assert told(fail) == plain
        assert not kernels.muted


def test_an_error_in_a_graph_that_was_compiled_with_us_mutes_nothing(held: Any) -> None:
    run = torch.compile(lambda x: torch.linalg.cholesky(x).sin())
    run(torch.eye(8))
    assert "cholesky" in told(lambda: run(-torch.eye(8)))
    assert not held.muted
    assert eager(lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 4)))[0] == 48


def test_a_fault_in_counting_a_graph_is_a_note(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = torch.compile(lambda x: (x @ x).sin())
    x = r(24, 24)
    run(x)

    def broken(*args: Any) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(compiled.Compiled, "_note_templates", broken)
    monkeypatch.setattr(graph, "evaluated", broken)
    window = Window()
    fast = torch.compile(lambda x: (x @ x).cos(), dynamic=True)
    fast(x)
    assert window.notes == {("compiled graphs", "counting it failed: ZeroDivisionError: ours")}
    assert window.total == 2 * 24**3, "it is counted as it runs instead"


def test_what_is_kept_with_a_graph_of_many_sizes_is_of_plain_values() -> None:
    """A process without this package must be able to unpickle it."""

    def plain(value: Any) -> bool:
        if isinstance(value, (list, tuple, dict)):
            return all(map(plain, value.items() if isinstance(value, dict) else value))
        return value is None or type(value) in (int, str, bool, torch.dtype)

    found = []
    with metered():
        import torch._inductor.output_code as output_code

        make = output_code.CompiledFxGraph.__init__

        def noted(self: Any, *args: Any, **kwargs: Any) -> None:
            make(self, *args, **kwargs)
            found.append(getattr(self, compiled.ATTRIBUTE, None))

        output_code.CompiledFxGraph.__init__ = noted
        try:
            model = Block().eval()
            fast = torch.compile(model, dynamic=True)
            with torch.no_grad():
                for size in (11, 16, 5):
                    x = r(2, size, 32)
                    assert eager(fast, x)[0] == eager(model, x)[0]
        finally:
            output_code.CompiledFxGraph.__init__ = make
    if not [one for one in found if one]:
        pytest.skip("the graph came from a cache")
    assert all(plain(one) for one in found)
