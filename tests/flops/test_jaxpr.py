"""FLOPs by jaxpr: each case against a formula worked here, by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log2
from types import SimpleNamespace
from typing import Any

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed: JAX's FLOPs are not tested")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from jupyter_costmeter.flops.jax_flops import _live  # noqa: E402
from jupyter_costmeter.flops.jaxpr import Key, Note, Work, count  # noqa: E402
from jupyter_costmeter.flops.jaxpr_formulas import Target  # noqa: E402

CUDA = frozenset(["gpu", "cuda"])
HOPPER, TURING = Target(CUDA, tf32=True), Target(CUDA)


def of(*shape: int, dtype: Any = "float32") -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))


def work(f: Callable[..., Any], *args: Any, target: Target | None = None) -> Work:
    return count(_live(jax.make_jaxpr(f)(*args)), target or Target())


def flops(f: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, int]:
    """FLOPs by precision, leading-order ones by their own names."""
    found = work(f, *args, **kwargs).flops
    return {key.precision + ("_leading" if key.leading else ""): n for key, n in found.items()}


def conv(**kwargs: Any) -> Callable[..., Any]:
    kwargs = {"window_strides": (1, 1), "padding": "VALID", **kwargs}
    return lambda x, w: lax.conv_general_dilated(x, w, **kwargs)


def up(padding: str) -> Callable[..., Any]:
    return lambda x, w: lax.conv_transpose(x, w, (2, 2), padding)


def line(holes: int, low: int) -> Callable[..., Any]:
    return lambda x, w: lax.conv_general_dilated(x, w, (2,), [(low, low)], lhs_dilation=(holes,))


def grads(f: Callable[..., Any]) -> Callable[..., Any]:
    """Both gradients of a sum, without the value itself (which is dead code then)."""
    return lambda x, w: jax.grad(lambda x, w: f(x, w).sum(), (0, 1))(x, w)


A = of(8, 16)
B = of(16, 32)
SQUARE = of(8, 8)
AB = 2 * 8 * 16 * 32
SS = 2 * 8**3
IMAGE, KERNEL = of(2, 6, 16, 16), of(12, 6, 3, 3)
SMALL, UP = of(2, 5, 5, 6), of(3, 3, 6, 12)
TRANSPOSED = 2 * (2 * 6 * 25) * 12 * 9
PLAIN = 2 * (2 * 12 * 14 * 14) * (6 * 3 * 3)

PRODUCTS: list[tuple[str, Callable[..., Any], tuple[Any, ...], int]] = [
    ("matmul", lambda a, b: a @ b, (A, B), AB),
    ("vectors", jnp.vdot, (of(100), of(100)), 2 * 100),
    ("matrix and vector", jnp.dot, (A, of(16)), 2 * 8 * 16),
    ("outer", lambda a, b: jnp.einsum("i,j->ij", a, b), (of(5), of(7)), 2 * 5 * 7),
    ("batches", lambda a, b: a @ b, (of(3, 4, 8, 16), of(3, 4, 16, 32)), 12 * AB),
    ("broadcast", lambda a, b: a @ b, (of(3, 8, 16), B), 3 * AB),
    ("einsum of three", partial(jnp.einsum, "ij,jk,kl->il"), (of(4, 8), SQUARE, of(8, 2)), 2 * (8 * 8 * 2 + 4 * 8 * 2)),
    ("nothing to contract", lambda a, b: a @ b, (of(8, 0), of(0, 8)), 0),
    ("sum", lambda a, b: a + b, (A, A), 0),
    ("vmap", jax.vmap(lambda a, b: a @ b, (0, None)), (of(5, 8, 16), B), 5 * AB),
    ("grad", grads(lambda a, b: a @ b), (A, B), 2 * AB),
    ("value and grad", jax.value_and_grad(lambda a, b: (jnp.sin(a @ b)).sum()), (A, B), 2 * AB),
    ("A A'", lax.linalg.symmetric_product, (A, SQUARE), 2 * 8 * 8 * 16),
    ("conv", conv(), (IMAGE, KERNEL), PLAIN),
    ("padding counts", conv(padding="SAME"), (IMAGE, KERNEL), PLAIN * 16 * 16 // (14 * 14)),
    ("strides", conv(window_strides=(2, 1)), (IMAGE, KERNEL), PLAIN // 2),
    ("dilated kernel", conv(rhs_dilation=(2, 2)), (IMAGE, KERNEL), 2 * (2 * 12 * 12 * 12) * (6 * 9)),
    ("groups", conv(feature_group_count=3), (IMAGE, of(12, 2, 3, 3)), PLAIN // 3),
    ("depthwise", conv(feature_group_count=6), (IMAGE, of(6, 1, 3, 3)), 2 * (2 * 6 * 14 * 14) * 9),
    ("groups of batches", conv(batch_group_count=2), (IMAGE, KERNEL), PLAIN // 2),
    ("channels last", conv(dimension_numbers=("NHWC", "HWIO", "NHWC")), (of(2, 16, 16, 6), of(3, 3, 6, 12)), PLAIN),
    ("conv's gradients", grads(conv()), (IMAGE, KERNEL), 2 * PLAIN),
    ("a strided conv's", grads(conv(window_strides=(2, 2), padding="SAME")), (IMAGE, KERNEL), 4 * (2 * 12 * 64) * 54),
    ("strided and dilated", grads(conv(window_strides=(3, 3), rhs_dilation=(2, 2))), (IMAGE, KERNEL), 4 * 24 * 16 * 54),
    ("a grouped conv's", grads(conv(feature_group_count=3)), (IMAGE, of(12, 2, 3, 3)), 2 * PLAIN // 3),
    ("a depthwise conv's", grads(conv(feature_group_count=6)), (IMAGE, of(6, 1, 3, 3)), 2 * 2 * (2 * 6 * 14 * 14) * 9),
    ("transposed", up("VALID"), (SMALL, UP), TRANSPOSED),
    ("transposed, same", up("SAME"), (SMALL, UP), TRANSPOSED),
    ("a transposed conv's", grads(up("VALID")), (SMALL, UP), 2 * TRANSPOSED),
    ("holes and strides", line(2, 0), (of(1, 1, 8), of(1, 1, 3)), 2 * 7 * 2),  # 7 outputs, each on holes with 1 of 3
    ("and padding", line(2, 1), (of(1, 1, 8), of(1, 1, 3)), 2 * 8 * 1),  # 8 outputs, each on holes with 2 of 3
    ("1-d", lambda x, w: lax.conv_general_dilated(x, w, (1,), "VALID"), (of(1, 1, 100), of(1, 1, 5)), 2 * 96 * 5),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args", "expected"), [p[1:] for p in PRODUCTS], ids=[p[0] for p in PRODUCTS])
def test_products_are_counted_exactly(f: Callable[..., Any], args: tuple[Any, ...], expected: int) -> None:
    found = work(f, *args)
    assert found.flops == ({Key("fp32"): expected} if expected else {})
    assert not found.notes


def loop(times: int) -> Callable[..., Any]:
    return lambda x: lax.fori_loop(0, times, lambda _, c: c @ c, x)


@jax.custom_jvp
def with_jvp(x: Any) -> Any:
    return x @ x


with_jvp.defjvp(lambda p, t: (p[0] @ p[0], p[0] @ t[0] + t[0] @ p[0] + 0 * (p[0] @ p[0] @ p[0])))


@jax.custom_vjp
def with_vjp(x: Any) -> Any:
    return x @ x


with_vjp.defvjp(lambda x: (x @ x, x), lambda x, c: (c @ x.T + x.T @ c,))


@jax.custom_batching.custom_vmap
def with_vmap(x: Any) -> Any:
    return x @ x


with_vmap.def_vmap(lambda size, batched, x: (x @ x @ x, True))


def solved(a: Any, b: Any) -> Any:
    """A linear system whose "solution" is one product, and whose check is two."""
    return lax.custom_linear_solve(lambda x: a @ (a @ x), b, lambda _, b: a @ b, lambda _, b: a @ b)


PROGRAMS: list[tuple[str, Callable[..., Any], int]] = [
    ("jit", jax.jit(lambda x: x @ x), 1),
    ("one jit twice", lambda x: (f := jax.jit(lambda y: y @ y))(f(x)), 2),
    ("scan", lambda x: lax.scan(lambda c, _: (c @ c, None), x, None, length=7)[0], 7),
    ("scan in scan", lambda x: lax.fori_loop(0, 3, lambda _, c: loop(5)(c), x), 15),
    ("scan of none", lambda x: lax.scan(lambda c, _: (c @ c, None), x, None, length=0)[0], 0),
    ("fori", loop(5), 5),
    ("map", lambda x: lax.map(lambda c: c @ x, jnp.zeros((4, 8, 8))), 4),
    ("grad of scan", jax.grad(lambda x: jnp.sin(loop(5)(x)).sum()), 15),
    ("cond, alike", lambda x: lax.cond(x[0, 0] > 0, lambda c: c @ c, lambda c: c.T @ c, x), 1),
    ("custom jvp", with_jvp, 1),
    ("custom jvp's grad", jax.grad(lambda x: with_jvp(x).sum()), 2),
    ("custom vjp", with_vjp, 1),
    ("custom vjp's grad", jax.grad(lambda x: with_vjp(x).sum()), 2),
    ("remat computes again", jax.grad(lambda x: jax.checkpoint(lambda y: jnp.sin(jnp.sin(y @ y)))(x).sum()), 3),
    ("linear solve", lambda x: solved(x, x), 1),
    ("custom vmap", with_vmap, 1),
    ("dead", lambda x: (x @ x, x + 1)[1], 0),
    ("dead in jit", lambda x: jax.jit(lambda y: (y @ y, y @ y @ y))(x)[0], 1),
    ("dead in scan", lambda x: lax.fori_loop(0, 3, lambda _, c: (c[0] @ c[0], c[1] @ c[1]), (x, x))[0], 3),
    ("dead value of a grad", lambda x: jax.value_and_grad(lambda y: (y @ y).sum())(x)[1], 2),
    ("by platform", lambda x: lax.platform_dependent(x, cpu=lambda y: y @ y, default=lambda y: y @ y @ y), 1),
]  # fmt: skip


@pytest.mark.parametrize(("f", "products"), [p[1:] for p in PROGRAMS], ids=[p[0] for p in PROGRAMS])
def test_programs_in_programs(f: Callable[..., Any], products: int) -> None:
    found = work(f, SQUARE)
    assert found.total == products * SS
    assert not found.notes


def test_a_while_counts_once_and_says_so() -> None:
    found = work(lambda x: lax.while_loop(lambda c: (c @ c)[0, 0] < 9, lambda c: c @ c, x), SQUARE)
    assert found.total == 2 * SS
    assert found.notes == {Note("while", "trip count unknown, counted once")}


def test_a_fori_to_an_unknown_bound_is_a_while() -> None:
    found = work(lambda x, n: lax.fori_loop(0, n, lambda _, c: c @ c, x), SQUARE, of(dtype="int32"))
    assert (found.total, {n.what for n in found.notes}) == (SS, {"while"})


def test_a_while_without_products_is_no_note() -> None:
    assert not work(lambda x: lax.while_loop(lambda c: c < 9, lambda c: c + 1, x), of()).notes


def test_the_largest_branch_counts_and_it_says_so() -> None:
    branches = [lambda c: c @ c, lambda c: c @ c @ c @ c, lambda c: c]
    found = work(lambda i, x: lax.switch(i, branches, x), of(dtype="int32"), SQUARE)
    assert found.total == 3 * SS
    assert found.notes == {Note("cond", "largest branch counted")}


def test_notes_come_out_of_branches_and_loops_but_not_of_what_never_runs() -> None:
    def unknown(x: Any) -> Any:
        return lax.while_loop(lambda c: c[0, 0] < 9, lambda c: c @ c, x)

    assert work(lambda x: lax.cond(x[0, 0] > 0, unknown, lambda c: c @ c, x), SQUARE).notes
    assert work(lambda x: lax.scan(lambda c, _: (unknown(c), None), x, None, length=3)[0], SQUARE).notes
    assert not work(lambda x: lax.scan(lambda c, _: (unknown(c), None), x, None, length=0)[0], SQUARE).notes


def pallas(x: Any) -> Any:
    from jax.experimental import pallas as pl

    def kernel(x: Any, o: Any) -> None:
        o[...] = x[...] @ x[...]

    return pl.pallas_call(kernel, out_shape=of(8, 8), interpret=True)(x)


def sparse(x: Any) -> Any:
    from jax.experimental import sparse

    return sparse.BCOO((jnp.ones(8), jnp.zeros((8, 2), int)), shape=(8, 8)) @ x


def ragged(x: Any) -> Any:
    return lax.ragged_dot(x, jnp.zeros((2, 8, 8)), jnp.array([4, 4]))


UNCOUNTED = [
    ("pallas_call", pallas, "opaque: its own program is not read"),
    ("pure_callback", partial(jax.pure_callback, lambda y: y @ y, SQUARE), "opaque: its own program is not read"),
    ("ragged_dot_general", ragged, "its groups' sizes are known on the device only"),
    ("bcoo_dot_general", sparse, "its work depends on its data"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "f", "why"), UNCOUNTED, ids=[u[0] for u in UNCOUNTED])
def test_what_cannot_be_counted_is_named(what: str, f: Callable[..., Any], why: str) -> None:
    found = work(f, SQUARE)
    assert found.total == 0
    assert found.notes == {Note(what, why)}


def test_an_exported_program_is_opaque() -> None:
    exported = jax.export.export(jax.jit(lambda x: x @ x))(SQUARE)
    assert {note.what for note in work(exported.call, SQUARE).notes} == {"call_exported"}


DTYPES = [
    ("float32", "fp32", 1), ("bfloat16", "bf16", 1), ("float16", "fp16", 1), ("float8_e4m3fn", "fp8", 1),
    ("int8", "int8", 1), ("uint8", "int8", 1), ("int32", "int", 1), ("int4", "int", 1), ("bool", "int", 1),
    ("complex64", "fp32", 4), ("float64", "fp64", 1), ("complex128", "fp64", 4),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "precision", "times"), DTYPES)
def test_the_precision_is_the_operands(dtype: str, precision: str, times: int) -> None:
    with jax.enable_x64(True):
        assert flops(lambda a: a @ a, of(8, 8, dtype=dtype)) == {precision: times * SS}


def test_a_complex_convolution_is_four() -> None:
    image, kernel = of(2, 6, 16, 16, dtype="complex64"), of(12, 6, 3, 3, dtype="complex64")
    assert flops(conv(), image, kernel) == {"fp32": 4 * PLAIN}


def test_what_it_is_summed_in_does_not_matter() -> None:
    def dot(preferred: str) -> Callable[..., Any]:
        return lambda a: lax.dot_general(a, a, (((1,), (0,)), ((), ())), preferred_element_type=preferred)

    assert flops(dot("int32"), of(8, 8, dtype="int8")) == {"int8": SS}
    assert flops(dot("float32"), of(8, 8, dtype="bfloat16")) == {"bf16": SS}


def test_of_two_dtypes_the_wider_counts() -> None:
    def dot(a: Any, b: Any) -> Any:
        return lax.dot_general(a, b, (((1,), (0,)), ((), ())), preferred_element_type="float32")

    for pair in (("bfloat16", "float32"), ("float32", "bfloat16")):
        assert flops(dot, *(of(8, 8, dtype=d) for d in pair)) == {"fp32": SS}


ASKED = [
    (None, "tf32", "fp32"), ("default", "tf32", "fp32"), ("high", "tf32", "fp32"), ("highest", "fp32", "fp32"),
    ("tensorfloat32", "tf32", "fp32"), ("bfloat16", "tf32", "fp32"), ("float32", "fp32", "fp32"),
    ("BF16_BF16_F32", "bf16", "bf16"), ("BF16_BF16_F32_X3", "bf16", "bf16"), ("TF32_TF32_F32", "tf32", "tf32"),
    ("F32_F32_F32", "fp32", "fp32"), (("default", "highest"), "fp32", "fp32"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "hopper", "turing"), ASKED, ids=[str(a[0]) for a in ASKED])
def test_a_gpu_multiplies_as_is_asked_and_a_cpu_by_the_dtype(asked: Any, hopper: str, turing: str) -> None:
    def dot(a: Any) -> Any:
        return jnp.dot(a, a, precision=asked)

    assert flops(dot, SQUARE) == {"fp32": SS}
    assert flops(dot, SQUARE, target=HOPPER) == {hopper: SS}
    assert flops(dot, SQUARE, target=TURING) == {turing: SS}


@pytest.mark.parametrize("asked", ["tensorfloat32", "bfloat16"])
def test_the_default_matmul_precision_is_for_gpus(asked: str) -> None:
    with jax.default_matmul_precision(asked):
        assert flops(lambda a: a @ a, SQUARE) == {"fp32": SS}
        assert flops(lambda a: a @ a, SQUARE, target=HOPPER) == {"tf32": SS}
        assert flops(conv(), IMAGE, KERNEL, target=HOPPER) == {"tf32": PLAIN}
    with jax.default_matmul_precision("float32"):
        assert flops(conv(), IMAGE, KERNEL, target=HOPPER) == {"fp32": PLAIN}


@pytest.mark.parametrize(("kind", "expected"), [("tfloat32", "tf32"), (jnp.bfloat16, "bf16"), (jnp.float16, "fp16")])
def test_an_algorithm_spelled_out_is_taken_at_its_word(kind: Any, expected: str) -> None:
    asked = lax.DotAlgorithm(kind, kind, accumulation_type=jnp.float32)
    assert flops(lambda a: lax.dot(a, a, precision=asked), SQUARE, target=HOPPER) == {expected: SS}


def test_half_precision_and_linear_algebra_are_no_tf32() -> None:
    assert flops(lambda a: a @ a, of(8, 8, dtype="float16"), target=HOPPER) == {"fp16": SS}
    assert set(flops(lax.linalg.cholesky, SQUARE, target=HOPPER)) == {"fp32_leading"}


def test_a_branch_by_platform_is_the_platforms() -> None:
    def f(x: Any) -> Any:
        return lax.platform_dependent(x, cuda=lambda y: y @ y @ y, default=lambda y: y @ y)

    assert flops(f, SQUARE) == {"fp32": SS}
    assert flops(f, SQUARE, target=HOPPER) == {"tf32": 2 * SS}


N = 12
TALL = of(20, 12)
THIN_QR = 2 * 12 * 12 * 20 - 2 * 12**3 // 3
THIN_Q = 4 * 20 * 12 * 12 - 2 * 32 * 144 + 4 * 12**3 // 3
X, COMPLEX, REAL = of(N, N), of(5, 64, dtype="complex64"), of(5, 64)

ALGEBRA: list[tuple[str, Callable[..., Any], tuple[Any, ...], int]] = [
    ("cholesky", lax.linalg.cholesky, (X,), N**3 // 3),
    ("cholesky of many", lax.linalg.cholesky, (of(7, N, N),), 7 * N**3 // 3),
    ("lu", lax.linalg.lu, (X,), 2 * N**3 // 3),
    ("lu of a tall one", lax.linalg.lu, (TALL,), 2 * 20 * 144 - 32 * 144 + 2 * 12**3 // 3),
    ("triangular", lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True), (X, of(N, 3)), 3 * N * N),
    ("triangular, right", lambda a, b: lax.linalg.triangular_solve(a, b), (X, of(3, N)), 3 * N * N),
    ("solve", jnp.linalg.solve, (X, of(N, 3)), 2 * N**3 // 3 + 2 * 3 * N * N),
    ("qr", jnp.linalg.qr, (TALL,), THIN_QR + THIN_Q),
    ("qr without q", lambda a: jnp.linalg.qr(a, mode="r"), (TALL,), THIN_QR),
    ("svd", lambda a: jnp.linalg.svd(a, full_matrices=False), (TALL,), 14 * 20 * 144 + 8 * 1728),
    ("svd, all vectors", lambda a: jnp.linalg.svd(a), (TALL,), 4 * 400 * 12 + 8 * 20 * 144 + 9 * 1728),
    ("singular values", lambda a: jnp.linalg.svd(a, compute_uv=False), (TALL,), 4 * 20 * 144 - 4 * 1728 // 3),
    ("eigh", jnp.linalg.eigh, (X,), 9 * N**3),
    ("eig", jnp.linalg.eig, (X,), 25 * N**3),
    ("eigenvalues", jnp.linalg.eigvals, (X,), 10 * N**3),
    ("schur", lax.linalg.schur, (X,), 25 * N**3),
    ("hessenberg", lax.linalg.hessenberg, (X,), 10 * N**3 // 3),
    ("tridiagonal", lambda a: lax.linalg.tridiagonal(a), (X,), 4 * N**3 // 3),
    ("tridiagonal solve", lax.linalg.tridiagonal_solve, (of(N), of(N), of(N), of(N, 3)), 8 * 3 * N),
    ("householder", lax.linalg.householder_product, (TALL, of(12)), THIN_Q),
    ("fft", jnp.fft.fft, (COMPLEX,), int(5 * 5 * 64 * log2(64))),
    ("inverse fft", jnp.fft.ifft, (COMPLEX,), int(5 * 5 * 64 * log2(64))),
    ("real fft", jnp.fft.rfft, (REAL,), int(2.5 * 5 * 64 * log2(64))),
    ("inverse real fft", partial(jnp.fft.irfft, n=64), (of(5, 33, dtype="complex64"),), int(2.5 * 5 * 64 * log2(64))),
    ("fft in two dimensions", jnp.fft.fft2, (of(16, 64, dtype="complex64"),), int(5 * 1024 * log2(1024))),
    ("complex lu", lax.linalg.lu, (of(N, N, dtype="complex64"),), 4 * (2 * N**3 // 3)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args", "expected"), [a[1:] for a in ALGEBRA], ids=[a[0] for a in ALGEBRA])
def test_linear_algebra_to_the_leading_order(f: Callable[..., Any], args: tuple[Any, ...], expected: int) -> None:
    assert flops(f, *args) == {"fp32_leading": expected}


def test_xla_agrees_where_it_counts_products_alone() -> None:
    """Its own count of one product, and of a convolution without padding."""
    for f, args in ((lambda a, b: a @ b, (A, B)), (conv(), (IMAGE, KERNEL))):
        counted = jax.jit(f).lower(*args).cost_analysis()["flops"]
        assert counted == work(f, *args).total


def test_what_is_no_jaxpr_raises() -> None:
    with pytest.raises(AttributeError):
        count(object(), Target())


def test_what_is_laid_out_over_devices_is_known() -> None:
    """By an operator for that, or by a parameter of another (which needs several devices, so they are made up)."""

    def jaxpr(name: str, **params: Any) -> Any:
        return SimpleNamespace(eqns=[SimpleNamespace(primitive=SimpleNamespace(name=name), params=params)])

    assert not count(jaxpr("reshape", sharding=None), Target()).constrained
    for inner in (jaxpr("reshape", sharding="a"), jaxpr("sin", out_sharding="a"), jaxpr("reshard")):
        assert count(inner, Target()).constrained
        assert count(jaxpr("jit", jaxpr=inner), Target()).constrained
        assert count(jaxpr("cond", branches=(jaxpr("sin"), inner)), Target()).constrained
