"""What the cells of ``gpu.py`` run on the GPU, each with what it must have cost by an own calculation.

A cell says ``work.matmul(5)``; what is known of it is printed as one line, ``@@`` and JSON: the monotonic times at
which it began and ended, its FLOPs by formula, the seconds between CUDA's own events.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

DEVICE = os.environ.get("GPU_BENCH_DEVICE", "cuda")
#: The side of the large matrices.
SIDE = int(os.environ.get("GPU_BENCH_SIDE", "8192"))
GIB = 1 << 30
Expected = dict[str, float]


def say(**facts: Any) -> None:
    print("@@" + json.dumps(facts), flush=True)


@contextmanager
def timed(facts: dict[str, Any]) -> Iterator[None]:
    """Says the facts, and when it began and ended, with nothing left on the GPU."""
    torch.cuda.synchronize()
    facts["t0"] = time.monotonic()
    try:
        yield
    finally:
        torch.cuda.synchronize()
        facts["t1"] = time.monotonic()
        say(**facts)


def event() -> Any:
    return torch.cuda.Event(enable_timing=True)


def drawn(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """Random, as zeros take less power."""
    return torch.randn(*shape, device=DEVICE).to(dtype)


def begin() -> None:
    """CUDA's first use in this process."""
    began = time.monotonic()
    x = drawn(256, 256)
    (x @ x).sum().item()
    name = torch.cuda.get_device_name(0)
    say(gpu=name, torch=torch.__version__, cuda=torch.version.cuda, first_use_s=time.monotonic() - began)


# Long work


def product(kind: str) -> tuple[Callable[[], Any], int]:
    """A product of that precision, and the side of its matrices."""
    torch.backends.cuda.matmul.allow_tf32 = kind == "tf32"
    side = SIDE // 2 if kind == "fp64" else SIDE
    if kind == "fp8":
        a, b = (drawn(side, side).to(torch.float8_e4m3fn) for _ in range(2))
        one = torch.ones((), device=DEVICE)
        return lambda: torch._scaled_mm(a, b.t(), one, one, out_dtype=torch.bfloat16), side
    types = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}
    x = drawn(side, side, dtype=types.get(kind, torch.float32))
    out = torch.empty_like(x)
    return lambda: torch.mm(x, x, out=out), side


def matmul(seconds: float, kind: str = "bf16") -> None:
    """Products without a pause for so long: two batches are queued at any time, so the GPU never waits."""
    multiply, side = product(kind)
    facts: dict[str, Any] = {"kind": kind}
    multiply()
    with timed(facts):
        first, count, ends = event(), 0, [event()]
        first.record()
        ends[0].record()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for _ in range(5):
                multiply()
            count += 5
            ends.append(event())
            ends[-1].record()
            ends[-2].synchronize()
        torch.cuda.synchronize()
        facts.update(count=count, busy_s=first.elapsed_time(ends[-1]) / 1e3, flops=2.0 * side**3 * (count + 1))


def duty(rounds: int, on_ms: float = 50.0, off_ms: float = 50.0) -> None:
    """A kernel that only waits, and a pause, in turn."""
    facts: dict[str, Any] = {}
    with timed(facts):
        pairs = []
        for _ in range(rounds):
            pairs.append((event(), event()))
            pairs[-1][0].record()
            torch.cuda._sleep(int(on_ms * 1.9e6))
            pairs[-1][1].record()
            torch.cuda.synchronize()
            time.sleep(off_ms / 1e3)
        facts["busy_s"] = sum(a.elapsed_time(b) for a, b in pairs) / 1e3


def overlapping() -> None:
    """Two kernels at once on two streams: busy is the length of their union."""
    facts: dict[str, Any] = {}
    with timed(facts):
        base, marks = event(), []
        base.record()
        for delay in (0.0, 0.1):
            time.sleep(delay)
            with torch.cuda.stream(torch.cuda.Stream()):
                marks.append((event(), event()))
                marks[-1][0].record()
                torch.cuda._sleep(400_000_000)
                marks[-1][1].record()
        torch.cuda.synchronize()
        spans = [(base.elapsed_time(a), base.elapsed_time(b)) for a, b in marks]
        facts.update(sum_s=sum(b - a for a, b in spans) / 1e3)
        facts.update(busy_s=(max(b for _, b in spans) - min(a for a, _ in spans)) / 1e3)


