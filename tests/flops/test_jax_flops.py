"""JAX programs that run are counted, by precision and device, each time that they run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed: JAX's FLOPs are not tested")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402
from jax_runs import SS, X, flops, square, tracer, window, with_jvp  # noqa: E402

from jupyter_costmeter.flops import jax_flops  # noqa: E402
from jupyter_costmeter.flops.jax_flops import JaxFlops  # noqa: E402
from jupyter_costmeter.record import UNITS, Figure  # noqa: E402

assert tracer  # a fixture


RUNS: list[tuple[str, Callable[[], object], float]] = [
    ("jit", lambda: square(X), 1),
    ("jit, a hundred times", lambda: [square(X) for _ in range(100)], 100),
    ("dot, eager", lambda: jnp.dot(X, X), 1),
    ("@, eager", lambda: X @ X @ X, 2),
    ("einsum, eager", lambda: jnp.einsum("ij,jk->ik", X, X), 1),
    ("lax, eager", lambda: lax.dot(X, X), 1),
    ("without jit", lambda: undone(lambda: square(X)), 1),
    ("grad, eager", lambda: jax.grad(lambda x: jnp.sin(x @ x).sum())(X), 3),
    ("grad of jit, eager", lambda: jax.grad(lambda x: jnp.sin(square(x)).sum())(X), 3),
    ("jit of grad", jax.jit(lambda: jax.grad(lambda x: jnp.sin(x @ x).sum())(X)), 3),
    ("vmap, eager", lambda: jax.vmap(lambda x: x @ x)(jnp.stack([X] * 4)), 4),
    ("vmap of jit", lambda: jax.vmap(square)(jnp.stack([X] * 4)), 4),
    ("jacobian", lambda: jax.jacfwd(lambda v: X @ v)(X[0]), 1 / 8 + 1),
    ("fori, eager", lambda: lax.fori_loop(0, 5, lambda _, c: c @ c, X), 5),
    ("scan, eager", lambda: lax.scan(lambda c, _: (c @ c, None), X, None, length=5)[0], 5),
    ("cond, eager", lambda: lax.cond(True, lambda c: c @ c, lambda c: c.T @ c, X), 1),
    ("custom jvp, eager", lambda: with_jvp(X), 1),
    ("custom jvp's grad", lambda: jax.grad(lambda x: with_jvp(x).sum())(X), 3),
    ("remat", jax.jit(lambda: jax.grad(lambda x: jax.checkpoint(lambda y: jnp.sin(jnp.sin(y @ y)))(x).sum())(X)), 3),
    ("donated", lambda: jax.jit(lambda x: x @ x, donate_argnums=0)(X + 0), 1),
    ("while tracing", lambda: jax.jit(lambda: X + at_once())(), 1),
    ("elementwise", lambda: jnp.sin(X) + X, 0),
]


def at_once() -> Any:
    with jax.ensure_compile_time_eval():
        return X @ X


def undone(f: Callable[[], object]) -> object:
    with jax.disable_jit():
        return f()


@pytest.mark.parametrize(("f", "products"), [r[1:] for r in RUNS], ids=[r[0] for r in RUNS])
def test_what_runs_is_counted_each_time_it_runs(tracer: JaxFlops, f: Callable[[], object], products: float) -> None:
    expected = {"flops_fp32": products * SS} if products else {}
    assert flops(tracer, f) == expected
    assert flops(tracer, f) == expected  # no longer for the first time


def test_an_eager_grad_runs_what_a_jitted_one_leaves_out(tracer: JaxFlops) -> None:
    """The value that nobody reads is computed op by op, and is dead code in a program."""

    def f(x: Any) -> Any:
        return (x @ x).sum()

    assert flops(tracer, lambda: jax.grad(f)(X)) == {"flops_fp32": 3 * SS}
    assert flops(tracer, lambda: jax.jit(jax.grad(f))(X)) == {"flops_fp32": 2 * SS}


def test_figures_say_where_they_come_from(tracer: JaxFlops) -> None:
    counted, leading = window(tracer, lambda: (square(X), jnp.linalg.cholesky(jnp.eye(12))))
    assert counted == Figure("flops_fp32", SS, jax_flops.EXACT, "CPU")
    assert (counted.method, counted.uncertainty) == ("measured", 0.0)
    assert leading == Figure("flops_fp32_leading", 12**3 // 3, jax_flops.ORDER, "CPU")
    assert (leading.method, leading.uncertainty) == ("modelled", 0.3)
    assert {UNITS[figure.name] for figure in (counted, leading)} == {"FLOP"}


def test_what_could_not_be_counted_is_a_figure_without_a_value(tracer: JaxFlops) -> None:
    f = jax.jit(lambda x: lax.while_loop(lambda c: c[0, 0] > 1, lambda c: c @ c, x))
    counted, uncounted = window(tracer, lambda: f(X))
    assert (counted.name, counted.value) == ("flops_fp32", SS)
    assert (uncounted.name, uncounted.value, uncounted.device) == ("flops_uncounted", None, "jax: while")
    assert uncounted.reason == "while: trip count unknown, counted once"
    assert window(tracer, lambda: square(X))[1:] == ()  # of the window in which it ran only


def test_precisions_apart(tracer: JaxFlops) -> None:
    def run() -> None:
        for dtype in ("bfloat16", "float16", "int8", "int32", "complex64"):
            square(X.astype(dtype))

    names = ("flops_bf16", "flops_fp16", "flops_int8", "flops_int")
    assert flops(tracer, run) == {"flops_fp32": 4 * SS, **dict.fromkeys(names, SS)}
    with jax.enable_x64(True):
        assert flops(tracer, lambda: square(X.astype("float64"))) == {"flops_fp64": SS}


def test_marks_are_points_in_time(tracer: JaxFlops) -> None:
    first = tracer.mark()
    square(X)
    second = tracer.mark()
    square(X)
    third = tracer.mark()
    values = [tracer.figures(*pair)[0].value for pair in ((first, second), (second, third), (first, third))]
    assert values == [SS, SS, 2 * SS]
    assert tracer.figures(second, second) == tracer.figures(None, third) == ()


def test_threads_do_not_race(tracer: JaxFlops) -> None:
    def run() -> None:
        for _ in range(300):
            square(X)

    square(X)
    threads = [threading.Thread(target=run) for _ in range(8)]

    def together() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        start = tracer.mark()
        assert flops(tracer, together) == {"flops_fp32": 8 * 300 * SS}
        assert len(tracer.mark().flops.keys() - start.flops.keys()) == 8  # no two threads write one number
    finally:
        sys.setswitchinterval(interval)


# Ahead of time


def test_a_program_compiled_ahead_is_counted(tracer: JaxFlops) -> None:
    compiled = jax.jit(lambda x: x @ x @ x).lower(X).compile()
    assert flops(tracer, lambda: [compiled(X) for _ in range(3)]) == {"flops_fp32": 6 * SS}


def test_a_program_compiled_before_is_named() -> None:
    compiled = jax.jit(lambda x: x @ x + 3).lower(X).compile()
    compiled(X)
    tracer = JaxFlops()
    tracer.opt_in()
    try:
        (figure,) = window(tracer, lambda: compiled(X))
        assert figure.reason == "ahead-of-time program: it was compiled before counting began"
    finally:
        tracer.close()


# Several devices, of which JAX makes as many of a CPU as one likes, if it is told before it begins

DEVICES = """
import json, os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P
from jupyter_costmeter.flops.jax_flops import JaxFlops
tracer = JaxFlops(); tracer.opt_in()
auto = jax.sharding.AxisType.Auto
mesh = jax.make_mesh((4,), ("i",), (auto,))
grid = jax.make_mesh((2, 2), ("i", "j"), (auto, auto))
def put(x, *spec, mesh=mesh): return jax.device_put(x, NamedSharding(mesh, P(*spec)))
x, rows = jnp.ones((8, 8)), put(jnp.ones((8, 8)), "i")
everywhere = put(x)
shard = lambda f, spec, out=None, **kw: jax.shard_map(f, in_specs=spec, out_specs=out or spec, **{"mesh": mesh, **kw})
found = {}
def case(name, f):
    for _ in range(2):
        start = tracer.mark(); jax.block_until_ready(f())
        found[name] = [(g.name, g.value, g.device) for g in tracer.figures(start, tracer.mark())]
