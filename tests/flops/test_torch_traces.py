"""Installed and gone without a trace; imports in the middle; what ``count_flops`` adds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: FLOPs of torch are not tested")

from torch import nn  # noqa: E402
from torch_metering import Window, held, metered, python  # noqa: E402
from torch_small import MKN, ROW, K, M, N, mlp, r  # noqa: E402

from jupyter_costmeter import count_flops  # noqa: E402
from jupyter_costmeter.errors import UsageError  # noqa: E402
from jupyter_costmeter.flops.aten import formulas, leading  # noqa: E402
from jupyter_costmeter.flops.torch_flops import COUNTS, TorchFlops  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
assert held  # a fixture


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