def replayed(times: int = 100) -> None:
    """A CUDA graph of ten products."""
    side, facts = SIDE // 4, dict[str, Any]()
    x, graph = drawn(side, side), torch.cuda.CUDAGraph()
    out = torch.empty_like(x)
    torch.mm(x, x, out=out)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        for _ in range(10):
            torch.mm(x, x, out=out)
    with timed(facts):
        begins, ends = event(), event()
        begins.record()
        for _ in range(times):
            graph.replay()
        ends.record()
        torch.cuda.synchronize()
        facts.update(busy_s=begins.elapsed_time(ends) / 1e3)
        facts["expected"] = {"flops_bf16": 2.0 * side**3 * (10 * times + 1)}


def profiled(rounds: int = 10) -> None:
    """The same work under torch.profiler, whose kernels are added up by ourselves."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        duty(rounds)
    kernels = [e for e in profiler.events() or () if "spin" in e.name or "sleep" in e.name.lower()]
    say(profiled_s=sum(e.device_time_total for e in kernels) / 1e6, kernels=len(kernels))


# FLOPs


def _mm(kind: str, count: int = 3) -> Expected:
    multiply, side = product(kind)
    for _ in range(count):
        multiply()
    return {f"flops_{kind}": 2.0 * side**3 * count}


def _conv() -> Expected:
    """Forward, and both gradients of the second layer, the weight's of the first."""
    layers = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 128, 3, stride=2, padding=1))
    layers = layers.to(DEVICE, torch.float16)
    layers(drawn(8, 3, 64, 64, dtype=torch.float16)).sum().backward()
    first, second = 2.0 * 8 * 64 * 64 * 64 * 3 * 9, 2.0 * 8 * 128 * 32 * 32 * 64 * 9
    return {"flops_fp16": 2 * first + 3 * second}


def _attention() -> Expected:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    backends = [SDPBackend.FLASH_ATTENTION] if DEVICE == "cuda" else [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]
    batch, heads, length, width = 4, 16, SIDE // 4, 64
    q, k, v = (drawn(batch, heads, length, width).requires_grad_() for _ in range(3))
    with sdpa_kernel(backends):
        scaled_dot_product_attention(q, k, v).sum().backward()
    return {"flops_bf16": 14.0 * batch * heads * length**2 * width}


def _autocast() -> Expected:
    layer, x = nn.Linear(1024, 2048).to(DEVICE), drawn(512, 1024, dtype=torch.float32)
    with torch.autocast(DEVICE, torch.bfloat16):
        layer(x).sum().backward()
    return {"flops_bf16": 2 * 2.0 * 512 * 1024 * 2048}


def _mlp() -> tuple[nn.Module, torch.Tensor, float]:
    model = nn.Sequential(nn.Linear(1024, 4096), nn.GELU(), nn.Linear(4096, 1024)).to(DEVICE, torch.bfloat16)
    return model, drawn(256, 1024), 2.0 * 256 * 1024 * 4096


def _compiled() -> Expected:
    model, x, one = _mlp()
    fast = torch.compile(model)
    for _ in range(10):
        fast(x).sum().backward()
    return {"flops_bf16": 10 * 5 * one}


def _compiled_graphs() -> Expected:
    """torch.compile with CUDA graphs of its own."""
    model, x, one = _mlp()
    fast = torch.compile(model, mode="reduce-overhead")
    with torch.no_grad():
        for _ in range(10):
            torch.compiler.cudagraph_mark_step_begin()
            fast(x)
    return {"flops_bf16": 10 * 2 * one}


def _lstm() -> Expected:
    layer, x = nn.LSTM(256, 512, 2).to(DEVICE), drawn(50, 32, 256, dtype=torch.float32)
    with torch.no_grad():
        layer(x)
    kind = "tf32" if DEVICE == "cuda" and torch.backends.cudnn.allow_tf32 else "fp32"
    return {f"flops_{kind}": 2.0 * 50 * 32 * 4 * 512 * ((256 + 512) + (512 + 512))}


def _encoder() -> Expected:
    """Its fused path of inference."""
    layer = nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True).to(DEVICE, torch.float16).eval()
    with torch.inference_mode():
        layer(drawn(8, 256, 512, dtype=torch.float16))
    return {"flops_fp16": 8 * (2.0 * 256 * 512 * 4 * 512 + 4.0 * 256**2 * 512 + 4.0 * 256 * 512 * 2048)}


def _int8() -> Expected:
    a, b = (torch.randint(-9, 9, (1024, 1024), device=DEVICE, dtype=torch.int8) for _ in range(2))
    torch._int_mm(a, b)
    return {"flops_int8": 2.0 * 1024**3}