case("pmap", lambda: jax.pmap(lambda a: a @ a)(jnp.ones((4, 8, 8))))
case("pmap of two", lambda: jax.pmap(lambda a: a @ a)(jnp.ones((2, 8, 8))))
case("psum", lambda: jax.pmap(lambda a: jax.lax.psum(a @ a, "n"), axis_name="n")(jnp.ones((4, 8, 8))))
case("shard_map", lambda: jax.jit(shard(lambda a: a @ a.T, P("i"), P("i")))(rows))
case("shard_map, eager", lambda: shard(lambda a: a @ a.T, P("i"), P("i"))(rows))
case("shard_map, repeated", lambda: jax.jit(shard(lambda a: a @ a, P(), P()))(everywhere))
case("shard_map in scan", lambda: jax.jit(lambda a: jax.lax.scan(
    lambda c, _: (shard(lambda b: b @ jnp.ones((8, 8)), P("i"))(c), None), a, None, length=3)[0])(rows))
case("shard_map over one of two axes", lambda: jax.jit(shard(lambda a: a @ a.T, P("i"), P("i"), mesh=grid,
    axis_names={"i"}))(put(jnp.ones((8, 8)), "i", mesh=grid)))
case("a grid's", lambda: jax.jit(shard(lambda a: a @ a.T, P("i"), P("i"), mesh=grid))(put(x, "i", mesh=grid)))
case("partitioned", lambda: jax.jit(lambda a: a @ a.T)(rows))
case("repeated", lambda: jax.jit(lambda a: a @ a)(everywhere))
laid = NamedSharding(mesh, P("i"))
case("laid out within", lambda: jax.jit(lambda a: jax.lax.with_sharding_constraint(a @ a, laid),
    out_shardings=NamedSharding(mesh, P()))(everywhere))
