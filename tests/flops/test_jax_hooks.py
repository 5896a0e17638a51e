"""JAX is as it was where one did not opt in, and what goes wrong in our hooks stays there."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed: JAX's FLOPs are not tested")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402
from jax_runs import SS, X, flops, square, tracer, window, with_jvp  # noqa: E402

from jupyter_costmeter.flops import jax_flops, jax_hooks  # noqa: E402
from jupyter_costmeter.flops.jax_flops import OFF, JaxFlops  # noqa: E402

assert tracer  # a fixture


# In, out, and without a trace


def places() -> dict[str, Any]:
    """All of JAX that could be changed."""
    pjit, stages = import_module("jax._src.pjit"), import_module("jax._src.stages")
    owners = (pjit, stages.Traced, stages.Lowered, stages.Compiled)
    return {f"{owner.__name__}.{name}": value for owner in owners for name, value in vars(owner).items()}


def slow_calls(f: Callable[[], object]) -> int:
    """How many calls came by Python."""
    pjit, calls = import_module("jax._src.pjit"), 0
    original = pjit._pjit_call_impl_python

    def watch(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return original(*args, **kwargs)

    pjit._pjit_call_impl_python = watch
    try:
        f()
    finally:
        pjit._pjit_call_impl_python = original
    return calls


def test_in_and_out_leaves_no_trace() -> None:
    f = jax.jit(lambda x: x @ x)
    f(X)
    before = places()
    tracer = JaxFlops()
    tracer.opt_in()
    tracer.opt_in()  # again is nothing new
    assert places() != before
    assert slow_calls(lambda: [f(X) for _ in range(3)]) == 3
    tracer.opt_out()
    tracer.opt_out()
    assert places() == before
    assert slow_calls(lambda: [f(X) for _ in range(3)]) <= 1  # once, and C++ has it again


def test_nothing_is_counted_before_and_after() -> None:
    tracer = JaxFlops()
    assert (tracer.open().ok, tracer.open().message) == (True, OFF)
    assert window(tracer, lambda: square(X)) == ()
    assert tracer.opt_in().message == f"JAX programs are counted: {tracer.cost}"
    assert flops(tracer, lambda: square(X)) == {"flops_fp32": SS}
    assert tracer.opt_out().message == OFF
    assert window(tracer, lambda: square(X)) == ()
    tracer.opt_in()
    assert flops(tracer, lambda: square(X)) == {"flops_fp32": SS}
    tracer.close()
    assert tracer.status().message == OFF


def test_no_program_is_compiled_again(tracer: JaxFlops) -> None:
    traced = []

    @jax.jit
    def f(x: Any) -> Any:
        traced.append(1)
        return x @ x

    for turn in (tracer.opt_out, tracer.opt_in, tracer.opt_out, tracer.opt_in):
        turn()
        f(X)
    assert len(traced) == 1


def test_a_window_of_which_only_a_part_was_counted_says_so() -> None:
    tracer = JaxFlops()
    start = tracer.mark()
    square(X)
    tracer.opt_in()
    square(X)
    counted, uncounted = tracer.figures(start, tracer.mark())
    tracer.close()
    assert counted.value == SS
    assert uncounted.reason == "programs: counted during a part of this window only"
    assert JaxFlops().figures(start, JaxFlops().mark()) == ()


def test_what_does_nothing_counted_keeps_its_fast_path(tracer: JaxFlops) -> None:
    f = jax.jit(lambda x: x + 1)
    assert slow_calls(lambda: [f(X) for _ in range(10)]) == 1
    assert slow_calls(lambda: [square(X) for _ in range(10)]) == 10


def test_somebody_elses_change_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    pjit = import_module("jax._src.pjit")
    original = pjit._get_fastpath_data
    tracer = JaxFlops()
    tracer.opt_in()
    ours = pjit._get_fastpath_data

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    monkeypatch.setattr(pjit, "_get_fastpath_data", theirs)
    tracer.close()
    assert pjit._get_fastpath_data is theirs
    f = jax.jit(lambda x: x @ x)
    assert slow_calls(lambda: [f(X) for _ in range(5)]) == 1  # ours passes on
    pjit._get_fastpath_data = original
    monkeypatch.undo()
    pjit._get_fastpath_data = original


def test_programs_are_not_kept_alive(tracer: JaxFlops) -> None:
    f = jax.jit(lambda x: x @ x @ x @ x)
    f(X)
    had = len(tracer._programs)
    del f
    jax.clear_caches()
    gc.collect()
    assert len(tracer._programs) < had


def test_importing_imports_nothing_heavy() -> None:
    code = (
        "import sys, jupyter_costmeter.flops.jax_flops as m; t = m.JaxFlops(); t.open(); t.figures(t.mark(), t.mark());"
        "print([n for n in ('jax', 'jaxlib', 'numpy', 'torch', 'IPython') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# A JAX that is not known


@pytest.mark.parametrize("version", ["0.9.2", "0.12.0", "0.10", "1.0", "0.10.2.dev20260101", "0.11.2", "0.1"])
def test_a_version_that_is_not_known(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = places()
    monkeypatch.setattr(jax, "__version__", version)
    tracer = JaxFlops()
    status = tracer.opt_in()
    if version.startswith(("0.10", "0.11")):
        assert status.ok
    else:
        assert not status.ok
        assert status.message == f"JAX {version} is not known here: its programs are seen by private names only"
        assert status.remedy == "use JAX 0.10 or 0.11, or do without JAX's FLOPs"
        assert tracer.status() == status
        assert window(tracer, lambda: square(X)) == ()
    tracer.close()
    assert places() == before


@pytest.mark.parametrize(("module", "path"), [needed[:2] for needed in jax_hooks.NEEDED])
def test_a_private_name_that_is_gone(module: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = [(m, "gone." + p if (m, p) == (module, path) else p, ps) for m, p, ps in jax_hooks.NEEDED]
    monkeypatch.setattr(jax_hooks, "NEEDED", tuple(gone))
    before = places()
    status = JaxFlops().opt_in()
    assert not status.ok
    assert status.message == f"JAX {jax.__version__} lacks {module}.gone.{path}"
    assert places() == before


def test_a_private_name_that_is_really_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(import_module("jax._src.pjit"), "_get_fastpath_data")
    assert "lacks jax._src.pjit._get_fastpath_data" in JaxFlops().opt_in().message


def test_a_private_function_with_other_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("jax._src.pjit"), "_pjit_call_impl_python", lambda *args, program: None)
    assert "lacks jax._src.pjit._pjit_call_impl_python(jaxpr)" in JaxFlops().opt_in().message


def test_without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    status = JaxFlops().opt_in()
    assert not status.ok
    assert status.message.startswith("JAX cannot be imported: ")
    assert status.remedy == "pip install jax"


def test_a_hook_that_cannot_be_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    before = places()
    monkeypatch.setattr(jax_hooks, "_forget", broken)
    status = JaxFlops().opt_in()
    assert (status.ok, status.message) == (False, "JAX cannot be looked into: RuntimeError: no")
    assert places() == before


# What goes wrong in here stays in here


FAULTS = ["_Walk._operator", "_Walk.of", "count", "_live", "_target", "JaxFlops._spread", "JaxFlops._read"]


@pytest.mark.parametrize("place", FAULTS)
def test_a_count_that_fails_is_a_figure_with_its_reason(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def fault(*_: Any) -> None:
        tries.append(1)
        raise ZeroDivisionError("injected")

    owner, _, name = place.rpartition(".")
    module = import_module("jupyter_costmeter.flops.jaxpr") if owner == "_Walk" else jax_flops
    monkeypatch.setattr(getattr(module, owner) if owner else module, name, fault)
    tracer = JaxFlops()
    tracer.opt_in()
    try:
        (figure,) = window(tracer, lambda: [square(X) for _ in range(3)])
    finally:
        tracer.close()
    assert (figure.name, figure.value, figure.device) == ("flops_uncounted", None, "jax: programs")
    assert figure.reason == "programs: counting failed: ZeroDivisionError: injected"
    assert len(tries) == (3 if place == "JaxFlops._read" else 1)  # it is not tried again each time


def test_a_jax_that_answers_otherwise_is_a_figure_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    pjit = import_module("jax._src.pjit")
    original = pjit._pjit_call_impl_python

    class Answer(tuple[Any, ...]):
        """As JAX's, but not for us."""

        def __getitem__(self, at: Any) -> Any:
            raise IndexError("other")

    def other(*args: Any, jaxpr: Any, **kwargs: Any) -> Any:
        return Answer(original(*args, jaxpr=jaxpr, **kwargs))

    monkeypatch.setattr(pjit, "_pjit_call_impl_python", other)
    tracer = JaxFlops()
    tracer.opt_in()
    try:
        (figure,) = window(tracer, lambda: square(X))
    finally:
        tracer.close()
    assert figure.reason == "programs: counting failed: IndexError: other"
    assert pjit._pjit_call_impl_python is other


