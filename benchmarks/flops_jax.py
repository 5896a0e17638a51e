"""What counting JAX's FLOPs costs: ``python benchmarks/flops_jax.py [--rounds 11] [--json FILE]``.

Counted and uncounted rounds take turns, so that a busy machine is busy for both; medians are shown. Small
calls are the worst case: each comes by Python instead of C++ alone. Where JAX is not installed it says so
and ends with 0.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from jupyter_costmeter.flops.jax_flops import JaxFlops

SMALL, LARGE = 8, 1500


def works(jax: Any) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Name -> calls in a round, and one call."""
    small, large = jax.numpy.ones((SMALL, SMALL)), jax.numpy.ones((LARGE, LARGE))
    product, addition = jax.jit(lambda x: x @ x), jax.jit(lambda x: x + 1)
    ahead = jax.jit(lambda x: x @ x).lower(small).compile()
    return {
        f"jitted product {SMALL}×{SMALL}": (1000, lambda: product(small)),
        "jitted addition (not counted)": (1000, lambda: addition(small)),
        f"eager product {SMALL}×{SMALL}": (1000, lambda: small @ small),
        f"compiled ahead of time, {SMALL}×{SMALL}": (1000, lambda: ahead(small)),
        f"jitted product {LARGE}×{LARGE}": (3, lambda: product(large)),
    }


def round_us(jax: Any, calls: int, call: Callable[[], Any]) -> float:
    """Microseconds of one call."""
    jax.block_until_ready(call())
    began = time.perf_counter()
    for _ in range(calls):
        result = call()
    jax.block_until_ready(result)
    return (time.perf_counter() - began) / calls * 1e6


def measured(jax: Any, rounds: int) -> dict[str, dict[str, float]]:
    """Medians, in microseconds, without and with."""
    tracer, found = JaxFlops(), {}
    for name, work in works(jax).items():
        times: dict[bool, list[float]] = {False: [], True: []}
        for i in range(2 * rounds):
            (tracer.opt_in if i % 2 else tracer.opt_out)()
            times[bool(i % 2)].append(round_us(jax, *work))
        found[name] = {"none_us": statistics.median(times[False]), "ours_us": statistics.median(times[True])}
    tracer.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if importlib.util.find_spec("jax") is None:
        print("jax is not installed: nothing is measured")
        return 0
    import jax

    found = measured(jax, options.rounds)
    print(f"JAX {jax.__version__} on {jax.devices()[0]}, medians of {options.rounds} rounds, µs a call")
    print(f"{'':36}{'none':>10}{'ours':>10}{'more':>10}")
    for name, row in found.items():
        print(f"{name:36}{row['none_us']:10.1f}{row['ours_us']:10.1f}{row['ours_us'] - row['none_us']:+10.1f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(found, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