case("one of them", lambda: jax.jit(lambda a: a @ a)(jax.device_put(x, jax.devices()[2])))
case("ahead of time", (c := jax.jit(lambda a: a @ a).lower(everywhere).compile()) and (lambda: c(everywhere)))
print(json.dumps(found))
"""


def test_several_devices(tmp_path: Path) -> None:
    (tmp_path / "devices.py").write_text(DEVICES)
    ran = subprocess.run([sys.executable, tmp_path / "devices.py"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = {name: [tuple(figure) for figure in figures] for name, figures in json.loads(ran.stdout).items()}

    def on_cpu(flops: float) -> list[tuple[str, float | None, str]]:
        return [("flops_fp32", flops, "CPU")]

    split = [("flops_uncounted", None, "jax: partitioned by XLA")]
    assert found == {
        "pmap": on_cpu(4 * SS),
        "pmap of two": on_cpu(2 * SS),
        "psum": on_cpu(4 * SS),
        "shard_map": on_cpu(4 * 2 * 2 * 8 * 2),  # each of four: 2 × 8 by 8 × 2
        "shard_map, eager": on_cpu(4 * 2 * 2 * 8 * 2),
        "shard_map, repeated": on_cpu(4 * SS),
        "shard_map in scan": on_cpu(3 * SS),  # each of four: 2 × 8 by 8 × 8
        "shard_map over one of two axes": on_cpu(2 * 2 * 4 * 8 * 4),
        "a grid's": on_cpu(4 * 2 * 4 * 8 * 4),  # twice each
        "partitioned": on_cpu(SS) + split,
        "repeated": on_cpu(4 * SS),
        "laid out within": on_cpu(SS) + split,
        "one of them": on_cpu(SS),
        "ahead of time": on_cpu(4 * SS),
    }


# GPUs, by their looks (there is none here)


class Device:
    def __init__(
        self, ordinal: int, capability: str = "9.0", version: str = "PJRT cuda", platform: str = "gpu"
    ) -> None:
        self.local_hardware_id, self.compute_capability, self.platform = ordinal, capability, platform
        self.client = type("Client", (), {"platform_version": version})()


class Executable:
    """Of devices, each of which has a part of everything."""

    def __init__(self, *devices: Device, everywhere: int = 0) -> None:
        self.xla_executable = type("Loaded", (), {"local_devices": lambda _: list(devices)})()
        sharding = type(
            "Sharding", (), {"device_set": set(range(everywhere or len(devices))), "is_fully_replicated": False}
        )()
        self._in_shardings = self._out_shardings = [sharding]


def on(
    *devices: Device, tracer: JaxFlops | None = None, everywhere: int = 0
) -> list[tuple[str, float | None, str | None]]:
    tracer = tracer or JaxFlops()
    start = tracer.mark()
    executable = Executable(*devices, everywhere=everywhere)
    tracer._ran(executable, jax.make_jaxpr(lambda x: x @ x)(X))
    return [(f.name, f.value, f.device) for f in tracer.figures(start, tracer.mark())]


def test_a_gpu_is_called_by_its_ordinal_unless_somebody_knows_better() -> None:
    assert on(Device(1)) == [("flops_tf32", SS, "GPU 1")]
    assert on(Device(1), tracer=JaxFlops("GPU-uuid-{}".format)) == [("flops_tf32", SS, "GPU-uuid-1")]


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        (Device(0, "9.0"), "tf32"),
        (Device(0, "8.0"), "tf32"),
        (Device(0, "12.0"), "tf32"),
        (Device(0, "7.5"), "fp32"),
        (Device(0, "gfx942", "PJRT rocm"), "fp32"),
        (Device(0, "9.4", "PJRT rocm"), "fp32"),
    ],
)
def test_tf32_is_of_nvidias_gpus_since_ampere(device: Device, precision: str) -> None:
    assert on(device) == [(f"flops_{precision}", SS, "GPU 0")]


def test_what_xla_splits_is_split_among_the_gpus() -> None:
    split = [("flops_uncounted", None, "jax: partitioned by XLA")]
    assert on(Device(0), Device(1)) == [("flops_tf32", SS / 2, "GPU 0"), ("flops_tf32", SS / 2, "GPU 1"), *split]
    assert on(Device(0), everywhere=4) == [("flops_tf32", SS / 4, "GPU 0"), *split]  # the others' are other processes'


def test_a_platform_that_is_not_known_is_named() -> None:
    assert on(Device(0, platform="tpu")) == [("flops_uncounted", None, "jax: programs on tpu")]