def test_an_interrupt_goes_through(tracer: JaxFlops, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jax_flops, "count", interrupt)
    with pytest.raises(KeyboardInterrupt):
        jax.jit(lambda x: x @ x)(X)
    monkeypatch.undo()
    assert flops(tracer, lambda: square(X)) == {"flops_fp32": SS}


# What the user sees is the same


def results() -> list[Any]:
    x = jax.random.normal(jax.random.key(0), (64, 64))
    image, kernel = (
        jax.random.normal(jax.random.key(1), (2, 3, 16, 16)),
        jax.random.normal(jax.random.key(2), (4, 3, 3, 3)),
    )
    return [
        square(x),
        jnp.sin(x @ x).sum(),
        jax.jit(jax.grad(lambda x: jnp.tanh(x @ x).sum()))(x),
        jax.grad(lambda x: with_jvp(x).sum())(x),
        jnp.linalg.svd(x)[1],
        jnp.linalg.solve(x, x[0]),
        lax.conv(image, kernel, (1, 1), "SAME"),
        lax.fori_loop(0, 3, lambda _, c: jnp.tanh(c @ c), x),
        jax.vmap(jnp.fft.fft)(x),
        square(x.astype("bfloat16")),
        jax.random.normal(jax.random.key(3), (5,)),
        jax.jit(lambda x: x @ x).lower(x).compile()(x),
    ]


