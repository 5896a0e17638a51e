"""JAX's counter is loaded by whoever asks for it, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("jax", reason="jax is not installed: JAX's FLOPs are not tested")

from jupyter_costmeter import plugins  # noqa: E402


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys; from jupyter_costmeter import plugins; t = plugins.load('tracers', 'jax_flops'); t.open();"
        "print(t.status().ok, t.mark(), t.figures(t.mark(), t.mark()), t.opt_out().ok,"
        " [m for m in sys.modules if 'jaxpr' in m or m == 'jax'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True None () True []\n"


def test_it_counts_from_then_on() -> None:
    import jax
    import jax.numpy as jnp

    tracer = plugins.load("tracers", "jax_flops")
    tracer.open()
    before = tracer.mark()
    assert tracer.opt_in().ok
    assert tracer.awaits in sys.modules  # so the meter marks it from now on
    try:
        product = jax.jit(jnp.matmul)
        start = tracer.mark()
        product(jnp.ones((2, 3)), jnp.ones((3, 4))).block_until_ready()
        end = tracer.mark()
        assert [(f.name, f.value) for f in tracer.figures(start, end) if f.value] == [("flops_fp32", 48.0)]
        assert tracer.figures(before, end) == ()
    finally:
        tracer.opt_out()
        tracer.close()
    assert "not counted" in tracer.status().message