def _cholesky() -> Expected:
    side = 2048
    x = drawn(side, side, dtype=torch.float32)
    torch.linalg.cholesky(x @ x.t() + side * 10 * torch.eye(side, device=DEVICE))
    return {"flops_fp32": 2.0 * side**3, "flops_fp32_leading": side**3 / 3}


CASES: dict[str, Callable[[], Expected]] = {
    **{f"mm {kind}": (lambda kind=kind: _mm(kind)) for kind in ("fp32", "tf32", "fp64", "fp8")},  # type: ignore[misc]
    "convolution": _conv,
    "attention, flash": _attention,
    "autocast": _autocast,
    "LSTM (cuDNN)": _lstm,
    "encoder layer": _encoder,
    "int8": _int8,
    "cholesky": _cholesky,
    "torch.compile": _compiled,
    "torch.compile, CUDA graphs": _compiled_graphs,
}


def case(name: str) -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    expected = CASES[name]()
    torch.cuda.synchronize()
    say(expected=expected)


def jax_case(name: str) -> None:
    """Three calls of a compiled program of ten products: written out, or as a loop."""
    import jax
    import jax.numpy as jnp

    side = SIDE // 4
    x = jax.random.normal(jax.random.key(0), (side, side), jnp.bfloat16)

    def ten(y: Any) -> Any:
        if name == "scan":
            return jax.lax.scan(lambda c, _: (jnp.tanh(c @ y), None), y, None, length=10)[0]
        for _ in range(10):
            y = jnp.tanh(y @ y)
        return y

    program = jax.jit(ten)
    for _ in range(3):
        program(x).block_until_ready()
    say(expected={"flops_bf16": 2.0 * side**3 * 30}, backend=jax.default_backend(), jax=jax.__version__)


# Memory


def peak(gib: int = 4) -> None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    x = torch.empty(gib * GIB, dtype=torch.uint8, device=DEVICE)
    del x
    say(allocated=torch.cuda.max_memory_allocated(), reserved=torch.cuda.max_memory_reserved())


def own_peak(step: str) -> None:
    """The user's own look at the peak over three cells: 2 GiB in the first, 1 GiB in the second."""
    if step == "reset":
        torch.cuda.reset_peak_memory_stats()
        torch.empty(2 * GIB, dtype=torch.uint8, device=DEVICE)
    elif step == "less":
        torch.empty(GIB, dtype=torch.uint8, device=DEVICE)
    else:
        say(peak=torch.cuda.max_memory_allocated(), wanted=torch.cuda.memory_allocated() + 2 * GIB)


# What counting costs


def _training() -> Callable[[], None]:
    layers = nn.Sequential(*[nn.Linear(256, 256) for _ in range(8)]).to(DEVICE)
    optimizer, batch = torch.optim.AdamW(layers.parameters(), fused=True), drawn(64, 256, dtype=torch.float32)

    def step() -> None:
        optimizer.zero_grad()
        layers(batch).square().mean().backward()
        optimizer.step()

    return step


def speed() -> None:
    """Microseconds of a launch (a small product), of a small training step, of a large product; the least of five."""
    small, (large, _), step = drawn(64, 64), product("bf16"), _training()
    works = {"small mm": (lambda: small @ small, 2000), "training step": (step, 100), "large mm": (large, 20)}
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(6):
        for name, (work, count) in works.items():
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(count):
                work()
            torch.cuda.synchronize()
            found[name].append((time.perf_counter() - began) / count * 1e6)
    say(**{name: min(times[1:]) for name, times in found.items()})


def train(steps: int, lr: float, part: int = 4, bar: bool = True) -> float:
    """A small regression; its last loss. With a bar, as a notebook has one."""
    from tqdm.auto import tqdm

    width = SIDE // part
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
    model = model.to(DEVICE)
    x = drawn(SIDE // 2, 64, dtype=torch.float32)
    target, optimizer = x.sum(1, keepdim=True), torch.optim.SGD(model.parameters(), lr)
    loss = torch.zeros(())
    for _ in tqdm(range(steps), disable=not bar, file=sys.stdout):
        optimizer.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        torch.cuda.synchronize()
    return float(loss.item())


def burn(seconds: float) -> None:
    """Another process's products: when each batch of five had ended."""
    multiply, _ = product("bf16")
    multiply()
    torch.cuda.synchronize()
    say(ready=time.monotonic())
    ends, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(5):
            multiply()
        torch.cuda.synchronize()
        ends.append(time.monotonic())
    say(ends=ends)