def test_results_are_the_same_to_the_bit() -> None:
    plain = [np.asarray(r) for r in results()]
    tracer = JaxFlops()
    tracer.opt_in()
    try:
        counted = [np.asarray(r) for r in [*results(), *results()]]
        assert all(type(r) is type(square(X)) for r in results())
    finally:
        tracer.close()
    again = [np.asarray(r) for r in results()]
    for i, one in enumerate([*counted, *again]):
        expected = plain[i % len(plain)]
        assert (one.dtype, one.shape, one.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def with_nans(x: Any) -> Any:
    with jax.debug_nans(True):
        return jax.jit(jnp.log)(-x - 1)


def fails(_: Any) -> Any:
    raise ValueError("the user's own")


AHEAD = jax.jit(lambda x: x @ x).lower(X).compile()
ERRORS: list[tuple[str, Callable[[], object]]] = [
    ("shapes", lambda: jax.jit(lambda x: x @ jnp.ones((3, 5)))(X)),
    ("shapes, eager", lambda: X @ jnp.ones((3, 5))),
    ("no array", lambda: square(object())),
    ("tracer", lambda: jax.jit(lambda x: 1 if x[0, 0] > 0 else 0)(X)),
    ("nan", lambda: with_nans(X)),
    ("own", lambda: jax.jit(fails)(X)),
    ("callback", lambda: jax.jit(lambda x: jax.pure_callback(fails, x, x))(X).sum()),
    ("deleted", lambda: (lambda y: (jax.jit(lambda x: x @ x, donate_argnums=0)(y), y.delete(), square(y)))(X + 0)),
    ("not compiled for it", lambda: AHEAD(X[0])),
    ("compiled program in jit", lambda: jax.jit(AHEAD)(X)),
    ("algorithm", lambda: jnp.dot(X, X, precision="TF32_TF32_F32")),
]  # fmt: skip


def message(error: BaseException) -> str:
    """Without addresses, and without the stack that JAX puts into a callback's message."""
    return re.sub("0x[0-9a-f]+|(?m:^ .*\n)", "", str(error))


@pytest.mark.parametrize("f", [e[1] for e in ERRORS], ids=[e[0] for e in ERRORS])
@pytest.mark.parametrize("mode", ["remove_frames", "off"])
def test_errors_are_the_same(f: Callable[[], object], mode: str) -> None:
    def error() -> tuple[str, ...]:
        """Its type, its message, and where the shown trace leads, without lines that differ from call to call."""
        with pytest.raises(Exception) as caught:
            f()
        shown = [str(entry.path) for entry in caught.traceback]
        names = shown if mode == "remove_frames" and not any("stages.py" in path for path in shown) else []
        return (type(caught.value).__qualname__, message(caught.value), *names)

    tracer, usual = JaxFlops(), jax.config.jax_traceback_filtering
    jax.config.update("jax_traceback_filtering", mode)
    try:
        plain = error()
        tracer.opt_in()
        assert error() == plain
        tracer.opt_out()
        assert error() == plain
    finally:
        tracer.close()
        jax.config.update("jax_traceback_filtering", usual)


def test_what_is_compiled_is_the_same() -> None:
    """Down to the names of files and functions in XLA's own notes of where it comes from."""

    def text() -> str:
        jax.clear_caches()
        f = jax.jit(lambda x: jnp.linalg.qr(jnp.sin(x @ x))[0])
        f(X)
        return str(f.lower(X).compile().as_text())

    tracer, texts = JaxFlops(), []
    for turn in (tracer.opt_out, tracer.opt_in, tracer.opt_out):
        turn()
        texts.append(text())
    assert texts[0] == texts[1] == texts[2]
