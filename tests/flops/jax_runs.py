"""What the tests of JAX's FLOPs share: programs, and a window around them. JAX is there when this is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jupyter_costmeter.flops.jax_flops import JaxFlops
from jupyter_costmeter.record import Figure

SS = 2 * 8**3
X = jnp.arange(64.0, dtype="float32").reshape(8, 8) / 64


@pytest.fixture
def tracer() -> Iterator[JaxFlops]:
    """Opted in."""
    tracer = JaxFlops()
    assert tracer.opt_in().ok
    yield tracer
    tracer.close()


def window(tracer: JaxFlops, f: Callable[[], object]) -> tuple[Figure, ...]:
    start = tracer.mark()
    jax.block_until_ready(f())
    return tracer.figures(start, tracer.mark())


def flops(tracer: JaxFlops, f: Callable[[], object]) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in window(tracer, f)}


@jax.jit
def square(x: Any) -> Any:
    return x @ x


@jax.custom_jvp
def with_jvp(x: Any) -> Any:
    return x @ x


with_jvp.defjvp(lambda p, t: (p[0] @ p[0], p[0] @ t[0] + t[0] @ p[0]))
