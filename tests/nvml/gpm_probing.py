"""A process with a tracer of GPM on simulated H100s, and what its windows give."""

from __future__ import annotations

DFMA, HMMA, DMMA, IMMA, FP64, FP32, FP16 = 6, 7, 8, 9, 11, 12, 13  # nvmlGpmMetricId_t
HELPERS = """
import ctypes, threading, time
from jupyter_costmeter.sensors.nvml import gpm
clock = [100.0]
tracer = gpm.GpmTracer(clock=lambda: clock[0])
def wait_while(condition):
    until = time.monotonic() + 10
    while condition() and time.monotonic() < until:
        time.sleep(0.005)
def ready():
    wait_while(lambda: tracer._why == gpm.STARTING)
    return tracer.status()
def found_again():
    wait_while(lambda: tracer._library.reloaded or any(g.lost for g in tracer._gpus))
def samples():
    return ctypes.CDLL("libnvidia-ml.so.1").nvmlSimGpmSamples()
"""


def advance(there, sim, seconds):
    sim.advance(seconds)
    there.ask(f"clock.__setitem__(0, {sim.now!r})")


def window(there, sim, seconds=1.0):
    """The figures of a window of that length."""
    there.ask("start = tracer.mark()")
    advance(there, sim, seconds)
    return there.ask("tracer.figures(start, tracer.mark())")


def only(figures):
    (figure,) = figures
    assert figure.name == "flops_hardware"
    return figure


def assert_only_a_reason(figure, words):
    assert figure.value is None
    assert figure.method is None
    assert words in figure.reason
